// The line at the foot of a column into which a new task is written.

import { text } from "./text.js";
import { bindTyping } from "./typing.js";

const TITLE_CHARS_MAX = 200;

/** A form; others see that somebody types into the column. */
export class Composer {
  element = document.createElement("form");

  #field = document.createElement("input");
  #error = document.createElement("p");
  #acts;

  /**
   * @param {{ id: string, name: string }} list
   * @param {{ typing(target: string): void, stopTyping(target: string): void, add(title: string): Promise<void> }} acts
   */
  constructor(list, acts) {
    this.#acts = acts;
    this.element.className = "composer";
    this.element.dataset.testid = "composer";
    this.#field.type = "text";
    this.#field.required = true;
    this.#field.maxLength = TITLE_CHARS_MAX;
    this.#field.autocomplete = "off";
    this.#field.enterKeyHint = "done";
    this.#field.placeholder = "Add a task";
    this.#field.setAttribute("aria-label", `Add a task to ${list.name}`);
    this.#field.dataset.testid = "composer-input";
    const add = document.createElement("button");
    add.type = "submit";
    add.className = "add";
    add.textContent = "Add";
    this.#error.className = "error";
    this.#error.setAttribute("role", "alert");
    this.#error.hidden = true;
    this.element.append(this.#field, add, this.#error);
    this.element.noValidate = true;
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#field.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !event.isComposing) this.#clear();
    });
    bindTyping(this.#field, { start: () => acts.typing(list.id), stop: () => acts.stopTyping(list.id) });
  }

  async #submit() {
    const title = this.#field.value.trim();
    if (title === "") return;
    this.#clear();
    try {
      await this.#acts.add(title);
    } catch (error) {
      if (this.#field.value === "") this.#field.value = title;
      this.#error.textContent = error instanceof TypeError ? text.failed : error.message;
      this.#error.hidden = false;
    }
  }

  #clear() {
    this.#field.value = "";
    this.#error.hidden = true;
    this.#error.textContent = "";
  }
}
