// @ts-check
/** One photo at work: opening it, keeping it from other tabs, doing and undoing things to it. */

import { get, Lost, pause, post, Refused, request } from './api.js';
import { applyChange, documentFrom, stillActive } from './document.js';
import { ActionQueue } from './queue.js';
import { maskFromRle } from './rle.js';

/** @typedef {import('./queue.js').Entry} Entry */
/** @typedef {import('./store.js').Card} Card */
/**
 * @typedef {object} Listeners
 * @property {(card: Card | null) => void} opened
 * @property {(changes: {number: number, box: import('./rle.js').Box}[], change: any) => void} changed
 * @property {(error: Error) => void} failed
 */

const KEEP_S = 4;
const LOOK_S = 0.3;
const QUEUE = 'maskwright.queue.';

export class Work {
  /**
   * @param {import('./store.js').Store} store @param {string} client
   * @param {Listeners} tell
   */
  constructor(store, client, tell) {
    this.store = store;
    this.client = client;
    this.tell = tell;
    /** @type {string | null} */
    this.id = null;
    /** @type {ActionQueue | null} */
    this.queue = null;
    this.visit = 0; // counts openings, so that late answers about an earlier photo are ignored
    window.addEventListener('pagehide', () => this.leave(true));
    window.addEventListener('online', () => { void this.keep(); });
    void this.keepOn();
  }

  /** The address of something about this photo. @param {string} path */
  path(path) {
    return `photos/${this.id}/${path}`;
  }

  /**
   * Open a photo. If another tab holds it, `held` becomes false and the photo is only shown.
   * @param {Card} card @param {boolean} takeOver
   */
  async open(card, takeOver = false) {
    const isAnother = this.id !== card.id;
    const visit = ++this.visit;
    if (isAnother) {
      if (this.queue && !this.store.state.lost) await this.queue.idle();
      if (visit !== this.visit) return;
      this.leave();
    }
    this.id = card.id;
    this.queue?.stop();
    if (isAnother) {
      this.queue = null; // nothing is done to a photo that is not open yet
      this.store.set({
        document: null, held: true, active: null, subjects: [], hovered: null, clickMs: null, draft: null,
        pending: null, bandValue: null, waiting: 0, encoding: { state: 'waiting', seconds: 0 },
      });
      this.tell.opened(card);
    }
    const json = await this.askDocument(takeOver, visit);
    if (!json || visit !== this.visit) return;
    const document = documentFrom(json);
    this.queue = this.newQueue(card.id);
    this.store.set({ document, held: true, active: stillActive(document, this.store.state.active) });
    this.tell.changed([], { photo: document.photo });
    this.queue.replay();
    void this.watchEncoding(visit);
  }

  /**
   * Return the server's document; null if another tab holds the photo.
   * @param {boolean} takeOver @param {number} visit
   */
  async askDocument(takeOver, visit) {
    while (visit === this.visit) {
      try {
        return await post(this.path('open'), { client: this.client, take_over: takeOver });
      } catch (error) {
        if (isHeld(error)) {
          this.store.set({ held: false });
          return null;
        }
        if (!(error instanceof Lost)) throw error;
        this.store.set({ lost: true });
        await pause(1);
      } finally {
        this.store.set({ lost: false });
      }
    }
    return null;
  }

  /** @param {string} id */
  newQueue(id) {
    // Photos of two folders may share their id, which follows from the name alone.
    return new ActionQueue(`${QUEUE}${this.store.state.project?.id}.${id}`, (entry) => this.send(entry), {
      keeper: localStorage,
      changed: (waiting, lost) => {
        if (id === this.id) this.store.set({ waiting, lost });
      },
      failed: (error) => {
        if (id === this.id) void this.refused(error);
      },
    });
  }

  /** Let the photo go. @param {boolean} isLast the page goes away */
  leave(isLast = false) {
    if (!this.id || !this.store.state.held) return;
    if (isLast && this.queue?.waiting.length) return; // the lease ends by itself, actions come first
    void request('POST', this.path('close'), { json: { client: this.client }, keepalive: isLast }).catch(() => {});
  }

  /**
   * Do something to the photo; the answer comes once it is done and applied.
   * @param {Record<string, any>} action; `object: null` means the object at work, or the one that
   * will be after what waits
   * @returns {Promise<any>} the change
   */
  act(action) {
    if (!this.queue || !this.store.state.held) return Promise.reject(new Error('not held'));
    const mayChange = this.queue.waiting.some(({ entry }) => mayChangeObject(entry));
    return this.queue.add('actions', mayChange ? action : aimed(action, this.store.state.active));
  }

  /** Whether an object is on its way that will be at work. */
  get isAdding() {
    return this.queue?.waiting.some(({ entry }) => entry.action?.type === 'add') ?? false;
  }

  /** @param {'undo' | 'redo'} kind */
  step(kind) {
    if (!this.queue || !this.store.state.held) return;
    void this.queue.add(kind);
  }

