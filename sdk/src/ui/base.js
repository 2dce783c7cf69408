// What all elements of the kit share: which client, which room, which language, and since when.

import { connect } from "../index.js";
import { STYLE } from "./style.js";
import { speech } from "./texts.js";

/** @import { Client, Room } from "../types.js" */
/** @import { Speech } from "./texts.js" */

/** Clients by address; the one of the page has none. @type {Map<string | null, Client>} */
const clients = new Map();
/** The page's client as long as it is one that the kit made. @type {Client | undefined} */
let own;
/** Elements that are in the page. @type {Set<KitElement>} */
const present = new Set();
/** By their text. @type {Map<string, CSSStyleSheet>} */
const sheets = new Map();

/** Styles what is in a shadow root. Shared by all roots with the same style, and good with any `style-src`. @param {ShadowRoot} root @param {string} style */
export function adopt(root, style) {
  const sheet = sheets.get(style) ?? new CSSStyleSheet();
  if (!sheets.has(style)) sheet.replaceSync(style);
  sheets.set(style, sheet);
  root.adoptedStyleSheets.push(sheet);
}

/**
 * Lets all elements that have no `client` and no `url` use a client of yours. Without it, they share one by `connect()`.
 * @param {Client} client
 */
export function setClient(client) {
  clients.set(null, client);
  for (const element of present) element.settle();
  // Nobody uses it any more.
  own?.close();
  own = undefined;
}

/** What an element works with, as long as nothing of it changes. @typedef {Speech & { client: Client, room: Room, signal: AbortSignal }} Scene */

/** An element of the kit. On a server there are none, but importing this does no harm. */
export class KitElement extends (globalThis.HTMLElement ?? Object) {
  static observedAttributes = ["room", "url", "max", "others", "announce", "field", "quiet", "user", "label", "on", "pinned"];
  /** @type {Client | null | undefined} */
  #client;
  /** What it works with now. @type {readonly unknown[]} */
  #inputs = [];
  #ending = new AbortController();
  #isDue = false;
  /** Of what it is made; elements add their parts. */
  root;

  constructor() {
    super();
    this.root = this.attachShadow({ mode: "open" });
    adopt(this.root, STYLE);
  }

  /** The client to use. Null: one will be given, wait for it. Undefined: that of the attribute `url`, or the page's. */
  get client() {
    return this.#client;
  }

  set client(client) {
    this.#client = client;
    this.settle();
  }

  connectedCallback() {
    present.add(this);
    // Set before the element was defined: then it is not yet the property above.
    if (Object.hasOwn(this, "client")) {
      const { client } = this;
      Reflect.deleteProperty(this, "client");
      this.client = client;
    }
    this.settle();
  }

  disconnectedCallback() {
    present.delete(this);
    this.settle();
  }

  attributeChangedCallback() {
    this.settle();
  }

  /** Starts, stops or starts anew, once all changes of this turn are made: an element that is moved goes on. */
  settle() {
    if (!this.#isDue) queueMicrotask(() => this.#settle());
    this.#isDue = true;
  }

  async #settle() {
    this.#isDue = false;
    const attributes = KitElement.observedAttributes.map((name) => this.getAttribute(name));
    const client = this.isConnected ? this.#pick() : null;
    const tag = this.closest("[lang]")?.getAttribute("lang") || "en";
    const inputs = client ? [client, tag, ...attributes] : [];
    if (inputs.length === this.#inputs.length && inputs.every((input, index) => input === this.#inputs[index])) return;
    this.#inputs = inputs;
    const before = this.#ending;
    const { signal } = (this.#ending = new AbortController());
    const id = this.getAttribute("room");
    // Taken before it is let go of, so that nobody hears of a change that is none.
    const room = client && id ? client.room(id, { signal }) : null;
    before.abort();
    if (!client) return;
    const spoken = await speech(tag);
    if (!signal.aborted) this.show({ ...spoken, client, room: /** @type {Room} */ (room), signal });
  }

  #pick() {
    if (this.#client !== undefined) return this.#client;
    const url = this.getAttribute("url");
    const known = clients.get(url);
    if (known) return known;
    const client = connect(url === null ? {} : { url });
    clients.set(url, client);
    if (url === null) own = client;
    return client;
  }

  /** Shows what there is, until the signal aborts. `room` is null without the attribute. @param {Scene} _scene */
  show(_scene) {}
}

/**
 * Tells when the connection is gone so long that what is shown may be old, and when it is back.
 * @param {Scene} scene
 * @param {(isLost: boolean) => void} changed
 */
export function watchLost({ client, signal }, changed) {
  for (const type of /** @type {const} */ (["lost", "restored"])) client.on(type, () => changed(type === "lost"), { signal });
}

/**
 * Makes an element. Texts among its children stay texts.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string>} [attributes]
 * @param {...(Node | string)} children
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const name in attributes) element.setAttribute(name, attributes[name]);
  element.append(...children);
  return element;
}

/** What screen readers are told, at its time. There from the start: they do not hear of regions that come with their text. */
export const region = (role = "status") => make("p", { role, class: "unseen", ...(role === "status" && { "aria-live": "polite", "aria-atomic": "true" }) });

/**
 * Makes the children of an element those of a list, keeping what is there: focus stays where it is.
 * @template Item
 * @param {HTMLElement} parent
 * @param {readonly Item[]} items
 * @param {(item: Item) => string} keyOf
 * @param {(item: Item, before?: HTMLElement) => HTMLElement} draw
 */
export function list(parent, items, keyOf, draw) {
  const before = new Map(Array.from(parent.children, (child) => [/** @type {HTMLElement} */ (child).dataset.key, child]));
  const after = items.map((item) => {
    const key = keyOf(item);
    const child = draw(item, /** @type {HTMLElement | undefined} */ (before.get(key)));
    child.dataset.key = key;
    before.delete(key);
    return child;
  });
  for (const gone of before.values()) gone.remove();
  after.forEach((child, index) => {
    if (parent.children[index] !== child) parent.insertBefore(child, parent.children[index] ?? null);
  });
}
