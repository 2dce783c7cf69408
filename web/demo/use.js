// What somebody pastes into a page of their own.

import { button, make } from "./dom.js";
import { t } from "./text.js";

/** Seven lines that put whoever opens them onto a board of this server. */
export const snippet = (board) => `<p id="here"></p> <p id="typing"></p> <input id="note" placeholder="Type here">
<script type="module">
  import { connect, bindTyping } from "${location.origin}/sdk.js";
  const room = connect().room(${JSON.stringify(board)});
  room.viewers.subscribe((viewers) => { here.textContent = viewers.map(({ user }) => user.name).join(", "); });
  room.typing.text.subscribe((text) => { typing.textContent = text; }); bindTyping(note, room);
</script>`;

/** Fills a place with the lines and a button that copies them. */
export function openUse(place, board) {
  const lines = snippet(board);
  const copy = button("small", t("copy"), async () => {
    await navigator.clipboard.writeText(lines).catch(() => getSelection().selectAllChildren(code));
    copy.textContent = t("copied");
    setTimeout(() => { copy.textContent = t("copy"); }, 1_500);
  });
  copy.dataset.testid = "use-copy";
  const code = make("pre", { className: "code", dir: "ltr", tabIndex: 0, dataset: { testid: "use-code" } }, lines);
  place.append(make("p", { className: "soft" }, t("useIntro")), code, copy);
}
