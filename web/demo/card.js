// One task: its title and description, which can be edited in place by one person at a time, and its menu.

import { bindTyping } from "/sdk.js";
import { button, make, onLeft, set, setChip } from "./dom.js";
import { avatar, capitalized } from "./person.js";
import { sentenceOf } from "./header.js";
import { t } from "./text.js";

const TITLE_CHARS_MAX = 200;
const TEXT_CHARS_MAX = 2_000;
/** How much of a description is shown while it is written: a state has a limit, and the rest is seen once it is saved. */
const DRAFT_CHARS_MAX = 600;
/** How long somebody must not have typed until another may take over. */
const TAKE_OVER_MS = 30_000;
const DOTS_MAX = 3;

/** The name of the lock of a task. */
const lockOf = (id) => `edit:${id}`;

/** A card; `element` goes into a list. */
export class Card {
  id;
  element = make("li", { className: "card", draggable: true, dataset: { testid: "card" } });

  #acts;
  #title = make("span", { className: "card-title", tabIndex: 0, dir: "auto", role: "button", dataset: { testid: "card-title" } });
  #description = make("p", { className: "card-text", dir: "auto" });
  #menuButton = button("card-menu icon-button", "⋯", () => this.#acts.menu(this, this.#menuButton));
  #assignee = make("span", { className: "assignee" });
  #watchers = make("span", { className: "watchers", "aria-hidden": "true" });
  #notice = make("p", { className: "watch", role: "status", hidden: true, dataset: { testid: "watch" } });
  #takeOver = button("link", t("takeOver"), () => this.#take());
  #error = make("p", { className: "error", role: "alert", hidden: true });
  /** The title being edited, and beside it the description. */
  #field = null;
  #text = null;
  #lock = null;
  #holder = null;
  #waiting = null;
  #task = null;
  #draft = null;
  #movedAt = 0;
  #fence = 0;
  #isRefused = false;
  #idleTimer = 0;

