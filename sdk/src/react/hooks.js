// What a component can know and say of its room and its client.

import { useEffect, useMemo, useState } from "react";
import { bindTyping } from "../bind-typing.js";
import { typingText } from "../typing-text.js";
import { watching } from "../ui/watching.js";
import { useClient, useRoom } from "./context.js";
import { constant, useAttached, useLatest } from "./helpers.js";
import { useReadable } from "./use-readable.js";

/** @import * as types from "../types.js" */

/** @type {readonly types.Cursor[]} */
const NO_CURSORS = [];
const IDLE = /** @type {types.ConnectionState} */ ({ name: "idle" });
const NO_DOTS = /** @type {ReadonlyMap<string, types.Dot>} */ (new Map());
const NO_CLIENT = constant(IDLE);
const NO_WATCH = constant(NO_DOTS);

/**
 * Who is in the room, oneself first; or what `select` makes of it, then rendered anew only when that changes.
 * @template [Selected=readonly types.Viewer[]]
 * @param {(viewers: readonly types.Viewer[]) => Selected} [select]
 * @param {(a: Selected, b: Selected) => boolean} [isEqual] default: the same, or lists of the same
 * @returns {Selected}
 */
export const useViewers = (select, isEqual) => useReadable(useRoom().viewers, select, isEqual);

/**
 * The same without oneself.
 * @template [Selected=readonly types.Viewer[]]
 * @param {(others: readonly types.Viewer[]) => Selected} [select]
 * @param {(a: Selected, b: Selected) => boolean} [isEqual] default: the same, or lists of the same
 * @returns {Selected}
 */
export const useOthers = (select, isEqual) => useReadable(useRoom().others, select, isEqual);

/** Oneself as a viewer; null until in the room. */
export const useSelf = () => useReadable(useRoom().self);

/** How many users are in the room, exactly, in each gear. */
export const useViewerCount = () => useReadable(useRoom().count, usersOf);
const usersOf = (/** @type {types.Count} */ { users }) => users;

/**
 * What this session shares in the room, and the function that shares more.
 * @returns {[Readonly<Partial<types.State>>, (patch: types.StatePatch) => void]}
 */
export function useMyState() {
  const { state, set } = useRoom();
  return [useReadable(state), set];
}

/**
 * Who else is typing into a target, or into whatever in the room. What gets `ref` is watched as `bindTyping` does; the
 * options for that count when it is attached.
 * @param {string} [target] default: the whole room; `ref` then tells the field's name or id
 * @param {Omit<types.BindTypingOptions, "target" | "signal"> & types.TypingTextOptions} [options]
 */
export function useTyping(target, options) {
  const room = useRoom();
  const typing = target === undefined ? room.typing : room.typing.in(target);
  const users = useReadable(typing.users);
  const ref = useAttached((field) => bindTyping(field, target === undefined ? room : typing, options), [room, typing]);
  return { ref, users, text: typingText(users, options) };
}

/**
 * Shares where the pointer is over the element that gets `ref`, and draws those of others into it, without React. With
 * `asState` it draws none, and `cursors` are these: each move renders anew. The other options count when it is attached.
 * @param {types.CursorOptions & { asState?: boolean }} [options]
 */
export function useCursors({ asState, ...options } = {}) {
  const room = useRoom();
  const [cursors, setCursors] = useState(NO_CURSORS);
  const ref = useAttached((element) => {
    const shared = room.cursors(element, options);
    const end = asState ? shared.subscribe(setCursors) : shared.render(element);
    return () => {
      end();
      shared.stop();
    };
  }, [room, asState, options.on]);
  return { ref, cursors };
}

/**
 * Whether users are online, in whatever room or none: of one, its dot, or undefined as long as that is not known; of
 * several, a map by id that holds those that are known.
 * @template {string | readonly string[]} Ids
 * @param {Ids} ids
 * @returns {Ids extends string ? types.Dot | undefined : ReadonlyMap<string, types.Dot>}
 */
export function useOnline(ids) {
  const client = useClient();
  const list = /** @type {readonly string[]} */ (typeof ids === "string" ? [ids] : ids);
  const key = JSON.stringify(list);
  useEffect(() => (client ? watching(client).hold(list) : undefined), [client, key]);
  const select = (/** @type {typeof NO_DOTS} */ dots) => new Map([...dots].filter(([id]) => list.includes(id)));
  const dots = useReadable(client ? watching(client).dots : NO_WATCH, select, isSameMap, NO_DOTS);
  return /** @type {any} */ (typeof ids === "string" ? dots.get(ids) : dots);
}

/** @param {typeof NO_DOTS} a @param {typeof NO_DOTS} b */
const isSameMap = (a, b) => a.size === b.size && [...a].every(([id, dot]) => b.get(id) === dot);

/**
 * A lock of the room. `acquire` resolves to null where another session has it; it is released in the end by itself.
 * @param {string} name
 */
export function useLock(name) {
  const room = useRoom();
  const holder = useReadable(room.locks, (locks) => locks.get(name));
  const { acquire, release } = useMemo(() => {
    let releases = 0;
    /** @type {types.Lock | null} */
    let held = null;
    return {
      /** @param {{ wait?: boolean, signal?: AbortSignal }} [options] as of `room.lock` */
      acquire(options) {
        const before = releases;
        const asked = room.lock(name, options).then((lock) => {
          if (before === releases) return (held = lock ?? held);
          // It was given up while it was asked for.
          lock?.release();
          return null;
        });
        // Who does not look at the answer sees by `mine` that it is not held.
        asked.catch(() => {});
        return asked;
      },
      release() {
        releases += 1;
        held?.release();
        held = null;
      },
    };
  }, [room, name]);
  useEffect(() => release, [release]);
  return { owner: holder?.user ?? null, mine: !!holder?.mine, acquire, release };
}

/** What the connection is doing; `idle` on a server and in the first render. */
export const useConnection = () => useReadable(useClient()?.state ?? NO_CLIENT, undefined, undefined, IDLE);

/**
 * Hears an event of the room as long as it is mounted: `join`, `leave`, `change`, `sync`, `message`, `error`.
 * @template {keyof types.RoomEvents} Type
 * @param {Type} type
 * @param {(detail: types.RoomEvents[Type]) => void} listener may be another function at each render
 */
export function useRoomEvent(type, listener) {
  const room = useRoom();
  const latest = useLatest(listener);
  useEffect(() => room.on(type, (detail) => latest.current(detail)), [room, type]);
}

/**
 * Hears the messages of a name as long as it is mounted; `from` is null where the app itself sent it.
 * @template {keyof types.Events & string} Event
 * @param {Event} event
 * @param {(data: types.Events[Event], from: types.User | null) => void} listener may be another function at each render
 */
export function useMessage(event, listener) {
  const room = useRoom();
  const latest = useLatest(listener);
  useEffect(() => room.onMessage(event, (data, from) => latest.current(data, from)), [room, event]);
}
