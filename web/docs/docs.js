// Shows the document of the HTTP API. Everything in it is put on the page as text, never as markup.

/**
 * Makes an element with text and children.
 * @param {string} name tag
 * @param {string} [text]
 * @param {Node[]} [children]
 */
function element(name, text = "", children = []) {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  made.append(...children);
  return made;
}

/**
 * A table of texts; nothing without rows.
 * @param {string} title
 * @param {string[]} heads
 * @param {string[][]} rows
 * @returns {Node[]}
 */
function table(title, heads, rows) {
  if (rows.length === 0) return [];
  const row = (/** @type {string} */ cell, /** @type {string[]} */ texts) =>
    element("tr", "", texts.map((text) => element(cell, text)));
  const body = element("tbody", "", rows.map((texts) => row("td", texts)));
  return [element("h4", title), element("table", "", [element("thead", "", [row("th", heads)]), body])];
}

/**
 * The schema behind a reference, with what it refers to, as text.
 * @param {any} schema
 * @param {any} all
 * @param {number} depth how deep references are followed
 * @returns {any}
 */
function resolved(schema, all, depth) {
  if (schema === null || typeof schema !== "object") return schema;
  if (Array.isArray(schema)) return schema.map((one) => resolved(one, all, depth));
  const name = typeof schema.$ref === "string" ? schema.$ref.split("/").pop() : undefined;
  if (name !== undefined) return depth > 0 ? resolved(all[name], all, depth - 1) : name;
  return Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, resolved(value, all, depth)]));
}

/**
 * @param {string} path
 * @param {string} method
 * @param {any} call
 * @param {any} schemas
 */
function shown(path, method, call, schemas) {
  const verb = element("span", method.toUpperCase());
  verb.className = "method";
  const summary = element("summary", "", [verb, element("code", path), document.createTextNode(` ${call.summary}`)]);
  const json = (/** @type {any} */ schema) => element("pre", JSON.stringify(resolved(schema, schemas, 3), null, 2));
  const parts = [
    ...(call.description ?? "").split("\n\n").filter(Boolean).map((/** @type {string} */ text) => element("p", text)),
    ...table("Parameters", ["name", "in", "what", "schema"], call.parameters.map((/** @type {any} */ one) => [
      one.name, one.in, one.description ?? "", JSON.stringify(one.schema),
    ])),
  ];
  if (call.requestBody) {
    parts.push(element("h4", "Body"), element("p", call.requestBody.description));
    parts.push(json(call.requestBody.content["application/json"].schema));
  }
  parts.push(...table("Answers", ["status", "what"], Object.entries(call.responses).map(([status, answer]) => [
    status, /** @type {any} */ (answer).description,
  ])));
  const good = Object.values(call.responses).map((answer) => /** @type {any} */ (answer).content?.["application/json"]);
  for (const content of good.filter(Boolean)) parts.push(element("h4", "JSON"), json(content.schema));
  const details = element("details", "", [summary, element("div", "", parts)]);
  details.id = call.operationId;
  return details;
}

async function main() {
  const calls = /** @type {HTMLElement} */ (document.getElementById("calls"));
  const find = /** @type {HTMLInputElement} */ (document.getElementById("find"));
  try {
    const answer = await fetch("/openapi.json");
    const api = await answer.json();
    /** @type {Map<string, HTMLElement>} */
    const groups = new Map();
    for (const [path, methods] of Object.entries(api.paths)) {
      for (const [method, call] of Object.entries(/** @type {any} */ (methods))) {
        const tag = /** @type {any} */ (call).tags[0];
        const group = groups.get(tag) ?? element("section", "", [element("h2", tag)]);
        group.append(shown(path, method, call, api.components.schemas));
        groups.set(tag, group);
      }
    }
    calls.replaceChildren(...groups.values());
    find.addEventListener("input", () => {
      const wanted = find.value.toLowerCase();
      for (const one of calls.querySelectorAll("details")) {
        one.hidden = !(one.textContent ?? "").toLowerCase().includes(wanted);
      }
    });
    document.getElementById(location.hash.slice(1))?.setAttribute("open", "");
  } catch (error) {
    calls.replaceChildren(element("p", `The document cannot be loaded: ${error}`));
  }
}

main();
