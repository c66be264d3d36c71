// @ts-check
/** What was found in the photo by itself: which subject is under a point, and the list of them. */

import { button, clear, element } from './dom.js';
import { contains } from './rle.js';

/** @typedef {import('./store.js').Subject} Subject */

/**
 * Return the subject under a point: the smallest of several, for the others surround it.
 * @param {Subject[]} subjects @param {[number, number]} point
 * @returns {Subject | null}
 */
export function subjectAt(subjects, [x, y]) {
  const under = subjects.filter((each) => contains(each.mask, x, y));
  return under.sort((a, b) => a.area - b.area)[0] ?? null;
}

/**
 * Show the list of subjects; pointing at a name shows it on the photo.
 * @param {import('./store.js').Store} store
 * @param {{take: (subject: number) => void, shown: () => void}} does
 */
export function showSubjects(store, does) {
  const card = /** @type {HTMLElement} */ (document.getElementById('subjects-card'));
  const list = /** @type {HTMLElement} */ (document.getElementById('subjects'));
  const point = (/** @type {number | null} */ hovered) => {
    store.set({ hovered });
    does.shown();
  };
  store.on(['subjects'], ({ subjects }) => {
    card.hidden = !subjects.length;
    clear(list);
    const found = [...subjects].sort((a, b) => b.area - a.area).slice(0, 24);
    /** @type {Map<string, number>} */
    const seen = new Map();
    for (const subject of found) {
      const count = (seen.get(subject.category) ?? 0) + 1;
      seen.set(subject.category, count);
      const name = count > 1 ? `${subject.category} ${count}` : subject.category;
      const chip = button(name, { class: 'chip', title: `Take the ${name}` });
      chip.addEventListener('click', () => does.take(subject.number));
      chip.addEventListener('pointerenter', () => point(subject.number));
      chip.addEventListener('pointerleave', () => point(null));
      chip.addEventListener('focus', () => point(subject.number));
      chip.addEventListener('blur', () => point(null));
      list.append(element('li', {}, chip));
    }
  });
}
