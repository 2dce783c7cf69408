// Buttons that disturb the connection, each with what to look for.

import { button, make } from "./dom.js";
import { drop, setLatency, setOffline } from "./net.js";
import { message, t } from "./text.js";

const OFFLINE_MS = 10_000;
const LATENCY_MS = 500;
const BOTS = 10;
const GOODBYE_MS = 2_000;

/**
 * Fills the lab.
 * @param {HTMLElement} place
 * @param {{ client: import("@herenow/client").Client, address: string, board: string, reset(): Promise<void> }} page
 */
export function openLab(place, { client, address, board, reset }) {
  place.append(make("p", { className: "soft" }, t("labIntro")));
  const experiment = (name, act) => {
    const row = { button: button("small", "", () => act(row)), hint: make("p", { className: "soft" }) };
    row.button.dataset.testid = `lab-${name}`;
    row.become = (other) => {
      const [label, hint] = message(`labs.${other}`);
      row.button.textContent = label;
      row.hint.textContent = hint;
    };
    row.become(name);
    place.append(make("div", { className: "experiment" }, row.button, row.hint));
  };

  experiment("drop", drop);
  experiment("offline", (row) => {
    setOffline(true);
    row.button.disabled = true;
    setTimeout(() => {
      setOffline(false);
      row.button.disabled = false;
      client.reconnect();
    }, OFFLINE_MS);
  });
  let isSlow = false;
  experiment("latency", (row) => {
    isSlow = !isSlow;
    setLatency(isSlow ? LATENCY_MS : 0);
    row.become(isSlow ? "nolatency" : "latency");
  });
  let isGone = false;
  experiment("vanish", (row) => {
    isGone = !isGone;
    setOffline(isGone);
    if (!isGone) client.reconnect();
    row.become(isGone ? "back" : "vanish");
  });
  experiment("tab", () => window.open(address, "_blank", "noopener"));
  let bots = null;
  experiment("bots", (row) => {
    row.become(bots ? "bots" : "nobots");
    if (!bots) {
      // A page of their own: their sockets are not the ones that are disturbed here.
      bots = make("iframe", { hidden: true, title: "bots", src: `/demo/bots.html#count=${BOTS}&board=${encodeURIComponent(board)}` });
      return document.body.append(bots);
    }
    const leaving = bots;
    bots = null;
    leaving.contentWindow.dispatchEvent(new Event("dismiss"));
    // Taken away at once, they could not say it any more.
    setTimeout(() => leaving.remove(), GOODBYE_MS);
  });
  experiment("reset", (row) => {
    row.become("reset");
    reset().catch((error) => { row.hint.textContent = error.message; });
  });

  experiment("restart", async (row) => {
    row.button.disabled = true;
    const headers = { "Content-Type": "application/json" };
    const response = await fetch("/dev/restart", { method: "POST", headers }).catch(() => null);
    row.button.disabled = false;
    if (!response?.ok) row.hint.textContent = t("failed");
  });

  const asked = new URLSearchParams(location.search);
  const ways = Object.entries(message("ways")).map(([value, label]) => make("option", { value }, label));
  const way = make("select", { onchange: () => go(asked, way.value) }, ...ways);
  way.value = asked.get("transport") ?? "auto";
  place.append(make("label", { className: "experiment" }, t("way"), way));
}

/** Loads the page again with another way to connect. */
function go(asked, way) {
  if (way === "auto") asked.delete("transport");
  else asked.set("transport", way);
  if (way === "poll") asked.set("updates", "poll");
  else asked.delete("updates");
  location.search = asked.toString();
}
