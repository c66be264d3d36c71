// @ts-check
/**
 * The page: joins its parts. Start here.
 *
 *   api queue work document store     what is known, and how it comes from and goes to the server
 *   rle layers pictures mattes        masks, photos and edges as bitmaps
 *   geometry modes view tools keys    what is on the canvas, and what is done there
 *   objects subjects refine gallery export import     the panels
 */

import { get, request, Stranger } from './api.js';
import { byId, clear, button, element, icon, toast } from './dom.js';
import { openExport, showExport } from './export.js';
import { showGallery } from './gallery.js';
import { importFile, showImport } from './import.js';
import { obeyKeys } from './keys.js';
import { Mattes } from './mattes.js';
import { MODES, nextMode } from './modes.js';
import { showObjects } from './objects.js';
import { showRefine, toggleRefine } from './refine.js';
import { Store } from './store.js';
import { showSubjects } from './subjects.js';
import { identity } from './tab.js';
import { toolOf, Tools, TOOLS } from './tools.js';
import { Viewport } from './view.js';
import { Work } from './work.js';

/** @typedef {import('./store.js').Card} Card */

const LAST_PHOTO = 'maskwright.photo';
const LOOK = 'maskwright.look';

const store = new Store();
const viewport = new Viewport(byId('stage'), byId('picture'), byId('canvas'), store);
const mattes = new Mattes(store, {
  arrived: () => viewport.draw(),
  took: (seconds) => { byId('refine-seconds').textContent = `${seconds.toFixed(1)} s`; },
  failed: (error) => toast(error.message),
});
viewport.mattes = mattes;

void start();

async function start() {
  const work = new Work(store, await identity(), {
    opened: (card) => {
      mattes.clear();
      viewport.open(card);
    },
    changed: (changes, change) => {
      viewport.patch(changes);
      if (change.photo) renewCard(change.photo);
      mattes.refresh();
      viewport.draw();
    },
    failed: (error) => toast(error.message),
  });
  const does = actionsOf(work);
  const open = (/** @type {Card} */ card) => { void openPhoto(work, card); };
  new Tools(viewport, store, { act: does.gesture, take: does.take });
  showGallery(store, open);
  showObjects(store, { act: does.act, choose: (active) => store.set({ active }) });
  showSubjects(store, { take: does.take, shown: () => viewport.draw() });
  showRefine(store, does.send);
  showExport(store);
  showImport(store, does.send);
  showTools();
  showModes();
  showZoom();
  showStatus();
  showBanner(work);
  showSplit();
  showSheets();
  takeDrops(work);
  bindButtons(work, does);
  bindKeys(work, does);
  bindDialogs();
  rememberLook();
  store.on(['active', 'mode', 'showBand', 'bandValue', 'document'], () => {
    mattes.refresh();
    viewport.draw();
  });
  store.on(['opacity', 'colour', 'backdrop', 'split'], () => viewport.draw());
  store.on(['subjects', 'hovered', 'tool', 'size', 'draft', 'pending', 'pointer'], () => viewport.drawTop());
  await openProject(work);
}

/** @param {Work} work */
function actionsOf(work) {
  const send = (/** @type {Record<string, any>} */ action) => work.act(action);
  const act = (/** @type {Record<string, any>} */ action) => { void send(action).catch(() => {}); };
  /** What was drawn on the canvas: an object is begun if there is none. */
  const gesture = (/** @type {Record<string, any>} */ action, /** @type {number} */ time, /** @type {string | undefined} */ name) => {
    const { draft, pending } = store.state;
    if (store.state.active === null && !work.isAdding) act({ type: 'add', ...(name ? { name } : {}) });
    send(action).then(
      () => painted(time),
      () => {},
    ).finally(() => {
      // What was begun meanwhile is not answered yet.
      if (store.state.draft === draft) store.set({ draft: null });
      if (store.state.pending === pending) store.set({ pending: null });
    });
  };
  const take = (/** @type {number} */ number) => {
    const time = performance.now();
    const subject = store.state.subjects.find((each) => each.number === number);
    if (store.object?.area) act({ type: 'add', name: subject?.category ?? 'object' });
    gesture({ type: 'take', object: null, subject: number }, time, subject?.category);
    store.set({ hovered: null });
  };
  return { send, act, gesture, take };
}

