// Names as people see them: always text, and never with a say in what is around them.

/** Marks that change the writing direction of what comes after them. */
const MARKS = /[\u202a-\u202e\u2066-\u2069]/g;
const WHOLE = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/u;
const SHORT = /[\p{Script=Latin}\p{Script=Cyrillic}\p{Script=Greek}\p{Script=Armenian}]/u;

/** A name for an element of its own, such as a `bdi`. @param {string} name */
export const plain = (name) => name.replace(MARKS, "");

/** A name for within a sentence: between marks that keep its writing direction to itself. @param {string} name */
export const isolated = (name) => `\u2068${plain(name)}\u2069`;

/** What people see as one character each. @param {string} text */
const characters = (text) => (Intl.Segmenter ? Array.from(new Intl.Segmenter().segment(text), ({ segment }) => segment) : [...text]);

/**
 * What fits into a circle: the first letters of the first and last word; of Chinese, Japanese and Korean names the last
 * two characters; of other scripts, and of emoji, the first character.
 * @param {string} name
 */
export function initials(name) {
  const clean = plain(name).trim();
  const first = characters(clean)[0] ?? "?";
  if (WHOLE.test(clean)) return characters(clean.replace(/\s/g, "")).slice(-2).join("");
  const words = clean.split(/\s+/).map((word) => characters(word).find((character) => SHORT.test(character)));
  const letters = words.filter((letter) => letter !== undefined);
  // Of what begins with a bracket or the like, the letters after it.
  if (!letters[0] || (!SHORT.test(first) && /\p{L}|\p{Emoji_Presentation}/u.test(first))) return first;
  return (letters[0] + (letters.length > 1 ? letters.at(-1) : "")).toLocaleUpperCase();
}
