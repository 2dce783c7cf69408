// The head of the page: who is here, who is typing, and how the connection fares.

import { typingText } from "/sdk.js";
import { button, dots, hiddenText, make, set } from "./dom.js";
import { avatar } from "./person.js";
import { locale, message, t } from "./text.js";

const FACES_MAX = 5;
const SEARCH_FROM = 8;
const BLIP_MS = 1_000;
const LOST_MS = 5_000;
const ANNOUNCE_MS = 10_000;
const NODE_SHOWN = 4;

const $ = (id) => document.getElementById(id);

/** "Alice is typing" and the like in the language of the page; `what` is a key with `one`, `some` and `many`. */
export const sentenceOf = (what, users) => typingText(users, { locale, messages: message(what) });

/** How many tabs a viewer has: the list is newer than the number where there is one. */
const tabsOf = ({ sessions, sessionList }) => sessionList.length || sessions;

/** Draws the faces; the row is as long as five and a number. */
export class Faces {
  #room;
  #drawn = new Map();

  /** @param {import("@herenow/client").Room} room */
  constructor(room) {
    this.#room = room;
    for (const value of [room.viewers, room.count, room.faces]) value.subscribe(() => this.#draw(), { immediate: false });
    const dialog = $("everyone");
    $("more").addEventListener("click", () => {
      dialog.showModal();
      this.#list();
    });
    $("find").addEventListener("input", () => this.#list());
    dialog.querySelector(".close").addEventListener("click", () => dialog.close());
    // What is around the box is the dialog itself.
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  }

  #people() {
    const viewers = this.#room.viewers.get();
    // In a crowd there are faces, and an exact count.
    return viewers.length > 0 ? viewers : this.#room.faces.get().map((user) => ({ user, status: "active", sessions: 1, sessionList: [] }));
  }

  #draw() {
    const people = this.#people().slice(0, FACES_MAX);
    const { users } = this.#room.count.get();
    const before = this.#drawn;
    this.#drawn = new Map(people.map((viewer) => [viewer.user.id, this.#face(viewer, before.get(viewer.user.id))]));
    const items = [...this.#drawn.values()].map(({ item }) => item);
    if (items.length !== before.size || items.some((item, at) => item !== $("stack").children[at])) $("stack").replaceChildren(...items);
    set($("stack"), { ariaLabel: t("peopleViewing", { count: users }) });
    const hidden = users - people.length;
    set($("more"), { hidden: hidden <= 0, textContent: `+${hidden.toLocaleString(locale)}`, ariaLabel: t("showMore", { count: hidden }) });
    set($("count"), { textContent: users > 0 ? t("viewing", { count: users }) : "" });
    if ($("everyone").open) this.#list();
  }

  #face(viewer, before) {
    const { user, status } = viewer;
    const tabs = tabsOf(viewer);
    const key = JSON.stringify([user, status, tabs]);
    if (before?.key === key) return before;
    const item = before?.item ?? make("li", { dataset: { user: user.id } });
    item.dataset.status = status;
    const says = [nameOf(viewer), t(status), ...(tabs > 1 ? [t("tabs", { count: tabs })] : [])].join(", ");
    item.title = says;
    item.replaceChildren(avatar(user), make("i", { className: "dot" }), hiddenText(says));
    if (tabs > 1) item.append(make("b", { className: "tabs", "aria-hidden": "true" }, tabs.toLocaleString(locale)));
    return { key, item };
  }

  #list() {
    const people = this.#people();
    const wanted = $("find").value.toLocaleLowerCase();
    $("find").hidden = people.length < SEARCH_FROM;
    const shown = people.filter(({ user }) => user.name.toLocaleLowerCase().includes(wanted));
    $("everyone-list").replaceChildren(...shown.map((viewer) =>
      make("li", {}, avatar(viewer.user, "small"), make("bdi", {}, nameOf(viewer)), make("span", { className: "soft" }, t(viewer.status)))));
  }
}

const nameOf = ({ user, self }) => (self ? t("you", { name: user.name }) : user.name);

/** Draws the line that says who types, and tells it to screen readers, but not too often. */
export class TypingLine {
  #saidAt = -Infinity;

