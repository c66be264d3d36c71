// @ts-check
/** The export dialog: what to write, for one photo or all, and how far it is. */

import { get, pause, post, request } from './api.js';
import { byId, clear, element, toast } from './dom.js';
import { amountOf } from './mattes.js';

/** @typedef {import('./store.js').Store} Store */
/** @typedef {{label: string, note: string, backed?: boolean, deep?: boolean, clean?: boolean}} Format `backed`: takes a background */

/** @type {Record<string, Format>} what formats are to people; others are shown by their name */
const FORMATS = {
  png: { label: 'Cut-out, PNG', note: 'The visible objects on a transparent background.', backed: true, deep: true, clean: true },
  tiff: { label: 'Cut-out, TIFF', note: 'The visible objects on a transparent background, for print and further work.', backed: true, deep: true, clean: true },
  webp: { label: 'Cut-out, WebP', note: 'The visible objects on a transparent background, small, for web pages.', backed: true, clean: true },
  alpha: { label: 'Alpha, PNG', note: 'How much of each pixel belongs to the visible objects, in grey.', deep: true },
  masks: { label: 'Masks, PNG', note: 'One black and white picture per object.' },
  coco: { label: 'COCO, JSON', note: 'The masks of all objects in one annotation file.' },
  labelme: { label: 'labelme, JSON', note: 'One annotation file of polygons per photo.' },
  yolo: { label: 'YOLO segments, TXT', note: 'One annotation file of polygons per photo.' },
  panoptic: { label: 'COCO panoptic, PNG', note: 'One picture per photo whose colours number the objects, and a list.' },
  psd: { label: 'Photoshop, PSD', note: 'Photo and objects as layers, each with its alpha as layer mask.', backed: true, deep: true, clean: true },
  'layered-tiff': { label: 'Layered TIFF', note: 'Photo and objects as layers, each with its alpha as layer mask.', backed: true, deep: true, clean: true },
};

/** @param {string} name @returns {Format} */
export const formatOf = (name) => FORMATS[name] ?? { label: name, note: '' };

const LOOK_S = 0.25;

/** @param {Store} store */
export function showExport(store) {
  const dialog = /** @type {HTMLDialogElement} */ (byId('export-dialog'));
  const form = /** @type {HTMLFormElement} */ (byId('export-form'));
  const format = select('format');
  byId('export').addEventListener('click', () => openExport(store));
  format.addEventListener('change', () => showFields());
  select('export-background').addEventListener('change', () => showFields());
  input('export-clean').addEventListener('input', showAmount);
  store.on(['project'], ({ project }) => fillFormats(format, project?.formats ?? []));
  store.on(['document', 'project'], ({ document: shown, project }) => {
    /** @type {HTMLButtonElement} */ (byId('export')).disabled = !shown || !project;
  });
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    void run(store, form);
  });
  dialog.addEventListener('close', () => { byId('export-progress').hidden = true; });
}

/** Open the dialog. @param {Store} store */
export function openExport(store) {
  const dialog = /** @type {HTMLDialogElement} */ (byId('export-dialog'));
  const { document: shown, cards } = store.state;
  if (!shown || dialog.open) return;
  byId('scope-this').textContent = `This photo (${shown.photo.name})`;
  const worked = cards.filter((each) => each.objects > 0).length;
  byId('scope-all').textContent = `The whole folder (${worked} of ${cards.length} ${cards.length === 1 ? 'photo has' : 'photos have'} objects)`;
  input('export-clean').value = String(Math.round(100 * amountOf(shown)));
  showAmount();
  showFields();
  dialog.showModal();
  byId('export-start').focus();
}

/** @param {string} id @returns {HTMLInputElement} */
const input = (id) => byId(id);
/** @param {string} id @returns {HTMLSelectElement} */
const select = (id) => byId(id);

function showAmount() {
  const output = /** @type {HTMLOutputElement} */ (document.querySelector('output[for=export-clean]'));
  output.value = `${input('export-clean').value} %`;
}

