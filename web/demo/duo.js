// The page with two screens. The boards live in frames of their own and know nothing of each other.

const panes = document.querySelector(".panes");

for (const choice of document.querySelectorAll("input[name=who]")) {
  choice.addEventListener("change", () => show(choice.value));
}
show("alice");

document.querySelector(".coach button").addEventListener("click", (event) => {
  event.currentTarget.closest(".coach").hidden = true;
});

/** On narrow screens, where only one fits, shows that of `who`. */
function show(who) {
  panes.dataset.shown = who;
}
