// A backend that signs its users in by itself, and vouches for them at herenow with tokens that it signs.
//
//   export HERENOW_SECRET=$(openssl rand -hex 32)
//   herenow serve --prod &
//   npm ci && npm start

import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { SignJWT } from "jose";

const { HERENOW_SECRET, HERENOW_URL = "http://localhost:4280", PORT = "3000" } = process.env;
if (!HERENOW_SECRET) throw new Error("HERENOW_SECRET has to hold what herenow was started with");
const secret = new TextEncoder().encode(HERENOW_SECRET);
const page = (await readFile(new URL("./page.html", import.meta.url), "utf8")).replaceAll("{{herenow}}", HERENOW_URL);

/** Names of who is signed in, by the secret in their cookie. */
const sessions = new Map();

/** Says who a user is and where they may be, for five minutes; the SDK asks again in time. */
const tokenFor = (name) =>
  new SignJWT({ name, rooms: { "board-1": ["join", "type", "message", "update"] } })
    .setProtectedHeader({ alg: "HS256" })
    .setSubject(name.toLowerCase())
    .setIssuedAt()
    .setExpirationTime("5 minutes")
    .sign(secret);

const routes = {
  "GET /": async () => [200, { "Content-Type": "text/html; charset=utf-8" }, page],
  "POST /sign-in": async (request) => {
    const name = (await text(request)).trim();
    if (!name) return [422, {}, "who are you?"];
    const session = randomUUID();
    sessions.set(session, name);
    return [204, { "Set-Cookie": `app_session=${session}; Path=/; HttpOnly; SameSite=Lax` }];
  },
  "POST /token": async ({ headers }) => {
    const name = sessions.get(/app_session=([^;]+)/.exec(headers.cookie ?? "")?.[1]);
    return name ? [200, { "Content-Type": "text/plain" }, await tokenFor(name)] : [401, {}, "sign in first"];
  },
};

const server = createServer(async (request, response) => {
  const { pathname } = new URL(request.url, "http://localhost");
  const route = routes[`${request.method} ${pathname}`] ?? (async () => [404, {}, "there is nothing here"]);
  const [status, headers, body] = await route(request).catch(() => [500, {}, "that went wrong"]);
  response.writeHead(status, headers).end(body);
});
server.listen(Number(PORT), "127.0.0.1", () => console.log(`listening on http://127.0.0.1:${server.address().port}`));
