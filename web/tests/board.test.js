// The board with a real server and a real browser: what one person does, another one sees.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { ALICE_EDITS, badge, card, composer, face, faces, leftFrame, list, listen, see, startRenaming, told, typingFrame, waitForGrace } from "./demo-helpers.js";
import { ALICE_TYPES, launch, People, Server } from "./harness.js";

let server;
let browser;
let people;

before(async () => {
  browser = await launch();
});
after(() => browser?.close());
// A server for each, so that nobody of one test is in grace in the next.
beforeEach(async () => {
  server = await Server.start();
  people = new People(browser, server.origin);
});
afterEach(async () => {
  await people.close();
  await server.stop();
  assert.deepEqual(people.complaints, [], "nothing on the console, no request to elsewhere");
});

describe("who is here", () => {
  test("two people are both listed", async () => {
    const alice = await people.board("alice");
    await see(alice, "alice");
    await listen(alice);
    const bob = await people.board("bob");
    await see(alice, "alice", "bob");
    await see(bob, "bob", "alice");
    assert.deepEqual(await told(alice), [["join", "bob"]]);
    assert.match(await face(bob, "bob").getAttribute("title"), /Bob\u2069 \(you\), active$/);
    assert.equal(await face(bob, "alice").getAttribute("title"), "Alice, active");
    assert.equal(await bob.getByTestId("stack").getAttribute("aria-label"), "2 people viewing");
    assert.equal(await bob.locator("#me").textContent(), "BYou: \u2068Bob\u2069▾");
  });

  test("two tabs are one person, who leaves with the last of them", async () => {
    const bob = await people.board("bob");
    await see(bob, "bob");
    await listen(bob);
    const first = await people.board("alice");
    await see(bob, "bob", "alice");
    const second = await people.board("alice", { context: first.context() });
    await see(second, "alice", "bob");
    await face(bob, "alice").locator(".tabs").filter({ hasText: "2" }).waitFor();
    await see(bob, "bob", "alice");
    assert.deepEqual(await told(bob, "alice"), [["join", "alice"]], "the second tab is no news");

    await second.close();
    await waitForGrace(people, bob);
    assert.deepEqual(await told(bob, "alice"), [["join", "alice"]], "a closed tab is no news while another is open");
    await face(bob, "alice").locator(".tabs").waitFor({ state: "detached" });
    await see(bob, "bob", "alice");

    const left = leftFrame(bob, "alice");
    await first.close();
    assert.deepEqual((await left).frame.left, [{ id: "alice", reason: "closed" }]);
    await face(bob, "alice").waitFor({ state: "detached" });
    await see(bob, "bob");
  });

  test("ten reloads are no news", async () => {
    const bob = await people.board("bob");
    const alice = await people.board("alice");
    await see(bob, "bob", "alice");
    await listen(bob);
    for (let time = 0; time < 10; time += 1) {
      await alice.reload();
      await see(alice, "alice", "bob");
    }
    await waitForGrace(people, bob);
    assert.deepEqual(await told(bob, "alice"), []);
  });

  test("more than five are five faces and a number", async () => {
    const names = ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi"];
    const pages = [];
    for (const name of names) pages.push(await people.board(name));
    const [alice] = pages;
    await alice.getByText("8 viewing", { exact: true }).waitFor();
    assert.equal(await faces(alice).count(), 5);
    const more = alice.getByTestId("more");
    assert.equal(await more.textContent(), "+3");
    assert.equal(await more.getAttribute("aria-label"), "Show 3 more people");
    await more.click();
    const everyone = alice.getByTestId("everyone");
    assert.equal(await everyone.locator("li").count(), 8);
    await everyone.getByLabel("Find somebody").fill("HEI");
    assert.deepEqual(await everyone.locator("li bdi").allTextContents(), ["Heidi"]);
    await alice.keyboard.press("Escape");
    await everyone.waitFor({ state: "hidden" });
    assert.ok(await more.evaluate((element) => element === document.activeElement), "the focus is back where it was");
  });

  test("names and titles are text, whatever is in them", async () => {
    const names = ["<img src=x onerror=alert(1)>", "🦊".repeat(64), "\u202eevil\u202e reverse", "العربية"];
    const bob = await people.board("bob");
    bob.on("dialog", (dialog) => people.complaints.push(`a dialog: ${dialog.message()}`));
    for (const [at, name] of names.entries()) {
      const id = `mallory${at}`;
      const mallory = await people.board(id, { name });
      await face(bob, id).waitFor();
      const shown = await face(bob, id).getAttribute("title");
      if (at === 0) assert.equal(shown, `${name}, active`);
      assert.doesNotMatch(shown, /[\u202a-\u202e]/, "no override reaches the page");
      const field = composer(mallory, "list-todo");
      await field.pressSequentially(name);
      await bob.getByTestId("typing").filter({ hasText: "is typing" }).waitFor();
      const [wide, room] = await bob.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      assert.ok(wide <= room, `${name} makes the page ${wide} px wide`);
      if (at === 0) {
        await field.press("Enter");
        await card(bob, name).waitFor();
        await card(mallory, name).getByTestId("card-menu").click();
        await mallory.getByRole("menuitem", { name: "Delete" }).click();
        await card(bob, name).waitFor({ state: "detached" });
      }
      for (const page of [bob, mallory]) assert.equal(await page.locator("img, script:not([src])").count(), 0);
      await mallory.close();
    }
    await bob.getByTestId("feed").getByText("deleted").waitFor();
    assert.equal(await bob.getByTestId("feed").locator("img").count(), 0);
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
    const started = typingFrame(bob, true);
    const stopped = typingFrame(bob, false);
    await field.pressSequentially(" today");
    const { frame, at } = await started;
    assert.deepEqual([frame.user.id, frame.user.name, frame.target], ["alice", "Alice", "task-1"]);
    const there = bob.locator('[data-task="task-1"]');
    await there.getByTestId("chip").filter({ hasText: ALICE_EDITS }).waitFor();
    await bob.getByTestId("typing").filter({ hasText: ALICE_TYPES }).waitFor();
    await there.getByTestId("card-title").filter({ hasText: "Write the announcement today" }).waitFor();
    assert.equal(await alice.getByTestId("chip").count(), 0, "oneself is not told");

    const end = await stopped;
    assert.ok(end.at - at > 1_500 && end.at - at < 5_000, `it ended after ${end.at - at} ms`);
    await bob.locator('[data-testid="typing"][data-sentence=""]').waitFor();
    await there.locator(".chip .dots").waitFor({ state: "detached" });
    assert.equal(await there.getByTestId("chip").count(), 1, "who pauses still has the card");
    assert.equal(alice.sent.filter((sent) => sent.type === "typing").length, 1, "not one message a key");
    await field.press("Escape");
    await bob.getByTestId("chip").waitFor({ state: "detached" });
    await there.getByTestId("card-title").filter({ hasText: /announcement$/ }).waitFor();
  });

  test("Escape, leaving the field and sending end it at once", async () => {
    const alice = await people.board("alice");
    const bob = await people.board("bob");
    await face(alice, "bob").waitFor();
    const field = composer(alice, "list-progress");
    for (const end of ["Escape", "Tab"]) {
      const started = typingFrame(bob, true);
      await field.pressSequentially("x");
      const start = await started;
      assert.equal(start.frame.target, "list-progress");
      const stopped = typingFrame(bob, false);
      await field.press(end);
      const stop = await stopped;
      assert.ok(stop.at - start.at < 1_900, `${end} ended it after ${stop.at - start.at} ms`);
    }
  });

  test("a page that froze stops typing when its lease of six seconds ends", async () => {
    const bob = await people.board("bob");
    const alice = await people.board("alice");
    await face(bob, "alice").waitFor();
    const started = typingFrame(bob, true);
    const stopped = typingFrame(bob, false);
    await composer(alice, "list-done").press("x");
    const start = await started;
    const devtools = await alice.context().newCDPSession(alice);
    await devtools.send("Debugger.enable");
    await devtools.send("Debugger.pause");
    await list(bob, "list-done").getByTestId("chip").waitFor();
    const stop = await stopped;
    assert.ok(stop.at - start.at > 5_000 && stop.at - start.at < 8_000, `it ended after ${stop.at - start.at} ms`);
    await bob.getByTestId("chip").waitFor({ state: "detached" });
    assert.equal(await face(bob, "alice").count(), 1, "the connection is still there");
  });

  test("a page that crashed stops typing at once", async () => {
    const bob = await people.board("bob");
    const alice = await people.board("alice");
    await face(bob, "alice").waitFor();
    const started = typingFrame(bob, true);
    const stopped = typingFrame(bob, false);
    await composer(alice, "list-done").press("x");
    const start = await started;
    await Promise.all([alice.waitForEvent("crash"), alice.goto("chrome://crash").catch(() => {})]);
    const stop = await stopped;
    assert.ok(stop.at - start.at < 4_000, `it ended after ${stop.at - start.at} ms`);
    await bob.locator('[data-testid="typing"][data-sentence=""]').waitFor();
  });
});

