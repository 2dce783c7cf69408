// Says in sentences what the server knows of a user in a room.
import { make, many, name, span } from "./view.js";

const ENDED = {
  left: "left", closed: "closed its page", lost: "broke off", timeout: "answered no more", kicked: "was put out",
  expired: "had a token that ended", drained: "was ended by a server that stopped",
};
const WHAT = { joined: "came", updated: "changed something", left: "was gone" };

/** Elements that say why a user is shown, or is not. */
export function explained(known) {
  const entries = known.entries ?? [];
  const lines = entries.map(({ session, status, connected, ended, leaves_in_ms: left }) => {
    const how = connected
      ? `is connected, and ${status}`
      : `${ENDED[ended] ?? ended}; the user stays for another ${span(left)} in case it comes back`;
    return [`Connection ${session} ${how}.`];
  });
  for (const { target, stops_in_ms: stops } of known.typing ?? []) {
    lines.push(["Types", ...(target === null ? [] : [" in ", name(target)]), `; that ends in ${span(stops)} unless it is said again.`]);
  }
  for (const lock of known.locks ?? []) lines.push(["Holds the lock ", name(lock.name), "."]);
  if (known.blocked_for_ms) lines.push([`May not come back for ${span(known.blocked_for_ms)}.`]);
  for (const { at_ms: at, what, reason } of (known.transitions ?? []).toReversed()) {
    lines.push([`${span(known.now_ms - at)} ago the user ${WHAT[what] ?? what}${reason ? `: ${ENDED[reason] ?? reason}` : ""}.`]);
  }
  const verdict = known.is_viewer
    ? [name(known.user), ` is shown, because of ${many(entries.length, "connection")}.`]
    : [name(known.user), " is not shown", lines.length === 0 ? ": nothing is known of this user here." : "."];
  return [
    make("p", { "data-testid": "verdict" }, ...verdict),
    make("ul", { className: "why" }, ...lines.map((line) => make("li", {}, ...line))),
  ];
}
