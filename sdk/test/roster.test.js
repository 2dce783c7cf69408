// The reducer, frame by frame, and with the fixtures that the server and the Rust client are tested with.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { apply, cutOff, isSame, unknown } from "../src/roster.js";
import { diff, roster, user, viewer } from "./world.js";

const folder = new URL("../../fixtures/native/server/", import.meta.url);
const fixture = (name) => JSON.parse(readFileSync(new URL(`${name}.json`, folder), "utf8")).frame;
const ids = (state) => [...state.viewers.keys()];
const typing = (id, on, target) => ({ type: "typing", room: "r", user: user(id), on, ...(target && { target }) });
const known = () => apply(unknown, roster(5, [viewer("b", 2), viewer("a", 1)])).roster;

test("every frame of the server is taken or left alone, and changes nothing it was given", () => {
  const names = readdirSync(folder).map((file) => file.replace(".json", ""));
  assert.ok(names.length > 30);
  const before = apply(unknown, fixture("roster")).roster;
  const copy = structuredClone(before);
  for (const name of names) {
    const applied = apply(before, fixture(name));
    assert.ok(applied === undefined || applied.roster, name);
    assert.deepEqual(before, copy, name);
  }
});

test("the fixtures in a row give what they say", () => {
  const first = apply(unknown, fixture("roster"));
  assert.deepEqual([first.changes, first.isWhole, ids(first.roster)], [[], true, ["u1", "u2"]]);
  assert.deepEqual(first.roster.typing.get("u1").targets, [null, "card-3"]);
  assert.equal(first.roster.locks.get("card-3").fence, 7);
  const twice = apply(first.roster, fixture("diff_joined"));
  assert.deepEqual(twice.changes, [], "who is in and comes has not come");
  const later = apply(first.roster, diff(42, 45, { left: [{ id: "u2", reason: "timeout" }], joined: [viewer("u3", 1893456000001)] }, { v: ["k3x9", 45] })).roster;
  assert.deepEqual(ids(later), ["u1", "u3"]);
  assert.deepEqual([...later.typing.keys()], ["u1"]);
  const sessions = apply(unknown, fixture("roster_sessions")).roster;
  assert.equal(sessions.sessions.get("u1").length, 2);
  assert.equal(sessions.viewers.get("u1").session_list, undefined);
  assert.equal(apply(sessions, fixture("sessions_none")).roster.sessions.has("u1"), false);
  const crowd = apply(first.roster, fixture("count_crowd")).roster;
  assert.deepEqual([crowd.version, crowd.viewers.size, crowd.count.users, crowd.faces.length, crowd.typing.size], [null, 0, 1001, 1, 0]);
  assert.equal(crowd.locks.size, 1, "locks are told on");
  assert.equal(apply(first.roster, fixture("lock_free")).roster.locks.has("card-3"), false);
});

test("a diff says in which gear the room is, where that is not live", () => {
  const first = apply(unknown, fixture("roster")).roster;
  const batched = apply(first, fixture("diff_batched")).roster;
  assert.deepEqual([first.gear, batched.gear], ["live", "batched"]);
  const next = diff(43, 44, { left: [{ id: "u2", reason: "left" }] }, { v: ["k3x9", 44] });
  assert.equal(apply(batched, next).roster.gear, "live");
});

test("T-74: a diff in a room of thousands looks at those whom it names, and copies nobody", () => {
  const many = 3_000;
  let looks = 0;
  const counted = (value) => new Proxy(value, { get: (target, key) => ((looks += 1), target[key]), ownKeys: (target) => ((looks += 1), Reflect.ownKeys(target)) });
  const members = Array.from({ length: many }, (_, n) => viewer(`u${n}`, n + 1, { state: { page: n } }));
  let state = apply(unknown, roster(1, members.map(counted))).roster;
  const held = new Map(state.viewers);
  looks = 0;
  state = apply(state, diff(1, 2, { updated: [viewer("u7", 8, { status: "idle" })] })).roster;
  state = apply(state, diff(2, 3, { left: [{ id: "u9", reason: "left" }] })).roster;
  assert.ok(looks < 20, `${looks} looks at what two of ${many} viewers are`);
  state = apply(state, diff(3, 4, { joined: [viewer("new", many + 1)] })).roster;
  assert.ok(looks < 20 * many, `${looks} looks to find the place of one who came`);
  const others = [...state.viewers].filter(([id]) => id !== "u7" && id !== "new");
  assert.equal(others.length, many - 2);
  assert.ok(others.every(([id, kept]) => kept === held.get(id)), "each is the same object as before");

  // What it costs, beside copying the state for each change; both in one run, by the time that this process computes.
  const plain = apply(unknown, roster(1, members)).roster;
  const changes = Array.from({ length: 100 }, (_, n) => diff(n + 1, n + 2, { updated: [viewer(`u${n}`, n + 1, { status: "idle" })] }));
  const cost = (take) => {
    const began = process.cpuUsage();
    changes.reduce(take, plain);
    const { user, system } = process.cpuUsage(began);
    return (user + system) / changes.length;
  };
  const ours = cost((before, frame) => apply(before, frame).roster);
  const copying = cost((before, frame) => apply(structuredClone(before), frame).roster);
  console.log(`a diff of one in a room of ${many}: ${ours.toFixed(0)} us, ${copying.toFixed(0)} us where the state is copied first`);
  assert.ok(ours * 5 < copying, `${ours} us, ${copying} us`);
});