/** Note how long it took from a gesture until its mask is on the screen. @param {number} time */
function painted(time) {
  viewport.draw(() => {
    const now = performance.now();
    performance.measure('click to mask', { start: time, end: now });
    store.set({ clickMs: now - time });
  });
}

/** @param {Work} work */
async function openProject(work) {
  try {
    const project = await get('project');
    store.set({ project, cards: project.photos });
    byId('project-name').textContent = project.name;
    document.title = `${project.name} · Maskwright`;
  } catch (error) {
    showEmpty(error instanceof Stranger ? 'Please open the address with the token that `maskwright serve` printed.' : /** @type {Error} */ (error).message);
    byId('status').textContent = 'not connected';
    return;
  }
  const { cards } = store.state;
  if (!cards.length) {
    showEmpty(store.state.project.uploads ? 'There are no photos yet. Drop one here.' : 'There are no photos in this folder. Start `maskwright serve` with a folder of photos.');
    byId('status').textContent = 'no photos';
    return;
  }
  const wanted = location.hash.slice(1) || localStorage.getItem(LAST_PHOTO);
  await openPhoto(work, cards.find((each) => each.id === wanted) ?? cards[0]);
}

/** @param {Work} work @param {Card} card */
async function openPhoto(work, card) {
  byId('empty').hidden = true;
  localStorage.setItem(LAST_PHOTO, card.id);
  history.replaceState(null, '', `#${card.id}`);
  closeSheets();
  try {
    await work.open(card);
  } catch (error) {
    toast(/** @type {Error} */ (error).message);
    showEmpty(/** @type {Error} */ (error).message);
  }
}

/** @param {Card} changed */
function renewCard(changed) {
  store.set({ cards: store.state.cards.map((each) => (each.id === changed.id ? { ...each, ...changed } : each)) });
}

/** @param {string} text */
function showEmpty(text) {
  const empty = byId('empty');
  empty.replaceChildren(icon('photos'), element('p', {}, text));
  empty.hidden = false;
}

function showTools() {
  const bar = byId('tools');
  for (const { name, label, key, icon: sign } of TOOLS) {
    const made = element('button', { type: 'button', class: 'tool', title: `${label} (${key.toUpperCase()})`, 'aria-keyshortcuts': key, 'data-tool': name }, icon(sign), element('span', {}, label));
    made.addEventListener('click', () => chooseTool(name));
    bar.append(made);
  }
  bar.addEventListener('keydown', (event) => {
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const all = [...bar.querySelectorAll('button')];
    all[(all.indexOf(/** @type {any} */ (document.activeElement)) + step + all.length) % all.length].focus();
  });
  store.on(['tool', 'bandValue', 'positive', 'size'], showOptions);
  store.on(['tool', 'document', 'active', 'held', 'subjects'], showHint);
}

/** @param {string} tool */
function chooseTool(tool) {
  store.set({ tool, bandValue: null, hovered: null, draft: null, positive: true });
}

/** @param {import('./store.js').State} state */
function showOptions({ tool, bandValue, positive, size }) {
  for (const each of document.querySelectorAll('[data-tool]')) {
    each.setAttribute('aria-pressed', String(bandValue === null && each.getAttribute('data-tool') === tool));
  }
  const { paints, adds } = toolOf(tool);
  const isRound = paints || bandValue !== null;
  const options = byId('options');
  const hadFocus = options.contains(document.activeElement) ? document.activeElement?.id : '';
  clear(options);
  options.hidden = !(isRound || adds);
  if (adds && bandValue === null) options.append(signChoice(positive));
  if (isRound) options.append(sizeChoice(size));
  byId('canvas').dataset.cursor = isRound ? 'round' : tool;
  if (hadFocus) document.getElementById(hadFocus)?.focus();
}

/** @param {boolean} positive */
function signChoice(positive) {
  const group = element('div', { class: 'segments', role: 'group', 'aria-label': 'What a click does' });
  for (const [value, label, sign] of /** @type {const} */ ([[true, 'Add', 'plus'], [false, 'Remove', 'minus']])) {
    const made = button('', { class: 'segment', id: `sign-${sign}`, 'aria-pressed': String(positive === value) });
    made.append(icon(sign), element('span', {}, label));
    made.addEventListener('click', () => store.set({ positive: value }));
    group.append(made);
  }
  return group;
}

