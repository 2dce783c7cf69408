// The UI kit in real pages against a real server: what people see, what screen readers are told, what keys do.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { haveSent, launch, OUT, People, Server } from "./harness.js";
import { cable, servePages } from "./sdk-pages.js";
import { admit, KIT_PAGE, STRANGE } from "./ui-pages.js";

const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const SEVEN = { bob: "Bob Fischer", carol: "Carol Ñandú", dave: "Dave", erin: "أحمد علي", frank: "Frank", gina: "Gina", hugo: "Hugo" };
const WIDE = { viewport: { width: 1280, height: 720 } };
const NARROW = { viewport: { width: 390, height: 844 } };

let server;
let pages;
let browser;
let people;

before(async () => {
  browser = await launch();
  pages = await servePages({
    "/kit": KIT_PAGE,
    "/bare": `<!doctype html><html lang="en"><title>bare</title><link rel=icon href=data:,><main></main>`,
  });
});
after(async () => {
  await pages?.close();
  await browser?.close();
});
beforeEach(async () => {
  server = await Server.start();
  people = new People(browser, pages.origin);
});
afterEach(async () => {
  await people.close();
  await server.stop();
  assert.deepEqual(people.complaints, []);
});

/** Alice's page, once she is in the room. */
async function visit({ as = "alice", url = server.origin, options = WIDE, ...query } = {}) {
  const page = await people.open(`/kit?${new URLSearchParams({ as, url, ...query })}`, { options });
  await page.locator("herenow-avatars li").first().waitFor();
  return page;
}

/** A page whose only purpose is that others are in the room. */
async function crowd(others, url = server.origin) {
  const page = await people.open("/bare");
  await admit(page, url, others);
  return page;
}

const countIs = (page, n) => page.waitForFunction((n) => window.room.count.get().users === n, n);
const look = (page, name) => page.screenshot({ path: `${OUT}ui-${name}.png` });

