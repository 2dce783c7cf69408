// `<herenow-avatars room>`: who is in a room, as overlapping faces, and all of them in a dialog.

import { adopt, KitElement, list, make, region, watchLost } from "./base.js";
import { plain } from "./names.js";
import { describe, face, nameOf } from "./person.js";

/** @import { Scene } from "./base.js" */
/** @import { People } from "./people.js" */
/** @import { Person } from "./person.js" */

/** What the dialog draws with. */
export const tools = { adopt, face, list, make, nameOf, plain };
const FACES_DEFAULT = 5;
const FACES_MAX = 30;
const JOINED_EVERY_MS = 15_000;
/** Above so many people, nobody wants to hear of each who comes. */
const JOINED_VIEWERS_MAX = 10;

/**
 * Attributes: `room`; `max`, how many faces, 1 to 30, default 5; `others`, without oneself; `announce`, tells screen
 * readers who joins, at most every 15 s and in rooms of up to 10.
 */
export class Avatars extends KitElement {
  #stack = make("ul", { class: "stack row", part: "list", role: "list" });
  #more = make("button", { class: "more", part: "more", type: "button", dir: "ltr", "aria-haspopup": "dialog", "aria-expanded": "false" });
  #row = make("div", { class: "row" }, this.#stack, this.#more);
  #told = region();
  /** @type {Promise<People> | undefined} */
  #people;
  /** While it is open. @type {People | undefined} */
  #open;
  #redraw = () => {};

  constructor() {
    super();
    this.#row.hidden = true;
    this.#more.onclick = async () => {
      this.#open = await this.#load();
      this.#open.open();
      this.#redraw();
    };
    for (const type of ["pointerover", "focusin"]) {
      this.#stack.addEventListener(type, ({ target }) => {
        const tip = /** @type {Element} */ (target).closest("li")?.querySelector(".tip");
        if (!tip || tip.contains(/** @type {Node} */ (target))) return;
        this.#stack.classList.remove("quiet");
        keepInView(/** @type {HTMLElement} */ (tip));
      });
    }
    this.root.append(this.#row, this.#told);
  }

  /** Before it is needed: then there may be no connection. */
  #load() {
    return (this.#people ??= import("./people.js").then(({ createPeople }) => {
      const people = createPeople(this.#more, this.root, tools);
      people.dialog.onclose = () => {
        this.#open = undefined;
        this.#more.ariaExpanded = "false";
        this.#redraw();
      };
      return people;
    }));
  }

  /** @override @param {Scene} scene */
  show(scene) {
    const { say, room, client, signal } = scene;
    if (!room) return;
    const max = Math.min(Math.max(Math.trunc(Number(this.getAttribute("max") ?? FACES_DEFAULT)) || FACES_DEFAULT, 1), FACES_MAX);
    const isWithoutSelf = this.hasAttribute("others");
    // A tooltip that is in the way can be sent away, and comes again with the next face.
    document.addEventListener("keydown", ({ key }) => key === "Escape" && this.#stack.classList.add("quiet"), { signal });
    let isLost = false;
    const draw = (this.#redraw = () => {
      /** @type {readonly Person[]} */
      const all = room.viewers.get()[0] ? room.viewers.get() : room.faces.get().map((user) => ({ user }));
      const people = isWithoutSelf ? all.filter(({ user }) => user.id !== client.self.get()?.id) : all;
      const total = room.count.get().users - (isWithoutSelf && room.self.get() ? 1 : 0);
      const shown = people.slice(0, max);
      const rest = total - shown.length;
      const viewing = say("viewing", { n: total });
      this.#row.hidden = total < 1;
      this.#row.classList.toggle("stale", isLost);
      this.#stack.ariaLabel = isLost ? say("lastKnown", { text: viewing }) : viewing;
      list(this.#stack, shown, ({ user }) => user.id, (person, before) => drawFace(person, describe(scene, person), before));
      this.#more.hidden = rest < 1 && !this.#open;
      this.#more.textContent = `+${Math.max(rest, 0)}`;
      this.#more.ariaLabel = say("more", { n: Math.max(rest, 0) });
      if (rest > 0) this.#load();
      this.#open?.show(scene, people, total);
    });
    for (const value of [room.viewers, room.faces, room.count]) value.subscribe(draw, { signal, immediate: false });
    draw();
    watchLost(scene, (lost) => {
      isLost = lost;
      draw();
    });
    if (this.hasAttribute("announce")) tellJoins(scene, this.#told);
  }
}

/** @param {Person} person @param {string} text @param {HTMLElement} [before] */
function drawFace(person, text, before) {
  const item = before ?? make("li", { part: "item" });
  const { user, status } = person;
  const look = JSON.stringify([user.name, user.color, user.avatar, status, text]);
  if (item.dataset.look === look) return item;
  item.dataset.look = look;
  const tip = make("span", { class: "tip", part: "tooltip", "aria-hidden": "true" }, make("span", {}, text));
  // The same element keeps the focus.
  const target = item.querySelector("[tabindex]") ?? make("span", { class: "target", role: "img", tabindex: "0" });
  target.ariaLabel = text;
  target.replaceChildren(face(person));
  item.replaceChildren(target, tip);
  return item;
}

/** @param {HTMLElement} tip */
function keepInView(tip) {
  tip.style.setProperty("--x", "0px");
  const { left, right } = tip.getBoundingClientRect();
  const over = Math.max(right - document.documentElement.clientWidth + 8, 0);
  tip.style.setProperty("--x", `${left < 8 ? 8 - left : -over}px`);
}

/** @param {Scene} scene @param {HTMLElement} told */
function tellJoins({ say, room, signal }, told) {
  let joins = 0;
  let timer = 0;
  room.on("join", () => {
    joins += 1;
    timer ||= setTimeout(() => {
      told.textContent = room.count.get().users > JOINED_VIEWERS_MAX ? "" : say("joined", { n: joins });
      joins = timer = 0;
    }, JOINED_EVERY_MS);
  }, { signal });
  signal.addEventListener("abort", () => clearTimeout(timer));
}
