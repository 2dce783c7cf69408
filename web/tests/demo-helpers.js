// What the tests of the demo share: where things are on a board, and when they came to be there.

import assert from "node:assert/strict";
import { nextFrame } from "./harness.js";

/** The sentence, with the marks around the name that keep its writing direction to itself. */
export const ALICE_EDITS = /\u2068Alice\u2069 is editing/;

export const faces = (page) => page.getByTestId("stack").locator("li");
export const face = (page, user) => page.getByTestId("stack").locator(`li[data-user="${user}"]`);
export const card = (page, title) => page.getByTestId("card").filter({ hasText: title });
export const list = (page, id) => page.getByTestId(`list-${id}`);
export const composer = (page, id) => list(page, id).getByTestId("composer-input");
export const badge = (page, state) => page.locator(`[data-testid="badge"][data-state="${state}"]`);

/** Waits until exactly these are here, and shown. */
export async function see(page, ...users) {
  for (const user of users) await face(page, user).waitFor();
  await page.getByText(`${users.length} viewing`, { exact: true }).waitFor();
  await badge(page, "live").waitFor();
  assert.equal(await faces(page).count(), users.length);
}

/** Opens the title of a card for editing. */
export async function startRenaming(page, title) {
  await card(page, title).getByTestId("card-title").click();
  return page.getByTestId("card-edit");
}

/** Notes from now on what a page's room tells of people coming and going. */
export async function listen(page) {
  await page.evaluate(() => {
    window.told = [];
    for (const kind of ["join", "leave"]) herenow.room.on(kind, ({ viewer, reason }) => told.push([kind, viewer.user.id, ...(reason ? [reason] : [])]));
  });
}

/** What it told, about one user or all. */
export const told = async (page, user) => (await page.evaluate(() => window.told)).filter((event) => !user || event[1] === user);

/** A frame that says that somebody left. */
export const leftFrame = (page, user) =>
  nextFrame(page, (frame) => frame.type === "diff" && frame.left?.some(({ id }) => id === user));

/** A frame that says that somebody began, or stopped, typing. */
export const typingFrame = (page, on) => nextFrame(page, (frame) => frame.type === "typing" && frame.on === on);

/** Lets somebody come and go, whose leave is told after the grace that ran for others before. */
export async function waitForGrace(people, witness) {
  const visitor = await people.board("visitor");
  await face(witness, "visitor").waitFor();
  const left = leftFrame(witness, "visitor");
  await visitor.close();
  await left;
}

/** When, in milliseconds of the clock, an expression about a page first held; looked at with each change and frame. */
export function heldAt(page, test) {
  return page.evaluate((source) => new Promise((found) => {
    const holds = new Function(`return (${source})`);
    const look = () => {
      if (!holds()) return;
      changes.disconnect();
      found(Date.now());
    };
    const changes = new MutationObserver(look);
    changes.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
    look();
  }), test);
}

/** The middle one. */
export const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];
