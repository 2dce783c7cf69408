// Gets a new token before the present one expires.

/** @import { Frame } from "./frames.js" */

/**
 * @param {object} link
 * @param {() => Promise<string | null>} link.get a new token
 * @param {(frame: Frame) => Promise<Frame>} link.ask
 * @param {(error: any) => void} link.failed told of each attempt that failed
 * @param {number} skewMs by how much the server's clock is ahead
 * @param {number} endMs when the present token expires, by the clock of this page
 * @returns {Promise<number>} when the new one does, or still the same: then try again
 */
export async function renewToken({ get, ask, failed }, skewMs, endMs) {
  try {
    const { expires_at_ms } = await ask({ type: "auth", token: await get() });
    return expires_at_ms - skewMs;
  } catch (error) {
    failed(error);
    return endMs;
  }
}
