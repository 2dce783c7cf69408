// Values that can be watched, and events with known details.

import { onAbort } from "./dom.js";

/**
 * @template T
 * @typedef {import("./types.js").Readable<T> & { set(value: T): void }} Value
 */

const LOAD_AGAIN_MS = 5_000;

/**
 * A value that can be watched.
 * @template T
 * @param {T} now
 * @returns {Value<T>}
 */
export function observable(now) {
  /** @type {Set<(value: T) => void>} */
  const entries = new Set();
  return {
    get: () => now,
    subscribe(listener, { signal, immediate = true } = {}) {
      // Another function, so that one may subscribe twice.
      const entry = (/** @type {T} */ value) => listener(value);
      const stop = () => void entries.delete(entry);
      entries.add(entry);
      onAbort(signal, stop);
      if (immediate && entries.has(entry)) entry(now);
      return stop;
    },
    /** Sets it, unless it is the same already, or a list of the same things. */
    set(value) {
      const before = /** @type {any} */ (now);
      if (value === before) return;
      if (Array.isArray(value) && value.length === before.length && value.every((item, index) => item === before[index])) return;
      now = value;
      for (const entry of [...entries]) {
        if (!entries.has(entry)) continue;
        try {
          entry(now);
        } catch (error) {
          // One listener's fault must not keep the others, nor the next frame, from being heard.
          queueMicrotask(() => {
            throw error;
          });
        }
      }
    },
  };
}

/**
 * Loads a part of the SDK; where that fails, again after a while.
 * @template T
 * @param {() => Promise<T>} load
 * @returns {Promise<T>}
 */
export const loaded = (load) => load().catch(() => new Promise((again) => setTimeout(() => again(loaded(load)), LOAD_AGAIN_MS)));

/**
 * Gives a value methods of something that is still being loaded. What they return can be called to undo it.
 * @param {Value<any>} value
 * @param {Promise<any>} loading
 * @param {string[]} methods
 * @returns {any}
 */
export function withMethods(value, loading, methods) {
  for (const method of methods) {
    /** @type {any} */ (value)[method] = (/** @type {any[]} */ ...given) => {
      const done = loading.then((loaded) => loaded[method](...given));
      return () => void done.then((undo) => undo());
    };
  }
  return value;
}

/**
 * An `EventTarget` whose events have known details.
 * @template Details
 */
export class Emitter extends EventTarget {
  /**
   * @template {keyof Details & string} Type
   * @param {Type} type
   * @param {(detail: Details[Type]) => void} listener
   * @param {{ signal?: AbortSignal, once?: boolean }} [options]
   * @returns {() => void}
   */
  on(type, listener, options) {
    const heard = (/** @type {Event} */ event) => listener(/** @type {CustomEvent} */ (event).detail);
    this.addEventListener(type, heard, options);
    return () => this.removeEventListener(type, heard);
  }

  /**
   * @template {keyof Details & string} Type
   * @param {Type} type
   * @param {Details[Type]} detail
   * @internal
   */
  emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
