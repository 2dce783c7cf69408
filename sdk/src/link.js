// The connection: opens it, finds out that it is gone, and tries again at the right time. Knows nothing of rooms.

import { retryDelay } from "./backoff.js";
import { Credentials, isLoopback, subject } from "./credentials.js";
import { fromFrame, HerenowError, offline } from "./error.js";
import { Value } from "./readable.js";
import { stored } from "./store.js";
import { openSocket } from "./transports/ws.js";

/** @import { ClientOptions, ConnectionState } from "./types.js" */
/** @import { Frame } from "./frames.js" */
/** @import { Opening, Transport } from "./transports/ws.js" */

const WELCOME_MS_MAX = 8_000;
const STABLE_MS = 5_000;
const HIDDEN_RETRY_MS = 60_000;
const FLOOD_RETRY_MS = 20_000;
const RENEW_BEFORE_MS = 30_000;
/** What a timer can wait for. */
const TIMER_MS_MAX = 2 ** 31 - 1;
/** Says to the server that it is back soon. A close without a code would mean that it left. */
const BACK_SOON = 4900;

/** @type {Record<string, (opening: Opening) => Transport>} */
const openers = { ws: openSocket };

/**
 * What the link tells. `up` comes with each `welcome`, `down` when the connection after it has ended.
 * @typedef {object} Listener
 * @property {(welcome: Frame) => void} up
 * @property {() => void} down
 * @property {(frame: Frame) => void} heard
 * @property {(direction: "in" | "out", frame: Frame) => void} seen
 * @property {(error: HerenowError) => void} failed
 */

/** Keeps one connection. */
export class Link {
  /** @type {Value<ConnectionState>} */
  state = new Value(/** @type {ConnectionState} */ ({ name: "idle" }));
  base;
  #options;
  #listener;
  #credentials;
  /** @type {Transport | null} */
  #transport = null;
  #isUp = false;
  /** Counts attempts, so that what an earlier one still says is known as such. */
  #attempt = 0;
  #failures = 0;
  /** @type {string | null} */
  #resume = null;
  #storeKey = "";
  /** Whether a token was refused, or the session taken over, since it last went well: the second time is the end. */
  #refused = false;
  #replaced = false;
  /** @type {HerenowError | null} */
  #complaint = null;
  #timers = { retry: 0, welcome: 0, stable: 0, renew: 0, drain: 0 };
  #ids = 0;
  /** @type {Map<number, { resolve: (answer: Frame) => void, reject: (error: HerenowError) => void }>} */
  #asked = new Map();
  #page = new AbortController();

  /** @param {string} base @param {ClientOptions} options @param {Listener} listener */
  constructor(base, options, listener) {
    this.base = base;
    this.#options = options;
    this.#listener = listener;
    this.#credentials = new Credentials(base, options);
  }

  get isUp() {
    return this.#isUp;
  }

  /** Connects, or does so at once instead of later. */
  start() {
    const { name } = this.state.get();
    if (name === "idle" || name === "closed") {
      this.#page = new AbortController();
      this.#watchPage(this.#page.signal);
      this.#refused = this.#replaced = false;
      this.#failures = 0;
    }
    this.#connect();
  }

  /** Ends it for good. */
  stop() {
    this.#end(undefined, 1000);
  }

