// @ts-check
/** What the pointer, fingers and keys do on the canvas. */

import { boxBetween, clamped, isInside, thinned } from './geometry.js';
import { subjectAt } from './subjects.js';

/** @typedef {import('./geometry.js').Point} Point */
/** @typedef {import('./store.js').Draft} Draft */

/** @type {{name: string, label: string, key: string, icon: string, hint: string, touch?: string, paints?: boolean, adds?: boolean}[]} */
export const TOOLS = [
  { name: 'click', label: 'Click', key: 'c', icon: 'click', adds: true, hint: 'Click on what you want to keep. Right-click (or Alt) removes.', touch: 'Tap on what you want to keep. A long tap removes.' },
  { name: 'subject', label: 'Subject', key: 's', icon: 'subject', hint: 'Point at something that was found in the photo; click to take it.', touch: 'Tap on something that was found in the photo to take it.' },
  { name: 'box', label: 'Box', key: 'b', icon: 'box', hint: 'Drag a box around what you want to keep.' },
  { name: 'scribble', label: 'Scribble', key: 'd', icon: 'scribble', adds: true, hint: 'Draw a line over what you want to keep; the network finds the rest.' },
  { name: 'lasso', label: 'Lasso', key: 'l', icon: 'lasso', adds: true, hint: 'Draw around an area to add it exactly as drawn. Alt cuts it away.', touch: 'Draw around an area to add it exactly as drawn.' },
  { name: 'brush', label: 'Brush', key: 'p', icon: 'brush', paints: true, hint: 'Paint onto the object. [ and ] change the size.', touch: 'Paint onto the object.' },
  { name: 'eraser', label: 'Eraser', key: 'e', icon: 'eraser', paints: true, hint: 'Paint away from the object. [ and ] change the size.', touch: 'Paint away from the object.' },
  { name: 'hand', label: 'Move', key: 'h', icon: 'hand', hint: 'Drag to move the photo. The wheel zooms.', touch: 'Drag to move the photo. Two fingers zoom.' },
];

const CLICK_SLACK_PX = 5;
const MOST_POINTS = 1800;
const MOST_RADIUS = 2000; // what the server takes
const HOLD_MS = 450;

/** @param {string} name */
export const toolOf = (name) => TOOLS.find((each) => each.name === name) ?? TOOLS[0];

export class Tools {
  /**
   * @param {import('./view.js').Viewport} viewport @param {import('./store.js').Store} store
   * @param {{act: (action: Record<string, any>, started: number, name?: string) => void, take: (subject: number) => void}} does
   */
  constructor(viewport, store, does) {
    this.viewport = viewport;
    this.store = store;
    this.does = does;
    /** @type {Map<number, Point>} fingers and buttons that are down, in canvas pixels */
    this.down = new Map();
    /** @type {{kind: string, start: Point, last: Point, positive: boolean, time: number} | null} */
    this.gesture = null;
    this.pinched = false;
    this.spaceIsDown = false;
    const top = viewport.top;
    top.addEventListener('pointerdown', (event) => this.press(event));
    top.addEventListener('pointermove', (event) => this.drag(event));
    top.addEventListener('pointerup', (event) => this.release(event));
    top.addEventListener('pointercancel', (event) => this.cancel(event));
    top.addEventListener('pointerleave', () => this.leave());
    top.addEventListener('contextmenu', (event) => event.preventDefault());
    top.addEventListener('wheel', (event) => this.wheel(event), { passive: false });
    top.addEventListener('keydown', (event) => this.key(event));
    window.addEventListener('keydown', (event) => this.holdSpace(event));
    window.addEventListener('keyup', (event) => { if (event.code === 'Space') this.spaceIsDown = false; });
    window.addEventListener('blur', () => { this.spaceIsDown = false; });
  }

  /** Let the photo be moved with any tool; a button that has the focus still gets its Space. @param {KeyboardEvent} event */
  holdSpace(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    if (event.code !== 'Space' || target.matches('input[type=text]')) return;
    if (target === this.viewport.top) event.preventDefault();
    this.spaceIsDown = true;
  }

  get photo() {
    return this.store.state.document?.photo ?? null;
  }

  get mayDraw() {
    const { document, held } = this.store.state;
    return document !== null && held;
  }

  /** Radius of the brush in photo pixels. */
  get radius() {
    return Math.min(MOST_RADIUS, Math.max(0.5, this.store.state.size / this.viewport.view.zoom));
  }

