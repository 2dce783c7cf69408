// Green dots: who of some users is online. The server is asked once for each, however many watches name them. Loaded
// with the first watch.

/** @import { Dot } from "./types.js" */
/** @typedef {import("./readable.js").Value<ReadonlyMap<string, Dot>>} Dots */

/** What surely fits into a frame: ids have at most 128 bytes. */
const IDS_MAX = 100;

/** All watches of a client. */
export class Watches {
  #link;
  /** Who watches whom. @type {Map<Dots, Set<string>>} */
  #open = new Map();
  /** What is known of whom. @type {Map<string, Dot>} */
  #known = new Map();

  /** @param {import("./link.js").Link} link @param {import("./types.js").Client} client */
  constructor(link, client) {
    this.#link = link;
    client.on("frame", ({ frame }) => {
      if (frame.type === "statuses") this.#heard(/** @type {any} */ (frame.users));
    });
    // A session that goes on knows its watches, but what changed meanwhile was not told.
    client.state.subscribe(({ name }) => {
      if (name === "online") this.#say("watch", new Set([...this.#open.values()].flatMap((ids) => [...ids])));
    });
  }

  /** @param {Dots} dots @param {readonly string[]} userIds */
  open(dots, userIds) {
    /** @type {Set<string>} */
    const ids = new Set();
    this.#open.set(dots, ids);
    const add = (/** @type {string[]} */ ...added) => {
      const fresh = new Set(added.filter((id) => !this.#has(id)));
      for (const id of added) ids.add(id);
      this.#say("watch", fresh);
      this.#show(dots, ids);
    };
    const remove = (/** @type {string[]} */ ...removed) => {
      const gone = removed.filter((id) => ids.delete(id) && !this.#has(id));
      for (const id of gone) this.#known.delete(id);
      this.#say("unwatch", gone);
      this.#show(dots, ids);
    };
    const close = () => {
      remove(...ids);
      this.#open.delete(dots);
    };
    add(...userIds);
    return { add, remove, close };
  }

  /** @param {Record<string, { status: Dot["status"], last_seen_ms?: number }>} users */
  #heard(users) {
    for (const [id, { status, last_seen_ms }] of Object.entries(users)) {
      this.#known.set(id, last_seen_ms === undefined ? { status } : { status, lastSeenAt: new Date(last_seen_ms) });
    }
    for (const [dots, ids] of this.#open) this.#show(dots, ids);
  }

  /** Whether anybody watches a user. @param {string} id */
  #has(id) {
    return [...this.#open.values()].some((ids) => ids.has(id));
  }

  /** @param {"watch" | "unwatch"} type @param {Iterable<string>} users */
  #say(type, users) {
    for (let rest = [...users]; rest.length; rest = rest.slice(IDS_MAX)) this.#link.send({ type, users: rest.slice(0, IDS_MAX) });
  }

  /** @param {Dots} dots @param {Set<string>} ids */
  #show(dots, ids) {
    /** @type {Map<string, Dot>} */
    const next = new Map();
    for (const id of ids) {
      const dot = this.#known.get(id);
      if (dot) next.set(id, dot);
    }
    const before = dots.get();
    if (next.size !== before.size || [...next].some(([id, dot]) => before.get(id) !== dot)) dots.set(next);
  }
}
