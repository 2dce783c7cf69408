// A browser and a server for unit tests: sockets that the test plays the other end of, a clock that it turns.

import { mock } from "node:test";

/** The other end of a connection. */
export class Socket {
  /** Every socket that was opened, the newest last. @type {Socket[]} */
  static all = [];
  static get last() {
    return Socket.all.at(-1);
  }
  readyState = 0;
  /** What the client sent. */
  sent = [];
  /** With what the client closed it, if it did. */
  closedWith = null;

  constructor(url, protocol) {
    Object.assign(this, { url, protocol });
    Socket.all.push(this);
  }

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close(code) {
    this.readyState = 3;
    this.closedWith ??= code;
  }

  /** The server accepts. */
  open() {
    this.readyState = 1;
    this.onopen?.();
  }

  /** The server says something. */
  say(frame) {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }

  /** The connection ends, other than by the client. */
  drop(code = 1006) {
    this.readyState = 3;
    this.onclose?.({ code });
  }

  /** The last frame of a type that the client sent, if any. */
  sentLast(type) {
    return this.sent.findLast((frame) => frame.type === type);
  }

  /** How many frames of these types the client sent. */
  count(...types) {
    return this.sent.filter((frame) => types.includes(frame.type)).length;
  }

  /** Answers the last frame of a type. */
  answer(type, frame) {
    this.say({ ...frame, re: this.sentLast(type).id });
  }
}

/** Puts a browser in the place of Node. What it returns is that browser; to be called before each test. */
export function browser({ href = "https://app.example/board" } = {}) {
  Socket.all = [];
  const { origin, hostname, protocol } = new URL(href);
  const page = new EventTarget();
  const stored = new Map();
  const set = (name, value) => Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_893_456_000_000 });
  set("WebSocket", Socket);
  set("location", { href, origin, hostname, protocol });
  set("navigator", { onLine: true });
  set("addEventListener", page.addEventListener.bind(page));
  set("document", Object.assign(new EventTarget(), { hidden: false, title: "" }));
  set("window", page);
  set("performance", { now: () => Date.now() });
  set("MutationObserver", class {
    constructor(callback) {
      Object.assign(this, { callback, isOn: false });
      observers.add(this);
    }
    observe() { this.isOn = true; }
    disconnect() { this.isOn = false; }
  });
  const observers = new Set();
  set("sessionStorage", {
    getItem: (key) => stored.get(key) ?? null,
    setItem: (key, value) => stored.set(key, value),
    removeItem: (key) => stored.delete(key),
  });
  return {
    page,
    stored,
    /** What happened to the page's elements is told. */
    mutate: () => observers.forEach((observer) => observer.isOn && observer.callback()),
    /** An event on the window. */
    fire: (type) => page.dispatchEvent(new Event(type)),
    hide(hidden) {
      document.hidden = hidden;
      page.dispatchEvent(new Event("visibilitychange"));
      document.dispatchEvent(new Event("visibilitychange"));
    },
  };
}

/** Lets what waits for promises and loads modules get on. Not a wait for time: the clock stands still. */
export async function settle() {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((done) => setImmediate(done));
}

/** Turns the clock on, in steps, so that timers set by timers fire when they are due. */
export async function pass(ms) {
  for (let rest = ms; rest > 0; rest -= 50) {
    mock.timers.tick(Math.min(rest, 50));
    await Promise.resolve();
  }
  await settle();
}

export const user = (id) => ({ id, name: id.toUpperCase(), color: "#4d7400" });
export const viewer = (id, joined_at_ms = 1, more = {}) => ({ user: user(id), status: "active", joined_at_ms, sessions: 1, ...more });
export const welcome = (more = {}) => ({ type: "welcome", session: "00000000000000a1", resume: "a1.first", resumed: false, user: user("a"), node: "n1", time_ms: Date.now(), ping_interval_ms: 20_000, limits: {}, ...more });
export const roster = (number, viewers, more = {}) => ({
  type: "roster", room: "r", interest: "auto", v: ["e", number], gear: "live", viewers, count: { users: viewers.length, sessions: viewers.length }, typing: [], locks: [], ...more,
});
export const diff = (from, to, lists, more = {}) => ({ type: "diff", room: "r", from, v: ["e", to], count: { users: 9, sessions: 9 }, ...lists, ...more });
