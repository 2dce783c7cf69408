// The name of the board, which one person at a time can edit in place.

import { bindTyping } from "/sdk.js";
import { make, onLeft, setChip } from "./dom.js";
import { sentenceOf } from "./header.js";
import { t } from "./text.js";

const NAME_CHARS_MAX = 200;
/** What is locked, and typed into. */
const TARGET = "board";
const LOCK = `edit:${TARGET}`;

/** A heading that turns into a field. */
export class BoardName {
  #heading;
  #acts;
  #name = "";
  #field = null;
  #lock = null;
  #open = make("button", { type: "button", className: "board-name", dir: "auto", onclick: () => this.edit() });
  #error = make("span", { className: "error", role: "alert", hidden: true });

  /** @param {HTMLElement} heading @param {{ room: import("@herenow/client").Room, rename(name: string): Promise<void> }} acts */
  constructor(heading, acts) {
    this.#heading = heading;
    this.#acts = acts;
    heading.replaceChildren(this.#open, this.#error);
    const { room } = acts;
    for (const value of [room.locks, room.typing.in(TARGET).users]) value.subscribe(() => this.#drawPeople());
  }

  /** Shows a name; what is being edited here stays as it is. */
  show(name) {
    this.#name = name;
    this.#open.textContent = name;
    this.#open.ariaDescription = t("edit");
  }

  /** Lets it be edited, unless somebody else is at it. */
  async edit() {
    if (this.#field || this.#holder()) return;
    const field = make("input", { type: "text", className: "board-name", dir: "auto", maxLength: NAME_CHARS_MAX, value: this.#name, dataset: { testid: "board-name-edit" } });
    this.#field = field;
    field.setAttribute("aria-label", t("boardName"));
    this.#open.hidden = this.#error.hidden = true;
    this.#heading.prepend(field);
    bindTyping(field, this.#acts.room, { target: TARGET });
    field.addEventListener("keydown", (event) => {
      if (event.isComposing || !["Enter", "Escape"].includes(event.key)) return;
      // The key would otherwise press the button that gets the focus.
      event.preventDefault();
      if (event.key === "Enter") this.#save(true);
      else this.#close(true);
    });
    onLeft(field, () => this.#field === field && this.#save(false));
    field.focus();
    field.select();
    // Without a connection nobody can be asked. Whoever writes last wins then.
    const lock = await this.#acts.room.lock(LOCK).catch(() => undefined);
    if (this.#field !== field) return void lock?.release();
    this.#lock = lock;
    if (lock === null) this.#close(true);
  }

  #holder() {
    const holder = this.#acts.room.locks.get().get(LOCK);
    return holder?.user && !holder.mine ? holder.user : null;
  }

  #drawPeople() {
    const holder = this.#holder();
    const typists = this.#acts.room.typing.in(TARGET).users.get();
    const editors = holder ? [holder] : typists;
    setChip(this.#heading, editors, sentenceOf("editing", editors), typists.length > 0);
    this.#open.disabled = holder !== null;
  }

  #close(refocus) {
    this.#field.remove();
    this.#field = null;
    this.#lock?.release();
    this.#lock = null;
    this.#open.hidden = false;
    if (refocus) this.#open.focus();
  }

  async #save(refocus) {
    const name = this.#field.value.trim();
    this.#close(refocus);
    if (name === "" || name === this.#name) return;
    this.#open.textContent = name;
    try {
      await this.#acts.rename(name);
    } catch (error) {
      this.#open.textContent = this.#name;
      this.#error.textContent = error instanceof TypeError ? t("failed") : error.message;
      this.#error.hidden = false;
    }
  }
}
