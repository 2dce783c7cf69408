// What is on the board: pure functions from a board and an event to the next board.

/** A board without anything. */
export const emptyBoard = { name: "", lists: [] };

/** From the server's answer. */
export function boardFrom({ board, lists }) {
  return { name: board.name, lists: lists.map(({ id, name, tasks }) => ({ id, name, tasks })) };
}

/** The board after an event; events come once each and in order. */
export function changed(board, event) {
  switch (event.type) {
    case "task_created":
      return inserted(removed(board, event.task.id), event.task);
    case "task_updated":
      return mapTasks(board, (task) => (task.id === event.task.id ? event.task : task));
    case "task_moved": {
      const found = taskOf(board, event.task.id);
      return found ? inserted(removed(board, event.task.id), { ...found.task, ...event.task }) : board;
    }
    case "task_deleted":
      return removed(board, event.taskId);
    case "board_updated":
      return { ...board, name: event.board.name };
    default:
      return board;
  }
}

/** A task with its list and place, or nothing. */
export function taskOf(board, id) {
  for (const list of board.lists) {
    const index = list.tasks.findIndex((task) => task.id === id);
    if (index >= 0) return { list, index, task: list.tasks[index] };
  }
  return undefined;
}

function inserted(board, task) {
  return mapLists(board, (list) => {
    if (list.id !== task.listId) return list;
    const at = Math.min(task.position, list.tasks.length);
    return { ...list, tasks: [...list.tasks.slice(0, at), task, ...list.tasks.slice(at)] };
  });
}

function removed(board, id) {
  return mapLists(board, (list) => ({ ...list, tasks: list.tasks.filter((task) => task.id !== id) }));
}

function mapTasks(board, change) {
  return mapLists(board, (list) => ({ ...list, tasks: list.tasks.map(change) }));
}

function mapLists(board, change) {
  return { ...board, lists: board.lists.map(change) };
}
