// The frames of the native dialect, as far as types go.

/** @typedef {{ [field: string]: any, type: string }} Frame */
/** @typedef {readonly [epoch: string, number: number]} Version */
/** @typedef {import("./types.js").User} User */
/** @typedef {{ id: string, status: "active" | "idle", state?: object }} WireSession */
/**
 * @typedef {object} WireViewer
 * @property {User} user
 * @property {"active" | "idle"} status
 * @property {number} joined_at_ms
 * @property {number} sessions
 * @property {object} [state]
 * @property {WireSession[]} [session_list]
 */
/** @typedef {{ name: string, holder?: User, session?: string, fence: number }} WireLock */

export {};
