// When to try again: at a random moment, so that a thousand pages do not come back in the same instant.

const FIRST_MS = 250;
const LIMIT_MS = 20_000;

/** Milliseconds to wait after so many failures: anything up to a limit that doubles each time. */
export function retryDelay(failures) {
  return Math.random() * Math.min(LIMIT_MS, FIRST_MS * 2 ** failures);
}
