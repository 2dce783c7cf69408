// Listening, and ending it.

/**
 * @param {EventTarget} target
 * @param {string} types one or more, by spaces
 * @param {(event: any) => void} listener
 * @param {AbortSignal} signal ends it
 */
export function listen(target, types, listener, signal) {
  // Outside a browser there may be nothing to listen to.
  for (const type of types.split(" ")) target.addEventListener?.(type, listener, { signal, capture: true, passive: true });
}

/** @param {AbortSignal | undefined} signal @param {() => void} callback at once where it is aborted already */
export function onAbort(signal, callback) {
  if (signal?.aborted) callback();
  else signal?.addEventListener("abort", callback, { once: true });
}
