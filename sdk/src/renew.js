// Gets a new token before the present one expires.

/** @import { Frame } from "./frames.js" */

const BEFORE_MS = 30_000;
/** What a timer can wait for. */
const TIMER_MS_MAX = 2 ** 31 - 1;
/** With less left there is no use in trying: the server will say that it is over, and then there is a new one. */
const REST_MS_MIN = 1_000;

/**
 * @typedef {object} Keeping
 * @property {Frame} welcome what the connection began with
 * @property {() => Promise<string | null>} get a new token
 * @property {(frame: Frame) => Promise<Frame>} ask
 * @property {(callback: () => void, ms: number) => void} later for as long as the connection lasts
 * @property {() => boolean} isOver whether the connection is another one
 * @property {(thrown: unknown) => import("./error.js").HerenowError} asError
 * @property {(error: import("./error.js").HerenowError) => void} failed told of each attempt that failed
 */
/** @param {Keeping} keeping */
export function keepToken({ welcome, get, ask, later, isOver, asError, failed }) {
  // Both by the server's clock: that of this page may be wrong.
  const skewMs = welcome.time_ms - Date.now();
  const renewBefore = (/** @type {number} */ endMs) => {
    const rest = endMs - skewMs - Date.now();
    // Without an end it is no number.
    if (isOver() || !(rest > REST_MS_MIN)) return;
    const renew = async () => {
      let next = endMs;
      try {
        next = (await ask({ type: "auth", token: await get() })).expires_at_ms;
      } catch (error) {
        if (!isOver()) failed(asError(error));
      }
      renewBefore(next);
    };
    later(renew, Math.min(Math.max(rest - BEFORE_MS, rest / 2), TIMER_MS_MAX));
  };
  renewBefore(welcome.expires_at_ms);
}
