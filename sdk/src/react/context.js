// The client of an app and the room of a part of it, handed down.

import { createContext, createElement, useContext, useEffect, useState } from "react";
import { connect } from "../client.js";
import { constant, useLatest } from "./helpers.js";
import { useReadable } from "./use-readable.js";

/** @import { ReactNode } from "react" */
/** @import { Client, ClientOptions, Room, RoomOptions } from "../types.js" */

const ClientContext = createContext(/** @type {Client | null | undefined} */ (undefined));
const RoomContext = createContext(/** @type {Room | null} */ (null));
const JOINING = constant(/** @type {"joining"} */ ("joining"));

/**
 * Hands a client to what is inside: the one given, or one of its own that it connects with the options and closes in the
 * end. Connects anew when `url`, `user` or who it is by `auth` changes; a function for `auth` may be another at each render.
 * On a server it connects to nothing.
 * @param {ClientOptions & { client?: Client, children?: ReactNode }} props
 * @returns {ReactNode}
 */
export function HerenowProvider({ client, children, ...options }) {
  const [own, setOwn] = useState(/** @type {Client | null} */ (null));
  const latest = useLatest(options);
  const { url, user, auth } = options;
  const isAsked = typeof auth === "function";
  useEffect(() => {
    if (client) return;
    const getToken = () => /** @type {() => string | Promise<string>} */ (latest.current.auth)();
    const made = connect({ ...latest.current, auth: isAsked ? getToken : auth });
    setOwn(made);
    return () => made.close();
  }, [client, url, user?.id, user?.name, isAsked || auth]);
  return createElement(ClientContext.Provider, { value: client ?? own }, children);
}

/**
 * The client; null on a server and in the first render, before there is one.
 * @returns {Client | null}
 */
export function useClient() {
  const client = useContext(ClientContext);
  if (client === undefined) throw new Error("no HerenowProvider around this");
  return client;
}

/**
 * Joins a room as long as it is mounted, and hands it to what is inside. Until it is joined, and on a server, it shows
 * `fallback` in an element that is `aria-busy`; without one, the children show as soon as there is a client.
 * The options are as for `client.room`; they count when it joins.
 * @param {Omit<RoomOptions, "signal"> & { id: string, fallback?: ReactNode, children?: ReactNode }} props
 * @returns {ReactNode}
 */
export function RoomProvider({ id, fallback, children, ...options }) {
  const client = useClient();
  const latest = useLatest(options);
  const [room, setRoom] = useState(/** @type {Room | null} */ (null));
  useEffect(() => {
    if (!client) return;
    const held = client.room(id, latest.current);
    setRoom(held);
    return () => held.leave();
  }, [client, id]);
  const here = room?.id === id ? room : null;
  const status = useReadable(/** @type {Room["status"]} */ (here?.status ?? JOINING));
  if (here && (fallback === undefined || status !== "joining")) return createElement(RoomContext.Provider, { value: here }, children);
  return createElement("div", { "aria-busy": true }, fallback);
}

/**
 * The room of the `RoomProvider` around.
 * @returns {Room}
 */
export function useRoom() {
  const room = useContext(RoomContext);
  if (!room) throw new Error("no RoomProvider around this");
  return room;
}
