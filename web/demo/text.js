// What the pages say, in the language of the reader. Whole sentences, so that they can be translated; what is filled in
// stands between marks that keep its writing direction to itself.

/** The languages there are, each by its own name. */
export const LANGUAGES = { en: "English", de: "Deutsch", ar: "العربية" };

const english = {
  boardIsEmpty: "Nothing here yet",
  viewing: { one: "{count} viewing", other: "{count} viewing" },
  peopleViewing: { one: "{count} person viewing", other: "{count} people viewing" },
  everyone: "Everyone here",
  findPerson: "Find somebody",
  close: "Close",
  you: "{name} (you)",
  youAre: "You: {name}",
  unseen: "{name}, unseen",
  active: "active",
  idle: "idle",
  tabs: { one: "{count} tab", other: "{count} tabs" },
  showMore: { one: "Show {count} more person", other: "Show {count} more people" },
  typing: { one: "{names} is typing", some: "{names} are typing", many: "Several people are typing" },
  editing: { one: "{names} is editing", some: "{names} are editing", many: "Several people are editing" },
  watch: "{name} is editing. You can watch.",
  ownTab: "You are editing this in another tab.",
  takeOver: "Take over",
  takenOver: "{name} took over. What you wrote is saved.",
  alone: "You’re the only one here.",
  copyLink: "Copy link",
  copied: "Copied",
  copy: "Copy",
  openAs: "Open as {name}",
  connection: {
    connecting: "Connecting", live: "Live", sse: "Live via SSE", poll: "Live via polling", reconnecting: "Reconnecting",
    offline: "Offline", draining: "Server restarting", closed: "Disconnected", signedOut: "Signed out", denied: "Not allowed",
  },
  node: "node {name}",
  retryIn: "Reconnecting, retry in {count} s",
  retryInShort: "Retry in {count} s",
  tryNow: "Try now",
  lost: "The connection is lost. The page keeps trying to reconnect.",
  restored: "Connected again",
  removed: "You were removed from this board.",
  failed: "That did not work. Is the server still running?",
  updates: { stream: "Updates: stream", poll: "Updates: polling", none: "Updates: waiting" },
  addTask: "Add a task",
  addTo: "Add a task to {list}",
  description: "Description (optional)",
  assignMe: "Assign to me",
  add: "Add",
  assigned: "Assigned to {name}",
  titleOf: "Title of {title}",
  moreFor: "More for {title}",
  cardHelp: "Enter edits, Space picks up",
  edit: "Edit",
  textOf: "Description of {title}",
  assignTo: "Assign to {name}",
  unassign: "Assign to nobody",
  boardName: "Name of the board",
  moveTo: "Move to {list}",
  up: "Move up",
  down: "Move down",
  delete: "Delete",
  lifted: "Picked up {title}. Arrow keys move it, Space drops it, Escape cancels.",
  at: "{list}, position {at} of {of}",
  placed: "Moved {title} to {list}, position {at} of {of}",
  cancelled: "Put {title} back",
  feed: {
    joined: { one: "{names} joined", other: "{names} and {count} others joined" },
    left: { one: "{names} left", other: "{names} and {count} others left" },
    created: "{who} added {title}", moved: "{who} moved {title} to {list}",
    edited: "{who} edited {title}", boardRenamed: "{who} renamed the board to {title}", boardReset: "{who} reset the board", deleted: "{who} deleted {title}", somebody: "Somebody",
  },
  now: "now",
  sees: "{name} sees: {names}",
  activity: "Activity",
  wire: "Wire",
  lab: "Lab",
  use: "Use it",
  panels: "More about this board",
  pause: "Pause",
  resume: "Resume",
  feedEmpty: "What people do here shows up in this list.",
  wireEmpty: "Frames between this page and the server show up here.",
  filter: "Filter frames",
  someoneElse: "Someone else…",
  yourName: "Your name",
  ok: "OK",
  switchTo: "Be {name}",
  renameMe: "Change my name…",
  recolorMe: "Change my colour…",
  yourColor: "Your colour",
  ownColor: "As given",
  colors: "Red Orange Ochre Olive Green Teal Petrol Blue Indigo Violet Magenta Brown",
  invisible: "Look on unseen",
  showCursors: "Show others’ pointers",
  shareCursor: "Share my pointer",
  calm: "Less motion",
  sideBySide: "Two users side by side",
  labIntro: "Break the connection on purpose. Open this board twice to see the other side.",
  labs: {
    drop: ["Drop my socket", "It is back within a second, and others see nothing at all."],
    offline: ["Go offline for 10 s", "Others see you leave after 5 s. Here the faces turn grey, and stay."],
    latency: ["Add 500 ms of latency", "Typing and pointers arrive late, but in order, and nothing is lost."],
    nolatency: ["Remove the latency", "Frames go at full speed again."],
    vanish: ["Close without goodbye", "Others keep you for 5 s in case it is a reload, then you leave."],
    back: ["Come back", "You join again as if nothing had happened."],
    tab: ["Open another tab as me", "You are still listed once, with a small 2 on your face."],
    bots: ["Add ten bots", "They point and type. The faces stop at five, the count goes on."],
    nobots: ["Send the bots away", "They say goodbye, so they leave at once."],
    reset: ["Reset the board", "Tasks and names are as in the beginning, for everybody."],
    restart: ["Restart the server", "It forgets everything. Who stayed is still here, and nobody is told that anybody left."],
  },
  way: "How to connect",
  ways: { auto: "Best available", sse: "Server-sent events", poll: "Polling" },
  useIntro: "Save this as a page and open it. You appear on this board.",
};

let messages = english;

/** The language of the page, as a BCP 47 tag. */
export let locale = "en";

/** Turns the page to a language; one that is not there is English. */
export async function speak(language) {
  if (language !== "en" && Object.hasOwn(LANGUAGES, language)) {
    messages = { ...english, ...(await import(`./lang-${language}.js`)).default };
    locale = language;
  }
  document.documentElement.lang = locale;
  document.documentElement.dir = locale === "ar" ? "rtl" : "ltr";
  if (locale === "en") return;
  for (const element of document.querySelectorAll("[data-t]")) element.textContent = t(element.dataset.t);
  for (const element of document.querySelectorAll("[data-label]")) element.setAttribute("aria-label", t(element.dataset.label));
}

/** What is behind a key such as `feed.joined`. */
export const message = (key) => key.split(".").reduce((part, name) => part[name], messages);

/** Keeps a name of either writing direction from disturbing the sentence around it. */
export const isolate = (name) => `\u2068${name}\u2069`;

/** A sentence with values filled in; `count` picks the plural form. */
export function t(key, values = {}) {
  let sentence = message(key);
  if (typeof sentence === "object") sentence = sentence[new Intl.PluralRules(locale).select(values.count)] ?? sentence.other;
  return sentence.replace(/\{(\w+)\}/g, (_, name) => {
    const value = values[name];
    return typeof value === "number" ? value.toLocaleString(locale) : name === "names" ? value : isolate(value);
  });
}

/** "Alice", "Alice and Bob" ... */
export const list = (names) => new Intl.ListFormat(locale).format(names.map(isolate));
