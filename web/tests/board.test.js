// The board with a real server and a real browser: what one person does, another one sees.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { ALICE_TYPES, launch, nextFrame, People, received, Server } from "./harness.js";

let server;
let browser;
let people;

before(async () => {
  server = await Server.start();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});
beforeEach(() => {
  people = new People(browser, server.origin);
});
afterEach(async () => {
  await people.close();
  assert.deepEqual(people.complaints, [], "nothing on the console, no request to elsewhere");
});

const faces = (page) => page.getByTestId("stack").locator("li");
const face = (page, user) => page.getByTestId("stack").locator(`li[data-user="${user}"]`);
const card = (page, title) => page.getByTestId("card").filter({ hasText: title });
const list = (page, id) => page.getByTestId(`list-${id}`);

async function see(page, ...users) {
  for (const user of users) await face(page, user).waitFor();
  await page.getByText(`${users.length} viewing`, { exact: true }).waitFor();
  await page.locator('[data-testid="badge"][data-state="live"]').waitFor();
  assert.equal(await faces(page).count(), users.length);
}

async function startRenaming(page, title) {
  await card(page, title).getByTestId("card-title").click();
  return page.getByTestId("card-edit");
}

/** Lets somebody come and go, whose leave is told after the grace that ran for others before. */
async function waitForGrace(witness) {
  const visitor = await people.board("visitor");
  await face(witness, "visitor").waitFor();
  const left = nextFrame(witness, (frame) => frame.type === "user_left" && frame.user.id === "visitor");
  await visitor.close();
  await left;
}

/** Waits until nobody is on the board, so that what is left of one test is no news in the next. */
async function emptied() {
  const late = await people.board("late");
  await face(late, "late").waitFor();
  await late.getByText("1 viewing", { exact: true }).waitFor();
  await late.close();
}