/** @param {number} size */
function sizeChoice(size) {
  const field = /** @type {HTMLInputElement} */ (element('input', { type: 'range', id: 'brush-size', min: '2', max: '120', value: String(size) }));
  field.addEventListener('input', () => {
    store.state.size = Number(field.value); // not told: this very field would be made anew
    viewport.drawTop();
  });
  return element('label', { class: 'row' }, element('span', {}, 'Size'), field);
}

/** @param {import('./store.js').State} state */
function showHint({ tool, document: shown, held, subjects }) {
  const hint = byId('hint');
  const text = shown && held ? hintFor(tool, shown.objects, subjects.length) : '';
  hint.hidden = !text;
  if (hint.textContent !== text) hint.textContent = text;
}

/**
 * Return what a newcomer would want to know next, or ''.
 * @param {string} tool @param {import('./document.js').PageObject[]} objects @param {number} found
 */
function hintFor(tool, objects, found) {
  if (tool === 'subject' && !found) return 'Nothing was found in this photo by itself (yet). Click on what you want to keep instead.';
  const isTouched = matchMedia('(pointer: coarse)').matches;
  const { hint, touch } = toolOf(tool);
  if (!objects.some((each) => each.area)) return (isTouched && touch) || hint;
  const { object } = store;
  const isBegun = tool === 'click' && object?.area && object.clicks.length && object.clicks.length < 3;
  if (!isBegun || object.refine) return '';
  return isTouched ? 'Missing something? Tap on it. Too much? Hold a finger on that.' : 'Missing something? Click on it. Too much? Right-click on that.';
}

function showModes() {
  const select = /** @type {HTMLSelectElement} */ (byId('mode'));
  for (const { name, label } of MODES) select.append(element('option', { value: name }, label));
  select.addEventListener('change', () => store.set({ mode: select.value }));
  const colour = /** @type {HTMLInputElement} */ (byId('background-colour'));
  colour.addEventListener('input', () => store.set({ colour: colour.value }));
  const photo = /** @type {HTMLInputElement} */ (byId('background-photo'));
  photo.addEventListener('change', async () => {
    const [file] = photo.files ?? [];
    if (!file) return;
    try {
      store.set({ backdrop: await createImageBitmap(file) });
    } catch {
      toast(`${file.name} is not a picture that this browser can show; choose a JPEG or PNG`);
    }
  });
  store.on(['mode', 'colour'], ({ mode, colour: chosen }) => {
    select.value = mode;
    colour.value = chosen;
    colour.hidden = mode !== 'colour';
    byId('background-photo-label').hidden = mode !== 'photo';
  });
  const opacity = /** @type {HTMLInputElement} */ (byId('opacity'));
  opacity.addEventListener('input', () => store.set({ opacity: Number(opacity.value) / 100 }));
  store.on(['opacity'], ({ opacity: value }) => {
    opacity.value = String(Math.round(100 * value));
    /** @type {HTMLOutputElement} */ (document.querySelector('output[for=opacity]')).value = `${opacity.value} %`;
  });
}

function showZoom() {
  byId('zoom-in').addEventListener('click', () => viewport.zoom(1.4));
  byId('zoom-out').addEventListener('click', () => viewport.zoom(1 / 1.4));
  byId('zoom-fit').addEventListener('click', () => viewport.fit());
  byId('zoom-actual').addEventListener('click', () => viewport.actual());
  viewport.moved = () => {
    const percent = 100 * viewport.view.zoom * viewport.ratio;
    byId('zoom-actual').textContent = `${percent < 10 ? percent.toFixed(1) : Math.round(percent)} %`;
    placeSplit();
  };
}

function showStatus() {
  store.on(['encoding', 'waiting', 'lost', 'busy', 'held', 'document'], (state) => {
    const { text, kind } = statusOf(state);
    const status = byId('status');
    if (status.textContent !== text) status.textContent = text;
    byId('dot').dataset.kind = kind;
  });
  store.on(['clickMs'], ({ clickMs }) => {
    byId('click-ms').textContent = clickMs === null ? '' : `${Math.round(clickMs)} ms`;
  });
  store.on(['document'], ({ document: shown }) => {
    byId('photo-info').textContent = shown ? `${shown.photo.name} · ${shown.photo.width} × ${shown.photo.height}` : '';
    /** @type {HTMLButtonElement} */ (byId('undo')).disabled = !shown?.can_undo;
    /** @type {HTMLButtonElement} */ (byId('redo')).disabled = !shown?.can_redo;
    const done = /** @type {HTMLButtonElement} */ (byId('done'));
    done.disabled = !shown;
    done.setAttribute('aria-pressed', String(shown?.photo.state === 'done'));
    byId('canvas').setAttribute('aria-label', shown ? `Photo ${shown.photo.name}, ${shown.photo.objects} objects` : 'Photo');
  });
}

