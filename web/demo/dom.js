// Small helpers for elements.

import { avatar, paint } from "./person.js";

/** An element with properties and children; `dataset` entries go to `data-`, unknown properties become attributes. */
export function make(tag, { dataset, ...properties } = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  Object.assign(element.dataset, dataset);
  element.append(...children);
  return element;
}

/** A button that submits nothing. */
export const button = (className, label, act) => make("button", { type: "button", className, onclick: act }, label);

/** Text for screen readers only. */
export const hiddenText = (content) => make("span", { className: "visually-hidden" }, content);

/** Sets properties that are not so already: what is set anew is laid out anew, though it be the same. */
export function set(element, properties) {
  for (const [name, value] of Object.entries(properties)) if (element[name] !== value) element[name] = value;
}

/** Three dots that move; for the eye only. */
export const dots = () => make("span", { className: "dots", "aria-hidden": "true" }, ...[0, 1, 2].map(() => make("i")));

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

/** Shows at the upper edge of an element, where it moves nothing, who is at work in it; no sentence takes it away. */
export function setChip(element, users, sentence, isTyping) {
  const key = sentence && `${sentence}|${isTyping}|${users[0].id}`;
  if ((element.dataset.chip ?? "") === key) return;
  element.dataset.chip = key;
  element.querySelector(":scope > .chip")?.remove();
  element.classList.toggle("typed", sentence !== "");
  if (sentence === "") return void delete element.dataset.chip;
  paint(element, users[0]);
  const chip = make("span", { className: "chip", dataset: { testid: "chip" } }, avatar(users[0], "tiny"), make("span", {}, sentence));
  if (isTyping) chip.append(dots());
  element.append(chip);
}

/**
 * Calls back when the focus has left an element for another place of this page. Another window or frame is no such place:
 * who looks there for a moment is not done here. Then it is the next thing they do on this page that tells.
 */
export function onLeft(element, left) {
  element.addEventListener("focusout", ({ relatedTarget }) => {
    if (element.closest("[data-moving]") || element.contains(relatedTarget)) return;
    // Where it went is known only afterwards.
    setTimeout(() => {
      if (element.contains(document.activeElement)) return;
      if (document.hasFocus()) return left();
      const back = ({ target }) => {
        for (const type of ["focusin", "pointerdown"]) document.removeEventListener(type, back);
        if (!element.contains(target)) left();
      };
      for (const type of ["focusin", "pointerdown"]) document.addEventListener(type, back);
    });
  });
}
