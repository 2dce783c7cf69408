// Green dots: who of some users is online. Counts who watches whom, so that the server is asked once for each.

import { Value } from "./readable.js";

/** @import { Dot, PresenceWatch } from "./types.js" */

/** What surely fits into a frame: ids have at most 128 bytes. */
const IDS_MAX = 100;

/** All watches of a client. */
export class Watches {
  #link;
  /** @type {Map<string, { watches: Set<Watch>, dot?: Dot }>} */
  #users = new Map();

  /** @param {import("./link.js").Link} link */
  constructor(link) {
    this.#link = link;
  }

  /** @param {readonly string[]} userIds @returns {PresenceWatch} */
  open(userIds) {
    const watch = new Watch(this);
    watch.add(...userIds);
    return watch;
  }

  /** @param {Watch} watch @param {readonly string[]} ids */
  add(watch, ids) {
    /** @type {string[]} */
    const fresh = [];
    /** @type {Map<string, Dot>} */
    const known = new Map();
    for (const id of ids) {
      let user = this.#users.get(id);
      if (!user) {
        this.#users.set(id, (user = { watches: new Set() }));
        fresh.push(id);
      }
      user.watches.add(watch);
      if (user.dot) known.set(id, user.dot);
    }
    watch.merge(known);
    this.#say("watch", fresh);
  }

  /** @param {Watch} watch @param {readonly string[]} ids */
  remove(watch, ids) {
    const unwatched = ids.filter((id) => {
      const user = this.#users.get(id);
      return user?.watches.delete(watch) && !user.watches.size && this.#users.delete(id);
    });
    this.#say("unwatch", unwatched);
  }

  /** A session that goes on knows its watches, but what changed meanwhile was not told. */
  up() {
    this.#say("watch", [...this.#users.keys()]);
  }

  /** @param {Record<string, { status: Dot["status"], last_seen_ms?: number }>} users */
  heard(users) {
    /** @type {Map<Watch, Map<string, Dot>>} */
    const news = new Map();
    for (const [id, { status, last_seen_ms }] of Object.entries(users)) {
      const user = this.#users.get(id);
      if (!user) continue;
      user.dot = last_seen_ms === undefined ? { status } : { status, lastSeenAt: new Date(last_seen_ms) };
      for (const watch of user.watches) news.set(watch, (news.get(watch) ?? new Map()).set(id, user.dot));
    }
    for (const [watch, dots] of news) watch.merge(dots);
  }

  /** @param {"watch" | "unwatch"} type @param {string[]} users */
  #say(type, users) {
    for (let at = 0; at < users.length; at += IDS_MAX) this.#link.send({ type, users: users.slice(at, at + IDS_MAX) });
  }
}

/**
 * @extends {Value<ReadonlyMap<string, Dot>>}
 * @implements {PresenceWatch}
 */
class Watch extends Value {
  #watches;
  /** @type {Set<string>} */
  #ids = new Set();

  /** @param {Watches} watches */
  constructor(watches) {
    super(/** @type {ReadonlyMap<string, Dot>} */ (new Map()));
    this.#watches = watches;
  }

  /** @param {string[]} ids */
  add(...ids) {
    const fresh = [...new Set(ids)].filter((id) => !this.#ids.has(id));
    for (const id of fresh) this.#ids.add(id);
    this.#watches.add(this, fresh);
  }

  /** @param {string[]} ids */
  remove(...ids) {
    const gone = ids.filter((id) => this.#ids.delete(id));
    this.#watches.remove(this, gone);
    const next = new Map(this.get());
    for (const id of gone) next.delete(id);
    this.set(next);
  }

  close() {
    this.remove(...this.#ids);
  }

  /** @param {ReadonlyMap<string, Dot>} dots @internal */
  merge(dots) {
    if (dots.size) this.set(new Map([...this.get(), ...dots]));
  }
}
