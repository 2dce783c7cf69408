// Pointers: where one's own is, told sparingly, and where others' are. Loaded with the first call.

import { drawCursors } from "./draw-cursors.js";

/** @import { Cursor, CursorOptions } from "./types.js" */
/** @import { Frame } from "./frames.js" */

const HZ_MAX = 20;

/**
 * @typedef {object} Place
 * @property {import("./readable.js").Value<readonly Cursor[]>} cursors to be set
 * @property {import("./types.js").Client} client
 * @property {import("./types.js").Room} room
 * @property {(point: { x: number | null, y?: number, on?: string }) => void} say
 */
/**
 * @param {Place} place
 * @param {Element} element
 * @param {CursorOptions} [options]
 */
export function openCursors({ client, room, cursors, say }, element, options = {}) {
  const { on, hz = HZ_MAX, hideAfterMs = 60_000, share = true } = options;
  /** @type {Map<string, { x: number, y: number }>} */
  const places = new Map();
  // Of many viewers only a few point: what comes twenty times a second looks at those only.
  /** @type {Map<string, import("./types.js").User>} */
  let users = new Map();
  const seat = () => {
    const before = users;
    users = new Map(room.others.get().flatMap(({ user, sessionList }) => sessionList.map(({ id }) => [id, user])));
    // Who comes back points anew.
    for (const session of before.keys()) if (!users.has(session)) places.delete(session);
  };
  const update = () => {
    const before = new Map(cursors.get().map((cursor) => [cursor.session, cursor]));
    const next = [...places].flatMap(([session, { x, y }]) => {
      const user = users.get(session);
      if (!user) return [];
      const same = before.get(session);
      return same && same.x === x && same.y === y && same.user === user ? [same] : [{ user, session, x, y }];
    });
    if (next.length || before.size) cursors.set(next);
  };
  const hear = (/** @type {Frame} */ { type, room: id, at }) => {
    if (type !== "cursors" || id !== room.id) return;
    for (const [session, x, y, thing] of at) {
      if (x === null || thing !== on) places.delete(session);
      else places.set(session, { x, y });
    }
    update();
  };
  seat();
  const stops = [
    client.on("frame", ({ frame }) => hear(/** @type {any} */ (frame))),
    room.others.subscribe(() => {
      seat();
      update();
    }, { immediate: false }),
    room.status.subscribe((status) => {
      // Where they are now, nobody tells.
      if (status !== "joined") places.clear();
      update();
    }),
  ];
  const stopSharing = share ? shareCursor(element, { on, everyMs: 1000 / Math.min(hz, HZ_MAX), hideAfterMs, say }) : () => {};
  return {
    render: (/** @type {HTMLElement} */ layer) => drawCursors(cursors, layer),
    stop() {
      for (const stop of stops) stop();
      stopSharing();
      places.clear();
      update();
    },
  };
}

/**
 * @param {Element} element
 * @param {{ on?: string, everyMs: number, hideAfterMs: number, say: (point: { x: number | null, y?: number, on?: string }) => void }} how
 */
function shareCursor(element, { on, everyMs, hideAfterMs, say }) {
  const ending = new AbortController();
  let timer = 0;
  let hiding = 0;
  let isShown = false;
  /** @type {PointerEvent | null} */
  let last = null;
  const tick = () => {
    timer = 0;
    if (!last) return;
    const { left, top, width, height } = element.getBoundingClientRect();
    const part = (/** @type {number} */ at, /** @type {number} */ size) => Math.min(Math.max(at / size || 0, 0), 1);
    say({ x: part(last.clientX - left, width), y: part(last.clientY - top, height), on });
    isShown = true;
    last = null;
    timer = setTimeout(tick, everyMs);
  };
  const hide = () => {
    last = null;
    if (isShown) say({ x: null });
    isShown = false;
  };
  const listen = (/** @type {EventTarget} */ target, /** @type {string} */ type, /** @type {(event: any) => void} */ listener) =>
    target.addEventListener(type, listener, { signal: ending.signal, passive: true });
  listen(element, "pointermove", (event) => {
    last = event;
    if (!timer) tick();
    clearTimeout(hiding);
    if (hideAfterMs) hiding = setTimeout(hide, hideAfterMs);
  });
  listen(element, "pointerleave", hide);
  listen(document, "visibilitychange", () => document.hidden && hide());
  return () => {
    hide();
    clearTimeout(timer);
    clearTimeout(hiding);
    ending.abort();
  };
}
