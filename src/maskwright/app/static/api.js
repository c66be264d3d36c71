// @ts-check
/** Speaks with the server: JSON in and out, pictures as bitmaps; a full queue (429) is retried. */

const LEAST_WAIT_S = 0.2;
const MOST_WAIT_S = 30;

/** The server said no: `message` is its one line, `status` the HTTP status. */
export class Refused extends Error {
  /** @param {string} message @param {number} status @param {Record<string, unknown>} body */
  constructor(message, status, body = {}) {
    super(message);
    this.status = status;
    this.body = body;
  }
}

/** Nobody answered: the connection is lost, or the server is down. */
export class Lost extends Error {}

/** The server no longer knows this page: what waits is kept until it is opened with a new token. */
export class Stranger extends Lost {}

/** @param {number} seconds */
export const pause = (seconds) => new Promise((resolve) => { setTimeout(resolve, seconds * 1000); });

/**
 * Return the answer of the server.
 * @param {string} method
 * @param {string} path below /api
 * @param {{json?: unknown, body?: BodyInit, signal?: AbortSignal, keepalive?: boolean}} [options]
 * @returns {Promise<Response>}
 * @throws {Refused} if the server says no.
 * @throws {Lost} if it cannot be reached.
 */
export async function request(method, path, { json, body, signal, keepalive } = {}) {
  for (;;) {
    let response;
    try {
      response = await fetch(`api/${path}`, {
        method,
        signal,
        keepalive,
        headers: json === undefined ? {} : { 'Content-Type': 'application/json' },
        body: json === undefined ? body : JSON.stringify(json),
      });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new Lost('the server does not answer; is `maskwright serve` still running?');
    }
    if (response.ok) return response;
    if (response.status === 401) throw new Stranger('the server was started anew; open the address that `maskwright serve` printed');
    if (response.status !== 429) throw await refusal(response);
    await pause(waitAsked(response.headers.get('Retry-After')));
  }
}

/**
 * Return the seconds that a Retry-After header asks to wait, within reason.
 * @param {string | null} header
 */
export function waitAsked(header) {
  const seconds = header === null ? NaN : Number(header);
  return Number.isFinite(seconds) ? Math.min(MOST_WAIT_S, Math.max(LEAST_WAIT_S, seconds)) : 1;
}

/** @param {Response} response */
async function refusal(response) {
  const text = await response.text().catch(() => '');
  let body;
  try {
    body = JSON.parse(text);
  } catch {
    body = {};
  }
  const said = typeof body.error === 'string' ? body.error : `the server answered ${response.status}`;
  return new Refused(said, response.status, body);
}

/** @param {string} path @param {AbortSignal} [signal] @returns {Promise<any>} */
export async function get(path, signal) {
  return (await request('GET', path, { signal })).json();
}

/** @param {string} path @param {unknown} json @returns {Promise<any>} */
export async function post(path, json) {
  return (await request('POST', path, { json })).json();
}

/**
 * Return a picture of the server, decoded off the main thread.
 * @param {string} path @param {AbortSignal} [signal]
 */
export async function bitmap(path, signal) {
  const response = await request('GET', path, { signal });
  return { bitmap: await createImageBitmap(await response.blob()), headers: response.headers };
}

/** Return a random name for an action or a tab; works on pages without https, too. */
export function randomKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
