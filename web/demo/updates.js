// What changes on the board: a stream of server-sent events, or long polling where streams do not get through.
//
// Each event has an id, and the board is read as of one. So every change is seen once and in order, whatever the way.
// A hidden page follows nothing: browsers allow six connections to a server over all tabs, and each stream holds one.

import { retryDelay } from "./retry.js";

const KINDS = ["task_created", "task_updated", "task_moved", "task_deleted", "board_updated", "board_reset"];
const GREETING_MS_MAX = 5_000;
const STREAM_FAILURES_MAX = 3;
const POLL_MS_MAX = 45_000;
const STREAM_AGAIN_MS = 60_000;

/** Dispatches `board` (all of it), `event` (one change), and `transport` ("stream", "poll" or "none"). */
export class Updates extends EventTarget {
  transport = "none";

  #path;
  #pollOnly;
  #seen = 0;

  /** @param {{ board: string, pollOnly: boolean }} which */
  constructor({ board, pollOnly }) {
    super();
    this.#path = `/boards/${encodeURIComponent(board)}`;
    this.#pollOnly = pollOnly;
  }

  /** Reads the board and follows it; returns never. */
  async start() {
    await this.#readUntilDone();
    for (;;) {
      if (!this.#pollOnly) await this.#stream();
      await this.#poll(this.#pollOnly ? Infinity : STREAM_AGAIN_MS);
    }
  }

  async #read() {
    const response = await fetch(this.#path, { signal: AbortSignal.timeout(GREETING_MS_MAX) });
    if (!response.ok) throw new Error(`the board answered ${response.status}`);
    const board = await response.json();
    this.#seen = board.cursor;
    this.dispatchEvent(new CustomEvent("board", { detail: board }));
  }

  async #readUntilDone() {
    for (let failures = 0; ; failures += 1) {
      try {
        return await this.#read();
      } catch {
        this.#use("none");
        await pause(retryDelay(failures));
      }
    }
  }

  /** Follows the stream until it turns out that streams fail although the server is there. */
  async #stream() {
    for (let failures = 0; failures < STREAM_FAILURES_MAX; ) {
      await visible();
      const greeted = await this.#streamOnce();
      failures = greeted ? 0 : failures + 1;
      if (document.hidden) continue;
      this.#use("none");
      await pause(retryDelay(failures));
      // Says whether the server can be reached at all, and catches up if it was restarted.
      await this.#readUntilDone();
    }
  }

  /** Follows one stream until it is beyond the browser's own mending; says whether it ever worked. */
  #streamOnce() {
    return new Promise((done) => {
      const source = new EventSource(`${this.#path}/events?since=${this.#seen}`);
      let greeted = false;
      const hide = () => {
        greeted = true;
        end();
      };
      const end = () => {
        clearTimeout(late);
        document.removeEventListener("visibilitychange", hide);
        source.close();
        done(greeted);
      };
      // Some proxies hold a stream back for ever instead of refusing it.
      const late = setTimeout(() => { if (!greeted) end(); }, GREETING_MS_MAX);
      document.addEventListener("visibilitychange", hide);
      source.addEventListener("message", () => {
        greeted = true;
        this.#use("stream");
      });
      for (const kind of KINDS) {
        source.addEventListener(kind, ({ data, lastEventId }) => this.#take(Number(lastEventId), JSON.parse(data)));
      }
      source.addEventListener("reset", () => this.#read().catch(end));
      source.addEventListener("error", () => {
        this.#use("none");
        if (source.readyState === EventSource.CLOSED || !greeted) end();
      });
    });
  }

  async #poll(forMs) {
    const until = Date.now() + forMs;
    this.#use("poll");
    while (Date.now() < until) {
      await visible();
      try {
        const address = `${this.#path}/poll?since=${this.#seen}`;
        const response = await fetch(address, { signal: AbortSignal.timeout(POLL_MS_MAX) });
        if (!response.ok) throw new Error(`the poll answered ${response.status}`);
        const answer = await response.json();
        if (answer.reset) await this.#read();
        for (const event of answer.events) this.#take(event.id, event);
        this.#seen = Math.max(this.#seen, answer.cursor);
      } catch {
        this.#use("none");
        await pause(retryDelay(1));
        await this.#readUntilDone();
        this.#use("poll");
      }
    }
  }

  #take(id, event) {
    if (id <= this.#seen) return;
    this.#seen = id;
    this.dispatchEvent(new CustomEvent("event", { detail: event }));
    if (event.type === "board_reset") this.#readUntilDone();
  }

  #use(transport) {
    if (this.transport === transport) return;
    this.transport = transport;
    this.dispatchEvent(new Event("transport"));
  }
}

/** Waits until the page can be seen, if it cannot. */
async function visible() {
  while (document.hidden) {
    await new Promise((done) => document.addEventListener("visibilitychange", done, { once: true }));
  }
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** Asks the server to change something; answers what it answers, throws what it says if it refuses. */
export async function change(method, path, body) {
  const response = await fetch(path, {
    method,
    headers: { "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (response.ok) return response.status === 204 ? {} : response.json();
  const problem = await response.json().catch(() => ({}));
  throw new Error(problem.detail ?? problem.title ?? `the server answered ${response.status}`);
}
