// What the kit says, by language. English is here; the others are loaded when a page is in one of them.

/** Texts by plural category, or one text. @typedef {string | { other: string, [category: string]: string }} Text */
/** @typedef {Record<keyof typeof ENGLISH, Text>} Texts */

export const ENGLISH = {
  viewing: /** @type {Text} */ ({ one: "{n} person viewing", other: "{n} people viewing" }),
  more: /** @type {Text} */ ({ one: "Show {n} more person", other: "Show {n} more people" }),
  rest: /** @type {Text} */ ({ other: "and {n} more" }),
  joined: /** @type {Text} */ ({ one: "{n} person joined", other: "{n} people joined" }),
  lastKnown: "{text}, as last known",
  person: "{name}, {status}",
  you: "{name} (you)",
  active: "active",
  idle: "idle",
  offline: "offline",
  unknown: "unknown",
  one: "{names} is typing",
  some: "{names} are typing",
  many: "Several people are typing",
  close: "Close",
  search: "Search people",
  nobody: "Nobody by that name",
  live: "Live",
  sse: "Live, by a stream",
  poll: "Live, by polling",
  draining: "Server is restarting",
  connecting: "Connecting",
  reconnecting: "Reconnecting",
  retry: "Reconnecting in {time}",
  noNetwork: "No network",
  signedOut: "Signed out",
  forbidden: "Not allowed",
  closed: "Disconnected",
  tryNow: "Try now",
  lost: "Connection lost. What is shown may be out of date.",
  restored: "Connected again",
  hidePointers: "Hide pointers",
  showPointers: "Show pointers",
};

/** @type {Record<string, Partial<Texts>>} */
const given = {};

/**
 * Says other texts than the kit does, or in another language. For what is shown from then on.
 * @param {string} language such as `en` or `pt`; texts that are missing in it are in English
 * @param {Partial<Texts>} texts with `{n}`, `{name}` and so on to fill in; where there is an `{n}`, by plural category
 */
export function setTexts(language, texts) {
  given[language] = { ...given[language], ...texts };
}

/**
 * How to speak in a language.
 * @typedef {object} Speech
 * @property {string} locale
 * @property {(key: keyof Texts, values?: Record<string, string | number>) => string} say
 */
/** @param {string} tag a language tag, such as `de-AT` @returns {Promise<Speech>} */
export async function speech(tag) {
  const language = tag.split("-")[0].toLowerCase();
  // English needs nothing, and so the first words wait for nothing.
  const more = language === "en" ? undefined : (await import("./languages.js").catch(() => undefined))?.languages[language];
  const texts = { ...ENGLISH, ...more, ...given[language] };
  const locale = more || given[language] ? tag : "en";
  const rules = new Intl.PluralRules(locale);
  const numbers = new Intl.NumberFormat(locale);
  return {
    locale,
    say(key, values = {}) {
      const text = /** @type {Text} */ (texts[key]);
      const form = typeof text === "string" ? text : (text[rules.select(Number(values.n))] ?? text.other);
      return form.replace(/\{(\w+)\}/g, (_, name) => (typeof values[name] === "number" ? numbers.format(values[name]) : values[name]));
    },
  };
}
