// Typing into a target: what oneself says of it, sparingly, and who else does.

import { observable } from "./readable.js";
import { typingText } from "./typing-text.js";

/** @import { Typist } from "./roster.js" */
/** @import { Typing as TypingInterface, User } from "./types.js" */

const THROTTLE_MS = 3_000;
/** How long the server holds one to be typing after the last frame. */
const LEASE_MS = 6_000;

/**
 * Typing into one target, or into whatever in the room.
 * @param {string | undefined} target
 * @param {(target: string) => TypingInterface} inside
 * @param {(type: "typing" | "stop_typing") => void} say
 */
export function createTyping(target, inside, say) {
  const users = observable(/** @type {readonly User[]} */ ([]));
  const text = observable("");
  let saidAt = -Infinity;
  let calledAt = -Infinity;

  const start = () => {
    const now = (calledAt = performance.now());
    if (now - saidAt < THROTTLE_MS) return;
    saidAt = now;
    say("typing");
  };

  const stop = () => {
    // After the lease the server has said so itself.
    if (performance.now() - saidAt < LEASE_MS) say("stop_typing");
    saidAt = calledAt = -Infinity;
  };

  /** @type {TypingInterface} */
  const typing = { users, text, in: inside, start, stop };
  return {
    typing,
    /** The connection is another one: says it again, if it goes on. */
    again() {
      saidAt = -Infinity;
      if (performance.now() - calledAt < THROTTLE_MS) start();
    },
    /** @param {readonly Typist[]} others */
    show(others) {
      users.set(others.filter(({ targets }) => target === undefined || targets.includes(target)).map(({ user }) => user));
      text.set(typingText(users.get()));
    },
  };
}