  /** @param {Entry} entry */
  async send({ key, kind, action }) {
    const { document, active } = this.store.state;
    const path = this.path(kind); // asked before waiting: another photo may be opened meanwhile
    const body = { client: this.client, revision: document?.revision, key };
    const change = await post(path, action ? { ...body, action: aimed(action, active) } : body);
    if (document && document === this.store.state.document) {
      this.apply(change, action);
      this.aimWaiting(key);
    }
    return change;
  }

  /** Say of what waits which object it is about, as far as that is known now. @param {string} answered */
  aimWaiting(answered) {
    for (const { entry } of this.queue?.waiting ?? []) {
      if (entry.key === answered) continue;
      if (mayChangeObject(entry)) return;
      entry.action = aimed(entry.action, this.store.state.active);
    }
  }

  /** @param {any} change @param {Record<string, any> | null} action */
  apply(change, action) {
    const { document, active } = this.store.state;
    if (!document) return;
    const known = new Set(document.objects.map((each) => each.number));
    const changes = applyChange(document, change);
    if (action?.type === 'settings') document.settings = { ...document.settings, ...action.values };
    const added = document.objects.find((each) => !known.has(each.number));
    const next = added ? added.number : stillActive(document, active);
    this.tell.changed(changes, change);
    this.store.set({ document, active: next });
  }

  /** @param {Error} error */
  async refused(error) {
    if (!(error instanceof Refused) || error.status !== 409) {
      this.tell.failed(error);
      return;
    }
    this.queue?.drop();
    if (isHeld(error)) this.store.set({ held: false });
    else if (await this.reopen()) this.tell.failed(new Error('This photo was changed elsewhere. It was loaded again; your last action was not done.'));
  }

  /** Open the photo at work again, or tell why that is refused; return whether it was not. */
  async reopen() {
    const card = this.store.state.cards.find((each) => each.id === this.id);
    try {
      if (card) await this.open(card);
      return true;
    } catch (error) {
      this.tell.failed(/** @type {Error} */ (error));
      return false;
    }
  }

  /** Say again and again that this tab is here. */
  async keepOn() {
    for (;;) {
      await pause(KEEP_S);
      await this.keep();
    }
  }

  async keep() {
    const { held, document } = this.store.state;
    if (!this.id || !document || !held) return;
    const visit = this.visit;
    try {
      const answer = await post(this.path('keep'), { client: this.client });
      if (visit !== this.visit) return;
      if (!answer.held) await this.regain(visit);
      if (!this.queue?.waiting.length) this.store.set({ lost: false });
    } catch (error) {
      if (visit === this.visit && error instanceof Lost) this.store.set({ lost: true });
    }
  }

  /**
   * Open the photo again after the lease has ended: the computer slept, or the server was started
   * anew. Only if nobody else holds it.
   * @param {number} visit
   */
  async regain(visit) {
    if (visit === this.visit && !this.queue?.waiting.length) await this.reopen();
  }

  /** Follow the encoding of the photo until it is ready. @param {number} visit */
  async watchEncoding(visit) {
    const began = performance.now();
    while (visit === this.visit) {
      try {
        const encoding = await get(this.path('encoding'));
        if (visit !== this.visit) return;
        const waited = (performance.now() - began) / 1000;
        const seconds = encoding.state === 'ready' ? encoding.seconds : Math.max(encoding.seconds, waited);
        this.store.set({ encoding: { ...encoding, seconds } });
        if (encoding.state === 'failed') this.tell.failed(new Error(encoding.error ?? 'the photo could not be encoded'));
        if (encoding.state === 'ready' || encoding.state === 'failed') break;
      } catch {
        await pause(1);
      }
      await pause(LOOK_S);
    }
    await this.findSubjects(visit);
  }

  /** Ask for what is in the photo; none are found where the network for it is absent. @param {number} visit */
  async findSubjects(visit) {
    try {
      const found = await get(this.path('subjects'));
      if (visit !== this.visit) return;
      const subjects = found.subjects.map((/** @type {any} */ { rle, ...rest }) => ({ ...rest, mask: maskFromRle(rle) }));
      this.store.set({ subjects });
    } catch {
      // A photo without subjects is worked on with clicks.
    }
  }
}

/** Whether the server said no because another tab holds the photo. @param {unknown} error */
const isHeld = (error) => error instanceof Refused && error.status === 409 && Boolean(error.body.holder);

/** Whether another object may be at work once it is done. @param {Entry} entry */
const mayChangeObject = ({ kind, action }) => kind !== 'actions' || ['add', 'remove'].includes(action?.type);

/**
 * Return an action that names its object, where it meant the one at work.
 * @template {Record<string, any> | null} Action
 * @param {Action} action @param {number | null} active
 * @returns {Action}
 */
const aimed = (action, active) => (action?.object === null ? { ...action, object: active } : action);
