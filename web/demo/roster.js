// Who is here and who is typing: pure functions from a state and a frame of the server to the next state.

/** Nobody. */
export const nobody = { viewers: [], count: 0, typing: new Map() };

/** The state after a frame; the very same state if the frame says nothing about people. */
export function applied(state, frame) {
  switch (frame.type) {
    case "presence":
      return { ...people(frame), typing: typists(frame.typing ?? []) };
    case "user_joined":
      return { ...people(frame), typing: state.typing };
    case "user_left":
      return { ...people(frame), typing: without(state.typing, frame.user.id) };
    case "user_typing":
      return { ...state, typing: started(state.typing, frame.user, frame.target ?? "") };
    case "user_stopped_typing":
      return { ...state, typing: stopped(state.typing, frame.user.id, frame.target ?? "") };
    default:
      return state;
  }
}

/** Viewers with oneself first; the rest in the server's order, which never reshuffles. */
export function selfFirst(viewers, userId) {
  return [...viewers.filter((viewer) => viewer.userId === userId), ...viewers.filter((viewer) => viewer.userId !== userId)];
}

function people(frame) {
  return { viewers: frame.viewers, count: frame.count ?? frame.viewers.length };
}

function typists(list) {
  // A roster does not say into what somebody types: `""` stands for "something".
  return new Map(list.map(({ id, name, target }) => [id, { id, name, targets: new Set([target ?? ""]) }]));
}

function without(typing, userId) {
  const next = new Map(typing);
  next.delete(userId);
  return next;
}

function started(typing, user, target) {
  const targets = new Set(typing.get(user.id)?.targets).add(target);
  return new Map(typing).set(user.id, { id: user.id, name: user.name, targets });
}

function stopped(typing, userId, target) {
  const typist = typing.get(userId);
  if (!typist) return typing;
  const targets = new Set(typist.targets);
  targets.delete(target);
  // What was known without a target may have been this one.
  targets.delete("");
  return targets.size === 0 ? without(typing, userId) : new Map(typing).set(userId, { ...typist, targets });
}
