// The operators' page: rooms, who is in them, what happens there, and what can be done about it. A client of the HTTP API only.
import { call, follow, key, part, Refused } from "./api.js";
import { button, make, many, name, span, table } from "./view.js";
import { explained } from "./why.js";

const at = (id) => document.getElementById(id);
const TAIL_MAX = 200;
const LOOK_MS = 5_000;

/** What is looked at. */
const state = { rooms: [], next: null, room: null, viewers: [], nextViewers: null, watch: null, isPaused: false };

function say(text, isBad = false) {
  at("said").textContent = text;
  at("said").classList.toggle("bad", isBad);
}

/** Does something, and says what went wrong. */
async function attempt(doing) {
  try {
    await doing();
    return true;
  } catch (error) {
    if (error instanceof Refused && error.status === 401) return void signIn(error.message);
    say(error instanceof Refused ? error.message : "The server does not answer.", true);
    return false;
  }
}

function signIn(why) {
  key.forget();
  shut();
  at("page").hidden = at("out").hidden = true;
  at("in").hidden = false;
  at("why").textContent = why;
  say("");
  at("key").value = "";
  at("key").focus();
}

/** Opens the page where the key is good, or none is needed. */
async function open() {
  await attempt(async () => {
    await lookAtRooms();
    at("in").hidden = true;
    at("page").hidden = false;
    at("out").hidden = key.get() === "";
    say(key.get() === "" ? "Dev mode: whoever reaches this server may do all of this." : "");
    await lookAtNodes();
    const { version, node } = await call("GET", "/version");
    at("server").textContent = `version ${version}, node ${node}`;
  });
}

/** Shows the nodes of a cluster as the one that answers knows them. */
async function lookAtNodes() {
  // Told with an error status as well: of a server that is not ready one wants to know why.
  const { cluster } = await (await fetch("/readyz")).json();
  at("cluster").hidden = !cluster;
  if (!cluster) return;
  const { state, since_ms: since, problem, redis, server, node: own, members } = cluster;
  const word = { well: "has heard the others", away: "has not heard the others", joining: "has heard nobody yet," }[state];
  at("cluster-state").textContent = `This node ${word} for ${span(Date.now() - since)}, over ${server ?? "Redis"} at ${redis}${problem ? `: ${problem.message}` : ""}`;
  at("cluster-state").classList.toggle("bad", state !== "well");
  const rows = members.map(({ node, leaving, resyncing }) => [
    make("span", {}, name(node), ...(node === own ? [" (this one)"] : [])), leaving ? "is about to stop" : resyncing ? "comes back" : "lives",
  ]);
  at("nodes").replaceChildren(table(`${many(members.length, "node")}, by name`, ["Node", "State"], rows));
}

async function lookAtRooms(cursor) {
  const query = new URLSearchParams({ limit: "100", prefix: at("prefix").value, ...(cursor && { cursor }) });
  const { rooms, next } = await call("GET", `/v1/rooms?${query}`);
  state.rooms = cursor ? [...state.rooms, ...rooms] : rooms;
  state.next = next;
  const rows = state.rooms.map(({ room, gear, count }) => [
    button(name(room), () => enter(room), { className: "link", "data-room": room }), String(count.users), String(count.sessions), gear,
  ]);
  const focused = document.activeElement?.dataset?.room;
  at("rooms").replaceChildren(rows.length === 0
    ? make("p", { className: "soft" }, "Nobody is in a room.")
    : table("By name", ["Room", "Users#", "Connections#", "Gear"], rows));
  // Who is at a room with the keyboard stays there.
  if (focused !== undefined) [...at("rooms").querySelectorAll("[data-room]")].find(({ dataset }) => dataset.room === focused)?.focus();
  at("rooms-count").textContent = `${many(state.rooms.length, "room")}${next ? " and more" : ""}`;
  at("more").hidden = next === null;
}

