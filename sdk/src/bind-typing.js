// Watches a field, and tells the room that somebody types into it.

import { listen, onAbort } from "./dom.js";

/** @import { BindTypingOptions, Room, Typing } from "./types.js" */

/**
 * Tells others that somebody types into a field: at the first key, then at most every three seconds, and once when it
 * ends, which is 2 s after the last key, on blur, submit, Escape, an emptied field or a hidden page.
 * @param {HTMLElement} element an input, a textarea, or something editable
 * @param {Room | Typing} room
 * @param {BindTypingOptions} [options]
 * @returns {() => void} ends it
 */
export function bindTyping(element, room, options = {}) {
  const field = /** @type {HTMLInputElement} */ (element);
  const { idleMs = 2_000, ignore, signal, target = field.name || field.id } = options;
  const whole = "typing" in room ? room.typing : room;
  const typing = target && whole !== room ? whole.in(target) : whole;
  const ending = new AbortController();
  let idle = 0;
  // A field that is taken away while it has the focus is not always blurred.
  const presence = new MutationObserver(() => element.isConnected || stop());
  const stop = () => {
    clearTimeout(idle);
    idle = 0;
    presence.disconnect();
    typing.stop();
  };
  const key = () => {
    typing.start();
    if (!idle) presence.observe(document, { childList: true, subtree: true });
    clearTimeout(idle);
    idle = setTimeout(stop, idleMs);
  };
  /** @type {(target: EventTarget, type: string, listener: (event: any) => void) => void} */
  const on = (target, type, listener) => listen(target, type, listener, ending.signal);
  on(element, "input", (event) => {
    if (ignore?.(event)) return;
    if ((field.value ?? element.textContent) === "") stop();
    else key();
  });
  // Who writes Chinese or Japanese types for seconds before the first input.
  on(element, "compositionstart", key);
  on(element, "blur", stop);
  on(element, "keydown", ({ key }) => key === "Escape" && stop());
  // Wherever the form is when it is submitted: the field may have moved by then.
  on(document, "submit", ({ target }) => target === (field.form ?? element.closest("form")) && stop());
  on(document, "visibilitychange", () => document.hidden && stop());
  on(window, "pagehide", stop);
  const end = () => {
    stop();
    ending.abort();
  };
  onAbort(signal, end);
  return end;
}
