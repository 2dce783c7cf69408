// One menu for all that open one, in the browser's top layer, so that no column cuts it off.

import { make } from "./dom.js";

const MARGIN = 6;

/** A menu that opens at a button. */
export class Menu {
  #element;
  #button = null;

  /** @param {HTMLElement} element a popover */
  constructor(element) {
    this.#element = element;
    element.addEventListener("keydown", (event) => this.#key(event));
    element.addEventListener("toggle", (event) => {
      this.#button?.setAttribute("aria-expanded", String(event.newState === "open"));
    });
  }

  /**
   * @param {HTMLElement} button
   * @param {({ label: string, danger?: boolean, checked?: boolean, lang?: string, act(): void } | null)[]} items null is a line
   */
  open(button, items) {
    this.#button = button;
    this.#element.setAttribute("aria-label", button.getAttribute("aria-label") ?? button.querySelector(".long").textContent);
    this.#element.replaceChildren(...items.map((item) => (item ? this.#item(item) : make("hr"))));
    this.#element.showPopover();
    this.#place(button.getBoundingClientRect());
    this.#items()[0].focus();
  }

  #items() {
    return [...this.#element.querySelectorAll("button")];
  }

  #item({ label, danger, checked, lang = "", act }) {
    const item = make("button", { type: "button", tabIndex: -1, lang }, label);
    item.setAttribute("role", checked === undefined ? "menuitem" : "menuitemcheckbox");
    if (checked !== undefined) item.ariaChecked = String(checked);
    item.classList.toggle("danger", Boolean(danger));
    item.addEventListener("click", () => {
      this.#element.hidePopover();
      this.#button.focus();
      act();
    });
    return item;
  }

  #place(at) {
    const { offsetWidth: width, offsetHeight: height } = this.#element;
    const below = at.bottom + MARGIN;
    const top = below + height > innerHeight - MARGIN ? Math.max(MARGIN, at.top - height - MARGIN) : below;
    const wanted = document.dir === "rtl" ? at.left : at.right - width;
    this.#element.style.top = `${top}px`;
    this.#element.style.left = `${Math.min(Math.max(MARGIN, wanted), innerWidth - width - MARGIN)}px`;
  }

  #key(event) {
    const items = this.#items();
    const at = items.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
    if (event.key === "Tab") this.#element.hidePopover();
    if (to === undefined) return;
    event.preventDefault();
    items[(to + items.length) % items.length].focus();
  }
}
