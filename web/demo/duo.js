// The page with two screens. The boards live in frames of their own and know nothing of each other.

import { play } from "./show.js";
import { t } from "./text.js";
import { openUse } from "./use.js";

const STEP = 2;

const $ = (selector) => document.querySelector(selector);
const panes = $(".panes");
const peek = $(".peek");
const coach = $(".coach");

for (const choice of document.querySelectorAll("input[name=who]")) {
  choice.addEventListener("change", () => show(choice.value));
}
// Browsers keep the choice over a reload.
show($("input[name=who]:checked").value);

$(".coach .icon-button").addEventListener("click", () => { coach.hidden = true; });
openUse($("#use-place"), "board-1");
$("#use").addEventListener("click", () => $("dialog").showModal());
$("dialog .icon-button").addEventListener("click", () => $("dialog").close());
$("[data-testid=third-tab]").addEventListener("click", () => tick("tab"));

$("#show").addEventListener("click", async ({ currentTarget }) => {
  const scene = $(".scene");
  currentTarget.disabled = true;
  coach.hidden = scene.hidden = false;
  $(".coach ol").hidden = true;
  await play(screens(), (sentence, who) => {
    scene.textContent = sentence;
    // Where only one screen fits, the one that shows what happens.
    show(who);
    $(`input[value=${who}]`).checked = true;
  });
  scene.hidden = true;
  $(".coach ol").hidden = false;
  currentTarget.disabled = false;
});

for (const frame of document.querySelectorAll("iframe")) {
  frame.addEventListener("load", () => watch(frame));
  if (frame.contentDocument?.readyState === "complete") watch(frame);
}

function screens() {
  const [alice, bob] = document.querySelectorAll("iframe");
  return { alice, bob };
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

/** Says what is to be seen on the screen that does not fit, and notices what has been tried. */
function look() {
  const other = panes.dataset.shown === "alice" ? "bob" : "alice";
  const board = screens()[other].contentDocument;
  const sights = ["count", "typing"].map((id) => board?.getElementById(id)?.textContent).filter(Boolean);
  const name = other === "bob" ? "Bob" : "Alice";
  peek.textContent = sights.length > 0 ? t("sees", { name, names: sights.join(" · ") }) : "";
  if (screens().bob.contentDocument?.getElementById("typing")?.textContent) tick("type");
}

function tick(step) {
  $(`[data-step=${step}]`).classList.add("done");
}

// The divider

const divider = $(".divider");

function divide(percent) {
  const at = Math.min(Math.max(percent, 25), 75);
  panes.style.setProperty("--alice", `${at}%`);
  divider.ariaValueNow = String(Math.round(at));
}

divider.addEventListener("pointerdown", (event) => {
  divider.setPointerCapture(event.pointerId);
  panes.classList.add("dragging");
});
divider.addEventListener("pointermove", ({ clientX }) => {
  if (!panes.classList.contains("dragging")) return;
  const { left, width } = panes.getBoundingClientRect();
  divide(((clientX - left) / width) * 100);
});
divider.addEventListener("lostpointercapture", () => panes.classList.remove("dragging"));
divider.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -STEP, ArrowRight: STEP }[event.key];
  if (!step) return;
  event.preventDefault();
  divide(Number(divider.ariaValueNow) + step);
});
