// The state of a room as a client knows it: a pure function from a state and a frame to the next state.

/** @import { Frame, User, Version, WireLock, WireSession, WireViewer } from "./frames.js" */

/**
 * A room as of a version. Each user is in it once, by joined time, then id. Never changed, only replaced; what a frame
 * does not touch stays the same object.
 * @typedef {object} Roster
 * @property {Version | null} version null where the viewers are not known
 * @property {ReadonlyMap<string, WireViewer>} viewers by user id, in order
 * @property {import("./types.js").Count} count
 * @property {"live" | "batched" | "crowd"} gear
 * @property {readonly User[]} faces some viewers, where there is no list
 * @property {ReadonlyMap<string, Typist>} typing by user id; oneself too
 * @property {ReadonlyMap<string, WireLock>} locks those that are held, by name
 * @property {ReadonlyMap<string, readonly WireSession[]>} sessions by user id, for who asked for them
 * @property {boolean} stale whether the node said that its own view may be old
 */
/** @typedef {{ user: User, targets: readonly (string | null)[] }} Typist */
/**
 * @typedef {{ kind: "join", viewer: WireViewer } | { kind: "leave", viewer: WireViewer, reason: string }
 *   | { kind: "change", viewer: WireViewer, changed: ("user" | "status" | "sessions" | "state")[] }} Change
 */
/**
 * `gap`: the frame does not follow from this state, which is the same as before; ask for a `sync`.
 * `synced`: a roster, or a diff that answers a request.
 * @typedef {{ roster: Roster, outcome: "same" | "gap" | "changed" | "synced", changes: Change[] }} Applied
 */

/** A room of which nothing is known. @type {Roster} */
export const unknown = {
  version: null,
  viewers: new Map(),
  count: { users: 0, sessions: 0 },
  gear: "live",
  faces: [],
  typing: new Map(),
  locks: new Map(),
  sessions: new Map(),
  stale: false,
};

/**
 * @param {Roster} roster
 * @param {Frame} frame
 * @returns {Applied}
 */
export function apply(roster, frame) {
  switch (frame.type) {
    case "roster":
      return takeRoster(roster, frame);
    case "diff":
      return takeDiff(roster, frame);
    case "count":
      return done(roster, {
        ...roster,
        // A list would be wrong soon and not say so: nobody tells any more who comes and goes. Locks are told on.
        version: null,
        viewers: unknown.viewers,
        typing: unknown.typing,
        sessions: unknown.sessions,
        count: frame.count,
        gear: frame.gear,
        faces: frame.faces,
      });
    case "typing":
      return done(roster, takeTyping(roster, frame));
    case "sessions":
      if (!roster.version) return done(roster, roster);
      return done(roster, { ...roster, sessions: put(roster.sessions, frame.user, frame.list.length ? frame.list : undefined) });
    case "lock":
      return done(roster, { ...roster, locks: put(roster.locks, frame.name, frame.holder && frame) });
    case "stale":
    case "fresh":
      return done(roster, { ...roster, stale: frame.type === "stale" });
    default:
      return done(roster, roster);
  }
}

/**
 * The same room while there is no connection: who types now, nobody knows.
 * @param {Roster} roster
 * @returns {Roster}
 */
export const cutOff = (roster) => ({ ...roster, typing: unknown.typing, stale: false });

/** @type {(before: Roster, roster: Roster, outcome?: Applied["outcome"], changes?: Change[]) => Applied} */
const done = (before, roster, outcome = before === roster ? "same" : "changed", changes = []) => ({ roster, outcome, changes });

/** @type {(a: Version | null, b: Version) => boolean} whether `a` is a later version than `b` */
const isLater = (a, b) => a?.[0] === b[0] && a[1] > b[1];

/** @type {(roster: Roster, frame: Frame) => Applied} */
function takeRoster(roster, frame) {
  if (isLater(roster.version, frame.v)) return done(roster, roster);
  /** @type {Map<string, readonly WireSession[]>} */
  const sessions = new Map();
  const viewers = frame.viewers.map((/** @type {WireViewer} */ { session_list, ...viewer }) => {
    if (session_list) sessions.set(viewer.user.id, session_list);
    const before = roster.viewers.get(viewer.user.id);
    return before && isSame(before, viewer) ? before : viewer;
  });
  const next = whole({ ...roster, version: frame.v, viewers: inOrder(viewers), count: frame.count, gear: frame.gear, faces: [], sessions }, frame);
  return done(roster, next, "synced", roster.version ? difference(roster.viewers, next.viewers) : []);
}

