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
 * @typedef {{ type: "join", viewer: WireViewer } | { type: "leave", viewer: WireViewer, reason: string }
 *   | { type: "change", viewer: WireViewer, changed: string[] }} Change
 */
/**
 * `isWhole`: by a roster, or a diff that answers a request. Nothing where the frame does not follow from the state: ask
 * for a `sync`.
 * @typedef {{ roster: Roster, changes: Change[], isWhole?: boolean }} Applied
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
 * @param {boolean} [keeps] whether who is missing in a roster is kept: after a restart they may be on their way
 * @returns {Applied | undefined}
 */
export function apply(roster, frame, keeps) {
  switch (frame.type) {
    case "roster":
      return takeRoster(roster, frame, keeps);
    case "diff":
      return takeDiff(roster, frame);
    case "count":
      return done({
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
      return done(takeTyping(roster, frame));
    case "sessions":
      // Part of a roster: what comes before any is in the next.
      if (!roster.version) return done(roster);
      return done({ ...roster, sessions: put(roster.sessions, frame.user, frame.list[0] && frame.list) });
    case "lock":
      return done({ ...roster, locks: put(roster.locks, frame.name, frame.holder && frame) });
    case "stale":
    case "fresh":
      return done({ ...roster, stale: frame.type === "stale" });
    default:
      return done(roster);
  }
}

/**
 * The same room while there is no connection: who types now, nobody knows.
 * @param {Roster} roster
 * @returns {Roster}
 */
export const cutOff = (roster) => ({ ...roster, typing: unknown.typing, stale: false });

/** @type {(roster: Roster) => Applied} */
const done = (roster) => ({ roster, changes: [] });

/** @type {(a: Version | null, b: Version) => boolean} whether `a` is a later version than `b` */
const isLater = (a, b) => a?.[0] === b[0] && a[1] > b[1];

/** @type {(roster: Roster, frame: Frame, keeps?: boolean) => Applied} */
function takeRoster(roster, frame, keeps) {
  const { v, count, gear } = frame;
  if (isLater(roster.version, v)) return done(roster);
  /** @type {Map<string, readonly WireSession[]>} */
  const sessions = new Map();
  const viewers = frame.viewers.map((/** @type {WireViewer} */ { session_list, ...viewer }) => {
    const { id } = viewer.user;
    if (session_list) sessions.set(id, session_list);
    const before = roster.viewers.get(id);
    return isSame(before, viewer) ? before : viewer;
  });
  const here = inOrder(viewers);
  /** @type {Change[]} */
  const changes = [];
  for (const [id, viewer] of roster.viewers) {
    if (here.has(id)) continue;
    if (keeps) viewers.push(viewer);
    else changes.push({ type: "leave", viewer, reason: "missed" });
  }
  // Who is there from the start has not come.
  if (roster.version) for (const [id, viewer] of here) noteChange(changes, roster.viewers.get(id), viewer);
  return whole({ ...roster, version: v, viewers: inOrder(viewers), count, gear, faces: [], sessions }, frame, changes);
}

/** @type {(roster: Roster, frame: Frame) => Applied | undefined} */
function takeDiff(roster, frame) {
  const { from, v, count, gear = "live", joined = [], left = [], updated = [] } = frame;
  const isAnswer = frame.typing || frame.locks;
  const isKnown = isSame(roster.version, v);
  if (isLater(roster.version, v) || (isKnown && !isAnswer)) return done(roster);
  let next = roster;
  /** @type {Change[]} */
  const changes = [];
  if (!isKnown) {
    if (!isSame(roster.version, [v[0], from])) return;
    const viewers = new Map(roster.viewers);
    let { typing, sessions } = roster;
    for (const { id, reason } of left) {
      const viewer = viewers.get(id);
      if (!viewer) return;
      viewers.delete(id);
      typing = put(typing, id);
      sessions = put(sessions, id);
      changes.push({ type: "leave", viewer, reason });
    }
    for (const viewer of [...joined, ...updated]) {
      const { id } = viewer.user;
      const before = viewers.get(id);
      // Who comes may be here still, kept over a restart; who changes has to be.
      if (!before && updated.includes(viewer)) return;
      viewers.set(id, viewer);
      noteChange(changes, before, viewer);
    }
    next = { ...roster, version: v, viewers: joined[0] ? inOrder([...viewers.values()]) : viewers, count, gear, typing, sessions };
  }
  return isAnswer ? whole(next, frame, changes) : { roster: next, changes };
}

/** @type {(roster: Roster, frame: Frame, changes: Change[]) => Applied} with the lists that are whole in the frame */
const whole = (roster, { typing = [], locks = [] }, changes) => ({
  roster: {
    ...roster,
    typing: new Map(typing.map((/** @type {Typist} */ typist) => [typist.user.id, typist])),
    locks: new Map(locks.map((/** @type {WireLock} */ lock) => [lock.name, lock])),
  },
  changes,
  isWhole: true,
});

/** @type {(roster: Roster, frame: Frame) => Roster} */
function takeTyping(roster, { user, target = null, on }) {
  const before = roster.typing.get(user.id)?.targets ?? [];
  if (!roster.version || before.includes(target) === on) return roster;
  const targets = on ? [...before, target] : before.filter((other) => other !== target);
  return { ...roster, typing: put(roster.typing, user.id, targets.length ? { user, targets } : undefined) };
}

/**
 * With a value under a key, or without. The same map where that changes nothing.
 * @template T
 * @param {ReadonlyMap<string, T>} map
 * @param {string} key
 * @param {T} [value]
 * @returns {ReadonlyMap<string, T>}
 */
function put(map, key, value) {
  if (!value && !map.has(key)) return map;
  const next = new Map(map);
  if (value) next.set(key, value);
  else next.delete(key);
  return next;
}

/** @type {(viewers: WireViewer[]) => Map<string, WireViewer>} */
const inOrder = (viewers) =>
  new Map(
    viewers
      .sort((a, b) => a.joined_at_ms - b.joined_at_ms || (a.user.id < b.user.id ? -1 : 1))
      .map((viewer) => [viewer.user.id, viewer]),
  );

/** @type {(changes: Change[], before: WireViewer | undefined, viewer: WireViewer) => void} */
function noteChange(changes, before, viewer) {
  if (!before) return void changes.push({ type: "join", viewer });
  const changed = /** @type {const} */ (["user", "status", "sessions", "state"]).filter((field) => !isSame(before[field], viewer[field]));
  if (changed.length) changes.push({ type: "change", viewer, changed });
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