function enter(room) {
  shut();
  state.room = room;
  at("room").hidden = false;
  at("room-title").replaceChildren(name(room));
  at("explained").replaceChildren();
  at("tail").replaceChildren();
  at("room-title").focus();
  const watch = new AbortController();
  state.watch = watch;
  let due = null;
  const soon = () => (due ??= setTimeout(() => {
    due = null;
    if (state.watch === watch) attempt(() => lookAtRoom());
  }, 250));
  attempt(() => lookAtRoom());
  follow(room, {
    signal: watch.signal,
    onState: (word, error) => {
      at("tail-state").textContent = { connecting: "connecting", live: "live", waiting: "broken off, trying again", refused: "refused" }[word];
      if (error) say(error.message, true);
    },
    onFrame: (frame) => {
      note(frame);
      if (["roster", "diff", "count", "typing"].includes(frame.type)) soon();
    },
  });
}

function shut() {
  state.watch?.abort();
  state.watch = state.room = null;
  at("room").hidden = true;
}

async function lookAtRoom(cursor) {
  const room = state.room;
  if (room === null) return;
  const { viewers, next, count } = cursor
    ? await call("GET", `/v1/rooms/${part(room)}/viewers?cursor=${part(cursor)}`)
    : await call("GET", `/v1/rooms/${part(room)}`);
  if (state.room !== room) return;
  state.viewers = cursor ? [...state.viewers, ...viewers] : viewers;
  state.nextViewers = next;
  if (count) at("room-count").textContent = `${many(count.users, "user")}, ${many(count.sessions, "connection")}`;
  const rows = state.viewers.map(({ user, status, sessions, joined_at_ms: joined }) => [
    make("span", {}, name(user.name), make("br"), make("span", { className: "soft" }, name(user.id))),
    make("span", { className: status }, status === "active" ? "● active" : "○ idle"),
    String(sessions),
    `${span(Date.now() - joined)} ago`,
    [
      button("Why?", () => why(user.id), { "aria-label": `Why is ${user.name} shown?` }),
      button("Put out", () => kick(user), { "aria-label": `Put out ${user.name}` }),
    ],
  ]);
  at("viewers").replaceChildren(rows.length === 0
    ? make("p", { className: "soft" }, "Nobody is listed here.")
    : table("Viewers, by when they came", ["Viewer", "Status", "Connections#", "Since", "To do"], rows));
  at("more-viewers").hidden = next === null;
}

const why = (user) => attempt(async () => {
  const known = await call("GET", `/v1/debug/rooms/${part(state.room)}/users/${part(user)}`);
  at("explained").replaceChildren(...explained(known));
});

function kick({ id, name: shown }) {
  const room = state.room;
  ask({
    title: `Put ${shown} out of ${room}?`,
    text: "All their connections leave the room, and they are told. They stay out for as many minutes as you say; with 0 they may come back at once.",
    field: "Minutes",
    value: "0",
    yes: "Put out",
    act: async (minutes) => {
      const block = Math.round(Number(minutes) * 60_000);
      const query = block > 0 ? `block_ms=${block}` : "reason=kicked";
      await call("DELETE", `/v1/rooms/${part(room)}/viewers/${part(id)}?${query}`);
      say(`${shown} was put out of ${room}.`);
      await lookAtRoom();
    },
  });
}

const find = (id) => attempt(async () => {
  const { status, sessions, rooms, last_seen_ms: seen } = await call("GET", `/v1/users/${part(id)}`);
  const last = seen === undefined ? "" : `, last seen ${span(Date.now() - seen)} ago`;
  at("where").replaceChildren(
    make("p", { "data-testid": "status" }, name(id), ` is ${status}${last}, with ${many(sessions.length, "connection")}.`),
    make("ul", { className: "why" }, ...rooms.map(({ room, sessions }) =>
      make("li", {}, button(name(room), () => enter(room), { className: "link" }), ` (${many(sessions.length, "connection")})`))),
    make("p", {}, button("Disconnect and forget this user", () => forget(id), { "data-testid": "forget" })),
  );
});

function forget(id) {
  ask({
    title: `Forget ${id}?`,
    text: "This ends their connections, takes them out of all rooms, and removes all that this server holds of them. Type their id to go on.",
    field: "User id",
    value: "",
    yes: "Forget",
    isFine: (typed) => typed === id,
    act: async () => {
      await call("DELETE", `/v1/users/${part(id)}`);
      say(`${id} was disconnected and forgotten.`);
      await find(id);
    },
  });
}

