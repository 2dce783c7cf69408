// Values that can be watched, and events with known details.

/**
 * @template T
 * @typedef {import("./types.js").Readable<T>} Readable
 */

/**
 * A value that can be watched.
 * @template T
 * @implements {Readable<T>}
 */
export class Value {
  #value;
  /** @type {Set<{ listener: (value: T) => void }>} */
  #entries = new Set();

  /** @param {T} value */
  constructor(value) {
    this.#value = value;
  }

  get() {
    return this.#value;
  }

  /**
   * @param {(value: T) => void} listener
   * @param {{ signal?: AbortSignal, immediate?: boolean }} [options]
   * @returns {() => void}
   */
  subscribe(listener, { signal, immediate = true } = {}) {
    if (signal?.aborted) return () => {};
    // An object of its own, so that one function may subscribe twice.
    const entry = { listener };
    const stop = () => {
      this.#entries.delete(entry);
    };
    this.#entries.add(entry);
    signal?.addEventListener("abort", stop, { once: true });
    if (immediate) listener(this.#value);
    return stop;
  }

  /** @param {T} value */
  set(value) {
    if (Object.is(value, this.#value)) return;
    this.#value = value;
    for (const entry of [...this.#entries]) {
      if (!this.#entries.has(entry)) continue;
      try {
        entry.listener(this.#value);
      } catch (error) {
        // One listener's fault must not keep the others, nor the next frame, from being heard.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
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
