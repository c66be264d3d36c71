// @ts-check
/** The canvas: where the photo lies, and painting it; a second canvas above shows what moves. */

import { centred, fitted, kept, toScreen, visibleBox, zoomedAt, toPhoto } from './geometry.js';
import { canvasOf, contextOf, MaskLayer } from './layers.js';
import { bandIsShown } from './mattes.js';
import { paint } from './modes.js';
import { Picture } from './pictures.js';

/** @typedef {import('./geometry.js').Point} Point */
/** @typedef {import('./modes.js').Look} Look */
/** @typedef {import('./document.js').PageObject} PageObject */

const STILL_MS = 140; // no movement for so long: sharp bitmaps are worth making
const ACCENT = '#5eead4';
const REMOVE = '#ff5c5c';

export class Viewport {
  /**
   * @param {HTMLElement} stage @param {HTMLCanvasElement} base @param {HTMLCanvasElement} top
   * @param {import('./store.js').Store} store
   */
  constructor(stage, base, top, store) {
    this.stage = stage;
    this.base = base;
    this.top = top;
    this.store = store;
    /** @type {import('./geometry.js').View} */
    this.view = { zoom: 1, x: 0, y: 0 };
    this.size = { width: 1, height: 1 };
    this.isFitted = true;
    /** @type {Picture | null} */
    this.picture = null;
    /** @type {import('./mattes.js').Mattes | null} */
    this.mattes = null;
    /** @type {Map<number, MaskLayer>} */
    this.layers = new Map();
    /** @type {Map<number, MaskLayer>} */
    this.subjectLayers = new Map();
    this.scratch = [canvasOf(1, 1), canvasOf(1, 1)];
    this.isSharp = true;
    this.timer = 0;
    this.asked = { base: false, top: false };
    /** @type {(() => void)[]} */
    this.afterPaint = [];
    /** @type {() => void} */
    this.moved = () => {};
    new ResizeObserver(() => this.resize()).observe(stage);
  }

  get photo() {
    return this.store.state.document?.photo ?? null;
  }

  get ratio() {
    return window.devicePixelRatio || 1;
  }

  /** Show another photo, or none. @param {import('./store.js').Card | null} card */
  open(card) {
    this.picture?.close();
    this.layers.clear();
    this.subjectLayers.clear();
    this.picture = card ? new Picture(card, () => this.draw()) : null;
    this.fit(card);
  }

  resize() {
    const { width, height } = this.stage.getBoundingClientRect();
    this.size = { width: Math.max(1, width), height: Math.max(1, height) };
    for (const canvas of [this.base, this.top, ...this.scratch]) {
      canvas.width = Math.round(this.size.width * this.ratio);
      canvas.height = Math.round(this.size.height * this.ratio);
    }
    if (this.isFitted) this.fit();
    this.paintAll();
  }

  /** Show the whole photo. @param {import('./store.js').Card | null} photo */
  fit(photo = this.photo) {
    if (!photo) return;
    const small = this.size.width < 600;
    this.move(fitted(photo, this.size, small ? 10 : 32), true);
  }

  /** Show one photo pixel per screen pixel, around a point of the canvas. */
  actual() {
    if (!this.photo) return;
    const { width, height } = this.size;
    const zoom = 1 / this.ratio;
    if (this.isFitted && this.view.zoom > zoom) this.move(centred(zoom, this.photo, this.size));
    else this.move(zoomedAt(this.view, zoom / this.view.zoom, width / 2, height / 2, 0));
  }

  /** @param {number} factor @param {number} [x] @param {number} [y] a point of the canvas that stays */
  zoom(factor, x = this.size.width / 2, y = this.size.height / 2) {
    if (!this.photo) return;
    const least = Math.min(fitted(this.photo, this.size).zoom, 1) / 4;
    this.move(zoomedAt(this.view, factor, x, y, least));
  }

  /** @param {number} dx @param {number} dy in CSS pixels */
  pan(dx, dy) {
    this.move({ ...this.view, x: this.view.x + dx, y: this.view.y + dy });
  }

