// Typing in a room: what oneself says, sparingly, and what is shown of others, long enough to be read.

import { Value } from "./readable.js";
import { typingText } from "./typing-text.js";

/** @import { Typist } from "./roster.js" */
/** @import { Typing as TypingInterface, User } from "./types.js" */

const THROTTLE_MS = 3_000;
/** How long the server holds one to be typing after the last frame. */
const LEASE_MS = 6_000;
const SHOWN_MS_MIN = 700;

/** What one types into oneself. Says it as often as needed, and again after a reconnect unless it ended by then. */
export class OwnTyping {
  #say;
  /** @type {Map<string | null, { saidAt: number, calledAt: number }>} */
  #targets = new Map();

  /** @param {(type: "typing" | "stop_typing", target: string | null) => void} say */
  constructor(say) {
    this.#say = say;
  }

  /** @param {string | null} target */
  start(target) {
    const now = performance.now();
    const saidAt = this.#targets.get(target)?.saidAt ?? -Infinity;
    const isDue = now - saidAt >= THROTTLE_MS;
    this.#targets.set(target, { saidAt: isDue ? now : saidAt, calledAt: now });
    if (isDue) this.#say("typing", target);
  }

  /** @param {string | null} target */
  stop(target) {
    const typing = this.#targets.get(target);
    // After the lease the server has said so itself.
    if (this.#targets.delete(target) && typing && performance.now() - typing.saidAt < LEASE_MS) this.#say("stop_typing", target);
  }

  again() {
    for (const [target, { calledAt }] of [...this.#targets]) {
      this.#targets.delete(target);
      if (performance.now() - calledAt < THROTTLE_MS) this.start(target);
    }
  }
}

/** Who types, with those who stopped a moment ago: no sign of typing flashes by. */
export class ShownTyping {
  #changed;
  /** @type {Map<string, Map<string | null, { user: User, since: number, timer: number }>>} by user id, then target */
  #shown = new Map();

  /** @param {() => void} changed called when something that lingered is gone */
  constructor(changed) {
    this.#changed = changed;
  }

  /**
   * Takes who types now. Returns whether what is shown is different for it.
   * @param {ReadonlyMap<string, Typist>} typing
   * @param {(id: string) => boolean} isHere who is not here does not linger
   */
  update(typing, isHere) {
    const now = performance.now();
    let isDifferent = false;
    for (const [id, { user, targets }] of typing) {
      const shown = this.#shown.get(id) ?? new Map();
      this.#shown.set(id, shown);
      for (const target of targets) {
        const before = shown.get(target);
        clearTimeout(before?.timer);
        isDifferent ||= !before;
        shown.set(target, { user, since: before?.since ?? now, timer: 0 });
      }
    }
    for (const [id, shown] of this.#shown) {
      for (const [target, entry] of shown) {
        if (typing.get(id)?.targets.includes(target)) continue;
        const rest = isHere(id) ? entry.since + SHOWN_MS_MIN - now : 0;
        if (rest <= 0) isDifferent = this.#drop(id, target);
        else entry.timer ||= setTimeout(() => this.#drop(id, target) && this.#changed(), rest);
      }
    }
    return isDifferent;
  }

  /** Drops at once what lingers of a user: what they were typing has come. @param {string} id */
  forget(id) {
    for (const [target, { timer }] of this.#shown.get(id) ?? []) if (timer) this.#drop(id, target);
  }

  /** @param {string} id @returns {readonly (string | null)[]} */
  targets(id) {
    return [...(this.#shown.get(id)?.keys() ?? [])];
  }

  /** Who types into a target, or into any. @param {string | undefined} target @returns {User[]} */
  users(target) {
    return [...this.#shown.values()].flatMap((shown) => (target === undefined ? [...shown.values()][0] : shown.get(target))?.user ?? []);
  }

  /** @param {string} id @param {string | null} target */
  #drop(id, target) {
    const shown = this.#shown.get(id);
    clearTimeout(shown?.get(target)?.timer);
    shown?.delete(target);
    if (!shown?.size) this.#shown.delete(id);
    return true;
  }
}

/**
 * Typing into one target, or into whatever in the room.
 * @implements {TypingInterface}
 */
export class Typing {
  users = new Value(/** @type {readonly User[]} */ ([]));
  text = new Value("");
  in;
  #own;
  #target;

  /**
   * @param {OwnTyping} own
   * @param {(target: string) => Typing} inside
   * @param {string} [target]
   */
  constructor(own, inside, target) {
    this.in = inside;
    this.#own = own;
    this.#target = target;
  }

  start() {
    this.#own.start(this.#target ?? null);
  }

  stop() {
    this.#own.stop(this.#target ?? null);
  }

  /** @param {ShownTyping} shown @param {string | undefined} self @internal */
  show(shown, self) {
    const users = shown.users(this.#target).filter(({ id }) => id !== self);
    const before = this.users.get();
    if (users.length === before.length && users.every((user, index) => user === before[index])) return;
    this.users.set(users);
    this.text.set(typingText(users));
  }
}
