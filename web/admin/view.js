// Elements. What comes from the server becomes text, never markup.

/** An element with properties and children. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** A name, with a writing direction of its own. */
export const name = (text) => make("bdi", {}, text);

/** A button. */
export const button = (label, act, properties = {}) => make("button", { type: "button", onclick: act, ...properties }, label);

/**
 * A table: heads, and rows of cells, the first of which names its row. A head that ends in `#` is of numbers; cells are texts or
 * elements.
 */
export function table(caption, heads, rows) {
  const is = (head) => (head.endsWith("#") ? { className: "number" } : {});
  const plain = (head) => head.replace(/#$/, "");
  const head = make("tr", {}, ...heads.map((one) => make("th", { scope: "col", ...is(one) }, plain(one))));
  const body = rows.map((cells) => make("tr", {}, ...cells.map((cell, at) => {
    const content = Array.isArray(cell) ? cell : [cell];
    if (at === 0) return make("th", { scope: "row" }, ...content);
    const acts = Array.isArray(cell) ? { className: "acts" } : is(heads[at]);
    return make("td", { "data-head": plain(heads[at]), ...acts }, ...content);
  })));
  return make("table", {}, make("caption", {}, caption), make("thead", {}, head), make("tbody", {}, ...body));
}

/** How long ago, or how long from now on. */
export function span(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} days`;
}

/** One or many of something. */
export const many = (count, one, more = `${one}s`) => `${count.toLocaleString("en")} ${count === 1 ? one : more}`;
