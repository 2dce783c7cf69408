// Whether everybody can use the demo: no finding of axe in its states, in both themes, and what else it cannot check.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { badge, composer, face, see, startRenaming } from "./demo-helpers.js";
import { launch, OUT, People, Server } from "./harness.js";

const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

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
  // Who has not needed a part of the SDK before the server is killed does not get it.
  people.expect(/ERR_|dynamically imported module/);
});
afterEach(async () => {
  await people.close();
  await server.stop();
  assert.deepEqual(people.complaints, []);
});

/** Complains about what axe finds in the page as it is now; in its frames each by itself. */
async function check(page, state, rules) {
  for (const frame of page.frames()) {
    // The page's own policy lets nothing in, so it is evaluated by the debugger.
    await frame.evaluate(AXE);
    const { violations } = await frame.evaluate(async (rules) => {
      await Promise.all(document.getAnimations().filter(({ effect }) => effect.getComputedTiming().iterations === 1).map(({ finished }) => finished.catch(() => {})));
      return axe.run(document, { iframes: false, ...(rules && { runOnly: rules }) });
    }, rules);
    const found = violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join("; ").slice(0, 500)}`);
    assert.deepEqual(found, [], state);
  }
}

for (const colorScheme of ["light", "dark"]) {
  test(`a board in its states, ${colorScheme}`, async () => {
    const alice = await people.board("alice", { options: { colorScheme, viewport: { width: 1280, height: 800 } } });
    // Dark, only the colours are others.
    const rules = colorScheme === "dark" ? ["color-contrast"] : undefined;
    const look = (page, state) => check(page, state, rules);
    await alice.getByTestId("alone").getByRole("link").waitFor();
    await look(alice, "alone");
    const bob = await people.board("bob");
    await see(alice, "alice", "bob");
    for (const name of ["carol", "dave", "erin", "frank"]) await badge(await people.board(name), "live").waitFor();
    await startRenaming(bob, "Write the announcement");
    await bob.getByTestId("card-edit").pressSequentially("x");
    await alice.getByTestId("chip").waitFor();
    await alice.locator('[data-task="task-1"]').getByTestId("card-title").click();
    await alice.getByTestId("watch").and(alice.locator(":visible")).waitFor();
    await look(alice, "watching");
    await look(bob, "editing");
    await alice.getByTestId("board-name").getByRole("button").click();
    await bob.getByTestId("board-name").getByTestId("chip").waitFor();
    await look(alice, "naming the board");
    await look(bob, "somebody names the board");
    await alice.keyboard.press("Escape");
    await alice.getByTestId("board-name").getByRole("button").waitFor();
    await composer(alice, "list-todo").focus();
    await look(alice, "writing a task");
    for (const tab of ["wire", "lab", "use"]) {
      await alice.locator(`#tab-${tab}`).click();
      await look(alice, tab);
    }
    await alice.getByTestId("me").click();
    await look(alice, "menu");
    await alice.keyboard.press("Escape");
    await alice.getByTestId("me").click();
    await alice.locator("#menu button").nth(4).click();
    await alice.getByTestId("colors").waitFor();
    await look(alice, "colours");
    await alice.keyboard.press("Escape");
    await alice.getByTestId("more").click();
    await look(alice, "everyone");
    await alice.keyboard.press("Escape");
    await server.kill();
    await badge(alice, "reconnecting").waitFor();
    await alice.locator('[data-testid="here"].stale').waitFor();
    await look(alice, "reconnecting");
  });
}

test("the page with two screens, and a phone", async () => {
  const page = await people.open("/demo");
  const bob = page.frameLocator('[data-testid="pane-bob"]');
  await bob.getByText("2 viewing").waitFor();
  await check(page, "two screens");
  await page.getByTestId("use").click();
  await check(page, "use it");
  const phone = await people.board("carol", { options: { viewport: { width: 390, height: 844 } } });
  await badge(phone, "live").waitFor();
  await check(phone, "phone");
  await phone.locator("#open-lab").click();
  await check(phone, "sheet");
  assert.equal(await phone.evaluate(() => document.activeElement.id), "tab-lab");
  await phone.keyboard.press("Escape");
  await phone.getByTestId("rail").waitFor({ state: "hidden" });
  assert.equal(await phone.evaluate(() => document.activeElement.id), "open-lab");
});

