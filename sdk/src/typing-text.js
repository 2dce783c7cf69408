// Who is typing, as a sentence.

/** @import { TypingMessages, TypingTextOptions } from "./types.js" */

/** @type {TypingMessages} */
const ENGLISH = { one: "{names} is typing", some: "{names} are typing", many: "Several people are typing" };

/**
 * A sentence such as "Alice and Bob are typing"; empty where nobody is. Text, never markup.
 * @param {readonly { name: string }[]} users
 * @param {TypingTextOptions} [options]
 */
export function typingText(users, { locale = "en", max = 2, messages } = {}) {
  const { one, some, many } = { ...ENGLISH, ...messages };
  if (!users.length) return "";
  const names = new Intl.ListFormat(locale).format(users.slice(0, max).map(({ name }) => isolated(name)));
  const sentence = users.length > max ? many : users.length > 1 ? some : one;
  // By a function: a name may hold what means something in a replacement.
  return sentence.replace("{names}", () => names);
}

/**
 * A name between marks that keep its writing direction to itself, without marks of its own that would break out.
 * @param {string} name
 */
export const isolated = (name) => `\u2068${name.replace(/[\u202a-\u202e\u2066-\u2069]/g, "")}\u2069`;
