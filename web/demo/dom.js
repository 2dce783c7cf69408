// Small helpers for elements.

import { avatar } from "./person.js";
import { typingText } from "./text.js";

/** Moves an element without losing its focus, also where the browser has no way of its own for that. */
export function placeBefore(parent, element, before) {
  if (element.isConnected && parent.isConnected && "moveBefore" in parent) {
    parent.moveBefore(element, before);
    return;
  }
  const focused = element.contains(document.activeElement) ? document.activeElement : null;
  element.dataset.moving = "yes";
  parent.insertBefore(element, before);
  focused?.focus({ preventScroll: true });
  delete element.dataset.moving;
}

/** Shows on an element who types into it, at its upper edge, where it moves nothing; an empty list takes it away. */
export function setChip(element, typists) {
  const sentence = typingText(typists.map((typist) => typist.name));
  if ((element.dataset.typing ?? "") === sentence) return;
  element.dataset.typing = sentence;
  element.querySelector(":scope > .chip")?.remove();
  element.classList.toggle("typed", typists.length > 0);
  if (typists.length === 0) {
    delete element.dataset.color;
    return;
  }
  const face = avatar(typists[0].id, typists[0].name, "tiny");
  element.dataset.color = face.dataset.color;
  const chip = document.createElement("span");
  chip.className = "chip";
  chip.dataset.testid = "chip";
  const words = document.createElement("span");
  words.textContent = sentence;
  chip.append(face, words, dots());
  element.append(chip);
}

/** Three dots that move; for the eye only. */
export function dots() {
  const element = document.createElement("span");
  element.className = "dots";
  element.setAttribute("aria-hidden", "true");
  element.append(...[0, 1, 2].map(() => document.createElement("i")));
  return element;
}

/** Text for screen readers only. */
export function hiddenText(content) {
  const element = document.createElement("span");
  element.className = "visually-hidden";
  element.textContent = content;
  return element;
}
