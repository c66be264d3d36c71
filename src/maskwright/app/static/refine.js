// @ts-check
/** Refine edge: the band of the trimap, its width, painting it, the matting network, clean colours. */

import { byId, button, clear, element } from './dom.js';
import { amountOf } from './mattes.js';

/** @typedef {import('./store.js').Store} Store */
/** @typedef {(action: Record<string, any>) => Promise<any>} Act */

const MOST_BAND = 1000; // what the server takes

const BRUSHES = [
  { value: null, label: 'Off', title: 'Leave the band as it is' },
  { value: 255, label: 'Keep', title: 'Paint what surely belongs to the object' },
  { value: 128, label: 'Unsure', title: 'Paint where the network shall look closely: hair, fur, glass' },
  { value: 0, label: 'Drop', title: 'Paint what surely is background' },
];

/**
 * Keep the button and the panel up to date, and send what they are set to.
 * @param {Store} store @param {Act} act
 */
export function showRefine(store, act) {
  const toggle = /** @type {HTMLButtonElement} */ (byId('refine'));
  const models = /** @type {HTMLSelectElement} */ (byId('matte-model'));
  const [band, auto] = [field('band'), field('band-auto')];
  const send = () => {
    const width = auto.checked ? 'auto' : Math.max(1, Math.round(Number(band.value)));
    void act({ type: 'refine', object: null, band: width, model: models.value || undefined }).catch(() => {});
  };
  toggle.addEventListener('click', () => toggleRefine(store, act));
  band.addEventListener('input', () => {
    auto.checked = false;
    byId('band-value').textContent = `${band.value} px`;
  });
  band.addEventListener('change', send);
  auto.addEventListener('change', send);
  models.addEventListener('change', send);
  field('band-show').addEventListener('change', () => store.set({ showBand: field('band-show').checked }));
  showBrushes(store);
  showCleaning(store, act);
  store.on(['project'], ({ project }) => fillModels(models, project?.models?.matte ?? []));
  store.on(['document', 'active', 'held'], () => update(store, toggle));
}

/** Switch the edge of the object at work on or off. @param {Store} store @param {Act} act */
export function toggleRefine(store, act) {
  const { object } = store;
  if (!object?.area) return;
  if (object.refine) {
    store.set({ bandValue: null });
    void act({ type: 'unrefine', object: object.number }).catch(() => {});
    return;
  }
  const model = store.state.project?.models?.matte?.[0];
  void act({ type: 'refine', object: object.number, band: 'auto', model }).catch(() => {});
  if (store.state.mode === 'overlay') store.set({ mode: 'checkerboard' }); // where soft edges are seen
}

/** Return the widest band that can be set. @param {number} long side of the photo, in pixels like the band */
export const widestBand = (long) => Math.min(MOST_BAND, Math.max(40, Math.round(long / 16)));

/** @param {string} id @returns {HTMLInputElement} */
const field = (id) => byId(id);

/** @param {Store} store @param {HTMLButtonElement} toggle */
function update(store, toggle) {
  const { object } = store;
  const { document: shown, held } = store.state;
  const refine = object?.refine ?? null;
  toggle.disabled = !object?.area || !held;
  toggle.setAttribute('aria-pressed', String(refine !== null));
  byId('refine-card').hidden = refine === null;
  if (!refine || !shown) {
    if (store.state.bandValue !== null) store.set({ bandValue: null });
    return;
  }
  const { width, height } = shown.photo;
  const band = field('band');
  band.max = String(widestBand(Math.max(width, height)));
  field('band-auto').checked = refine.band === 'auto';
  if (refine.band !== 'auto') band.value = String(refine.band);
  byId('band-value').textContent = refine.band === 'auto' ? 'auto' : `${refine.band} px`;
  const models = /** @type {HTMLSelectElement} */ (byId('matte-model'));
  if (refine.model) models.value = refine.model;
}

/** @param {HTMLSelectElement} select @param {string[]} names */
function fillModels(select, names) {
  clear(select);
  for (const name of names) select.append(element('option', { value: name }, name));
}

/** @param {Store} store */
function showBrushes(store) {
  const group = byId('band-paint');
  for (const { value, label, title } of BRUSHES) {
    const choice = button(label, { class: 'segment', role: 'radio', title, 'data-value': String(value) });
    choice.addEventListener('click', () => store.set({ bandValue: value }));
    group.append(choice);
  }
  group.addEventListener('keydown', (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const place = BRUSHES.findIndex((each) => each.value === store.state.bandValue);
    const next = BRUSHES[(place + step + BRUSHES.length) % BRUSHES.length];
    store.set({ bandValue: next.value });
    /** @type {HTMLElement | null} */ (group.querySelector('[aria-checked=true]'))?.focus();
  });
  store.on(['bandValue'], ({ bandValue }) => {
    for (const choice of group.children) {
      const isChosen = choice.getAttribute('data-value') === String(bandValue);
      choice.setAttribute('aria-checked', String(isChosen));
      choice.setAttribute('tabindex', isChosen ? '0' : '-1');
    }
  });
}

/** @param {Store} store @param {Act} act */
function showCleaning(store, act) {
  const amount = field('decontaminate');
  const output = /** @type {HTMLOutputElement} */ (document.querySelector('output[for=decontaminate]'));
  amount.addEventListener('input', () => { output.value = `${amount.value} %`; });
  amount.addEventListener('change', () => {
    const values = { ...store.state.document?.settings, decontaminate: Number(amount.value) / 100 };
    void act({ type: 'settings', values }).catch(() => {});
  });
  store.on(['document'], ({ document: shown }) => {
    if (document.activeElement === amount) return;
    amount.value = String(Math.round(100 * amountOf(shown)));
    output.value = `${amount.value} %`;
  });
}
