// One card and two people: who has it, who watches, who takes over; and moving it without a mouse.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { ALICE_EDITS, card, face, list, listen, see, startRenaming, told } from "./demo-helpers.js";
import { launch, People, Server } from "./harness.js";

let server;
let browser;
let people;

before(async () => {
  browser = await launch();
});
after(() => browser?.close());
beforeEach(async () => {
  server = await Server.start();
  people = new People(browser, server.origin);
});
afterEach(async () => {
  await people.close();
  await server.stop();
  assert.deepEqual(people.complaints, []);
});

async function both() {
  const alice = await people.board("alice");
  const bob = await people.board("bob");
  await see(alice, "alice", "bob");
  await see(bob, "bob", "alice");
  return { alice, bob, hers: alice.locator('[data-task="task-1"]'), his: bob.locator('[data-task="task-1"]') };
}

const reads = (there, title) => there.getByTestId("card-title").filter({ hasText: title }).waitFor();

test("a card that somebody edits can be watched, and edited when they are done", async () => {
  const { alice, bob, hers, his } = await both();
  const field = await startRenaming(alice, "Write the announcement");
  await his.getByTestId("chip").filter({ hasText: ALICE_EDITS }).waitFor();
  await his.getByTestId("card-title").click();
  await his.getByTestId("watch").filter({ hasText: "Alice\u2069 is editing. You can watch." }).waitFor();
  assert.equal(await bob.getByTestId("card-edit").count(), 0);
  assert.ok(!(await his.getByTestId("take-over").isVisible()), "not while she is at it");

  await field.fill("Sing the announcement");
  await reads(his, "Sing the announcement");
  await field.press("Enter");
  await his.getByTestId("chip").waitFor({ state: "detached" });
  await his.getByTestId("watch").waitFor({ state: "hidden" });
  await his.getByTestId("card-title").click();
  await bob.getByTestId("card-edit").fill("Hum the announcement");
  await hers.getByTestId("chip").filter({ hasText: "Bob\u2069 is editing" }).waitFor();
  await bob.getByTestId("card-edit").press("Enter");
  await reads(hers, "Hum the announcement");
});

test("of two who begin at once, one has the card", async () => {
  const { alice, bob, hers, his } = await both();
  await Promise.all([hers.getByTestId("card-title").click(), his.getByTestId("card-title").click()]);
  await Promise.race([hers.getByTestId("watch").waitFor(), his.getByTestId("watch").waitFor()]);
  const fields = await Promise.all([alice, bob].map((page) => page.getByTestId("card-edit").count()));
  assert.deepEqual(fields.sort(), [0, 1]);
});

test("who has not typed for 30 s can be taken over from, and loses nothing", async () => {
  const alice = await people.open("/demo/bots.html#count=0");
  // Both clocks run on by hand, so that nobody has to wait.
  await alice.clock.install();
  await alice.goto(`${server.origin}/demo/board#as=alice`);
  const bob = await people.open("/demo/bots.html#count=0");
  await bob.clock.install();
  await bob.goto(`${server.origin}/demo/board#as=bob`);
  const his = bob.locator('[data-task="task-1"]');
  await see(alice, "alice", "bob");
  const field = await startRenaming(alice, "Write the announcement");
  await field.fill("Write half of");
  await his.getByTestId("chip").waitFor();
  await reads(his, "Write half of");
  await his.getByTestId("card-title").click();
  await his.getByTestId("watch").waitFor();
  for (const page of [alice, bob]) await page.clock.runFor(31_000);
  await his.getByTestId("take-over").click();
  await bob.getByTestId("card-edit").waitFor();
  assert.equal(await bob.getByTestId("card-edit").inputValue(), "Write half of");
  await alice.locator('[data-task="task-1"]').getByRole("alert").filter({ hasText: "Bob\u2069 took over" }).waitFor();
  assert.equal(await alice.getByTestId("card-edit").count(), 0);
  await reads(alice.locator('[data-task="task-1"]'), "Write half of");
});

test("a reload in the middle of editing lets go of the card", async () => {
  const { alice, bob, his } = await both();
  await listen(bob);
  const field = await startRenaming(alice, "Write the announcement");
  await field.fill("Half a thou");
  await reads(his, "Half a thou");
  await alice.reload();
  await his.getByTestId("chip").waitFor({ state: "detached" });
  await reads(his, "Write the announcement");
  await his.getByTestId("card-title").click();
  await bob.getByTestId("card-edit").waitFor();
  assert.deepEqual(await told(bob), []);
});

