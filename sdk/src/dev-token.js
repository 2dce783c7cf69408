// Tokens of a server in dev mode, for who asks. Loaded only by pages that have no other way: those on a loopback address.

// Imports nothing, so that a bundler can put it into a file of its own without a third for what both use.

const ANIMALS = (
  "Ant Bat Bear Bee Bison Cat Crane Crow Deer Dove Duck Eel Elk Finch Fox Frog Goat Hare Hawk Ibis Koala Lark Lynx Mole " +
  "Moth Newt Otter Owl Panda Puma Quail Seal Stork Swan Tiger Toad Wasp Whale Wolf Wren Yak Zebra"
).split(" ");
const ANSWER_MS_MAX = 8_000;

/**
 * Asks for a token; null where the server is not in dev mode: then a cookie may do.
 * @param {string} base
 * @param {{ id: string, name?: string } | undefined} user default: a random animal, the same for as long as the tab lives
 * @param {typeof import("./error.js").HerenowError} HerenowError
 */
export async function devToken(base, user, HerenowError) {
  const body = JSON.stringify(user ? { userId: user.id, name: user.name ?? user.id } : guest(base));
  const response = await fetch(`${base}/dev/token`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body,
    signal: AbortSignal.timeout(ANSWER_MS_MAX),
  }).catch((error) => {
    throw new HerenowError({ code: "connection.lost", message: `the server was not reached: ${error}`, base });
  });
  if (response.status === 404) return null;
  const { token, code = "auth.unavailable", title, hint } = await response.json().catch(() => ({}));
  if (response.ok) return token;
  const retryable = response.status >= 500 || response.status === 429;
  throw new HerenowError({ code, message: title ?? `the server answered ${response.status}`, hint, base, retryable });
}

/** @param {string} base */
function guest(base) {
  const key = `herenow:guest:${base}`;
  const animal = ANIMALS[Math.floor(Math.random() * ANIMALS.length)];
  const fresh = { userId: `${animal.toLowerCase()}-${Math.random().toString(36).slice(2, 10)}`, name: animal };
  try {
    const known = sessionStorage.getItem(key);
    if (known) return JSON.parse(known);
    sessionStorage.setItem(key, JSON.stringify(fresh));
  } catch {
    // No storage: another animal after a reload.
  }
  return fresh;
}
