// What happened on the board: tasks from the updates, people from the room, and who did it from those who did it.

import { button, make } from "./dom.js";
import { list, locale, t } from "./text.js";

const ENTRIES_MAX = 100;
/** People who come or go within this time share an entry. */
const TOGETHER_MS = 15_000;
/** How far apart a change and the word of who made it may arrive. */
const PAIRED_MS = 5_000;
const NAMES_MAX = 2;

const $ = (id) => document.getElementById(id);

/** The list of what happened; the newest is on top, and in the line at the foot. */
export class Feed {
  #entries = [];
  #isPaused = false;
  #waiting = [];
  #doers = new Map();

  constructor() {
    const pause = button("small", t("pause"), () => {
      this.#isPaused = !this.#isPaused;
      pause.textContent = t(this.#isPaused ? "resume" : "pause");
      if (!this.#isPaused) for (const entry of this.#waiting.splice(0)) this.#show(entry);
    });
    $("feed-tools").append(pause);
    setInterval(() => this.#age(), 10_000);
  }

  /** Somebody came or went: `kind` is `joined` or `left`. */
  person(kind, name) {
    const last = this.#entries[0];
    if (last?.kind === kind && Date.now() - last.at < TOGETHER_MS) {
      last.names.add(name);
      last.at = Date.now();
      return this.#draw(last);
    }
    this.#add({ kind, names: new Set([name]) });
  }

  /** A task changed; by whom is not known yet, or never will be. */
  task(kind, taskId, values) {
    const key = `${kind}:${taskId}`;
    const doer = this.#doers.get(key);
    const known = doer && Date.now() - doer.at < PAIRED_MS;
    if (known) this.#doers.delete(key);
    this.#add({ kind, key, values, who: known ? doer.name : null });
  }

  /** Somebody says that they did it. */
  doer(kind, taskId, name) {
    const key = `${kind}:${taskId}`;
    const entry = [...this.#waiting, ...this.#entries].find((entry) => entry.key === key && entry.who === null && Date.now() - entry.at < PAIRED_MS);
    if (!entry) return void this.#doers.set(key, { name, at: Date.now() });
    entry.who = name;
    if (entry.element) this.#draw(entry);
  }

  #add(entry) {
    entry.at = Date.now();
    if (this.#doers.size > ENTRIES_MAX) this.#doers.clear();
    if (!this.#isPaused) return this.#show(entry);
    this.#waiting.push(entry);
    if (this.#waiting.length > ENTRIES_MAX) this.#waiting.shift();
  }

  #show(entry) {
    entry.words = make("span", { className: "words" });
    entry.when = make("time", { className: "soft" });
    entry.element = make("li", { dataset: { kind: entry.kind } }, make("i", { "aria-hidden": "true" }), entry.words, entry.when);
    this.#entries.unshift(entry);
    $("feed").prepend(entry.element);
    for (const old of this.#entries.splice(ENTRIES_MAX)) old.element.remove();
    $("feed-empty").hidden = true;
    this.#draw(entry);
  }

  #draw(entry) {
    const sentence = sentenceOf(entry);
    entry.words.textContent = sentence;
    if (entry === this.#entries[0]) {
      $("last").textContent = sentence;
      $("last").title = sentence;
    }
    this.#age();
  }

  #age() {
    const format = new Intl.RelativeTimeFormat(locale, { style: "narrow", numeric: "auto" });
    for (const { at, when } of this.#entries) {
      const seconds = Math.round((Date.now() - at) / 1_000);
      when.textContent = seconds < 5 ? t("now") : seconds < 60 ? format.format(-seconds, "second") : format.format(-Math.round(seconds / 60), "minute");
    }
  }
}

/** Names while there are few; then the first, and how many more. */
function sentenceOf({ kind, names, who, values }) {
  if (!names) return t(`feed.${kind}`, { who: who ?? t("feed.somebody"), ...values });
  const all = [...names];
  return all.length > NAMES_MAX
    ? t(`feed.${kind}`, { names: list(all.slice(0, 1)), count: all.length - 1 })
    : t(`feed.${kind}`, { names: list(all), count: 1 });
}
