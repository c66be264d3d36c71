// @ts-check
/** Objects from files: masks (PNG), COCO and labelme, read in the page. */

import { byId, toast } from './dom.js';
import { canvasOf, contextOf } from './layers.js';
import { maskFromPixels, maskFromRle, areaOf, rleFromMask } from './rle.js';

/** @typedef {import('./rle.js').Mask} Mask */
/** @typedef {{name: string, width: number, height: number}} Photo */
/** @typedef {{name: string, mask: Mask}} Found */

const MOST_OBJECTS = 64;

/**
 * Let files become objects: chosen in the dialog.
 * @param {import('./store.js').Store} store
 * @param {(action: Record<string, any>) => Promise<any>} act
 */
export function showImport(store, act) {
  const dialog = /** @type {HTMLDialogElement} */ (byId('import-dialog'));
  byId('import').addEventListener('click', () => {
    if (store.state.document) dialog.showModal();
  });
  const file = /** @type {HTMLInputElement} */ (byId('import-file'));
  file.addEventListener('change', () => {
    const [chosen] = file.files ?? [];
    dialog.close();
    if (chosen) void importFile(chosen, store, act);
    file.value = '';
  });
}

/**
 * Make objects of what a file holds.
 * @param {File} file @param {import('./store.js').Store} store
 * @param {(action: Record<string, any>) => Promise<any>} act
 * @returns {Promise<boolean>} whether their photo is still the one at work
 */
export async function importFile(file, store, act) {
  const { document: shown } = store.state;
  if (!shown) return true;
  const isLeft = () => store.state.document?.photo.id !== shown.photo.id;
  let imported = 0;
  try {
    const isJson = file.name.toLowerCase().endsWith('.json');
    const found = isJson ? objectsOf(JSON.parse(await file.text()), shown.photo) : await masksOf(file, shown.photo);
    for (const { name, mask } of found) {
      if (isLeft()) break;
      const before = new Set(store.state.document?.objects.map((each) => each.number));
      await act({ type: 'add', name: name.slice(0, 80) });
      if (isLeft()) break;
      const added = store.state.document?.objects.find((each) => !before.has(each.number));
      if (added) await act({ type: 'mask', object: added.number, rle: rleFromMask(mask) });
      imported += 1;
    }
    if (!isLeft()) toast(`${counted(imported)} from ${file.name}`, 'good');
  } catch (error) {
    if (!isLeft()) toast(`${file.name}: ${/** @type {Error} */ (error).message}`);
  }
  if (isLeft()) toast(`${file.name}: another photo was opened; ${counted(imported)} ${imported === 1 ? 'was' : 'were'} imported`);
  return !isLeft();
}

/** @param {number} objects */
const counted = (objects) => (objects === 1 ? '1 object' : `${objects} objects`);

/**
 * Return the objects of a COCO or labelme file.
 * @param {any} json @param {Photo} photo
 * @returns {Found[]}
 * @throws {Error} if it is neither, or speaks about other photos.
 */
export function objectsOf(json, photo) {
  const found = Array.isArray(json?.annotations) ? fromCoco(json, photo) : fromLabelme(json, photo);
  const whole = found.filter((each) => areaOf(each.mask) > 0);
  if (!whole.length) throw new Error('expected objects of this photo, got none');
  if (whole.length > MOST_OBJECTS) throw new Error(`expected at most ${MOST_OBJECTS} objects, got ${whole.length}`);
  return whole;
}

/** @param {any} json @param {Photo} photo @returns {Found[]} */
function fromCoco(json, photo) {
  const images = json.images ?? [];
  const stem = (/** @type {string} */ name) => String(name).split('/').at(-1)?.toLowerCase();
  const same = images.filter((/** @type {any} */ each) => stem(each.file_name) === stem(photo.name));
  const [image] = same.length || images.length !== 1 ? same : images;
  if (!image) throw new Error(`expected an image ${photo.name} in the COCO file, got ${images.length} others`);
  checkSize(image, photo);
  const names = new Map((json.categories ?? []).map((/** @type {any} */ each) => [each.id, each.name]));
  return json.annotations
    .filter((/** @type {any} */ each) => each.image_id === image.id && each.segmentation)
    .map((/** @type {any} */ each) => ({
      name: String(names.get(each.category_id) ?? 'object'),
      mask: Array.isArray(each.segmentation) ? maskOfPolygons(each.segmentation.map(pairs), photo) : checkedRle(each.segmentation, photo),
    }));
}

/** @param {any} json @param {Photo} photo @returns {Found[]} */
function fromLabelme(json, photo) {
  if (!Array.isArray(json?.shapes)) throw new Error('expected a COCO file ("annotations") or a labelme file ("shapes"), got neither');
  checkSize({ width: json.imageWidth, height: json.imageHeight }, photo);
  return json.shapes
    .filter((/** @type {any} */ each) => ['polygon', 'rectangle', undefined].includes(each.shape_type))
    .map((/** @type {any} */ each) => ({
      name: String(each.label || 'object'),
      mask: maskOfPolygons([each.shape_type === 'rectangle' ? corners(each.points) : each.points], photo),
    }));
}

