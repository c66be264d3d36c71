// @ts-check
/**
 * Masks as spans per column, and COCO's run-length code of them.
 *
 * Runs go down the columns and begin with background; in compressed counts, from the fourth run on
 * the difference to the run two before is stored, in groups of five bits, lowest first.
 * A mask of 24 megapixels takes some hundred kilobytes, and a changed box is pasted in no time.
 */

/** @typedef {{size: [number, number], counts: string | number[]}} Rle */
/** @typedef {[number, number, number, number]} Box x0, y0, x1, y1: half-open pixel edges */
/**
 * For each column the rows [start, end) of its spans: rising, not touching.
 * @typedef {{height: number, width: number, columns: ArrayLike<number>[]}} Mask
 */

const FIRST_CHARACTER = 48;
/** @type {ArrayLike<number>} */
const NOTHING = Object.freeze([]);

/**
 * Return the runs that compressed counts stand for.
 * @param {string} text
 * @returns {number[]}
 */
export function decodeCounts(text) {
  const runs = [];
  for (let place = 0; place < text.length;) {
    let value = 0;
    let factor = 1;
    let group = 0;
    do {
      group = text.charCodeAt(place) - FIRST_CHARACTER;
      if (!(group >= 0 && group < 64)) {
        throw new RangeError(`counts must be COCO's characters "0" to "o", got ${JSON.stringify(text[place])}`);
      }
      value += (group & 31) * factor;
      factor *= 32;
      place += 1;
    } while (group & 32 && place < text.length);
    if (group & 32) throw new RangeError('counts must end with a whole number, got a cut one');
    if (group & 16) value -= factor;
    if (runs.length > 2) value += runs[runs.length - 2];
    runs.push(value);
  }
  return runs;
}

/**
 * Return runs as compressed counts.
 * @param {number[]} runs
 * @returns {string}
 */
export function encodeCounts(runs) {
  /** @type {string[]} */
  const text = [];
  runs.forEach((run, index) => {
    let value = index > 2 ? run - runs[index - 2] : run;
    for (let more = true; more;) {
      const group = ((value % 32) + 32) % 32;
      value = Math.floor(value / 32);
      more = group & 16 ? value !== -1 : value !== 0;
      text.push(String.fromCharCode(FIRST_CHARACTER + (more ? group | 32 : group)));
    }
  });
  return text.join('');
}

/**
 * Return a mask without a pixel.
 * @param {number} height @param {number} width
 * @returns {Mask}
 */
export function emptyMask(height, width) {
  return { height, width, columns: new Array(width).fill(NOTHING) };
}

/**
 * Return the mask of an RLE.
 * @param {Rle} rle
 * @returns {Mask}
 */
export function maskFromRle(rle) {
  const [height, width] = rle.size;
  const runs = typeof rle.counts === 'string' ? decodeCounts(rle.counts) : rle.counts;
  const total = runs.reduce((sum, run) => sum + run, 0);
  if (total !== height * width || runs.some((run) => run < 0)) {
    throw new RangeError(`runs must sum up to ${height * width}, got ${total}`);
  }
  const mask = emptyMask(height, width);
  let start = 0;
  runs.forEach((run, index) => {
    const end = start + run;
    if (index % 2 && run) addSpan(mask, start, end);
    start = end;
  });
  return mask;
}

/** @param {Mask} mask @param {number} start @param {number} end pixels counted down the columns */
function addSpan(mask, start, end) {
  const { height, columns } = mask;
  for (let x = Math.floor(start / height); x * height < end; x += 1) {
    const top = Math.max(0, start - x * height);
    const bottom = Math.min(height, end - x * height);
    const column = columns[x] === NOTHING ? (columns[x] = []) : /** @type {number[]} */ (columns[x]);
    if (column.length && column[column.length - 1] === top) column[column.length - 1] = bottom;
    else column.push(top, bottom);
  }
}

/**
 * Return the RLE of a mask.
 * @param {Mask} mask
 * @returns {{size: [number, number], counts: string}}
 */
export function rleFromMask(mask) {
  const { height, width, columns } = mask;
  const edges = [0];
  for (let x = 0; x < width; x += 1) {
    const column = columns[x];
    for (let index = 0; index < column.length; index += 2) {
      const start = x * height + column[index];
      if (edges.length > 1 && edges[edges.length - 1] === start) edges.pop();
      else edges.push(start);
      edges.push(x * height + column[index + 1]);
    }
  }
  if (edges[edges.length - 1] !== height * width || edges.length === 1) edges.push(height * width);
  const runs = edges.slice(1).map((edge, index) => edge - edges[index]);
  return { size: [height, width], counts: encodeCounts(runs) };
}

