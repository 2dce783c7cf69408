// The React entry with both versions of React that it is for.

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { load, noPage, page, VERSIONS } from "./react-world.js";
import { diff, roster, settle, Socket, user, viewer, welcome } from "./world.js";

for (const version of Object.keys(VERSIONS)) {
  const { React, createRoot, hydrateRoot, renderToString, connect, herenow } = await load(version);
  describe(`React ${version}`, () => {
    const { createElement: h, StrictMode, act } = React;
    const { HerenowProvider, RoomProvider } = herenow;
    let place;
    let root;
    let client;

    beforeEach(() => {
      place = page();
      root = undefined;
      client = undefined;
    });
    afterEach(async () => {
      await act(async () => root?.unmount());
      client?.close();
      await settle();
      place.close();
    });

    const run = (change) => act(async () => {
      change?.();
      await settle();
    });
    const render = (element) => run(() => (root ??= createRoot(place.main)).render(element));
    const text = () => place.main.textContent;
    const sent = (type) => Socket.last.sent.filter((frame) => frame.type === type);
    const say = (frame) => run(() => Socket.last.say(frame));

    /** A client whose connection is up. */
    async function online() {
      client = connect({ url: "https://here.example", auth: "token" });
      await settle();
      Socket.last.open();
      Socket.last.say(welcome());
      await settle();
      return client;
    }

    /** Renders something in a room in which `a`, who is this client, and `b` are. */
    async function inRoom(element, props = {}) {
      await online();
      await render(h(HerenowProvider, { client }, h(RoomProvider, { id: "r", ...props }, element)));
      await run(() => Socket.last.answer("join", roster(5, [viewer("b", 1), viewer("a", 2)])));
    }

    const names = (viewers) => viewers.map((one) => one.user.name).join(" ");

    test("in strict mode it joins once, and unmounting leaves once", async () => {
      await online();
      const Names = () => names(herenow.useViewers());
      const tree = (children) => h(StrictMode, null, h(HerenowProvider, { client }, children));
      await render(tree(h(RoomProvider, { id: "r", state: { at: 1 } }, h(Names))));
      assert.equal(sent("join").length, 1);
      assert.deepEqual(sent("join")[0].state, { at: 1 });
      await run(() => Socket.last.answer("join", roster(5, [viewer("b", 1), viewer("a", 2)])));
      assert.equal(text(), "A B");
      await render(tree(null));
      assert.equal(sent("leave").length, 1);
      assert.equal(sent("join").length, 1);
    });

    test("a provider in strict mode connects once, and closes in the end", async () => {
      const State = () => herenow.useConnection().name;
      const props = { url: "https://here.example", auth: () => "token" };
      await render(h(StrictMode, null, h(HerenowProvider, props, h(State))));
      assert.equal(Socket.all.length, 1);
      await run(() => {
        Socket.last.open();
        Socket.last.say(welcome());
      });
      assert.equal(text(), "online");
      // Another function is no other client.
      await render(h(StrictMode, null, h(HerenowProvider, { ...props, auth: () => "token" }, h(State))));
      assert.equal(Socket.all.length, 1);
      await run(() => root.unmount());
      root = undefined;
      assert.equal(Socket.last.closedWith, 1000);
    });

    test("a provider with another address is another client", async () => {
      const State = () => herenow.useConnection().name;
      await render(h(HerenowProvider, { url: "https://one.example", auth: "token" }, h(State)));
      const first = Socket.last;
      await render(h(HerenowProvider, { url: "https://two.example", auth: "token" }, h(State)));
      assert.notEqual(Socket.last, first);
      assert.match(Socket.last.url, /two\.example/);
      assert.equal(first.readyState, 3);
    });

    test("another room is left and joined", async () => {
      await inRoom(null);
      await render(h(HerenowProvider, { client }, h(RoomProvider, { id: "s" })));
      assert.deepEqual(sent("leave").map(({ room }) => room), ["r"]);
      assert.deepEqual(sent("join").map(({ room }) => room), ["r", "s"]);
    });

    test("a selector renders anew only when what it selects changes", async () => {
      const renders = { all: 0, count: 0, typing: 0, first: 0 };
      const All = () => {
        renders.all += 1;
        return names(herenow.useOthers());
      };
      const Count = () => {
        renders.count += 1;
        return ` ${herenow.useOthers((others) => others.length)}`;
      };
      // A list anew each time, of the same things.
      const TypingNames = () => {
        renders.typing += 1;
        return herenow.useOthers((others) => others.filter((one) => one.typing.includes("card")).map((one) => one.user.name)).join();
      };
      const First = () => {
        renders.first += 1;
        return herenow.useViewers(([first]) => ({ id: first.user.id }), (a, b) => a.id === b.id).id;
      };
      await inRoom(h("div", null, h(All), h(Count), h(TypingNames), h(First)), { fallback: "wait" });
      assert.equal(text(), "B 1a");
      const before = { ...renders };
      await say(diff(5, 6, { updated: [viewer("b", 1, { status: "idle" })] }));
      assert.deepEqual(renders, { ...before, all: before.all + 1 });
      await say({ type: "typing", room: "r", user: user("b"), target: "card", on: true });
      assert.deepEqual(renders, { ...before, all: before.all + 2, typing: before.typing + 1 });
      assert.equal(text(), "B 1Ba");
      await say(diff(6, 7, { joined: [viewer("c", 3)] }));
      assert.deepEqual(renders, { ...before, all: before.all + 3, count: before.count + 1, typing: before.typing + 1 });
    });

    test("a server renders the fallback as busy, and the page goes on from there", async () => {
      noPage();
      const sockets = Socket.all.length;
      const tree = (props) =>
        h(HerenowProvider, { url: "https://here.example", auth: "token", ...props },
          h(RoomProvider, { id: "r", fallback: h("p", null, "One moment") }, h(() => names(herenow.useViewers()))),
          h(() => `${herenow.useConnection().name} ${herenow.useOnline("b")?.status}`));
      const html = renderToString(tree());
      await settle();
      assert.equal(html, '<div aria-busy="true"><p>One moment</p></div>idle undefined');
      assert.equal(Socket.all.length, sockets, "nothing connects on a server");

      place = page();
      place.main.innerHTML = html;
      await online();
      const complaints = [];
      await run(() => (root = hydrateRoot(place.main, tree({ client }), { onRecoverableError: (error) => complaints.push(error.message) })));
      assert.deepEqual(complaints, []);
      assert.match(place.main.innerHTML, /aria-busy="true"><p>One moment/);
      await run(() => Socket.last.answer("join", roster(5, [viewer("b", 1), viewer("a", 2)])));
      assert.equal(text(), "A Bonline undefined");
    });

    test("without a fallback the children are there before the room is", async () => {
      await online();
      const Count = () => `${herenow.useRoom().status.get()} ${herenow.useViewerCount()} ${herenow.useSelf()?.user.name}`;
      await render(h(HerenowProvider, { client }, h(RoomProvider, { id: "r" }, h(Count))));
      assert.equal(text(), "joining 0 undefined");
      await run(() => Socket.last.answer("join", roster(5, [viewer("b", 1), viewer("a", 2)])));
      assert.match(text(), / 2 A$/);
    });

    test("one's own state is shared and shown", async () => {
      const Editor = () => {
        const [state, set] = herenow.useMyState();
        return h("button", { onClick: () => set({ editing: "card" }) }, state.editing ?? "nothing");
      };
      await inRoom(h(Editor));
      assert.equal(text(), "nothing");
      await run(() => place.main.querySelector("button").click());
      assert.equal(text(), "card");
    });

    test("typing: a field is watched as long as it is there, and others show", async () => {
      const Field = ({ isThere }) => {
        const { ref, text } = herenow.useTyping("card");
        return h("div", null, isThere && h("input", { ref }), text);
      };
      const tree = (isThere) => h(StrictMode, null, h(HerenowProvider, { client }, h(RoomProvider, { id: "r" }, h(Field, { isThere }))));
      await online();
      await render(tree(true));
      await run(() => Socket.last.answer("join", roster(5, [viewer("b", 1), viewer("a", 2)])));
      const input = place.main.querySelector("input");
      input.value = "x";
      await run(() => input.dispatchEvent(new window.Event("input", { bubbles: true })));
      assert.deepEqual(sent("typing").map(({ target }) => target), ["card"], "watched once, in strict mode too");
      await say({ type: "typing", room: "r", user: user("b"), target: "card", on: true });
      assert.equal(text(), "\u2068B\u2069 is typing");
      await render(tree(false));
      assert.equal(sent("stop_typing").length, 1);
    });

    test("dots: asked for once, of one and of several", async () => {
      await online();
      const One = ({ id }) => `${id} ${herenow.useOnline(id)?.status} `;
      const Both = () => [...herenow.useOnline(["b", "c"])].map(([id, { status }]) => `${id}:${status}`).join();
      const tree = (...inside) => h(StrictMode, null, h(HerenowProvider, { client }, ...inside));
      await render(tree(h(One, { id: "b" }), h(One, { id: "c" }), h(Both)));
      assert.deepEqual(sent("watch").map(({ users }) => users), [["b", "c"]]);
      assert.equal(text(), "b undefined c undefined ");
      await say({ type: "statuses", users: { b: { status: "active" }, c: { status: "offline" } } });
      assert.equal(text(), "b active c offline b:active,c:offline");
      await render(tree(h(One, { id: "b" })));
      assert.deepEqual(sent("unwatch").map(({ users }) => users), [["c"]]);
    });

    test("a lock: acquired, shown, and released when the component goes", async () => {
      let lock;
      const Card = () => {
        lock = herenow.useLock("card");
        return `${lock.owner?.name} ${lock.mine}`;
      };
      await inRoom(h(Card));
      assert.equal(text(), "undefined false");
      let got;
      await run(() => lock.acquire().then((held) => (got = held)));
      await run(() => {
        Socket.last.answer("lock", { type: "ok", held: true, fence: 7 });
        Socket.last.say({ type: "lock", room: "r", name: "card", holder: user("a"), session: "00000000000000a1", fence: 7 });
      });
      assert.equal(got.fence, 7);
      assert.equal(text(), "A true");
      await render(h(HerenowProvider, { client }, h(RoomProvider, { id: "r" })));
      assert.equal(sent("unlock").length, 1);
    });

    test("a lock that comes after the component went is given back", async () => {
      let lock;
      const Card = () => ((lock = herenow.useLock("card")), null);
      await inRoom(h(Card));
      let got = "nothing yet";
      await run(() => lock.acquire().then((held) => (got = held)));
      await render(h(HerenowProvider, { client }, h(RoomProvider, { id: "r" })));
      await run(() => Socket.last.answer("lock", { type: "ok", held: true, fence: 7 }));
      assert.equal(got, null);
      assert.equal(sent("unlock").length, 1);
    });

    test("events and messages reach the newest listener", async () => {
      const told = [];
      const Listener = ({ mark }) => {
        herenow.useRoomEvent("join", ({ viewer }) => told.push(`${mark} ${viewer.user.name}`));
        herenow.useMessage("wave", (data, from) => told.push(`${mark} ${data} ${from.name}`));
        return null;
      };
      await inRoom(h(Listener, { mark: 1 }));
      await render(h(HerenowProvider, { client }, h(RoomProvider, { id: "r" }, h(Listener, { mark: 2 }))));
      await say(diff(5, 6, { joined: [viewer("c", 3)] }));
      await say({ type: "message", room: "r", event: "wave", data: "hi", from: user("b") });
      await say({ type: "message", room: "r", event: "other", data: "hi", from: user("b") });
      assert.deepEqual(told, ["2 C", "2 hi B"]);
    });

    test("pointers are drawn without a render, or come as state", async () => {
      let renders = 0;
      const Area = ({ asState }) => {
        const { ref, cursors } = herenow.useCursors({ asState });
        renders += 1;
        return h("section", { ref }, cursors.map(({ user }) => user.name).join());
      };
      globalThis.matchMedia = () => ({ matches: false });
      globalThis.getComputedStyle = window.getComputedStyle.bind(window);
      await inRoom(h(Area));
      const more = { session_list: [{ id: "s1", status: "active" }] };
      await run(() => Socket.last.answer("join", roster(5, [viewer("b", 1, more), viewer("a", 2)])));
      const before = renders;
      await say({ type: "cursors", room: "r", at: [["s1", 0.5, 0.25]] });
      const drawn = place.main.querySelector(".herenow-cursor");
      assert.equal(drawn.style.translate, "50cqw 25cqh");
      await say({ type: "cursors", room: "r", at: [["s1", 0.75, 0.25]] });
      assert.equal(drawn.style.translate, "75cqw 25cqh");
      assert.equal(renders, before);
      await render(h(HerenowProvider, { client }, h(RoomProvider, { id: "r" }, h(Area, { asState: true }))));
      assert.equal(place.main.querySelector(".herenow-cursor"), null);
      await say({ type: "cursors", room: "r", at: [["s1", 0.5, 0.5]] });
      assert.equal(text(), "B");
    });

    test("without its provider a hook says what is missing", () => {
      noPage();
      assert.throws(() => renderToString(h(() => herenow.useConnection().name)), /no HerenowProvider/);
      assert.throws(() => renderToString(h(HerenowProvider, null, h(() => herenow.useViewerCount()))), /no RoomProvider/);
      place = page();
    });
  });
}
