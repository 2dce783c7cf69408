// The connection to the presence server: who is here, who is typing. Tries again by itself when it is lost.

import { retryDelay } from "./retry.js";
import { applied, nobody } from "./roster.js";

const CONNECT_MS_MAX = 8_000;
const STABLE_MS = 5_000;
const HIDDEN_RETRY_MS = 60_000;
const CLOSE_UNAUTHORIZED = 4001;

/**
 * Keeps one room joined. Dispatches `change` whenever {@link state} is another one, and `frame` with each frame of the
 * server.
 */
export class Presence extends EventTarget {
  /** `connection`: connecting, live, reconnecting, offline or denied; `stale` while `people` is the last known. */
  state = { connection: "connecting", retryAt: null, hint: "", stale: false, people: nobody };

  #room;
  #identity;
  #socket = null;
  #failures = 0;
  #refused = false;
  #timers = { retry: 0, stable: 0 };
  #typing = new Set();
  #attempt = 0;

  /** @param {{ room: string, userId: string, name: string }} who */
  constructor({ room, userId, name }) {
    super();
    this.#room = room;
    this.#identity = { userId, name };
    window.addEventListener("online", () => this.retryNow());
    window.addEventListener("offline", () => {
      if (this.state.connection === "reconnecting") this.#set({ connection: "offline" });
      // A socket does not notice for minutes. One to this very machine needs no network.
      if (!isLoopback(location.hostname)) this.#socket?.close();
    });
    window.addEventListener("pageshow", (event) => { if (event.persisted) this.retryNow(); });
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.retryNow(); });
  }

  /** Connects for the first time. */
  start() {
    this.#connect();
  }

  /** Tries at once, if it is waiting to. */
  retryNow() {
    if (this.#timers.retry === 0) return;
    this.#connect();
  }

  /** Says that one's typing into a target began or goes on. Said again after a reconnect, unless it ended by then. */
  typing(target) {
    this.#typing.add(target);
    this.#send({ type: "typing", boardId: this.#room, target });
  }

  /** Says that one stopped typing into a target. */
  stopTyping(target) {
    this.#typing.delete(target);
    this.#send({ type: "stop_typing", boardId: this.#room, target });
  }

  async #connect() {
    const attempt = ++this.#attempt;
    clearTimeout(this.#timers.retry);
    this.#timers.retry = 0;
    if (this.state.connection !== "connecting") this.#set({ connection: "reconnecting", retryAt: null });
    try {
      const token = await this.#fetchToken();
      if (attempt === this.#attempt) this.#open(token);
    } catch (error) {
      if (attempt !== this.#attempt) return;
      if (error instanceof Denied) this.#deny(error.message);
      else this.#retryLater();
    }
  }

  /** A new one each time: a server that was restarted does not know the old one. */
  async #fetchToken() {
    const response = await fetch("/dev/token", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(this.#identity),
      signal: AbortSignal.timeout(CONNECT_MS_MAX),
    });
    if (response.status >= 400 && response.status < 500 && response.status !== 429) {
      const problem = await response.json().catch(() => ({}));
      throw new Denied(problem.hint ?? problem.detail ?? problem.title ?? "");
    }
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    return (await response.json()).token;
  }

  #open(token) {
    const socket = new WebSocket(new URL("/ws", location.href.replace(/^http/, "ws")));
    this.#socket = socket;
    const late = setTimeout(() => socket.close(), CONNECT_MS_MAX);
    socket.addEventListener("open", () => this.#send({ type: "auth", token }));
    socket.addEventListener("message", ({ data }) => {
      if (socket !== this.#socket) return;
      const frame = JSON.parse(data);
      if (frame.type === "presence") clearTimeout(late);
      this.#take(frame);
    });
    socket.addEventListener("close", ({ code }) => {
      clearTimeout(late);
      if (socket === this.#socket) this.#closed(code);
    });
  }

  #take(frame) {
    switch (frame.type) {
      case "connected":
        this.#send({ type: "join", boardId: this.#room });
        break;
      case "presence":
        this.#joined(frame);
        break;
      case "removed":
        this.#deny("You were removed from this board.");
        break;
      case "error":
        // The only refusal that leaves us outside; after others we are where we were.
        if (frame.code === "room.forbidden") this.#deny(frame.hint ?? frame.error ?? "");
        break;
      default:
        this.#set({ people: applied(this.state.people, frame) });
    }
    this.dispatchEvent(new CustomEvent("frame", { detail: frame }));
  }

  #joined(frame) {
    const rejoined = this.state.connection !== "live";
    this.#set({ connection: "live", retryAt: null, hint: "", stale: false, people: applied(this.state.people, frame) });
    if (!rejoined) return;
    this.#refused = false;
    this.#timers.stable = setTimeout(() => { this.#failures = 0; }, STABLE_MS);
    for (const target of this.#typing) this.typing(target);
  }

  #closed(code) {
    clearTimeout(this.#timers.stable);
    this.#socket = null;
    if (this.state.connection === "denied") return;
    if (code === CLOSE_UNAUTHORIZED) {
      // Once may be bad luck: the server was restarted between the token and its use.
      if (this.#refused) return this.#deny("The server does not accept this page’s token.");
      this.#refused = true;
    }
    this.#retryLater();
  }

  #retryLater() {
    const delay = document.hidden ? HIDDEN_RETRY_MS : retryDelay(this.#failures);
    this.#failures += 1;
    clearTimeout(this.#timers.retry);
    this.#timers.retry = setTimeout(() => this.#connect(), delay);
    const people = { ...this.state.people, typing: nobody.typing };
    const connection = navigator.onLine ? "reconnecting" : "offline";
    this.#set({ connection, retryAt: Date.now() + delay, stale: people.viewers.length > 0, people });
  }

  #deny(hint) {
    this.#set({ connection: "denied", retryAt: null, hint, stale: true, people: { ...this.state.people, typing: nobody.typing } });
    this.#socket?.close();
  }

  #send(frame) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(frame));
  }

  #set(change) {
    this.state = { ...this.state, ...change };
    this.dispatchEvent(new Event("change"));
  }
}

const isLoopback = (host) => /^(localhost|.*\.localhost|127\..*|\[::1\])$/.test(host);

/** The server knows us and says no: trying again would not help. */
class Denied extends Error {}
