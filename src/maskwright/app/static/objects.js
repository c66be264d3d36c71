// @ts-check
/** The list of objects: names, colours, order, visibility, and which one is at work. */

import { byId, clear, element, icon, iconButton } from './dom.js';

/** @typedef {import('./document.js').PageObject} PageObject */
/** @typedef {(action: Record<string, any>) => void} Act */

/**
 * Show the objects and keep the list up to date.
 * @param {import('./store.js').Store} store
 * @param {{act: Act, choose: (number: number) => void}} does
 */
export function showObjects(store, does) {
  const list = byId('objects');
  store.on(['document', 'active', 'held'], ({ document: shown, active }) => {
    const objects = shown?.objects ?? [];
    byId('objects-empty').hidden = objects.length > 0 || !shown;
    /** @type {HTMLButtonElement} */ (byId('object-new')).disabled = !shown || !store.state.held;
    if (isBeingNamed(list)) return;
    const focused = document.activeElement?.getAttribute('data-name') ?? '';
    clear(list);
    objects.forEach((object, place) => list.append(row(object, place, objects, { active, does })));
    const again = focused ? list.querySelector(`[data-name="${CSS.escape(focused)}"]`) : null;
    if (again instanceof HTMLElement) again.focus();
  });
  byId('object-new').addEventListener('click', () => does.act({ type: 'add' }));
}

/** @param {Element} list whether a name is being typed, which must not be taken away */
function isBeingNamed(list) {
  return list.contains(document.activeElement) && document.activeElement?.matches('input.name') === true;
}

/**
 * @param {PageObject} object @param {number} place @param {PageObject[]} objects
 * @param {{active: number | null, does: Parameters<typeof showObjects>[1]}} known
 */
function row(object, place, objects, { active, does }) {
  const { number, name } = object;
  const isActive = number === active;
  const isHidden = !object.visible;
  const item = element('li', { class: isActive ? 'object active' : 'object' });
  const pick = element('button', {
    type: 'button', class: 'pick', 'aria-pressed': String(isActive), 'data-name': `pick-${number}`,
    title: 'Work on this object (double-click to rename)',
  }, element('span', { class: 'title' }, name), element('span', { class: 'dim' }, describe(object)));
  pick.addEventListener('click', () => does.choose(number));
  pick.addEventListener('dblclick', () => startNaming(item, pick, object, does.act));
  pick.addEventListener('keydown', (event) => {
    if (event.key === 'F2') startNaming(item, pick, object, does.act);
  });
  item.append(colourField(object, does.act), pick);
  const eye = iconButton(isHidden ? 'hidden' : 'view', `${isHidden ? 'Show' : 'Hide'} ${name}`, { 'aria-pressed': String(isHidden), 'data-name': `eye-${number}` });
  eye.addEventListener('click', () => does.act({ type: 'show', object: number, visible: isHidden }));
  item.append(eye);
  if (isActive) item.append(actions(object, place, objects, does, () => startNaming(item, pick, object, does.act)));
  return item;
}

/** @param {PageObject} object */
function describe(object) {
  if (!object.area) return 'empty';
  const many = object.area >= 1e6 ? `${(object.area / 1e6).toFixed(1)} MP` : `${object.area.toLocaleString('en')} px`;
  return object.refine ? `${many}, refined edge` : many;
}

/** @param {PageObject} object @param {Act} act */
function colourField({ number, name, colour }, act) {
  const field = /** @type {HTMLInputElement} */ (element('input', { type: 'color', class: 'swatch', value: colour, 'aria-label': `Colour of ${name}`, 'data-name': `colour-${number}` }));
  field.addEventListener('change', () => act({ type: 'recolour', object: number, colour: field.value }));
  return field;
}

/**
 * @param {PageObject} object @param {number} place @param {PageObject[]} objects
 * @param {{act: Act}} does @param {() => void} rename
 */
function actions({ number, name }, place, objects, { act }, rename) {
  const line = element('div', { class: 'line', role: 'group', 'aria-label': `Actions on ${name}` });
  const order = objects.map((each) => each.number);
  const swap = (/** @type {number} */ other) => {
    const numbers = order.slice();
    [numbers[place], numbers[other]] = [numbers[other], numbers[place]];
    act({ type: 'reorder', objects: numbers });
  };
  const naming = element('button', { type: 'button', class: 'button small quiet', 'data-name': `rename-${number}` }, 'Rename');
  naming.addEventListener('click', rename);
  line.append(naming);
  const add = (/** @type {string} */ sign, /** @type {string} */ label, /** @type {boolean} */ off, /** @type {() => void} */ then) => {
    const made = iconButton(sign, label, { disabled: off, 'data-name': `${sign}-${number}` });
    made.addEventListener('click', then);
    line.append(made);
  };
  add('up', `Move ${name} down, below the one before`, place === 0, () => swap(place - 1));
  add('down', `Move ${name} up, above the next one`, place === objects.length - 1, () => swap(place + 1));
  add('reset', `Begin ${name} anew`, false, () => act({ type: 'reset', object: number }));
  add('bin', `Remove ${name}`, false, () => act({ type: 'remove', object: number }));
  return line;
}

/** @param {HTMLElement} item @param {HTMLElement} pick @param {PageObject} object @param {Act} act */
function startNaming(item, pick, object, act) {
  const field = /** @type {HTMLInputElement} */ (element('input', { class: 'name', type: 'text', maxlength: '80', 'aria-label': `New name of ${object.name}` }));
  field.value = object.name;
  let isOver = false;
  const end = (/** @type {boolean} */ isMeant) => {
    if (isOver) return;
    isOver = true;
    field.replaceWith(pick);
    pick.focus();
    const name = field.value.trim();
    if (isMeant && name && name !== object.name) act({ type: 'rename', object: object.number, name });
  };
  field.addEventListener('keydown', (event) => {
    event.stopPropagation();
    if (event.key === 'Enter') end(true);
    if (event.key === 'Escape') end(false);
  });
  field.addEventListener('blur', () => end(true));
  if (item.contains(pick)) pick.replaceWith(field);
  field.focus();
  field.select();
}

/** Return the icon that stands for an object list; used where panels are opened. */
export const objectsIcon = () => icon('objects');
