// The page with two screens, as somebody sees it first; saves pictures of it to `out`.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ALICE_TYPES, launch, OUT, People, Server } from "./harness.js";

let server;
let browser;

before(async () => {
  server = await Server.start();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

for (const colorScheme of ["light", "dark"]) {
  for (const [width, height] of [[1280, 800], [390, 844]]) {
    test(`Alice types and Bob sees it, ${width} px wide, ${colorScheme}`, async () => {
      const people = new People(browser, server.origin);
      const page = await people.open("/demo", { options: { viewport: { width, height }, colorScheme } });
      const alice = page.frameLocator('[data-testid="pane-alice"]');
      const bob = page.frameLocator('[data-testid="pane-bob"]');
      await alice.getByText("2 viewing").waitFor();
      await bob.getByText("2 viewing").waitFor({ state: "attached" });
      assert.equal(await bob.getByTestId("me").textContent(), "Bob");

      await alice.getByTestId("card-title").nth(1).click();
      const field = alice.getByTestId("card-edit");
      await field.press("End");
      await field.pressSequentially(" or two");
      await bob.getByTestId("chip").filter({ hasText: ALICE_TYPES }).waitFor({ state: "attached" });
      await page.screenshot({ path: `${OUT}duo-${width}-${colorScheme}.png`, animations: "disabled" });
      if (width < 900) {
        await page.getByTestId("peek").filter({ hasText: ALICE_TYPES }).waitFor();
        await page.getByText("Bob", { exact: true }).click();
        await bob.getByTestId("me").waitFor();
        await page.screenshot({ path: `${OUT}duo-${width}-${colorScheme}-bob.png`, animations: "disabled" });
        await page.getByText("Alice", { exact: true }).click();
      }
      for (const frame of page.frames()) {
        const [wide, room] = await frame.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
        assert.ok(wide <= room, `${frame.url()} is ${wide} px wide in ${room}`);
      }
      await people.close();
      assert.deepEqual(people.complaints, []);
    });
  }
}

test("a third tab as Alice opens, and she is still listed once", async () => {
  const people = new People(browser, server.origin);
  const page = await people.open("/demo");
  const bob = page.frameLocator('[data-testid="pane-bob"]');
  await bob.getByText("2 viewing").waitFor();
  const [third] = await Promise.all([page.context().waitForEvent("page"), page.getByTestId("third-tab").click()]);
  await third.getByText("2 viewing").waitFor();
  assert.equal(await third.getByTestId("me").textContent(), "Alice");
  assert.equal(await bob.getByTestId("stack").locator("li").count(), 2);
  await page.getByTestId("coach-close").click();
  await page.getByTestId("coach").waitFor({ state: "hidden" });
  await people.close();
  assert.deepEqual(people.complaints, []);
});

test("with reduced motion nothing moves", async () => {
  const people = new People(browser, server.origin);
  const alice = await people.board("alice", { options: { reducedMotion: "reduce" } });
  const bob = await people.board("bob");
  await bob.getByText("2 viewing").waitFor();
  await bob.getByTestId("composer-input").first().press("x");
  await alice.getByTestId("chip").waitFor();
  const moving = await alice.evaluate(() => document.getAnimations().length);
  assert.equal(moving, 0);
  await people.close();
  assert.deepEqual(people.complaints, []);
});
