// What stands beside the board: what happened, the frames, the lab, the lines to paste; and the menu of oneself.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { pathToFileURL } from "node:url";
import { badge, card, composer, face, faces, see, startRenaming } from "./demo-helpers.js";
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

test("the feed collapses who comes and goes, and can be paused", async () => {
  const alice = await people.board("alice");
  for (const name of ["bob", "carol", "dave"]) await people.board(name);
  const feed = alice.getByTestId("feed");
  await feed.getByText("\u2068Bob\u2069 and 2 others joined").waitFor();
  assert.equal(await feed.locator("li").count(), 1);
  await alice.locator("#feed-tools").getByRole("button", { name: "Pause" }).click();
  await composer(alice, "list-todo").fill("While paused");
  await composer(alice, "list-todo").press("Enter");
  await card(alice, "While paused").waitFor();
  assert.equal(await feed.locator("li").count(), 1);
  await alice.locator("#feed-tools").getByRole("button", { name: "Resume" }).click();
  await feed.getByText("added").waitFor();
  assert.equal(await feed.getAttribute("aria-live"), "off");
});

test("the feed keeps a hundred entries", async () => {
  const alice = await people.board("alice");
  await badge(alice, "live").waitFor();
  await alice.getByTestId("card").first().waitFor();
  await alice.evaluate(async () => {
    for (let time = 0; time < 105; time += 1) {
      await fetch("/tasks/task-1", { method: "PATCH", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ title: `Title ${time}` }) });
    }
  });
  await alice.getByTestId("feed").getByText("Title 104").waitFor();
  assert.equal(await alice.getByTestId("feed").locator("li").count(), 100);
});

test("the wire shows the last fifty frames both ways, each with a caption, and can be filtered", async () => {
  const alice = await people.board("alice");
  const bob = await people.board("bob");
  await see(alice, "alice", "bob");
  await alice.locator("#tab-wire").click();
  const frames = alice.getByTestId("frames");
  await frames.locator("[data-type=welcome]").getByText("Welcome, Alice.").waitFor();
  await frames.locator("[data-type=join]").getByText("Let me into the room.").waitFor();
  await frames.locator("[data-type=diff]").getByText("Bob joined.").waitFor();
  await composer(bob, "list-todo").press("x");
  await frames.locator("[data-type=typing]").getByText("Bob is typing into list-todo.").waitFor();
  const lines = await frames.locator("details").count();
  assert.ok((await frames.locator("details .caption").allTextContents()).every((caption) => caption !== ""), "each has a caption");
  assert.doesNotMatch(await frames.textContent(), /eyJ/, "no token");
  await alice.getByTestId("filter").fill("typing");
  assert.ok((await frames.locator("details:visible").count()) < lines);
  await alice.getByTestId("filter").fill("");
  const opened = frames.locator("[data-type=typing]").first();
  await opened.locator("summary").click();
  await opened.locator("pre").filter({ hasText: '"target": "list-todo"' }).waitFor();
  for (let time = 0; time < 30; time += 1) await alice.evaluate((at) => herenow.room.send("noise", at, { echo: true }), time);
  await frames.getByText("Alice says: noise.").first().waitFor();
  assert.equal(await frames.locator("details").count(), 50);
});

test("ten bots come and go, and oneself is still first", async () => {
  const alice = await people.board("alice");
  await badge(alice, "live").waitFor();
  await alice.locator("#tab-lab").click();
  await alice.getByTestId("lab-bots").click();
  await alice.getByText("11 viewing", { exact: true }).waitFor();
  assert.equal(await faces(alice).count(), 5);
  assert.equal(await faces(alice).first().getAttribute("data-user"), "alice");
  await alice.locator(".pointer").first().waitFor({ state: "attached" });
  await alice.getByTestId("lab-bots").click();
  await alice.getByText("1 viewing", { exact: true }).waitFor();
  await alice.locator(".pointer").first().waitFor({ state: "detached" });
  await alice.getByTestId("alone").getByRole("link", { name: "Bob" }).waitFor();
});

test("another tab as oneself is a small number on one's face", async () => {
  const alice = await people.board("alice");
  await badge(alice, "live").waitFor();
  await alice.locator("#tab-lab").click();
  const [second] = await Promise.all([alice.context().waitForEvent("page"), alice.getByTestId("lab-tab").click()]);
  await face(alice, "alice").locator(".tabs").filter({ hasText: "2" }).waitFor();
  await second.getByText("1 viewing", { exact: true }).waitFor();
});

test("the seven lines work as they stand, from a file", async (t) => {
  const alice = await people.board("alice");
  await badge(alice, "live").waitFor();
  await alice.locator("#tab-use").click();
  const lines = await alice.getByTestId("use-code").textContent();
  assert.equal(lines.split("\n").length, 7);
  assert.ok(lines.includes(`${server.origin}/sdk.js`));
  const folder = mkdtempSync(join(tmpdir(), "herenow-use-"));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "index.html"), lines);
  const page = await alice.context().newPage();
  await page.goto(pathToFileURL(join(folder, "index.html")).href);
  await page.locator("#here").filter({ hasText: "Alice" }).waitFor();
  await alice.getByText("2 viewing", { exact: true }).waitFor();
  await page.locator("#note").press("x");
  await alice.getByTestId("typing").filter({ hasText: "is typing" }).waitFor();
  await composer(alice, "list-todo").press("y");
  await page.locator("#typing").filter({ hasText: "Alice\u2069 is typing" }).waitFor();
});

