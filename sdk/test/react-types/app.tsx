// Not run, only checked: what an app in TypeScript writes, by the types that the package has. Needs `npm run types`.

import type { Cursor, Dot, User, Viewer } from "@herenow/client";
import {
  HerenowProvider, RoomProvider, useConnection, useCursors, useLock, useMessage, useMyState, useOnline, useOthers, useReadable, useRoom,
  useRoomEvent, useSelf, useTyping, useViewerCount, useViewers,
} from "@herenow/client/react";
import { AvatarStack, ConnectionBadge, CursorLayer, PresenceDot, TypingText, ViewerCount } from "@herenow/client/react/ui";
import { setClient, setTexts } from "@herenow/client/ui";

declare module "@herenow/client" {
  interface Register {
    state: { editing: string };
    events: { wave: { to: string } };
  }
}

function Card({ id }: { id: string }) {
  const editors: string = useOthers((others) => others.filter((other) => other.typing.includes(id)).map((other) => other.user.name).join(", "));
  const viewers: readonly Viewer[] = useViewers();
  const first: User | undefined = useViewers(([viewer]) => viewer?.user, (a, b) => a?.id === b?.id);
  const { owner, mine, acquire, release } = useLock(id);
  const { ref, text } = useTyping(id, { idleMs: 1_000, locale: "de", messages: { many: "Viele" } });
  const [state, set] = useMyState();
  const bob: Dot | undefined = useOnline("bob");
  const team: ReadonlyMap<string, Dot> = useOnline(["bob", "carol"]);
  const pointers = useCursors({ on: "card", asState: true });
  const cursors: readonly Cursor[] = pointers.cursors;
  const faces: readonly User[] = useReadable(useRoom().faces);
  const gear: "live" | "batched" | "crowd" = useReadable(useRoom().gear);
  useRoomEvent("leave", ({ viewer, reason }) => console.log(viewer.user.name, reason === "kicked"));
  useMessage("wave", ({ to }, from) => console.log(to.length, from?.name));
  // @ts-expect-error: no such message
  useMessage("nod", () => {});
  // @ts-expect-error: a state is of the registered shape
  set({ editing: 7 });
  const counts: number = useViewerCount();
  return (
    <article ref={pointers.ref} title={`${useSelf()?.user.name} ${useConnection().name} ${counts} ${first?.id} ${gear} ${faces.length}`}>
      <input ref={ref} readOnly={!!owner && !mine} onFocus={() => acquire({ wait: true })} onBlur={release} />
      <button onClick={() => set({ editing: null })}>{state.editing?.toUpperCase()}</button>
      {editors} {text} {bob?.status} {team.size} {viewers.length} {cursors.map(({ x }) => x)}
    </article>
  );
}

export const App = () => (
  <HerenowProvider url="https://presence.example" auth={async () => "token"}>
    <ConnectionBadge hideWhenOnline={false} className="badge" />
    <PresenceDot userId="bob" label />
    <RoomProvider id="board-1" state={{ editing: "card" }} fallback={<p>One moment</p>}>
      <AvatarStack max={5} others announce />
      <ViewerCount style={{ fontWeight: 600 }} />
      <TypingText field="note" quiet />
      <CursorLayer on="board">
        <Card id="card-7" />
      </CursorLayer>
    </RoomProvider>
  </HerenowProvider>
);

setTexts("pt", { viewing: { one: "{n} pessoa", other: "{n} pessoas" }, live: "Ao vivo" });
// @ts-expect-error: no such text
setTexts("pt", { viewed: "" });
setClient(null!);