/** @param {import('./store.js').State} state @returns {{text: string, kind: string}} */
function statusOf({ encoding, waiting, lost, busy, held, document: shown }) {
  if (lost) return { text: `connection lost${waiting ? `, ${waiting} waiting` : ''}; trying again…`, kind: 'bad' };
  if (!held) return { text: 'open in another tab', kind: 'bad' };
  if (!shown) return { text: 'opening…', kind: 'busy' };
  const isEncoded = encoding.state === 'ready' || encoding.state === 'failed';
  if (!isEncoded) return { text: `encoding… ${encoding.seconds.toFixed(1)} s`, kind: 'busy' };
  if (waiting) return { text: 'working…', kind: 'busy' };
  if (busy) return { text: busy, kind: 'busy' };
  if (encoding.state === 'failed') return { text: 'clicks cannot be answered; painting works', kind: 'bad' };
  return { text: 'ready', kind: 'good' };
}

/** @param {Work} work */
function showBanner(work) {
  const button = byId('banner-button');
  store.on(['held'], ({ held, document: shown }) => {
    byId('banner').hidden = held;
    byId('banner-text').textContent = shown ? 'Another tab has taken this photo over. What you see may be out of date.' : 'This photo is open in another tab.';
    button.textContent = shown ? 'Take it back' : 'Take over here';
    document.body.classList.toggle('locked', !held);
  });
  button.addEventListener('click', () => {
    const card = store.state.cards.find((each) => each.id === work.id);
    if (card) void work.open(card, true).catch((error) => toast(error.message));
  });
}

function showSplit() {
  const split = byId('split');
  const set = (/** @type {number} */ value) => store.set({ split: Math.min(1, Math.max(0, value)) });
  store.on(['mode', 'split', 'document'], ({ mode, document: shown, split: value }) => {
    split.hidden = mode !== 'split' || !shown;
    split.setAttribute('aria-valuenow', String(Math.round(100 * value)));
    placeSplit();
  });
  split.addEventListener('pointerdown', (event) => split.setPointerCapture(event.pointerId));
  split.addEventListener('pointermove', (event) => {
    const photo = store.state.document?.photo;
    if (photo && split.hasPointerCapture(event.pointerId)) set(viewport.photoPoint(event)[0] / photo.width);
  });
  split.addEventListener('keydown', (event) => {
    const step = { ArrowLeft: -0.02, ArrowRight: 0.02, Home: -1, End: 1 }[event.key];
    if (step) set(store.state.split + step);
  });
}

function placeSplit() {
  const { document: shown, split: value } = store.state;
  if (!shown) return;
  const { view } = viewport;
  const split = byId('split');
  split.style.left = `${view.x + value * shown.photo.width * view.zoom}px`;
  split.style.top = `${Math.max(0, view.y)}px`;
  split.style.height = `${Math.min(viewport.size.height, shown.photo.height * view.zoom)}px`;
}

const SHEETS = [['photos-open', 'film'], ['panel-open', 'panel']];

/** On small screens, photos and objects are sheets that are opened. */
function showSheets() {
  for (const [opener, sheet] of SHEETS) {
    byId(opener).addEventListener('click', () => {
      const isOpen = byId(sheet).classList.contains('open');
      closeSheets();
      byId(sheet).classList.toggle('open', !isOpen);
      byId(opener).setAttribute('aria-expanded', String(!isOpen));
    });
  }
  byId('panel-close').addEventListener('click', closeSheets);
  byId('canvas').addEventListener('pointerdown', closeSheets);
}

function closeSheets() {
  for (const [opener, sheet] of SHEETS) {
    byId(sheet).classList.remove('open');
    byId(opener).setAttribute('aria-expanded', 'false');
  }
}

/** Photos and masks may be dropped on the page. @param {Work} work */
function takeDrops(work) {
  const drop = byId('drop');
  window.addEventListener('dragover', (event) => {
    event.preventDefault();
    drop.hidden = !event.dataTransfer?.types.includes('Files');
  });
  window.addEventListener('dragleave', (event) => { if (!event.relatedTarget) drop.hidden = true; });
  window.addEventListener('drop', async (event) => {
    event.preventDefault();
    drop.hidden = true;
    for (const file of event.dataTransfer?.files ?? []) {
      const isMask = /\.(json|png)$/i.test(file.name) && store.state.document && !store.state.project?.uploads;
      if (!isMask && !file.name.toLowerCase().endsWith('.json')) await upload(work, file);
      else if (!await importFile(file, store, (action) => work.act(action))) return;
    }
  });
}

