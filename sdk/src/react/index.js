"use client";
// @herenow/client/react: who is here, who is typing, as hooks. Components are in `./ui.js`.
export { HerenowProvider, RoomProvider, useClient, useRoom } from "./context.js";
export {
  useConnection, useCursors, useLock, useMessage, useMyState, useOnline, useOthers, useRoomEvent, useSelf, useTyping,
  useViewerCount, useViewers,
} from "./hooks.js";
export { useReadable } from "./use-readable.js";