  /** @param {PointerEvent} event */
  press(event) {
    this.viewport.top.focus({ preventScroll: true });
    try {
      this.viewport.top.setPointerCapture(event.pointerId);
    } catch {
      // A pointer that is gone already.
    }
    const at = this.viewport.at(event);
    this.down.set(event.pointerId, at);
    this.store.set({ keyboard: false });
    if (this.down.size > 1) {
      this.drop();
      this.pinched = true;
      return;
    }
    this.pinched = false;
    const positive = this.isPositive(event);
    const kind = this.kindOf(event);
    this.gesture = { kind, start: at, last: at, positive, time: event.timeStamp };
    const point = this.viewport.photoPoint(event);
    if (kind === 'paint' || kind === 'lasso' || kind === 'box') this.begin(kind, point, positive);
  }

  /** @param {PointerEvent} event */
  isPositive(event) {
    const { tool, positive } = this.store.state;
    if (tool === 'eraser') return false;
    return (tool === 'brush' || positive) !== (event.button === 2 || event.altKey);
  }

  /** @param {PointerEvent} event what a press begins */
  kindOf(event) {
    const { tool, bandValue } = this.store.state;
    if (event.button === 1 || this.spaceIsDown || tool === 'hand' || !this.mayDraw) return 'pan';
    if (bandValue !== null || toolOf(tool).paints || tool === 'scribble') return 'paint';
    return tool === 'lasso' || tool === 'box' ? tool : 'click';
  }

  /** @param {string} kind @param {Point} point @param {boolean} positive */
  begin(kind, point, positive) {
    if (!this.photo) return;
    const { tool, bandValue } = this.store.state;
    const isThin = tool === 'scribble' && bandValue === null;
    const colours = { 0: '#111111', 128: '#ffb020', 255: '#ffffff' };
    const band = bandValue === null ? null : colours[/** @type {0 | 128 | 255} */ (bandValue)];
    const own = positive ? this.store.object?.colour ?? '#5eead4' : '#ff5c5c';
    /** @type {Draft} */
    const draft = {
      kind: kind === 'paint' ? 'stroke' : /** @type {'box' | 'lasso'} */ (kind),
      points: [clamped(point, this.photo)],
      radius: isThin ? 3 / this.viewport.view.zoom : this.radius,
      colour: band ?? own,
      positive,
    };
    this.store.set({ draft });
  }

  /** @param {PointerEvent} event */
  drag(event) {
    const at = this.viewport.at(event);
    if (this.down.size > 1 && this.down.has(event.pointerId)) {
      this.pinch(event.pointerId, at);
      return;
    }
    if (!this.gesture) {
      this.hover(event);
      return;
    }
    if (!this.down.has(event.pointerId) || this.pinched) return;
    this.down.set(event.pointerId, at);
    const { gesture } = this;
    const far = Math.hypot(at[0] - gesture.start[0], at[1] - gesture.start[1]) > CLICK_SLACK_PX;
    if (gesture.kind === 'click' && far) gesture.kind = 'pan';
    if (gesture.kind === 'pan') this.viewport.pan(at[0] - gesture.last[0], at[1] - gesture.last[1]);
    else this.extend(event);
    gesture.last = at;
    this.hover(event);
  }

  /** @param {PointerEvent} event */
  extend(event) {
    const { draft } = this.store.state;
    if (!draft || !this.photo) return;
    const events = event.getCoalescedEvents?.() ?? [];
    for (const each of events.length ? events : [event]) {
      const point = clamped(this.viewport.photoPoint(each), this.photo);
      if (draft.kind === 'box') draft.points[1] = point;
      else draft.points.push(point);
    }
    this.viewport.drawTop();
  }

  /** @param {PointerEvent} event */
  hover(event) {
    if (event.pointerType === 'touch' && !this.gesture) return;
    const point = this.viewport.photoPoint(event);
    const { tool, subjects, document } = this.store.state;
    const isOver = tool === 'subject' && document !== null;
    const hovered = isOver ? subjectAt(subjects, point)?.number ?? null : this.store.state.hovered;
    this.store.set({ pointer: point, hovered });
    this.viewport.drawTop();
  }

  leave() {
    if (this.gesture) return;
    this.store.set({ pointer: null, hovered: this.store.state.tool === 'subject' ? null : this.store.state.hovered });
    this.viewport.drawTop();
  }

  /** @param {PointerEvent} event */
  release(event) {
    this.down.delete(event.pointerId);
    const { gesture } = this;
    if (this.pinched) {
      if (!this.down.size) this.pinched = false;
      this.gesture = null;
      return;
    }
    this.gesture = null;
    if (!gesture || !this.photo) return;
    if (gesture.kind === 'click') {
      const isLongTouch = event.pointerType === 'touch' && event.timeStamp - gesture.time > HOLD_MS;
      this.click(this.viewport.photoPoint(event), gesture.positive !== isLongTouch, event.timeStamp);
    } else if (gesture.kind !== 'pan') this.finish(event.timeStamp);
    if (event.pointerType === 'touch') this.store.set({ pointer: null });
  }

