// The connection: opens it, finds out that it is gone, and tries again at the right time. Knows nothing of rooms.

import { retryDelay } from "./backoff.js";
import { isLocal, subject, tokenSource } from "./credentials.js";
import { listen } from "./dom.js";
import { HerenowError } from "./error.js";
import { loaded, observable } from "./readable.js";
import { swapStored } from "./store.js";
import { openSocket } from "./transports/ws.js";

/** @import { ClientOptions, ConnectionState, TransportName } from "./types.js" */
/** @import { Frame } from "./frames.js" */
/** @import { Transport } from "./transports/ws.js" */

const WELCOME_MS_MAX = 8_000;
const STABLE_MS = 5_000;
const HIDDEN_RETRY_MS = 60_000;
/** Says to the server that it is back soon. A close without a code would mean that it left. */
const BACK_SOON = 4900;
/** The connection broke, or never came about. */
const LOST = 1006;
/** Not a code of the wire: another transport should be tried, though the server may be there. */
const BLOCKED = 0;
const EXPIRED = 4401;
const REPLACED = 4409;

/**
 * What the link tells. `up` comes with each `welcome`, `down` when the connection after it has ended.
 * @typedef {object} Owner
 * @property {(welcome: Frame) => void} up
 * @property {() => void} down
 * @property {(frame: Frame) => void} heard
 * @property {(direction: "in" | "out", frame: Frame) => void} seen
 * @property {(error: HerenowError) => void} failed
 * @property {(signal: AbortSignal) => void} started from now on until the signal is aborted it tries to be connected
 */
/** @typedef {ReturnType<typeof createLink>} Link */

/**
 * Keeps one connection. A function rather than a class because what is private to it gets short names that way.
 * @param {string} base the server's address
 * @param {ClientOptions} options
 * @param {Owner} owner
 */