/**
 * Return the mask of the pixels that are not zero.
 * @param {ArrayLike<number>} pixels row by row
 * @param {number} height @param {number} width
 * @returns {Mask}
 */
export function maskFromPixels(pixels, height, width) {
  const mask = emptyMask(height, width);
  for (let x = 0; x < width; x += 1) {
    /** @type {number[]} */
    const column = [];
    let inside = false;
    for (let y = 0; y < height; y += 1) {
      const isObject = pixels[y * width + x] !== 0;
      if (isObject !== inside) column.push(y);
      inside = isObject;
    }
    if (inside) column.push(height);
    if (column.length) mask.columns[x] = column;
  }
  return mask;
}

/**
 * Replace a box of a mask, in place; everything outside stays.
 * @param {Mask} mask
 * @param {Box} box
 * @param {Rle} rle of the box only
 */
export function paste(mask, box, rle) {
  const [x0, y0, x1, y1] = box;
  if (rle.size[0] !== y1 - y0 || rle.size[1] !== x1 - x0) {
    throw new RangeError(`the patch must be as large as its box, ${y1 - y0} x ${x1 - x0}, got ${rle.size.join(' x ')}`);
  }
  const patch = maskFromRle(rle);
  for (let x = x0; x < x1; x += 1) {
    mask.columns[x] = spliced(mask.columns[x], y0, y1, patch.columns[x - x0]);
  }
}

/**
 * Return a column whose rows [top, bottom) are those of another.
 * @param {ArrayLike<number>} column @param {number} top @param {number} bottom
 * @param {ArrayLike<number>} inner counted from `top`
 * @returns {ArrayLike<number>}
 */
function spliced(column, top, bottom, inner) {
  /** @type {number[]} */
  const made = [];
  const add = (/** @type {number} */ start, /** @type {number} */ end) => {
    if (start >= end) return;
    if (made.length && made[made.length - 1] === start) made[made.length - 1] = end;
    else made.push(start, end);
  };
  for (let index = 0; index < column.length; index += 2) {
    add(column[index], Math.min(column[index + 1], top));
  }
  for (let index = 0; index < inner.length; index += 2) {
    add(inner[index] + top, inner[index + 1] + top);
  }
  for (let index = 0; index < column.length; index += 2) {
    add(Math.max(column[index], bottom), column[index + 1]);
  }
  return made.length ? made : NOTHING;
}

/**
 * Say whether the pixel under a point belongs to the mask.
 * @param {Mask} mask @param {number} x @param {number} y
 */
export function contains(mask, x, y) {
  const column = mask.columns[Math.floor(x)] ?? NOTHING;
  const row = Math.floor(y);
  for (let index = 0; index < column.length; index += 2) {
    if (column[index] <= row && row < column[index + 1]) return true;
  }
  return false;
}

/**
 * Return how many pixels a mask has.
 * @param {Mask} mask
 */
export function areaOf(mask) {
  let area = 0;
  for (const column of mask.columns) {
    for (let index = 0; index < column.length; index += 2) area += column[index + 1] - column[index];
  }
  return area;
}

/**
 * Write a part of a shrunk mask into pixels: `colour` where the object is, else 0.
 * @param {Mask} mask
 * @param {Box} box of the shrunk mask, in its pixels
 * @param {number} scale of the shrunk mask to the photo, at most 1
 * @param {Uint32Array} pixels of the box, row by row
 * @param {number} colour
 */
export function drawInto(mask, box, scale, pixels, colour) {
  const [x0, y0, x1, y1] = box;
  const width = x1 - x0;
  pixels.fill(0);
  for (let x = x0; x < x1; x += 1) {
    const column = mask.columns[Math.min(mask.width - 1, Math.floor((x + 0.5) / scale))] ?? NOTHING;
    for (let index = 0; index < column.length; index += 2) {
      const top = Math.max(y0, Math.ceil(column[index] * scale - 0.5));
      const bottom = Math.min(y1, Math.ceil(column[index + 1] * scale - 0.5));
      for (let place = (top - y0) * width + x - x0, y = top; y < bottom; y += 1, place += width) {
        pixels[place] = colour;
      }
    }
  }
}
