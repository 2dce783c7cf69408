// Many others for a page that is measured: users of the server who point and type now and then, as the bots of the demo do.
// Here rather than in a page: two hundred sockets in a browser take what is to be measured from the page beside them.

import WebSocket from "ws";

/** As many of a crowd point, ten times a second each. */
export const POINTING = 30;
const MOVE_MS = 100;
const TYPING_MS = 3_000;
/** How often one of all begins to type. */
const TYPE_EVERY_MS = 250;
const ROOM = "board-1";
const TARGETS = ["list-todo", "list-doing", "list-done"];

/** Users in one room, each with a connection of its own. */
export class Crowd {
  #sockets;
  #timers = [];

  /** Connects so many to the server at an address, and waits until all are in the room. */
  static async join(origin, count) {
    const crowd = new Crowd();
    crowd.#sockets = await Promise.all(Array.from({ length: count }, (_, at) => enter(origin, at)));
    crowd.#timers = [setInterval(() => crowd.#point(), MOVE_MS), setInterval(() => crowd.#type(), TYPE_EVERY_MS)];
    return crowd;
  }

  leave() {
    for (const timer of this.#timers) clearInterval(timer);
    for (const socket of this.#sockets) socket.close(1000);
  }

  #point() {
    const seconds = performance.now() / 1_000;
    for (const [at, socket] of this.#sockets.slice(0, POINTING).entries()) {
      const time = seconds * (0.25 + (at % 5) * 0.06) + at * 2.4;
      // A while of moving, a while of looking.
      if (Math.sin(time / 3) < -0.4) continue;
      say(socket, { type: "cursor", x: 0.5 + 0.46 * Math.sin(time * 1.3), y: 0.42 + 0.38 * Math.sin(time * 1.7 + at) });
    }
  }

  #type() {
    const [socket, target] = [any(this.#sockets), any(TARGETS)];
    say(socket, { type: "typing", target });
    setTimeout(() => say(socket, { type: "stop_typing", target }), TYPING_MS);
  }
}

const any = (list) => list[Math.floor(Math.random() * list.length)];
const say = (socket, frame) => socket.send(JSON.stringify({ ...frame, room: ROOM }));

async function enter(origin, at) {
  const asked = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ userId: `crowd-${at}`, name: `Guest ${at}` }) };
  const { token } = await (await fetch(`${origin}/dev/token`, asked)).json();
  const socket = new WebSocket(`${origin.replace("http", "ws")}/ws?token=${token}`, "herenow.v1");
  await new Promise((entered, failed) => {
    socket.once("error", failed);
    socket.once("open", () => say(socket, { type: "join", id: 1, interest: "none" }));
    socket.on("message", (data) => {
      const { type, re, code } = JSON.parse(data);
      if (type === "error") failed(new Error(code));
      else if (re === 1) entered();
    });
  });
  return socket;
}
