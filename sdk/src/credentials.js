// Who the client is: where its tokens come from.

import { HerenowError } from "./error.js";
import { stored } from "./store.js";

/** @import { ClientOptions } from "./types.js" */

const ANIMALS = "Ant Bat Bear Bee Bison Cat Crane Crow Deer Dove Duck Eel Elk Finch Fox Frog Goat Hare Hawk Ibis Koala Lark Lynx Mole Moth Newt Otter Owl Panda Puma Quail Seal Stork Swan Tiger Toad Wasp Whale Wolf Wren Yak Zebra".split(" ");

/** @param {string} host */
export const isLoopback = (host) => /^(localhost|.+\.localhost|127\.[\d.]+|\[::1\])$/.test(host);

/** Gets tokens, as the options say. */
export class Credentials {
  /** Whether another token may be had where one is not accepted. */
  renewable;
  #base;
  #auth;
  #user;

  /** @param {string} base @param {ClientOptions} options */
  constructor(base, { auth, user }) {
    this.#base = base;
    this.#user = user;
    const { protocol, hostname } = globalThis.location ?? {};
    if (auth === undefined) auth = protocol === "file:" || isLoopback(hostname ?? "") ? () => this.#devToken() : "cookie";
    this.#auth = auth;
    this.renewable = typeof auth === "function";
  }

  /**
   * A token; null where the cookie says who it is.
   * @throws {HerenowError} whatever the function throws, as one that may go well later
   */
  async token() {
    if (this.#auth === "cookie") return null;
    let token;
    try {
      token = typeof this.#auth === "function" ? await this.#auth() : this.#auth;
    } catch (error) {
      if (error instanceof HerenowError) throw error;
      const message = `no token could be had: ${error instanceof Error ? error.message : error}`;
      throw new HerenowError({ code: "auth.unavailable", message, hint: "see why the auth function of connect() fails", base: this.#base });
    }
    if (token) return token;
    if (token === null) return null;
    throw new HerenowError({ code: "auth.missing", message: "signed out: there is no token", hint: "call reconnect() after signing in", base: this.#base, retryable: false });
  }

  /** Of the server's dev mode. Null where it has none: then a cookie may do. */
  async #devToken() {
    const response = await fetch(`${this.#base}/dev/token`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(this.#devUser()),
      signal: AbortSignal.timeout(8_000),
    });
    if (response.status === 404) return /** @type {any} */ (null);
    const answer = await response.json().catch(() => ({}));
    if (response.ok) return answer.token;
    const { code = "auth.unavailable", title = `the server answered ${response.status}`, hint } = answer;
    throw new HerenowError({ code, message: title, hint, base: this.#base, retryable: response.status >= 500 || response.status === 429 });
  }

  #devUser() {
    if (this.#user) return { userId: this.#user.id, name: this.#user.name ?? this.#user.id };
    const key = `guest:${this.#base}`;
    let guest = stored(key);
    if (!guest) {
      const animal = ANIMALS[Math.floor(Math.random() * ANIMALS.length)];
      guest = `${animal.toLowerCase()}-${Math.random().toString(36).slice(2, 10)}|${animal}`;
      stored(key, guest);
    }
    const [userId, name] = guest.split("|");
    return { userId, name };
  }
}

/**
 * The user id in a token, unchecked; empty where it has none.
 * @param {string | null} token
 */
export function subject(token) {
  try {
    return String(JSON.parse(atob((token ?? "").split(".")[1].replace(/-/g, "+").replace(/_/g, "/"))).sub);
  } catch {
    return "";
  }
}