export function createLink(base, options, owner) {
  const state = observable(/** @type {ConnectionState} */ ({ name: "idle" }));
  const tokens = tokenSource(base, options);
  /** @type {readonly TransportName[]} */
  const ways = options.transports ?? ["ws", "sse", "poll"];
  /** Which of them. */
  let way = 0;
  /** @type {Transport | undefined} */
  let transport;
  /** Counts attempts, so that what an earlier one still waits for is known as such. */
  let attempt = 0;
  let failures = 0;
  /** Why the last connection ended, until one is stable. @type {HerenowError | undefined} */
  let cause;
  /** A close code that is the end the second time. */
  let excused = 0;
  /** @type {string | null} */
  let resume = null;
  let storeKey = "";
  /** Timers of the present state. @type {number[]} */
  const timers = [];
  let ids = 0;
  /** @type {Map<number, { resolve: (answer: Frame) => void, reject: (error: HerenowError) => void }>} */
  const asked = new Map();
  /** Ends the listeners on the page. @type {AbortController | undefined} */
  let page;

  const isUp = () => state.get().name === "online";

  /** @type {(code: string, message: string, details?: Partial<import("./error.js").ErrorDetails>) => HerenowError} */
  const error = (code, message, details) => new HerenowError({ code, message, base, ...details });

  /** What an error frame says. @param {Frame} frame */
  const errorOf = ({ code, message, hint, room, retry_after_ms: retryAfterMs }) =>
    error(code, message, { hint, room, retryAfterMs, retryable: !/^auth|forbidden/.test(code) });

  const asError = (/** @type {unknown} */ thrown) => (thrown instanceof HerenowError ? thrown : error("auth.unavailable", `no token: ${thrown}`));

  const offline = () => error("connection.offline", "offline");

  /** Without a network there is no use in trying, unless the server is on this machine. */
  const isCutOff = () => globalThis.navigator?.onLine === false && !isLocal(base);

  /** @param {() => void} callback @param {number} ms */
  const later = (callback, ms) => timers.push(setTimeout(callback, ms));

  /** Sends a frame, if there is a connection. @param {Frame} frame */
  const send = (frame) => {
    if (!isUp()) return;
    owner.seen("out", frame);
    transport?.send(frame);
  };

  /**
   * Sends a frame that is answered. The promise fails where the answer is an error, or the connection ends first.
   * @param {Frame} frame
   * @returns {Promise<Frame>}
   */
  const ask = (frame) =>
    new Promise((resolve, reject) => {
      if (!isUp()) return reject(offline());
      asked.set(++ids, { resolve, reject });
      send({ ...frame, id: ids });
    });

  /**
   * Ends the connection, whatever there is of it, and what waits for it; then the state is another one.
   * @param {ConnectionState} next
   */
  const become = (next, code = BACK_SOON) => {
    const wasUp = isUp();
    attempt += 1;
    for (const timer of timers.splice(0)) clearTimeout(timer);
    transport?.close(code);
    transport = undefined;
    state.set(next);
    for (const { reject } of asked.values()) reject(offline());
    asked.clear();
    if (wasUp) owner.down();
  };

  const connect = async () => {
    if (isCutOff()) return become({ name: "offline" });
    become(cause ? { name: "reconnecting", attempt: failures, retryAt: null, cause } : { name: "connecting", attempt: failures });
    const mine = attempt;
    try {
      const token = await tokens.get();
      const opener = ways[way] === "ws" ? openSocket : (await import("./transports/http.js")).openHttp;
      if (mine === attempt) open(opener, token);
    } catch (thrown) {
      if (mine !== attempt) return;
      way = 0;
      fail(asError(thrown));
    }
  };

  /** @param {typeof openSocket} opener @param {string | null} token */
  const open = (opener, token) => {
    // Taken, not read: "Duplicate tab" copies the storage, and two tabs must not claim one session.
    storeKey = `herenow:${base}:${subject(token)}`;
    const kept = swapStored(storeKey);
    resume ??= kept;
    let complaint = error("connection.lost", "lost");
    const closed = (/** @type {number} */ code) => end(code, complaint);
    later(() => isUp() || closed(BLOCKED), WELCOME_MS_MAX);
    transport = opener({
      base,
      way: ways[way],
      upgrade: way > 0 && ways[0] === "ws",
      token,
      resume,
      heard(frame) {
        owner.seen("in", frame);
        if (frame.type === "welcome") welcome(frame);
        else if (isUp()) heard(frame);
        else if (frame.type === "error") complaint = errorOf(frame);
      },
      closed,
    });
  };

  /** @param {Frame} frame */
  const welcome = (frame) => {
    resume = frame.resume;
    const mine = attempt;
    const isOver = () => mine !== attempt;
    later(() => {
      failures = excused = 0;
      cause = undefined;
      const keep = { ...tokens, welcome: frame, ask, later, isOver, asError, failed: owner.failed };
      if (tokens.renewable) loaded(() => import("./later.js")).then(({ keepToken }) => keepToken(keep));
    }, STABLE_MS);
    state.set({ name: "online", transport: ways[way], resumed: frame.resumed, draining: false });
    owner.up(frame);
  };

  /** @param {Frame} frame */
  const heard = (frame) => {
    if (frame.type === "draining") {
      state.set(/** @type {ConnectionState} */ ({ ...state.get(), draining: true }));
      // Goes elsewhere at some moment before the server stops.
      later(() => fail(error("server.draining", "draining")), Math.random() * frame.reconnect_within_ms);
    }
    const waiting = asked.get(frame.re);
    asked.delete(frame.re);
    if (frame.type === "error") {
      if (waiting) waiting.reject(errorOf(frame));
      else if (!frame.room) owner.failed(errorOf(frame));
    } else waiting?.resolve(frame);
    owner.heard(frame);
  };

  /** @param {number} code @param {HerenowError} complaint what the server said before */
  const end = (code, complaint) => {
    // What does not work here makes way for the next; what works, for the first again.
    if (code === BLOCKED || (code === LOST && failures && ways[way] === "ws" && !isUp())) {
      way = isUp() ? 0 : way + 1;
      if (ways[way]) return connect();
    }
    if (!isUp()) way = 0;
    complaint.close = code;
    complaint.retryable = code !== 4400 && code !== 4403;
    if (code === EXPIRED || code === REPLACED) {
      complaint.retryable = excused !== code && (code === REPLACED || tokens.renewable);
      excused = code;
      // Who goes on with this session keeps it.
      if (code === REPLACED) resume = null;
    }
    fail(complaint);
  };

  /** @param {HerenowError} why */
  const fail = (why) => {
    if (!why.retryable) return stop(why);
    cause = why;
    let delay = why.retryAfterMs ?? retryDelay(failures, options.backoff);
    // The first attempts matter to a hidden page as well: they are within grace.
    if (globalThis.document?.hidden && failures > 3) delay = HIDDEN_RETRY_MS;
    failures += 1;
    become({ name: "reconnecting", attempt: failures, retryAt: new Date(Date.now() + delay), cause });
    later(connect, delay);
  };

  /** Ends it for good, unless it is started again. @param {HerenowError} [why] */
  const stop = (why) => {
    page?.abort();
    page = undefined;
    become({ name: "closed", cause: why }, why ? BACK_SOON : 1000);
    failures = excused = way = 0;
    cause = undefined;
    resume = null;
    if (why) owner.failed(why);
  };

  /** Connects, or does so at once instead of later. */
  const start = () => {
    if (!page) watchPage();
    connect();
  };

  const watchPage = () => {
    page = new AbortController();
    const { signal } = page;
    owner.started(signal);
    listen(
      globalThis,
      "online pageshow visibilitychange resume",
      ({ type }) => {
        const now = state.get();
        const isWaiting = now.name === "reconnecting" ? now.retryAt : /off|sus/.test(now.name);
        if (isWaiting && !(type[0] === "v" && document.hidden)) connect();
      },
      signal,
    );
    // A socket does not notice for minutes.
    listen(globalThis, "offline", () => isCutOff() && become({ name: "offline" }), signal);
    const hide = () => {
      swapStored(storeKey, resume);
      become({ name: "suspended" });
    };
    listen(globalThis, "pagehide", hide, signal);
  };

  return { state, isUp, error, errorOf, send, ask, start, stop };
}
