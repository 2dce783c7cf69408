// An app as its author sees the types: compiled, never run.

import { bindTyping, type Client, connect, HerenowError, type Readable, type Room, typingText, type Viewer } from "@herenow/client";

declare module "@herenow/client" {
  interface Register {
    state: { editing: string; place: { x: number; y: number } };
    events: { wave: { to: string }; done: null };
  }
}

const client: Client = connect({ auth: async () => (await fetch("/api/token", { method: "POST" })).text(), transports: ["ws"] });
client.state.subscribe((state) => {
  if (state.name === "reconnecting") console.log(state.cause.code, state.retryAt?.getTime());
  if (state.name === "online") console.log(state.transport);
});
const room: Room = client.room("board-1", { state: { editing: "card-1" } });
const viewers: Readable<readonly Viewer[]> = room.viewers;
console.log(viewers.get()[0]?.state.editing?.length, viewers.get()[0]?.joinedAt.getTime());
room.set({ place: { x: 1, y: 2 }, editing: null });
// @ts-expect-error a key that the app does not know
room.set({ unknown: 1 });
// @ts-expect-error a value of another type
room.set({ editing: 7 });
room.on("leave", ({ viewer, reason }) => console.log(viewer.user.name, reason === "timeout"));
room.on("change", ({ changed }) => console.log(changed.includes("state")));
// @ts-expect-error no such event
room.on("arrived", () => {});
const sent: Promise<number> = room.send("wave", { to: "b" }, { to: "b" });
sent.catch((error: unknown) => error instanceof HerenowError && console.log(error.code, error.hint, error.help, error.retryAfterMs));
// @ts-expect-error the data of another message
room.send("wave", null);
const stop: () => void = room.onMessage("wave", (data, from) => console.log(data.to, from?.name));
stop();
const unbind: () => void = bindTyping(document.createElement("input"), room, { target: "card-1" });
unbind();
bindTyping(document.createElement("textarea"), room.typing.in("card-2"));
const text: string = typingText(room.typing.users.get(), { locale: "de", messages: { one: "{names} schreibt" } });
room.typing.in("card-1").text.subscribe((sentence) => console.log(sentence + text));
const drawn: () => void = room.cursors(document.body, { hz: 10 }).render(document.body);
drawn();
const lock = await room.lock("card-1", { wait: true });
if (lock) void lock.lost.then(() => console.log(lock.fence));
const dots = client.watch(["b"]);
dots.add("c");
const status: "active" | "idle" | "offline" | undefined = dots.get().get("b")?.status;
console.log(status, (await room.ready) === room);
