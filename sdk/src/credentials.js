// Who the client is: where its tokens come from.

import { HerenowError } from "./error.js";

/** @import { ClientOptions } from "./types.js" */

/** Whether an address is on this very machine. @param {string} [url] */
export const isLocal = (url = "") => /^(file:|https?:\/\/(localhost|[^/]+\.localhost|127\.[\d.]+|\[::1\])([:/]|$))/.test(url);

/**
 * Where tokens come from, as the options say. `renewable`: whether another may be had where one is not accepted. `get`
 * gives a token, or null where the cookie says who it is.
 * @param {string} base
 * @param {ClientOptions} options
 */
export function tokenSource(base, { auth, user }) {
  auth ??= isLocal(globalThis.location?.href) ? async () => (await import("./dev-token.js")).devToken(base, user, HerenowError) : "cookie";
  return {
    renewable: typeof auth === "function",
    /** @returns {Promise<string | null>} */
    async get() {
      const token = typeof auth === "function" ? await auth() : auth;
      if (token === "") throw new HerenowError({ code: "auth.missing", message: "signed out", base, retryable: false });
      return token === "cookie" ? null : token;
    },
  };
}

/**
 * The user id in a token, unchecked; empty where it has none.
 * @param {string | null} token
 */
export function subject(token) {
  try {
    return JSON.parse(atob(/** @type {string} */ (token).split(".")[1].replace(/-/g, "+").replace(/_/g, "/"))).sub;
  } catch {
    return "";
  }
}
