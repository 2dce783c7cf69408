// The head of the page: who is here, who is typing, and how the connection fares.

import { dots, hiddenText } from "./dom.js";
import { avatar } from "./person.js";
import { selfFirst } from "./roster.js";
import { text, typingText } from "./text.js";
import { Lingering } from "./typing.js";

const FACES_MAX = 5;
const BLIP_MS = 1_000;
const LOST_MS = 5_000;
const ANNOUNCE_MS = 10_000;
const ALONE_MS = 1_500;

const $ = (id) => document.getElementById(id);

/** Draws the faces; the row is as long as five and a number. */
export class Faces {
  #self;
  #drawn = "";

  /** @param {string} self the user id of this page */
  constructor(self) {
    this.#self = self;
  }

  /** Shows a roster; greyed if it is only the last known. */
  show({ people, stale }) {
    $("here").classList.toggle("stale", stale);
    const key = JSON.stringify([people.viewers, people.count]);
    if (key === this.#drawn) return;
    this.#drawn = key;
    const viewers = selfFirst(people.viewers, this.#self);
    const hidden = people.count - Math.min(viewers.length, FACES_MAX);
    $("stack").replaceChildren(...viewers.slice(0, FACES_MAX).map((viewer) => this.#face(viewer)));
    $("stack").setAttribute("aria-label", text.peopleViewing(people.count));
    $("more").hidden = hidden <= 0;
    $("more").textContent = `+${hidden}`;
    $("more").setAttribute("aria-label", text.showMore(hidden));
    $("count").textContent = people.count > 0 ? text.viewing(people.count) : "";
    $("everyone").replaceChildren(this.#everyone(viewers));
  }

  #face(viewer) {
    const item = document.createElement("li");
    const name = this.#nameOf(viewer);
    item.title = name;
    item.dataset.user = viewer.userId;
    item.append(avatar(viewer.userId, viewer.name), hiddenText(name));
    return item;
  }

  #everyone(viewers) {
    const list = document.createElement("ul");
    list.append(...viewers.map((viewer) => {
      const item = document.createElement("li");
      const name = document.createElement("bdi");
      name.textContent = this.#nameOf(viewer);
      item.append(avatar(viewer.userId, viewer.name, "small"), name);
      return item;
    }));
    return list;
  }

  #nameOf({ userId, name }) {
    return userId === this.#self ? text.you(name) : name;
  }
}

/** Draws the line that says who types, and tells it to screen readers, but not too often. */
export class TypingLine {
  #lingering = new Lingering(() => this.#draw());
  #current = new Map();
  #saidAt = -Infinity;

  /** Shows who types. */
  show({ people }) {
    const here = new Set(people.viewers.map((viewer) => viewer.userId));
    this.#current = new Map([...people.typing.values()].map((typist) => [typist.id, typist.name]));
    this.#lingering.forget((id) => !here.has(id));
    this.#draw();
  }

  #draw() {
    const sentence = typingText([...this.#lingering.update(this.#current).values()]);
    const line = $("typing");
    if (line.dataset.sentence === sentence) return;
    line.dataset.sentence = sentence;
    line.textContent = sentence;
    if (sentence) line.append(dots());
    this.#say(sentence);
  }

  /** Silence is told at once, but without a word; speech at most every ten seconds and to nobody who types himself. */
  #say(sentence) {
    const now = performance.now();
    if (sentence && (now - this.#saidAt < ANNOUNCE_MS || document.activeElement?.matches("input, textarea"))) return;
    if (sentence) this.#saidAt = now;
    $("say-typing").textContent = sentence;
  }
}

/** Draws how the connection fares. Says nothing of interruptions shorter than a second. */
export class Badge {
  #state = null;
  #blip = 0;
  #lost = 0;
  #countdown = 0;
  #wasLost = false;
  #pending = null;

  /** @param {() => void} retry what "Try now" does */
  constructor(retry) {
    $("retry").addEventListener("click", retry);
  }

  /** Takes the state of the connection; `settled` is called when the page may show it. */
  show(state, settled) {
    const blips = this.#state?.connection === "live" && state.connection === "reconnecting";
    if (blips && this.#blip === 0) {
      this.#blip = setTimeout(() => { this.#blip = -1; this.#settle(); }, BLIP_MS);
    }
    if (state.connection !== "reconnecting") {
      clearTimeout(this.#blip);
      this.#blip = 0;
    }
    this.#pending = { state, settled };
    if (this.#blip <= 0) this.#settle();
  }

  #settle() {
    const { state, settled } = this.#pending;
    this.#state = state;
    this.#draw();
    this.#announce(state);
    settled(state);
  }

  #draw() {
    clearTimeout(this.#countdown);
    const { connection, retryAt, hint } = this.#state;
    const waits = connection === "reconnecting" && retryAt !== null;
    const seconds = waits ? Math.ceil((retryAt - Date.now()) / 1_000) : 0;
    $("badge").dataset.state = connection;
    $("badge").title = hint;
    const word = text.connection[connection];
    $("badge-text").textContent = seconds > 0 ? text.retryIn(seconds) : word;
    $("badge-short").textContent = seconds > 0 ? text.retryInShort(seconds) : word;
    $("retry").hidden = !(waits && seconds > 0) && connection !== "offline";
    $("notice").hidden = connection !== "denied" || !hint;
    if (connection === "denied") $("notice").textContent = hint;
    if (seconds > 0) this.#countdown = setTimeout(() => this.#draw(), 250);
  }

  #announce({ connection }) {
    if (connection === "live") {
      clearTimeout(this.#lost);
      this.#lost = 0;
      $("say-now").textContent = "";
      if (this.#wasLost) $("say").textContent = text.restored;
      this.#wasLost = false;
    } else if (connection !== "connecting" && !this.#wasLost) {
      this.#wasLost = true;
      $("say").textContent = text.connection[connection];
      this.#lost = setTimeout(() => { $("say-now").textContent = text.lost; }, LOST_MS);
    }
  }
}

/** Draws the last thing that happened; or, to somebody alone, whom to invite. */
export class Activity {
  #self;
  #alone = 0;

  /** @param {string} self the user id of this page */
  constructor(self) {
    this.#self = self;
  }

  /** Shows what happened. */
  tell(sentence) {
    clearTimeout(this.#alone);
    $("activity").textContent = sentence;
    $("activity").title = sentence;
  }

  /** Offers company to who has been alone for a moment. */
  show({ connection, people }) {
    clearTimeout(this.#alone);
    const alone = connection === "live" && people.count === 1;
    if (alone) this.#alone = setTimeout(() => this.#invite(), ALONE_MS);
    else if ($("activity").dataset.invites) this.#clear();
  }

  #invite() {
    const link = document.createElement("a");
    const other = this.#self === "bob" ? "alice" : "bob";
    link.href = `/demo/board#as=${other}`;
    link.target = "_blank";
    link.rel = "noopener";
    link.textContent = other === "bob" ? text.openAsBob : text.openAsAlice;
    $("activity").replaceChildren(text.alone, " ", link);
    $("activity").dataset.invites = "yes";
  }

  #clear() {
    delete $("activity").dataset.invites;
    $("activity").textContent = "";
  }
}
