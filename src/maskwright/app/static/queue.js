// @ts-check
/**
 * Actions on their way to the server: one after the other, kept until answered.
 *
 * Each has a random key. If the connection is lost, it is sent again with the same key, and the
 * server does it once. What waits is kept in the browser, so that a closed page loses nothing.
 */

import { Lost, pause, randomKey } from './api.js';

/** @typedef {{key: string, kind: 'actions' | 'undo' | 'redo', action: Record<string, any> | null}} Entry */
/** @typedef {{entry: Entry, answered: Promise<any>, resolve: (change: any) => void, reject: (error: Error) => void}} Waiting */
/** @typedef {Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>} Keeper */

const FIRST_WAIT_S = 0.4;
const LAST_WAIT_S = 4;

export class ActionQueue {
  /**
   * @param {string} name of the place where waiting actions are kept
   * @param {(entry: Entry) => Promise<any>} send one entry; throws `Lost` to be asked again
   * @param {{keeper?: Keeper, changed?: (waiting: number, lost: boolean) => void, failed?: (error: Error, entry: Entry) => void, wait?: (seconds: number) => Promise<unknown>}} [options]
   */
  constructor(name, send, { keeper, changed = () => {}, failed = () => {}, wait = pause } = {}) {
    this.name = name;
    this.send = send;
    this.keeper = keeper;
    this.changed = changed;
    this.failed = failed;
    this.wait = wait;
    /** @type {Waiting[]} */
    this.waiting = [];
    this.isRunning = false;
    this.isStopped = false;
  }

  /**
   * Send an action after those that wait; return the server's answer to it.
   * @param {Entry['kind']} kind @param {Record<string, any> | null} action
   * @param {string} [key]
   * @returns {Promise<any>}
   */
  add(kind, action = null, key = randomKey()) {
    /** @type {Waiting} */
    const waiting = { entry: { key, kind, action }, answered: Promise.resolve(), resolve() {}, reject() {} };
    const answered = new Promise((resolve, reject) => Object.assign(waiting, { resolve, reject }));
    this.waiting.push(Object.assign(waiting, { answered }));
    answered.catch(() => {}); // said through `failed`, whoever else listens
    this.keep();
    this.changed(this.waiting.length, false);
    void this.run();
    return answered;
  }

  /** Send again what an earlier page left behind; return how many actions that were. */
  replay() {
    const left = kept(this.keeper, this.name);
    for (const entry of left) void this.add(entry.kind, entry.action, entry.key);
    return left.length;
  }

  /** Wait until all is answered; what a stopped queue keeps never is. */
  async idle() {
    if (this.isStopped) return;
    await Promise.allSettled(this.waiting.map((each) => each.answered));
  }

  /** Send nothing more; what waits stays kept for the next page. */
  stop() {
    this.isStopped = true;
  }

  /** Forget all that waits. */
  drop() {
    const dropped = this.waiting.splice(0);
    for (const each of dropped) each.reject(new Error('dropped'));
    this.keep();
    this.changed(0, false);
  }

  async run() {
    if (this.isRunning) return;
    this.isRunning = true;
    let seconds = FIRST_WAIT_S;
    while (this.waiting.length && !this.isStopped) {
      const first = this.waiting[0];
      try {
        const change = await this.send(first.entry);
        this.finish(first);
        first.resolve(change);
        seconds = FIRST_WAIT_S;
      } catch (error) {
        if (error instanceof Lost) {
          this.changed(this.waiting.length, true);
          await this.wait(seconds);
          seconds = Math.min(LAST_WAIT_S, seconds * 2);
          continue;
        }
        this.finish(first);
        first.reject(/** @type {Error} */ (error));
        this.failed(/** @type {Error} */ (error), first.entry);
      }
    }
    this.isRunning = false;
    for (const each of this.waiting) each.reject(new Error('kept for the next visit')); // only where it was stopped
  }

  /** @param {{entry: Entry}} done */
  finish(done) {
    const place = this.waiting.findIndex((each) => each.entry === done.entry);
    if (place >= 0) this.waiting.splice(place, 1);
    this.keep();
    this.changed(this.waiting.length, false);
  }

  keep() {
    try {
      if (!this.waiting.length) this.keeper?.removeItem(this.name);
      else this.keeper?.setItem(this.name, JSON.stringify(this.waiting.map(({ entry }) => entry)));
    } catch {
      // A full or forbidden storage: the action is still on its way, only a crash would lose it.
    }
  }
}

/**
 * Return the actions that an earlier page left behind; a damaged note is none.
 * @param {Keeper | undefined} keeper @param {string} name
 * @returns {Entry[]}
 */
export function kept(keeper, name) {
  try {
    const found = JSON.parse(keeper?.getItem(name) ?? '[]');
    return Array.isArray(found) ? found.filter((each) => typeof each?.key === 'string') : [];
  } catch {
    return [];
  }
}