test("in Arabic the page is mirrored, and pointers are where they are", async () => {
  const alice = await people.board("alice", { query: "?lang=ar", options: { viewport: { width: 1280, height: 800 } } });
  const bob = await people.board("bob");
  await face(alice, "bob").waitFor();
  await startRenaming(bob, "Write the announcement");
  await bob.getByTestId("card-edit").pressSequentially("x");
  await alice.getByTestId("chip").waitFor();
  const left = (id) => alice.locator(id).evaluate((element) => element.getBoundingClientRect().left);
  assert.ok((await left("#me")) < (await left("#board-name")), "oneself is on the left");
  assert.ok((await left('[data-list="list-done"]')) < (await left('[data-list="list-todo"]')), "done is on the left");
  assert.ok((await left("#rail")) < (await left("#columns")), "the rail is on the left");
  const box = await bob.locator("#columns").boundingBox();
  await bob.mouse.move(box.x + box.width * 0.1, box.y + 200);
  await alice.locator('.pointer[data-user="bob"]').waitFor({ state: "attached" });
  const part = await alice.evaluate(() => new Promise((done) => {
    const look = (before) => {
      const { x } = document.querySelector(".pointer").getBoundingClientRect();
      const columns = document.getElementById("columns").getBoundingClientRect();
      if (x === before) done((x - columns.x) / columns.width);
      else setTimeout(look, 100, x);
    };
    look(NaN);
  }));
  assert.ok(Math.abs(part - 0.1) < 0.02, `it is at ${part}`);
  await check(alice, "Arabic");
  await alice.locator("#tab-lab").click();
  await alice.screenshot({ path: `${OUT}board-1280-ar.png`, animations: "disabled" });
  await alice.locator('[data-task="task-7"]').getByTestId("card-title").focus();
  for (const key of ["Space", "ArrowRight", "Space"]) await alice.keyboard.press(key);
  await bob.getByTestId("list-list-progress").locator('[data-task="task-7"]').waitFor();
});

test("with reduced motion nothing moves by itself", async () => {
  const alice = await people.board("alice", { options: { reducedMotion: "reduce" } });
  const bob = await people.board("bob");
  await see(bob, "bob", "alice");
  await composer(bob, "list-todo").press("x");
  await alice.getByTestId("chip").waitFor();
  assert.equal(await alice.evaluate(() => document.getAnimations().length), 0);
  const box = await bob.locator("#columns").boundingBox();
  await bob.mouse.move(box.x + 100, box.y + 300);
  await alice.locator(".pointer").waitFor({ state: "attached" });
  const places = alice.evaluate(() => new Promise((done) => {
    const seen = [];
    const pointer = document.querySelector(".pointer");
    new MutationObserver(() => seen.push(performance.now())).observe(pointer, { attributes: true, attributeFilter: ["style"] });
    addEventListener("enough", () => done(seen), { once: true });
  }));
  for (let step = 0; step < 40; step += 1) await bob.mouse.move(box.x + 100 + step * 5, box.y + 300, { steps: 2 });
  await alice.locator(".pointer.still").waitFor({ state: "attached" });
  await alice.evaluate(() => dispatchEvent(new Event("enough")));
  const seen = await places;
  const gaps = seen.slice(1).map((at, index) => at - seen[index]);
  assert.ok(gaps.every((gap) => gap > 450), `pointers jumped after ${gaps.map(Math.round)} ms`);

  const carol = await people.board("carol");
  await face(carol, "bob").waitFor();
  await carol.getByTestId("me").click();
  await carol.getByRole("menuitemcheckbox", { name: "Less motion" }).click();
  await composer(bob, "list-todo").press("y");
  await carol.getByTestId("chip").waitFor();
  assert.equal(await carol.evaluate(() => document.getAnimations().length), 0);
});
