// `<herenow-connection>`: what the connection is doing, where people should know.

import { adopt, KitElement, make, region } from "./base.js";
import { dot } from "./person.js";

/** @import { Scene } from "./base.js" */

/** What the badge is drawn with. */
export const tools = { adopt, dot, make };

/** Attributes: `pinned`, stays when all is well; else it goes after 2 s. */
export class Connection extends KitElement {
  #regions = { told: region(), alarm: region("alert") };

  constructor() {
    super();
    this.root.append(this.#regions.told, this.#regions.alarm);
  }

  /** @override @param {Scene} scene */
  async show(scene) {
    const { showBadge } = await import("./badge.js");
    if (!scene.signal.aborted) showBadge(this.root, this.#regions, this.hasAttribute("pinned"), scene, tools);
  }
}
