// A room as the page sees it: what the server told, as values and events, and what the page says in it.

import { onAbort } from "./dom.js";
import { ownState } from "./own-state.js";
import { Emitter, loaded, observable, withMethods } from "./readable.js";
import { apply, cutOff, isSame, unknown } from "./roster.js";
import { createTyping } from "./typing.js";

/** @import * as types from "./types.js" */
/** @import { HerenowError } from "./error.js" */
/** @import { Frame, WireSession, WireViewer } from "./frames.js" */
/** @import { Applied, Typist } from "./roster.js" */

/**
 * What a room needs of its client.
 * @typedef {object} Owner
 * @property {import("./link.js").Link} link
 * @property {types.Client} client
 * @property {(id: string) => void} gone the room is no more the client's
 */
/** A viewer and what it was made of, to give out the same object as long as nothing changed. @typedef {[types.Viewer, ...unknown[]]} Made */
/** @typedef {ReturnType<typeof createRoom>} RoomParts */

const FACES_MAX = 30;
const TYPING_SHOWN_MS_MIN = 700;
/** As long as the server itself waits for somebody whose connection was lost. */
const RESTART_MS = 10_000;

/**
 * A room, and what its client tells it. A function rather than a class because what is private to it gets short names
 * that way.
 * @param {string} id
 * @param {types.RoomOptions} options
 * @param {Owner} owner
 */