  /**
   * @param {string} id of the task
   * @param {{ room: import("@herenow/client").Room, update(id: string, patch: { title?: string, description?: string }): Promise<void>,
   *   lift(card: Card): void, left(card: Card): void, menu(card: Card, button: HTMLElement): void }} acts
   */
  constructor(id, acts) {
    this.id = id;
    this.#acts = acts;
    this.element.dataset.task = id;
    this.#title.ariaDescription = t("cardHelp");
    this.#title.addEventListener("click", () => this.edit());
    this.#title.addEventListener("keydown", (event) => {
      if (event.target.closest(".lifted") || !["Enter", " ", "F2"].includes(event.key)) return;
      event.preventDefault();
      event.stopPropagation();
      if (event.key === " ") acts.lift(this);
      else this.edit();
    });
    this.#menuButton.setAttribute("aria-haspopup", "menu");
    this.#menuButton.dataset.testid = "card-menu";
    this.#takeOver.dataset.testid = "take-over";
    // Where one is looking is told, so that others see a face on the card.
    this.element.addEventListener("focusin", () => acts.room.set({ focus: id }));
    onLeft(this.element, () => {
      acts.room.set({ focus: null });
      this.#isRefused = false;
      if (!this.#waiting) this.#notice.hidden = true;
      acts.left(this);
    });
    this.element.append(this.#title, this.#menuButton, this.#description, make("div", { className: "card-foot" }, this.#assignee, this.#watchers), this.#notice, this.#error);
  }

  /** Shows a task; what is being edited here stays as it is. */
  show(task) {
    this.#task = task;
    this.#menuButton.setAttribute("aria-label", t("moreFor", { title: task.title }));
    this.#drawTexts();
    this.#drawAssignee();
  }

  /**
   * Shows who is at this card.
   * @param {{ holder?: import("@herenow/client").LockHolder, typists: readonly import("@herenow/client").User[],
   *   draft: { title: string, text: string } | null, watchers: readonly import("@herenow/client").User[] }} people
   */
  showPeople({ holder, typists, draft, watchers }) {
    this.#holder = holder && !holder.mine ? holder : null;
    if (holder?.mine && !this.#field && !this.#waiting) this.#tidy(holder.fence);
    const isSelf = this.#holder?.user.id === this.#acts.room.self.get()?.user.id;
    const editors = this.#holder && !isSelf ? [this.#holder.user] : this.#field ? [] : typists;
    setChip(this.element, editors, sentenceOf("editing", editors), typists.length > 0);
    this.element.classList.toggle("held", Boolean(this.#holder));
    const isOther = draft?.title !== this.#draft?.title || draft?.text !== this.#draft?.text;
    if (isOther || typists.length > 0) this.#movedAt = performance.now();
    this.#draft = this.#holder ? draft : null;
    this.#drawTexts();
    this.#drawAssignee();
    const seen = watchers.filter(({ id }) => id !== this.#holder?.user.id).slice(0, DOTS_MAX);
    const key = seen.map(({ id }) => id).join();
    if (this.#watchers.dataset.who !== key) {
      this.#watchers.dataset.who = key;
      this.#watchers.replaceChildren(...seen.map((user) => avatar(user, "tiny")));
    }
    if (!this.#holder) {
      set(this.#notice, { hidden: true });
    } else if (this.#field && !this.#lock) {
      this.#close(true);
      this.#watch();
    } else if (this.#isRefused) {
      this.#watch();
    }
    if (!this.#notice.hidden) this.#drawNotice();
  }

  /** Lets title and description be edited in place; where somebody else is at it, says so. */
  edit() {
    if (this.#field) return;
    this.#isRefused = false;
    if (this.#holder) return this.#watch();
    this.#open({ title: this.#task.title, text: this.#task.description ?? "" });
    this.#acquire();
  }

  /** Somebody wants to go on here: saves what there is, if it has been left alone. Returns whether it did. */
  yieldTo(name) {
    if (!this.#field || performance.now() - this.#movedAt < TAKE_OVER_MS) return false;
    this.#save(false);
    this.#complain(t("takenOver", { name }));
    return true;
  }

  /** Says on the card what went wrong. */
  complain(error) {
    this.#complain(error instanceof TypeError ? t("failed") : error.message);
  }

  /** Draws the eye to it for a moment. */
  flash() {
    this.element.classList.remove("fresh");
    requestAnimationFrame(() => this.element.classList.add("fresh"));
    this.element.addEventListener("animationend", () => this.element.classList.remove("fresh"), { once: true });
  }

  /** Takes it off the page, with the editing that went on in it. */
  remove() {
    if (this.#field) this.#close(false);
    this.#waiting?.abort();
    this.element.remove();
  }

  #drawTexts() {
    if (!this.#task) return;
    const { title, text } = this.#draft ?? { title: this.#task.title, text: this.#task.description ?? "" };
    set(this.#title, { textContent: title });
    set(this.#description, { textContent: text, hidden: text === "" || this.#field !== null });
  }

  #drawAssignee() {
    const id = this.#task?.assigneeId;
    if (!id) {
      if (this.#assignee.dataset.user) this.#assignee.replaceChildren();
      return void delete this.#assignee.dataset.user;
    }
    // Who has not been here yet is known by the id only.
    const here = this.#acts.room.viewers.get().find(({ user }) => user.id === id)?.user;
    if (!here && this.#assignee.dataset.user === id) return;
    const user = here ?? { id, name: capitalized(id) };
    const sentence = t("assigned", { name: user.name });
    if (this.#assignee.dataset.user === id && this.#assignee.title === sentence) return;
    this.#assignee.dataset.user = id;
    this.#assignee.title = sentence;
    this.#assignee.replaceChildren(avatar(user, "tiny"), make("bdi", {}, user.name));
  }

  async #acquire() {
    const { room } = this.#acts;
    const field = this.#field;
    let lock = null;
    try {
      lock = await room.lock(lockOf(this.id));
    } catch {
      // Without a connection nobody can be asked. Whoever writes last wins then, as it says in the badge.
      return;
    }
    if (this.#field !== field) return void lock?.release();
    if (!lock) {
      this.#close(true);
      return void this.#watch();
    }
    this.#keep(lock);
  }

  async #keep(lock) {
    const field = this.#field;
    this.#lock = lock;
    this.#fence = lock.fence;
    await lock.lost;
    if (this.#lock !== lock) return;
    this.#lock = null;
    // After an absence longer than grace: asks anew.
    if (this.#field === field) this.#acquire();
  }

  /** Lets go of what this session had before the page was loaded again, save for what is being let go of already. */
  #tidy(fence) {
    if (fence === this.#fence) return;
    this.#fence = fence;
    this.#acts.room.lock(lockOf(this.id)).then((lock) => lock?.release(), () => {});
  }

  /** @param {{ title: string, text: string }} start */
  #open({ title, text }) {
    const field = make("textarea", { className: "card-edit", rows: 1, maxLength: TITLE_CHARS_MAX, value: title, dataset: { testid: "card-edit" } });
    const more = make("textarea", { className: "card-edit card-text-edit", rows: 1, maxLength: TEXT_CHARS_MAX, value: text, placeholder: t("description"), dataset: { testid: "card-text-edit" } });
    const editor = make("div", { className: "editor" }, field, more);
    [this.#field, this.#text] = [field, more];
    field.setAttribute("aria-label", t("titleOf", { title: this.#task.title }));
    more.setAttribute("aria-label", t("textOf", { title: this.#task.title }));
    this.#title.hidden = this.#description.hidden = true;
    this.#title.after(editor);
    this.element.draggable = false;
    this.element.classList.add("editing");
    this.#complain("");
    this.#movedAt = performance.now();
    const { room } = this.#acts;
    const draft = () => room.set({ editing: this.id, draft: field.value, draftText: more.value.slice(0, DRAFT_CHARS_MAX) });
    for (const one of [field, more]) {
      bindTyping(one, room, { target: this.id });
      one.addEventListener("input", () => {
        this.#movedAt = performance.now();
        fit(one);
        draft();
      });
    }
    draft();
    editor.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.isComposing) return;
      if (event.key === "Escape") this.#close(true);
      // In the description a line may end; the title is one.
      if (event.key !== "Enter" || (event.target === more && !event.ctrlKey && !event.metaKey)) return;
      event.preventDefault();
      this.#save(true);
    });
    onLeft(editor, () => this.#field === field && this.#save(false));
    field.focus();
    field.select();
    for (const one of [field, more]) fit(one);
  }

  #close(refocus) {
    const editor = this.#field.parentElement;
    this.#field = this.#text = null;
    this.#lock?.release();
    this.#lock = null;
    this.#acts.room.set({ editing: null, draft: null, draftText: null });
    editor.remove();
    this.#title.hidden = false;
    this.#drawTexts();
    this.element.draggable = true;
    this.element.classList.remove("editing");
    if (refocus) this.#title.focus();
  }

  async #save(refocus) {
    if (!this.#field) return;
    const [title, description] = [this.#field.value.trim(), this.#text.value.trim()];
    this.#close(refocus);
    const patch = {
      ...(title !== "" && title !== this.#task.title && { title }),
      ...(description !== (this.#task.description ?? "") && { description }),
    };
    if (Object.keys(patch).length === 0) return;
    // Shown at once; if it is refused, the old texts come back.
    this.#title.textContent = title || this.#task.title;
    this.#description.textContent = description;
    this.#description.hidden = description === "";
    try {
      await this.#acts.update(this.id, patch);
    } catch (error) {
      this.#drawTexts();
      this.complain(error);
    }
  }

  #watch() {
    // The answer that somebody has it may come before the news of who.
    this.#isRefused = !this.#holder;
    if (this.#isRefused) return;
    this.#notice.hidden = false;
    this.#drawNotice();
    this.#title.focus();
  }

  #drawNotice() {
    const { room } = this.#acts;
    const { user } = this.#holder;
    const isIdle = room.viewers.get().some((viewer) => viewer.user.id === user.id && viewer.status === "idle");
    const rest = isIdle ? 0 : this.#movedAt + TAKE_OVER_MS - performance.now();
    const sentence = user.id === room.self.get()?.user.id ? t("ownTab") : t("watch", { name: user.name });
    if (this.#notice.dataset.says !== sentence) {
      this.#notice.dataset.says = sentence;
      this.#notice.replaceChildren(sentence, " ", this.#takeOver);
    }
    this.#takeOver.hidden = rest > 0 || Boolean(this.#waiting);
    clearTimeout(this.#idleTimer);
    if (rest > 0) this.#idleTimer = setTimeout(() => !this.#notice.hidden && this.#drawNotice(), rest + 10);
  }

  /** Gets in line for the lock, and asks whoever has it to let go. */
  async #take() {
    const { room } = this.#acts;
    this.#waiting = new AbortController();
    const written = this.#draft;
    room.send("take_over", { task: this.id }, { to: this.#holder.user.id }).catch((error) => this.complain(error));
    try {
      const lock = await room.lock(lockOf(this.id), { wait: true, signal: AbortSignal.any([this.#waiting.signal, AbortSignal.timeout(5_000)]) });
      this.#notice.hidden = true;
      // What they had written comes as a task in a moment; it is known already.
      this.#open(written ?? { title: this.#task.title, text: this.#task.description ?? "" });
      this.#keep(lock);
    } catch {
      // They are back at it, or gone for good; either way the card says who has it.
    } finally {
      this.#waiting = null;
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