describe("tasks", () => {
  for (const [way, query] of [["stream", ""], ["poll", "?updates=poll"]]) {
    test(`tasks made, renamed, moved and deleted appear at others (${way})`, async () => {
      const alice = await people.board("alice", { query });
      const bob = await people.board("bob", { query });
      const streams = [];
      bob.on("request", (request) => { if (request.url().includes("/events")) streams.push(request.url()); });
      for (const page of [alice, bob]) await page.locator(`[data-testid="transport"][data-transport="${way}"]`).waitFor({ state: "attached" });
      for (const page of [alice, bob]) await badge(page, "live").waitFor();

      const title = `Water the plants by ${way}`;
      await composer(alice, "list-todo").fill(title);
      await list(alice, "list-todo").getByLabel("Description (optional)").fill("Twice in summer");
      await list(alice, "list-todo").getByLabel("Assign to me").check();
      await composer(alice, "list-todo").press("Enter");
      await card(list(bob, "list-todo"), title).waitFor();
      assert.equal(await composer(alice, "list-todo").inputValue(), "");
      await card(bob, title).getByText("Twice in summer").waitFor();
      await card(bob, title).getByTitle(/Assigned to/).getByText("Alice").waitFor();
      await bob.getByTestId("feed").getByText(`\u2068Alice\u2069 added \u2068${title}\u2069`).waitFor();

      const field = await startRenaming(bob, title);
      await field.fill(`${title}, twice`);
      await field.press("Enter");
      await card(list(alice, "list-todo"), `${title}, twice`).waitFor();

      await card(alice, title).getByTestId("card-menu").click();
      await alice.getByRole("menuitem", { name: "Move to" }).filter({ hasText: "Done" }).click();
      await card(list(bob, "list-done"), title).waitFor();
      await bob.getByTestId("activity").filter({ hasText: /Alice\u2069 moved/ }).waitFor();

      await card(bob, title).getByTestId("card-menu").click();
      await bob.getByRole("menuitem", { name: "Delete" }).click();
      await card(alice, title).waitFor({ state: "detached" });
      if (way === "poll") assert.deepEqual(streams, []);
    });
  }

  test("a hidden tab gives up its stream, and catches up when it is seen again", async () => {
    const alice = await people.board("alice");
    const bob = await people.board("bob");
    await bob.locator('[data-testid="transport"][data-transport="stream"]').waitFor({ state: "attached" });
    const hide = (hidden) => bob.evaluate((value) => {
      Object.defineProperty(document, "hidden", { value, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }, hidden);
    const ended = bob.waitForEvent("requestfailed", (request) => request.url().includes("/events"));
    await hide(true);
    await ended;
    await composer(alice, "list-todo").fill("Behind your back");
    await composer(alice, "list-todo").press("Enter");
    await card(alice, "Behind your back").waitFor();
    assert.equal(await card(bob, "Behind your back").count(), 0);
    await hide(false);
    await card(bob, "Behind your back").waitFor();
    await bob.locator('[data-testid="transport"][data-transport="stream"]').waitFor({ state: "attached" });
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

  test("what somebody else changes disturbs no editing", async () => {
    const alice = await people.board("alice");
    const bob = await people.board("bob");
    const field = await startRenaming(alice, "Check the board on a phone");
    await field.fill("Check it on a tablet");
    const there = bob.locator('[data-task="task-5"]');
    await there.getByTestId("card-menu").click();
    await bob.getByRole("menuitem", { name: "Move to" }).filter({ hasText: "Done" }).click();
    const edited = list(alice, "list-done").getByTestId("card-edit");
    await edited.waitFor();
    assert.equal(await edited.inputValue(), "Check it on a tablet");
    assert.ok(await edited.evaluate((element) => element === document.activeElement));
    await edited.press("Enter");
    await card(list(bob, "list-done"), "Check it on a tablet").waitFor();
  });

  test("a refused title is told where it was written", async () => {
    const alice = await people.board("alice");
    const form = list(alice, "list-todo").getByTestId("composer");
    await alice.route("**/tasks", (route) => route.continue({ postData: JSON.stringify({ listId: "list-todo", title: "x".repeat(201) }) }));
    people.expect(/422/);
    await composer(alice, "list-todo").fill("Something");
    await composer(alice, "list-todo").press("Enter");
    await form.getByRole("alert").filter({ hasText: "at most 200" }).waitFor();
    assert.equal(await composer(alice, "list-todo").inputValue(), "Something", "what was written is not lost");
  });
});
