// The board of one person: ties the SDK, the updates and what is drawn together.

import "./net.js";
import { connect } from "/sdk.js";
import { BoardName } from "./board-name.js";
import { BoardView } from "./board-view.js";
import { drawPointers } from "./cursors.js";
import { Feed } from "./feed.js";
import { Alone, Badge, Faces, NodeName, TypingLine } from "./header.js";
import { openLab } from "./lab.js";
import { openMe, unseen } from "./me.js";
import { Menu } from "./menu.js";
import { openPanels } from "./panels.js";
import { addressOf, COLORS, followColors, identityFrom, setting } from "./person.js";
import { boardFrom, changed, emptyBoard, taskOf } from "./tasks.js";
import { speak, t } from "./text.js";
import { change, Updates } from "./updates.js";
import { openUse } from "./use.js";
import { Wire } from "./wire.js";

const KINDS = { task_created: "created", task_updated: "edited", task_moved: "moved", task_deleted: "deleted", board_updated: "boardRenamed", board_reset: "boardReset" };

const me = identityFrom(location.hash);
const asked = new URLSearchParams(location.search);
await speak(asked.get("lang") ?? setting(me.id, "language") ?? "en");

const transport = asked.get("transport");
const settings = { showCursors: "yes", shareCursor: "yes", calm: "no", invisible: "no" };
const is = (name) => (setting(me.id, name) ?? settings[name]) === "yes";
const client = connect({
  user: { id: me.id, name: me.name },
  ...(is("invisible") && { auth: () => unseen(me) }),
  ...(transport && { transports: [transport] }),
});
new Wire(client);
new NodeName(client);
// A page that was loaded again goes on with its session, but not with what was half written.
const room = client.room(me.board, { state: { focus: null, editing: null, draft: null, draftText: null, color: color() } });
followColors(room);
const updates = new Updates({ board: me.board, pollOnly: asked.get("updates") === "poll" });
const menu = new Menu(document.getElementById("menu"));
const feed = new Feed();
const columns = document.getElementById("columns");
const view = new BoardView(columns, {
  room,
  menu,
  userId: me.id,
  say: (sentence) => { document.getElementById("say").textContent = sentence; },
  done,
});
const ownAddress = `/boards/${encodeURIComponent(me.board)}`;
const boardName = new BoardName(document.getElementById("board-name"), {
  room,
  rename: async (name) => done({ type: "board_updated", ...(await change("PATCH", ownAddress, { name })) }),
});
const reset = async () => done({ type: "board_reset", ...(await change("POST", `${ownAddress}/reset`, {})) });
let board = emptyBoard;

new Faces(room);
new TypingLine(room);
new Badge(client, room);
room.ready.then(() => new Alone(room, (id) => addressOf({ id, board: me.board })), () => {});
openPanels();
openLab(document.getElementById("panel-lab"), { client, board: me.board, address: addressOf(me), reset });
openUse(document.getElementById("panel-use"), me.board);

room.on("join", ({ viewer }) => feed.person("joined", viewer.user.name));
room.on("leave", ({ viewer }) => feed.person("left", viewer.user.name));
room.onMessage("did", ({ kind, task }, from) => from && feed.doer(kind, task, from.name));

updates.addEventListener("board", ({ detail }) => {
  show(boardFrom(detail));
});
updates.addEventListener("event", ({ detail: event }) => {
  const id = subjectOf(event);
  const before = taskOf(board, id);
  apply(event);
  if (event.board) return feed.task(KINDS[event.type], id, { title: event.board.name });
  const found = taskOf(board, id) ?? before;
  if (found) feed.task(KINDS[event.type], id, { title: found.task.title, list: found.list.name });
});
updates.addEventListener("transport", () => {
  const line = document.getElementById("updates");
  line.dataset.transport = updates.transport;
  line.textContent = t(`updates.${updates.transport}`);
});

/** What an event is about: a task by its id, or the board. */
function subjectOf({ task, taskId }) {
  return task?.id ?? taskId ?? "board";
}

/** This page has changed something. The server does not know who asked, so whoever did says so. */
function done(event) {
  room.send("did", { kind: KINDS[event.type], task: subjectOf(event) }, { echo: true }).catch(() => {});
  apply(event);
}

function apply(event) {
  show(changed(board, event), event.task?.id);
}

function show(next, fresh) {
  board = next;
  boardName.show(board.name);
  document.title = `${board.name} · ${me.name}`;
  view.show(board, fresh);
}

// What somebody chose for this page.

/** The place of the chosen colour in the list. */
function color() {
  const at = Number(setting(me.id, "color") || NaN);
  return COLORS[at] ? at : null;
}

const reduced = matchMedia("(prefers-reduced-motion: reduce)");
const isCalm = () => reduced.matches || document.documentElement.hasAttribute("data-calm");
let endPointers = () => {};

function follow() {
  document.documentElement.toggleAttribute("data-calm", is("calm"));
  endPointers();
  const cursors = room.cursors(columns, { share: is("shareCursor") });
  const stopDrawing = is("showCursors") ? drawPointers(cursors, document.getElementById("pointers"), isCalm) : () => {};
  endPointers = () => {
    stopDrawing();
    cursors.stop();
  };
}
openMe(menu, {
  me,
  is,
  turn(name, on) {
    setting(me.id, name, on ? "yes" : "no");
    settings[name] = on ? "yes" : "no";
    // A token says who is not seen, and this page goes on with another.
    if (name === "invisible") return location.reload();
    follow();
  },
  color,
  dye(at) {
    setting(me.id, "color", at ?? "");
    room.set({ color: at });
  },
  speak(language) {
    setting(me.id, "language", language);
    location.reload();
  },
});
follow();

// The address says who one is: another address is another person.
window.addEventListener("hashchange", () => location.reload());

updates.start();
// For who opens the console and is curious.
Object.assign(globalThis, { herenow: { client, room } });