describe("who is here", () => {
  test("two people are both listed", async () => {
    const alice = await people.board("alice");
    await see(alice, "alice");
    const joined = nextFrame(alice, (frame) => frame.type === "user_joined" && frame.user.id === "bob");
    const bob = await people.board("bob");
    await joined;
    await see(alice, "alice", "bob");
    await see(bob, "bob", "alice");
    assert.equal(await face(bob, "bob").getAttribute("title"), "Bob (you)");
    assert.equal(await face(bob, "alice").getAttribute("title"), "Alice");
    assert.equal(await bob.getByTestId("stack").getAttribute("aria-label"), "2 people viewing");
  });

  test("two tabs are one person, who leaves with the last of them", async () => {
    await emptied();
    const bob = await people.board("bob");
    const first = await people.board("alice");
    await see(bob, "bob", "alice");
    const second = await people.board("alice", { context: first.context() });
    await see(second, "alice", "bob");
    await see(bob, "bob", "alice");
    assert.equal(received(bob, "user_joined").length, 1, "the second tab is no news");

    await second.close();
    await waitForGrace(bob);
    const about = (type) => received(bob, type).filter((frame) => frame.user.id === "alice");
    assert.equal(about("user_joined").length, 1);
    assert.equal(about("user_left").length, 0, "a closed tab is no news while another is open");
    await see(bob, "bob", "alice");

    const left = nextFrame(bob, (frame) => frame.type === "user_left" && frame.user.id === "alice");
    await first.close();
    assert.equal((await left).frame.reason, "closed");
    await face(bob, "alice").waitFor({ state: "detached" });
    await see(bob, "bob");
  });

  test("ten reloads are no news", async () => {
    await emptied();
    const bob = await people.board("bob");
    const alice = await people.board("alice");
    await see(bob, "bob", "alice");
    const before = received(bob, "user_joined", "user_left").length;
    for (let time = 0; time < 10; time += 1) {
      await alice.reload();
      await see(alice, "alice", "bob");
    }
    assert.equal(received(bob, "user_joined", "user_left").length, before);
    await waitForGrace(bob);
    const about = received(bob, "user_joined", "user_left").slice(before).filter((frame) => frame.user.id === "alice");
    assert.deepEqual(about, []);
  });

  test("more than five are five faces and a number", async () => {
    await emptied();
    const names = ["alice", "bob", "carol", "dave", "erin", "frank", "grace"];
    const pages = [];
    let lastJoined;
    for (const name of names) {
      if (name === "grace") lastJoined = nextFrame(pages[0], (frame) => frame.type === "user_joined" && frame.user.id === name);
      pages.push(await people.board(name));
    }
    const [alice] = pages;
    // Whoever emptied the board may still be in its grace: without the last one seven would be one too early.
    await lastJoined;
    await alice.getByText("7 viewing", { exact: true }).waitFor();
    assert.equal(await faces(alice).count(), 5);
    const more = alice.getByTestId("more");
    assert.equal(await more.textContent(), "+2");
    assert.equal(await more.getAttribute("aria-label"), "Show 2 more people");
    await more.click();
    assert.equal(await alice.getByTestId("everyone").locator("li").count(), 7);
  });

  test("names and titles are text, whatever is in them", async () => {
    await emptied();
    const nasty = "<img src=x onerror=alert(1)>";
    const bob = await people.board("bob");
    bob.on("dialog", (dialog) => people.complaints.push(`a dialog: ${dialog.message()}`));
    const mallory = await people.board("mallory", { name: nasty });
    await face(bob, "mallory").waitFor();
    assert.equal(await face(bob, "mallory").getAttribute("title"), nasty);
    const composer = list(mallory, "list-todo").getByTestId("composer-input");
    await composer.pressSequentially(nasty);
    await bob.getByTestId("typing").filter({ hasText: `${nasty}` }).waitFor();
    await composer.press("Enter");
    await card(bob, nasty).waitFor();
    await card(mallory, nasty).waitFor();
    for (const page of [bob, mallory]) assert.equal(await page.locator("img, script:not([src])").count(), 0);
    await card(mallory, nasty).getByTestId("card-menu").click();
    await mallory.getByRole("menuitem", { name: "Delete" }).click();
    await card(bob, nasty).waitFor({ state: "detached" });
  });
});

