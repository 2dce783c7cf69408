// Calls of the server's HTTP API, with the key of this tab.

const STORE = "herenow-admin-key";

/** The key, as long as this tab has it. */
export const key = {
  get: () => sessionStorage.getItem(STORE) ?? "",
  set: (value) => sessionStorage.setItem(STORE, value),
  forget: () => sessionStorage.removeItem(STORE),
};

/** What a call was refused for. */
export class Refused extends Error {
  constructor(status, problem) {
    super([problem.title ?? `the server answered ${status}`, problem.detail, problem.hint].filter(Boolean).join(" · "));
    this.status = status;
    this.code = problem.code ?? "";
  }
}

const headers = (more) => ({ ...(key.get() && { Authorization: `Bearer ${key.get()}` }), ...more });

/** Calls; the JSON of the answer, or nothing. Throws {@link Refused}, or what the network throws. */
export async function call(method, path, body) {
  const sent = body === undefined ? {} : { body: JSON.stringify(body) };
  const answer = await fetch(path, { method, headers: headers(body && { "Content-Type": "application/json" }), credentials: "omit", ...sent });
  const text = await answer.text();
  const json = text === "" ? undefined : parsed(text);
  if (!answer.ok) throw new Refused(answer.status, json ?? {});
  return json;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A part of a path. */
export const part = encodeURIComponent;

/**
 * Follows a room until the signal is aborted: hands each frame on, and each change of how the stream stands. A browser's own
 * EventSource could not send the key.
 */
export async function follow(room, { signal, onFrame, onState }) {
  let last = "";
  let wait = 500;
  while (!signal.aborted) {
    try {
      onState("connecting");
      const path = `/v1/rooms/${part(room)}/events`;
      const answer = await fetch(path, { headers: headers(last && { "Last-Event-ID": last }), credentials: "omit", signal });
      if (!answer.ok) throw new Refused(answer.status, parsed(await answer.text()) ?? {});
      onState("live");
      wait = 500;
      await read(answer.body, (id, data) => {
        last = id || last;
        onFrame(parsed(data) ?? {});
      });
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Refused && [401, 403].includes(error.status)) return void onState("refused", error);
    }
    onState("waiting");
    // Not all pages at the same moment, and less often the longer it lasts.
    await new Promise((done) => setTimeout(done, wait * (0.5 + Math.random() / 2)));
    wait = Math.min(wait * 2, 15_000);
  }
}

async function read(body, take) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    rest += value;
    for (let end = rest.indexOf("\n\n"); end >= 0; end = rest.indexOf("\n\n")) {
      const lines = rest.slice(0, end).split("\n");
      rest = rest.slice(end + 2);
      const field = (name) => lines.filter((line) => line.startsWith(`${name}:`)).map((line) => line.slice(name.length + 1).replace(/^ /, "")).join("\n");
      if (field("data")) take(field("id"), field("data"));
    }
  }
}
