// A room as the page sees it: what the server told, as values and events, and what the page says in it.

import { openCursors } from "./cursors.js";
import { fromFrame, HerenowError } from "./error.js";
import { Locks } from "./locks.js";
import { OwnState } from "./own-state.js";
import { Emitter, Value } from "./readable.js";
import { apply, cutOff, unknown } from "./roster.js";
import { OwnTyping, ShownTyping, Typing } from "./typing.js";

/** @import * as types from "./types.js" */
/** @import { Frame, WireViewer } from "./frames.js" */
/** @import { Applied } from "./roster.js" */

/**
 * What a room needs of its client.
 * @typedef {object} Place
 * @property {import("./link.js").Link} link
 * @property {types.Readable<types.User | null>} self
 * @property {types.Readable<string | null>} session
 * @property {(room: Room) => void} gone
 */

/** @type {readonly (string | null)[]} */
const NOTHING = [];
const FACES_MAX = 30;

/**
 * @extends {Emitter<types.RoomEvents>}
 * @implements {types.Room}
 */
export class Room extends Emitter {
  viewers = new Value(/** @type {readonly types.Viewer[]} */ ([]));
  others = new Value(/** @type {readonly types.Viewer[]} */ ([]));
  self = new Value(/** @type {types.Viewer | null} */ (null));
  count = new Value(unknown.count);
  faces = new Value(unknown.faces);
  gear = new Value(unknown.gear);
  status = new Value(/** @type {"joining" | "joined" | "stale" | "left" | "refused"} */ ("joining"));
  /** @type {Promise<types.Room>} */
  ready;
  /** What to call with the frames of others' pointers. @type {Set<(frame: Frame | null) => void>} */
  pointers = new Set();
  #place;
  #options;
  #holders = 0;
  #roster = unknown;
  /** Whether the roster was ever told; and whether this session is in, as far as known. */
  #isKnown = false;
  #isIn = false;
  #isOver = false;
  #isJoining = false;
  #wantsSessions;
  /** What each viewer was made of, to give out the same object as long as nothing changed. @type {Map<string, { from: unknown[], viewer: types.Viewer }>} */
  #made = new Map();
  #ownState;
  #ownTyping;
  #shownTyping = new ShownTyping(() => this.#show());
  /** @type {Map<string, Typing>} */
  #targets = new Map();
  #locks;
  /** @type {(room: Room) => void} */
  #resolve = () => {};
  /** @type {(error: HerenowError) => void} */
  #reject = () => {};