describe("who is typing", () => {
  test("it shows on the card and above, and ends two seconds after the last key", async () => {
    const alice = await people.board("alice");
    const bob = await people.board("bob");
    await face(alice, "bob").waitFor();
    await face(bob, "alice").waitFor();
    const field = await startRenaming(alice, "Write the announcement");
    await field.press("End");
    const started = nextFrame(bob, (frame) => frame.type === "user_typing");
    const stopped = nextFrame(bob, (frame) => frame.type === "user_stopped_typing");
    await field.pressSequentially(" today");
    const { frame, at } = await started;
    assert.deepEqual([frame.user, frame.target], [{ id: "alice", name: "Alice" }, "task-1"]);
    await card(bob, "Write the announcement").getByTestId("chip").filter({ hasText: ALICE_TYPES }).waitFor();
    await bob.getByTestId("typing").filter({ hasText: ALICE_TYPES }).waitFor();
    assert.equal(await alice.getByTestId("chip").count(), 0, "oneself is not told");

    const end = await stopped;
    assert.ok(end.at - at > 1_500 && end.at - at < 5_000, `it ended after ${end.at - at} ms`);
    await bob.getByTestId("chip").waitFor({ state: "detached" });
    await bob.locator('[data-testid="typing"][data-sentence=""]').waitFor();
    assert.equal(alice.sent.filter((sent) => sent.type === "typing").length, 1, "not one message a key");
    await field.press("Escape");
  });

  test("Escape, leaving the field and sending end it at once", async () => {
    const alice = await people.board("alice");
    const bob = await people.board("bob");
    await face(alice, "bob").waitFor();
    const composer = list(alice, "list-progress").getByTestId("composer-input");
    for (const end of ["Escape", "Tab"]) {
      const started = nextFrame(bob, (frame) => frame.type === "user_typing");
      await composer.pressSequentially("x");
      const start = await started;
      assert.equal(start.frame.target, "list-progress");
      const stopped = nextFrame(bob, (frame) => frame.type === "user_stopped_typing");
      await composer.press(end);
      const stop = await stopped;
      assert.ok(stop.at - start.at < 1_900, `${end} ended it after ${stop.at - start.at} ms`);
    }
  });

  test("a page that froze stops typing when its lease of six seconds ends", async () => {
    const bob = await people.board("bob");
    const alice = await people.board("alice");
    await face(bob, "alice").waitFor();
    const field = await startRenaming(alice, "Write the announcement");
    const started = nextFrame(bob, (frame) => frame.type === "user_typing");
    const stopped = nextFrame(bob, (frame) => frame.type === "user_stopped_typing");
    await field.press("End");
    await field.press("x");
    const start = await started;
    const devtools = await alice.context().newCDPSession(alice);
    await devtools.send("Debugger.enable");
    await devtools.send("Debugger.pause");
    await card(bob, "Write the announcement").getByTestId("chip").waitFor();
    const stop = await stopped;
    assert.ok(stop.at - start.at > 5_000 && stop.at - start.at < 8_000, `it ended after ${stop.at - start.at} ms`);
    await bob.getByTestId("chip").waitFor({ state: "detached" });
    assert.equal(await face(bob, "alice").count(), 1, "the connection is still there");
  });

  test("a page that crashed stops typing at once", async () => {
    const bob = await people.board("bob");
    const alice = await people.board("alice");
    await face(bob, "alice").waitFor();
    const started = nextFrame(bob, (frame) => frame.type === "user_typing");
    const stopped = nextFrame(bob, (frame) => frame.type === "user_stopped_typing");
    await list(alice, "list-done").getByTestId("composer-input").press("x");
    const start = await started;
    await Promise.all([alice.waitForEvent("crash"), alice.goto("chrome://crash").catch(() => {})]);
    const stop = await stopped;
    assert.ok(stop.at - start.at < 4_000, `it ended after ${stop.at - start.at} ms`);
    await bob.locator('[data-testid="typing"][data-sentence=""]').waitFor();
  });
});

for (const [way, query] of [["stream", ""], ["poll", "?transport=poll"]]) {
  test(`tasks made, renamed, moved and deleted appear at others (${way})`, async () => {
    const alice = await people.board("alice", { query });
    const bob = await people.board("bob", { query });
    const streams = [];
    bob.on("request", (request) => { if (request.url().includes("/events")) streams.push(request.url()); });
    for (const page of [alice, bob]) await page.locator(`[data-testid="transport"][data-transport="${way}"]`).waitFor();

    const title = `Water the plants by ${way}`;
    const composer = list(alice, "list-todo").getByTestId("composer-input");
    await composer.pressSequentially(title);
    await composer.press("Enter");
    await card(list(bob, "list-todo"), title).waitFor();
    assert.equal(await composer.inputValue(), "");

    const field = await startRenaming(bob, title);
    await field.fill(`${title}, twice`);
    await field.press("Enter");
    await card(list(alice, "list-todo"), `${title}, twice`).waitFor();

    await card(alice, title).getByTestId("card-menu").click();
    await alice.getByRole("menuitem", { name: "Move to Done" }).click();
    await card(list(bob, "list-done"), title).waitFor();
    await bob.getByTestId("activity").filter({ hasText: "moved to" }).waitFor();

    await card(bob, title).getByTestId("card-menu").click();
    await bob.getByRole("menuitem", { name: "Delete" }).click();
    await card(alice, title).waitFor({ state: "detached" });
    if (way === "poll") assert.deepEqual(streams, []);
  });
}