/** Asks before something is done that cannot be undone. */
function ask({ title, text, field, value, yes, isFine = () => true, act }) {
  at("ask-title").textContent = title;
  at("ask-text").textContent = text;
  at("ask-field-name").textContent = field;
  at("ask-yes").textContent = yes;
  const input = at("ask-field");
  input.value = value;
  const judge = () => (at("ask-yes").disabled = !isFine(input.value));
  input.oninput = judge;
  judge();
  at("ask-yes").onclick = async () => {
    at("ask").close();
    await attempt(() => act(input.value));
  };
  at("ask").showModal();
  input.focus();
}

const shownId = (user) => name(user?.name ?? user?.id ?? String(user));
const WORDS = {
  roster: ({ count }) => [`roster of ${many(count.users, "user")}`],
  count: ({ count }) => [many(count.users, "user")],
  diff: ({ joined = [], left = [], updated = [] }) => [
    ...joined.flatMap(({ user }) => ["joined ", shownId(user), "  "]),
    ...left.flatMap(({ id, reason }) => ["left ", name(id), ` (${reason})  `]),
    ...updated.flatMap(({ user }) => ["changed ", shownId(user), "  "]),
  ],
  typing: ({ user, target, on }) => [on ? "types " : "stopped typing ", shownId(user), ...(target ? [" in ", name(target)] : [])],
  message: ({ event, from }) => ["message ", name(event), ...(from ? [" from ", shownId(from)] : [])],
  lock: ({ name: lock, holder }) => ["lock ", name(lock), ...(holder ? [" of ", shownId(holder)] : [" is free"])],
};

function note(frame) {
  if (state.isPaused) return;
  const words = WORDS[frame.type]?.(frame) ?? [frame.type];
  if (words.length === 0) return;
  const tail = at("tail");
  const isAtEnd = tail.scrollHeight - tail.scrollTop - tail.clientHeight < 40;
  tail.append(make("p", {}, make("time", {}, new Date().toTimeString().slice(0, 8)), ...words));
  while (tail.childElementCount > TAIL_MAX) tail.firstElementChild.remove();
  if (isAtEnd) tail.scrollTop = tail.scrollHeight;
}

at("key-form").onsubmit = (event) => {
  event.preventDefault();
  key.set(at("key").value.trim());
  open();
};
at("why-form").onsubmit = (event) => {
  event.preventDefault();
  why(at("why-user").value);
};
at("user-form").onsubmit = (event) => {
  event.preventDefault();
  find(at("user").value);
};
at("out").onclick = () => signIn("The key was forgotten by this tab. It is still good: take it out of auth.api_keys to withdraw it.");
at("prefix").oninput = () => attempt(() => lookAtRooms());
at("more").onclick = () => attempt(() => lookAtRooms(state.next));
at("more-viewers").onclick = () => attempt(() => lookAtRoom(state.nextViewers));
at("shut").onclick = () => {
  shut();
  at("prefix").focus();
};
at("ask-no").onclick = () => at("ask").close();
at("pause").onclick = () => {
  state.isPaused = !state.isPaused;
  at("pause").setAttribute("aria-pressed", String(state.isPaused));
};
setInterval(() => {
  const isFirstPage = state.rooms.length <= 100;
  if (at("live").checked && isFirstPage && !at("page").hidden && !document.hidden) attempt(async () => {
    await lookAtRooms();
    await lookAtNodes();
  });
}, LOOK_MS);

/** Takes the key that a one-time link gives, and opens the page. */
async function begin() {
  const code = /^#k=(.+)$/.exec(location.hash)?.[1];
  if (code !== undefined) {
    // It is of no more use, and should stay in no history.
    history.replaceState(null, "", location.pathname);
    key.forget();
    try {
      key.set((await call("POST", "/admin/key", { code })).key);
    } catch (error) {
      return signIn(error instanceof Refused ? error.message : "The server does not answer.");
    }
  }
  await open();
}

begin();
