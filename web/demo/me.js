// The menu of oneself: who one is, and what of oneself and of others is shown.

import { make } from "./dom.js";
import { addressOf, avatar, colorOf, COLORS } from "./person.js";
import { LANGUAGES, locale, message, t } from "./text.js";

const PEOPLE = ["Alice", "Bob", "Carol"];

const $ = (id) => document.getElementById(id);

/**
 * @param {import("./menu.js").Menu} menu
 * @param {{ me: { id: string, name: string, board: string }, is(name: string): boolean, turn(name: string, on: boolean): void,
 *   speak(language: string): void, color(): number | null, dye(color: number | null): void }} acts settings are `showCursors`,
 *   `shareCursor`, `calm` and `invisible`; a colour is a place in the list, and null the one that a user was given
 */
export function openMe(menu, { me, is, turn, speak, color, dye }) {
  const open = $("me");
  const face = make("span");
  open.replaceChildren(face, make("span", { className: "long" }, t(is("invisible") ? "unseen" : "youAre", { name: me.name })), make("span", { "aria-hidden": "true" }, "▾"));
  face.replaceWith(avatar(me, "small"));
  open.classList.toggle("unseen", is("invisible"));

  const become = (who) => { location.href = addressOf({ ...me, name: undefined, ...who }); };
  const toggle = (name) => ({ label: t(name), checked: is(name), act: () => turn(name, !is(name)) });
  open.addEventListener("click", () => menu.open(open, [
    ...PEOPLE.filter((name) => name.toLowerCase() !== me.id).map((name) => ({ label: t("switchTo", { name }), act: () => become({ id: name.toLowerCase() }) })),
    { label: t("someoneElse"), act: () => ask("", (name) => become({ id: idOf(name), name })) },
    { label: t("renameMe"), act: () => ask(me.name, (name) => become({ id: me.id, name })) },
    { label: t("recolorMe"), act: () => choose({ chosen: color(), given: colorOf(me.id), dye }) },
    null,
    ...["invisible", "showCursors", "shareCursor", "calm"].map(toggle),
    null,
    ...Object.entries(LANGUAGES).map(([lang, label]) => ({ label, lang, checked: lang === locale, act: () => speak(lang) })),
    null,
    { label: t("sideBySide"), act: () => { window.top.location.href = "/demo"; } },
  ]));
}

/** A token with which somebody sees the board and is not seen. A server in dev mode gives it to whoever asks. */
export async function unseen({ id, name }) {
  const headers = { "Content-Type": "application/json" };
  const response = await fetch("/dev/token", { method: "POST", headers, body: JSON.stringify({ userId: id, name, invisible: true }) });
  return (await response.json()).token;
}

/** The same id for the same name, so that a person is the same in each tab. */
const idOf = (name) => name.trim().toLowerCase().replace(/\s+/g, "-").slice(0, 40);

/** Lets a colour be chosen; each choice shows at once. */
function choose({ chosen, given, dye }) {
  const swatch = (name, at) => {
    const input = make("input", { type: "radio", name: "color", checked: at === chosen, onchange: () => dye(at) });
    const face = make("i", { "aria-hidden": "true" });
    face.style.background = at === null ? given : `#${COLORS[at]}`;
    return make("label", { className: "swatch" }, input, face, make("span", {}, name));
  };
  $("swatches").replaceChildren(swatch(t("ownColor"), null), ...message("colors").split(" ").map(swatch));
  $("colors").showModal();
}

function ask(name, done) {
  const dialog = $("ask");
  const field = $("ask-name");
  field.value = name;
  dialog.showModal();
  field.select();
  dialog.querySelector("form").onsubmit = () => {
    if (field.value.trim()) done(field.value.trim());
  };
}
