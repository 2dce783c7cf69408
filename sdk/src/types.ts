// What TypeScript users see: the shapes of everything public. Holds no code; the modules beside it implement it.

import type { HerenowError } from "./error.js";

/** Any value that JSON can hold. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/**
 * Names the shapes of your app's states and messages, once, for every call:
 * `declare module "@herenow/client" { interface Register { state: { editing: string }; events: { wave: { to: string } } } }`.
 */
export interface Register {}
type Registered<Key extends string, Default> = Register extends { [K in Key]: infer Given } ? Given : Default;
/** What a session shares in a room: at most 4 KiB of JSON in all, keys of 1 to 64 bytes. */
export type State = Registered<"state", { [key: string]: Json }>;
/** The passing messages of your app, by name. */
export type Events = Registered<"events", { [event: string]: Json }>;
/** Some keys of a state; `null` deletes one. */
export type StatePatch = { readonly [Key in keyof State]?: State[Key] | null };

/** A person whom the app vouches for. */
export interface User {
  readonly id: string;
  /** Text of the user's choice: show it as text, never as markup. */
  readonly name: string;
  /** One of 12 colours, steady for the id. White text on it is readable. */
  readonly color: string;
  /** Address of a picture, where the token had one. */
  readonly avatar?: string;
}

/** A user who is in a room: once, however many tabs and devices. A changed viewer is another object. */
export interface Viewer {
  readonly user: User;
  /** Whether it is oneself. */
  readonly self: boolean;
  /** A user is active if any session is. */
  readonly status: "active" | "idle";
  /** When the first of the user's sessions came, by the server's clock. */
  readonly joinedAt: Date;
  /** How many tabs and devices, as of the last change of the viewer. */
  readonly sessions: number;
  /** Into what the user is typing; `null` is the room as a whole. */
  readonly typing: readonly (string | null)[];
  /** Merged over the user's sessions; the newest write wins for each key. */
  readonly state: Readonly<Partial<State>>;
  /** Each of the user's sessions, in the order of their coming. Empty unless the room was asked for with `sessions`. */
  readonly sessionList: readonly Session[];
}

/** One tab or device of a user. */
export interface Session {
  readonly id: string;
  readonly status: "active" | "idle";
  readonly state: Readonly<Partial<State>>;
}

/** A value that changes over time, and that can be watched. Also a store as Svelte wants it. */
export interface Readable<T> {
  /** The value now. The same reference until it changes. */
  get(): T;
  /**
   * Calls back with each new value, and at once with the present one unless `immediate` is false.
   * @returns ends it; so does the signal.
   */
  subscribe(listener: (value: T) => void, options?: { signal?: AbortSignal; immediate?: boolean }): () => void;
}

/** An `EventTarget` whose events have known details. */
export interface Emitter<Details> extends EventTarget {
  /** Calls back with the detail of each event of a type. @returns ends it; so does the signal. */
  on<Type extends keyof Details & string>(
    type: Type,
    listener: (detail: Details[Type]) => void,
    options?: { signal?: AbortSignal; once?: boolean },
  ): () => void;
}

/** How the client reaches the server: a WebSocket, a stream of server-sent events, or long polls. */
export type TransportName = "ws" | "sse" | "poll";

/** What the connection is doing. */
export type ConnectionState =
  | { readonly name: "idle" }
  | { readonly name: "connecting"; readonly attempt: number }
  | { readonly name: "online"; readonly transport: TransportName; readonly resumed: boolean; readonly draining: boolean }
  /** `retryAt` is null while an attempt is under way. */
  | { readonly name: "reconnecting"; readonly attempt: number; readonly retryAt: Date | null; readonly cause: HerenowError }
  /** The browser says that there is no network. */
  | { readonly name: "offline" }
  /** The page is hidden for good, or kept for when the user goes back. */
  | { readonly name: "suspended" }
  /** The end: it does not try again by itself. Without a cause, `close()` was called. */
  | { readonly name: "closed"; readonly cause?: HerenowError };

/** What `connect` takes. Everything has a default. */
export interface ClientOptions {
  /**
   * Address of the server, `http:` or `https:`, with its path if it has one. Default: where this script came from if that
   * is a herenow server's `/sdk.js`, else the page's own origin.
   */
  url?: string;
  /**
   * Who it is: `"cookie"` for the session cookie, a token, or a function that gets one (called again before the token
   * expires and whenever the server does not accept it any more). An empty token means signed out.
   * Default: on a loopback or `file:` page a token of the server's dev mode, else the cookie.
   */
  auth?: "cookie" | string | (() => string | Promise<string>);
  /** Who to be in dev mode, without `auth`. Default: a random animal, the same for as long as the tab lives. */
  user?: { id: string; name?: string };
  /** Which ways to try, in this order. Default: all. */
  transports?: readonly TransportName[];
  /** Milliseconds without a sign of the person until the session is idle, at least 10,000; 0 for never. Default 60,000. */
  idleAfterMs?: number;
  /** Waits between attempts: random, up to `minMs * factor ** failures`, at most `maxMs`. Default 250, 20,000, 2. */
  backoff?: { minMs?: number; maxMs?: number; factor?: number };
}

