// @ts-check
/** Elements of the page: made of text only, so that no name can become markup. */

/**
 * Return an element of the page that must be there.
 * @template {HTMLElement} T
 * @param {string} id
 * @returns {T}
 */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page needs an element #${id}, got none`);
  return /** @type {T} */ (found);
}

/**
 * Return a new element.
 * @param {string} tag
 * @param {Record<string, string | boolean>} attributes
 * @param {...(Node | string)} children
 * @returns {HTMLElement}
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false) made.setAttribute(name, value === true ? '' : value);
  }
  made.append(...children);
  return made;
}

/**
 * Return an icon of the page's sprite.
 * @param {string} name
 */
export function icon(name) {
  const space = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(space, 'svg');
  const use = document.createElementNS(space, 'use');
  use.setAttribute('href', `#i-${name}`);
  svg.setAttribute('aria-hidden', 'true');
  svg.append(use);
  return svg;
}

/**
 * Return a button with a text.
 * @param {string} text
 * @param {Record<string, string | boolean>} attributes
 */
export function button(text, attributes = {}) {
  return /** @type {HTMLButtonElement} */ (element('button', { type: 'button', ...attributes }, text));
}

/**
 * Return a button that shows an icon only; its name is said by screen readers.
 * @param {string} name of the icon
 * @param {string} label
 */
export function iconButton(name, label, attributes = {}) {
  const made = /** @type {HTMLButtonElement} */ (element('button', { type: 'button', class: 'button icon quiet', 'aria-label': label, title: label, ...attributes }));
  made.append(icon(name));
  return made;
}

/** @param {Element} parent */
export function clear(parent) {
  parent.replaceChildren();
}

/**
 * Say something that went wrong, or well, for a while.
 * @param {string} text
 * @param {'error' | 'good'} kind
 */
export function toast(text, kind = 'error') {
  const toasts = byId('toasts');
  if ([...toasts.children].some((each) => each.firstChild?.textContent === text)) return;
  const close = iconButton('close', 'Dismiss');
  const made = element('div', { class: `toast ${kind}` }, element('p', {}, text), close);
  const remove = () => made.remove();
  close.addEventListener('click', remove);
  setTimeout(remove, kind === 'error' ? 9000 : 4000);
  toasts.append(made);
  while (toasts.children.length > 4) toasts.firstElementChild?.remove();
}
