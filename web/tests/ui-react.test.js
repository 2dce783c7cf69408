// The UI kit as React components, with both versions of React, against a real server.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { fileURLToPath } from "node:url";
import { haveSent, launch, OUT, People, Server } from "./harness.js";
import { servePages } from "./sdk-pages.js";
import { admit } from "./ui-pages.js";

const SDK = fileURLToPath(new URL("../../sdk/", import.meta.url));
const require = createRequire(`${SDK}package.json`);

/** An app, in lines as one would write them. */
const APP = `
import { createRoot } from "react-dom/client";
import { createElement as h, StrictMode, useState } from "react";
import { HerenowProvider, RoomProvider, useTyping } from "./src/react/index.js";
import { AvatarStack, ConnectionBadge, CursorLayer, PresenceDot, TypingText, ViewerCount } from "./src/react/ui.js";

const Note = () => h("label", null, "Note ", h("input", { ref: useTyping("note").ref }));
const Board = () => h(RoomProvider, { id: "board-1", fallback: h("p", null, "One moment") },
  h(AvatarStack, { max: 2, className: "stack" }), h(ViewerCount), h(CursorLayer, null, h(Note)), h(TypingText, { field: "note" }));
function App({ url }) {
  const [isThere, setThere] = useState(true);
  window.leave = () => setThere(false);
  return h(StrictMode, null, h(HerenowProvider, { url, user: { id: "alice", name: "Alice" } },
    h(ConnectionBadge, { hideWhenOnline: false }), h(PresenceDot, { userId: "bob", label: true }), isThere && h(Board)));
}
const root = createRoot(document.querySelector("main"));
root.render(h(App, { url: new URLSearchParams(location.search).get("url") }));
window.unmount = () => root.unmount();
`;

let server;
let pages;
let browser;
let people;

/** A page with an app and React of a version, all in one script. */
async function bundled(names, contents = APP) {
  const { outputFiles } = await require("esbuild").build({
    stdin: { contents, resolveDir: SDK, loader: "jsx" },
    jsx: "automatic",
    alias: Object.fromEntries(Object.entries(names).map(([name, own]) => [name, require.resolve(`${own}/package.json`).replace("/package.json", "")])),
    bundle: true,
    format: "esm",
    define: { "process.env.NODE_ENV": '"development"' },
    logOverride: { "ignored-directive": "silent" },
    write: false,
  });
  const script = outputFiles[0].text.replaceAll("</script", "<\\/script");
  return `<!doctype html><html lang="en"><title>app</title><link rel=icon href=data:,><main></main><script type="module">${script}</script></html>`;
}

before(async () => {
  browser = await launch();
  pages = await servePages({
    "/react18": await bundled({ react: "react-18", "react-dom": "react-dom-18" }),
    "/react19": await bundled({ react: "react", "react-dom": "react-dom" }),
    "/bare": `<!doctype html><title>bare</title><link rel=icon href=data:,>`,
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

for (const version of [18, 19]) {
  test(`components with React ${version}: one connection, one join, and a leave in the end`, async () => {
    const alice = await people.open(`/react${version}?${new URLSearchParams({ url: server.origin })}`);
    await alice.locator("herenow-avatars.stack li").first().waitFor();
    const others = await people.open("/bare");
    await admit(others, server.origin, { bob: "Bob", carol: "Carol" });
    await alice.locator("herenow-count [part=text]").getByText("3 people viewing").waitFor();
    assert.equal(await alice.locator("herenow-avatars .more").innerText(), "+1");
    await alice.locator("herenow-dot [part=label]").getByText("active").waitFor();
    assert.equal(await alice.locator("herenow-connection [part=text]").innerText(), "Live");
    await others.evaluate(() => crowd.bob.room.typing.in("note").start());
    await alice.locator("herenow-typing [part=text]").getByText("Bob").waitFor();
    const typed = others.evaluate(() => new Promise((found) => crowd.bob.room.typing.in("note").users.subscribe(([first]) => first && found(first.id))));
    await alice.getByLabel("Note").press("x");
    assert.equal(await typed, "alice");
    await alice.screenshot({ path: `${OUT}ui-react${version}.png` });

    // The room, and again for the sessions that pointers are told by.
    await haveSent(alice, "join", 2);
    const left = others.evaluate(() => new Promise((found) => crowd.bob.room.on("leave", ({ viewer, reason }) => found([viewer.user.id, reason]))));
    await alice.evaluate(() => leave());
    assert.deepEqual(await left, ["alice", "left"]);
    await haveSent(alice, "leave", 1);
    const dots = () => others.evaluate((wanted) => new Promise((found) => {
      const watch = crowd.bob.client.watch(["alice"]);
      watch.subscribe((known) => known.get("alice")?.status === wanted && found(wanted));
    }), "offline");
    await alice.evaluate(() => unmount());
    assert.equal(await dots(), "offline");
  });
}
