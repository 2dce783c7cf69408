// The menu of a card: one element for all cards, in the browser's top layer, so that no column cuts it off.

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
   * @param {{ label: string, danger?: boolean, act(): void }[]} items
   */
  open(button, items) {
    this.#button = button;
    this.#element.replaceChildren(...items.map((item) => this.#item(item)));
    this.#element.showPopover();
    this.#place(button.getBoundingClientRect());
    this.#element.firstElementChild.focus();
  }

  #item({ label, danger, act }) {
    const item = document.createElement("button");
    item.type = "button";
    item.setAttribute("role", "menuitem");
    item.tabIndex = -1;
    item.textContent = label;
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
    const left = Math.min(Math.max(MARGIN, at.right - width), innerWidth - width - MARGIN);
    this.#element.style.top = `${top}px`;
    this.#element.style.left = `${left}px`;
  }

  #key(event) {
    const items = [...this.#element.children];
    const at = items.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
    if (event.key === "Tab") this.#element.hidePopover();
    if (to === undefined) return;
    event.preventDefault();
    items[(to + items.length) % items.length].focus();
  }
}
