// What the UI kit computes without a page: initials, texts, colours. Pages are tested in `web/tests/ui.test.js`.

import assert from "node:assert/strict";
import { test } from "node:test";
import { languages } from "../src/ui/languages.js";
import { initials, isolated } from "../src/ui/names.js";
import { STYLE } from "../src/ui/style.js";
import { ENGLISH, setTexts, speech } from "../src/ui/texts.js";

test("on a server the kit can be imported, and defines nothing", async () => {
  assert.equal(globalThis.customElements, undefined);
  assert.deepEqual(Object.keys(await import("../src/ui/index.js")), ["setClient", "setTexts"]);
});

test("initials by script", () => {
  const expected = {
    Alice: "A", "alice cooper": "AC", "Anna Maria von Thun": "AT", "Ñandú Öz": "ÑÖ", "Иван Петров": "ИП",
    "田中 太郎": "太郎", 张伟: "张伟", 欧阳娜娜: "娜娜", 김민준: "민준", 李: "李",
    "أحمد علي": "أ", "प्रिया शर्मा": "प्रि", "🦊🦊🦊": "🦊", "👩‍👩‍👧 family": "👩‍👩‍👧",
    "<img src=x onerror=alert(1)>": "IO", "\u202Egnp.exe\u202C": "G", "": "?", "   ": "?", 42: "4",
  };
  assert.deepEqual(Object.fromEntries(Object.keys(expected).map((name) => [name, initials(name)])), expected);
});

test("a name cannot break out of its place in a sentence", () => {
  assert.equal(isolated("\u202Eevil\u2069\u2066"), "\u2068evil\u2069");
});

const holes = (text) => [...text.matchAll(/\{\w+\}/g)].map(([hole]) => hole).sort();
const forms = (text) => (typeof text === "string" ? [text] : Object.values(text));

test("each language says everything, with the same to fill in, in its own plural categories", () => {
  assert.deepEqual(Object.keys(languages), ["de", "fr", "es", "ja", "ar"]);
  for (const [language, texts] of Object.entries(languages)) {
    const categories = new Intl.PluralRules(language).resolvedOptions().pluralCategories;
    for (const [key, english] of Object.entries(ENGLISH)) {
      const text = texts[key] ?? (key === "person" ? english : undefined);
      assert.ok(text, `${language} has no ${key}`);
      if (typeof text === "object") {
        assert.ok(text.other, `${language}.${key} has no other`);
        for (const category of Object.keys(text)) assert.ok(categories.includes(category), `${language} has no plural ${category}`);
      }
      const allowed = holes(forms(english).at(-1));
      // A form for one or two may have the number in words.
      for (const form of forms(text)) assert.ok(holes(form).join() === allowed.join() || (allowed.includes("{n}") && form !== text.other && !holes(form).length), `${language}.${key}: ${form}`);
    }
  }
});

test("numbers and plurals are the language's own", async () => {
  const viewing = async (tag, n) => (await speech(tag)).say("viewing", { n });
  assert.equal(await viewing("en", 1), "1 person viewing");
  assert.equal(await viewing("en-GB", 1200), "1,200 people viewing");
  assert.equal(await viewing("de", 1200), "1.200 Personen sind hier");
  assert.equal(await viewing("fr", 0), "0 personne présente");
  assert.equal(await viewing("ar", 2), "شخصان يشاهدان");
  assert.equal(await viewing("xx", 2), "2 people viewing");
});

test("an app's own texts win, in any language", async () => {
  setTexts("pl", { viewing: { one: "{n} osoba", few: "{n} osoby", many: "{n} osób", other: "{n} osoby" } });
  setTexts("de", { live: "Verbunden" });
  const polish = await speech("pl");
  assert.deepEqual([1, 3, 5].map((n) => polish.say("viewing", { n })), ["1 osoba", "3 osoby", "5 osób"]);
  assert.equal(polish.say("close"), "Close");
  const german = await speech("de-CH");
  assert.deepEqual([german.say("live"), german.say("close")], ["Verbunden", "Schließen"]);
});

test("what is put into a text is not looked at for more to fill in", async () => {
  const { say } = await speech("en");
  assert.equal(say("person", { name: "{status} $& $1", status: "active" }), "{status} $& $1, active");
});

/** Relative luminance, as WCAG has it. @param {string} color `#rgb` or `#rrggbb` */
function luminance(color) {
  const digits = color.length === 4 ? [...color.slice(1)].map((digit) => digit + digit) : color.slice(1).match(/../g);
  const [r, g, b] = digits.map((pair) => Number.parseInt(pair, 16) / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

test("text and shapes stand out from the surface, in light and dark", () => {
  const themes = STYLE.split("prefers-color-scheme:dark");
  assert.equal(themes.length, 2);
  for (const theme of themes) {
    const color = (name) => theme.match(new RegExp(`--${name}:var\\([\\w-]+,(#\\w+)\\)`))[1];
    const surface = luminance(color("bg"));
    const contrast = (name) => (Math.max(luminance(color(name)), surface) + 0.05) / (Math.min(luminance(color(name)), surface) + 0.05);
    for (const text of ["fg", "soft", "hi"]) assert.ok(contrast(text) >= 4.5, `${text} has ${contrast(text)}`);
    for (const shape of ["ok", "mid", "bad"]) assert.ok(contrast(shape) >= 3, `${shape} has ${contrast(shape)}`);
  }
});
