// Whether the person is there: keys, pointers and the page being looked at. Loaded once the page has been there a while.

const HIDDEN_MS = 10_000;
const SIGNS = "pointermove pointerdown keydown wheel touchstart scroll focus visibilitychange";

/**
 * Tells the server when the person has gone quiet and when they are back.
 * @param {import("./link.js").Link} link
 * @param {import("./types.js").ClientOptions} options `idleAfterMs`; a hidden page is quiet after 10 s at the latest
 * @param {number} sinceMs for how long there was no sign when this is called
 * @param {AbortSignal} signal ends it
 */
export function watchIdle(link, { idleAfterMs: afterMs = 60_000 }, sinceMs, signal) {
  if (signal.aborted || !afterMs) return;
  let isIdle = false;
  let timer = 0;
  let waitingSince = 0;
  const say = () => link.send({ type: "status", status: isIdle ? "idle" : "active" });
  const turn = (/** @type {boolean} */ idle) => {
    if (idle === isIdle) return;
    isIdle = idle;
    say();
  };
  const wait = (sinceMs = 0) => {
    waitingSince = performance.now();
    clearTimeout(timer);
    timer = setTimeout(() => turn(true), (document.hidden ? Math.min(HIDDEN_MS, afterMs) : afterMs) - sinceMs);
  };
  const sign = (/** @type {Event} */ { type }) => {
    // What a hidden page hears is no sign of anybody. Pointers move often: once a second is exact enough.
    const isTurn = type === "visibilitychange";
    if (!isTurn && (document.hidden || (!isIdle && performance.now() - waitingSince < 1_000))) return;
    wait();
    if (!document.hidden) turn(false);
  };
  // By itself, because what two files use would make a third.
  for (const type of SIGNS.split(" ")) addEventListener(type, sign, { signal, passive: true, capture: true });
  // A new session is taken to be active; one that goes on is what it was, perhaps before this page was loaded.
  const online = (/** @type {import("./types.js").ConnectionState} */ state) => {
    if (state.name === "online" && (isIdle || state.resumed)) say();
  };
  link.state.subscribe(online, { signal });
  signal.addEventListener("abort", () => clearTimeout(timer));
  wait(sinceMs);
}
