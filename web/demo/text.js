// What the page says. Whole sentences, so that they can be translated; names go in with `bidi` marks around them.

const plural = new Intl.PluralRules("en");

/** Keeps a name of either writing direction from disturbing the sentence around it. */
export const isolate = (name) => `\u2068${name}\u2069`;

export const text = {
  seenBy: (name, sights) => `${isolate(name)} sees: ${sights.join(" · ")}`,
  viewing: (count) => `${count.toLocaleString("en")} viewing`,
  peopleViewing: (count) => (plural.select(count) === "one" ? "1 person viewing" : `${count} people viewing`),
  you: (name) => `${name} (you)`,
  showMore: (count) => (plural.select(count) === "one" ? "Show 1 more person" : `Show ${count} more people`),
  alone: "You’re the only one here.",
  openAsBob: "Open as Bob",
  openAsAlice: "Open as Alice",
  joined: (name) => `${isolate(name)} joined`,
  left: (name) => `${isolate(name)} left`,
  created: (title) => `New task: ${isolate(title)}`,
  renamed: (title) => `Renamed to ${isolate(title)}`,
  moved: (title, list) => `${isolate(title)} moved to ${isolate(list)}`,
  deleted: (title) => `${isolate(title)} deleted`,
  placed: (title, list, at, of) => `Moved ${isolate(title)} to ${isolate(list)}, position ${at} of ${of}`,
  connection: {
    connecting: "Connecting",
    live: "Live",
    reconnecting: "Reconnecting",
    offline: "Offline",
    denied: "Not allowed",
  },
  retryIn: (seconds) => `Reconnecting, retry in ${seconds} s`,
  retryInShort: (seconds) => `Retry in ${seconds} s`,
  lost: "The connection is lost. The page keeps trying to reconnect.",
  restored: "Connected again",
  transport: { stream: "Updates: stream", poll: "Updates: polling", none: "Updates: waiting" },
  failed: "That did not work. Is the server still running?",
};

/** "Alice is typing", "Alice and Bob are typing", "Several people are typing"; empty for nobody. */
export function typingText(names) {
  const [first, second] = names.map(isolate);
  switch (names.length) {
    case 0: return "";
    case 1: return `${first} is typing`;
    case 2: return `${first} and ${second} are typing`;
    default: return "Several people are typing";
  }
}
