// @ts-check
/** Refined edges from the server: alpha, cut-out colours and the trimap's band of each object. */

import { bitmap, Refused } from './api.js';
import { tinted } from './layers.js';
import { showsCutouts } from './modes.js';

/** @typedef {import('./document.js').PageObject} PageObject */
/** @typedef {'alpha' | 'white' | 'cutout' | 'band'} Kind */
/**
 * @typedef {object} Matte
 * @property {Map<string, {of: string, drawn: CanvasImageSource}>} parts by kind: alpha, white, cutout, band
 * @property {Map<string, {of: string, control: AbortController}>} asked
 * @property {Map<string, string>} refused what the server would not make, so that it is asked once
 */

const SETTLED_MS = 120; // a slider at rest
const AGAIN_MS = 2000; // after a lost connection
const SIDES = [1024, 2048, 4096];

export class Mattes {
  /**
   * @param {import('./store.js').Store} store
   * @param {{arrived: () => void, took: (seconds: number) => void, failed: (error: Error) => void}} tell
   */
  constructor(store, tell) {
    this.store = store;
    this.tell = tell;
    /** @type {Map<number, Matte>} */
    this.mattes = new Map();
    this.side = SIDES[0];
    this.timer = 0;
  }

  /** Forget all; another photo comes. */
  clear() {
    for (const matte of this.mattes.values()) {
      for (const each of matte.asked.values()) each.control.abort();
    }
    this.mattes.clear();
    this.side = SIDES[0];
    this.tellBusy();
  }

  /** Look at more of it, since the zoom needs it. @param {number} needed long side in screen pixels */
  lookCloser(needed) {
    const side = SIDES.find((each) => each >= needed) ?? SIDES[SIDES.length - 1];
    if (side <= this.side) return;
    this.side = side;
    this.refresh();
  }

  /** Ask for what is shown and out of date, once nothing has changed for a moment. */
  refresh() {
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => this.ask(), SETTLED_MS);
    this.tellBusy();
  }

  /**
   * Return what is drawn of an object, or null if there is nothing (yet).
   * @param {PageObject} object @param {Kind} kind
   */
  drawn(object, kind) {
    return object.refine ? this.mattes.get(object.number)?.parts.get(kind)?.drawn ?? null : null;
  }

  /** What is shown of which objects. @returns {{object: PageObject, kind: Kind}[]} */
  wanted() {
    const { document, mode, active } = this.store.state;
    /** @type {Kind} */
    const whole = showsCutouts(mode) ? 'cutout' : mode === 'alpha' ? 'white' : 'alpha';
    const refined = (document?.objects ?? []).filter((each) => each.refine && each.area && each.visible);
    return refined.flatMap((object) => {
      const hasBand = object.number === active && bandIsShown(this.store.state);
      return hasBand ? [{ object, kind: whole }, { object, kind: 'band' }] : [{ object, kind: whole }];
    });
  }

  ask() {
    for (const { object, kind } of this.wanted()) void this.askPart(object, kind);
    const there = new Set(this.store.state.document?.objects.filter((each) => each.refine).map((each) => each.number));
    for (const number of this.mattes.keys()) if (!there.has(number)) this.mattes.delete(number);
    this.tellBusy();
  }

  /** Name the state that a part is drawn of. @param {PageObject} object @param {Kind} kind */
  stateOf(object, kind) {
    return `${object.state_hash} ${object.colour} ${this.pathOf(object, kind)}`;
  }

  /** @param {PageObject} object @param {Kind} kind */
  async askPart(object, kind) {
    const matte = this.mattes.get(object.number) ?? { parts: new Map(), asked: new Map(), refused: new Map() };
    this.mattes.set(object.number, matte);
    const of = this.stateOf(object, kind);
    const isKnown = [matte.parts.get(kind)?.of, matte.asked.get(kind)?.of, matte.refused.get(kind)].includes(of);
    if (isKnown) return;
    matte.asked.get(kind)?.control.abort();
    const control = new AbortController();
    matte.asked.set(kind, { of, control });
    try {
      const found = await bitmap(this.pathOf(object, kind), control.signal);
      matte.parts.set(kind, { of, drawn: prepared(kind, found.bitmap, object.colour) });
      const seconds = Number(found.headers.get('X-Maskwright-Seconds'));
      if (seconds > 0) this.tell.took(seconds);
    } catch (error) {
      if (error instanceof Refused) {
        matte.refused.set(kind, of);
        this.tell.failed(error);
      } else if (!control.signal.aborted) setTimeout(() => this.refresh(), AGAIN_MS);
    }
    if (matte.asked.get(kind)?.control === control) matte.asked.delete(kind);
    this.tellBusy();
    this.tell.arrived();
  }

  /** @param {PageObject} object @param {string} kind */
  pathOf(object, kind) {
    const { document } = this.store.state;
    const base = `photos/${document?.photo.id}/objects/${object.number}`;
    const state = `state=${object.state_hash}`; // another state is another address for the cache
    if (kind === 'band') return `${base}/trimap?side=${Math.min(this.side, 2048)}&${state}`;
    if (kind !== 'cutout') return `${base}/alpha?side=${this.side}&${state}`;
    return `${base}/cutout?side=${this.side}&decontaminate=${amountOf(document)}&${state}`;
  }

  tellBusy() {
    const isMissing = this.wanted().some(({ object, kind }) => {
      const matte = this.mattes.get(object.number);
      const of = this.stateOf(object, kind);
      return matte?.parts.get(kind)?.of !== of && matte?.refused.get(kind) !== of;
    });
    this.store.set({ busy: isMissing ? 'refining the edge…' : '' });
  }
}

/** The amount of decontamination of a document, 0..1. @param {import('./document.js').Document | null} document */
export function amountOf(document) {
  const amount = Number(document?.settings.decontaminate ?? 1);
  return Number.isFinite(amount) ? amount : 1;
}

/** Whether the band is shown on the photo. @param {import('./store.js').State} state */
export function bandIsShown(state) {
  return state.bandValue !== null || (state.showBand && state.mode === 'overlay');
}

/** @param {string} kind @param {ImageBitmap} picture @param {string} colour */
function prepared(kind, picture, colour) {
  if (kind === 'cutout') return picture;
  if (kind === 'band') return tinted(picture, '#ffb020', (value) => (value > 8 && value < 247 ? 120 : 0));
  return tinted(picture, kind === 'white' ? '#ffffff' : colour);
}
