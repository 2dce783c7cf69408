// Draws the columns. Elements stay the same as long as their tasks do, so that nobody's focus or editing is lost when
// somebody else changes something.

import { Card } from "./card.js";
import { Composer } from "./composer.js";
import { Dragging } from "./dragging.js";
import { Menu } from "./menu.js";
import { placeBefore, setChip } from "./dom.js";
import { taskOf } from "./tasks.js";
import { text } from "./text.js";
import { Lingering } from "./typing.js";
import { change } from "./updates.js";

/** The columns with their cards. */
export class BoardView {
  #root;
  #acts;
  #board = { lists: [] };
  #columns = new Map();
  #cards = new Map();
  #menu = new Menu(document.getElementById("menu"));
  #dragging;
  #typing = new Map();
  #lingering = new Lingering(() => this.#drawTyping());

  /**
   * @param {HTMLElement} root where the columns go
   * @param {{ typing(target: string): void, stopTyping(target: string): void, say(sentence: string): void }} acts
   */
  constructor(root, acts) {
    this.#root = root;
    this.#acts = acts;
    this.#dragging = new Dragging(root, (taskId, listId, position) => this.#move(taskId, listId, position));
  }

  /** Shows a board; the task `fresh` has just changed. */
  show(board, fresh) {
    this.#board = board;
    for (const list of board.lists) this.#showList(list, fresh);
    for (const [id, card] of this.#cards) {
      if (!taskOf(board, id)) this.#drop(id, card);
    }
    this.#drawTyping();
  }

  /** Marks the cards and columns into which others type. */
  showTyping(people) {
    this.#typing = people.typing;
    this.#lingering.forget((_, typist) => !people.viewers.some((viewer) => viewer.userId === typist.id));
    this.#drawTyping();
  }

  #showList(list, fresh) {
    let column = this.#columns.get(list.id);
    if (!column) {
      column = this.#makeColumn(list);
      this.#columns.set(list.id, column);
      this.#root.append(column.element);
    }
    column.name.textContent = list.name;
    column.count.textContent = list.tasks.length;
    list.tasks.forEach((task, index) => {
      let card = this.#cards.get(task.id);
      if (!card) {
        card = new Card(task.id, this.#cardActs());
        this.#cards.set(task.id, card);
      }
      card.show(task);
      // The mark of a drag may stand between the cards.
      const before = column.cards.querySelectorAll(":scope > .card")[index] ?? null;
      if (before !== card.element) placeBefore(column.cards, card.element, before);
      if (task.id === fresh) card.flash();
    });
    column.empty.hidden = list.tasks.length > 0;
  }

  #makeColumn(list) {
    const element = document.createElement("section");
    element.className = "column";
    element.dataset.list = list.id;
    element.dataset.testid = `list-${list.id}`;
    const head = document.createElement("header");
    const name = document.createElement("h2");
    name.id = `name-${list.id}`;
    element.setAttribute("aria-labelledby", name.id);
    const count = document.createElement("span");
    count.className = "tally";
    head.append(name, count);
    const cards = document.createElement("ul");
    cards.className = "cards";
    cards.setAttribute("aria-labelledby", name.id);
    const empty = document.createElement("p");
    empty.className = "empty";
    empty.textContent = "Nothing here yet";
    const composer = new Composer(list, {
      typing: this.#acts.typing,
      stopTyping: this.#acts.stopTyping,
      add: (title) => change("POST", "/tasks", { listId: list.id, title }),
    });
    element.append(head, cards, empty, composer.element);
    return { element, name, count, cards, empty, composer };
  }

  #cardActs() {
    return {
      typing: this.#acts.typing,
      stopTyping: this.#acts.stopTyping,
      rename: (id, title) => change("PATCH", `/tasks/${encodeURIComponent(id)}`, { title }),
      menu: (card, button) => this.#openMenu(card, button),
    };
  }

  #openMenu(card, button) {
    const { list, index, task } = taskOf(this.#board, card.id);
    const items = [{ label: "Rename", act: () => card.edit() }];
    for (const other of this.#board.lists.filter((other) => other.id !== list.id)) {
      items.push({ label: `Move to ${other.name}`, act: () => this.#move(task.id, other.id, other.tasks.length) });
    }
    if (index > 0) items.push({ label: "Move up", act: () => this.#move(task.id, list.id, index - 1) });
    if (index < list.tasks.length - 1) items.push({ label: "Move down", act: () => this.#move(task.id, list.id, index + 1) });
    items.push({ label: "Delete", danger: true, act: () => this.#delete(card) });
    this.#menu.open(button, items);
  }

  async #move(taskId, listId, position) {
    const card = this.#cards.get(taskId);
    try {
      await change("PATCH", `/tasks/${encodeURIComponent(taskId)}/move`, { listId, position });
      const title = taskOf(this.#board, taskId)?.task.title ?? "";
      const list = this.#board.lists.find((list) => list.id === listId);
      const others = list.tasks.filter((task) => task.id !== taskId).length;
      this.#acts.say(text.placed(title, list.name, position + 1, others + 1));
    } catch (error) {
      card?.complain(error);
    }
  }

  async #delete(card) {
    try {
      await change("DELETE", `/tasks/${encodeURIComponent(card.id)}`);
    } catch (error) {
      card.complain(error);
    }
  }

  #drop(id, card) {
    const hadFocus = card.element.contains(document.activeElement);
    const next = card.element.nextElementSibling ?? card.element.previousElementSibling;
    const column = card.element.closest(".column");
    card.remove();
    this.#cards.delete(id);
    if (hadFocus) (next?.querySelector(".card-menu") ?? column?.querySelector("input"))?.focus();
  }

  #drawTyping() {
    const current = new Map();
    for (const typist of this.#typing.values()) {
      for (const target of typist.targets) current.set(JSON.stringify([typist.id, target]), { ...typist, target });
    }
    const shown = [...this.#lingering.update(current).values()];
    for (const [id, card] of this.#cards) setChip(card.element, shown.filter((typist) => typist.target === id));
    for (const [id, column] of this.#columns) {
      setChip(column.composer.element, shown.filter((typist) => typist.target === id));
    }
  }
}
