// What `connect` returns: one connection and the rooms that share it.

import { createLink } from "./link.js";
import { Emitter, loaded, observable, withMethods } from "./readable.js";
import { createRoom } from "./room.js";

/** @import * as types from "./types.js" */

const LOST_MS = 5_000;
/** From when on it is watched whether the person is there. */
const IDLE_WATCH_MS = 10_000;

/**
 * Connects to a herenow server. Returns at once; `client.state` tells how it goes.
 * @param {types.ClientOptions} [options]
 * @returns {types.Client}
 */
export function connect(options = {}) {
  const self = observable(/** @type {types.User | null} */ (null));
  const session = observable(/** @type {string | null} */ (null));
  /** @type {Map<string, import("./room.js").RoomParts>} */
  const rooms = new Map();
  /** @type {Promise<import("./watch.js").Watches> | undefined} */
  let watches;
  let isLost = false;
  let lostTimer = 0;

  const link = createLink(address(options.url), options, {
    up(welcome) {
      clearTimeout(lostTimer);
      lostTimer = 0;
      self.set(welcome.user);
      session.set(welcome.session);
      for (const { up } of rooms.values()) up(welcome.resumed);
      if (isLost) client.emit("restored", undefined);
      isLost = false;
    },
    down() {
      for (const { down } of rooms.values()) down();
      lostTimer ||= setTimeout(() => {
        isLost = true;
        client.emit("lost", undefined);
      }, LOST_MS);
    },
    heard: (frame) => rooms.get(frame.room)?.heard(frame),
    seen: (direction, { token, resume, send, ...frame }) => client.emit("frame", { direction, frame }),
    failed: (error) => client.emit("error", error),
    started(signal) {
      const watch = () => loaded(() => import("./later.js")).then(({ watchIdle }) => watchIdle(link, options, IDLE_WATCH_MS, signal));
      // Later: nothing of it is needed before.
      if (globalThis.document) setTimeout(watch, IDLE_WATCH_MS);
    },
  });
  const { state, start: reconnect } = link;

  /** @type {Omit<types.Client, keyof Emitter<any>>} */
  const members = {
    state,
    self,
    session,
    room(id, options = {}) {
      const parts = rooms.get(id) ?? createRoom(id, options, { link, client, gone: (id) => rooms.delete(id) });
      rooms.set(id, parts);
      parts.hold(options);
      return parts.room;
    },
    watch(userIds) {
      const dots = observable(/** @type {ReadonlyMap<string, types.Dot>} */ (new Map()));
      watches ??= loaded(() => import("./extras.js")).then(({ Watches }) => new Watches(link, client));
      const opened = watches.then((all) => all.open(dots, userIds));
      return withMethods(dots, opened, ["add", "remove", "close"]);
    },
    reconnect,
    close() {
      link.stop();
      clearTimeout(lostTimer);
      for (const { end } of rooms.values()) end("left");
    },
  };
  const client = Object.assign(/** @type {Emitter<types.ClientEvents>} */ (new Emitter()), members);
  // Later, so that a client which is closed at once, as React does in its strict mode, opens nothing.
  queueMicrotask(() => {
    if (state.get().name === "idle" && globalThis.WebSocket) reconnect();
  });
  return client;
}

/**
 * The server's address without a slash at its end.
 * @param {string} [url]
 */
function address(url) {
  const home = /(.*)\/sdk\.js$/.exec(import.meta.url)?.[1];
  return (url ?? home ?? globalThis.location?.origin ?? "").replace(/\/$/, "");
}
