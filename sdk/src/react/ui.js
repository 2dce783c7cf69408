"use client";
// @herenow/client/react/ui: the elements of the UI kit as components. They get their client and room from the providers
// around them.

import { createElement, useCallback } from "react";
import "../ui/index.js";
import { useClient, useRoom } from "./context.js";

/** @import { ReactNode } from "react" */
/** Attributes that go on as they are, such as `className`, `style`, `id`. @typedef {{ className?: string, [attribute: string]: any }} Rest */

/** @param {string} tag @param {Rest} attributes those that are false or undefined are left out @returns {ReactNode} */
function useElement(tag, { className, children, ...attributes }) {
  const client = useClient();
  const ref = useCallback((/** @type {any} */ element) => {
    // Null is a client that is yet to come: the element waits for it.
    if (element) element.client = client;
  }, [client]);
  for (const name in attributes) {
    // React before 19 would write "true" and "false".
    if (attributes[name] === true) attributes[name] = "";
    if (attributes[name] === false) delete attributes[name];
  }
  return createElement(tag, { ref, class: className, ...attributes }, children);
}

/**
 * Who is in the room, as overlapping pictures, and a button for those who do not fit.
 * @param {Rest & { max?: number, others?: boolean, announce?: boolean }} props `max`: pictures, 1 to 30, default 5;
 *   `others`: without oneself; `announce`: tells screen readers who joins
 */
export const AvatarStack = (props) => useElement("herenow-avatars", { room: useRoom().id, ...props });

/** How many people are in the room, as a sentence. @param {Rest} props */
export const ViewerCount = (props) => useElement("herenow-count", { room: useRoom().id, ...props });

/**
 * Who is typing, as a sentence. Keeps its height while nobody is.
 * @param {Rest & { field?: string, quiet?: boolean }} props `field`: the target; `quiet`: screen readers are not told
 */
export const TypingText = (props) => useElement("herenow-typing", { room: useRoom().id, ...props });

/**
 * Others' pointers over the children, and one's own for them.
 * @param {Rest & { on?: string, children?: ReactNode }} props `on`: what the pointers are on, where a room has several such
 */
export const CursorLayer = (props) => useElement("herenow-cursors", { room: useRoom().id, ...props });

/**
 * Whether a user is online. Needs no room.
 * @param {Rest & { userId: string, label?: boolean }} props `label`: shows the word beside the shape
 */
export const PresenceDot = ({ userId, ...props }) => useElement("herenow-dot", { user: userId, ...props });

/**
 * What the connection is doing. Needs no room.
 * @param {Rest & { hideWhenOnline?: boolean }} props `hideWhenOnline`: goes two seconds after all is well, default true
 */
export const ConnectionBadge = ({ hideWhenOnline = true, ...props }) => useElement("herenow-connection", { pinned: !hideWhenOnline, ...props });
