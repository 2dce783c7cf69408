// Company for somebody alone: users that point at things and type now and then. Each has a connection of its own.

import { connect } from "/sdk.js";

const NAMES = ["Ada", "Alan", "Grace", "Edsger", "Barbara", "Donald", "Radia", "Tim", "Frances", "Ken"];
const MOVE_MS = 90;
const PAD = 1_000;
/** Each that points also hears where all others do: more would only slow down the page they live in. */
const POINTING_MAX = 30;

const asked = new URLSearchParams(location.hash.slice(1));
const board = asked.get("board") || "board-1";
const { lists } = await (await fetch(`/boards/${encodeURIComponent(board)}`)).json();
const targets = lists.flatMap(({ id, tasks }) => [id, ...tasks.map((task) => task.id)]);
const wanted = Number(asked.get("count") ?? 10);
const bots = Array.from({ length: wanted }, (_, at) => start(at));

addEventListener("dismiss", () => {
  for (const { client } of bots) client.close();
});
document.title = `${bots.length} bots`;

function start(at) {
  const round = Math.floor(at / NAMES.length);
  const client = connect({ user: { id: `bot-${at + 1}`, name: `${NAMES[at % NAMES.length]}${round ? ` ${round + 1}` : ""} (bot)` }, idleAfterMs: 0 });
  // They look at nothing, so they are told nothing.
  const room = client.room(board, { interest: "none" });
  if (at < POINTING_MAX) point(room, at);
  const rest = () => setTimeout(type, 4_000 + Math.random() * 14_000 * Math.sqrt(wanted));
  const type = () => {
    const typing = room.typing.in(targets[Math.floor(Math.random() * targets.length)]);
    typing.start();
    setTimeout(() => {
      typing.stop();
      rest();
    }, 1_500 + Math.random() * 2_500);
  };
  setTimeout(type, 1_000 + Math.random() * 2_500 * Math.sqrt(wanted));
  return { client };
}

function point(room, at) {
  const pad = document.createElement("div");
  pad.getBoundingClientRect = () => new DOMRect(0, 0, PAD, PAD);
  room.cursors(pad, { hz: 10 });
  const [phase, speed] = [at * 2.4, 0.25 + (at % 5) * 0.06];
  setInterval(() => {
    const time = (performance.now() / 1_000) * speed + phase;
    // A while of moving, a while of looking.
    if (Math.sin(time / 3) < -0.4) return;
    const [x, y] = [0.5 + 0.46 * Math.sin(time * 1.3), 0.42 + 0.38 * Math.sin(time * 1.7 + at)];
    pad.dispatchEvent(new PointerEvent("pointermove", { clientX: x * PAD, clientY: y * PAD }));
  }, MOVE_MS);
}
