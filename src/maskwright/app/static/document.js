// @ts-check
/** The photo at work and its objects: made of the server's document, changed by its changes. */

import { emptyMask, maskFromRle, paste } from './rle.js';

/** @typedef {import('./rle.js').Box} Box */
/** @typedef {{x: number, y: number, positive: boolean}} Click */
/**
 * @typedef {object} PageObject
 * @property {number} number
 * @property {string} name
 * @property {string} colour
 * @property {boolean} visible
 * @property {number} area
 * @property {Box | null} box
 * @property {Click[]} clicks
 * @property {{band: number | 'auto', model: string} | null} refine
 * @property {string} state_hash
 * @property {import('./rle.js').Mask} mask
 */
/**
 * @typedef {object} Document
 * @property {import('./store.js').Card} photo
 * @property {number} revision
 * @property {PageObject[]} objects in order, the last one on top
 * @property {boolean} can_undo
 * @property {boolean} can_redo
 * @property {Record<string, any>} settings
 */

/**
 * Return the page's form of a document of the server: masks decoded.
 * @param {any} json
 * @returns {Document}
 */
export function documentFrom(json) {
  const { width, height } = json.photo;
  const objects = json.objects.map((/** @type {any} */ each) => {
    const { rle, ...rest } = each;
    return { ...rest, mask: rle ? maskFromRle(rle) : emptyMask(height, width) };
  });
  return { ...json, settings: json.settings ?? {}, objects };
}

/**
 * Apply a change to a document, in place.
 * @param {Document} document @param {any} change
 * @returns {{number: number, box: Box}[]} whose masks changed, and where
 */
export function applyChange(document, change) {
  const { width, height } = document.photo;
  const known = new Map(document.objects.map((each) => [each.number, each]));
  const changedMasks = [];
  for (const { mask: patch, ...fields } of change.changed) {
    const object = known.get(fields.number) ?? { mask: emptyMask(height, width) };
    known.set(fields.number, Object.assign(object, fields));
    if (!patch) continue;
    paste(object.mask, patch.box, patch.rle);
    changedMasks.push({ number: fields.number, box: patch.box });
  }
  for (const number of change.removed) known.delete(number);
  document.objects = change.objects.flatMap((/** @type {number} */ number) => known.get(number) ?? []);
  document.revision = change.revision;
  document.can_undo = change.can_undo;
  document.can_redo = change.can_redo;
  if (change.settings) document.settings = change.settings;
  if (change.photo) document.photo = { ...document.photo, ...change.photo };
  return changedMasks;
}

/**
 * Return the object that a click would speak about after a change: the same one if it is there.
 * @param {Document} document @param {number | null} active
 */
export function stillActive(document, active) {
  if (document.objects.some((each) => each.number === active)) return active;
  return document.objects.at(-1)?.number ?? null;
}
