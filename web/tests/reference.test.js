// The reference of the SDK, as a server hands it out.

import assert from "node:assert/strict";
import { test } from "node:test";
import { launch, People, Server } from "./harness.js";

test("the reference of the SDK is there, offline, and its links lead somewhere", async () => {
  const [browser, server] = [await launch(), await Server.start()];
  const people = new People(browser, server.origin);
  people.expect(/favicon/);
  try {
    const page = await people.open("/docs");
    await page.getByRole("link", { name: "docs/sdk" }).click();
    await page.getByRole("heading", { name: "The SDK" }).waitFor();
    for (const name of ["connect", "bindTyping", "Room", "useViewers", "AvatarStack", "setTexts"]) {
      await page.getByRole("heading", { name, exact: true }).waitFor();
    }
    const lost = await page.evaluate(() =>
      [...document.querySelectorAll('a[href^="#"]')].map((link) => link.getAttribute("href")).filter((href) => !document.getElementById(href.slice(1))));
    assert.deepEqual(lost, []);
    const widest = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(widest <= 0, `${widest} px too wide`);
    assert.deepEqual(people.complaints.filter((text) => !/404/.test(text)), []);
  } finally {
    await people.close();
    await server.stop();
    await browser.close();
  }
});
