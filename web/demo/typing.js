// Tells the server that somebody types, sparingly; and keeps what others type on screen long enough to be read.

const THROTTLE_MS = 3_000;
const IDLE_MS = 2_000;
const SHOWN_MS_MIN = 700;

/**
 * Watches a text field. `start` is called when typing begins and, while it goes on, at most every three seconds; `stop`
 * once when it ends: two seconds after the last key, on blur, submit, Escape, an emptied field, or a hidden page.
 * Returns a function that ends the watch.
 */
export function bindTyping(field, { start, stop }) {
  let startedAt = null;
  let idle = 0;
  const ending = new AbortController();
  const { signal } = ending;

  const key = () => {
    const now = performance.now();
    if (startedAt === null || now - startedAt >= THROTTLE_MS) {
      startedAt = now;
      start();
    }
    clearTimeout(idle);
    idle = setTimeout(end, IDLE_MS);
  };
  const end = () => {
    clearTimeout(idle);
    if (startedAt === null) return;
    startedAt = null;
    stop();
  };

  field.addEventListener("input", () => (field.value === "" ? end() : key()), { signal });
  field.addEventListener("compositionstart", key, { signal });
  field.addEventListener("blur", end, { signal });
  field.addEventListener("keydown", (event) => { if (event.key === "Escape") end(); }, { signal });
  field.form?.addEventListener("submit", end, { signal });
  document.addEventListener("visibilitychange", () => { if (document.hidden) end(); }, { signal });
  window.addEventListener("pagehide", end, { signal });
  return () => {
    end();
    ending.abort();
  };
}

/** Delays the end of what is shown, so that no sign of typing flashes by. */
export class Lingering {
  #shown = new Map();
  #changed;

  /** `changed` is called when something that lingered is gone. */
  constructor(changed) {
    this.#changed = changed;
  }

  /** Takes what is so now, a `Map` of keys and values; returns it with what still lingers. */
  update(current) {
    const now = performance.now();
    for (const [key, value] of current) {
      const entry = this.#shown.get(key);
      clearTimeout(entry?.timer);
      this.#shown.set(key, { value, since: entry?.since ?? now, timer: 0 });
    }
    for (const [key, entry] of this.#shown) {
      if (current.has(key) || entry.timer) continue;
      const rest = entry.since + SHOWN_MS_MIN - now;
      if (rest <= 0) this.#shown.delete(key);
      else entry.timer = setTimeout(() => this.#drop(key), rest);
    }
    return new Map([...this.#shown].map(([key, entry]) => [key, entry.value]));
  }

  /** Forgets what lingers of those that `gone` says are gone for good. */
  forget(gone) {
    for (const [key, entry] of this.#shown) {
      if (!gone(key, entry.value)) continue;
      clearTimeout(entry.timer);
      this.#shown.delete(key);
    }
  }

  #drop(key) {
    this.#shown.delete(key);
    this.#changed();
  }
}