  /** Sends a frame, if there is a connection. @param {Frame} frame */
  send(frame) {
    if (!this.#isUp) return;
    this.#listener.seen("out", frame);
    this.#transport?.send(frame);
  }

  /**
   * Sends a frame that is answered. The promise fails where the answer is an error, or the connection ends first.
   * @param {Frame} frame
   * @returns {Promise<Frame>}
   */
  ask(frame) {
    if (!this.#isUp) return Promise.reject(offline(this.base));
    const id = ++this.#ids;
    return new Promise((resolve, reject) => {
      this.#asked.set(id, { resolve, reject });
      this.send({ ...frame, id });
    });
  }

  async #connect() {
    this.#clearTimers();
    const attempt = ++this.#attempt;
    if (globalThis.navigator?.onLine === false && !this.#isNear) return this.state.set({ name: "offline" });
    const cause = this.#cause;
    this.state.set(cause ? { name: "reconnecting", attempt: this.#failures, retryAt: null, cause } : { name: "connecting", attempt: this.#failures });
    try {
      const token = await this.#credentials.token();
      if (attempt === this.#attempt) this.#open(attempt, token);
    } catch (error) {
      if (attempt === this.#attempt) this.#fail(/** @type {HerenowError} */ (error));
    }
  }

  /** @param {number} attempt @param {string | null} token */
  #open(attempt, token) {
    // Taken, not read: "Duplicate tab" copies the storage, and two tabs must not claim one session.
    this.#storeKey = `resume:${this.base}:${subject(token)}`;
    const kept = stored(this.#storeKey, null);
    this.#resume ??= kept;
    this.#complaint = null;
    const closed = (/** @type {number} */ code) => {
      if (attempt === this.#attempt) this.#closed(code);
    };
    this.#timers.welcome = setTimeout(() => {
      this.#drop();
      closed(1006);
    }, WELCOME_MS_MAX);
    this.#transport = openers.ws({
      base: this.base,
      token,
      resume: this.#resume,
      heard: (frame) => {
        if (attempt === this.#attempt) this.#heard(frame);
      },
      closed,
    });
  }

  /** @param {Frame} frame */
  #heard(frame) {
    this.#listener.seen("in", frame.resume ? { ...frame, resume: "..." } : frame);
    const waiting = this.#asked.get(frame.re);
    if (frame.type === "welcome") return this.#welcome(frame);
    if (frame.type === "draining") return this.#drain(frame.reconnect_within_ms);
    if (frame.type === "error") {
      const error = fromFrame(frame, this.base);
      if (!this.#isUp) this.#complaint = error;
      else if (!waiting && !frame.room) this.#listener.failed(error);
      waiting?.reject(error);
    } else {
      waiting?.resolve(frame);
    }
    this.#asked.delete(frame.re);
    this.#listener.heard(frame);
  }

  /** @param {Frame} welcome */
  #welcome(welcome) {
    clearTimeout(this.#timers.welcome);
    this.#resume = welcome.resume ?? null;
    this.#isUp = true;
    this.#refused = false;
    this.#timers.stable = setTimeout(() => {
      this.#failures = 0;
      this.#replaced = false;
      this.#cause = null;
    }, STABLE_MS);
    this.#renewBefore(welcome.expires_at_ms - welcome.time_ms);
    this.#listener.up(welcome);
    this.state.set({ name: "online", transport: "ws", resumed: welcome.resumed, draining: false });
  }

  /** @type {HerenowError | null} why the last connection ended */
  #cause = null;

  /** Gets a new token in time. @param {number} restMs */
  #renewBefore(restMs) {
    clearTimeout(this.#timers.renew);
    if (!(restMs > 0) || !this.#credentials.renewable) return;
    const askedAt = Date.now();
    const wait = Math.min(Math.max(restMs - RENEW_BEFORE_MS, restMs / 2), TIMER_MS_MAX);
    this.#timers.renew = setTimeout(async () => {
      const attempt = this.#attempt;
      try {
        const token = await this.#credentials.token();
        if (attempt !== this.#attempt) return;
        const { expires_at_ms } = await this.ask({ type: "auth", token });
        this.#renewBefore(expires_at_ms - Date.now());
      } catch (error) {
        if (attempt !== this.#attempt) return;
        // Again in half of the time that is left; in the end the server says that it is over.
        this.#listener.failed(/** @type {HerenowError} */ (error));
        const rest = restMs - (Date.now() - askedAt);
        if (rest > 1_000) this.#renewBefore(rest);
      }
    }, wait);
  }

  /** The server is about to stop: goes elsewhere at some moment before that. @param {number} withinMs */
  #drain(withinMs) {
    const state = this.state.get();
    if (state.name === "online") this.state.set({ ...state, draining: true });
    this.#timers.drain = setTimeout(() => this.#restart(), Math.random() * withinMs);
  }

  #restart() {
    this.#drop();
    this.#connect();
  }

  /** @param {number} code */
  #closed(code) {
    const complaint = this.#complaint;
    this.#drop();
    const { code: name = "connection.lost", message = `the connection ended with ${code}`, hint, retryAfterMs } = complaint ?? {};
    let retryable = code !== 4400 && code !== 4403;
    if (code === 4401) {
      retryable = this.#credentials.renewable && !this.#refused;
      this.#refused = true;
    } else if (code === 4409) {
      // Somebody else goes on with this session. Once as a new one; then it is no mistake.
      retryable = !this.#replaced;
      this.#replaced = true;
      this.#resume = null;
    }
    this.#fail(new HerenowError({ code: name, message, hint, base: this.base, close: code, retryable, retryAfterMs }));
  }

