// @ts-check
/** What the page knows: one object, changed through `set`, which tells those who listen. */

/** @typedef {import('./document.js').Document} Document */
/** @typedef {{id: string, name: string, width: number, height: number, state: string, objects: number, megapixels: number}} Card */
/** @typedef {{number: number, category: string, score: number, area: number, box: number[], mask: import('./rle.js').Mask}} Subject */
/** @typedef {{kind: 'stroke' | 'box' | 'lasso', points: [number, number][], radius: number, colour: string, positive: boolean}} Draft */
/**
 * @typedef {object} State
 * @property {any} project of /api/project
 * @property {Card[]} cards one per photo
 * @property {Document | null} document the photo at work
 * @property {boolean} held whether this tab may change it
 * @property {number | null} active number of the object at work
 * @property {string} tool
 * @property {boolean} positive whether a click adds
 * @property {number} size of brush and eraser: radius in screen pixels
 * @property {string} mode how the result is shown
 * @property {string} colour behind the cut-out
 * @property {ImageBitmap | null} backdrop photo behind the cut-out
 * @property {number} opacity of the overlay, 0..1
 * @property {number} split of before and after, 0..1
 * @property {{state: string, seconds: number}} encoding
 * @property {number | null} clickMs
 * @property {number} waiting actions not answered yet
 * @property {boolean} lost whether the connection is
 * @property {string} busy what else is being done, or ''
 * @property {Subject[]} subjects
 * @property {number | null} hovered number of a subject
 * @property {boolean} showBand
 * @property {number | null} bandValue painted into the band: 0, 128, 255; null = the band is left alone
 * @property {[number, number] | null} pointer in photo pixels
 * @property {boolean} keyboard whether the crosshair is moved by keys
 * @property {Draft | null} draft what is being drawn
 * @property {{x: number, y: number, positive: boolean} | null} pending click not answered yet
 */

/** @returns {State} */
export function initialState() {
  return {
    project: null,
    cards: [],
    document: null,
    held: true,
    active: null,
    tool: 'click',
    positive: true,
    size: 24,
    mode: 'overlay',
    colour: '#2a9d8f',
    backdrop: null,
    opacity: 0.5,
    split: 0.5,
    encoding: { state: 'waiting', seconds: 0 },
    clickMs: null,
    waiting: 0,
    lost: false,
    busy: '',
    subjects: [],
    hovered: null,
    showBand: true,
    bandValue: null,
    pointer: null,
    keyboard: false,
    draft: null,
    pending: null,
  };
}

export class Store {
  /** @param {State} state */
  constructor(state = initialState()) {
    this.state = state;
    /** @type {{keys: Set<string>, tell: (state: State) => void}[]} */
    this.listeners = [];
  }

  /**
   * Change what is known, and tell those who listen to one of its parts.
   * @param {Partial<State>} changes
   */
  set(changes) {
    const before = /** @type {Record<string, any>} */ (this.state);
    const keys = Object.entries(changes).filter(([key, value]) => before[key] !== value || key === 'document');
    if (!keys.length) return;
    Object.assign(this.state, changes);
    const told = this.listeners.filter((each) => keys.some(([key]) => each.keys.has(key)));
    for (const each of told) each.tell(this.state);
  }

  /**
   * Call `tell` whenever one of the parts changes, and once now.
   * @param {(keyof State)[]} keys @param {(state: State) => void} tell
   */
  on(keys, tell) {
    this.listeners.push({ keys: new Set(keys), tell });
    tell(this.state);
  }

  /** The object at work, or null. */
  get object() {
    const { document, active } = this.state;
    return document?.objects.find((each) => each.number === active) ?? null;
  }
}
