// @herenow/client/ui: presence as elements that any page can use. Importing it defines them.

import { Avatars } from "./avatars.js";
import { Connection } from "./connection.js";
import { CursorArea } from "./cursors.js";
import { Count, Dot, Typing } from "./lines.js";

export { setClient } from "./base.js";
export { setTexts } from "./texts.js";

const elements = {
  "herenow-avatars": Avatars,
  "herenow-connection": Connection,
  "herenow-count": Count,
  "herenow-cursors": CursorArea,
  "herenow-dot": Dot,
  "herenow-typing": Typing,
};

// On a server there is nothing to define; and a page may get this file by two addresses.
for (const [name, element] of Object.entries(elements)) {
  if (globalThis.customElements && !customElements.get(name)) customElements.define(name, element);
}
