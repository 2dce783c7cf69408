// Small things that hooks share.

import { useCallback, useEffect, useRef } from "react";

/**
 * A value that stays as it is.
 * @template T
 * @param {T} value
 * @returns {import("../types.js").Readable<T>}
 */
export const constant = (value) => ({ get: () => value, subscribe: () => nothing });

const nothing = () => {};

/**
 * The value of the last render, for what runs later.
 * @template T
 * @param {T} value
 */
export function useLatest(value) {
  const latest = useRef(value);
  useEffect(() => {
    latest.current = value;
  });
  return latest;
}

/**
 * A function for `ref`: does something with the element as long as it is there.
 * @param {(element: HTMLElement) => () => void} attach what it returns undoes it
 * @param {readonly unknown[]} inputs on which `attach` depends
 */
export function useAttached(attach, inputs) {
  const end = useRef(nothing);
  return useCallback((/** @type {HTMLElement | null} */ element) => {
    end.current();
    end.current = element ? attach(element) : nothing;
  }, inputs);
}
