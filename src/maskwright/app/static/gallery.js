// @ts-check
/** The strip of photos: thumbnails and how far each is; only those in sight are in the page. */

import { byId, element, icon } from './dom.js';

/** @typedef {import('./store.js').Card} Card */

const STEP_PX = 108; // width of a thumbnail with its gap, as app.css has it
const SPARE = 8;

/**
 * Show the photos of the project.
 * @param {import('./store.js').Store} store @param {(card: Card) => void} open
 */
export function showGallery(store, open) {
  const list = byId('gallery');
  const film = byId('film');
  let drawn = '';
  const draw = () => {
    const { cards, document: shown } = store.state;
    const first = Math.max(0, Math.floor(film.scrollLeft / STEP_PX) - SPARE);
    const last = Math.min(cards.length, Math.ceil((film.scrollLeft + film.clientWidth) / STEP_PX) + SPARE);
    const inSight = JSON.stringify([first, shown?.photo.id, cards.length, cards.slice(first, last)]);
    if (inSight === drawn) return;
    drawn = inSight;
    const focused = document.activeElement?.getAttribute('data-photo');
    list.style.width = `${cards.length * STEP_PX}px`;
    const chosen = shown?.photo.id;
    list.replaceChildren(...cards.slice(first, last).map((card, index) => item(card, first + index, cards.length, card.id === chosen)));
    if (!chosen) list.firstElementChild?.setAttribute('tabindex', '0');
    if (focused) focusOn(list, focused);
  };
  film.addEventListener('scroll', draw, { passive: true });
  new ResizeObserver(draw).observe(film);
  list.addEventListener('click', (event) => {
    const id = /** @type {HTMLElement} */ (event.target).closest('[data-photo]')?.getAttribute('data-photo');
    const card = store.state.cards.find((each) => each.id === id);
    if (card) open(card);
  });
  list.addEventListener('keydown', (event) => moveByKey(event, store, open));
  store.on(['cards'], draw);
  let shown = '';
  store.on(['document'], ({ document: opened, cards }) => {
    draw();
    if (!opened || opened.photo.id === shown) return;
    shown = opened.photo.id;
    const place = cards.findIndex((each) => each.id === shown);
    if (place >= 0) film.scrollTo({ left: (place + 0.5) * STEP_PX - film.clientWidth / 2 });
  });
}

/** @param {Element} list @param {string} id */
function focusOn(list, id) {
  /** @type {HTMLElement | null} */ (list.querySelector(`[data-photo="${CSS.escape(id)}"]`))?.focus({ preventScroll: true });
}

/** @param {KeyboardEvent} event @param {import('./store.js').Store} store @param {(card: Card) => void} open */
function moveByKey(event, store, open) {
  const { cards } = store.state;
  const id = /** @type {HTMLElement} */ (event.target).getAttribute('data-photo');
  const place = cards.findIndex((each) => each.id === id);
  if (place < 0) return;
  if (event.key === 'Enter' || event.key === ' ') {
    event.preventDefault();
    open(cards[place]);
  }
  const next = { ArrowRight: place + 1, ArrowLeft: place - 1, Home: 0, End: cards.length - 1 }[event.key];
  if (next === undefined || !cards[next]) return;
  event.preventDefault();
  byId('film').scrollTo({ left: (next + 0.5) * STEP_PX - byId('film').clientWidth / 2 });
  requestAnimationFrame(() => focusOn(byId('gallery'), cards[next].id));
}

/** @param {Card} card @param {number} place @param {number} count @param {boolean} isChosen */
function item(card, place, count, isChosen) {
  const objects = card.objects === 1 ? '1 object' : `${card.objects} objects`;
  const made = element('li', {
    role: 'option', class: `photo ${card.state.replace(' ', '-')}`, 'data-photo': card.id, 'data-testid': 'gallery-item',
    'aria-selected': String(isChosen), tabindex: isChosen ? '0' : '-1', title: `${card.name}: ${card.state}, ${objects}`,
    'aria-label': `${card.name}, ${card.state}, ${objects}`, 'aria-posinset': String(place + 1), 'aria-setsize': String(count),
  });
  made.style.left = `${place * STEP_PX}px`;
  const picture = element('img', { src: `api/photos/${card.id}/thumbnail`, alt: '', loading: 'lazy', decoding: 'async', draggable: 'false' });
  const badge = element('span', { class: 'badge', 'aria-hidden': 'true' });
  if (card.state === 'done') badge.append(icon('check'));
  else if (card.state === 'in work') badge.append(String(card.objects || '·'));
  made.append(picture, badge, element('span', { class: 'caption' }, card.name.split('/').at(-1) ?? card.name));
  return made;
}
