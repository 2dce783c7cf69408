// A value of the SDK in React: what is selected of it, rendered anew only when that changes.

import { useCallback, useEffect, useMemo, useRef, useSyncExternalStore } from "react";

/** @import { Readable } from "../types.js" */

/**
 * The value of a `Readable`, such as `room.faces`, or what `select` makes of it. Renders anew when that is another.
 * @template Value
 * @template [Selected=Value]
 * @param {Readable<Value>} readable
 * @param {(value: Value) => Selected} [select] may be another function at each render
 * @param {(a: Selected, b: Selected) => boolean} [isEqual] default: the same, or lists of the same
 * @param {Value} [initial] what a server rendered, where that may differ from the value now
 * @returns {Selected}
 */
export function useReadable(readable, select = /** @type {any} */ (itself), isEqual = isSame, initial) {
  /** @type {import("react").RefObject<[Selected] | null>} */
  const shown = useRef(null);
  const subscribe = useCallback((/** @type {() => void} */ changed) => readable.subscribe(changed, { immediate: false }), [readable]);
  const getSelected = useMemo(() => {
    /** @type {[Value, Selected] | undefined} */
    let last;
    return (value = readable.get()) => {
      if (!last || last[0] !== value) {
        const before = last ? [last[1]] : shown.current;
        const selected = select(value);
        last = [value, before && isEqual(before[0], selected) ? before[0] : selected];
      }
      return last[1];
    };
  }, [readable, select, isEqual]);
  const selected = useSyncExternalStore(subscribe, () => getSelected(), () => getSelected(initial));
  useEffect(() => {
    shown.current = [selected];
  });
  return selected;
}

/** @param {unknown} value */
const itself = (value) => value;

/** @param {any} a @param {any} b */
const isSame = (a, b) =>
  Object.is(a, b) || (Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((item, index) => item === b[index]));