  /** @param {PointerEvent} event */
  cancel(event) {
    this.down.delete(event.pointerId);
    this.drop();
  }

  drop() {
    this.gesture = null;
    this.store.set({ draft: null });
    this.viewport.drawTop();
  }

  /** @param {Point} point @param {boolean} positive @param {number} time */
  click(point, positive, time) {
    if (!this.photo || !isInside(point, this.photo)) return;
    const { tool, subjects } = this.store.state;
    if (tool === 'subject') {
      const subject = subjectAt(subjects, point);
      if (subject) this.does.take(subject.number);
      return;
    }
    const [x, y] = point.map((each) => Math.round(each * 100) / 100);
    const [inX, inY] = clamped([x, y], this.photo);
    this.store.set({ pending: { x, y, positive } });
    this.does.act({ type: 'click', object: null, x: inX, y: inY, positive }, time);
  }

  /** @param {number} time */
  finish(time) {
    const { draft, tool, bandValue } = this.store.state;
    if (!draft || !this.photo) return;
    const points = thinned(draft.points, MOST_POINTS);
    const { positive } = draft;
    if (bandValue !== null) {
      this.does.act({ type: 'paint_trimap', object: null, points, radius: draft.radius, value: bandValue }, time);
    } else if (draft.kind === 'box') {
      const box = boxBetween(draft.points[0], draft.points.at(-1) ?? draft.points[0], this.photo);
      if (box[2] - box[0] > 2 && box[3] - box[1] > 2) this.does.act({ type: 'box', object: null, box }, time);
      else this.drop();
    } else if (draft.kind === 'lasso') {
      if (points.length > 2) this.does.act({ type: 'lasso', object: null, points, positive }, time);
      else this.drop();
    } else if (tool === 'scribble') {
      this.does.act({ type: 'scribble', object: null, points, positive }, time);
    } else {
      this.does.act({ type: 'brush', object: null, points, radius: draft.radius, positive }, time);
    }
  }

  /** @param {number} id @param {Point} at */
  pinch(id, at) {
    const fingers = [...this.down.entries()].slice(0, 2);
    const before = fingers.map(([, point]) => point);
    const after = fingers.map(([finger, point]) => (finger === id ? at : point));
    this.down.set(id, at);
    if (fingers.length < 2) return;
    const spread = (/** @type {Point[]} */ [a, b]) => Math.max(1, Math.hypot(a[0] - b[0], a[1] - b[1]));
    const middle = (/** @type {Point[]} */ [a, b]) => [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
    const [x, y] = middle(after);
    const [oldX, oldY] = middle(before);
    this.viewport.pan(x - oldX, y - oldY);
    this.viewport.zoom(spread(after) / spread(before), x, y);
  }

  /** @param {WheelEvent} event */
  wheel(event) {
    event.preventDefault();
    const [x, y] = this.viewport.at(event);
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
    if (event.shiftKey) this.viewport.pan(-(event.deltaX || event.deltaY) * lines, 0);
    else this.viewport.zoom(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.0022)), x, y);
  }

  /** Keys of the canvas itself: a crosshair for those who have no pointer. @param {KeyboardEvent} event */
  key(event) {
    if (!this.photo || event.ctrlKey || event.metaKey) return;
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const step = steps[/** @type {keyof typeof steps} */ (event.key)];
    if (step) {
      event.preventDefault();
      this.moveCrosshair(step, event.shiftKey ? 40 : 8);
      return;
    }
    const { pointer, keyboard, tool } = this.store.state;
    if (!keyboard || !pointer || !this.mayDraw) return;
    if (event.key === 'Enter' || event.key === 'Backspace') {
      event.preventDefault();
      event.stopPropagation();
      const positive = event.key === 'Enter' && !event.altKey;
      if (toolOf(tool).paints) this.dab(pointer, event.timeStamp);
      else this.click(pointer, positive, event.timeStamp);
    }
  }

  /** @param {Point} point @param {number} time a dab of the brush */
  dab(point, time) {
    this.begin('paint', point, this.store.state.tool !== 'eraser');
    this.finish(time);
  }

  /** @param {number[]} step @param {number} pixels */
  moveCrosshair([dx, dy], pixels) {
    if (!this.photo) return;
    const { pointer, subjects, tool } = this.store.state;
    const from = pointer ?? [this.photo.width / 2, this.photo.height / 2];
    const far = pixels / this.viewport.view.zoom;
    const point = clamped([from[0] + dx * far, from[1] + dy * far], this.photo);
    const hovered = tool === 'subject' ? subjectAt(subjects, point)?.number ?? null : null;
    this.store.set({ pointer: point, keyboard: true, hovered });
    this.viewport.drawTop();
  }
}