export function createRoom(id, { state: _state, signal: _signal, ...how }, { link, client, gone }) {
  const viewers = observable(/** @type {readonly types.Viewer[]} */ ([]));
  const others = observable(/** @type {readonly types.Viewer[]} */ ([]));
  const self = observable(/** @type {types.Viewer | null} */ (null));
  const count = observable(unknown.count);
  const faces = observable(unknown.faces);
  const gear = observable(unknown.gear);
  const locks = observable(/** @type {ReadonlyMap<string, types.LockHolder>} */ (new Map()));
  const status = observable(/** @type {"joining" | "joined" | "stale" | "left" | "refused"} */ ("joining"));
  let holders = 0;
  let roster = unknown;
  /** Whether a roster was told before; whether a join went out on this connection; whether a `sync` is under way. */
  let isKnown = false;
  let isAsked = false;
  let isSyncing = false;
  let keepUntil = 0;
  /** By user id. @type {Map<string, Made>} */
  let made = new Map();
  /** Who else types. @type {Typist[]} */
  let typists = [];
  /** When somebody began, by user and target. @type {Map<string, number>} */
  const typingSince = new Map();
  /** By target. @type {Map<string | undefined, ReturnType<typeof createTyping>>} */
  const typings = new Map();

  /** @param {Frame} frame */
  const send = (frame) => {
    if (isAsked) link.send({ ...frame, room: id });
  };

  /** @param {Frame} frame */
  const ask = (frame) => link.ask({ ...frame, room: id });

  const fail = (/** @type {HerenowError} */ error) => room.emit("error", error);

  const own = ownState((state) => (isAsked ? ask({ type: "update", state }) : undefined));

  /** No sign of typing flashes by: that somebody stopped is held back for a moment. @param {Frame} frame */
  const heardTyping = (frame) => {
    // Neither holds a line break.
    const key = `${frame.user.id}\n${frame.target}`;
    const shownAt = typingSince.get(key) ?? 0;
    const now = performance.now();
    const takeIt = () => take(apply(roster, frame));
    if (frame.on) {
      typingSince.set(key, now);
      takeIt();
    } else {
      // Unless they go on by then.
      setTimeout(() => shownAt === (typingSince.get(key) ?? 0) && takeIt(), shownAt + TYPING_SHOWN_MS_MIN - now);
    }
  };

  /** What the user was typing has come. @param {types.User} user */
  const stopTyping = (user) => {
    for (const target of roster.typing.get(user.id)?.targets ?? []) take(apply(roster, { type: "typing", user, target, on: false }));
  };

  /** @param {string} [target] */
  const typingInto = (target) => {
    let typing = typings.get(target);
    if (!typing) {
      typing = createTyping(target, (inner) => typingInto(inner).typing, (type) => {
        if (gear.get() !== "crowd") send({ type, target });
      });
      typings.set(target, typing);
      typing.show(typists);
    }
    return typing;
  };

  const join = async () => {
    if (!link.isUp() || !holders) return;
    isAsked = true;
    isSyncing = false;
    const { state, has } = own.take();
    const since = how.sessions ? null : roster.version;
    try {
      await ask({ ...how, type: "join", since, state });
      has();
      entered();
    } catch (thrown) {
      const error = /** @type {HerenowError} */ (thrown);
      // Without a connection, the next one joins again; and a join that a leave cancelled was not wanted.
      if (holders && error.code !== "connection.offline") end("refused", error);
    }
  };

  const joinOnce = () => isAsked || join();

  const entered = () => {
    if (!isAsked) return;
    status.set(roster.stale ? "stale" : "joined");
    resolve(room);
  };

  /** @param {Applied | undefined} applied @param {string} [type] of the frame */
  const take = (applied, type) => {
    if (!applied) return sync();
    const before = made;
    const { changes, isWhole } = applied;
    roster = applied.roster;
    show();
    if (isWhole) isSyncing = false;
    // The first thing that is told after asking is the answer.
    if (type) entered();
    for (const { type, viewer, ...rest } of changes) {
      const { id } = viewer.user;
      room.emit(type, /** @type {any} */ ({ viewer: (made.get(id) ?? before.get(id))?.[0], ...rest }));
    }
    if (!isWhole) return;
    const cause = !isKnown ? "initial" : type === "diff" ? "resumed" : "resynced";
    isKnown = true;
    room.emit("sync", { viewers: viewers.get(), cause });
  };

  const sync = () => {
    // What comes before the answer to a join or sync is about a state that is not known.
    if (!roster.version || isSyncing) return;
    isSyncing = true;
    send({ type: "sync" });
  };

  /** Sets the values to what the roster says. */
  const show = () => {
    const selfId = client.self.get()?.id;
    const all = [...roster.viewers].map(([id, wire]) => {
      const viewer = make(made.get(id), wire, id === selfId, roster.typing.get(id), roster.sessions.get(id));
      return /** @type {const} */ ([id, viewer]);
    });
    made = new Map(all);
    const list = all.map(([, [viewer]]) => viewer);
    const me = list.find((viewer) => viewer.self);
    others.set(list.filter((viewer) => viewer !== me));
    viewers.set(me ? [me, ...others.get()] : list);
    self.set(me ?? null);
    faces.set(list[0] ? viewers.get().slice(0, FACES_MAX).map(({ user }) => user) : roster.faces);
    const total = { ...roster.count, users: Math.max(roster.count.users, list.length) };
    if (!isSame(total, count.get())) count.set(total);
    gear.set(roster.gear);
    typists = [...roster.typing.values()].filter(({ user }) => user.id !== selfId);
    for (const typing of typings.values()) typing.show(typists);
    const held = /** @type {[string, types.LockHolder][]} */ (
      [...roster.locks.values()].map(({ name, holder: user, session: id, fence }) => [name, { user, session: id, fence, mine: id === client.session.get() }])
    );
    if (!isSame(held, [...locks.get()])) locks.set(new Map(held));
  };

  /** The connection is gone. */
  const down = () => {
    isAsked = false;
    typingSince.clear();
    if (status.get() === "joined") status.set("stale");
    take({ roster: cutOff(roster), changes: [] });
  };

  /** The room is no more this page's. @param {"left" | "refused"} how @param {HerenowError} [cause] */
  const end = (how, cause = link.error("room.left", "left")) => {
    holders = 0;
    gone(id);
    down();
    status.set(how);
    reject(cause);
    if (how === "refused") fail(cause);
  };

  const leave = () => {
    if (!holders || --holders) return;
    // Later: one who takes it up again at once, as React does in its strict mode, has not left.
    queueMicrotask(() => {
      if (holders) return;
      send({ type: "leave" });
      end("left");
    });
  };

  /** @param {Frame} frame */
  const heard = (frame) => {
    switch (frame.type) {
      case "message":
        if (frame.from) stopTyping(frame.from);
        return room.emit("message", { event: frame.event, data: frame.data, from: frame.from ?? null });
      case "typing":
        return heardTyping(frame);
      case "removed":
        return end("refused", link.error("room.removed", frame.reason, { room: id, retryAfterMs: frame.block_ms }));
      case "error":
        // An answer has told whoever asked.
        if (!frame.re) fail(link.errorOf(frame));
        return;
      case "roster":
        if (roster.version && roster.version[0] !== frame.v[0]) {
          // The server was started anew and knows nobody yet: it is no news that somebody comes back a moment later.
          keepUntil = performance.now() + RESTART_MS;
          setTimeout(() => roster.viewers.size > roster.count.users && sync(), RESTART_MS);
        }
    }
    take(apply(roster, frame, performance.now() < keepUntil), frame.type);
  };

  /** One more holds the room. @param {types.RoomOptions} options */
  const hold = ({ state, signal }) => {
    holders += 1;
    if (state) own.set(state);
    onAbort(signal, leave);
    queueMicrotask(joinOnce);
  };

  /** The connection is there. @param {boolean} isResumed */
  const up = (isResumed) => {
    if (!isResumed) own.forgotten();
    join();
    for (const typing of typings.values()) typing.again();
  };

  /** @type {(room: types.Room) => void} */
  let resolve;
  /** @type {(error: HerenowError) => void} */
  let reject;
  /** @type {Promise<types.Room>} */
  const ready = new Promise((...settle) => ([resolve, reject] = settle));
  // Who does not wait for it hears of the refusal by the event.
  ready.catch(() => {});

  /** @type {Omit<types.Room, keyof Emitter<any>>} */
  const members = {
    id,
    ready,
    viewers,
    others,
    self,
    count,
    faces,
    gear,
    status,
    state: /** @type {types.Room["state"]} */ (own.value),
    locks,
    typing: typingInto().typing,
    set: own.set,
    leave,
    cursors(element, options) {
      if (!how.sessions) {
        how.sessions = true;
        if (isAsked) join();
      }
      const cursors = observable(/** @type {readonly types.Cursor[]} */ ([]));
      const say = (/** @type {object} */ point) => send({ type: "cursor", ...point });
      const opened = loaded(() => import("./extras.js")).then(({ openCursors }) => openCursors({ client, room, cursors, say }, element, options));
      return withMethods(cursors, opened, ["render", "stop"]);
    },
    async lock(name, options) {
      return (await import("./extras.js")).takeLock(ask, locks, name, options);
    },
    send(event, data, options) {
      // A message right after `client.room()` must not come before the join.
      joinOnce();
      const sent = ask({ ...options, type: "message", event, data }).then(({ sessions }) => sessions);
      sent.catch(fail);
      return sent;
    },
    onMessage: (event, listener) => room.on("message", (message) => message.event === event && listener(/** @type {any} */ (message.data), message.from)),
  };
  const room = Object.assign(/** @type {Emitter<types.RoomEvents>} */ (new Emitter()), members);
  return { room, hold, up, down, heard, end };
}

/** @type {(before: Made | undefined, wire: WireViewer, self: boolean, typist?: Typist, sessions?: readonly WireSession[]) => Made} */
function make(before, wire, self, typist, sessions) {
  const from = [wire, self, typist, sessions];
  if (before && from.every((part, index) => part === before[index + 1])) return before;
  const { joined_at_ms, state = {}, ...rest } = wire;
  const sessionList = sessions?.map((session) => ({ state: {}, ...session })) ?? [];
  return [/** @type {any} */ ({ ...rest, self, state, joinedAt: new Date(joined_at_ms), typing: typist?.targets ?? [], sessionList }), ...from];
}