/** The events of a client. */
export interface ClientEvents {
  /** Something went wrong that no call in particular caused. */
  error: HerenowError;
  /** No connection for 5 s: time to tell people. */
  lost: undefined;
  /** The connection is back after `lost`. */
  restored: undefined;
  /** Each frame that went over the wire, to look at. Tokens are left out. */
  frame: { readonly direction: "in" | "out"; readonly frame: Readonly<Record<string, unknown>> };
}

/** One connection to a server, for all rooms of the page. */
export interface Client extends Emitter<ClientEvents> {
  readonly state: Readable<ConnectionState>;
  /** Whom the server takes this client for; null until it has said so. */
  readonly self: Readable<User | null>;
  /** The id of this tab's session; null until the server gave one. */
  readonly session: Readable<string | null>;
  /**
   * A room, joined as long as anybody holds it: each call wants one `leave()`. The same object for the same id; the
   * options of the first call count, but `state` of each is set.
   */
  room(id: string, options?: RoomOptions): Room;
  /** Green dots: whether users are online, in whatever room or none. At most 1,000 users in all. */
  watch(userIds: readonly string[]): PresenceWatch;
  /** Tries at once instead of waiting ("Try now"); also after it was closed. */
  reconnect(): void;
  /** Leaves all rooms and ends the connection, without grace. */
  close(): void;
}

/** How to be in a room. */
export interface RoomOptions {
  /** What to share from the start. */
  state?: StatePatch;
  /** To hear without being a viewer; the token must allow it. */
  observe?: boolean;
  /** To be told lists as long as the room is small (`auto`, the default), up to 10,000 viewers (`full`), counts, or nothing. */
  interest?: "auto" | "full" | "count" | "none";
  /** To be told of each session. Turned on by `cursors`. */
  sessions?: boolean;
  /** Leaves the room when aborted. */
  signal?: AbortSignal;
}

/** How many are in a room, exactly, in each gear. */
export interface Count {
  readonly users: number;
  readonly sessions: number;
}

/** Why a user is no longer in a room. `missed`: it happened while this client was away. */
export type LeaveReason =
  | "left" | "closed" | "lost" | "timeout" | "kicked" | "expired" | "drained" | "node_lost" | "missed";

/** The events of a room. They come after the values have changed. */
export interface RoomEvents {
  /** A user came: with their first tab. Not for those who were there before oneself. */
  join: { readonly viewer: Viewer };
  /** A user is gone: their last tab, after grace. */
  leave: { readonly viewer: Viewer; readonly reason: LeaveReason };
  /** Something of a viewer changed: which fields. Typing is no change. */
  change: { readonly viewer: Viewer; readonly changed: readonly ("user" | "status" | "sessions" | "state")[] };
  /**
   * The whole roster came: for the first time (`initial`), what was missed after a short absence (`resumed`), or anew
   * (`resynced`). `join`, `leave` and `change` for the net difference came before, save for the initial one.
   */
  sync: { readonly viewers: readonly Viewer[]; readonly cause: "initial" | "resumed" | "resynced" };
  /** A message of the app, or of another viewer. */
  message: { readonly event: string; readonly data: Json; readonly from: User | null };
  error: HerenowError;
}

