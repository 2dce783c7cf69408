// Serves the SDK and bare pages from loopback, as an app of its own origin would: the presence server is elsewhere.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import net from "node:net";

const SDK = new URL("../../sdk/", import.meta.url);

/** Serves `/sdk/...` from the source tree, and at any other path a page: the one given for it, or a bare one. */
export async function servePages(pages = {}) {
  const server = createServer(async ({ url }, response) => {
    const { pathname } = new URL(url, "http://localhost");
    const isScript = pathname.startsWith("/sdk/") && !pathname.includes("..");
    const body = isScript
      ? await readFile(new URL(pathname.slice("/sdk/".length), SDK)).catch(() => null)
      : (pages[pathname] ?? "<!doctype html><title>page</title><link rel=icon href=data:,><form><input name=note></form>");
    response.writeHead(body === null ? 404 : 200, { "Content-Type": isScript ? "text/javascript" : "text/html; charset=utf-8" });
    response.end(body ?? "");
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    close: () => new Promise((closed) => {
      server.close(closed);
      server.closeAllConnections();
    }),
  };
}

/** A cable to a server that can be cut: connections break without a word, and new ones are refused. */
export async function cable(port) {
  const open = new Set();
  let isCut = false;
  const server = net.createServer((near) => {
    if (isCut) return near.destroy();
    const far = net.connect(port, "127.0.0.1");
    for (const [one, other] of [[near, far], [far, near]]) {
      open.add(one);
      one.pipe(other);
      one.on("error", () => other.destroy());
      one.on("close", () => {
        open.delete(one);
        other.destroy();
      });
    }
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  const cut = () => {
    isCut = true;
    for (const socket of open) socket.resetAndDestroy();
  };
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    cut,
    mend: () => (isCut = false),
    close: () => new Promise((closed) => {
      cut();
      server.close(closed);
    }),
  };
}