/** @param {{width?: number, height?: number}} given @param {Photo} photo */
function checkSize({ width, height }, photo) {
  if (!width || !height || (width === photo.width && height === photo.height)) return;
  const turned = width === photo.height && height === photo.width ? ' (it is turned)' : '';
  throw new Error(`expected the photo's size, ${photo.width} x ${photo.height}, got ${width} x ${height}${turned}`);
}

/** @param {any} rle @param {Photo} photo */
function checkedRle(rle, photo) {
  checkSize({ width: rle.size[1], height: rle.size[0] }, photo);
  return maskFromRle(rle);
}

/** @param {number[]} flat @returns {number[][]} */
const pairs = (flat) => Array.from({ length: flat.length >> 1 }, (_, index) => [flat[2 * index], flat[2 * index + 1]]);

/** @param {number[][]} points two opposite corners */
const corners = ([[x0, y0], [x1, y1]]) => [[x0, y0], [x1, y0], [x1, y1], [x0, y1]];

/**
 * Return the mask whose pixels have their centre in one of the polygons.
 * @param {number[][][]} polygons @param {Photo} photo
 * @returns {Mask}
 */
export function maskOfPolygons(polygons, { width, height }) {
  /** @type {[number, number][][]} */
  const spans = Array.from({ length: width }, () => []);
  for (const points of polygons) addPolygon(spans, points, height);
  return { height, width, columns: spans.map(united) };
}

/** @param {[number, number][][]} spans per column @param {number[][]} points @param {number} height */
function addPolygon(spans, points, height) {
  /** @type {number[][]} */
  const crossings = spans.map(() => []);
  points.forEach(([x0, y0], index) => {
    const [x1, y1] = points[(index + 1) % points.length];
    const first = Math.max(0, Math.ceil(Math.min(x0, x1) - 0.5));
    for (let x = first; x < spans.length && x + 0.5 < Math.max(x0, x1); x += 1) {
      crossings[x].push(y0 + ((y1 - y0) * (x + 0.5 - x0)) / (x1 - x0));
    }
  });
  crossings.forEach((found, x) => {
    found.sort((a, b) => a - b);
    for (let index = 0; index + 1 < found.length; index += 2) {
      const top = Math.min(height, Math.max(0, Math.ceil(found[index] - 0.5)));
      const bottom = Math.min(height, Math.max(0, Math.ceil(found[index + 1] - 0.5)));
      if (top < bottom) spans[x].push([top, bottom]);
    }
  });
}

/** @param {[number, number][]} spans @returns {number[]} joined where they touch */
function united(spans) {
  /** @type {number[]} */
  const made = [];
  for (const [top, bottom] of spans.sort((a, b) => a[0] - b[0])) {
    if (made.length && top <= made[made.length - 1]) made[made.length - 1] = Math.max(bottom, made[made.length - 1]);
    else made.push(top, bottom);
  }
  return made;
}

/** @param {File} file a picture of labels @param {Photo} photo @returns {Promise<Found[]>} */
async function masksOf(file, photo) {
  const picture = await createImageBitmap(file, { colorSpaceConversion: 'none', premultiplyAlpha: 'none' });
  checkSize(picture, photo);
  const canvas = canvasOf(picture.width, picture.height);
  const context = contextOf(canvas);
  context.drawImage(picture, 0, 0);
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  const stem = file.name.replace(/\.[^.]*$/, '');
  return byColour(new Uint32Array(data.buffer), photo, stem);
}

/**
 * Return an object per colour that is not black; soft grey of a mask counts from half on.
 * @param {Uint32Array} pixels @param {Photo} photo @param {string} stem
 * @returns {Found[]}
 */
export function byColour(pixels, { width, height }, stem) {
  const counts = new Map();
  for (const pixel of pixels) counts.set(pixel, (counts.get(pixel) ?? 0) + 1);
  const isBlack = (/** @type {number} */ pixel) => !(pixel & 0xffffff) || !(pixel >>> 24);
  const colours = [...counts.keys()].filter((pixel) => !isBlack(pixel));
  if (!colours.length) throw new Error('expected a mask with an object, got a black picture');
  if (colours.length > MOST_OBJECTS) {
    const bright = pixels.map((pixel) => Number((pixel & 255) > 127));
    return [{ name: stem, mask: maskFromPixels(bright, height, width) }];
  }
  return colours.map((colour, index) => ({
    name: colours.length === 1 ? stem : `${stem} ${index + 1}`,
    mask: maskFromPixels(pixels.map((pixel) => Number(pixel === colour)), height, width),
  }));
}