/** What people look at together. */
export interface Room extends Emitter<RoomEvents> {
  readonly id: string;
  /** Settles when the server let this session in for the first time, or refused; with a `HerenowError` then. */
  readonly ready: Promise<Room>;
  /** Who is here: oneself first, then by when they came. Empty in gear `crowd`: see `faces` and `count`. */
  readonly viewers: Readable<readonly Viewer[]>;
  /** The same without oneself. */
  readonly others: Readable<readonly Viewer[]>;
  /** Oneself; null until in. */
  readonly self: Readable<Viewer | null>;
  readonly count: Readable<Count>;
  /** Up to 30 users to show, in each gear. */
  readonly faces: Readable<readonly User[]>;
  readonly gear: Readable<"live" | "batched" | "crowd">;
  /** `stale`: what is shown is the last known; who is typing is not known then. */
  readonly status: Readable<"joining" | "joined" | "stale" | "left" | "refused">;
  /** What this session shares here. */
  readonly state: Readable<Readonly<Partial<State>>>;
  /** Shares something: merged, bursts go out as one, at most 10 times a second. Kept while there is no connection. */
  set(patch: StatePatch): void;
  /** Who is typing in this room, into whatever. */
  readonly typing: Typing;
  /** Shares where the pointer is over an element, and shows where others' are. */
  cursors(element: Element, options?: CursorOptions): Cursors;
  /** Who holds which lock, by name. */
  readonly locks: Readable<ReadonlyMap<string, LockHolder>>;
  /**
   * Asks for a lock. Resolves to null where another session has it; with `wait` it gets in line, until the signal aborts.
   * @throws HerenowError
   */
  lock(name: string, options?: { wait?: boolean; signal?: AbortSignal }): Promise<Lock | null>;
  /**
   * Sends a passing message to who is in the room now, not stored. `to` names the one user who gets it; `echo` hands it
   * to this session as well. Resolves to how many sessions it was handed to, on this node.
   * Where it fails and nobody handles that, the room's `error` event tells.
   * @throws HerenowError `connection.offline` without a connection: messages are not kept
   */
  send<Event extends keyof Events & string>(event: Event, data: Events[Event], options?: { to?: string; echo?: boolean }): Promise<number>;
  /** Hears the messages of a name; `from` is null where the app itself sent it. @returns ends it. */
  onMessage<Event extends keyof Events & string>(event: Event, listener: (data: Events[Event], from: User | null) => void): () => void;
  /** Lets go of the room; the last one to do so leaves it, at once and without grace. */
  leave(): void;
}

/** Typing into one target, or into whatever in the room. */
export interface Typing {
  /** Who types; never oneself. */
  readonly users: Readable<readonly User[]>;
  /** The same as a sentence in English, or an empty text. For other languages see `typingText`. */
  readonly text: Readable<string>;
  /** Typing into one card or field. */
  in(target: string): Typing;
  /** To call at each key: told at once, then at most every 3 s. Ends 6 s after the last call. */
  start(): void;
  /** Typing ended. Safe to call at any time. */
  stop(): void;
}

/** How `bindTyping` watches a field. */
export interface BindTypingOptions {
  /** What is typed into. Default: the element's `name`, else its `id`, else the room as a whole. */
  target?: string | null;
  /** Milliseconds without a key after which typing has ended. Default 2,000. */
  idleMs?: number;
  /** Input that does not count, such as a paste. */
  ignore?: (event: Event) => boolean;
  signal?: AbortSignal;
}

/** Sentences with `{names}` to fill in. */
export interface TypingMessages {
  one: string;
  some: string;
  many: string;
}

/** How `typingText` speaks. */
export interface TypingTextOptions {
  /** For how names are listed; goes with `messages`. Default `en`. */
  locale?: string;
  /** Above so many people no names. Default 2. */
  max?: number;
  /** Default `{names} is typing`, `{names} are typing`, `Several people are typing`. */
  messages?: Partial<TypingMessages>;
}

/** How pointers are shared. */
export interface CursorOptions {
  /** Names what the fractions are of, where a room has several such things. Only pointers on the same are shown. */
  on?: string;
  /** Places sent a second, at most 20. Default 20. */
  hz?: number;
  /** Milliseconds without a move after which one's pointer is hidden to others; 0 for never. Default 60,000. */
  hideAfterMs?: number;
  /** To only watch. */
  share?: boolean;
}

/** Where somebody's pointer is. */
export interface Cursor {
  readonly user: User;
  readonly session: string;
  /** Parts of the element's width and height, 0 to 1. */
  readonly x: number;
  readonly y: number;
}

/** The pointers of others. */
export interface Cursors extends Readable<readonly Cursor[]> {
  /**
   * Draws them into an element, which should lie where the shared element does.
   * @returns takes them away
   */
  render(layer: HTMLElement): () => void;
  /** Hides one's own and hears of others no more. */
  stop(): void;
}

/** Who holds a lock. */
export interface LockHolder {
  readonly user: User;
  readonly session: string;
  /** Grows with each holder: hand it to what the lock guards, and refuse smaller ones there. */
  readonly fence: number;
  /** Whether it is this very session. */
  readonly mine: boolean;
}

/** A lock that this session got. */
export interface Lock {
  readonly name: string;
  readonly fence: number;
  /** Settles when the lock is held no more, by `release` or otherwise. */
  readonly lost: Promise<void>;
  release(): void;
}

/** A dot. A user who is not in the map is not known yet; that is not the same as `offline`. */
export interface Dot {
  readonly status: "active" | "idle" | "offline";
  readonly lastSeenAt?: Date;
}

/** Green dots of some users, by id. */
export interface PresenceWatch extends Readable<ReadonlyMap<string, Dot>> {
  add(...userIds: string[]): void;
  remove(...userIds: string[]): void;
  close(): void;
}