  /** @param {import('./geometry.js').View} view @param {boolean} isFitted */
  move(view, isFitted = false) {
    this.view = this.photo && !isFitted ? kept(view, this.photo, this.size) : view;
    this.isFitted = isFitted;
    this.isSharp = false;
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => {
      this.isSharp = true;
      this.draw();
    }, STILL_MS);
    this.draw();
    this.moved();
  }

  /** @param {PointerEvent | WheelEvent | MouseEvent} event @returns {Point} of the canvas */
  at(event) {
    const box = this.top.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  /** @param {PointerEvent | MouseEvent} event @returns {Point} of the photo */
  photoPoint(event) {
    const [x, y] = this.at(event);
    return toPhoto(this.view, x, y);
  }

  /** Paint everything before the next frame; call `then` once it is painted. @param {() => void} [then] */
  draw(then) {
    if (then) this.afterPaint.push(then);
    this.asked.base = true;
    this.drawTop();
  }

  /** Paint what moves before the next frame. */
  drawTop() {
    if (!this.asked.top) requestAnimationFrame(() => this.paintAsked());
    this.asked.top = true;
  }

  paintAsked() {
    const { base } = this.asked;
    this.asked = { base: false, top: false };
    if (base) this.paintBase();
    this.paintTop();
    for (const then of this.afterPaint.splice(0)) then();
  }

  paintAll() {
    this.paintBase();
    this.paintTop();
  }

  /** @param {HTMLCanvasElement} canvas */
  cleared(canvas) {
    const context = contextOf(canvas);
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.globalAlpha = 1;
    context.globalCompositeOperation = 'source-over';
    context.clearRect(0, 0, canvas.width, canvas.height);
    const { zoom, x, y } = this.view;
    const ratio = this.ratio;
    context.setTransform(zoom * ratio, 0, 0, zoom * ratio, x * ratio, y * ratio);
    return context;
  }

  paintBase() {
    const context = this.cleared(this.base);
    const { document, mode, colour, backdrop, opacity, split } = this.store.state;
    const card = document?.photo ?? this.picture?.photo;
    if (!this.picture || !card) return;
    const scale = this.view.zoom * this.ratio;
    const seen = visibleBox(this.view, card, this.size);
    const picture = this.picture;
    this.mattes?.lookCloser(Math.min(scale, 1) * Math.max(card.width, card.height));
    paint(mode, {
      context,
      photo: card,
      seen,
      scale,
      state: { colour, backdrop, opacity, split },
      paintPicture: (on) => picture.draw(on, scale, seen),
      paintObjects: (on, look) => this.paintObjects(on, look, scale, seen),
    });
  }

  /**
   * @param {CanvasRenderingContext2D} context @param {Look} look
   * @param {number} scale @param {import('./rle.js').Box} seen
   */
  paintObjects(context, look, scale, seen) {
    const { document, opacity, active } = this.store.state;
    const shown = (document?.objects ?? []).filter((each) => each.visible && each.area);
    for (const object of shown) {
      if (look === 'overlay') {
        context.globalAlpha = opacity;
        this.paintMask(context, object, 'alpha', scale, seen);
        context.globalAlpha = 1;
        if (object.number === active) this.paintOutline(context, object, scale, seen);
      } else {
        this.paintSolid(context, object, look, scale, seen);
      }
    }
  }

  /**
   * @param {CanvasRenderingContext2D} context @param {PageObject} object
   * @param {'alpha' | 'white'} kind @param {number} scale @param {import('./rle.js').Box} seen
   */
  paintMask(context, object, kind, scale, seen) {
    const alpha = this.mattes?.drawn(object, kind);
    const { width, height } = object.mask;
    if (alpha) context.drawImage(alpha, 0, 0, width, height);
    else this.layerOf(object).draw(context, scale, seen, this.isSharp);
  }

  /**
   * Paint an object without its surroundings: in its colours, or white.
   * @param {CanvasRenderingContext2D} context @param {PageObject} object
   * @param {Look} look @param {number} scale @param {import('./rle.js').Box} seen
   */
  paintSolid(context, object, look, scale, seen) {
    const ready = this.mattes?.drawn(object, look === 'alpha' ? 'white' : 'cutout');
    const { width, height } = object.mask;
    if (ready) {
      context.drawImage(ready, 0, 0, width, height);
      return;
    }
    const solid = this.cleared(this.scratch[0]);
    if (look === 'alpha') {
      solid.fillStyle = '#fff';
      solid.fillRect(0, 0, width, height);
    } else this.picture?.draw(solid, scale, seen);
    const mask = this.cleared(this.scratch[1]);
    this.layerOf(object).draw(mask, scale, seen, this.isSharp);
    stamp(solid, this.scratch[1], 'destination-in');
    stamp(context, this.scratch[0], 'source-over');
  }

  /**
   * Paint a thin line around the mask of an object.
   * @param {CanvasRenderingContext2D} context @param {PageObject} object
   * @param {number} scale @param {import('./rle.js').Box} seen
   */
  paintOutline(context, object, scale, seen) {
    if (!object.box || this.mattes?.drawn(object, 'alpha')) return;
    this.ring(context, this.layerOf(object), object.box, { scale, seen, colour: object.colour, reach: 1.25 });
  }

  /**
   * Draw a line around a mask; only what lies near its box is touched.
   * @param {CanvasRenderingContext2D} context @param {MaskLayer} layer
   * @param {import('./rle.js').Box} box of the mask
   * @param {{scale: number, seen: import('./rle.js').Box, colour: string, reach: number}} how `reach` in CSS pixels
   */
  ring(context, layer, box, { scale, seen, colour, reach }) {
    const [mask, around] = this.scratch.map((canvas) => this.clipped(this.cleared(canvas), box));
    layer.draw(mask, scale, seen, this.isSharp);
    around.setTransform(1, 0, 0, 1, 0, 0);
    const step = reach * this.ratio;
    for (const [dx, dy] of [[-step, 0], [step, 0], [0, -step], [0, step]]) around.drawImage(this.scratch[0], dx, dy);
    stamp(around, this.scratch[0], 'destination-out');
    around.globalCompositeOperation = 'source-in';
    around.fillStyle = colour;
    around.fillRect(0, 0, this.scratch[1].width, this.scratch[1].height);
    stamp(this.clipped(context, box), this.scratch[1], 'source-over');
    for (const each of [mask, around, context]) each.restore();
  }

  /**
   * Let a context draw near a box of the photo only, until `restore`.
   * @param {CanvasRenderingContext2D} context @param {import('./rle.js').Box} box
   */
  clipped(context, [x0, y0, x1, y1]) {
    const far = 4 / this.view.zoom;
    context.save();
    context.beginPath();
    context.rect(x0 - far, y0 - far, x1 - x0 + 2 * far, y1 - y0 + 2 * far);
    context.clip();
    return context;
  }

  /** @param {PageObject} object */
  layerOf(object) {
    let layer = this.layers.get(object.number);
    if (!layer || layer.mask !== object.mask) {
      layer = new MaskLayer(object.mask, object.colour);
      this.layers.set(object.number, layer);
    }
    layer.recolour(object.colour);
    return layer;
  }

  /** Draw anew what changed of masks. @param {{number: number, box: import('./rle.js').Box}[]} changes */
  patch(changes) {
    for (const { number, box } of changes) this.layers.get(number)?.update(box);
    const there = new Set(this.store.state.document?.objects.map((each) => each.number));
    for (const number of this.layers.keys()) if (!there.has(number)) this.layers.delete(number);
  }

  paintTop() {
    const context = this.cleared(this.top);
    const { document } = this.store.state;
    if (!document) return;
    const scale = this.view.zoom * this.ratio;
    const seen = visibleBox(this.view, document.photo, this.size);
    this.paintSubject(context, scale, seen);
    this.paintBand(context, document);
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    this.paintClicks(context);
    this.paintDraft(context);
    this.paintPointer(context);
  }

  /** @param {CanvasRenderingContext2D} context @param {number} scale @param {import('./rle.js').Box} seen */
  paintSubject(context, scale, seen) {
    const { subjects, hovered } = this.store.state;
    const subject = subjects.find((each) => each.number === hovered);
    if (!subject) return;
    let layer = this.subjectLayers.get(subject.number);
    if (!layer) this.subjectLayers.set(subject.number, layer = new MaskLayer(subject.mask, ACCENT));
    context.globalAlpha = 0.35;
    layer.draw(context, scale, seen, this.isSharp);
    context.globalAlpha = 1;
    const box = /** @type {import('./rle.js').Box} */ (subject.box);
    this.ring(context, layer, box, { scale, seen, colour: '#ffffff', reach: 1.5 });
  }

  /** @param {CanvasRenderingContext2D} context @param {import('./document.js').Document} document */
  paintBand(context, document) {
    const object = this.store.object;
    if (!object?.refine || !bandIsShown(this.store.state)) return;
    const band = this.mattes?.drawn(object, 'band');
    if (band) context.drawImage(band, 0, 0, document.photo.width, document.photo.height);
  }

  /** @param {CanvasRenderingContext2D} context */
  paintClicks(context) {
    const { mode, pending, tool } = this.store.state;
    if (mode !== 'overlay' || !['click', 'box', 'scribble', 'subject'].includes(tool)) return;
    for (const click of this.store.object?.clicks ?? []) this.paintClick(context, click, 1);
    if (pending) this.paintClick(context, pending, 0.6);
  }

  /** @param {CanvasRenderingContext2D} context @param {{x: number, y: number, positive: boolean}} click @param {number} strength */
  paintClick(context, click, strength) {
    const [x, y] = toScreen(this.view, click.x, click.y);
    context.globalAlpha = strength;
    context.beginPath();
    context.arc(x, y, 6.5, 0, 2 * Math.PI);
    context.fillStyle = click.positive ? '#1fbf75' : REMOVE;
    context.strokeStyle = '#fff';
    context.lineWidth = 2;
    context.fill();
    context.stroke();
    context.beginPath();
    context.moveTo(x - 3, y);
    context.lineTo(x + 3, y);
    if (click.positive) {
      context.moveTo(x, y - 3);
      context.lineTo(x, y + 3);
    }
    context.lineWidth = 1.6;
    context.stroke();
    context.globalAlpha = 1;
  }

  /** @param {CanvasRenderingContext2D} context */
  paintDraft(context) {
    const { draft } = this.store.state;
    if (!draft || !draft.points.length) return;
    const points = draft.points.map(([x, y]) => toScreen(this.view, x, y));
    context.beginPath();
    if (draft.kind === 'box') {
      const [[x0, y0], [x1, y1]] = [points[0], points[points.length - 1]];
      context.rect(Math.min(x0, x1), Math.min(y0, y1), Math.abs(x1 - x0), Math.abs(y1 - y0));
    } else {
      points.forEach(([x, y], index) => (index ? context.lineTo(x, y) : context.moveTo(x, y)));
      if (points.length === 1) context.lineTo(points[0][0] + 0.01, points[0][1]);
    }
    if (draft.kind === 'stroke') {
      context.lineCap = 'round';
      context.lineJoin = 'round';
      context.lineWidth = Math.max(1, 2 * draft.radius * this.view.zoom);
      context.strokeStyle = draft.colour;
      context.globalAlpha = 0.55;
      context.stroke();
      context.globalAlpha = 1;
      return;
    }
    if (draft.kind === 'lasso') {
      context.fillStyle = draft.positive ? 'rgb(94 234 212 / 25%)' : 'rgb(255 92 92 / 25%)';
      context.fill();
    }
    doubleLine(context, draft.positive ? ACCENT : REMOVE);
  }

  /** @param {CanvasRenderingContext2D} context */
  paintPointer(context) {
    const { pointer, tool, size, keyboard, bandValue, positive } = this.store.state;
    if (!pointer) return;
    const [x, y] = toScreen(this.view, pointer[0], pointer[1]);
    const isRound = bandValue !== null || tool === 'brush' || tool === 'eraser';
    context.beginPath();
    if (isRound) context.arc(x, y, size, 0, 2 * Math.PI);
    if (keyboard) {
      context.moveTo(x - 12, y);
      context.lineTo(x + 12, y);
      context.moveTo(x, y - 12);
      context.lineTo(x, y + 12);
    }
    if (isRound || keyboard) doubleLine(context, tool === 'eraser' || !positive ? REMOVE : '#ffffff');
  }
}

/**
 * Draw one canvas upon another of the same size.
 * @param {CanvasRenderingContext2D} context @param {HTMLCanvasElement} canvas
 * @param {GlobalCompositeOperation} how
 */
function stamp(context, canvas, how) {
  context.save();
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.globalCompositeOperation = how;
  context.globalAlpha = 1;
  context.drawImage(canvas, 0, 0);
  context.restore();
}

/** Stroke the path so that it is seen on any picture. @param {CanvasRenderingContext2D} context @param {string} colour */
function doubleLine(context, colour) {
  context.strokeStyle = 'rgb(0 0 0 / 65%)';
  context.lineWidth = 3;
  context.stroke();
  context.strokeStyle = colour;
  context.lineWidth = 1.5;
  context.stroke();
}
