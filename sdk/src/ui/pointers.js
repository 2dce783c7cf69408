// Others' pointers as the kit draws them. Loaded with the first area that has pointers; imports nothing, so that no
// third file comes of what it shares with the rest.

/** @import { Cursor } from "../types.js" */
/** @import { Scene } from "./base.js" */

const STILL_MS = 3_000;
/** How often pointers jump for those who want no motion. */
const CALM_MS = 500;
const ARROW = '<svg viewBox="0 0 18 20"><path d="M2 1.5v15l4.2-3.6 2.6 5.6 2.7-1.3-2.6-5.4h5.6z"/></svg>';
const STYLE = `
.layer{position:absolute;inset:0;overflow:hidden;pointer-events:none;container-type:size;z-index:var(--herenow-cursors-z,1)}
.cursor{position:absolute;left:0;top:0;direction:ltr;will-change:translate}
.cursor svg{display:block;inline-size:18px;block-size:20px;fill:var(--c);stroke:#fff;stroke-width:1.5;stroke-linejoin:round;filter:drop-shadow(0 1px 1.5px rgb(0 0 0/.35))}
.tag{position:absolute;left:14px;top:17px;padding:.1em .6em;border-radius:3px 9px 9px;background:var(--c);color:#fff;font-size:.75rem;line-height:1.5;font-weight:500;
max-inline-size:12rem;overflow:hidden;text-overflow:ellipsis;white-space:nowrap;box-shadow:0 1px 3px rgb(0 0 0/.25)}
.cursor.flip .tag{left:auto;right:4px;border-radius:9px 3px 9px 9px}
.cursor.up .tag{top:auto;bottom:22px}
.toggle{position:absolute;z-index:calc(var(--herenow-cursors-z,1) + 1);inset-block-end:.5rem;inset-inline-end:.5rem;min-block-size:28px;padding:.2em .8em;border:1px solid var(--line);border-radius:99px;background:var(--bg);color:var(--fg);font-size:.75rem}
@media(prefers-reduced-motion:no-preference){
.cursor{transition:translate 90ms linear,opacity .4s}
.cursor.still{opacity:.45}
}
@media(forced-colors:active){.tag{border:1px solid CanvasText}}
`;

/** Where each pointer is, and since when. @type {WeakMap<Element, [Cursor, number]>} */
const placed = new WeakMap();

/**
 * @param {Element} area what the pointers are over
 * @param {ShadowRoot} root
 * @param {Scene} scene
 * @param {typeof import("./cursors.js").tools} tools
 */
export function showPointers(area, root, { say, room, signal }, { adopt, list, make, plain }) {
  adopt(root, STYLE);
  const layer = make("div", { class: "layer", part: "layer", "aria-hidden": "true" });
  const toggle = make("button", { class: "toggle", part: "toggle", type: "button" });
  toggle.hidden = true;
  root.append(layer, toggle);
  const cursors = room.cursors(area, { on: area.getAttribute("on") ?? undefined });
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  let timer = 0;

  /** @param {Cursor} cursor @param {HTMLElement} [before] */
  const drawCursor = (cursor, before) => {
    const { user, x, y } = cursor;
    const shape = before ?? make("div", { class: "cursor", part: "cursor" });
    if (!before) {
      shape.innerHTML = ARROW;
      shape.append(make("bdi", { class: "tag", part: "tag" }));
    }
    const last = placed.get(shape);
    if (last?.[0] === cursor) return shape;
    placed.set(shape, [cursor, performance.now()]);
    if (last?.[0].user !== user) {
      shape.style.setProperty("--c", user.color);
      /** @type {HTMLElement} */ (shape.lastChild).textContent = plain(user.name);
    }
    shape.style.translate = `${x * 100}cqw ${y * 100}cqh`;
    const look = `cursor${x > 0.8 ? " flip" : ""}${y > 0.85 ? " up" : ""}`;
    // An element that is told what it knows already is looked at all the same.
    if (shape.className !== look) shape.className = look;
    return shape;
  };

  const draw = () => {
    timer = 0;
    list(layer, cursors.get(), ({ session }) => session, drawCursor);
    // What moves by itself can be hidden; there is no need to before anything has moved.
    if (cursors.get()[0]) toggle.hidden = false;
  };
  cursors.subscribe(() => {
    if (!calm.matches) draw();
    else timer ||= setTimeout(draw, CALM_MS);
  }, { signal });
  const aging = setInterval(() => {
    const since = performance.now() - STILL_MS;
    for (const shape of layer.children) shape.classList.toggle("still", (placed.get(shape)?.[1] ?? 0) < since);
  }, STILL_MS / 4);
  const name = () => (toggle.textContent = say(layer.hidden ? "showPointers" : "hidePointers"));
  toggle.onclick = () => {
    layer.hidden = !layer.hidden;
    name();
  };
  name();
  signal.addEventListener("abort", () => {
    clearTimeout(timer);
    clearInterval(aging);
    cursors.stop();
    layer.remove();
    toggle.remove();
  });
}
