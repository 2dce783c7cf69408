// Pages with the elements of the UI kit, and people to show in them.

/** A page as an app might have one. `me` is who looks at it; the server's address comes in the query. */
export const KIT_PAGE = `<!doctype html>
<html>
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>Launch plan</title><link rel=icon href=data:,>
<style>
  :root { color-scheme: light dark; }
  body { margin: 0; font: 16px/1.5 system-ui, sans-serif; background: #f4f3f0; color: #22252a; }
  header { display: flex; flex-wrap: wrap; align-items: center; gap: 12px 20px; padding: 14px 20px; background: #fff; border-bottom: 1px solid #dcd9d2; }
  h1 { font-size: 1.15rem; margin: 0; margin-inline-end: auto; }
  main { padding: 20px; max-width: 900px; margin: 0 auto; }
  section { background: #fff; border: 1px solid #dcd9d2; border-radius: 12px; padding: 16px 20px; margin-block-end: 16px; }
  section h2 { font-size: 1rem; margin: 0 0 8px; }
  input[name=note] { font: inherit; width: 100%; box-sizing: border-box; padding: 8px 12px; border: 1px solid #8a867d; border-radius: 8px; background: none; color: inherit; }
  herenow-cursors { min-height: 220px; }
  ul.team { list-style: none; margin: 0; padding: 0; display: grid; gap: 6px; }
  @media (prefers-color-scheme: dark) {
    body { background: #141618; color: #eceef0; }
    header, section { background: #1c2024; border-color: #3b4148; }
  }
</style>
</head>
<body>
<header><h1>Launch plan</h1><herenow-count room="board-1"></herenow-count><herenow-avatars room="board-1" announce></herenow-avatars><herenow-connection></herenow-connection></header>
<main>
<herenow-cursors room="board-1">
  <section><h2>Copy for the front page</h2><p>Everything on one page, before Friday. The rest can wait.</p>
    <label>Note <input name="note"></label><herenow-typing room="board-1" field="note"></herenow-typing></section>
</herenow-cursors>
<section><h2>Team</h2><ul class="team">
  <li><herenow-dot user="bob" label></herenow-dot> Bob</li>
  <li><herenow-dot user="nobody" label></herenow-dot> Nora</li>
</ul></section>
</main>
<script type="module">
  import { connect, bindTyping } from "/sdk/src/index.js";
  import { setClient } from "/sdk/src/ui/index.js";
  const { as, url, lang, dir } = Object.fromEntries(new URLSearchParams(location.search));
  if (lang) document.documentElement.lang = lang;
  else document.documentElement.lang = "en";
  if (dir) document.documentElement.dir = dir;
  window.client = connect({ url, user: { id: as, name: as[0].toUpperCase() + as.slice(1) } });
  setClient(client);
  window.room = client.room("board-1");
  bindTyping(document.querySelector("[name=note]"), room);
</script>
</body>
</html>`;

/** Names that want to be more than names. */
export const STRANGE = {
  markup: "<img src=x onerror=alert(1)>",
  emoji: "🦊".repeat(64),
  override: "\u202Egnp.exe\u202C ann",
};

/** Lets people into the room from a page of their own: `window.crowd` holds their clients by id. */
export async function admit(page, url, people) {
  await page.evaluate(
    async ({ url, people }) => {
      const { connect } = await import("/sdk/src/index.js");
      window.crowd ??= {};
      for (const [id, name] of Object.entries(people)) {
        const client = connect({ url, user: { id, name } });
        const room = client.room("board-1");
        await room.ready;
        window.crowd[id] = { client, room };
      }
    },
    { url, people },
  );
}
