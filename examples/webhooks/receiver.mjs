// Takes webhooks of herenow and prints them. HERENOW_WEBHOOKS__SECRET=... PORT=9000 node receiver.mjs
import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

const secret = process.env.HERENOW_WEBHOOKS__SECRET;
const seen = new Set(); // Yours: a unique column of the table that the events change.

function isGenuine(header = "", body) {
  const parts = header.split(",").map((part) => part.split("="));
  const time = parts.find(([name]) => name === "t")?.[1];
  const wanted = createHmac("sha256", secret).update(`${time}.`).update(body).digest();
  const tags = parts.filter(([name]) => name === "v1").map(([, hex]) => Buffer.from(hex ?? "", "hex"));
  const isFresh = Math.abs(Date.now() / 1000 - Number(time)) <= 300;
  return isFresh && tags.some((tag) => tag.length === wanted.length && timingSafeEqual(tag, wanted));
}

const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  if (!isGenuine(request.headers["herenow-signature"], body)) return response.writeHead(401).end();
  for (const { key, event, room, user = "-" } of JSON.parse(body).events) {
    if (!seen.has(key)) console.log(event, room, user);
    seen.add(key);
  }
  response.writeHead(204).end();
});
server.listen(Number(process.env.PORT ?? 9000), "127.0.0.1", () => console.log("listening on", server.address().port));
