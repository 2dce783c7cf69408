import { HerenowProvider, RoomProvider, useCursors, useOnline, useOthers, useTyping } from "@herenow/client/react";
function Board() {
  const names = useOthers((others) => others.map((other) => other.user.name).join(", "));
  const { ref, text } = useTyping("note");
  return <main ref={useCursors().ref}>
    <p>{names}</p> <p>{text}</p> <input ref={ref} /> <i>{useOnline("bob")?.status}</i>
  </main>;
}
export const App = () => <HerenowProvider url={import.meta.env.VITE_HERENOW_URL ?? "http://localhost:4280"}><RoomProvider id="board-1"><Board /></RoomProvider></HerenowProvider>;