  /** @param {HerenowError} cause */
  #fail(cause) {
    this.#drop();
    if (!cause.retryable) return this.#end(cause);
    this.#cause = cause;
    if (globalThis.navigator?.onLine === false && !this.#isNear) return this.state.set({ name: "offline" });
    let delay = cause.retryAfterMs ?? retryDelay(this.#failures, this.#options.backoff);
    if (cause.close === 4429) delay = Math.max(delay, FLOOD_RETRY_MS);
    // The first attempts matter to a hidden page as well: they are within grace.
    if (globalThis.document?.hidden && this.#failures >= 4) delay = HIDDEN_RETRY_MS;
    this.#failures += 1;
    this.state.set({ name: "reconnecting", attempt: this.#failures, retryAt: new Date(Date.now() + delay), cause });
    this.#timers.retry = setTimeout(() => this.#connect(), delay);
  }

  /** Ends the connection, whatever there is of it; it does not say so itself any more. */
  #drop(code = BACK_SOON) {
    this.#clearTimers();
    this.#attempt += 1;
    const wasUp = this.#isUp;
    this.#isUp = false;
    this.#transport?.close(code);
    this.#transport = null;
    const asked = [...this.#asked.values()];
    this.#asked.clear();
    for (const { reject } of asked) reject(offline(this.base));
    if (wasUp) this.#listener.down();
  }

  /** @param {HerenowError | undefined} cause */
  #end(cause, code = BACK_SOON) {
    this.#page.abort();
    this.#drop(code);
    this.#resume = null;
    this.#cause = null;
    if (this.#storeKey) stored(this.#storeKey, null);
    this.state.set(cause ? { name: "closed", cause } : { name: "closed" });
    if (cause) this.#listener.failed(cause);
  }

  #clearTimers() {
    for (const timer of Object.values(this.#timers)) clearTimeout(timer);
    this.#timers.retry = 0;
  }

  /** Whether the server is on this machine: no network is needed then. */
  get #isNear() {
    return isLoopback(new URL(this.base).hostname);
  }

  /** @param {AbortSignal} signal */
  #watchPage(signal) {
    const { document } = globalThis;
    const on = (/** @type {EventTarget | undefined} */ target, /** @type {string} */ type, /** @type {(event: any) => void} */ listener) =>
      target?.addEventListener?.(type, listener, { signal });
    const hurry = () => {
      const { name } = this.state.get();
      if (this.#timers.retry || name === "offline") this.#connect();
    };
    on(globalThis, "online", hurry);
    on(globalThis, "offline", () => {
      if (this.#isNear) return;
      // A socket does not notice for minutes.
      this.#drop();
      this.state.set({ name: "offline" });
    });
    on(document, "visibilitychange", () => document.hidden || hurry());
    on(document, "resume", hurry);
    on(globalThis, "pagehide", () => {
      if (this.#resume) stored(this.#storeKey, this.#resume);
      this.#drop();
      this.state.set({ name: "suspended" });
    });
    on(globalThis, "pageshow", () => {
      if (this.state.get().name === "suspended") this.#connect();
    });
  }
}
