// Others' pointers, gliding. Decoration: what matters about who is where is also said in words on the cards.

import { make } from "./dom.js";
import { paint } from "./person.js";

const STILL_MS = 3_000;
/** How often pointers jump for those who want little motion. */
const CALM_MS = 500;
const FLIP_FROM = 0.8;

/**
 * Draws pointers into a layer. Only tells the style sheet where each is to be: the way there is a transition, which goes on
 * beside the page's scripts, so that a hundred pointers leave the page its frames.
 * @param {import("@herenow/client").Cursors} cursors
 * @param {HTMLElement} layer lies over what the pointers are on, and is a container of known size
 * @param {() => boolean} isCalm whether they are to jump now and then instead of gliding
 * @returns {() => void} takes them away
 */
export function drawPointers(cursors, layer, isCalm) {
  const drawn = new Map();
  let drawing = 0;

  const draw = () => {
    drawing = 0;
    const list = cursors.get();
    const here = new Set(list.map(({ session }) => session));
    for (const [session, pointer] of drawn) {
      if (here.has(session)) continue;
      pointer.element.remove();
      drawn.delete(session);
    }
    const now = performance.now();
    for (const cursor of list) {
      const pointer = drawn.get(cursor.session) ?? add(cursor);
      if (pointer.cursor !== cursor) place(pointer, cursor, now);
    }
  };
  const add = ({ session, user }) => {
    const name = make("span", { className: "pointer-name" }, user.name);
    const element = make("div", { className: "pointer", dataset: { user: user.id } }, make("i"), name);
    paint(element, user);
    layer.append(element);
    const pointer = { element };
    drawn.set(session, pointer);
    return pointer;
  };
  const place = (pointer, cursor, now) => {
    Object.assign(pointer, { cursor, movedAt: now });
    pointer.element.style.translate = `${(cursor.x * 100).toFixed(2)}cqw ${(cursor.y * 100).toFixed(2)}cqh`;
    mark(pointer, "isFlipped", "flipped", cursor.x > FLIP_FROM);
    mark(pointer, "isStill", "still", false);
  };
  // An element that is told what it knows already is looked at all the same.
  const mark = (pointer, known, className, on) => {
    if (pointer[known] === on) return;
    pointer[known] = on;
    pointer.element.classList.toggle(className, on);
  };

  // Frames of several pointers may come between two of the screen.
  const later = () => {
    if (drawing) return;
    drawing = isCalm() ? setTimeout(draw, CALM_MS) : requestAnimationFrame(draw);
  };
  const stop = cursors.subscribe(later);
  const aging = setInterval(() => {
    const now = performance.now();
    for (const pointer of drawn.values()) mark(pointer, "isStill", "still", now - pointer.movedAt >= STILL_MS);
  }, STILL_MS / 4);
  return () => {
    stop();
    clearInterval(aging);
    clearTimeout(drawing);
    cancelAnimationFrame(drawing);
    for (const { element } of drawn.values()) element.remove();
  };
}
