// Stands between the page and its network, so that the lab can disturb it. The SDK knows nothing of it. To be imported
// before anything connects.

let isOffline = false;
let latencyMs = 0;
const sockets = new Set();
const streams = new Set();

class Socket extends WebSocket {
  #sendAt = 0;
  #hearAt = 0;
  #late = new WeakSet();

  constructor(...how) {
    super(...how);
    sockets.add(this);
    super.addEventListener("close", () => sockets.delete(this));
    // The first to listen, so that it can hold a frame back from all others.
    super.addEventListener("message", (event) => {
      if (this.#late.has(event)) return;
      const wait = (this.#hearAt = Math.max(this.#hearAt, Date.now() + latencyMs)) - Date.now();
      if (wait <= 0) return;
      event.stopImmediatePropagation();
      const later = new MessageEvent("message", { data: event.data });
      this.#late.add(later);
      setTimeout(() => this.readyState === WebSocket.OPEN && this.dispatchEvent(later), wait);
    });
  }

  send(data) {
    const wait = (this.#sendAt = Math.max(this.#sendAt, Date.now() + latencyMs)) - Date.now();
    if (wait <= 0) super.send(data);
    else setTimeout(() => this.readyState === WebSocket.OPEN && super.send(data), wait);
  }
}

class Stream extends EventSource {
  constructor(...how) {
    super(...how);
    streams.add(this);
  }

  close() {
    streams.delete(this);
    super.close();
  }
}

const fetchNow = globalThis.fetch.bind(globalThis);
Object.assign(globalThis, {
  WebSocket: Socket,
  EventSource: Stream,
  fetch: (...asked) => (isOffline ? Promise.reject(new TypeError("the lab took the network away")) : fetchNow(...asked)),
});

/** Closes what is open, as a page does that goes away: others keep one for a while. */
export function drop() {
  for (const socket of [...sockets]) socket.close(4900);
  for (const stream of [...streams]) {
    stream.close();
    stream.dispatchEvent(new Event("error"));
  }
}

/** Takes the network away, or gives it back. */
export function setOffline(offline) {
  isOffline = offline;
  if (offline) drop();
}

/** Delays each frame, both ways. */
export function setLatency(ms) {
  latencyMs = ms;
}
