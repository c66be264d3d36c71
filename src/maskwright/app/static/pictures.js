// @ts-check
/** The photo at the size that the zoom needs: the whole at three sizes, 512-pixel tiles when closer. */

import { bitmap } from './api.js';
import { sideFor } from './geometry.js';

/** @typedef {import('./rle.js').Box} Box */

const SIDES = [1024, 2048, 4096];
const TILE = 512;
const TILES_KEPT = 160;
const AT_ONCE = 4;

export class Picture {
  /** @param {import('./store.js').Card} photo @param {() => void} arrived something new can be drawn */
  constructor(photo, arrived) {
    this.photo = photo;
    this.arrived = arrived;
    this.long = Math.max(photo.width, photo.height);
    /** @type {Map<number, ImageBitmap>} */
    this.levels = new Map();
    /** @type {Map<string, ImageBitmap>} the least recently drawn first */
    this.tiles = new Map();
    /** @type {Map<string, AbortController>} */
    this.asked = new Map();
    this.closed = new AbortController();
  }

  /** Give the memory back. */
  close() {
    this.closed.abort();
    for (const each of this.asked.values()) each.abort();
    for (const each of [...this.levels.values(), ...this.tiles.values()]) each.close();
    this.levels.clear();
    this.tiles.clear();
  }

  /** Whether anything can be drawn. */
  get isThere() {
    return this.levels.size > 0;
  }

  /**
   * Draw it on a canvas whose units are photo pixels; what is missing is asked for.
   * @param {CanvasRenderingContext2D} context
   * @param {number} scale canvas pixels per photo pixel
   * @param {Box} seen the part of the photo on the canvas
   */
  draw(context, scale, seen) {
    const { width, height } = this.photo;
    const needed = Math.min(this.long, scale * this.long * 0.9);
    const side = sideFor(SIDES, needed) ?? SIDES[SIDES.length - 1];
    if (!this.isThere) this.askLevel(SIDES[0]);
    else if (!this.levels.has(side)) this.askLevel(side);
    const best = this.bestLevel(side);
    context.imageSmoothingEnabled = scale < 3;
    if (best) context.drawImage(best, 0, 0, width, height);
    if (needed > SIDES[SIDES.length - 1]) this.drawTiles(context, seen);
  }

  /** @param {number} side */
  bestLevel(side) {
    const there = [...this.levels.keys()].sort((a, b) => a - b);
    const chosen = there.find((each) => each >= side) ?? there.at(-1);
    return chosen === undefined ? null : this.levels.get(chosen) ?? null;
  }

  /** @param {CanvasRenderingContext2D} context @param {Box} seen */
  drawTiles(context, seen) {
    const wanted = new Set();
    for (let row = Math.floor(seen[1] / TILE); row * TILE < seen[3]; row += 1) {
      for (let column = Math.floor(seen[0] / TILE); column * TILE < seen[2]; column += 1) {
        const name = `${column}/${row}`;
        wanted.add(name);
        const tile = this.tiles.get(name);
        if (!tile) continue;
        this.tiles.delete(name);
        this.tiles.set(name, tile);
        context.drawImage(tile, column * TILE, row * TILE, tile.width, tile.height);
      }
    }
    for (const [name, asked] of this.asked) {
      if (name.includes('/') && !wanted.has(name)) asked.abort();
    }
    for (const name of wanted) if (!this.tiles.has(name)) this.askTile(name);
  }

  /** @param {number} side */
  askLevel(side) {
    void this.ask(String(side), `picture?side=${side}`, (found) => this.levels.set(side, found));
  }

  /** @param {string} name */
  askTile(name) {
    if (this.asked.size >= AT_ONCE) return;
    void this.ask(name, `tiles/${name}`, (found) => {
      this.tiles.set(name, found);
      for (const [oldest, tile] of this.tiles) {
        if (this.tiles.size <= TILES_KEPT) break;
        this.tiles.delete(oldest);
        tile.close();
      }
    });
  }

  /** @param {string} name @param {string} path @param {(found: ImageBitmap) => void} keep */
  async ask(name, path, keep) {
    if (this.asked.has(name) || this.closed.signal.aborted) return;
    const control = new AbortController();
    this.asked.set(name, control);
    let wait = 0;
    try {
      const found = await bitmap(`photos/${this.photo.id}/${path}`, control.signal);
      if (this.closed.signal.aborted) found.bitmap.close();
      else keep(found.bitmap);
    } catch {
      wait = control.signal.aborted ? 0 : 1500; // asked again when drawn again
    }
    setTimeout(() => {
      this.asked.delete(name);
      if (!this.closed.signal.aborted) this.arrived();
    }, wait);
  }
}
