// How a person looks: colour, initials, and who this page is.

// The server's colours in its order. White letters are readable on each.
export const COLORS = "c8102e b84a00 806000 4d7400 00803a 007a78 0b4f6c 0a6fd1 252a8f 8a3fe0 c4128f 6b4235".split(" ");

/** FNV-1a over the UTF-8 of an id. */
function hashOf(userId) {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(userId)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
}

/** The colour of a user who is not here to be asked, as the server computes it. */
export const colorOf = (userId) => `#${COLORS[hashOf(userId) % COLORS.length]}`;

/** The property of the page that holds what colour a user has chosen. */
const chosenBy = (userId) => `--of-${hashOf(userId).toString(36)}`;

/** Gives an element the colour of a user: the one they have chosen, as soon as they have, else the one they were given. */
export function paint(element, { id, color = colorOf(id) }) {
  element.style.setProperty("--person", `var(${chosenBy(id)}, ${color})`);
}

/** Follows which colours people choose. Each says theirs in their state, as a place in the list. */
export function followColors(room) {
  const known = new Map();
  room.viewers.subscribe((viewers) => {
    const wanted = new Map(viewers.map(({ user, state }) => [user.id, COLORS[state.color]]));
    for (const id of known.keys()) if (!wanted.has(id)) wanted.set(id);
    for (const [id, color] of wanted) {
      if (known.get(id) === color) continue;
      known.set(id, color);
      document.documentElement.style.setProperty(chosenBy(id), color ? `#${color}` : "");
    }
  });
}

/** At most two letters that stand for a name, cut where readers see characters end. */
export function initials(name) {
  const letters = (word) => [...new Intl.Segmenter().segment(word)].map((part) => part.segment);
  const words = name.split(/\s+/).filter((word) => /^[\p{L}\p{N}\p{Emoji}]/u.test(word));
  if (words.length === 0) return letters(name.trim())[0] ?? "?";
  if (/^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]+$/u.test(name)) {
    return letters(name).slice(-2).join("");
  }
  const picked = words.length > 1 ? [words[0], words[words.length - 1]] : [words[0]];
  return picked.map((word) => letters(word)[0].toLocaleUpperCase()).join("");
}

/** A round picture of a user. */
export function avatar(user, size = "") {
  const element = document.createElement("span");
  element.className = `avatar ${size}`.trim();
  paint(element, user);
  element.textContent = initials(user.name);
  element.setAttribute("aria-hidden", "true");
  return element;
}

/**
 * Who this page is, from the fragment of its address (`#as=alice`): never from a cookie or from storage, which two
 * frames of one page would share.
 */
export function identityFrom(hash) {
  const asked = new URLSearchParams(hash.replace(/^#/, ""));
  const id = asked.get("as") || `guest-${crypto.getRandomValues(new Uint32Array(1))[0].toString(36)}`;
  const name = asked.get("name") || (asked.has("as") ? capitalized(id) : animal());
  return { id, name, board: asked.get("board") || "board-1" };
}

/** The address of a board as seen by somebody. */
export function addressOf({ id, name, board }) {
  const fragment = new URLSearchParams({ as: id, ...(name && name !== capitalized(id) && { name }), ...(board !== "board-1" && { board }) });
  return `/demo/board${location.search}#${fragment}`;
}

/** A setting of this user in this browser; given a value, keeps it. Same-origin frames share the storage, hence the id. */
export function setting(userId, name, value) {
  const key = `herenow-demo:${userId}:${name}`;
  try {
    if (value !== undefined) localStorage.setItem(key, value);
    return localStorage.getItem(key);
  } catch {
    // Storage may be forbidden: then it is forgotten with the page.
    return value ?? null;
  }
}

export const capitalized = (word) => word.charAt(0).toLocaleUpperCase() + word.slice(1);

function animal() {
  const [mood, kind] = crypto.getRandomValues(new Uint8Array(2));
  return `${MOODS[mood % MOODS.length]} ${KINDS[kind % KINDS.length]}`;
}

const MOODS = ["Calm", "Curious", "Gentle", "Merry", "Patient", "Quick", "Sleepy", "Sunny"];
const KINDS = ["Badger", "Crane", "Dormouse", "Heron", "Lynx", "Marten", "Otter", "Wren"];
