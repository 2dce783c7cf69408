// What this session shares in a room: bursts go out as one, and what the server may not have is said again.

import { observable } from "./readable.js";

const EVERY_MS = 100;

/** @param {(patch: object) => Promise<unknown> | undefined} say nothing comes back where it cannot be said now */
export function ownState(say) {
  const value = observable(/** @type {Readonly<Record<string, unknown>>} */ ({}));
  /** Keys that the server is not known to have, with what they are set to. @type {Record<string, unknown>} */
  let open = {};
  let timer = 0;
  let isDue = false;

  /** What to say now. `has` is to be called when the server has it. */
  const take = () => {
    const state = { ...open };
    isDue = false;
    const has = () => {
      for (const key in state) if (open[key] === state[key]) delete open[key];
    };
    return { state, has };
  };

  const tick = () => {
    timer = 0;
    if (!isDue) return;
    const { state, has } = take();
    timer = setTimeout(tick, EVERY_MS);
    say(state)?.then(has, () => {});
  };

  return {
    value,
    take,
    /** @param {object} patch */
    set(patch) {
      Object.assign(open, patch);
      const next = Object.entries({ ...value.get(), ...patch }).filter(([, set]) => set != null);
      value.set(Object.fromEntries(next));
      isDue = true;
      // What is set in one go goes out in one; what comes soon after waits.
      timer ||= setTimeout(tick, 0);
    },
    /** The server has nothing of it any more. */
    forgotten() {
      open = { ...value.get() };
    },
  };
}
