// @ts-check
/** Who this tab is to the server: the same after a reload, another one in a duplicated tab. */

import { randomKey } from './api.js';

const NAME = 'maskwright.client';

/**
 * Return this tab's identity.
 *
 * A duplicated tab copies what the first one keeps, so that the identity is guarded by a lock
 * which lives as long as the page. Without locks (pages that are not local) each load is new.
 * @returns {Promise<string>}
 */
export async function identity() {
  const kept = sessionStorage.getItem(NAME);
  if (kept && await holds(kept)) return kept;
  const made = randomKey();
  await holds(made);
  sessionStorage.setItem(NAME, made);
  return made;
}

/** @param {string} name @returns {Promise<boolean>} */
function holds(name) {
  if (!navigator.locks) return Promise.resolve(false);
  return new Promise((resolve) => {
    void navigator.locks.request(`${NAME}.${name}`, { ifAvailable: true }, (lock) => {
      resolve(lock !== null);
      return lock ? new Promise(() => {}) : undefined;
    });
  });
}
