// @ts-check
/** Masks as bitmaps in their colour: small ones of the whole, sharp ones of what is on the canvas. */

import { shrunkBox } from './geometry.js';
import { drawInto } from './rle.js';

/** @typedef {import('./rle.js').Box} Box */
/** @typedef {import('./rle.js').Mask} Mask */

const OVERVIEW_SIDE = 1536;
const MARGIN = 0.25; // of the canvas, drawn around it so that small moves need nothing new

/** A mask in one colour that can be drawn at any zoom. */
export class MaskLayer {
  /** @param {Mask} mask @param {string} colour as #rrggbb */
  constructor(mask, colour) {
    this.mask = mask;
    this.colour = colour;
    this.scale = Math.min(1, OVERVIEW_SIDE / Math.max(mask.width, mask.height));
    const size = { width: Math.ceil(mask.width * this.scale), height: Math.ceil(mask.height * this.scale) };
    this.overview = canvasOf(size.width, size.height);
    /** @type {{canvas: HTMLCanvasElement, box: Box, scale: number} | null} */
    this.closeup = null;
    this.update([0, 0, mask.width, mask.height]);
  }

  /**
   * Draw anew what a change of the mask touched.
   * @param {Box} box of the photo
   */
  update(box) {
    const part = shrunkBox(box, this.scale, this.overview);
    drawPart(this.mask, this.overview, part, [part[0], part[1]], this.scale, this.colour);
    this.closeup = null;
  }

  /** @param {string} colour */
  recolour(colour) {
    if (colour === this.colour) return;
    this.colour = colour;
    this.update([0, 0, this.mask.width, this.mask.height]);
  }

  /**
   * Draw it on a canvas whose units are photo pixels.
   * @param {CanvasRenderingContext2D} context
   * @param {number} scale canvas pixels per photo pixel
   * @param {Box} seen the part of the photo on the canvas
   * @param {boolean} sharp whether to make a sharp bitmap if there is none
   * @returns {boolean} whether a sharp one is still missing
   */
  draw(context, scale, seen, sharp) {
    if (scale <= this.scale * 1.25 || this.scale === 1) {
      this.drawOverview(context);
      return false;
    }
    if (!this.covers(seen, scale) && sharp) this.closeup = this.closeupOf(seen, scale);
    if (!this.closeup || !this.covers(seen, scale)) {
      this.drawOverview(context);
      return true;
    }
    const { canvas, box } = this.closeup;
    context.drawImage(canvas, box[0], box[1], box[2] - box[0], box[3] - box[1]);
    return false;
  }

  /** @param {CanvasRenderingContext2D} context */
  drawOverview(context) {
    const { width, height } = this.overview;
    context.drawImage(this.overview, 0, 0, width / this.scale, height / this.scale);
  }

  /** @param {Box} seen @param {number} scale */
  covers(seen, scale) {
    if (!this.closeup) return false;
    const { box, scale: made } = this.closeup;
    const isInside = box[0] <= seen[0] && box[1] <= seen[1] && box[2] >= seen[2] && box[3] >= seen[3];
    return isInside && made >= Math.min(1, scale) * 0.99;
  }

  /** @param {Box} seen @param {number} wanted */
  closeupOf(seen, wanted) {
    const scale = Math.min(1, wanted);
    const [dx, dy] = [(seen[2] - seen[0]) * MARGIN, (seen[3] - seen[1]) * MARGIN];
    const { width, height } = this.mask;
    const part = shrunkBox([seen[0] - dx, seen[1] - dy, seen[2] + dx, seen[3] + dy], scale, {
      width: Math.ceil(width * scale),
      height: Math.ceil(height * scale),
    });
    const canvas = canvasOf(part[2] - part[0], part[3] - part[1]);
    drawPart(this.mask, canvas, part, [0, 0], scale, this.colour);
    const box = /** @type {Box} */ (part.map((edge) => edge / scale));
    return { canvas, box, scale };
  }
}

/** @param {number} width @param {number} height */
export function canvasOf(width, height) {
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, width);
  canvas.height = Math.max(1, height);
  return canvas;
}

/** @param {HTMLCanvasElement} canvas */
export function contextOf(canvas) {
  const context = canvas.getContext('2d');
  if (!context) throw new Error('a canvas needs a 2d context, got none; use another browser');
  return context;
}

/**
 * @param {Mask} mask @param {HTMLCanvasElement} canvas
 * @param {Box} part of the shrunk mask @param {[number, number]} at on the canvas
 * @param {number} scale @param {string} colour
 */
function drawPart(mask, canvas, part, at, scale, colour) {
  const [width, height] = [part[2] - part[0], part[3] - part[1]];
  if (width <= 0 || height <= 0) return;
  const image = new ImageData(width, height);
  drawInto(mask, part, scale, new Uint32Array(image.data.buffer), packed(colour));
  contextOf(canvas).putImageData(image, at[0], at[1]);
}

/**
 * Return a colour #rrggbb as the 32-bit number that an opaque pixel of it is in memory.
 * @param {string} colour
 */
export function packed(colour) {
  const value = Number.parseInt(colour.slice(1), 16);
  const bytes = new Uint8Array([value >> 16, (value >> 8) & 255, value & 255, 255]);
  return new Uint32Array(bytes.buffer)[0];
}

/**
 * Return a grey picture as a canvas of one colour whose opacity is the grey value.
 * @param {ImageBitmap} grey @param {string} colour
 * @param {(value: number) => number} opacity of a grey value, 0..255
 */
export function tinted(grey, colour, opacity = (value) => value) {
  const canvas = canvasOf(grey.width, grey.height);
  const context = contextOf(canvas);
  context.drawImage(grey, 0, 0);
  const image = context.getImageData(0, 0, canvas.width, canvas.height);
  const table = Uint8Array.from({ length: 256 }, (_, value) => opacity(value));
  const pixels = new Uint32Array(image.data.buffer);
  const [opaque] = [packed(colour)];
  const isLittle = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;
  for (let index = 0; index < pixels.length; index += 1) {
    const alpha = table[image.data[4 * index]];
    pixels[index] = isLittle ? ((opaque & 0xffffff) | (alpha << 24)) >>> 0 : ((opaque & ~255) | alpha) >>> 0;
  }
  context.putImageData(image, 0, 0);
  return canvas;
}