/** @type {(roster: Roster, frame: Frame) => Applied} */
function takeDiff(roster, frame) {
  const { v, from, joined = [], left = [], updated = [] } = frame;
  const have = roster.version;
  const isAnswer = frame.typing || frame.locks;
  const isKnown = have?.[0] === v[0] && have?.[1] === v[1];
  if (isLater(have, v) || (isKnown && !isAnswer)) return done(roster, roster);
  const gap = done(roster, roster, "gap");
  if (have?.[0] !== v[0] || (!isKnown && have?.[1] !== from)) return gap;
  let next = roster;
  /** @type {Change[]} */
  const changes = [];
  if (!isKnown) {
    const viewers = new Map(roster.viewers);
    const typing = left.length ? new Map(roster.typing) : roster.typing;
    const sessions = left.length ? new Map(roster.sessions) : roster.sessions;
    for (const { id, reason } of left) {
      const viewer = viewers.get(id);
      if (!viewer) return gap;
      for (const map of [viewers, typing, sessions]) /** @type {Map<string, any>} */ (map).delete(id);
      changes.push({ kind: "leave", viewer, reason });
    }
    for (const viewer of joined) {
      if (viewers.has(viewer.user.id)) return gap;
      viewers.set(viewer.user.id, viewer);
      changes.push({ kind: "join", viewer });
    }
    for (const viewer of updated) {
      const before = viewers.get(viewer.user.id);
      if (!before) return gap;
      viewers.set(viewer.user.id, viewer);
      changes.push(...changed(before, viewer));
    }
    next = { ...roster, version: v, viewers: joined.length ? inOrder([...viewers.values()]) : viewers, count: frame.count, typing, sessions };
  }
  return done(roster, isAnswer ? whole(next, frame) : next, isAnswer ? "synced" : "changed", changes);
}

/** @type {(roster: Roster, frame: Frame) => Roster} with the lists that are whole in the frame */
const whole = (roster, { typing = [], locks = [] }) => ({
  ...roster,
  typing: new Map(typing.map((/** @type {Typist} */ typist) => [typist.user.id, typist])),
  locks: new Map(locks.map((/** @type {WireLock} */ lock) => [lock.name, lock])),
});

/** @type {(roster: Roster, frame: Frame) => Roster} */
function takeTyping(roster, { user, target = null, on }) {
  const before = roster.typing.get(user.id)?.targets ?? [];
  // Part of a roster: one that comes before any roster is in the next.
  if (!roster.version || before.includes(target) === on) return roster;
  const targets = on ? [...before, target] : before.filter((other) => other !== target);
  return { ...roster, typing: put(roster.typing, user.id, targets.length ? { user, targets } : undefined) };
}

/**
 * @template T
 * @param {ReadonlyMap<string, T>} map
 * @param {string} key
 * @param {T | undefined} value
 */
function put(map, key, value) {
  const next = new Map(map);
  if (value === undefined) next.delete(key);
  else next.set(key, value);
  return next;
}

/** @type {(viewers: WireViewer[]) => Map<string, WireViewer>} */
const inOrder = (viewers) =>
  new Map(
    viewers
      .sort((a, b) => a.joined_at_ms - b.joined_at_ms || (a.user.id < b.user.id ? -1 : 1))
      .map((viewer) => [viewer.user.id, viewer]),
  );

/** @type {(before: ReadonlyMap<string, WireViewer>, after: ReadonlyMap<string, WireViewer>) => Change[]} */
function difference(before, after) {
  /** @type {Change[]} */
  const changes = [];
  for (const [id, viewer] of before) if (!after.has(id)) changes.push({ kind: "leave", viewer, reason: "missed" });
  for (const [id, viewer] of after) {
    const old = before.get(id);
    changes.push(...(old ? changed(old, viewer) : [/** @type {Change} */ ({ kind: "join", viewer })]));
  }
  return changes;
}

/** @type {(before: WireViewer, viewer: WireViewer) => Change[]} */
function changed(before, viewer) {
  const fields = /** @type {const} */ (["user", "status", "sessions", "state"]).filter((field) => !isSame(before[field], viewer[field]));
  return fields.length ? [{ kind: "change", viewer, changed: fields }] : [];
}

/**
 * Whether two JSON values are the same, whatever the order of their keys.
 * @param {any} a
 * @param {any} b
 * @returns {boolean}
 */
export function isSame(a, b) {
  if (a === b) return true;
  if (!a || !b || typeof a !== "object" || typeof b !== "object") return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => isSame(a[key], b[key]));
}