test("a look at another frame ends no editing; what is done next on the page does", async () => {
  const page = await people.open("/demo", { options: { viewport: { width: 1280, height: 800 } } });
  const [alice, bob] = ["alice", "bob"].map((name) => page.frameLocator(`[data-testid="pane-${name}"]`));
  for (const pane of [alice, bob]) await pane.getByText("2 viewing").waitFor();
  await alice.locator('[data-task="task-1"]').getByTestId("card-title").click();
  await alice.getByTestId("card-edit").fill("Sing the announcement");
  const his = bob.locator('[data-task="task-1"]');
  // Of two who begin at once either may have the card: here it is to be Alice.
  await bob.locator('[data-task="task-1"].held').waitFor();
  await his.getByTestId("card-title").click();
  await his.getByTestId("watch").filter({ hasText: "You can watch" }).waitFor();
  assert.equal(await alice.getByTestId("card-edit").count(), 1);
  await alice.getByTestId("board-name").click();
  await alice.getByTestId("card-edit").waitFor({ state: "detached" });
  await his.getByTestId("watch").waitFor({ state: "hidden" });
  await reads(his, "Sing the announcement");
});

test("a second tab of the same person is told so", async () => {
  const { alice } = await both();
  const second = await people.board("alice", { context: alice.context() });
  await see(second, "alice", "bob");
  await startRenaming(alice, "Write the announcement");
  const there = second.locator('[data-task="task-1"]');
  await there.and(second.locator(".held")).waitFor();
  await there.getByTestId("card-title").click();
  await there.getByTestId("watch").filter({ hasText: "another tab" }).waitFor();
});

test("faces show on which card somebody is", async () => {
  const { alice, his } = await both();
  await alice.locator('[data-task="task-1"]').getByTestId("card-menu").focus();
  await his.locator(".watchers .avatar").waitFor();
  await alice.getByTestId("me").focus();
  await his.locator(".watchers .avatar").waitFor({ state: "detached" });
});

test("with the keyboard a card is edited, lifted, moved, put back and dropped", async () => {
  const { alice, bob } = await both();
  const at = (page, id) => card(list(page, id), "Book the domain");
  // From the top of the page, as somebody without a mouse comes to it.
  const isThere = () => at(alice, "list-done").getByTestId("card-title").evaluate((title) => title === document.activeElement);
  for (let tabs = 0; tabs < 60 && !(await isThere()); tabs += 1) await alice.keyboard.press("Tab");
  assert.ok(await isThere(), "the card can be reached");
  await alice.keyboard.press("Enter");
  await alice.keyboard.press("End");
  await alice.keyboard.type(" now");
  await alice.keyboard.press("Enter");
  await card(bob, "Book the domain now").waitFor();

  const say = (words) => alice.getByTestId("say").filter({ hasText: words }).waitFor();
  await alice.keyboard.press("Space");
  await say("Picked up");
  await alice.keyboard.press("ArrowLeft");
  await say(/In Progress.*position 2 of 3/);
  await at(alice, "list-progress").waitFor();
  assert.equal(await at(bob, "list-done").count(), 1, "not yet");
  await alice.keyboard.press("Escape");
  await say("back");
  await at(alice, "list-done").waitFor();

  await alice.keyboard.press("Space");
  await alice.keyboard.press("ArrowLeft");
  await alice.keyboard.press("ArrowLeft");
  await alice.keyboard.press("ArrowUp");
  await alice.keyboard.press("Space");
  await at(bob, "list-todo").waitFor();
  await say(/Moved.*To Do.*position 1 of 4/);
  const titles = await list(bob, "list-todo").getByTestId("card-title").allTextContents();
  assert.equal(titles[0], "Book the domain now");
  const focused = () => alice.evaluate(() => document.activeElement.textContent);
  assert.equal(await focused(), "Book the domain now", "the focus moves with the card");

  await alice.keyboard.press("Tab");
  await alice.keyboard.press("Enter");
  await alice.getByRole("menuitem", { name: "Edit" }).waitFor();
  await alice.keyboard.press("ArrowDown");
  await alice.keyboard.press("Enter");
  await at(bob, "list-progress").waitFor();
  await alice.keyboard.press("Shift+Tab");
  assert.equal(await focused(), "Book the domain now");
});

test("a move that is refused goes back, and says why", async () => {
  const { alice } = await both();
  people.expect(/404/);
  await alice.route("**/move", (route) => route.fulfill({ status: 404, contentType: "application/problem+json", body: '{"title":"there is no such task"}' }));
  await alice.locator('[data-task="task-6"]').getByTestId("card-title").focus();
  for (const key of ["Space", "ArrowLeft", "Space"]) await alice.keyboard.press(key);
  await card(list(alice, "list-done"), "Choose a name").getByRole("alert").filter({ hasText: "no such task" }).waitFor();
});
