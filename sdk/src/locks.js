// Locks in a room: who holds which, and those that this session got.

import { Value } from "./readable.js";

/** @import { Frame, WireLock } from "./frames.js" */
/** @import { Lock, LockHolder, Readable } from "./types.js" */

/** The locks of a room. */
export class Locks {
  value = new Value(/** @type {ReadonlyMap<string, LockHolder>} */ (new Map()));
  #ask;
  #session;
  /** @type {unknown} */
  #shown = null;

  /**
   * @param {(frame: Frame) => Promise<Frame>} ask
   * @param {Readable<string | null>} session
   */
  constructor(ask, session) {
    this.#ask = ask;
    this.#session = session;
  }

  /** @param {ReadonlyMap<string, WireLock>} locks */
  show(locks) {
    if (locks === this.#shown) return;
    this.#shown = locks;
    const holders = [...locks.values()].map(({ name, holder, session, fence }) => {
      const shown = /** @type {LockHolder} */ ({ user: holder, session, fence, mine: session === this.#session.get() });
      return /** @type {const} */ ([name, shown]);
    });
    this.value.set(new Map(holders));
  }

  end() {
    this.show(new Map());
  }

  /**
   * @param {string} name
   * @param {{ wait?: boolean, signal?: AbortSignal }} [options]
   * @returns {Promise<Lock | null>}
   */
  async lock(name, { wait, signal } = {}) {
    signal?.throwIfAborted();
    const { held, fence } = await this.#ask({ type: "lock", name, wait });
    if (held) return this.#held(name, fence);
    if (!wait) return null;
    return new Promise((resolve, reject) => {
      const stop = this.value.subscribe((holders) => {
        const holder = holders.get(name);
        if (!holder?.mine) return;
        queueMicrotask(() => stop());
        signal?.removeEventListener("abort", abort);
        resolve(this.#held(name, holder.fence));
      });
      const abort = () => {
        stop();
        this.#unlock(name);
        reject(signal?.reason);
      };
      signal?.addEventListener("abort", abort);
    });
  }

  /** @param {string} name @param {number} fence @returns {Lock} */
  #held(name, fence) {
    const release = () => this.#unlock(name);
    const lost = new Promise((/** @type {(value: void) => void} */ resolve) => {
      const stop = this.value.subscribe(
        (holders) => {
          const holder = holders.get(name);
          // An older number, or none yet: the news of getting it may still be on the way.
          if (holder?.mine && holder.fence === fence) seen = true;
          else if (seen || (holder && holder.fence > fence)) {
            stop();
            resolve();
          }
        },
        { immediate: false },
      );
      let seen = this.value.get().get(name)?.fence === fence;
    });
    return { name, fence, lost, release };
  }

  /** @param {string} name */
  #unlock(name) {
    this.#ask({ type: "unlock", name }).catch(() => {});
  }
}
