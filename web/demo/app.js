// The board of one person: ties the connection, the updates and what is drawn together.

import { BoardView } from "./board-view.js";
import { Activity, Badge, Faces, TypingLine } from "./header.js";
import { identityFrom } from "./person.js";
import { Presence } from "./presence.js";
import { boardFrom, changed, emptyBoard, taskOf } from "./tasks.js";
import { text } from "./text.js";
import { Updates } from "./updates.js";

const { userId, name, board: room } = identityFrom(location.hash);
const pollOnly = new URLSearchParams(location.search).get("transport") === "poll";

const presence = new Presence({ room, userId, name });
const updates = new Updates({ board: room, pollOnly });
const faces = new Faces(userId);
const typingLine = new TypingLine();
const badge = new Badge(() => presence.retryNow());
const activity = new Activity(userId);
const view = new BoardView(document.getElementById("columns"), {
  typing: (target) => presence.typing(target),
  stopTyping: (target) => presence.stopTyping(target),
  say: (sentence) => { document.getElementById("say").textContent = sentence; },
});
let board = emptyBoard;

document.getElementById("me").textContent = name;

presence.addEventListener("change", () => badge.show(presence.state, (state) => {
  faces.show(state);
  typingLine.show(state);
  activity.show(state);
  view.showTyping(state.people);
}));
presence.addEventListener("frame", ({ detail: frame }) => {
  if (frame.type === "user_joined") activity.tell(text.joined(frame.user.name));
  if (frame.type === "user_left") activity.tell(text.left(frame.user.name));
});

updates.addEventListener("board", ({ detail }) => {
  board = boardFrom(detail);
  document.getElementById("board-name").textContent = board.name;
  document.title = `${board.name} · ${name}`;
  view.show(board);
});
updates.addEventListener("event", ({ detail: event }) => {
  const before = board;
  board = changed(board, event);
  view.show(board, event.task?.id);
  activity.tell(sentenceFor(event, before, board));
});
updates.addEventListener("transport", () => {
  const line = document.getElementById("transport");
  line.dataset.transport = updates.transport;
  line.textContent = text.transport[updates.transport];
});

// The address says who one is: another address is another person.
window.addEventListener("hashchange", () => location.reload());

presence.start();
updates.start();

function sentenceFor(event, before, after) {
  switch (event.type) {
    case "task_created": return text.created(event.task.title);
    case "task_updated": return text.renamed(event.task.title);
    case "task_moved": {
      const found = taskOf(after, event.task.id);
      return found ? text.moved(found.task.title, found.list.name) : "";
    }
    case "task_deleted": return text.deleted(taskOf(before, event.taskId)?.task.title ?? "");
    default: return "";
  }
}
