// What is said of one's typing, and how rarely.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { bindTyping } from "../src/bind-typing.js";
import { typingText } from "../src/typing-text.js";
import { createTyping } from "../src/typing.js";
import { browser, pass } from "./world.js";

let world;
let said;
let field;
let typing;

beforeEach(() => {
  world = browser();
  const began = Date.now();
  said = [];
  field = Object.assign(new EventTarget(), { value: "", name: "note", id: "", isConnected: true, form: new EventTarget() });
  ({ typing } = createTyping(undefined, () => typing, (type) => said.push([type === "typing" ? "start" : "stop", Date.now() - began])));
});

const key = (value = "x", type = "input") => {
  field.value = value;
  field.dispatchEvent(new Event(type));
};
const on = (target, type, more) => target.dispatchEvent(Object.assign(new Event(type), more));
const types = () => said.map(([type]) => type);

test("ten keys a second for ten seconds are five frames", async () => {
  bindTyping(field, typing);
  for (let keys = 0; keys < 100; keys += 1) {
    key();
    await pass(100);
  }
  await pass(5_000);
  assert.deepEqual(said, [["start", 0], ["start", 3_000], ["start", 6_000], ["start", 9_000], ["stop", 11_900]]);
});

test("leaving the field ends typing at once, once", async () => {
  bindTyping(field, typing);
  key();
  await pass(500);
  on(field, "blur");
  on(field, "blur");
  await pass(100);
  key();
  await pass(5_000);
  assert.deepEqual(said, [["start", 0], ["stop", 500], ["start", 600], ["stop", 2_600]]);
});

test("submit, Escape, an emptied field, a hidden page, a page that goes and a field that is taken away end it", () => {
  const endings = {
    submit: () => {
      const event = new Event("submit");
      Object.defineProperty(event, "target", { value: field.form });
      document.dispatchEvent(event);
    },
    escape: () => on(field, "keydown", { key: "Escape" }),
    emptied: () => key(""),
    hidden: () => world.hide(true),
    gone: () => world.fire("pagehide"),
    removed: () => {
      field.isConnected = false;
      world.mutate();
    },
  };
  for (const [name, end] of Object.entries(endings)) {
    said = [];
    document.hidden = false;
    field.isConnected = true;
    const unbind = bindTyping(field, typing);
    key();
    on(field, "keydown", { key: "a" });
    assert.deepEqual(types(), ["start"], name);
    end();
    assert.deepEqual(types(), ["start", "stop"], name);
    unbind();
    assert.deepEqual(types(), ["start", "stop"], name);
  }
});

test("composing counts, what is ignored does not, and nothing is said after the end", () => {
  const ending = new AbortController();
  bindTyping(field, typing, { ignore: ({ inputType }) => inputType === "insertFromPaste", signal: ending.signal });
  on(field, "input", { inputType: "insertFromPaste" });
  assert.deepEqual(types(), []);
  key("", "compositionstart");
  assert.deepEqual(types(), ["start"]);
  ending.abort();
  key();
  assert.deepEqual(types(), ["start", "stop"]);
});

test("the target is the field's name, its id, or none", () => {
  const asked = [];
  const room = { typing: { in: (target) => (asked.push(target), typing), start: () => asked.push(null), stop() {} } };
  bindTyping(field, room);
  field.name = "";
  field.id = "box";
  bindTyping(field, room);
  bindTyping(field, room, { target: "card-1" });
  bindTyping(field, room, { target: null });
  key();
  assert.deepEqual(asked, ["note", "box", "card-1", null]);
});

test("a stop after the lease has ended says nothing", async () => {
  typing.start();
  await pass(6_100);
  typing.stop();
  assert.deepEqual(types(), ["start"]);
});

test("the sentence names up to two, and keeps writing directions apart", () => {
  const names = (...list) => list.map((name) => ({ name }));
  const plain = (text) => text.replaceAll(/[\u2068\u2069]/g, "");
  assert.equal(typingText([]), "");
  assert.equal(plain(typingText(names("Alice"))), "Alice is typing");
  assert.equal(plain(typingText(names("Alice", "Bob"))), "Alice and Bob are typing");
  assert.equal(typingText(names("Alice", "Bob", "Carol")), "Several people are typing");
  assert.equal(plain(typingText(names("Alice", "Bob", "Carol"), { max: 3 })), "Alice, Bob, and Carol are typing");
  const german = { one: "{names} schreibt", some: "{names} schreiben", many: "Mehrere schreiben" };
  assert.equal(plain(typingText(names("Ann", "Bo"), { locale: "de", messages: german })), "Ann und Bo schreiben");
  assert.equal(typingText(names("\u202eevil\u2069 $& {names}")), "\u2068evil $& {names}\u2069 is typing");
});
