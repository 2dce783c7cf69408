//! The thread that owns the database, and the handle with which async code asks it.
//!
//! One thread, so that what is told about changes is told in the order in which they were made.

use super::{
    database::Database,
    error::{DemoError, StoreError},
};
use std::{path::Path, thread};
use tokio::sync::{mpsc, oneshot};

type Job = Box<dyn FnOnce(&mut Database) + Send>;

/// Asks the database thread; the thread ends when the last handle is dropped.
#[derive(Clone, Debug)]
pub(super) struct Store {
    jobs: mpsc::Sender<Job>,
}

impl Store {
    /// How many jobs may wait. At some 10,000 jobs a second that is 25 ms; who comes beyond it is told to come back.
    const JOBS_MAX: usize = 256;

    /// Opens the database and starts its thread.
    pub(super) fn open(path: Option<&Path>) -> Result<Self, DemoError> {
        let mut database = Database::open(path)?;
        let (jobs, mut waiting) = mpsc::channel::<Job>(Self::JOBS_MAX);
        let serve = move || {
            while let Some(job) = waiting.blocking_recv() {
                job(&mut database);
            }
        };
        thread::Builder::new().name("demo-database".into()).spawn(serve).map_err(DemoError::Thread)?;
        Ok(Self { jobs })
    }

    /// Runs `work` on the database thread. The work is done even if the caller does not wait for the answer.
    pub(super) async fn run<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&mut Database) -> Result<T, StoreError> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |database| {
            // The asker may have gone away, which is no concern of the database.
            let _ = answer.send(work(database));
        });
        self.jobs.try_send(job).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StoreError::Busy,
            mpsc::error::TrySendError::Closed(_) => StoreError::Stopped,
        })?;
        answered.await.unwrap_or(Err(StoreError::Stopped))
    }
}

#[cfg(test)]
mod tests {
    use super::Store;
    use crate::demo::{
        error::{DemoError, StoreError},
        model::{Move, NewTask, TaskPatch},
    };
    use std::sync::mpsc;

    fn new_task(list_id: &str, title: &str) -> NewTask {
        NewTask { list_id: list_id.into(), title: title.into(), description: None, assignee_id: None }
    }

    #[tokio::test]
    async fn a_file_keeps_what_was_written_and_uses_a_log() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("board.db");
        let store = Store::open(Some(&path)).unwrap();
        let task = store.run(|database| database.create_task(new_task("list-todo", "Stay"))).await.unwrap();
        assert!(directory.path().join("board.db-wal").exists());
        drop(store);

