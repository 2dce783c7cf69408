// How a person looks: colour, initials, and who this page is.

/** One of twelve colours, the same for a user id everywhere: FNV-1a over its UTF-8, as the server computes it. */
export function colorOf(userId) {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(userId)) {
    hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  }
  return hash % 12;
}

/** At most two letters that stand for a name, cut where readers see characters end. */
export function initials(name) {
  const letters = (word) => [...new Intl.Segmenter().segment(word)].map((part) => part.segment);
  const words = name.trim().split(/\s+/).filter(Boolean);
  if (words.length === 0) return "?";
  if (/^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]+$/u.test(name)) {
    return letters(name).slice(-2).join("");
  }
  const picked = words.length > 1 ? [words[0], words[words.length - 1]] : [words[0]];
  return picked.map((word) => letters(word)[0].toLocaleUpperCase()).join("");
}

/** A round picture of a user. */
export function avatar(userId, name, size = "") {
  const element = document.createElement("span");
  element.className = `avatar ${size}`.trim();
  element.dataset.color = colorOf(userId);
  element.textContent = initials(name);
  element.setAttribute("aria-hidden", "true");
  return element;
}

/**
 * Who this page is, from the fragment of its address (`#as=alice`): never from a cookie or from storage, which two
 * frames of one page would share.
 */
export function identityFrom(hash) {
  const asked = new URLSearchParams(hash.replace(/^#/, ""));
  const userId = asked.get("as") || `guest-${crypto.getRandomValues(new Uint32Array(1))[0].toString(36)}`;
  const name = asked.get("name") || (asked.has("as") ? capitalized(userId) : animal());
  return { userId, name, board: asked.get("board") || "board-1" };
}

function capitalized(word) {
  return word.charAt(0).toLocaleUpperCase() + word.slice(1);
}

function animal() {
  const [mood, kind] = crypto.getRandomValues(new Uint8Array(2));
  return `${MOODS[mood % MOODS.length]} ${KINDS[kind % KINDS.length]}`;
}

const MOODS = ["Calm", "Curious", "Gentle", "Merry", "Patient", "Quick", "Sleepy", "Sunny"];
const KINDS = ["Badger", "Crane", "Dormouse", "Heron", "Lynx", "Marten", "Otter", "Wren"];
