// The menu of oneself: who one is, and what of oneself and of others is shown.

import { make } from "./dom.js";
import { addressOf, avatar } from "./person.js";
import { LANGUAGES, locale, t } from "./text.js";

const PEOPLE = ["Alice", "Bob", "Carol"];

const $ = (id) => document.getElementById(id);

/**
 * @param {import("./menu.js").Menu} menu
 * @param {{ me: { id: string, name: string, board: string }, is(name: string): boolean, turn(name: string, on: boolean): void,
 *   speak(language: string): void }} acts settings are `showCursors`, `shareCursor` and `calm`
 */
export function openMe(menu, { me, is, turn, speak }) {
  const open = $("me");
  const face = make("span");
  open.replaceChildren(face, make("span", { className: "long" }, t("youAre", { name: me.name })), make("span", { "aria-hidden": "true" }, "▾"));
  face.replaceWith(avatar(me, "small"));

  const become = (who) => { location.href = addressOf({ ...me, name: undefined, ...who }); };
  const toggle = (name) => ({ label: t(name), checked: is(name), act: () => turn(name, !is(name)) });
  open.addEventListener("click", () => menu.open(open, [
    ...PEOPLE.filter((name) => name.toLowerCase() !== me.id).map((name) => ({ label: t("switchTo", { name }), act: () => become({ id: name.toLowerCase() }) })),
    { label: t("someoneElse"), act: () => ask("", (name) => become({ id: idOf(name), name })) },
    { label: t("renameMe"), act: () => ask(me.name, (name) => become({ id: me.id, name })) },
    null,
    ...["showCursors", "shareCursor", "calm"].map(toggle),
    null,
    ...Object.entries(LANGUAGES).map(([lang, label]) => ({ label, lang, checked: lang === locale, act: () => speak(lang) })),
    null,
    { label: t("sideBySide"), act: () => { window.top.location.href = "/demo"; } },
  ]));
}

/** The same id for the same name, so that a person is the same in each tab. */
const idOf = (name) => name.trim().toLowerCase().replace(/\s+/g, "-").slice(0, 40);

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
