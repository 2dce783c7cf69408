// Pointers: where one's own is, told sparingly, and where others' are.

import { drawCursors } from "./draw-cursors.js";
import { Value } from "./readable.js";

/** @import { Cursor, CursorOptions, Cursors } from "./types.js" */
/** @import { Frame } from "./frames.js" */

const HZ_MAX = 20;

/**
 * @param {import("./room.js").Room} room
 * @param {Element} element
 * @param {CursorOptions | undefined} options
 * @param {(point: { x: number | null, y?: number, on?: string }) => void} say
 * @returns {Cursors}
 */
export function openCursors(room, element, options = {}, say) {
  const { on, hz = HZ_MAX, hideAfterMs = 60_000, share = true } = options;
  const cursors = new Value(/** @type {readonly Cursor[]} */ ([]));
  /** @type {Map<string, { x: number, y: number }>} */
  const places = new Map();
  const update = () => {
    const sessions = room.others.get().flatMap(({ user, sessionList }) => sessionList.map(({ id }) => ({ user, session: id })));
    const before = new Map(cursors.get().map((cursor) => [cursor.session, cursor]));
    const next = sessions.flatMap(({ user, session }) => {
      const place = places.get(session);
      if (!place) return [];
      const same = before.get(session);
      return same && same.x === place.x && same.y === place.y && same.user === user ? [same] : [{ user, session, ...place }];
    });
    if (next.length || before.size) cursors.set(next);
  };
  const hear = (/** @type {Frame | null} */ frame) => {
    if (!frame) places.clear();
    for (const [session, x, y, thing] of frame?.at ?? []) {
      if (x === null || thing !== on) places.delete(session);
      else places.set(session, { x, y });
    }
    update();
  };
  room.pointers.add(hear);
  const stopOthers = room.others.subscribe(update, { immediate: false });
  const stopSharing = share ? shareCursor(element, { on, everyMs: 1000 / Math.min(hz, HZ_MAX), hideAfterMs, say }) : () => {};
  return {
    get: () => cursors.get(),
    subscribe: (listener, how) => cursors.subscribe(listener, how),
    render: (layer) => drawCursors(cursors, layer),
    stop() {
      room.pointers.delete(hear);
      stopOthers();
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
