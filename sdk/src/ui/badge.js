// What the badge of the connection shows and says. Loaded with the first badge; imports nothing, so that no third file
// comes of what it shares with the rest.

/** @import { ConnectionState } from "../types.js" */
/** @import { Scene } from "./base.js" */
/** @import { Speech } from "./texts.js" */

/** Shorter interruptions are nobody's business; and how often the seconds are counted down. */
const TICK_MS = 1_000;
const ALL_WELL_MS = 2_000;
const STYLE = `
.badge{gap:.5em;min-block-size:28px;font-size:.875rem;padding:.15em .85em;border-radius:99px;border:1px solid var(--line);background:var(--bg);color:var(--fg);flex-wrap:wrap}
.badge .small{white-space:normal}
.badge .dot{--k:var(--ok);background:var(--k)}
.badge[data-kind=wait] .dot{--k:var(--mid);background:linear-gradient(90deg,var(--k) 50%,var(--bg) 50%)}
.badge[data-kind=bad] .dot{--k:var(--bad);border-radius:2px;background:linear-gradient(to top right,var(--bg) 38%,var(--k) 38% 62%,var(--bg) 62%)}
.badge[data-kind=bad]{border-color:var(--bad)}
.badge button{min-block-size:24px;padding-inline:.6em;margin-inline-end:-.45em;border-radius:99px;font-weight:600;color:var(--hi)}
.badge button:hover{background:color-mix(in srgb,currentColor 12%,transparent)}
@media(prefers-reduced-motion:no-preference){.badge[data-kind=wait] .dot{animation:turn 1.2s linear infinite}}
@keyframes turn{to{rotate:1turn}}
`;

/**
 * @param {ShadowRoot} root
 * @param {{ told: HTMLElement, alarm: HTMLElement }} regions for screen readers
 * @param {boolean} isPinned whether it stays when all is well
 * @param {Scene} scene
 * @param {typeof import("./connection.js").tools} tools
 */
export function showBadge(root, { told, alarm }, isPinned, scene, { adopt, dot, make }) {
  const { say, client, signal } = scene;
  const text = make("span", { part: "text", "aria-hidden": "true" });
  const hint = make("span", { class: "small", part: "hint" });
  const retry = make("button", { part: "retry", type: "button" });
  const badge = make("div", { class: "badge row", part: "badge" }, dot("connection"), text, hint, retry);
  badge.hidden = true;
  adopt(root, STYLE);
  root.append(badge);
  retry.textContent = say("tryNow");
  retry.onclick = () => client.reconnect();
  /** Until it counts down, or says anything; until it goes. */
  let ticking = 0;
  let going = 0;
  let isTold = false;

  const draw = () => {
    const state = client.state.get();
    const shown = words(scene, state);
    badge.hidden = !shown.text;
    badge.dataset.kind = shown.kind;
    text.textContent = shown.text;
    hint.textContent = shown.hint ?? "";
    hint.hidden = !shown.hint;
    retry.hidden = state.name !== "reconnecting" && state.name !== "closed";
    return shown.told ?? shown.text;
  };
  const tell = (/** @type {string} */ words) => {
    if (told.textContent !== words) told.textContent = words;
  };
  const tick = () => {
    tell(draw());
    isTold = true;
    ticking = setTimeout(tick, TICK_MS);
  };
  const stop = () => {
    clearTimeout(ticking);
    clearTimeout(going);
    ticking = 0;
  };
  client.state.subscribe((state) => {
    const { name } = state;
    if (name === "online" || name === "closed") {
      stop();
      const words = draw();
      alarm.textContent = "";
      if (name === "closed") tell(words);
      else if (isTold) tell(say("restored"));
      isTold = name === "closed";
      if (name === "online" && !state.draining && !isPinned) going = setTimeout(() => (badge.hidden = true), ALL_WELL_MS);
    } else if (isTold) draw();
    else {
      // Not yet: it may be over in a moment.
      clearTimeout(going);
      ticking ||= setTimeout(tick, TICK_MS);
    }
  }, { signal });
  client.on("lost", () => (alarm.textContent = say("lost")), { signal });
  signal.addEventListener("abort", () => {
    stop();
    badge.remove();
  });
}

/**
 * `told`: for the ears, which do not want to hear the seconds.
 * @param {Speech} speech
 * @param {ConnectionState} state
 * @returns {{ kind: "well" | "wait" | "bad", text: string, told?: string, hint?: string }}
 */
function words({ say, locale }, state) {
  switch (state.name) {
    case "online":
      if (state.draining) return { kind: "wait", text: say("draining") };
      return { kind: "well", text: say(state.transport === "ws" ? "live" : state.transport) };
    case "connecting":
      return { kind: "wait", text: say("connecting") };
    case "reconnecting": {
      const seconds = state.retryAt ? Math.ceil((state.retryAt.getTime() - Date.now()) / 1000) : 0;
      const told = say("reconnecting");
      const time = new Intl.NumberFormat(locale, { style: "unit", unit: "second", unitDisplay: "short" }).format(seconds);
      return { kind: "wait", told, text: seconds > 0 ? say("retry", { time }) : told };
    }
    case "offline":
      return { kind: "bad", text: say("noNetwork") };
    case "closed": {
      const { code = "", hint } = state.cause ?? {};
      const key = /^auth\.(expired|required|missing)/.test(code) ? "signedOut" : /^(auth|room|origin)\./.test(code) ? "forbidden" : "closed";
      return { kind: "bad", text: say(key), hint };
    }
    case "idle":
    case "suspended":
      return { kind: "well", text: "" };
  }
}