/** @param {Work} work @param {File} file */
async function upload(work, file) {
  if (!store.state.project?.uploads) {
    toast('This server takes no photos from the page; start it with --uploads, or put the file into the folder');
    return;
  }
  try {
    const response = await request('POST', `upload?name=${encodeURIComponent(file.name)}`, { body: file });
    const card = await response.json();
    store.set({ cards: [...store.state.cards.filter((each) => each.id !== card.id), card] });
    await openPhoto(work, card);
  } catch (error) {
    toast(`${file.name}: ${/** @type {Error} */ (error).message}`);
  }
}

/** @param {Work} work @param {ReturnType<typeof actionsOf>} does */
function bindButtons(work, does) {
  byId('undo').addEventListener('click', () => work.step('undo'));
  byId('redo').addEventListener('click', () => work.step('redo'));
  byId('done').addEventListener('click', () => markDone(does));
}

/** @param {ReturnType<typeof actionsOf>} does */
function markDone(does) {
  const isDone = store.state.document?.photo.state === 'done';
  does.act({ type: 'mark', state: isDone ? 'in work' : 'done' });
}

/** @param {Work} work @param {ReturnType<typeof actionsOf>} does */
function bindKeys(work, does) {
  obeyKeys({
    tool: chooseTool,
    undo: () => { if (store.state.document?.can_undo) work.step('undo'); },
    redo: () => { if (store.state.document?.can_redo) work.step('redo'); },
    add: () => does.act({ type: 'add' }),
    remove: () => { if (store.object) does.act({ type: 'remove', object: store.object.number }); },
    swap: () => store.set({ positive: !store.state.positive }),
    smaller: () => store.set({ size: Math.max(2, Math.round(store.state.size / 1.25)) }),
    larger: () => store.set({ size: Math.min(120, Math.round(store.state.size * 1.25) + 1) }),
    refine: () => toggleRefine(store, does.send),
    done: () => markDone(does),
    export: () => openExport(store),
    drop: () => store.set({ draft: null, bandValue: null }),
    mode: (step) => store.set({ mode: nextMode(store.state.mode, step === 'next' ? 1 : -1) }),
    fit: () => viewport.fit(),
    actual: () => viewport.actual(),
    zoom: (way) => viewport.zoom(way === 'in' ? 1.4 : 1 / 1.4),
    photo: (way) => goTo(work, way === 'next' ? 1 : -1),
    help: () => /** @type {HTMLDialogElement} */ (byId('help-dialog')).showModal(),
  });
}

/** @param {Work} work @param {number} step */
function goTo(work, step) {
  const { cards } = store.state;
  const card = cards[cards.findIndex((each) => each.id === work.id) + step];
  if (card) void openPhoto(work, card);
}

function bindDialogs() {
  window.addEventListener('keydown', () => document.body.classList.add('by-keys'), true);
  window.addEventListener('pointerdown', () => document.body.classList.remove('by-keys'), true);
  byId('help').addEventListener('click', () => /** @type {HTMLDialogElement} */ (byId('help-dialog')).showModal());
  for (const dialog of document.querySelectorAll('dialog')) {
    for (const each of dialog.querySelectorAll('[data-close]')) each.addEventListener('click', () => dialog.close());
    dialog.addEventListener('click', (event) => { if (event.target === dialog) dialog.close(); });
  }
}

/** Views, opacity and brush size are the same after a reload. */
function rememberLook() {
  try {
    const { mode, opacity, size, colour } = JSON.parse(localStorage.getItem(LOOK) ?? '{}');
    store.set({ mode: MODES.some((each) => each.name === mode) ? mode : 'overlay', opacity: opacity ?? 0.5, size: size ?? 24, colour: colour ?? '#2a9d8f' });
  } catch {
    // A damaged note is none.
  }
  store.on(['mode', 'opacity', 'size', 'colour'], ({ mode, opacity, size, colour }) => {
    localStorage.setItem(LOOK, JSON.stringify({ mode, opacity, size, colour }));
  });
}
