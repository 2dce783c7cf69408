// `<herenow-count>`, `<herenow-typing>` and `<herenow-dot>`: a few words each.

import { typingText } from "../index.js";
import { KitElement, make, region, watchLost } from "./base.js";
import { dot } from "./person.js";
import { watching } from "./watching.js";

/** @import { Scene } from "./base.js" */

const TOLD_EVERY_MS = 10_000;
/** Who has typed this recently is not to be interrupted. */
const TYPING_MS = 2_000;

/** How many are in a room, as a sentence. Attributes: `room`. */
export class Count extends KitElement {
  #text = make("span", { part: "text" });

  constructor() {
    super();
    this.root.append(this.#text);
  }

  /** @override @param {Scene} scene */
  show(scene) {
    const { say, room, signal } = scene;
    let isLost = false;
    const draw = () => {
      const n = room.count.get().users;
      const text = say("viewing", { n });
      this.#text.textContent = !n ? "" : isLost ? say("lastKnown", { text }) : text;
    };
    if (!room) return;
    room.count.subscribe(draw, { signal });
    watchLost(scene, (lost) => {
      isLost = lost;
      draw();
    });
  }
}

/**
 * Who is typing, as a sentence. Attributes: `room`; `field`, the target, default the whole room; `quiet`, screen readers
 * are not told. Else they are at most every 10 s, and not while one types into that field oneself.
 */
export class Typing extends KitElement {
  #text = make("span", { part: "text" });
  #line = make("div", { class: "types row", part: "line" }, make("span", { class: "waves", part: "dots", "aria-hidden": "true" }, make("i"), make("i"), make("i")), this.#text);
  #told = region();
  #toldAt = -Infinity;

  constructor() {
    super();
    this.#line.hidden = true;
    this.root.append(this.#line, this.#told);
  }

  /** @override @param {Scene} scene */
  show({ say, locale, room, signal }) {
    if (!room) return;
    const field = this.getAttribute("field");
    const isQuiet = this.hasAttribute("quiet");
    const messages = { one: say("one", { names: "{names}" }), some: say("some", { names: "{names}" }), many: say("many") };
    let text = "";
    let typedAt = -Infinity;
    let timer = 0;
    const tell = () => {
      timer = 0;
      const wait = Math.max(this.#toldAt + TOLD_EVERY_MS, typedAt + TYPING_MS) - performance.now();
      if (wait > 0) timer = setTimeout(tell, wait);
      else if (this.#told.textContent !== text) {
        this.#told.textContent = text;
        this.#toldAt = performance.now();
      }
    };
    // The line is for the eyes where the region beside it is for the ears, or people would be told twice.
    this.#line.ariaHidden = isQuiet ? null : "true";
    const typing = field === null ? room.typing : room.typing.in(field);
    typing.users.subscribe((users) => {
      text = typingText(users, { locale, messages });
      this.#line.hidden = !text;
      this.#text.textContent = text;
      clearTimeout(timer);
      if (text && !isQuiet) tell();
      else this.#told.textContent = "";
    }, { signal });
    this.ownerDocument.addEventListener("input", ({ target }) => {
      const { name, id } = /** @type {HTMLInputElement} */ (target);
      if (field === null || field === (name || id)) typedAt = performance.now();
    }, { signal, capture: true });
    signal.addEventListener("abort", () => clearTimeout(timer));
  }
}

/** Whether a user is online. Attributes: `user`, an id; `label`, shows the word beside the shape. */
export class Dot extends KitElement {
  #mark = make("span", { class: "mark", part: "mark" });

  constructor() {
    super();
    this.root.append(this.#mark);
  }

  /** @override @param {Scene} scene */
  show(scene) {
    const { say, client, signal } = scene;
    const user = this.getAttribute("user");
    if (!user) return;
    const { dots, hold } = watching(client);
    signal.addEventListener("abort", hold([user]));
    const kind = this.hasAttribute("label") ? "small" : "unseen";
    let isLost = false;
    let shown = "";
    const draw = () => {
      const status = dots.get().get(user)?.status ?? "unknown";
      const word = isLost ? say("lastKnown", { text: say(status) }) : say(status);
      if (word !== shown) this.#mark.replaceChildren(dot(status), make("span", { class: kind, part: "label" }, word));
      shown = word;
    };
    dots.subscribe(draw, { signal });
    watchLost(scene, (lost) => {
      isLost = lost;
      this.#mark.classList.toggle("stale", lost);
      draw();
    });
  }
}
