// What `connect` returns: one connection and the rooms that share it.

import { watchIdle } from "./idle.js";
import { Link } from "./link.js";
import { Emitter, Value } from "./readable.js";
import { Room } from "./room.js";
import { Watches } from "./watch.js";

/** @import * as types from "./types.js" */
/** @import { Frame } from "./frames.js" */

const LOST_MS = 5_000;

/**
 * Connects to a herenow server. Returns at once; `client.state` tells how it goes.
 * @param {types.ClientOptions} [options]
 * @returns {types.Client}
 */
export const connect = (options) => new Client(options);

/**
 * @extends {Emitter<types.ClientEvents>}
 * @implements {types.Client}
 */
class Client extends Emitter {
  self = new Value(/** @type {types.User | null} */ (null));
  session = new Value(/** @type {string | null} */ (null));
  /** @type {Map<string, Room>} */
  #rooms = new Map();
  #link;
  #watches;
  #isLost = false;
  #lostTimer = 0;
  #isIdle = false;
  #endIdle = () => {};

  /** @param {types.ClientOptions} [options] */
  constructor(options = {}) {
    super();
    this.#link = new Link(address(options.url), options, {
      up: (welcome) => this.#up(welcome),
      down: () => this.#down(),
      heard: (frame) => this.#heard(frame),
      seen: (direction, frame) => this.emit("frame", { direction, frame: frame.token ? { ...frame, token: "..." } : frame }),
      failed: (error) => this.emit("error", error),
    });
    this.state = /** @type {types.Readable<types.ConnectionState>} */ (this.#link.state);
    this.#watches = new Watches(this.#link);
    this.#watchIdle(options.idleAfterMs);
    // Later, so that a client which is closed at once, as React does in its strict mode, opens nothing.
    queueMicrotask(() => {
      if (this.state.get().name === "idle" && globalThis.WebSocket) this.reconnect();
    });
  }

  /** @param {string} id @param {types.RoomOptions} [options] @returns {types.Room} */
  room(id, options = {}) {
    let room = this.#rooms.get(id);
    if (!room) {
      room = new Room(id, options, {
        link: this.#link,
        self: this.self,
        session: this.session,
        gone: (/** @type {Room} */ gone) => {
          if (this.#rooms.get(id) === gone) this.#rooms.delete(id);
        },
      });
      this.#rooms.set(id, room);
    }
    room.hold(options);
    return room;
  }

  /** @param {readonly string[]} userIds @returns {types.PresenceWatch} */
  watch(userIds) {
    return this.#watches.open(userIds);
  }

  reconnect() {
    this.#link.start();
  }

  close() {
    this.#endIdle();
    clearTimeout(this.#lostTimer);
    this.#link.stop();
    for (const room of [...this.#rooms.values()]) room.end("left");
  }

  /** @param {Frame} welcome */
  #up(welcome) {
    clearTimeout(this.#lostTimer);
    this.#lostTimer = 0;
    this.self.set(welcome.user);
    this.session.set(welcome.session);
    if (this.#isIdle) this.#link.send({ type: "status", status: "idle" });
    for (const room of this.#rooms.values()) room.up(welcome.resumed);
    this.#watches.up();
    if (this.#isLost) this.emit("restored", undefined);
    this.#isLost = false;
  }

  #down() {
    for (const room of this.#rooms.values()) room.down();
    this.#lostTimer ||= setTimeout(() => {
      this.#isLost = true;
      this.emit("lost", undefined);
    }, LOST_MS);
  }

  /** @param {Frame} frame */
  #heard(frame) {
    if (frame.room !== undefined) this.#rooms.get(frame.room)?.heard(frame);
    else if (frame.type === "statuses") this.#watches.heard(frame.users);
  }

  /** @param {number} [afterMs] */
  #watchIdle(afterMs = 60_000) {
    this.#endIdle = watchIdle(afterMs, (isIdle) => {
      this.#isIdle = isIdle;
      this.#link.send({ type: "status", status: isIdle ? "idle" : "active" });
    });
  }
}

/**
 * The server's address without a slash at its end.
 * @param {string} [url]
 */
function address(url) {
  const script = import.meta.url ?? "";
  const page = globalThis.location?.origin ?? "http://localhost:4280";
  const found = url ? new URL(url, page).href : /\/sdk\.js([?#]|$)/.test(script) ? script : page;
  return found.replace(/[?#].*/, "").replace(/^ws/, "http").replace(/\/(sdk\.js|ws)?$/, "");
}
