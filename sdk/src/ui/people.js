// Everybody in a room, in a dialog over the page. Loaded once there are more than there are faces for;
// imports nothing, so that no third file comes of what it shares with the rest.

/** @import { Person } from "./person.js" */
/** @import { Speech } from "./texts.js" */

/** From how many people on there is a field to search them. */
const SEARCH_FROM = 8;
const GAP_PX = 8;
const STYLE = `
dialog{position:fixed;inset:auto;margin:0;inline-size:min(21rem,100vw - 1rem);max-block-size:min(26rem,100dvh - 1rem);border:1px solid var(--line);border-radius:14px;
background:var(--bg);color:var(--fg);font-size:.9375rem;line-height:1.4;flex-direction:column;overflow:hidden;
box-shadow:0 2px 6px rgb(0 0 0/.08),0 12px 40px rgb(0 0 0/.2)}
dialog[open]{display:flex}
dialog::backdrop{background:none}
.head{justify-content:space-between;gap:.5rem;padding:.6rem .6rem .4rem 1rem;padding-inline:1rem .6rem;font-weight:600}
.icon{inline-size:2rem;block-size:2rem;border-radius:8px;font-size:1.25rem;line-height:1;color:var(--soft)}
.icon:hover{background:color-mix(in srgb,currentColor 12%,transparent)}
.find{margin:.1rem 1rem .5rem;padding:.45rem .7rem;border:1px solid color-mix(in srgb,var(--soft) 80%,var(--bg));border-radius:8px;min-inline-size:0}
.find::placeholder{color:var(--soft);opacity:1}
.people{overflow:auto;padding:0 .5rem .5rem;overscroll-behavior:contain}
.people:focus-visible{outline-offset:-2px;border-radius:12px}
.people>li{gap:.7rem;padding:.35rem .5rem;border-radius:9px;--s:2rem}
.who{flex:1;display:flex;min-inline-size:0}
.who>*{overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.note{padding:.2rem 1rem .8rem}
@media(max-width:30rem){
dialog{inset:auto 0 0!important;inline-size:100%;max-inline-size:100%;max-block-size:80dvh;border-end-end-radius:0;border-end-start-radius:0}
dialog::backdrop{background:rgb(0 0 0/.4)}
}
@media(prefers-reduced-motion:no-preference){dialog[open]{animation:come .15s ease-out}}
`;

/**
 * @typedef {object} People
 * @property {HTMLDialogElement} dialog
 * @property {() => void} open opens it by its button; to be followed by `show`
 * @property {(speech: Speech, people: readonly Person[], total: number) => void} show
 */
/**
 * The dialog of a button.
 * @param {HTMLElement} opener
 * @param {ShadowRoot} root where it goes
 * @param {typeof import("./avatars.js").tools} tools
 * @returns {People}
 */
export function createPeople(opener, root, { adopt, face, list, make, nameOf, plain }) {
  const title = make("p", { id: "title" });
  const close = make("button", { class: "icon", part: "close", type: "button" }, "×");
  const find = make("input", { class: "find", part: "search", type: "search" });
  const everybody = make("ul", { class: "people", part: "people", role: "list", tabindex: "0", "aria-labelledby": "title" });
  const note = make("p", { class: "small note" });
  const head = make("div", { class: "head row" }, title, close);
  const dialog = make("dialog", { part: "dialog", "aria-labelledby": "title" }, head, find, everybody, note);
  let redraw = () => {};
  adopt(root, STYLE);
  root.append(dialog);
  find.oninput = () => redraw();
  close.onclick = () => dialog.close();
  // Beside the dialog is its backdrop.
  dialog.onclick = ({ target, clientX: x, clientY: y }) => {
    const { left, right, top, bottom } = dialog.getBoundingClientRect();
    if (target === dialog && (x < left || x > right || y < top || y > bottom)) dialog.close();
  };
  dialog.onkeydown = (event) => {
    if (event.key !== "Tab") return;
    const stops = [close, find, everybody].filter((stop) => !stop.hidden);
    const [from, to] = event.shiftKey ? [stops[0], stops.at(-1)] : [stops.at(-1), stops[0]];
    if (event.target !== from) return;
    event.preventDefault();
    to?.focus();
  };

  /** @param {Speech} speech @param {Person} person @param {HTMLElement} [before] */
  const drawPerson = (speech, person, before) => {
    const item = before ?? make("li", { class: "row", part: "person" });
    const { user, self, status } = person;
    // By itself, a name is cut where it ends in its own direction.
    const name = self ? make("span", {}, nameOf(speech, person)) : make("bdi", {}, plain(user.name));
    item.replaceChildren(face(person), make("span", { class: "who", part: "name" }, name));
    if (status) item.append(make("span", { class: "small", part: "status" }, speech.say(status)));
    return item;
  };

  return {
    dialog,
    open() {
      find.value = "";
      opener.ariaExpanded = "true";
      dialog.showModal();
      // On narrow pages it comes from below instead, by its style.
      const { left, right, top, bottom } = opener.getBoundingClientRect();
      // As it will be; it may still be growing.
      const width = dialog.offsetWidth;
      const { clientWidth, clientHeight } = document.documentElement;
      const start = getComputedStyle(dialog).direction === "rtl" ? right - width : left;
      const x = Math.max(Math.min(start, clientWidth - width - GAP_PX), GAP_PX);
      const isAbove = bottom > clientHeight / 2;
      dialog.style.inset = isAbove ? `auto auto ${clientHeight - top + GAP_PX}px ${x}px` : `${bottom + GAP_PX}px auto auto ${x}px`;
    },
    show(speech, people, total) {
      const { say } = speech;
      redraw = () => {
        const wanted = find.value.trim().toLocaleLowerCase();
        const found = people.filter(({ user }) => user.name.toLocaleLowerCase().includes(wanted));
        title.textContent = say("viewing", { n: total });
        close.ariaLabel = say("close");
        find.placeholder = find.ariaLabel = say("search");
        find.hidden = people.length < SEARCH_FROM && !wanted;
        everybody.hidden = !found[0];
        list(everybody, found, ({ user }) => user.id, (person, before) => drawPerson(speech, person, before));
        const rest = total - people.length;
        note.textContent = found[0] ? (rest > 0 ? say("rest", { n: rest }) : "") : say("nobody");
        note.hidden = !note.textContent;
      };
      redraw();
    },
  };
}