  /** @param {import("@herenow/client").Room} room */
  constructor(room) {
    room.typing.users.subscribe((users) => this.#draw(sentenceOf("typing", users)));
  }

  #draw(sentence) {
    const line = $("typing");
    // Of several people, one more or less is no other sentence.
    if (line.dataset.sentence === sentence) return;
    line.dataset.sentence = sentence;
    line.replaceChildren(sentence, ...(sentence ? [dots()] : []));
    // Silence is told at once, but without a word; speech at most every ten seconds and to nobody who types himself.
    const now = performance.now();
    if (sentence && (now - this.#saidAt < ANNOUNCE_MS || document.activeElement?.matches("input, textarea"))) return;
    if (sentence) this.#saidAt = now;
    $("say-typing").textContent = sentence;
  }
}

/** What the badge shows for a state of the client. */
function lookOf(state) {
  switch (state.name) {
    case "online": return state.draining ? "draining" : state.transport === "ws" ? "live" : state.transport;
    case "closed": return !state.cause ? "closed" : state.cause.code === "auth.missing" ? "signedOut" : "denied";
    case "idle":
    case "suspended": return "connecting";
    default: return state.name;
  }
}

/** Draws how the connection fares. Says nothing of interruptions shorter than a second. */
export class Badge {
  #client;
  #blip = 0;
  #lost = 0;
  #countdown = 0;
  #wasLost = false;
  #shown = "connecting";

  /** @param {import("@herenow/client").Client} client @param {import("@herenow/client").Room} room */
  constructor(client, room) {
    this.#client = client;
    $("retry").addEventListener("click", () => client.reconnect());
    client.state.subscribe((state) => this.#take(state));
    client.on("lost", () => $("here").classList.add("stale"));
    room.status.subscribe((status) => {
      // Doubt that the server tells shows at once; an absence when it has lasted.
      if (status === "joined") $("here").classList.remove("stale");
      else if (status === "stale" && client.state.get().name === "online") $("here").classList.add("stale");
    });
    room.on("error", (error) => !error.retryable && this.deny(error));
    room.ready.catch((error) => this.deny(error));
  }

  /** Shows that there is no way in, and what to do about it. */
  deny(error) {
    $("notice").hidden = false;
    $("notice").textContent = error.code === "room.removed" ? t("removed") : error.hint || error.message;
  }

  #take(state) {
    const isAway = state.name !== "online";
    if (isAway && this.#shown !== "connecting" && this.#shown !== "closed" && state.name !== "closed") {
      this.#blip ||= setTimeout(() => this.#settle(), BLIP_MS);
      if (this.#shown === "live") return;
    }
    if (!isAway) {
      clearTimeout(this.#blip);
      this.#blip = 0;
    }
    this.#settle();
  }

  #settle() {
    const state = this.#client.state.get();
    const look = (this.#shown = lookOf(state));
    this.#draw(state, look);
    this.#announce(look);
    if (state.name === "closed") {
      $("here").classList.add("stale");
      if (state.cause) this.deny(state.cause);
    } else {
      $("notice").hidden = true;
    }
  }

  #draw(state, look) {
    clearTimeout(this.#countdown);
    const seconds = state.retryAt ? Math.max(0, Math.ceil((state.retryAt - Date.now()) / 1_000)) : 0;
    const word = t(`connection.${look}`);
    $("badge").dataset.state = look;
    $("badge").title = state.cause?.message ?? "";
    $("badge-text").textContent = seconds > 0 ? t("retryIn", { count: seconds }) : word;
    $("badge-short").textContent = seconds > 0 ? t("retryInShort", { count: seconds }) : word;
    $("retry").hidden = !(seconds > 0 || ["offline", "closed", "signedOut"].includes(look));
    if (seconds > 0) this.#countdown = setTimeout(() => this.#draw(this.#client.state.get(), lookOf(this.#client.state.get())), 250);
  }

  #announce(look) {
    if (["live", "sse", "poll"].includes(look)) {
      clearTimeout(this.#lost);
      $("say-now").textContent = "";
      if (this.#wasLost) $("say").textContent = t("restored");
      this.#wasLost = false;
    } else if (look !== "connecting" && !this.#wasLost) {
      this.#wasLost = true;
      $("say").textContent = t(`connection.${look}`);
      if (look !== "closed") this.#lost = setTimeout(() => { $("say-now").textContent = t("lost"); }, LOST_MS);
    }
  }
}

/** Says which node a connection is on, where there are several. */
export class NodeName {
  /** @param {import("@herenow/client").Client} client */
  constructor(client) {
    client.on("frame", ({ direction, frame }) => direction === "in" && frame.type === "welcome" && this.#show(frame.node));
  }

  async #show(id) {
    const { cluster } = await fetch("/readyz").then((answer) => answer.json()).catch(() => ({}));
    set($("node"), { hidden: !cluster, title: id, textContent: t("node", { name: id.slice(0, NODE_SHOWN) }) });
  }
}

/** Offers company to somebody who is alone. */
export class Alone {
  #place = $("alone");

  /** @param {import("@herenow/client").Room} room @param {(other: string) => string} addressOf of the board as seen by somebody */
  constructor(room, addressOf) {
    const self = room.self.get()?.user.id;
    const other = self === "bob" ? "alice" : "bob";
    const name = other === "bob" ? "Bob" : "Alice";
    const copy = button("link", t("copyLink"), async () => {
      await navigator.clipboard.writeText(new URL(addressOf(""), location.href).href).catch(() => {});
      copy.textContent = t("copied");
    });
    const open = make("a", { href: addressOf(other), target: "_blank", rel: "noopener" }, t("openAs", { name }));
    this.#place.replaceChildren(t("alone"), " ", copy, " · ", open);
    room.count.subscribe(({ users }) => { this.#place.hidden = users !== 1; });
  }
}
