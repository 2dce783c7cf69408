// Draws the columns. Elements stay the same as long as their tasks do, so that nobody's focus or editing is lost when
// somebody else changes something.

import { Card } from "./card.js";
import { Composer } from "./composer.js";
import { Dragging } from "./dragging.js";
import { make, placeBefore, setChip } from "./dom.js";
import { sentenceOf } from "./header.js";
import { changed, taskOf } from "./tasks.js";
import { t } from "./text.js";
import { change } from "./updates.js";

/** How many others a card can be given to by its menu. */
const ASSIGNABLE_MAX = 5;

/** What somebody is writing. A state is whatever its sender likes. */
function draftOf({ draft, draftText }) {
  return typeof draft === "string" ? { title: draft, text: typeof draftText === "string" ? draftText : "" } : null;
}

/** The columns with their cards. */
export class BoardView {
  #root;
  #acts;
  #board = { lists: [] };
  #columns = new Map();
  #cards = new Map();
  /** The card that the keyboard holds, and where it is held. */
  #lift = null;
  #drawing = 0;

  /**
   * @param {HTMLElement} root where the columns go
   * @param {{ room: import("@herenow/client").Room, menu: import("./menu.js").Menu, userId: string,
   *   say(sentence: string): void, done(event: object): void }} acts `done` hears what this page has changed
   */
  constructor(root, acts) {
    this.#root = root;
    this.#acts = acts;
    new Dragging(root, (taskId, listId, position) => this.#move(taskId, listId, position));
    root.addEventListener("keydown", (event) => event.target.closest(".lifted") && this.#key(event));
    const { room } = acts;
    const later = () => {
      this.#drawing ||= requestAnimationFrame(() => this.#drawPeople());
    };
    for (const value of [room.viewers, room.locks, room.typing.users]) value.subscribe(later, { immediate: false });
    room.onMessage("take_over", ({ task }, from) => from && this.#cards.get(task)?.yieldTo(from.name));
  }

  /** Shows a board; the task `fresh` has just changed. */
  show(board, fresh) {
    this.#board = board;
    if (this.#lift && !taskOf(board, this.#lift.id)) this.#lift = null;
    this.#draw(fresh);
  }

  #draw(fresh) {
    const board = this.#lift ? changed(this.#board, { type: "task_moved", task: this.#lift }) : this.#board;
    for (const list of board.lists) this.#showList(list, fresh);
    for (const [id, card] of this.#cards) {
      if (!taskOf(board, id)) this.#remove(id, card);
    }
    this.#drawPeople();
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
    const id = `name-${list.id}`;
    const name = make("h2", { id });
    const count = make("span", { className: "tally" });
    const cards = make("ul", { className: "cards", "aria-labelledby": id });
    const empty = make("p", { className: "empty" }, t("boardIsEmpty"));
    const composer = new Composer(list, {
      room: this.#acts.room,
      add: async ({ isMine, ...task }) => {
        const { task: made } = await change("POST", "/tasks", { listId: list.id, ...task, ...(isMine && { assigneeId: this.#acts.userId }) });
        this.#acts.done({ type: "task_created", task: made });
      },
    });
    const element = make("section", { className: "column", "aria-labelledby": id, dataset: { list: list.id, testid: `list-${list.id}` } },
      make("header", {}, name, count), cards, empty, composer.element);
    return { element, name, count, cards, empty, composer };
  }

  #cardActs() {
    return {
      room: this.#acts.room,
      update: (id, patch) => this.#update(id, patch),
      lift: (card) => this.#pickUp(card),
      left: (card) => card.element.classList.contains("lifted") && this.#drop(false),
      menu: (card, button) => this.#openMenu(card, button),
    };
  }

  async #update(id, patch) {
    const { task } = await change("PATCH", `/tasks/${encodeURIComponent(id)}`, patch);
    this.#acts.done({ type: "task_updated", task });
  }

  #openMenu(card, button) {
    const { list, index, task } = taskOf(this.#board, card.id);
    const items = [{ label: t("edit"), act: () => card.edit() }];
    for (const other of this.#board.lists.filter((other) => other.id !== list.id)) {
      items.push({ label: t("moveTo", { list: other.name }), act: () => this.#move(task.id, other.id, other.tasks.length) });
    }
    if (index > 0) items.push({ label: t("up"), act: () => this.#move(task.id, list.id, index - 1) });
    if (index < list.tasks.length - 1) items.push({ label: t("down"), act: () => this.#move(task.id, list.id, index + 1) });
    const assign = (id) => () => this.#update(card.id, { assigneeId: id }).catch((error) => card.complain(error));
    const { userId, room } = this.#acts;
    const others = room.others.get().map(({ user }) => user).filter(({ id }) => id !== task.assigneeId).slice(0, ASSIGNABLE_MAX);
    items.push(null);
    if (task.assigneeId !== userId) items.push({ label: t("assignMe"), act: assign(userId) });
    for (const { id, name } of others) items.push({ label: t("assignTo", { name }), act: assign(id) });
    if (task.assigneeId) items.push({ label: t("unassign"), act: assign("") });
    items.push(null, { label: t("delete"), danger: true, act: () => this.#delete(card) });
    this.#acts.menu.open(button, items);
  }

  #pickUp(card) {
    const { list, index, task } = taskOf(this.#board, card.id);
    this.#lift = { id: task.id, listId: list.id, position: index };
    card.element.classList.add("lifted");
    this.#acts.say(t("lifted", { title: task.title }));
  }

  /** Moves the card that is held, where the key says so. */
  #key(event) {
    const { lists } = this.#board;
    const lift = this.#lift;
    const forward = document.dir === "rtl" ? "ArrowLeft" : "ArrowRight";
    const step = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] }[event.key];
    if (event.key === "Escape") this.#drop(false);
    else if (event.key === " " || event.key === "Enter") this.#drop(true);
    else if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    if (!step) return;
    const aside = step[0] === 0 ? 0 : event.key === forward ? 1 : -1;
    const list = lists[Math.min(Math.max(lists.findIndex(({ id }) => id === lift.listId) + aside, 0), lists.length - 1)];
    const of = list.tasks.filter(({ id }) => id !== lift.id).length + 1;
    const position = Math.min(Math.max(lift.position + step[1], 0), of - 1);
    this.#lift = { id: lift.id, listId: list.id, position };
    this.#draw();
    this.#cards.get(lift.id).element.scrollIntoView({ block: "nearest", inline: "nearest" });
    this.#acts.say(t("at", { list: list.name, at: position + 1, of }));
  }

  #drop(isMeant) {
    const { id, listId, position } = this.#lift;
    this.#cards.get(id).element.classList.remove("lifted");
    const { task, list, index } = taskOf(this.#board, id);
    if (isMeant && (list.id !== listId || index !== position)) return void this.#move(id, listId, position);
    this.#lift = null;
    this.#draw();
    this.#acts.say(t("cancelled", { title: task.title }));
  }

  /** Shows the move at once; if it is refused, the card goes back. */
  async #move(taskId, listId, position) {
    const card = this.#cards.get(taskId);
    this.#lift = { id: taskId, listId, position };
    this.#draw();
    try {
      await change("PATCH", `/tasks/${encodeURIComponent(taskId)}/move`, { listId, position });
      const { task } = taskOf(this.#board, taskId);
      const list = this.#board.lists.find((list) => list.id === listId);
      const of = list.tasks.filter(({ id }) => id !== taskId).length + 1;
      this.#lift = null;
      this.#acts.done({ type: "task_moved", task: { id: taskId, listId, position } });
      this.#acts.say(t("placed", { title: task.title, list: list.name, at: position + 1, of }));
    } catch (error) {
      this.#lift = null;
      this.#draw();
      card?.complain(error);
    }
  }

  async #delete(card) {
    try {
      await change("DELETE", `/tasks/${encodeURIComponent(card.id)}`);
      this.#acts.done({ type: "task_deleted", taskId: card.id });
    } catch (error) {
      card.complain(error);
    }
  }

  #remove(id, card) {
    const hadFocus = card.element.contains(document.activeElement);
    const next = card.element.nextElementSibling ?? card.element.previousElementSibling;
    const column = card.element.closest(".column");
    card.remove();
    this.#cards.delete(id);
    if (hadFocus) (next?.querySelector(".card-title") ?? column?.querySelector("input"))?.focus();
  }

  #drawPeople() {
    cancelAnimationFrame(this.#drawing);
    this.#drawing = 0;
    const { room } = this.#acts;
    const locks = room.locks.get();
    const at = new Map();
    const of = (id) => at.get(id) ?? at.set(id, { typists: [], watchers: [], drafts: new Map() }).get(id);
    for (const { user, typing, state } of room.others.get()) {
      for (const target of typing) of(target).typists.push(user);
      if (state.focus) of(state.focus).watchers.push(user);
      if (state.editing) of(state.editing).drafts.set(user.id, draftOf(state));
    }
    for (const [id, card] of this.#cards) {
      const { typists, watchers, drafts } = of(id);
      const holder = locks.get(`edit:${id}`);
      const draft = drafts.get(holder?.user?.id);
      card.showPeople({ holder: holder?.user && holder, typists, watchers, draft: draft ?? null });
    }
    for (const [id, column] of this.#columns) {
      const { typists } = of(id);
      setChip(column.composer.element, typists, sentenceOf("typing", typists), true);
    }
  }
}
