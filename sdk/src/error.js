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
  /** What to do about it, for people. */
  hint = "";
  /** Whether the same may go well later. */
  retryable = true;
  /** The room it is about, if any. @type {string | undefined} */
  room;
  /** The code that closed the connection, where one did. @type {number | undefined} */
  close;
  /** Milliseconds to wait before trying again, where the server said so. @type {number | undefined} */
  retryAfterMs;

  /** @param {ErrorDetails} details */
  constructor({ code, message, base = "", ...details }) {
    super(message);
    this.name = "HerenowError";
    /** Stable, such as `auth.expired`, `room.forbidden`, `rate.limited`. */
    this.code = code;
    /** Where the running server explains the code. */
    this.help = `${base}/help/errors/${code}`;
    Object.assign(this, details);
  }
}
