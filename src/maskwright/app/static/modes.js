// @ts-check
/** Ways to look at the result: overlay, on black, on white, …, before and after. */

import { contextOf, canvasOf } from './layers.js';

/** @typedef {import('./rle.js').Box} Box */
/**
 * What a mode needs to paint; the units of `context` are photo pixels.
 * @typedef {object} Scene
 * @property {CanvasRenderingContext2D} context
 * @property {{width: number, height: number}} photo
 * @property {Box} seen
 * @property {number} scale
 * @property {(context: CanvasRenderingContext2D) => void} paintPicture
 * @property {(context: CanvasRenderingContext2D, look: Look) => void} paintObjects
 * @property {{colour: string, backdrop: ImageBitmap | null, opacity: number, split: number}} state
 */
/** @typedef {'overlay' | 'cutout' | 'alpha'} Look */

/** @type {{name: string, label: string}[]} */
export const MODES = [
  { name: 'overlay', label: 'Overlay' },
  { name: 'checkerboard', label: 'Checkerboard' },
  { name: 'black', label: 'On black' },
  { name: 'white', label: 'On white' },
  { name: 'colour', label: 'On a colour' },
  { name: 'photo', label: 'On a photo' },
  { name: 'alpha', label: 'Alpha only' },
  { name: 'split', label: 'Before / after' },
];

/** Whether a mode shows cut-outs, for which colours of soft edges are needed. @param {string} mode */
export const showsCutouts = (mode) => mode !== 'overlay' && mode !== 'alpha';

/**
 * Return the mode that one key leads to.
 * @param {string} mode @param {number} step 1 or -1
 */
export function nextMode(mode, step = 1) {
  const place = MODES.findIndex((each) => each.name === mode);
  return MODES[(place + step + MODES.length) % MODES.length].name;
}

/**
 * Paint the photo in a mode.
 * @param {string} mode @param {Scene} scene
 */
export function paint(mode, scene) {
  const { context, photo } = scene;
  if (mode === 'overlay') {
    scene.paintPicture(context);
    scene.paintObjects(context, 'overlay');
    return;
  }
  if (mode === 'alpha') {
    fill(context, photo, '#000');
    scene.paintObjects(context, 'alpha');
    return;
  }
  paintBackground(mode, scene);
  scene.paintObjects(context, 'cutout');
  if (mode !== 'split') return;
  context.save();
  context.beginPath();
  context.rect(0, 0, photo.width * scene.state.split, photo.height);
  context.clip();
  scene.paintPicture(context);
  context.restore();
}

/** @param {string} mode @param {Scene} scene */
function paintBackground(mode, scene) {
  const { context, photo, state } = scene;
  if (mode === 'black') fill(context, photo, '#000');
  else if (mode === 'white') fill(context, photo, '#fff');
  else if (mode === 'colour') fill(context, photo, state.colour);
  else if (mode === 'photo' && state.backdrop) covering(context, photo, state.backdrop);
  else checkerboard(context, photo);
}

/** @param {CanvasRenderingContext2D} context @param {{width: number, height: number}} photo @param {string} colour */
function fill(context, photo, colour) {
  context.fillStyle = colour;
  context.fillRect(0, 0, photo.width, photo.height);
}

/** @param {CanvasRenderingContext2D} context @param {{width: number, height: number}} photo @param {ImageBitmap} picture */
function covering(context, photo, picture) {
  const scale = Math.max(photo.width / picture.width, photo.height / picture.height);
  const [width, height] = [photo.width / scale, photo.height / scale];
  const [left, top] = [(picture.width - width) / 2, (picture.height - height) / 2];
  context.drawImage(picture, left, top, width, height, 0, 0, photo.width, photo.height);
}

/** @type {HTMLCanvasElement | null} */
let squares = null;

/** @param {CanvasRenderingContext2D} context @param {{width: number, height: number}} photo */
function checkerboard(context, photo) {
  squares ??= makeSquares();
  const pattern = /** @type {CanvasPattern} */ (context.createPattern(squares, 'repeat'));
  const { a, d } = context.getTransform();
  pattern.setTransform(new DOMMatrix([1 / a, 0, 0, 1 / d, 0, 0])); // squares keep their size on screen
  context.fillStyle = /** @type {any} */ (pattern);
  context.fillRect(0, 0, photo.width, photo.height);
}

function makeSquares() {
  const canvas = canvasOf(24, 24);
  const context = contextOf(canvas);
  context.fillStyle = '#fdfdfd';
  context.fillRect(0, 0, 24, 24);
  context.fillStyle = '#d3d7dc';
  context.fillRect(0, 0, 12, 12);
  context.fillRect(12, 12, 12, 12);
  return canvas;
}
