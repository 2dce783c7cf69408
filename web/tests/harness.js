// Starts a server and browsers, and stops them. Waits for events; never for time to pass.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

/** Where screenshots go. */
export const OUT = new URL("./out/", import.meta.url).pathname;
mkdirSync(OUT, { recursive: true });

/** The sentence, with the marks around the name that keep its writing direction to itself. */
export const ALICE_TYPES = /\u2068Alice\u2069 is typing/;

/** A server of its own, the binary that `HERENOW_BIN` names. */
export class Server {
  /** `http://127.0.0.1:port` */
  origin;
  /** The lines it wrote. */
  lines = [];
  #process;

  /** Starts one on any port, or on the one given; with a secret in production mode unless the options say otherwise, and with these variables. */
  static async start(port = 0, { secret, settings = {}, options = [] } = {}) {
    const server = new Server();
    const binary = process.env.HERENOW_BIN;
    if (!binary) throw new Error("HERENOW_BIN has to name the herenow binary");
    // The server takes variables of this prefix for settings, and refuses those it does not know.
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("HERENOW_")));
    if (secret) env.HERENOW_SECRET = secret;
    Object.assign(env, settings);
    server.#process = spawn(binary, ["--listen", `127.0.0.1:${port}`, ...options], { env, stdio: ["ignore", "pipe", "pipe"] });
    server.origin = await new Promise((found, failed) => {
      server.#process.once("error", failed);
      server.#process.once("exit", (code) => failed(new Error(`the server ended with ${code}: ${server.lines.join("\n")}`)));
      for (const stream of [server.#process.stdout, server.#process.stderr]) {
        createInterface({ input: stream }).on("line", (line) => {
          server.lines.push(line);
          const address = line.match(/(http:\/\/127\.0\.0\.1:\d+)\/(demo|docs)/);
          if (address) found(address[1]);
        });
      }
    });
    return server;
  }

  get port() {
    return Number(new URL(this.origin).port);
  }

  /** Ends it as if its machine had lost power. */
  async kill() {
    await this.#end("SIGKILL");
  }

  /** Ends it as an operator would. */
  async stop() {
    await this.#end("SIGTERM");
  }

  async #end(signal) {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = new Promise((done) => this.#process.once("exit", done));
    this.#process.kill(signal);
    await ended;
  }
}

/** A browser with a fresh profile. */
export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM_BIN ?? "/usr/bin/chromium",
    headless: true,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/** The pages of one test: closes them all in the end and complains about errors on their consoles. */
export class People {
  #browser;
  #origin;
  #contexts = [];
  #expected = [];
  complaints = [];

  constructor(browser, origin) {
    this.#browser = browser;
    this.#origin = origin;
  }

  /** Messages that match are no complaints: a test that stops the server expects some. */
  expect(pattern) {
    this.#expected.push(pattern);
  }

  /** Opens a board as a user, in a browser context of its own (or in that of another page). */
  async board(as, { query = "", name, context, options } = {}) {
    const fragment = new URLSearchParams({ as, ...(name && { name }) });
    return this.open(`/demo/board${query}#${fragment}`, { context, options });
  }

  /** Opens a page of the server. */
  async open(path, { context, options } = {}) {
    const place = context ?? (await this.#browser.newContext(options));
    if (!context) this.#contexts.push(place);
    const page = await place.newPage();
    page.received = [];
    page.sent = [];
    page.waiting = [];
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) this.#complain(page, message.text());
    });
    page.on("pageerror", (error) => this.#complain(page, error.message));
    page.on("requestfailed", (request) => {
      if (new URL(request.url()).origin !== this.#origin) this.#complain(page, `asked for ${request.url()}`);
    });
    page.on("websocket", (socket) => {
      socket.on("framereceived", ({ payload }) => hear(page, JSON.parse(payload)));
      socket.on("framesent", ({ payload }) => page.sent.push(JSON.parse(payload)));
    });
    await page.goto(this.#origin + path);
    return page;
  }

  async close() {
    for (const context of this.#contexts) await context.close();
  }

  #complain(page, text) {
    if (this.#expected.some((pattern) => pattern.test(text))) return;
    this.complaints.push(`${page.url()}: ${text}`);
  }
}

function hear(page, frame) {
  page.received.push(frame);
  for (const { fits, found } of page.waiting) {
    if (fits(frame)) found({ frame, at: performance.now() });
  }
}

/** The next frame that fits, and when it came. Take hold of the promise before doing what causes the frame. */
export function nextFrame(page, fits) {
  return new Promise((found) => page.waiting.push({ fits, found }));
}

/**
 * Waits until a page has sent so many frames of a type. The browser tells of a frame on another way than its effects come, which
 * may be seen first.
 */
export async function haveSent(page, type, count) {
  const sent = () => page.sent.filter((frame) => frame.type === type).length;
  for (let tries = 0; sent() < count && tries < 200; tries += 1) await page.waitForTimeout(25);
  assert.equal(sent(), count, `frames of type ${type}`);
}

/** Frames of these types that a page received so far. */
export const received = (page, ...types) => page.received.filter((frame) => types.includes(frame.type));
