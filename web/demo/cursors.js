// Others' pointers, gliding. Decoration: what matters about who is where is also said in words on the cards.

import { make } from "./dom.js";

const STILL_MS = 3_000;
/** After so many milliseconds two thirds of the way to the newest place are done. */
const GLIDE_MS = 60;
const CALM_MS = 500;
const FLIP_FROM = 0.8;

/**
 * Draws pointers into a layer.
 * @param {import("@herenow/client").Cursors} cursors
 * @param {HTMLElement} layer lies over what the pointers are on
 * @param {() => boolean} isCalm whether they are to jump now and then instead of gliding
 * @returns {() => void} takes them away
 */
export function drawPointers(cursors, layer, isCalm) {
  const drawn = new Map();
  let frame = 0;
  let lastAt = 0;
  let size = { width: layer.clientWidth, height: layer.clientHeight };
  const resized = new ResizeObserver(() => {
    size = { width: layer.clientWidth, height: layer.clientHeight };
    for (const pointer of drawn.values()) pointer.at = null;
    wake();
  });
  resized.observe(layer);

  const step = (now) => {
    frame = 0;
    const calm = isCalm();
    if (calm && now - lastAt < CALM_MS) return wake();
    const part = calm ? 1 : 1 - Math.exp(-Math.min(now - lastAt, 100) / GLIDE_MS);
    lastAt = now;
    let isMoving = false;
    for (const pointer of drawn.values()) {
      const { to, element } = pointer;
      const at = (pointer.at ??= { ...to });
      const [dx, dy] = [to.x - at.x, to.y - at.y];
      const isThere = Math.abs(dx) + Math.abs(dy) < 0.0005;
      Object.assign(at, isThere ? to : { x: at.x + dx * part, y: at.y + dy * part });
      const place = `translate(${(at.x * size.width).toFixed(1)}px, ${(at.y * size.height).toFixed(1)}px)`;
      if (pointer.place !== place) element.style.transform = pointer.place = place;
      isMoving ||= !isThere;
    }
    if (isMoving) wake();
  };
  const wake = () => {
    if (frame) return;
    if (performance.now() - lastAt > 200) lastAt = performance.now() - 16;
    frame = requestAnimationFrame(step);
  };

  const show = (list) => {
    const here = new Set(list.map(({ session }) => session));
    for (const [session, pointer] of drawn) {
      if (here.has(session)) continue;
      clearTimeout(pointer.still);
      pointer.element.remove();
      drawn.delete(session);
    }
    for (const cursor of list) {
      let pointer = drawn.get(cursor.session);
      if (pointer?.cursor === cursor) continue;
      if (!pointer) {
        const name = make("span", { className: "pointer-name" }, cursor.user.name);
        pointer = { element: make("div", { className: "pointer", dataset: { user: cursor.user.id } }, make("i"), name), at: null };
        pointer.element.style.setProperty("--person", cursor.user.color);
        layer.append(pointer.element);
        drawn.set(cursor.session, pointer);
      }
      pointer.cursor = cursor;
      pointer.to = { x: cursor.x, y: cursor.y };
      pointer.element.classList.toggle("flipped", cursor.x > FLIP_FROM);
      pointer.element.classList.remove("still");
      clearTimeout(pointer.still);
      pointer.still = setTimeout(() => pointer.element.classList.add("still"), STILL_MS);
    }
    wake();
  };
  const stop = cursors.subscribe(show);
  return () => {
    stop();
    show([]);
    resized.disconnect();
    cancelAnimationFrame(frame);
  };
}