        let store = Store::open(Some(&path)).unwrap();
        let (found, now) = store.run(move |database| database.tasks_by_id(&[task.id])).await.unwrap();
        assert_eq!(found[0].title, "Stay");
        assert!(found[0].updated_at <= now);
        let lists = store.run(|database| database.board("board-1")).await.unwrap().lists;
        assert_eq!(lists[0].tasks.len(), 4, "the samples are not filled in twice");
    }

    #[test]
    fn a_file_of_a_later_version_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("board.db");
        rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
        let error = Store::open(Some(&path)).unwrap_err();
        assert!(matches!(error, DemoError::Schema { found: 99, known: 1 }), "{error:?}");
    }

    #[test]
    fn what_is_no_database_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("board.db");
        std::fs::write(&path, "not a database, but long enough to have a header of its own").unwrap();
        let error = Store::open(Some(&path)).unwrap_err();
        assert!(matches!(error, DemoError::Database { path: Some(_), .. }), "{error:?}");
    }

    #[tokio::test]
    async fn a_move_closes_the_gap_and_makes_room() {
        let store = Store::open(None).unwrap();
        let to = Move { task_id: "task-1".into(), list_id: "list-progress".into(), position: Some(1) };
        let moved = store.run(move |database| database.move_task(&to)).await.unwrap();
        assert_eq!((moved.list_id.as_str(), moved.position), ("list-progress", 1));
        let to = Move { task_id: "task-2".into(), list_id: "list-todo".into(), position: Some(99) };
        store.run(move |database| database.move_task(&to)).await.unwrap();
        let lists = store.run(|database| database.board("board-1")).await.unwrap().lists;
        let places = |list: usize| -> Vec<_> {
            lists[list].tasks.iter().map(|task| (task.id.as_str(), task.position)).collect()
        };
        assert_eq!(places(0), [("task-3", 0), ("task-2", 1)]);
        assert_eq!(places(1), [("task-4", 0), ("task-1", 1), ("task-5", 2)]);
    }

    #[tokio::test]
    async fn a_deleted_task_leaves_no_gap() {
        let store = Store::open(None).unwrap();
        store.run(|database| database.delete_task("task-1")).await.unwrap();
        let lists = store.run(|database| database.board("board-1")).await.unwrap().lists;
        let places: Vec<_> = lists[0].tasks.iter().map(|task| (task.id.as_str(), task.position)).collect();
        assert_eq!(places, [("task-2", 0), ("task-3", 1)]);
    }

    #[tokio::test]
    async fn a_task_stays_on_its_board() {
        let store = Store::open(None).unwrap();
        let to = Move { task_id: "task-1".into(), list_id: "list-2-done".into(), position: None };
        let error = store.run(move |database| database.move_task(&to)).await.unwrap_err();
        assert!(matches!(error, StoreError::ListUnknown(_)), "{error:?}");
    }

    #[tokio::test]
    async fn changes_since_a_reading_are_all_found() {
        let store = Store::open(None).unwrap();
        let seen = store.run(|database| database.changes("board-1", None)).await.unwrap();
        assert_eq!(seen.tasks.len(), 7);
        let since = seen.timestamp;
        let changed = store
            .run(move |database| {
                let patch = TaskPatch { title: Some("Keep the name".into()), ..TaskPatch::default() };
                database.update_task("task-6", patch)?;
                database.create_task(new_task("list-todo", "Sleep"))?;
                database.delete_task("task-7")?;
                database.changes("board-1", Some(&since))
            })
            .await
            .unwrap();
        let titles: Vec<_> = changed.tasks.iter().map(|task| task.title.as_str()).collect();
        assert_eq!(titles, ["Keep the name", "Sleep"]);
        assert!(!changed.task_ids.contains(&"task-7".to_owned()));
        let since = changed.timestamp;
        let nothing = store.run(move |database| database.changes("board-1", Some(&since))).await.unwrap();
        assert_eq!(nothing.tasks, []);
    }

    #[tokio::test]
    async fn a_board_is_full_at_its_limit() {
        let store = Store::open(None).unwrap();
        let (made, refused) = store
            .run(|database| {
                let mut made = 0;
                loop {
                    match database.create_task(new_task("list-done", "More")) {
                        Ok(_) => made += 1,
                        Err(error) => return Ok((made, error)),
                    }
                }
            })
            .await
            .unwrap();
        assert_eq!(made, 493);
        assert!(matches!(refused, StoreError::BoardFull { tasks_max: 500 }), "{refused:?}");
    }

    #[tokio::test]
    async fn beyond_its_limit_of_waiting_jobs_the_store_is_busy() {
        let store = Store::open(None).unwrap();
        let (entered, has_entered) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let holder = tokio::spawn({
            let store = store.clone();
            async move {
                let hold = move |_: &mut _| {
                    entered.send(()).unwrap();
                    released.recv().unwrap();
                    Ok(())
                };
                store.run(hold).await
            }
        });
        while has_entered.try_recv().is_err() {
            tokio::task::yield_now().await;
        }
        let mut waiting = tokio::task::JoinSet::new();
        for _ in 0..=Store::JOBS_MAX {
            let store = store.clone();
            waiting.spawn(async move { store.run(|database| database.check_board("board-1")).await });
        }
        let first = waiting.join_next().await.unwrap().unwrap();
        assert!(matches!(first, Err(StoreError::Busy)), "{first:?}");
        release.send(()).unwrap();
        holder.await.unwrap().unwrap();
        while let Some(rest) = waiting.join_next().await {
            assert!(rest.unwrap().is_ok());
        }
    }
}
