// One task: its title, which can be edited in place, and its menu.

import { colorOf, initials } from "./person.js";
import { text } from "./text.js";
import { bindTyping } from "./typing.js";

const TITLE_CHARS_MAX = 200;

/** A card; `element` goes into a list. */
export class Card {
  element = document.createElement("li");
  id;

  #acts;
  #title = document.createElement("span");
  #menuButton = document.createElement("button");
  #assignee = document.createElement("span");
  #error = document.createElement("p");
  #field = null;
  #task = null;

  /**
   * @param {string} id of the task
   * @param {{ typing(target: string): void, stopTyping(target: string): void,
   *   rename(id: string, title: string): Promise<void>, menu(card: Card, button: HTMLElement): void }} acts
   */
  constructor(id, acts) {
    this.id = id;
    this.#acts = acts;
    this.element.className = "card";
    this.element.draggable = true;
    this.element.dataset.task = id;
    this.element.dataset.testid = "card";
    this.#title.className = "card-title";
    this.#title.tabIndex = 0;
    this.#title.setAttribute("role", "button");
    this.#title.setAttribute("aria-description", "Rename");
    this.#title.dataset.testid = "card-title";
    this.#title.addEventListener("click", () => this.edit());
    this.#title.addEventListener("keydown", (event) => {
      if (!["Enter", " ", "F2"].includes(event.key)) return;
      event.preventDefault();
      this.edit();
    });
    this.#menuButton.type = "button";
    this.#menuButton.className = "card-menu icon-button";
    this.#menuButton.textContent = "⋯";
    this.#menuButton.setAttribute("aria-haspopup", "menu");
    this.#menuButton.dataset.testid = "card-menu";
    this.#menuButton.addEventListener("click", () => acts.menu(this, this.#menuButton));
    this.#assignee.className = "avatar tiny assignee";
    this.#error.className = "error";
    this.#error.setAttribute("role", "alert");
    this.#error.hidden = true;
    this.element.append(this.#title, this.#menuButton, this.#assignee, this.#error);
  }

  /** Shows a task; what is being edited here stays as it is. */
  show(task) {
    this.#task = task;
    this.#title.textContent = task.title;
    this.#title.dir = "auto";
    this.#menuButton.setAttribute("aria-label", `More for ${task.title}`);
    this.#assignee.hidden = !task.assigneeId;
    if (!task.assigneeId) return;
    this.#assignee.dataset.color = colorOf(task.assigneeId);
    this.#assignee.textContent = initials(task.assigneeId);
    this.#assignee.title = `Assigned to ${task.assigneeId}`;
  }

  /** Lets the title be edited in place. */
  edit() {
    if (this.#field) return;
    const field = document.createElement("textarea");
    this.#field = field;
    field.className = "card-edit";
    field.dataset.testid = "card-edit";
    field.rows = 1;
    field.maxLength = TITLE_CHARS_MAX;
    field.setAttribute("aria-label", `Title of ${this.#task.title}`);
    field.value = this.#task.title;
    this.#title.hidden = true;
    this.#title.after(field);
    this.element.draggable = false;
    this.element.classList.add("editing");
    this.#complain("");
    const unbind = bindTyping(field, {
      start: () => this.#acts.typing(this.id),
      stop: () => this.#acts.stopTyping(this.id),
    });
    const close = (refocus) => {
      if (this.#field !== field) return;
      this.#field = null;
      unbind();
      field.remove();
      this.#title.hidden = false;
      this.element.draggable = true;
      this.element.classList.remove("editing");
      if (refocus) this.#title.focus();
    };
    const save = (refocus) => {
      if (this.#field !== field) return;
      const title = field.value.trim();
      const same = title === "" || title === this.#task.title;
      close(refocus);
      if (!same) this.#rename(title);
    };
    field.addEventListener("input", () => fit(field));
    field.addEventListener("keydown", (event) => {
      if (event.isComposing) return;
      if (event.key === "Escape") close(true);
      if (event.key !== "Enter") return;
      event.preventDefault();
      save(true);
    });
    field.addEventListener("blur", () => { if (!this.element.dataset.moving) save(false); });
    field.focus();
    field.select();
    fit(field);
  }

  /** Says on the card what went wrong. */
  complain(error) {
    this.#complain(error instanceof TypeError ? text.failed : error.message);
  }

  /** Draws the eye to it for a moment. */
  flash() {
    this.element.classList.remove("fresh");
    requestAnimationFrame(() => this.element.classList.add("fresh"));
    this.element.addEventListener("animationend", () => this.element.classList.remove("fresh"), { once: true });
  }

  /** Takes it off the page, with the typing that went on in it. */
  remove() {
    this.#field?.dispatchEvent(new Event("blur"));
    this.element.remove();
  }

  async #rename(title) {
    // Shown at once; if it is refused, the old title comes back.
    this.#title.textContent = title;
    try {
      await this.#acts.rename(this.id, title);
    } catch (error) {
      this.#title.textContent = this.#task.title;
      this.complain(error);
    }
  }

  #complain(sentence) {
    this.#error.textContent = sentence;
    this.#error.hidden = sentence === "";
  }
}

function fit(field) {
  field.style.height = "auto";
  field.style.height = `${field.scrollHeight}px`;
}
