// `<herenow-cursors room>`: others' pointers over what is inside, and one's own for them.

import { adopt, KitElement, list, make } from "./base.js";
import { plain } from "./names.js";

/** @import { Scene } from "./base.js" */

/** What the pointers are drawn with. */
export const tools = { adopt, list, make, plain };

/** Attributes: `room`; `on`, what the pointers are on, where a room has several such. */
export class CursorArea extends KitElement {
  constructor() {
    super();
    this.root.append(make("slot"));
  }

  /** @override @param {Scene} scene */
  async show(scene) {
    if (!scene.room) return;
    const { showPointers } = await import("./pointers.js");
    if (!scene.signal.aborted) showPointers(this, this.root, scene, tools);
  }
}