test("pointers are shared, fade when still, and can be hidden either way", async () => {
  const alice = await people.board("alice");
  const bob = await people.board("bob");
  await see(alice, "alice", "bob");
  const box = await alice.locator("#columns").boundingBox();
  await alice.mouse.move(box.x + box.width * 0.5, box.y + box.height * 0.5);
  const hers = bob.locator('.pointer[data-user="alice"]');
  await hers.waitFor({ state: "attached" });
  assert.equal(await alice.locator(".pointer").count(), 0, "one's own is not drawn");
  const place = await bob.evaluate(() => new Promise((done) => {
    const look = () => {
      const { x, y } = document.querySelector(".pointer").getBoundingClientRect();
      const columns = document.getElementById("columns").getBoundingClientRect();
      const at = [(x - columns.x) / columns.width, (y - columns.y) / columns.height];
      if (at.every((part) => Math.abs(part - 0.5) < 0.01)) done(at);
      else requestAnimationFrame(look);
    };
    look();
  }));
  assert.equal(place.length, 2);
  await bob.locator(".pointer.still").waitFor({ state: "attached", timeout: 4_500 });

  const turn = async (page, name) => {
    await page.getByTestId("me").click();
    await page.getByRole("menuitemcheckbox", { name }).click();
  };
  await turn(alice, "Share my pointer");
  await hers.waitFor({ state: "detached" });
  await turn(alice, "Share my pointer");
  // Any move will do, once the page has begun to watch for them again.
  const back = hers.waitFor({ state: "attached" });
  let isBack = false;
  back.finally(() => { isBack = true; });
  for (let step = 0; !isBack; step = (step + 1) % 200) await alice.mouse.move(box.x + 60 + step, box.y + 300);
  await back;
  await turn(bob, "Show others’ pointers");
  await hers.waitFor({ state: "detached" });
});

test("the menu of oneself: another user, another name, another language", async () => {
  const alice = await people.board("alice");
  const bob = await people.board("bob");
  await see(bob, "bob", "alice");
  await alice.getByTestId("me").click();
  await alice.getByRole("menuitem", { name: "Change my name" }).click();
  await alice.locator("#ask-name").fill("Alicia");
  await alice.locator("#ask-name").press("Enter");
  await face(bob, "alice").and(bob.locator('[title="Alicia, active"]')).waitFor();
  await see(bob, "bob", "alice");

  await alice.getByTestId("me").click();
  await alice.getByRole("menuitemcheckbox", { name: "Deutsch" }).click();
  await alice.getByText("2 schauen zu", { exact: true }).waitFor();
  assert.equal(await alice.evaluate(() => document.documentElement.lang), "de");
  await alice.getByTestId("me").click();
  await alice.getByRole("menuitem", { name: "Carol" }).click();
  await face(bob, "carol").waitFor();
  await face(alice, "carol").waitFor();
});

test("a colour that somebody chooses is theirs on every screen, and again after a reload", async () => {
  const alice = await people.board("alice");
  const bob = await people.board("bob");
  for (const page of [alice, bob]) await see(page, "alice", "bob");
  const colorOf = (page) => face(page, "alice").locator(".avatar").evaluate((element) => getComputedStyle(element).backgroundColor);
  const given = await colorOf(bob);
  await alice.getByTestId("me").click();
  await alice.getByRole("menuitem", { name: "Change my colour…" }).click();
  await alice.getByTestId("colors").getByRole("radio", { name: "Green" }).check();
  const green = "rgb(0, 128, 58)";
  assert.notEqual(given, green);
  await alice.getByTestId("colors").getByRole("button", { name: "OK" }).click();
  const turns = (page, color) => page.waitForFunction((wanted) =>
    getComputedStyle(document.querySelector('[data-user="alice"] .avatar')).backgroundColor === wanted, color);
  await turns(bob, green);
  await turns(alice, green);
  await startRenaming(alice, "Write the announcement");
  await alice.getByTestId("card-edit").pressSequentially("x");
  await bob.waitForFunction((wanted) => {
    const chip = document.querySelector('[data-testid="chip"]');
    return chip && getComputedStyle(chip).backgroundColor === wanted;
  }, green);
  await alice.reload();
  await see(alice, "alice", "bob");
  await turns(alice, green);
  // What is no place in the list is no colour.
  await alice.evaluate(() => herenow.room.set({ color: "red; background: url(x)" }));
  await turns(bob, given);
});

test("who looks on unseen sees the others, is seen by nobody, and may be seen again", async () => {
  const alice = await people.board("alice");
  const bob = await people.board("bob");
  for (const page of [alice, bob]) await see(page, "alice", "bob");
  const turn = async () => {
    await alice.getByTestId("me").click();
    await alice.getByRole("menuitemcheckbox", { name: "Look on unseen" }).click();
  };
  await turn();
  await see(bob, "bob");
  await see(alice, "bob");
  await alice.getByTestId("me").getByText("unseen").waitFor();
  // What an unseen person does is seen: on the board, not of them.
  await startRenaming(alice, "Write the announcement");
  await alice.getByTestId("card-edit").fill("Written by a ghost");
  await alice.getByTestId("card-edit").press("Enter");
  await card(bob, "Written by a ghost").waitFor();
  assert.equal(await bob.getByTestId("chip").count(), 0);
  assert.equal(await alice.getByTestId("notice").isVisible(), false);
  await see(bob, "bob");
  await turn();
  for (const page of [alice, bob]) await see(page, "alice", "bob");
});
