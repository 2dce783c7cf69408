// With which code Chromium closes a WebSocket, on which the server's idea of a reload rests. Needs no herenow.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { launch } from "./harness.js";

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const PAGE = "<!doctype html><title>x</title><script>self.ws = new WebSocket(location.href.replace(/^http/, 'ws'))</script>";

let browser;
let server;
let origin;
let opened = () => {};
let ended = () => {};

before(async () => {
  browser = await launch();
  server = createServer((_, response) => response.setHeader("content-type", "text/html").end(PAGE));
  server.on("upgrade", (request, socket) => {
    const accept = createHash("sha1").update(request.headers["sec-websocket-key"] + GUID).digest("base64");
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
    let code = "none";
    socket.on("data", (frame) => {
      if ((frame[0] & 0x0f) === 8 && (frame[1] & 0x7f) >= 2) code = ((frame[6] ^ frame[2]) << 8) | (frame[7] ^ frame[3]);
      socket.end();
    });
    socket.on("error", () => {});
    socket.on("close", () => ended(code));
    opened();
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  origin = `http://127.0.0.1:${server.address().port}/`;
});
after(async () => {
  await browser?.close();
  server?.closeAllConnections();
  await new Promise((done) => server.close(done));
});

async function codeOf(end) {
  const page = await browser.newPage();
  const open = new Promise((done) => { opened = done; });
  await page.goto(origin);
  await open;
  await page.waitForFunction(() => self.ws.readyState === WebSocket.OPEN);
  const code = new Promise((done) => { ended = done; });
  await end(page);
  return code;
}

test("a reload, a navigation and a closed tab say 1001", async (t) => {
  const codes = {
    reload: await codeOf((page) => page.reload()),
    navigation: await codeOf((page) => page.goto("about:blank")),
    "closed tab": await codeOf((page) => page.close()),
    "closed tab after its handlers ran": await codeOf((page) => page.close({ runBeforeUnload: true })),
  };
  t.diagnostic(JSON.stringify(codes));
  for (const [end, code] of Object.entries(codes)) assert.equal(code, 1001, end);
});

test("a crash says nothing usable", async (t) => {
  const code = await codeOf((page) => page.goto("chrome://crash").catch(() => {}));
  t.diagnostic(`after a crash: ${code}`);
  assert.notEqual(code, 1000);
});
