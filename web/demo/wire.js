// The frames that go over the wire, with what they mean in plain words.

import { button, make } from "./dom.js";
import { t } from "./text.js";

const FRAMES_MAX = 50;
/** Frames that come in streams: a run of them is one line with a number. */
const STREAMS = new Set(["cursor", "cursors", "ping", "pong"]);

const $ = (id) => document.getElementById(id);

/** The last frames of a client. Told in English, as frames are. */
export class Wire {
  #lines = [];
  #isPaused = false;
  #isShown = false;
  #drawing = 0;

  /** @param {import("@herenow/client").Client} client */
  constructor(client) {
    client.on("frame", ({ direction, frame }) => this.#isPaused || this.#add(direction, frame));
    new IntersectionObserver((seen) => {
      this.#isShown = seen.at(-1).isIntersecting;
      this.#draw();
    }).observe($("panel-wire"));
    const filter = $("filter");
    filter.placeholder = t("filter");
    filter.ariaLabel = t("filter");
    filter.addEventListener("input", () => this.#filter());
    const pause = button("small", t("pause"), () => {
      this.#isPaused = !this.#isPaused;
      pause.textContent = t(this.#isPaused ? "resume" : "pause");
    });
    const copy = button("small", t("copy"), async () => {
      const shown = this.#lines.filter(({ element }) => element && !element.hidden);
      const text = shown.map(({ direction, frame }) => `${direction} ${JSON.stringify(frame)}`).join("\n");
      await navigator.clipboard.writeText(text).catch(() => {});
      copy.textContent = t("copied");
      setTimeout(() => { copy.textContent = t("copy"); }, 1_500);
    });
    $("wire-tools").append(pause, copy);
  }

  #add(direction, frame) {
    const [last] = this.#lines;
    if (STREAMS.has(frame.type) && last?.direction === direction && last.frame.type === frame.type) {
      last.frame = frame;
      last.count += 1;
    } else {
      this.#lines.unshift({ direction, frame, count: 1 });
      for (const old of this.#lines.splice(FRAMES_MAX)) old.element?.remove();
    }
    this.#draw();
  }

  /** With the next frame of the screen, and only while somebody can look. */
  #draw() {
    if (!this.#isShown || this.#drawing) return;
    this.#drawing = requestAnimationFrame(() => {
      this.#drawing = 0;
      for (const line of this.#lines.toReversed()) {
        if (!line.element) $("frames").prepend(this.#make(line));
        if (line.shown === line.count) continue;
        line.shown = line.count;
        if (line.count > 1) line.times.textContent = `×${line.count}`;
        if (line.element.open) line.json.textContent = JSON.stringify(line.frame, null, 1);
      }
      $("wire-empty").hidden = this.#lines.length > 0;
    });
  }

  #make(line) {
    const { direction, frame } = line;
    Object.assign(line, { times: make("span", { className: "soft" }), json: make("pre") });
    const arrow = make("i", { className: direction, "aria-hidden": "true" }, direction === "in" ? "↓" : "↑");
    const head = make("summary", {}, arrow, make("b", {}, frame.type), " ", line.times, make("span", { className: "caption" }, caption(direction, frame)));
    line.element = make("details", { dataset: { type: frame.type, direction } }, head, line.json);
    line.element.addEventListener("toggle", () => { line.json.textContent = JSON.stringify(line.frame, null, 1); });
    this.#filterLine(line);
    return line.element;
  }

  #filter() {
    for (const line of this.#lines) if (line.element) this.#filterLine(line);
  }

  #filterLine(line) {
    const wanted = $("filter").value.toLowerCase();
    line.element.hidden = wanted !== "" && !JSON.stringify(line.frame).toLowerCase().includes(wanted);
  }
}

const count = (number, one) => `${number} ${one}${number === 1 ? "" : "s"}`;
const into = ({ target }) => (target ? ` into ${target}` : "");

const SENT = {
  join: ({ since }) => (since ? "Back again: tell me what I missed." : "Let me into the room."),
  leave: () => "I leave; no grace, please.",
  typing: (frame) => `I am typing${into(frame)}. Good for six seconds.`,
  stop_typing: (frame) => `I stopped typing${into(frame)}.`,
  update: ({ state }) => `Share of mine: ${Object.keys(state).join(", ")}.`,
  cursor: ({ x }) => (x === null ? "Hide my pointer." : "My pointer is here."),
  lock: ({ name, wait }) => `May I have “${name}”${wait ? ", when it is free" : ""}?`,
  unlock: ({ name }) => `I am done with “${name}”.`,
  message: ({ event, to }) => `Tell ${to ?? "everyone here"}: ${event}.`,
  status: ({ status }) => `I am ${status}.`,
  sync: () => "I lost count: the roster, please.",
  auth: () => "Here is a fresh token.",
  ping: () => "Are you there?",
};

const HEARD = {
  welcome: ({ user, resumed, node }) =>
    `Welcome, ${user.name}. ${resumed ? "Your session goes on" : "This is a new session"}, on node ${String(node).slice(0, 4)}.`,
  roster: ({ viewers, count: { users } }) => `All who are here: ${count(viewers?.length ?? users, "viewer")}.`,
  diff: ({ joined = [], left = [], updated = [] }) =>
    [
      joined.length && `${joined.map(({ user }) => user.name).join(", ")} joined`,
      left.length && `${left.map(({ id, reason }) => `${id} is gone (${reason})`).join(", ")}`,
      updated.length && `${updated.map(({ user }) => user.name).join(", ")} changed`,
    ].filter(Boolean).join("; ") + "." || "Nothing changed.",
  count: ({ count: { users } }) => `${users} are here; too many for a list.`,
  sessions: ({ user, list }) => `${user} has ${count(list.length, "tab")} open.`,
  typing: (frame) => `${frame.user.name} ${frame.on ? "is typing" : "stopped typing"}${into(frame)}.`,
  cursors: ({ at }) => `${count(at.length, "pointer")} moved.`,
  lock: ({ name, holder }) => (holder ? `${holder.name} has “${name}” now.` : `“${name}” is free.`),
  message: ({ event, from }) => `${from?.name ?? "The server"} says: ${event}.`,
  ack: ({ held }) => (held === undefined ? "Done." : held ? "It is yours." : "Somebody else has it."),
  error: ({ message }) => `Refused: ${message}.`,
  removed: ({ reason }) => `You are out of the room: ${reason}.`,
  stale: () => "What I know of this room may be old.",
  fresh: () => "What I know of this room is current again.",
  draining: () => "I am about to restart: come back in a moment.",
  pong: () => "I am here.",
};

/** What a frame says, in a sentence. */
function caption(direction, frame) {
  const say = (direction === "out" ? SENT : HEARD)[frame.type];
  return say ? say(frame) : "";
}
