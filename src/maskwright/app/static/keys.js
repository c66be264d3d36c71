// @ts-check
/** Hot keys: one table, which the page obeys and the sheet shows. */

import { byId, element } from './dom.js';
import { TOOLS } from './tools.js';

/** @typedef {{keys: string[], label: string, does: string, shown?: string}} Shortcut */
/** @typedef {{key: string, ctrlKey?: boolean, metaKey?: boolean, shiftKey?: boolean, altKey?: boolean}} Pressed */

/** @type {{title: string, rows: Shortcut[]}[]} `keys` as `named` says them; `does` is the name of a command */
export const SHEET = [
  { title: 'Tools', rows: TOOLS.map(({ name, label, key }) => ({ keys: [key], label, does: `tool ${name}` })) },
  {
    title: 'Work',
    rows: [
      { keys: ['ctrl+z'], label: 'Undo', does: 'undo' },
      { keys: ['ctrl+shift+z', 'ctrl+y'], label: 'Redo', does: 'redo' },
      { keys: ['n'], label: 'New object', does: 'add' },
      { keys: ['delete'], label: 'Remove the object', does: 'remove' },
      { keys: ['x'], label: 'Swap adding and removing', does: 'swap' },
      { keys: ['['], label: 'Smaller brush', does: 'smaller' },
      { keys: [']'], label: 'Larger brush', does: 'larger' },
      { keys: ['r'], label: 'Refine edge', does: 'refine' },
      { keys: ['m'], label: 'Mark the photo as done', does: 'done' },
      { keys: ['ctrl+s'], label: 'Export', does: 'export' },
      { keys: ['escape'], label: 'Drop what is being drawn', does: 'drop' },
    ],
  },
  {
    title: 'View',
    rows: [
      { keys: ['v'], label: 'Next view', does: 'mode next' },
      { keys: ['shift+v'], label: 'View before', does: 'mode before' },
      { keys: ['0', 'f'], label: 'Fit the photo', does: 'fit' },
      { keys: ['1'], label: 'Zoom to 100 %', does: 'actual' },
      { keys: ['+', '='], label: 'Zoom in', does: 'zoom in' },
      { keys: ['-'], label: 'Zoom out', does: 'zoom out' },
      { keys: ['pagedown', '.'], label: 'Next photo', does: 'photo next' },
      { keys: ['pageup', ','], label: 'Photo before', does: 'photo before' },
      { keys: ['?'], label: 'This sheet', does: 'help' },
    ],
  },
];

const POINTER = [
  ['Click', 'Add what lies there'],
  ['Right click, Alt + click', 'Remove what lies there'],
  ['Wheel, pinch', 'Zoom'],
  ['Space + drag, middle button', 'Move the photo'],
  ['Long touch', 'Remove what lies there'],
];

/** Whether a key is made with AltGr (on Windows: Ctrl and Alt) or Option on many keyboards. @param {string} key */
const isBracket = (key) => key === '[' || key === ']';

/**
 * Return the name of a pressed key, as in the table.
 * @param {Pressed} event
 */
export function named({ key, ctrlKey, metaKey, shiftKey, altKey }) {
  if (altKey && isBracket(key) && !metaKey) return key;
  const isLetter = /^[a-z]$/i.test(key);
  const shift = shiftKey && (isLetter || key.length > 1) ? 'shift+' : '';
  return `${ctrlKey || metaKey ? 'ctrl+' : ''}${shift}${key.toLowerCase()}`;
}

/**
 * Return the command that a pressed key stands for, or null.
 * @param {Pressed} event
 */
export function commandOf(event) {
  const name = named(event);
  for (const { rows } of SHEET) {
    const found = rows.find(({ keys }) => keys.includes(name));
    if (found) return found.does;
  }
  return null;
}

/**
 * Obey keys wherever nothing is being typed.
 * @param {Record<string, (argument: string) => void>} commands by the first word of a command
 */
export function obeyKeys(commands) {
  window.addEventListener('keydown', (event) => {
    if (event.defaultPrevented || (event.altKey && !isBracket(event.key)) || isTyped(event)) return;
    const command = commandOf(event);
    if (!command || document.querySelector('dialog[open]')) return;
    const [verb, ...rest] = command.split(' ');
    event.preventDefault();
    commands[verb]?.(rest.join(' '));
  });
  fillSheet();
}

/** Whether a key belongs to a field that has the focus. @param {KeyboardEvent} event */
function isTyped(event) {
  const target = /** @type {HTMLElement} */ (event.target);
  if (target.matches('input[type=text]')) return true;
  if (event.ctrlKey || event.metaKey) return false;
  const usesLetters = target.matches('select');
  const usesArrows = target.matches('input[type=range], [role=slider], [role=option]') && /^(Page|Home|End|Arrow)/.test(event.key);
  return (usesLetters && event.key.length === 1) || usesArrows;
}

function fillSheet() {
  const list = byId('help-keys');
  const add = (/** @type {string} */ keys, /** @type {string} */ label) => {
    list.append(element('div', {}, element('dt', {}, ...keys.split(' ').map((each) => element('kbd', {}, each))), element('dd', {}, label)));
  };
  for (const { title, rows } of SHEET) {
    list.append(element('h3', {}, title));
    for (const { keys, label } of rows) add(keys.map(written).join(' '), label);
  }
  list.append(element('h3', {}, 'Mouse and fingers'));
  for (const [gesture, label] of POINTER) {
    list.append(element('div', {}, element('dt', {}, gesture), element('dd', {}, label)));
  }
}

/** @param {string} key */
function written(key) {
  /** @type {Record<string, string>} */
  const names = { ctrl: 'Ctrl', shift: 'Shift', delete: 'Delete', escape: 'Esc', pagedown: 'PgDn', pageup: 'PgUp' };
  return key === '+' ? key : key.split('+').map((part) => names[part] ?? part.toUpperCase()).join('+');
}
