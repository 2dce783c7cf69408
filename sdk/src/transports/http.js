// Frames without a WebSocket, for networks that let none through: a stream of server-sent events or polls that wait, and
// requests with what the client says. Loaded only where it is needed.

/** @import { Frame } from "../frames.js" */
/** @import { Opening, Transport } from "./ws.js" */

/** The first look for a WebSocket; each next one waits for twice as long. */
const PROBE_MS_MIN = 15_000;
const PROBE_MS_MAX = 300_000;
const PROBE_ANSWER_MS_MAX = 8_000;
/** Frames in one request; the server takes more. */
const SEND_FRAMES_MAX = 100;
const LOST = 1006;
const BLOCKED = 0;

/** @type {(opening: Opening) => Transport} */
export function openHttp({ base, way, upgrade, token, resume, heard, closed }) {
  const ending = new AbortController();
  const { signal } = ending;
  let isOver = false;
  /** What names the session in each request after the first. */
  let session = "";
  /** @type {object[]} */
  let outbox = [];
  let isSending = false;

  const end = (/** @type {number} */ code) => {
    if (isOver) return;
    isOver = true;
    ending.abort();
    closed(code);
  };

  /** @param {string} path @param {RequestInit} [init] */
  const request = async (path, init) => {
    const response = await fetch(base + path, {
      cache: "no-store",
      credentials: token === null ? "include" : "same-origin",
      signal,
      ...init,
      headers: {
        ...(session ? { "Herenow-Session": session } : token !== null && { Authorization: `Bearer ${token}` }),
        ...(init && { "Content-Type": "application/json" }),
      },
    });
    if (response.ok) return response;
    const { code = "connection.lost", title = `the server answered ${response.status}`, hint } = await response.json().catch(() => ({}));
    hear({ type: "error", code, message: title, hint });
    end(closeCode(response.status, session));
    throw new Error(code);
  };

  /** @param {object[]} frames @param {RequestInit} [init] */
  const post = (frames, init) => request("/send", { method: "POST", body: JSON.stringify(frames), ...init });

  /** @param {Frame} frame */
  const hear = (frame) => {
    if (isOver) return;
    if (frame.type === "welcome") session = frame.send;
    if (frame.type === "closed") end(frame.code ?? LOST);
    // A sign of life is asked for: any request is one.
    else if (frame.type === "ping") post([]).catch(() => end(LOST));
    else heard(frame);
  };

  const opening = resume ? `?resume=${encodeURIComponent(resume)}` : "";

  const stream = async () => {
    const response = await request(`/stream${opening}`);
    const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
    const decoder = new TextDecoder();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return end(LOST);
      const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) if (line.startsWith("data:")) hear(JSON.parse(line.slice(5)));
    }
  };

  const poll = async () => {
    let after = 0;
    while (!isOver) {
      const response = await request(`/session-poll${session ? `?after=${after}` : opening}`);
      for (const [number, frame] of await response.json()) {
        // What was asked for twice may come twice.
        if (number > after) hear(frame);
        after = Math.max(after, number);
      }
    }
  };

  const flush = async () => {
    if (isSending) return;
    isSending = true;
    while (outbox.length && !isOver) await post(outbox.splice(0, SEND_FRAMES_MAX)).catch(() => end(LOST));
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
      if (isOver) return;
      isOver = true;
      // The other way round, the server would take the connection for lost.
      const said = session ? post([{ type: "close", code }], { keepalive: true, signal: null }) : Promise.resolve();
      said.catch(() => {}).finally(() => ending.abort());
    },
  };
}

/** The close code that a WebSocket would have had. @param {number} status @param {string} session */
function closeCode(status, session) {
  // Once it is open, all that can be wrong is mended by another connection.
  if (session) return LOST;
  if (status === 401) return 4401;
  if (status === 403) return 4403;
  // No such way on this server, or something in between that does not let it through.
  return status === 429 || status === 503 ? LOST : BLOCKED;
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
      clearTimeout(late);
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
