// When to try again: at a random moment, so that a thousand pages do not come back in the same instant.

/**
 * Milliseconds to wait after so many failures: anything up to a limit that grows with each.
 * @param {number} failures
 * @param {import("./types.js").ClientOptions["backoff"]} [options]
 * @param {() => number} [random] 0 to 1
 */
export const retryDelay = (failures, { minMs = 250, maxMs = 20_000, factor = 2 } = {}, random = Math.random) =>
  random() * Math.min(maxMs, minMs * factor ** failures);
