// The page with two screens, as somebody sees it first; saves pictures of it, and of one board, to `out`.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { ALICE_EDITS, badge, see } from "./demo-helpers.js";
import { ALICE_TYPES, launch, OUT, People, Server } from "./harness.js";

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

async function duo(options) {
  const page = await people.open("/demo", { options });
  const [alice, bob] = ["alice", "bob"].map((name) => page.frameLocator(`[data-testid="pane-${name}"]`));
  for (const pane of [alice, bob]) await pane.getByText("2 viewing").waitFor({ state: "attached" });
  return { page, alice, bob };
}

for (const colorScheme of ["light", "dark"]) {
  for (const [width, height] of [[1280, 800], [390, 844]]) {
    test(`Alice types and Bob sees it, ${width} px wide, ${colorScheme}`, async () => {
      const { page, alice, bob } = await duo({ viewport: { width, height }, colorScheme });
      await alice.getByTestId("card-title").nth(1).click();
      const field = alice.getByTestId("card-edit");
      await field.press("End");
      await field.pressSequentially(" or two");
      await bob.getByTestId("chip").filter({ hasText: ALICE_EDITS }).waitFor({ state: "attached" });
      await page.screenshot({ path: `${OUT}duo-${width}-${colorScheme}.png`, animations: "disabled" });
      if (width < 900) {
        await page.getByTestId("peek").filter({ hasText: ALICE_TYPES }).waitFor();
        await page.getByRole("radio", { name: "Bob" }).check();
        await bob.getByTestId("me").waitFor();
        await page.screenshot({ path: `${OUT}duo-${width}-${colorScheme}-bob.png`, animations: "disabled" });
        await page.getByRole("radio", { name: "Alice" }).check();
      }
      for (const frame of page.frames()) {
        const [wide, room] = await frame.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
        assert.ok(wide <= room, `${frame.url()} is ${wide} px wide in ${room}`);
      }
      const carol = await people.board("carol", { options: { viewport: { width, height }, colorScheme } });
      await see(carol, "carol", "alice", "bob");
      await carol.screenshot({ path: `${OUT}board-${width}-${colorScheme}.png`, animations: "disabled" });
    });
  }
}

test("a third tab as Alice opens, and she is still listed once", async () => {
  const { page, bob } = await duo();
  const [third] = await Promise.all([page.context().waitForEvent("page"), page.getByTestId("third-tab").click()]);
  await third.getByText("2 viewing").waitFor();
  await third.locator("#me").filter({ hasText: "Alice" }).waitFor();
  assert.equal(await bob.getByTestId("stack").locator("li").count(), 2);
  await page.getByTestId("coach").locator("[data-step=tab].done").waitFor();
  await page.getByTestId("coach-close").click();
  await page.getByTestId("coach").waitFor({ state: "hidden" });
});

test("the divider is moved by pointer and by keys", async () => {
  const { page } = await duo();
  const width = () => page.getByTestId("pane-alice").evaluate((frame) => frame.clientWidth);
  const before = await width();
  await page.getByTestId("divider").focus();
  for (let time = 0; time < 5; time += 1) await page.keyboard.press("ArrowRight");
  assert.equal(await page.getByTestId("divider").getAttribute("aria-valuenow"), "60");
  const wider = await width();
  assert.ok(wider > before + 80);
  const box = await page.getByTestId("divider").boundingBox();
  await page.mouse.move(box.x + 6, box.y + 200);
  await page.mouse.down();
  await page.mouse.move(box.x - 300, box.y + 200, { steps: 4 });
  await page.mouse.up();
  assert.ok((await width()) < before);
});

test("shown by itself, in about twenty seconds, and back to where it was", async () => {
  const { page, alice, bob } = await duo();
  const titles = () => bob.getByTestId("card-title").allTextContents();
  const before = await titles();
  await bob.locator("body").evaluate(() => {
    window.left = [];
    herenow.room.on("leave", ({ viewer }) => left.push(viewer.user.id));
  });
  const startedAt = Date.now();
  await page.getByTestId("show").click();
  await bob.locator('.pointer[data-user="alice"]').waitFor({ state: "attached" });
  await bob.getByTestId("card-title").filter({ hasText: "announcement toge" }).waitFor();
  await bob.getByTestId("watch").and(bob.locator(":visible")).waitFor();
  await alice.getByTestId("list-list-progress").getByText("announcement together").waitFor();
  await page.getByTestId("scene").filter({ hasText: "back to where it was" }).waitFor();
  await page.getByTestId("scene").waitFor({ state: "hidden" });
  const took = Date.now() - startedAt;
  assert.ok(took > 15_000 && took < 26_000, `it took ${took} ms`);
  assert.deepEqual(await titles(), before);
  assert.deepEqual(await bob.locator("body").evaluate(() => left), []);
  await badge(alice, "live").waitFor();
});
