// The page with two screens. The boards live in frames of their own and know nothing of each other.

import { text } from "./text.js";

const panes = document.querySelector(".panes");
const peek = document.querySelector(".peek");

for (const choice of document.querySelectorAll("input[name=who]")) {
  choice.addEventListener("change", () => show(choice.value));
}
// Browsers keep the choice over a reload.
show(document.querySelector("input[name=who]:checked").value);

document.querySelector(".coach button").addEventListener("click", (event) => {
  event.currentTarget.closest(".coach").hidden = true;
});

for (const frame of document.querySelectorAll("iframe")) {
  frame.addEventListener("load", () => watch(frame));
  if (frame.contentDocument?.readyState === "complete") watch(frame);
}

/** On narrow screens, where only one fits, shows that of `who`. */
function show(who) {
  panes.dataset.shown = who;
  look();
}

/** Looks again whenever something changes at the head of a board. */
function watch(frame) {
  const head = frame.contentDocument?.querySelector(".head");
  if (head) new MutationObserver(look).observe(head, { childList: true, subtree: true, characterData: true });
  look();
}

/** Says what is to be seen on the screen that does not fit. */
function look() {
  const pane = document.querySelector(`.pane:not([data-who="${panes.dataset.shown}"])`);
  const board = pane.querySelector("iframe").contentDocument;
  const sights = ["count", "typing"].map((id) => board?.getElementById(id)?.textContent).filter(Boolean);
  const name = board?.getElementById("me")?.textContent;
  peek.textContent = name && sights.length > 0 ? text.seenBy(name, sights) : "";
}
