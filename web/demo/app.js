// The board of one person: ties the SDK, the updates and what is drawn together.

import "./net.js";
import { connect } from "/sdk.js";
import { BoardView } from "./board-view.js";
import { drawPointers } from "./cursors.js";
import { Feed } from "./feed.js";
import { Alone, Badge, Faces, TypingLine } from "./header.js";
import { openLab } from "./lab.js";
import { openMe } from "./me.js";
import { Menu } from "./menu.js";
import { openPanels } from "./panels.js";
import { addressOf, identityFrom, setting } from "./person.js";
import { boardFrom, changed, emptyBoard, taskOf } from "./tasks.js";
import { speak, t } from "./text.js";
import { Updates } from "./updates.js";
import { openUse } from "./use.js";
import { Wire } from "./wire.js";

const KINDS = { task_created: "created", task_updated: "renamed", task_moved: "moved", task_deleted: "deleted" };

const me = identityFrom(location.hash);
const asked = new URLSearchParams(location.search);
await speak(asked.get("lang") ?? setting(me.id, "language") ?? "en");

const transport = asked.get("transport");
const client = connect({ user: { id: me.id, name: me.name }, ...(transport && { transports: [transport] }) });
new Wire(client);
// A page that was loaded again goes on with its session, but not with what was half written.
const room = client.room(me.board, { state: { focus: null, editing: null, draft: null } });
const updates = new Updates({ board: me.board, pollOnly: asked.get("updates") === "poll" });
const menu = new Menu(document.getElementById("menu"));
const feed = new Feed();
const columns = document.getElementById("columns");
const view = new BoardView(columns, {
  room,
  menu,
  userId: me.id,
  say: (sentence) => { document.getElementById("say").textContent = sentence; },
  done(event) {
    // The server does not know who asked, so whoever did says so.
    room.send("did", { kind: KINDS[event.type], task: event.task?.id ?? event.taskId }, { echo: true }).catch(() => {});
    apply(event);
  },
});
let board = emptyBoard;

new Faces(room);
new TypingLine(room);
new Badge(client, room);
room.ready.then(() => new Alone(room, (id) => addressOf({ id, board: me.board })), () => {});
openPanels();
openLab(document.getElementById("panel-lab"), { client, board: me.board, address: addressOf(me) });
openUse(document.getElementById("panel-use"), me.board);

room.on("join", ({ viewer }) => feed.person("joined", viewer.user.name));
room.on("leave", ({ viewer }) => feed.person("left", viewer.user.name));
room.onMessage("did", ({ kind, task }, from) => from && feed.doer(kind, task, from.name));

updates.addEventListener("board", ({ detail }) => {
  board = boardFrom(detail);
  document.getElementById("board-name").textContent = board.name;
  document.title = `${board.name} · ${me.name}`;
  view.show(board);
});
updates.addEventListener("event", ({ detail: event }) => {
  const id = event.task?.id ?? event.taskId;
  const before = taskOf(board, id);
  apply(event);
  const found = taskOf(board, id) ?? before;
  if (found) feed.task(KINDS[event.type], id, { title: found.task.title, list: found.list.name });
});
updates.addEventListener("transport", () => {
  const line = document.getElementById("updates");
  line.dataset.transport = updates.transport;
  line.textContent = t(`updates.${updates.transport}`);
});

function apply(event) {
  board = changed(board, event);
  view.show(board, event.task?.id);
}

// What somebody chose for this page.

const settings = { showCursors: "yes", shareCursor: "yes", calm: "no" };
const is = (name) => (setting(me.id, name) ?? settings[name]) === "yes";
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
    follow();
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
