// One watch for a whole page: however many dots ask for whomever within a turn, the server is asked once.

/** @import { Client, PresenceWatch } from "../types.js" */

/**
 * @typedef {object} Watching
 * @property {PresenceWatch} dots what is known of whoever is held
 * @property {(ids: readonly string[]) => () => void} hold asks for users; what it returns lets go of them
 */
/** @type {WeakMap<Client, Watching>} */
const all = new WeakMap();

/** @param {Client} client @returns {Watching} */
export function watching(client) {
  const known = all.get(client);
  if (known) return known;
  const dots = client.watch([]);
  /** How many hold whom. @type {Map<string, number>} */
  const held = new Map();
  /** Whom the server was asked for. @type {Set<string>} */
  const asked = new Set();
  let isDue = false;
  const settle = () => {
    isDue = false;
    const added = [...held.keys()].filter((id) => !asked.has(id));
    const removed = [...asked].filter((id) => !held.has(id));
    for (const id of added) asked.add(id);
    for (const id of removed) asked.delete(id);
    if (added[0]) dots.add(...added);
    if (removed[0]) dots.remove(...removed);
  };
  const count = (/** @type {readonly string[]} */ ids, /** @type {number} */ by) => {
    for (const id of ids) {
      const holders = (held.get(id) ?? 0) + by;
      if (holders) held.set(id, holders);
      else held.delete(id);
    }
    if (!isDue) queueMicrotask(settle);
    isDue = true;
  };
  const made = {
    dots,
    hold(/** @type {readonly string[]} */ ids) {
      count(ids, 1);
      return () => count(ids, -1);
    },
  };
  all.set(client, made);
  return made;
}
