// Draws pointers into a layer: an arrow and a name each. Decoration: screen readers are not told of it.

/** @import { Cursor, Readable } from "./types.js" */

/** A transition of what lays nothing out anew goes on beside the page's scripts. */
const MOVING = "translate 90ms linear";
const ARROW = { width: "14px", height: "18px", clipPath: "polygon(0 0, 100% 65%, 45% 70%, 15% 100%)" };
const LABEL = {
  font: "12px/1.4 system-ui, sans-serif",
  color: "#fff",
  borderRadius: "4px",
  padding: "0 6px",
  marginInlineStart: "12px",
  whiteSpace: "nowrap",
  width: "max-content",
  unicodeBidi: "isolate",
};

/**
 * @param {Readable<readonly Cursor[]>} cursors
 * @param {HTMLElement} layer
 * @returns {() => void} takes them away
 */
export function drawCursors(cursors, layer) {
  const root = element("herenow-cursors", { position: "absolute", inset: "0", overflow: "hidden", pointerEvents: "none", direction: "ltr", containerType: "size" });
  root.ariaHidden = "true";
  if (getComputedStyle(layer).position === "static") layer.style.position = "relative";
  layer.append(root);
  const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  /** @type {Map<string, HTMLElement>} */
  const drawn = new Map();
  const stop = cursors.subscribe((list) => {
    const here = new Set(list.map(({ session }) => session));
    for (const [session, shape] of drawn) {
      if (here.has(session)) continue;
      shape.remove();
      drawn.delete(session);
    }
    for (const { session, user, x, y } of list) {
      let shape = drawn.get(session);
      if (!shape) {
        shape = element("herenow-cursor", { position: "absolute", top: "0", left: "0", willChange: "translate", transition: isCalm ? "" : MOVING });
        const label = element("herenow-name", { ...LABEL, background: user.color });
        label.textContent = user.name;
        shape.append(element("herenow-arrow", { ...ARROW, background: user.color }), label);
        root.append(shape);
        drawn.set(session, shape);
      }
      shape.style.translate = `${x * 100}cqw ${y * 100}cqh`;
    }
  });
  return () => {
    stop();
    root.remove();
  };
}

/** @param {string} className @param {Partial<CSSStyleDeclaration>} style */
function element(className, style) {
  const made = document.createElement("div");
  made.className = className;
  Object.assign(made.style, style);
  return made;
}
