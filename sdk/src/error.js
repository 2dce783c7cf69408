// What can go wrong, in one shape.

/**
 * @typedef {object} ErrorDetails
 * @property {string} code
 * @property {string} message
 * @property {string} [hint]
 * @property {string} [base] the server's address, for the link to its help
 * @property {string} [room]
 * @property {number} [close]
 * @property {boolean} [retryable]
 * @property {number} [retryAfterMs]
 */

/** Something that went wrong, with what to do about it. */
export class HerenowError extends Error {
  /** @param {ErrorDetails} details */
  constructor({ code, message, hint = "", base = "", room, close, retryable = true, retryAfterMs }) {
    super(message);
    this.name = "HerenowError";
    /** Stable, such as `auth.expired`, `room.forbidden`, `rate.limited`. */
    this.code = code;
    /** What to do about it, for people. */
    this.hint = hint;
    /** Where the running server explains the code. */
    this.help = `${base}/help/errors/${code}`;
    /** The room it is about, if any. */
    this.room = room;
    /** The code that closed the connection, where one did. */
    this.close = close;
    /** Whether the same may go well later. */
    this.retryable = retryable;
    /** Milliseconds to wait before, where the server said so. */
    this.retryAfterMs = retryAfterMs;
  }
}

/**
 * What an error frame says.
 * @param {import("./frames.js").Frame} frame
 * @param {string} base
 */
export const fromFrame = ({ code, message, hint, room, retry_after_ms }, base) =>
  new HerenowError({ code, message, hint, base, room, retryable: !/^auth\.|forbidden/.test(code), retryAfterMs: retry_after_ms });

/** @param {string} base */
export const offline = (base) =>
  new HerenowError({ code: "connection.offline", message: "there is no connection to the server", hint: "try again once client.state is online", base });
