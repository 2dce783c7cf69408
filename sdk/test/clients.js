// Clients with a connection, and rooms that they are in.

import { connect } from "../src/client.js";
import { roster, settle, Socket, viewer, welcome } from "./world.js";

let clients = [];

/** Closes what a test opened. */
export function closeAll() {
  for (const client of clients) client.close();
  clients = [];
}

/** A client whose connection is up. */
export async function online(options = {}, greeting = {}) {
  const client = connect({ url: "https://here.example", auth: "token", backoff: { minMs: 1, maxMs: 1 }, ...options });
  clients.push(client);
  await settle();
  await accept(greeting);
  return client;
}

/** The server accepts the connection under way. */
export async function accept(greeting = {}) {
  Socket.last.open();
  Socket.last.say(welcome(greeting));
  await settle();
}

/** A room in which `a`, who is this client, and `b` are; with what it told. */
export async function inRoom(client, options) {
  const room = client.room("r", options);
  const told = [];
  for (const type of ["join", "leave", "change", "sync", "error"]) {
    room.on(type, (detail) => told.push([type, detail.viewer?.user.id ?? detail.cause ?? detail.code, detail.reason ?? detail.changed].filter(Boolean)));
  }
  await settle();
  Socket.last.answer("join", roster(5, [viewer("b", 1), viewer("a", 2)]));
  await settle();
  return { room, told };
}

export const ids = (list) => list.get().map(({ user }) => user.id);
