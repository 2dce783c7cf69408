// What this session shares in a room: bursts go out as one, and what the server may not have is said again.

import { Value } from "./readable.js";

const EVERY_MS = 100;

/** Its own state in a room. */
export class OwnState {
  value = new Value(/** @type {Readonly<Record<string, unknown>>} */ ({}));
  #say;
  #canSay;
  /** Keys that the server is not known to have, with what they are set to. @type {Record<string, unknown>} */
  #open = {};
  #timer = 0;
  #isDue = false;

  /**
   * @param {(patch: object) => Promise<unknown>} say
   * @param {() => boolean} canSay
   */
  constructor(say, canSay) {
    this.#say = say;
    this.#canSay = canSay;
  }

  /** @param {object} patch */
  set(patch) {
    this.#open = { ...this.#open, ...patch };
    const next = { ...this.value.get(), ...patch };
    for (const key of Object.keys(next)) if (next[key] === null || next[key] === undefined) delete next[key];
    this.value.set(next);
    this.#isDue = true;
    if (this.#timer) return;
    // What is set in one go goes out in one; what comes soon after waits.
    this.#timer = setTimeout(() => this.#tick());
  }

  /** What to join with; `done` to be called when the server has it. */
  take() {
    const state = { ...this.#open };
    return { state: Object.keys(state).length ? state : undefined, done: () => this.#has(state) };
  }

  /** The server has nothing of it any more. */
  forgotten() {
    this.#open = { ...this.value.get() };
  }

  end() {
    clearTimeout(this.#timer);
    this.#timer = 0;
  }

  #tick() {
    this.#timer = 0;
    if (!this.#isDue || !this.#canSay()) return;
    this.#isDue = false;
    this.#timer = setTimeout(() => this.#tick(), EVERY_MS);
    const patch = { ...this.#open };
    if (Object.keys(patch).length) this.#say(patch).then(() => this.#has(patch), () => {});
  }

  /** @param {Record<string, unknown>} patch */
  #has(patch) {
    for (const [key, value] of Object.entries(patch)) if (this.#open[key] === value) delete this.#open[key];
  }
}