test("a hidden tab gives up its stream, and catches up when it is seen again", async () => {
  const alice = await people.board("alice");
  const bob = await people.board("bob");
  await bob.locator('[data-testid="transport"][data-transport="stream"]').waitFor();
  const hide = (hidden) => bob.evaluate((value) => {
    Object.defineProperty(document, "hidden", { value, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  }, hidden);
  const ended = bob.waitForEvent("requestfailed", (request) => request.url().includes("/events"));
  await hide(true);
  await ended;
  const composer = list(alice, "list-todo").getByTestId("composer-input");
  await composer.fill("Behind your back");
  await composer.press("Enter");
  await card(alice, "Behind your back").waitFor();
  assert.equal(await card(bob, "Behind your back").count(), 0);
  await hide(false);
  await card(bob, "Behind your back").waitFor();
  await bob.locator('[data-testid="transport"][data-transport="stream"]').waitFor();
});

test("a task can be dragged to another list", async () => {
  const alice = await people.board("alice");
  const bob = await people.board("bob");
  await card(list(bob, "list-progress"), "Polish the first-run screen").waitFor();
  await card(alice, "Polish the first-run screen").dragTo(card(alice, "Choose a name"), { targetPosition: { x: 60, y: 4 } });
  await card(list(bob, "list-done"), "Polish the first-run screen").waitFor();
  const titles = await list(bob, "list-done").getByTestId("card-title").allTextContents();
  assert.deepEqual(titles.slice(0, 2), ["Polish the first-run screen", "Choose a name"]);
});

test("everything can be done with the keyboard", async () => {
  const alice = await people.board("alice");
  const bob = await people.board("bob");
  await card(bob, "Book the domain").waitFor();
  await card(alice, "Book the domain").getByTestId("card-title").focus();
  await alice.keyboard.press("Enter");
  await alice.keyboard.press("End");
  await alice.keyboard.type(" now");
  await alice.keyboard.press("Enter");
  await card(bob, "Book the domain now").waitFor();

  await alice.keyboard.press("Tab");
  await alice.keyboard.press("Enter");
  await alice.getByRole("menuitem", { name: "Rename" }).waitFor();
  await alice.keyboard.press("ArrowDown");
  await alice.keyboard.press("Enter");
  await card(list(bob, "list-todo"), "Book the domain now").waitFor();
  await alice.getByTestId("say").filter({ hasText: "To Do" }).waitFor();
  await card(list(alice, "list-todo"), "Book the domain now").waitFor();
  const focused = await alice.evaluate(() => document.activeElement.getAttribute("aria-label"));
  assert.equal(focused, "More for Book the domain now", "the focus moves with the card");
});

test("what somebody else changes disturbs no editing", async () => {
  const alice = await people.board("alice");
  const bob = await people.board("bob");
  const field = await startRenaming(alice, "Check the board on a phone");
  await field.fill("Check it on a tablet");
  await card(bob, "Check the board on a phone").getByTestId("card-menu").click();
  await bob.getByRole("menuitem", { name: "Move to Done" }).click();
  const edited = list(alice, "list-done").getByTestId("card-edit");
  await edited.waitFor();
  assert.equal(await edited.inputValue(), "Check it on a tablet");
  assert.ok(await edited.evaluate((element) => element === document.activeElement));
  await edited.press("Enter");
  await card(list(bob, "list-done"), "Check it on a tablet").waitFor();
});

test("a refused title is told where it was written", async () => {
  const alice = await people.board("alice");
  const composer = list(alice, "list-todo").getByTestId("composer");
  await alice.route("**/tasks", (route) => route.continue({ postData: JSON.stringify({ listId: "list-todo", title: "x".repeat(201) }) }));
  people.expect(/422/);
  await composer.getByTestId("composer-input").fill("Something");
  await composer.getByTestId("composer-input").press("Enter");
  await composer.getByRole("alert").filter({ hasText: "at most 200" }).waitFor();
  assert.equal(await composer.getByTestId("composer-input").inputValue(), "Something", "what was written is not lost");
});