  /** @param {string} id @param {types.RoomOptions} options @param {Place} place */
  constructor(id, options, place) {
    super();
    this.id = id;
    this.#place = place;
    this.#options = options;
    this.#wantsSessions = options.sessions ?? false;
    this.ready = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Who does not wait for it hears of the refusal by the event.
    this.ready.catch(() => {});
    this.#ownState = new OwnState((state) => this.#ask({ type: "update", state }), () => this.#isIn);
    this.state = /** @type {types.Room["state"]} */ (this.#ownState.value);
    this.#ownTyping = new OwnTyping((type, target) => {
      if (this.#isIn && this.gear.get() !== "crowd") this.#send({ type, target: target ?? undefined });
    });
    const inside = (/** @type {string} */ target) => {
      let typing = this.#targets.get(target);
      if (!typing) {
        this.#targets.set(target, (typing = new Typing(this.#ownTyping, inside, target)));
        typing.show(this.#shownTyping, this.#selfId);
      }
      return typing;
    };
    this.typing = new Typing(this.#ownTyping, inside);
    this.#locks = new Locks((frame) => this.#ask(frame), place.session);
    this.locks = /** @type {types.Room["locks"]} */ (this.#locks.value);
  }

  get #selfId() {
    return this.#place.self.get()?.id;
  }

  /** @param {types.StatePatch} patch */
  set(patch) {
    this.#ownState.set(patch);
  }

  /** @param {Element} element @param {types.CursorOptions} [options] @returns {types.Cursors} */
  cursors(element, options) {
    if (!this.#wantsSessions) {
      this.#wantsSessions = true;
      if (this.#isIn) this.#join();
    }
    return openCursors(this, element, options, (point) => {
      if (this.#isIn) this.#send({ type: "cursor", ...point });
    });
  }

  /** @param {string} name @param {{ wait?: boolean, signal?: AbortSignal }} [options] @returns {Promise<types.Lock | null>} */
  lock(name, options) {
    return this.#locks.lock(name, options);
  }

  /**
   * @param {string} event
   * @param {any} data
   * @param {{ to?: string, echo?: boolean }} [options]
   * @returns {Promise<number>}
   */
  send(event, data, { to, echo } = {}) {
    const sent = this.#ask({ type: "message", event, data, to, echo }).then(({ sessions }) => sessions);
    sent.catch((error) => this.emit("error", error));
    return sent;
  }

  /** @param {string} event @param {(data: any, from: types.User | null) => void} listener */
  onMessage(event, listener) {
    return this.on("message", (message) => message.event === event && listener(message.data, message.from));
  }

  leave() {
    if (this.#holders > 0 && !--this.#holders) {
      // Later: one who takes it up again at once, as React does in its strict mode, has not left.
      queueMicrotask(() => {
        if (this.#holders) return;
        if (this.#isIn || this.#isJoining) this.#send({ type: "leave" });
        this.end("left");
      });
    }
  }

  /** One more holds the room. @param {types.RoomOptions} options @internal */
  hold({ state, signal }) {
    this.#holders += 1;
    if (state) this.set(state);
    signal?.addEventListener("abort", () => this.leave(), { once: true });
    if (this.#holders === 1 && this.status.get() === "joining") queueMicrotask(() => this.#join());
  }

  /** The room is no more this page's. @param {"left" | "refused"} status @internal */
  end(status) {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#isIn = false;
    this.#place.gone(this);
    this.#take({ roster: cutOff(this.#roster), outcome: "changed", changes: [] });
    this.#ownState.end();
    this.#locks.end();
    for (const hear of this.pointers) hear(null);
    this.status.set(status);
    this.#reject(new HerenowError({ code: "room.left", message: `the room ${this.id} was left`, base: this.#place.link.base, room: this.id }));
  }

  /** The connection is there. @param {boolean} isResumed @internal */
  up(isResumed) {
    if (!isResumed) this.#ownState.forgotten();
    this.#join();
  }

  /** The connection is gone. @internal */
  down() {
    this.#isIn = this.#isJoining = false;
    if (this.status.get() === "joined") this.status.set("stale");
    this.#take({ roster: cutOff(this.#roster), outcome: "changed", changes: [] });
    for (const hear of this.pointers) hear(null);
  }

  async #join() {
    if (!this.#place.link.isUp || this.#isOver || !this.#holders || (this.#isJoining && !this.#isIn)) return;
    this.#isJoining = true;
    const { observe, interest } = this.#options;
    const since = this.#wantsSessions ? undefined : (this.#roster.version ?? undefined);
    const { state, done } = this.#ownState.take();
    try {
      await this.#ask({ type: "join", observe, interest, sessions: this.#wantsSessions || undefined, since, state });
      done();
    } catch (error) {
      this.#refused(/** @type {HerenowError} */ (error));
    }
  }

  /** @param {HerenowError} error */
  #refused(error) {
    // Without a connection, the next one joins again; and a join that a leave cancelled was not wanted.
    if (error.code === "connection.offline" || this.#isOver) return;
    this.#isJoining = false;
    if (error.retryAfterMs) {
      setTimeout(() => this.#join(), error.retryAfterMs);
    } else {
      this.#reject(error);
      this.end("refused");
    }
    this.emit("error", error);
  }

  /** @param {Frame} frame @internal */
  heard(frame) {
    switch (frame.type) {
      case "message":
        if (frame.from) this.#shownTyping.forget(frame.from.id);
        return this.emit("message", { event: frame.event, data: frame.data, from: frame.from ?? null });
      case "cursors":
        for (const hear of this.pointers) hear(frame);
        return;
      case "removed": {
        const hint = frame.block_ms ? `wait ${Math.ceil(frame.block_ms / 1000)} s before joining again` : "";
        const details = { code: `room.removed`, message: `put out of the room ${this.id}: ${frame.reason}`, hint, base: this.#place.link.base, room: this.id, retryable: false, retryAfterMs: frame.block_ms };
        return this.#refused(new HerenowError({ ...details, retryAfterMs: undefined }));
      }
      case "error":
        // An answer has told whoever asked; and that typing is off was their guess, not a fault.
        if (frame.re === undefined && frame.code !== "typing.off") this.emit("error", fromFrame(frame, this.#place.link.base));
        return;
      default:
        return this.#take(apply(this.#roster, frame), frame);
    }
  }

  /** @param {Applied} applied @param {Frame} [frame] */
  #take({ roster, outcome, changes }, frame) {
    // What comes before the answer to a join is about a state that is not known yet.
    if (outcome === "gap") return void (this.#isIn && this.#sync());
    this.#roster = roster;
    const before = new Map(this.viewers.get().map((viewer) => [viewer.user.id, viewer]));
    const isAnswer = frame?.type === "count" || outcome === "synced";
    const cause = !this.#isKnown ? "initial" : frame?.type === "diff" ? "resumed" : "resynced";
    const isFirst = isAnswer && !this.#isIn;
    if (isAnswer) {
      this.#isKnown = this.#isIn = true;
      this.#isJoining = false;
    }
    this.#show();
    if (isAnswer || frame?.type === "stale" || frame?.type === "fresh") this.status.set(roster.stale ? "stale" : "joined");
    if (isFirst) {
      this.#ownTyping.again();
      this.#resolve(this);
    }
    for (const change of changes) {
      const { id } = change.viewer.user;
      const viewer = this.#made.get(id)?.viewer ?? before.get(id);
      if (!viewer) continue;
      if (change.kind === "leave") this.emit("leave", { viewer, reason: /** @type {types.LeaveReason} */ (change.reason) });
      else if (change.kind === "join") this.emit("join", { viewer });
      else this.emit("change", { viewer, changed: change.changed });
    }
    if (outcome === "synced") this.emit("sync", { viewers: this.viewers.get(), cause });
  }

  #sync() {
    this.#isIn = false;
    this.#ask({ type: "sync" }).catch(() => {});
  }

  /** Sets the values to what the roster and the typing say. */
  #show() {
    const { viewers, count, gear, faces, typing, locks } = this.#roster;
    const selfId = this.#selfId;
    this.#shownTyping.update(typing, (id) => viewers.has(id));
    /** @type {types.Viewer[]} */
    const others = [];
    /** @type {types.Viewer | null} */
    let self = null;
    const made = new Map();
    for (const [id, wire] of viewers) {
      const entry = this.#make(id, wire, id === selfId);
      made.set(id, entry);
      if (entry.viewer.self) self = entry.viewer;
      else others.push(entry.viewer);
    }
    this.#made = made;
    setList(this.others, others);
    setList(this.viewers, self ? [self, ...others] : others);
    this.self.set(self);
    setList(this.faces, viewers.size ? this.viewers.get().slice(0, FACES_MAX).map(({ user }) => user) : faces);
    const { users, sessions } = this.count.get();
    if (users !== count.users || sessions !== count.sessions) this.count.set(count);
    this.gear.set(gear);
    for (const target of [this.typing, ...this.#targets.values()]) target.show(this.#shownTyping, selfId);
    this.#locks.show(locks);
  }

  /** @param {string} id @param {WireViewer} wire @param {boolean} self */
  #make(id, wire, self) {
    const targets = this.#shownTyping.targets(id);
    const sessions = this.#roster.sessions.get(id);
    const before = this.#made.get(id);
    const from = [wire, sessions, self, targets.join("\n"), targets.length];
    if (before && from.every((part, index) => part === before.from[index])) return before;
    const viewer = {
      user: wire.user,
      self,
      status: wire.status,
      joinedAt: new Date(wire.joined_at_ms),
      sessions: wire.sessions,
      typing: targets.length ? targets : NOTHING,
      state: wire.state ?? {},
      sessionList: (sessions ?? []).map((session) => ({ ...session, state: session.state ?? {} })),
    };
    return { from, viewer: /** @type {types.Viewer} */ (viewer) };
  }

  /** @param {Frame} frame */
  #send(frame) {
    this.#place.link.send({ ...frame, room: this.id });
  }

  /** @param {Frame} frame */
  #ask(frame) {
    return this.#place.link.ask({ ...frame, room: this.id });
  }
}

/**
 * @template T
 * @param {Value<readonly T[]>} value
 * @param {readonly T[]} list
 */
function setList(value, list) {
  const before = value.get();
  if (list.length !== before.length || list.some((item, index) => item !== before[index])) value.set(list);
}
