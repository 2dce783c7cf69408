// What outlives a page: kept in the tab's own storage, and only where there is one.

/**
 * Same-origin frames of a tab share one storage, so keys have to name the server and whoever it is about.
 * @param {string} key
 * @param {string | null} [value] to keep; without one, what is kept is removed
 * @returns {string | null} what was there
 */
export function swapStored(key, value) {
  try {
    const before = sessionStorage.getItem(key);
    if (value) sessionStorage.setItem(key, value);
    else sessionStorage.removeItem(key);
    return before;
  } catch {
    // Blocked by the browser, full, or not a browser: then a reload is a new session, which others do not see either.
    return null;
  }
}