/** What axe has to say of a page. */
async function violations(page) {
  // Half-faded text has no contrast to judge.
  await page.evaluate(() => {
    const roots = [...document.querySelectorAll("*")].flatMap(({ shadowRoot }) => shadowRoot ?? []);
    const finite = roots.flatMap((root) => root.getAnimations()).filter(({ effect }) => effect.getTiming().iterations !== Infinity);
    return Promise.allSettled(finite.map(({ finished }) => finished));
  });
  if (!(await page.evaluate(() => "axe" in window))) await page.addScriptTag({ path: AXE });
  const found = await page.evaluate(() => axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
  assert.ok(found.passes.length > 10, "axe looked at something");
  return found.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
}

/** What the region of an element for screen readers says, each time that changes: from now on, in `window.told`. */
const listen = (page, name, role = "status") =>
  page.evaluate(({ name, role }) => {
    const region = document.querySelector(name).shadowRoot.querySelector(`[role=${role}]`);
    window.told ??= {};
    const told = (window.told[`${name} ${role}`] = []);
    new MutationObserver(() => told.push({ text: region.textContent, at: performance.now() })).observe(region, { childList: true, characterData: true, subtree: true });
  }, { name, role });
const told = (page, name, role = "status") => page.evaluate((key) => window.told[key], `${name} ${role}`);
const regionSays = (page, name, text, role = "status") =>
  page.waitForFunction(({ name, role, text }) => document.querySelector(name).shadowRoot.querySelector(`[role=${role}]`).textContent.includes(text), { name, role, text });

test("alone, with three, and with eight and the dialog open: named, and nothing for axe to say", async () => {
  const alice = await visit();
  assert.equal(await alice.locator("herenow-count [part=text]").textContent(), "1 person viewing");
  assert.deepEqual(await violations(alice), []);
  await look(alice, "alone");

  const { bob, carol, ...more } = SEVEN;
  const others = await crowd({ bob, carol });
  await countIs(alice, 3);
  assert.equal(
    await alice.locator("herenow-avatars").ariaSnapshot(),
    `- list "3 people viewing":
  - listitem:
    - img "\u2068Alice\u2069 (you), active"
  - listitem:
    - img "\u2068Bob Fischer\u2069, active"
  - listitem:
    - img "\u2068Carol Ñandú\u2069, active"
- status`,
  );
  assert.deepEqual(await violations(alice), []);
  await look(alice, "three");

  await admit(others, server.origin, more);
  await countIs(alice, 8);
  const button = alice.locator("herenow-avatars .more");
  assert.equal(await button.getAttribute("aria-label"), "Show 3 more people");
  assert.equal(await alice.locator("herenow-avatars .stack > li").count(), 5);
  await button.click();
  await alice.locator("herenow-avatars dialog[open]").waitFor();
  assert.equal(await alice.locator("herenow-avatars .people > li").count(), 8);
  assert.deepEqual(await violations(alice), []);
  await look(alice, "dialog");
  await alice.emulateMedia({ colorScheme: "dark" });
  assert.deepEqual(await violations(alice), []);
  await look(alice, "dialog-dark");
});

test("the dialog by keys alone", async () => {
  const alice = await visit();
  await crowd({ ...SEVEN, ida: "Ida" });
  await countIs(alice, 9);
  await alice.keyboard.press("Tab");
  const focused = () => alice.evaluate(() => {
    let { activeElement: element } = document;
    while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
    return element?.getAttribute("part") || element?.ariaLabel || element?.tagName;
  });
  assert.equal(await focused(), "\u2068Alice\u2069 (you), active");
  const tip = alice.locator("herenow-avatars .tip").first();
  assert.ok(await tip.isVisible(), "the tooltip comes with focus");
  await alice.keyboard.press("Escape");
  assert.ok(!(await tip.isVisible()), "and can be sent away");
  for (let faces = 0; faces < 5; faces += 1) await alice.keyboard.press("Tab");
  assert.equal(await focused(), "more");
  await alice.keyboard.press("Enter");
  await alice.locator("herenow-avatars dialog[open]").waitFor();
  assert.equal(await alice.locator("herenow-avatars .more").getAttribute("aria-expanded"), "true");
  const stops = [];
  for (let tabs = 0; tabs < 5; tabs += 1) {
    stops.push(await focused());
    await alice.keyboard.press("Tab");
  }
  assert.deepEqual(stops, ["close", "search", "people", "close", "search"]);
  await alice.keyboard.press("Shift+Tab");
  assert.equal(await focused(), "search");
  await alice.keyboard.type("ñandú");
  assert.deepEqual(await alice.locator("herenow-avatars .people .who").allInnerTexts(), ["Carol Ñandú"]);
  await alice.keyboard.type("x");
  assert.equal(await alice.locator("herenow-avatars .note").innerText(), "Nobody by that name");
  // The first Escape empties a search field, as it does everywhere.
  await alice.keyboard.press("Escape");
  await alice.keyboard.press("Escape");
  await alice.locator("herenow-avatars dialog:not([open])").waitFor({ state: "attached" });
  assert.equal(await focused(), "more");
  assert.equal(await alice.locator("herenow-avatars .more").getAttribute("aria-expanded"), "false");
});

test("who comes and goes takes no focus away", async () => {
  const alice = await visit();
  const others = await crowd({ bob: "Bob", carol: "Carol" });
  await countIs(alice, 3);
  await alice.locator("herenow-avatars .target").nth(2).focus();
  await others.evaluate(() => crowd.bob.client.close());
  await countIs(alice, 2);
  const label = () => alice.evaluate(() => document.activeElement.shadowRoot?.activeElement?.ariaLabel);
  assert.equal(await label(), "\u2068Carol\u2069, active");
});

test("names are text, whatever is in them", async () => {
  const alice = await visit();
  const others = await crowd(STRANGE);
  await countIs(alice, 4);
  await others.evaluate(() => crowd.markup.room.typing.in("note").start());
  await alice.locator("herenow-typing .types").waitFor();
  assert.equal(await alice.locator("herenow-typing [part=text]").textContent(), `\u2068${STRANGE.markup}\u2069 is typing`);
  const labels = await alice.locator("herenow-avatars .target").evaluateAll((all) => all.map(({ ariaLabel }) => ariaLabel));
  assert.deepEqual(labels.slice(1).sort(), [STRANGE.emoji, STRANGE.markup, "gnp.exe ann"].map((name) => `\u2068${name}\u2069, active`).sort());
  assert.deepEqual((await alice.locator("herenow-avatars .face").allInnerTexts()).sort(), ["A", "GA", "IO", "🦊"]);
  assert.equal(await alice.locator("img").count(), 0);
  await look(alice, "names");
  await alice.setViewportSize(NARROW.viewport);
  await look(alice, "names-390");
  assert.ok(await alice.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "nothing sticks out");
});

test("typing is shown at once, told at most every 10 s and not while one types there oneself", async () => {
  const alice = await visit();
  const others = await crowd({ bob: "Bob", carol: "Carol" });
  const line = alice.locator("herenow-typing [part=text]");
  assert.equal(await alice.locator("herenow-typing [role=status]").textContent(), "", "there from the start, and silent");
  await listen(alice, "herenow-typing");
  const height = await alice.locator("herenow-typing").evaluate((element) => element.offsetHeight);

  await alice.locator("[name=note]").press("x");
  const typedAt = await alice.evaluate(() => performance.now());
  await others.evaluate(() => {
    const bob = crowd.bob.room.typing.in("note");
    bob.start();
    window.bobTypes = setInterval(() => bob.start(), 1_000);
  });
  await line.getByText("Bob").waitFor();
  assert.equal(await alice.locator("herenow-typing").evaluate((element) => element.offsetHeight), height, "nothing jumps");
  assert.deepEqual(await told(alice, "herenow-typing"), [], "she is typing");
  assert.deepEqual(await violations(alice), []);
  await regionSays(alice, "herenow-typing", "Bob");
  const [first] = await told(alice, "herenow-typing");
  assert.ok(first.at - typedAt >= 1_900, `told ${first.at - typedAt} ms after her key`);

  await others.evaluate(() => {
    clearInterval(bobTypes);
    crowd.bob.room.typing.in("note").stop();
    const carol = crowd.carol.room.typing.in("note");
    carol.start();
    setInterval(() => carol.start(), 1_000);
  });
  await alice.waitForFunction(() => room.typing.text.get().includes("Carol") && !room.typing.text.get().includes("Bob"));
  await regionSays(alice, "herenow-typing", "Carol");
  const said = (await told(alice, "herenow-typing")).filter(({ text }) => text);
  assert.equal(said.length, 2, JSON.stringify(said));
  assert.ok(said[1].at - said[0].at >= 9_990, `told again after ${said[1].at - said[0].at} ms`);
});

test("a lost connection: silent for a second, then a badge, grey faces and one alert; a key tries again", async () => {
  people.expect(/ERR_|asked for|WebSocket|Failed to load/);
  const line = await cable(server.port);
  const alice = await visit({ url: line.origin });
  await crowd({ bob: "Bob" });
  await countIs(alice, 2);
  await listen(alice, "herenow-connection");
  await listen(alice, "herenow-connection", "alert");
  const badge = alice.locator("herenow-connection .badge");
  await badge.waitFor({ state: "hidden" });
  line.cut();
  await alice.waitForFunction(() => client.state.get().name !== "online");
  const cutAt = await alice.evaluate(() => performance.now());
  assert.ok(!(await badge.isVisible()), "it may be over in a moment");
  await badge.waitFor();
  assert.match(await badge.innerText(), /^Reconnecting/);
  await regionSays(alice, "herenow-connection", "Connection lost", "alert");
  assert.equal(await alice.locator("herenow-avatars .stack").getAttribute("aria-label"), "2 people viewing, as last known");
  assert.equal(await alice.locator("herenow-avatars li").count(), 2, "stale, not empty");
  assert.equal(await alice.locator("herenow-count [part=text]").textContent(), "2 people viewing, as last known");
  assert.equal(await alice.locator("herenow-dot [part=label]").first().textContent(), "active, as last known");
  assert.deepEqual(await violations(alice), []);
  await look(alice, "lost");
  const status = await told(alice, "herenow-connection");
  const alerts = await told(alice, "herenow-connection", "alert");
  assert.deepEqual(status.map(({ text }) => text), ["Reconnecting"], "the seconds are for the eyes");
  assert.ok(status[0].at - cutAt >= 900, `told after ${status[0].at - cutAt} ms`);
  assert.equal(alerts.length, 1);
  assert.ok(alerts[0].at - cutAt >= 4_800, `alarmed after ${alerts[0].at - cutAt} ms`);

  line.mend();
  const retry = alice.locator("herenow-connection button");
  await retry.focus();
  await alice.keyboard.press("Enter");
  await regionSays(alice, "herenow-connection", "Connected again");
  assert.equal(await alice.locator("herenow-avatars .stack").getAttribute("aria-label"), "2 people viewing");
  assert.equal(await alice.locator("herenow-connection [role=alert]").textContent(), "");
  await badge.waitFor({ state: "hidden" });
  await people.close();
  await line.close();
});

test("pointers are decoration that can be hidden, and jump at most twice a second for those who want no motion", async () => {
  const alice = await visit({ options: { ...WIDE, reducedMotion: "reduce" } });
  const others = await crowd({ bob: "Bob" });
  await countIs(alice, 2);
  await others.evaluate(() => {
    const area = document.createElement("div");
    area.style.cssText = "position:fixed;inset:0";
    document.body.append(area);
    crowd.bob.room.cursors(area);
  });
  const move = async (steps) => {
    for (let step = 0; step < steps; step += 1) await others.mouse.move(100 + step * 5, 100 + step);
  };
  const cursor = alice.locator("herenow-cursors .cursor");
  while (!(await cursor.count())) await move(5);
  assert.equal(await cursor.innerText(), "Bob");
  const layer = alice.locator("herenow-cursors .layer");
  assert.equal(await layer.getAttribute("aria-hidden"), "true");
  assert.equal(await layer.evaluate((element) => getComputedStyle(element).pointerEvents), "none");
  await alice.evaluate(() => {
    window.jumps = [];
    const shape = document.querySelector("herenow-cursors").shadowRoot.querySelector(".cursor");
    new MutationObserver(() => jumps.push(performance.now())).observe(shape, { attributeFilter: ["style"] });
  });
  while ((await alice.evaluate(() => jumps.length)) < 4) await move(20);
  const jumps = await alice.evaluate(() => window.jumps);
  for (let index = 1; index < jumps.length; index += 1) {
    const gap = jumps[index] - jumps[index - 1];
    assert.ok(gap >= 450, `a jump ${gap} ms after another`);
  }
  await others.evaluate(() => crowd.bob.room.typing.in("note").start());
  await alice.locator("herenow-typing .types").waitFor();
  const animations = await alice.evaluate(() =>
    [...document.querySelectorAll("*")].flatMap(({ shadowRoot }) => shadowRoot?.getAnimations() ?? []).length,
  );
  assert.equal(animations, 0);
  assert.deepEqual(await violations(alice), []);
  const toggle = alice.locator("herenow-cursors .toggle");
  await toggle.focus();
  await alice.keyboard.press("Enter");
  assert.ok(!(await cursor.isVisible()));
  assert.equal(await toggle.innerText(), "Show pointers");
});

test("with forced colours borders and shapes remain", async () => {
  const alice = await visit({ options: { ...WIDE, forcedColors: "active" } });
  await crowd({ bob: "Bob Fischer", carol: "Carol" });
  await countIs(alice, 3);
  const shapes = await alice.evaluate(() => {
    const root = document.querySelector("herenow-avatars").shadowRoot;
    const face = getComputedStyle(root.querySelector(".face"));
    const dot = getComputedStyle(root.querySelector(".dot"));
    return { face: face.borderTopStyle, dot: dot.backgroundColor, surface: getComputedStyle(document.body).backgroundColor };
  });
  assert.equal(shapes.face, "solid");
  assert.notEqual(shapes.dot, shapes.surface);
  assert.deepEqual(await violations(alice), []);
  await look(alice, "forced-colours");
});

test("in Arabic everything is mirrored, and says so in Arabic", async () => {
  const alice = await visit({ lang: "ar", dir: "rtl", options: NARROW });
  const others = await crowd({ ...SEVEN, ida: "Ida" });
  await countIs(alice, 9);
  await others.evaluate(() => crowd.erin.room.typing.in("note").start());
  await alice.locator("herenow-typing .types").waitFor();
  assert.equal(await alice.locator("herenow-avatars .stack").getAttribute("aria-label"), "9 أشخاص يشاهدون");
  const left = (selector) => alice.locator(selector).evaluate((element) => element.getBoundingClientRect().left);
  assert.ok((await left("herenow-avatars li:nth-child(1)")) > (await left("herenow-avatars li:nth-child(2)")));
  assert.ok((await left("herenow-avatars li:last-child")) > (await left("herenow-avatars .more")));
  assert.deepEqual(await violations(alice), []);
  await look(alice, "arabic-390");
  await alice.locator("herenow-avatars .more").click();
  await alice.locator("herenow-avatars dialog[open]").waitFor();
  assert.deepEqual(await violations(alice), []);
  await look(alice, "arabic-dialog-390");
});

test("it speaks the language of the page, else English, and what an app wants instead", async () => {
  const alice = await visit();
  const said = {};
  for (const lang of ["de-AT", "fr", "es", "ja", "ar", "pt"]) {
    await alice.evaluate((lang) => {
      document.documentElement.lang = lang;
      document.querySelector("herenow-count").replaceWith(document.createElement("herenow-count"));
      document.querySelector("herenow-count").setAttribute("room", "board-1");
    }, lang);
    await alice.waitForFunction(() => document.querySelector("herenow-count").shadowRoot.textContent !== "");
    said[lang] = await alice.locator("herenow-count [part=text]").textContent();
  }
  assert.deepEqual(said, {
    "de-AT": "1 Person ist hier", fr: "1 personne présente", es: "1 persona presente", ja: "1人が閲覧中", ar: "شخص واحد يشاهد", pt: "1 person viewing",
  });
  await alice.evaluate(async () => {
    const { setTexts } = await import("/sdk/src/ui/index.js");
    setTexts("pt", { viewing: { one: "{n} pessoa aqui", other: "{n} pessoas aqui" } });
    const count = document.createElement("herenow-count");
    count.setAttribute("room", "board-1");
    document.querySelector("herenow-count").replaceWith(count);
  });
  await alice.locator("herenow-count").getByText("1 pessoa aqui").waitFor();
});

test("who joins is told where a page asks for it, in one", async () => {
  const alice = await visit();
  await listen(alice, "herenow-avatars");
  const others = await crowd({ bob: "Bob" });
  await countIs(alice, 2);
  const joinedAt = await alice.evaluate(() => performance.now());
  await admit(others, server.origin, { carol: "Carol" });
  await regionSays(alice, "herenow-avatars", "2 people joined");
  const said = await told(alice, "herenow-avatars");
  assert.equal(said.length, 1);
  assert.ok(said[0].at - joinedAt > 14_000);
});

test("elements share one connection, ask once for all dots, and hold a room as long as they are there", async () => {
  const page = await people.open("/bare");
  let sockets = 0;
  page.on("websocket", () => (sockets += 1));
  await page.evaluate(async (url) => {
    document.querySelector("main").innerHTML = ["bob", "carol", "dave"].map((id) => `<herenow-dot user="${id}"></herenow-dot>`).join("")
      + '<herenow-count room="board-1"></herenow-count><herenow-avatars room="board-1"></herenow-avatars><div id="elsewhere"></div>';
    for (const element of document.querySelectorAll("main > :not(div)")) element.setAttribute("url", url);
    await import("/sdk/src/ui/index.js");
  }, server.origin);
  await page.locator("herenow-avatars li").waitFor();
  await page.waitForFunction(() => document.querySelector("herenow-dot").shadowRoot.textContent === "offline");
  assert.equal(sockets, 1);
  const sent = (type) => page.sent.filter((frame) => frame.type === type);
  assert.deepEqual(sent("watch").map(({ users }) => users), [["bob", "carol", "dave"]]);
  assert.equal(sent("join").length, 1);

  const others = await crowd({ bob: "Bob" });
  await page.waitForFunction(() => document.querySelector("herenow-count").shadowRoot.textContent === "2 people viewing");
  await others.evaluate(() => {
    window.moves = [];
    for (const type of ["join", "leave"]) crowd.bob.room.on(type, () => moves.push(type));
  });
  await page.evaluate(() => document.querySelector("#elsewhere").append(document.querySelector("herenow-avatars")));
  await page.evaluate(() => document.querySelector("herenow-count").remove());
  await page.evaluate(() => document.querySelector("herenow-avatars").setAttribute("max", "1"));
  await page.locator("herenow-avatars .more").waitFor();
  assert.equal(await page.locator("herenow-avatars .more").innerText(), "+1");
  assert.deepEqual(await others.evaluate(() => moves), []);
  assert.equal(sent("leave").length, 0);
  await page.evaluate(() => document.querySelector("herenow-avatars").remove());
  await others.waitForFunction(() => moves.includes("leave"));
  await haveSent(page, "leave", 1);
});

test("what a server hands out is the kit in one script tag, and one SDK with what the page itself loads", async () => {
  const page = await people.open("/bare");
  const open = new Set();
  page.on("websocket", (socket) => {
    open.add(socket);
    socket.on("close", () => open.delete(socket));
  });
  await page.evaluate(async (origin) => {
    document.querySelector("main").innerHTML = '<herenow-avatars room="board-1" max="1"></herenow-avatars><herenow-connection pinned></herenow-connection>';
    const { setClient } = await import(`${origin}/sdk/ui.js`);
    const { connect } = await import(`${origin}/sdk.js`);
    window.client = connect({ user: { id: "alice", name: "Alice" } });
    setClient(client);
  }, server.origin);
  await page.locator("herenow-avatars li [aria-label*=Alice]").waitFor();
  await crowd({ bob: "Bob" });
  await page.locator("herenow-avatars .more").click();
  await page.locator("herenow-avatars dialog[open]").waitFor();
  assert.equal(await page.locator("herenow-connection [part=text]").innerText(), "Live");
  assert.equal(await page.evaluate(() => client.state.get().name), "online");
  assert.equal(open.size, 1, "the kit keeps no client of its own beside the page's");
});

test("the README's elements work as they stand, but for the address", async () => {
  const readme = await readFile(new URL("../../sdk/README.md", import.meta.url), "utf8");
  const lines = readme.split("## Elements")[1].match(/(?<=```html\n)[^]*?(?=\n```)/)[0].replace("http://localhost:4280", server.origin);
  const own = await servePages({ "/": `<!doctype html><html lang="en"><title>readme</title><link rel=icon href=data:,><main>${lines}</main></html>` });
  people = new People(browser, own.origin);
  const page = await people.open("/bare");
  await page.goto(own.origin);
  await admit(await people.open("/bare"), server.origin, { bob: "Bob" });
  await page.locator("herenow-count [part=text]").getByText("2 people viewing").waitFor();
  await page.locator("herenow-dot [part=label]").getByText("active").waitFor();
  assert.equal(await page.locator("herenow-avatars li").count(), 2);
  await own.close();
});
