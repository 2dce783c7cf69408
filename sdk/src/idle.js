// Whether the person is there: keys, pointers and the page being looked at.

const HIDDEN_MS = 10_000;
const SIGNS = ["pointermove", "pointerdown", "keydown", "wheel", "touchstart", "scroll", "focus"];

/**
 * Calls back when the person has gone quiet and when they are back.
 * @param {number} afterMs 0 for never
 * @param {(isIdle: boolean) => void} changed
 * @returns {() => void} ends it
 */
export function watchIdle(afterMs, changed) {
  const { document } = globalThis;
  if (!document || !afterMs) return () => {};
  const ending = new AbortController();
  const options = { signal: ending.signal, passive: true, capture: true };
  let isIdle = false;
  let timer = 0;
  let seenAt = -Infinity;
  const become = (/** @type {boolean} */ idle) => {
    if (idle !== isIdle) changed((isIdle = idle));
  };
  const wait = (/** @type {number} */ ms) => {
    clearTimeout(timer);
    timer = setTimeout(() => become(true), ms);
  };
  const seen = () => {
    const now = performance.now();
    // Pointers move often; once a second is exact enough.
    if (document.hidden || (!isIdle && now - seenAt < 1_000)) return;
    seenAt = now;
    become(false);
    wait(afterMs);
  };
  for (const sign of SIGNS) addEventListener(sign, seen, options);
  const turned = () => {
    seenAt = -Infinity;
    if (document.hidden) wait(Math.min(HIDDEN_MS, afterMs));
    else seen();
  };
  document.addEventListener("visibilitychange", turned, options);
  turned();
  return () => {
    clearTimeout(timer);
    ending.abort();
  };
}