/** @param {HTMLSelectElement} format @param {string[]} names */
function fillFormats(format, names) {
  clear(format);
  for (const name of names) format.append(element('option', { value: name }, formatOf(name).label));
}

/** Show only the fields that mean something for the chosen format. */
function showFields() {
  const chosen = formatOf(select('format').value);
  byId('format-note').textContent = chosen.note;
  byId('depth-row').hidden = !chosen.deep;
  byId('export-background-row').hidden = !chosen.backed;
  byId('export-clean-row').hidden = !chosen.clean;
  byId('export-colour-row').hidden = !chosen.backed || select('export-background').value !== 'colour';
}

/** @param {Store} store @param {HTMLFormElement} form what the server is asked for */
function wanted(store, form) {
  const name = select('format').value;
  const chosen = formatOf(name);
  const background = select('export-background').value;
  const scope = new FormData(form).get('scope');
  return {
    photos: scope === 'all' ? 'all' : [store.state.document?.photo.id],
    format: name,
    bit_depth: chosen.deep && select('depth').value ? Number(select('depth').value) : null,
    ...(chosen.backed && background ? { background: background === 'colour' ? input('export-colour').value : background } : {}),
    decontaminate: Number(input('export-clean').value) / 100,
  };
}

/** @param {Store} store @param {HTMLFormElement} form */
async function run(store, form) {
  const start = /** @type {HTMLButtonElement} */ (byId('export-start'));
  const stop = byId('export-stop');
  const control = new AbortController();
  const halt = () => control.abort();
  start.disabled = true;
  stop.hidden = false;
  stop.addEventListener('click', halt);
  byId('export-progress').hidden = false;
  clear(byId('export-files'));
  progress({ done: 0, total: 1, state: 'running', files: [], errors: [] });
  try {
    const { job } = await post('exports', wanted(store, form));
    const report = await follow(job, control.signal);
    if (report) finished(report);
    else byId('export-text').textContent = 'Stopped.';
  } catch (error) {
    byId('export-text').textContent = /** @type {Error} */ (error).message;
    toast(/** @type {Error} */ (error).message);
  }
  stop.removeEventListener('click', halt);
  stop.hidden = true;
  start.disabled = false;
}

/** @param {string} job @param {AbortSignal} stopped @returns {Promise<any>} the last report; null if stopped */
async function follow(job, stopped) {
  for (;;) {
    const report = await get(`exports/${job}`);
    progress(report);
    if (report.state !== 'running') return report;
    if (stopped.aborted) {
      await request('DELETE', `exports/${job}`);
      return null;
    }
    await pause(LOOK_S);
  }
}

/** @param {any} report */
function progress({ done, total, state }) {
  const bar = /** @type {HTMLProgressElement} */ (byId('export-bar'));
  bar.max = Math.max(1, total);
  bar.value = done;
  if (state === 'running') byId('export-text').textContent = total > 1 ? `Writing… ${done} of ${total} photos` : 'Writing…';
}

/** @param {any} report */
function finished({ files, errors, state }) {
  const list = byId('export-files');
  /** @type {HTMLAnchorElement[]} */
  const links = files.map((/** @type {any} */ file) => element('a', { href: fileUrl(file.url), download: file.name }, file.name));
  for (const link of links) list.append(element('li', {}, link));
  for (const error of errors) list.append(element('li', { class: 'wrong' }, typeof error === 'string' ? error : error.error ?? JSON.stringify(error)));
  const many = files.length === 1 ? '1 file' : `${files.length} files`;
  const failed = errors.length ? `, ${errors.length} failed` : '';
  byId('export-text').textContent = state === 'failed' && !files.length ? 'Nothing could be written.' : `${many} written${failed}.`;
  if (links.length) links[0].click(); // of several files, the first one holds them all
}

/** Return an address below this page. @param {string} url as the server gives it */
function fileUrl(url) {
  return url.startsWith('/') ? url.slice(1) : url;
}
