// Frames without a WebSocket, for networks that let none through: a stream of server-sent events or long polls, and
// requests that carry what the client says. Loaded only where it is needed.

/** @import { Frame } from "../frames.js" */
/** @import { Opening, Transport } from "./ws.js" */

/** The first look for a WebSocket; each next one waits for twice as long. */
const PROBE_MS_MIN = 15_000;
const PROBE_MS_MAX = 300_000;
const PROBE_ANSWER_MS_MAX = 8_000;
const LOST = 1006;
const BLOCKED = 0;

/** @type {(opening: Opening) => Transport} */
export function openHttp({ base, way, upgrade, token, resume, heard, closed }) {
  const ending = new AbortController();
  const { signal } = ending;
  /** What names the session in each request after the first. */
  let session = "";
  /** @type {object[]} */
  let outbox = [];
  let isSending = false;
  let count = 0;

  /** @type {HeadersInit} */
  const bearer = token === null ? {} : { Authorization: `Bearer ${token}` };

  const end = (/** @type {number} */ code) => {
    if (signal.aborted) return;
    ending.abort();
    closed(code);
  };

  /** @param {string} path @param {RequestInit} [init] */
  const request = async (path, init = {}) => {
    const headers = { ...bearer, ...(session && { "Herenow-Session": session }), ...init.headers };
    const response = await fetch(base + path, { ...init, headers, signal, cache: "no-store", credentials: token === null ? "include" : "same-origin" });
    if (response.ok) return response;
    const { code = "connection.lost", title = `the server answered ${response.status}`, hint } = await response.json().catch(() => ({}));
    hear({ type: "error", code, message: title, hint });
    end(closeCode(response.status, code));
    throw new Error(code);
  };

  /** @param {Frame} frame */
  const hear = (frame) => {
    if (signal.aborted) return;
    if (frame.type === "welcome") session = frame.resume;
    count += 1;
    heard(frame);
  };

  const stream = async () => {
    const query = resume ? `?resume=${encodeURIComponent(resume)}` : "";
    const response = await request(`/stream${query}`, { headers: { Accept: "text/event-stream" } });
    const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
    const decoder = new TextDecoder();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return end(LOST);
      const lines = (rest + decoder.decode(value, { stream: true })).split(/\r?\n/);
      rest = lines.pop() ?? "";
      for (const line of lines) if (line.startsWith("data:")) hear(JSON.parse(line.slice(5)));
    }
  };

  const poll = async () => {
    let query = resume ? `&resume=${encodeURIComponent(resume)}` : "";
    while (!signal.aborted) {
      const response = await request(`/session-poll?after=${count}${query}`);
      query = "";
      for (const frame of await response.json()) hear(frame);
    }
  };

  const flush = async () => {
    if (isSending) return;
    isSending = true;
    while (outbox.length && !signal.aborted) {
      const body = JSON.stringify(outbox);
      outbox = [];
      await request("/send", { method: "POST", headers: { "Content-Type": "application/json" }, body }).catch(() => end(LOST));
    }
    isSending = false;
  };

  (way === "sse" ? stream() : poll()).catch(() => end(LOST));
  if (upgrade) probe(base, signal, PROBE_MS_MIN, () => end(BLOCKED));

  return {
    send(frame) {
      outbox.push(frame);
      // What is said in one go goes out in one request.
      queueMicrotask(flush);
    },
    close(code) {
      if (signal.aborted) return;
      // Without a close frame the server takes it for lost, which is what it should when this is back soon.
      if (code === 1000 && session) {
        fetch(`${base}/send`, { method: "POST", headers: { ...bearer, "Content-Type": "application/json", "Herenow-Session": session }, body: "[]", keepalive: true }).catch(() => {});
      }
      ending.abort();
    },
  };
}

/** The close code that a WebSocket would have had. @param {number} status @param {string} code */
function closeCode(status, code) {
  if (status === 401) return 4401;
  if (status === 403) return 4403;
  if (status === 429) return 4429;
  // No such way on this server, or something in between that does not know it.
  if (status === 404 && !code.startsWith("session.")) return BLOCKED;
  return LOST;
}

/**
 * Looks now and then whether a WebSocket would work by now.
 * @param {string} base @param {AbortSignal} signal @param {number} waitMs @param {() => void} found
 */
function probe(base, signal, waitMs, found) {
  const timer = setTimeout(() => {
    const socket = new WebSocket(`${base.replace(/^http/, "ws")}/ws`, "herenow.v1");
    const late = setTimeout(() => socket.close(), PROBE_ANSWER_MS_MAX);
    socket.onopen = () => {
      socket.onclose = null;
      socket.close(1000);
      if (!signal.aborted) found();
    };
    socket.onclose = () => {
      clearTimeout(late);
      if (!signal.aborted) probe(base, signal, Math.min(waitMs * 2, PROBE_MS_MAX), found);
    };
  }, waitMs);
  signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
}
