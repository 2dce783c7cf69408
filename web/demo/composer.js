// The line at the foot of a column into which a new task is written.

import { bindTyping } from "/sdk.js";
import { make } from "./dom.js";
import { t } from "./text.js";

const TITLE_CHARS_MAX = 200;
const DESCRIPTION_CHARS_MAX = 2_000;

/** A form; others see that somebody types into the column. */
export class Composer {
  element = make("form", { className: "composer", noValidate: true, dataset: { testid: "composer" } });

  #field = make("input", {
    type: "text", required: true, maxLength: TITLE_CHARS_MAX, autocomplete: "off", enterKeyHint: "done",
    placeholder: t("addTask"), dataset: { testid: "composer-input" },
  });
  #description = make("input", { type: "text", maxLength: DESCRIPTION_CHARS_MAX, autocomplete: "off", placeholder: t("description"), "aria-label": t("description") });
  #mine = make("input", { type: "checkbox" });
  #error = make("p", { className: "error", role: "alert", hidden: true });
  #acts;

  /**
   * @param {{ id: string, name: string }} list
   * @param {{ room: import("@herenow/client").Room, add(task: { title: string, description?: string, isMine: boolean }): Promise<void> }} acts
   */
  constructor(list, acts) {
    this.#acts = acts;
    this.#field.setAttribute("aria-label", t("addTo", { list: list.name }));
    const more = make("div", { className: "composer-more" },
      this.#description,
      make("label", {}, this.#mine, " ", t("assignMe")),
      make("button", { type: "submit", className: "add" }, t("add")));
    this.element.append(this.#field, more, this.#error);
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.element.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !event.isComposing) this.#clear();
    });
    for (const field of [this.#field, this.#description]) bindTyping(field, acts.room, { target: list.id });
  }

  async #submit() {
    const [title, description, isMine] = [this.#field.value.trim(), this.#description.value.trim(), this.#mine.checked];
    if (title === "") return;
    this.#clear();
    this.#field.focus();
    try {
      await this.#acts.add({ title, isMine, ...(description && { description }) });
    } catch (error) {
      if (this.#field.value === "") Object.assign(this.#field, { value: title });
      if (this.#description.value === "") this.#description.value = description;
      this.#mine.checked = isMine;
      this.#error.textContent = error instanceof TypeError ? t("failed") : error.message;
      this.#error.hidden = false;
    }
  }

  #clear() {
    this.#field.value = this.#description.value = "";
    this.#mine.checked = false;
    this.#error.hidden = true;
    this.#error.textContent = "";
  }
}