test("the first roster tells no changes and is in order", () => {
  const { roster: state, changes } = apply(unknown, roster(5, [viewer("b", 2), viewer("c", 1), viewer("a", 1)]));
  assert.deepEqual([changes, ids(state)], [[], ["a", "c", "b"]]);
});

test("a diff from the right version is applied", () => {
  const { roster: state, changes } = apply(known(), diff(5, 7, { joined: [viewer("c", 2)], left: [{ id: "a", reason: "closed" }] }));
  assert.deepEqual(changes.map(({ type, viewer, reason }) => [type, viewer.user.id, reason]), [["leave", "a", "closed"], ["join", "c", undefined]]);
  assert.deepEqual([ids(state), state.version, state.count.users], [["b", "c"], ["e", 7], 9]);
});

test("the same version twice changes nothing, nor does an older roster", () => {
  const state = apply(known(), diff(5, 6, { joined: [viewer("c", 3)] })).roster;
  assert.equal(apply(state, diff(5, 6, { joined: [viewer("c", 3)] })).roster, state);
  assert.equal(apply(state, roster(5, [])).roster, state);
  const again = apply(state, roster(6, [viewer("a", 1), viewer("b", 2), viewer("c", 3)]));
  assert.deepEqual(again.changes, []);
  assert.equal(again.roster.viewers.get("a"), state.viewers.get("a"), "what is the same stays the same object");
});

test("a diff from another version or epoch is a gap", () => {
  for (const frame of [diff(6, 7, {}), diff(3, 7, {}), diff(5, 6, {}, { v: ["f", 6] })]) assert.equal(apply(known(), frame), undefined);
  assert.equal(apply(unknown, diff(6, 7, {})), undefined);
});

test("who leaves or changes is here, or it is asked again", () => {
  for (const lists of [
    { left: [{ id: "x", reason: "left" }] },
    { updated: [viewer("x", 9)] },
    { left: [{ id: "a", reason: "left" }, { id: "a", reason: "left" }] },
  ]) assert.equal(apply(known(), diff(5, 6, lists)), undefined, JSON.stringify(lists));
});

test("a later roster, even of another epoch, tells the net difference", () => {
  const { changes } = apply(known(), roster(1, [viewer("b", 9, { status: "idle" }), viewer("c", 3)], { v: ["f", 1] }));
  assert.deepEqual(changes.map(({ type, viewer, reason, changed }) => [type, viewer.user.id, reason ?? changed]), [
    ["leave", "a", "missed"],
    ["join", "c", undefined],
    ["change", "b", ["status"]],
  ]);
  const kept = apply(known(), roster(1, [viewer("b", 2), viewer("c", 3)], { v: ["f", 1] }), true);
  assert.deepEqual([ids(kept.roster), kept.changes.map(({ type }) => type)], [["a", "b", "c"], ["join"]], "or keeps who is missing");
  const back = apply(kept.roster, diff(1, 2, { joined: [viewer("a", 9)] }, { v: ["f", 2] }));
  assert.deepEqual([ids(back.roster), back.changes], [["b", "c", "a"], []]);
  const moved = apply(known(), roster(1, [viewer("a", 50), viewer("b", 60)], { v: ["f", 1] }));
  assert.deepEqual(moved.changes, [], "who stayed has not changed for coming back at another time");
});

test("typing begins and stops once and ends with the viewer", () => {
  let state = apply(known(), typing("a", true, "card")).roster;
  assert.equal(apply(state, typing("a", true, "card")).roster, state);
  state = apply(state, typing("a", true)).roster;
  assert.deepEqual(state.typing.get("a").targets, ["card", null]);
  assert.deepEqual(apply(state, typing("a", false, "card")).roster.typing.get("a").targets, [null]);
  assert.equal(apply(state, diff(5, 6, { left: [{ id: "a", reason: "left" }] })).roster.typing.size, 0);
  assert.equal(cutOff(state).typing.size, 0);
  assert.equal(apply(unknown, typing("a", true)).roster, unknown, "before any roster it is in the next");
});

test("a diff in answer to a request has all typing and locks", () => {
  const state = apply(known(), typing("a", true)).roster;
  const answer = apply(state, diff(5, 5, {}, { re: 1, typing: [], locks: [] }));
  assert.deepEqual([answer.isWhole, answer.roster.typing.size, answer.changes], [true, 0, []]);
});

test("doubt of the node is taken over and ends", () => {
  const stale = apply(known(), { type: "stale", room: "r", since_ms: 1 }).roster;
  assert.equal(stale.stale, true);
  assert.equal(apply(stale, { type: "fresh", room: "r" }).roster.stale, false);
});

test("values are the same whatever the order of their keys", () => {
  assert.ok(isSame({ a: [1, { b: null }], c: "x" }, { c: "x", a: [1, { b: null }] }));
  for (const [a, b] of [[{ a: 1 }, { a: 1, b: 2 }], [[1], [2]], [null, {}], [{ a: 1 }, { b: 1 }], ["1", 1]]) assert.ok(!isSame(a, b));
});
