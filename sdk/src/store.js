// What outlives a page: kept in the tab's own storage, and only where there is one.

/**
 * Same-origin frames of a tab share one storage, so keys have to name the server and whoever it is about.
 * @param {string} key
 * @param {string | null} [value] to write, or null to remove; absent only reads
 * @returns {string | null} what was there
 */
export function stored(key, value) {
  const name = `herenow:${key}`;
  try {
    const before = sessionStorage.getItem(name);
    if (value === null) sessionStorage.removeItem(name);
    else if (value !== undefined) sessionStorage.setItem(name, value);
    return before;
  } catch {
    // Blocked by the browser, full, or not a browser: then a reload is a new session, which others do not see either.
    return null;
  }
}
