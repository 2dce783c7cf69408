// Frames over a WebSocket.

/**
 * One way to carry frames. `close` says nothing afterwards.
 * @typedef {object} Transport
 * @property {(frame: object) => void} send
 * @property {(code: number) => void} close 1000 to leave, 4900 to come back soon
 */
/**
 * What a transport is opened with. `closed` is called once, with a close code: 1006 where it just broke.
 * @typedef {object} Opening
 * @property {string} base
 * @property {import("../types.js").TransportName} way
 * @property {boolean} upgrade whether to say that it is blocked as soon as a WebSocket would work
 * @property {string | null} token
 * @property {string | null} resume
 * @property {(frame: import("../frames.js").Frame) => void} heard
 * @property {(code: number) => void} closed
 */

/** @type {(opening: Opening) => Transport} */
export function openSocket({ base, token, resume, heard, closed }) {
  // With a cookie the server knows who it is before any frame, so the rest has to be there by then, too.
  const query = token === null && resume ? `?resume=${encodeURIComponent(resume)}` : "";
  const socket = new WebSocket(`${base.replace(/^http/, "ws")}/ws${query}`, "herenow.v1");
  const send = (/** @type {object} */ frame) => {
    if (socket.readyState === 1) socket.send(JSON.stringify(frame));
  };
  socket.onopen = () => {
    if (token !== null) send({ type: "auth", token, resume });
  };
  socket.onmessage = ({ data }) => heard(JSON.parse(data));
  socket.onclose = ({ code }) => closed(code);
  return {
    send,
    close(code) {
      socket.onmessage = socket.onclose = null;
      socket.close(code);
    },
  };
}
