// @ts-check
/** Where the photo lies on the screen, and the shapes that are drawn on it. Points are (x, y). */

/**
 * Screen = photo * zoom + (x, y), in CSS pixels of the canvas.
 * @typedef {{zoom: number, x: number, y: number}} View
 */
/** @typedef {{width: number, height: number}} Size */
/** @typedef {[number, number]} Point */
/** @typedef {[number, number, number, number]} Box */

export const MAX_ZOOM = 32;
const KEEP_PX = 48; // how much of the photo stays on the canvas

/**
 * Return the view in which the whole photo fits, in the middle.
 * @param {Size} photo @param {Size} canvas
 * @param {number} margin around it, in CSS pixels
 * @returns {View}
 */
export function fitted(photo, canvas, margin = 24) {
  const room = (/** @type {number} */ side) => Math.max(side - 2 * margin, side / 2, 1);
  const zoom = Math.min(room(canvas.width) / photo.width, room(canvas.height) / photo.height, MAX_ZOOM);
  return centred(zoom, photo, canvas);
}

/**
 * Return a view of a zoom with the photo in the middle.
 * @param {number} zoom @param {Size} photo @param {Size} canvas
 * @returns {View}
 */
export function centred(zoom, photo, canvas) {
  return {
    zoom,
    x: (canvas.width - photo.width * zoom) / 2,
    y: (canvas.height - photo.height * zoom) / 2,
  };
}

/**
 * Return the view after zooming by a factor: the photo's point under (x, y) stays there.
 * @param {View} view @param {number} factor @param {number} x @param {number} y
 * @param {number} least zoom
 * @returns {View}
 */
export function zoomedAt(view, factor, x, y, least) {
  const zoom = Math.min(MAX_ZOOM, Math.max(least, view.zoom * factor));
  const real = zoom / view.zoom;
  return { zoom, x: x - (x - view.x) * real, y: y - (y - view.y) * real };
}

/**
 * Return the view moved so that some of the photo stays on the canvas.
 * @param {View} view @param {Size} photo @param {Size} canvas
 * @returns {View}
 */
export function kept(view, photo, canvas) {
  const clamp = (/** @type {number} */ at, /** @type {number} */ length, /** @type {number} */ room) => {
    const keep = Math.min(KEEP_PX, length);
    return Math.min(room - keep, Math.max(keep - length, at));
  };
  return {
    zoom: view.zoom,
    x: clamp(view.x, photo.width * view.zoom, canvas.width),
    y: clamp(view.y, photo.height * view.zoom, canvas.height),
  };
}

/**
 * Return the point of the photo under a point of the canvas; it may lie outside the photo.
 * @param {View} view @param {number} x @param {number} y
 * @returns {Point}
 */
export function toPhoto(view, x, y) {
  return [(x - view.x) / view.zoom, (y - view.y) / view.zoom];
}

/**
 * Return where a point of the photo lies on the canvas.
 * @param {View} view @param {number} x @param {number} y
 * @returns {Point}
 */
export function toScreen(view, x, y) {
  return [x * view.zoom + view.x, y * view.zoom + view.y];
}

/**
 * Say whether a point lies on the photo.
 * @param {Point} point @param {Size} photo
 */
export function isInside([x, y], photo) {
  return x >= 0 && y >= 0 && x < photo.width && y < photo.height;
}

/**
 * Return the nearest point that is valid for the photo.
 * @param {Point} point @param {Size} photo
 * @returns {Point}
 */
export function clamped([x, y], photo) {
  const inside = (/** @type {number} */ at, /** @type {number} */ length) => Math.min(Math.max(at, 0), length - 0.01);
  return [inside(x, photo.width), inside(y, photo.height)];
}

/**
 * Return the box between two corners, in whole pixels inside the photo.
 * @param {Point} a @param {Point} b @param {Size} photo
 * @returns {Box}
 */
export function boxBetween(a, b, photo) {
  const low = (/** @type {number} */ p, /** @type {number} */ q) => Math.max(0, Math.floor(Math.min(p, q)));
  const high = (/** @type {number} */ p, /** @type {number} */ q, /** @type {number} */ side) => Math.min(side, Math.ceil(Math.max(p, q)));
  return [low(a[0], b[0]), low(a[1], b[1]), high(a[0], b[0], photo.width), high(a[1], b[1], photo.height)];
}

/**
 * Return the box in the pixels of a shrunk picture that covers a box of the photo.
 * @param {Box} box @param {number} scale @param {Size} shrunk
 * @returns {Box}
 */
export function shrunkBox(box, scale, shrunk) {
  return [
    Math.max(0, Math.floor(box[0] * scale) - 1),
    Math.max(0, Math.floor(box[1] * scale) - 1),
    Math.min(shrunk.width, Math.ceil(box[2] * scale) + 1),
    Math.min(shrunk.height, Math.ceil(box[3] * scale) + 1),
  ];
}

/**
 * Return the part of the photo that is on the canvas, in whole pixels.
 * @param {View} view @param {Size} photo @param {Size} canvas
 * @returns {Box}
 */
export function visibleBox(view, photo, canvas) {
  const [left, top] = toPhoto(view, 0, 0);
  const [right, bottom] = toPhoto(view, canvas.width, canvas.height);
  return boxBetween(clamped([left, top], photo), clamped([right, bottom], photo), photo);
}

/**
 * Return the stroke thinned out to at most so many points: those that matter least go first.
 * @param {Point[]} points
 * @param {number} most
 * @returns {Point[]}
 */
export function thinned(points, most) {
  let slack = 0.5;
  let found = simplified(points, slack);
  while (found.length > most) {
    slack *= 2;
    found = simplified(points, slack);
  }
  return found.map(([x, y]) => [Math.round(x * 100) / 100, Math.round(y * 100) / 100]);
}

/**
 * Return the points without those nearer than `slack` to the line between their neighbours
 * (Ramer 1972, Douglas and Peucker 1973).
 * @param {Point[]} points @param {number} slack in pixels
 * @returns {Point[]}
 */
export function simplified(points, slack) {
  if (points.length < 3) return points.slice();
  const keeps = new Uint8Array(points.length);
  keeps[0] = 1;
  keeps[points.length - 1] = 1;
  /** @type {[number, number][]} */
  const open = [[0, points.length - 1]];
  for (let pair = open.pop(); pair; pair = open.pop()) {
    const [first, last] = pair;
    let farthest = -1;
    let most = slack;
    for (let index = first + 1; index < last; index += 1) {
      const away = distanceToSegment(points[index], points[first], points[last]);
      if (away > most) [farthest, most] = [index, away];
    }
    if (farthest < 0) continue;
    keeps[farthest] = 1;
    open.push([first, farthest], [farthest, last]);
  }
  return points.filter((_, index) => keeps[index]);
}

/**
 * Return how far a point is from a segment.
 * @param {Point} point @param {Point} a @param {Point} b
 */
export function distanceToSegment(point, a, b) {
  const [dx, dy] = [b[0] - a[0], b[1] - a[1]];
  const length = dx * dx + dy * dy;
  const along = length ? ((point[0] - a[0]) * dx + (point[1] - a[1]) * dy) / length : 0;
  const at = Math.min(1, Math.max(0, along));
  return Math.hypot(point[0] - a[0] - at * dx, point[1] - a[1] - at * dy);
}

/**
 * Return the smallest of the sides on offer that is large enough, or null if none is.
 * @param {number[]} sides rising
 * @param {number} needed long side in screen pixels
 * @returns {number | null}
 */
export function sideFor(sides, needed) {
  return sides.find((side) => side >= needed) ?? null;
}
