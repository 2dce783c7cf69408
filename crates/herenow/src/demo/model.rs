//! What the task board is made of, in the shape in which clients read it.

use serde::Serialize;

/// A card on the board.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Task {
    /// Names the task, `task-…`; never used twice.
    pub(super) id: String,
    /// The list it is in.
    pub(super) list_id: String,
    /// The board that list belongs to.
    pub(super) board_id: String,
    /// What is to be done, 1 to 200 characters.
    pub(super) title: String,
    /// More about it, at most 2,000 characters.
    pub(super) description: Option<String>,
    /// Who does it: a user id, not checked against anything.
    pub(super) assignee_id: Option<String>,
    /// Place in its list, from 0.
    pub(super) position: u32,
    /// When it was made, RFC 3339 with milliseconds.
    pub(super) created_at: String,
    /// When it last changed, RFC 3339 with milliseconds. No two changes share one.
    pub(super) updated_at: String,
}

/// A column of a board.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct List {
    /// Names the list.
    pub(super) id: String,
    /// Its heading.
    pub(super) name: String,
    /// Place on the board, from 0.
    pub(super) position: u32,
    /// Its tasks, by position.
    pub(super) tasks: Vec<Task>,
}

/// A board without its lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Board {
    /// Names the board; also the name of its room.
    pub(super) id: String,
    /// Its heading.
    pub(super) name: String,
}

/// A task that is not there yet. The texts are checked already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NewTask {
    /// The list to put it into, at the end.
    pub(super) list_id: String,
    /// See [`Task::title`].
    pub(super) title: String,
    /// See [`Task::description`].
    pub(super) description: Option<String>,
    /// See [`Task::assignee_id`].
    pub(super) assignee_id: Option<String>,
}

/// What changes about a task. What is absent stays; an empty description or assignee takes it away. The texts are checked
/// already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TaskPatch {
    /// See [`Task::title`].
    pub(super) title: Option<String>,
    /// See [`Task::description`].
    pub(super) description: Option<String>,
    /// See [`Task::assignee_id`].
    pub(super) assignee_id: Option<String>,
}

/// Where a task goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Move {
    /// The task.
    pub(super) task_id: String,
    /// The list to move it to, on the same board.
    pub(super) list_id: String,
    /// Place in that list; the end if absent or beyond it.
    pub(super) position: Option<u32>,
}
