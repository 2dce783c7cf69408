//! What others answered, for a while: so that one question is asked once, however many want to know.
use hashbrown::HashMap;
use herenow_core::time::Time;
use std::{
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// Answers by question. At most [`Self::ENTRIES_MAX`]; where there are more, those that are over make room, or else any.
#[derive(Debug)]
pub struct Answers<K, V> {
    table: Mutex<HashMap<K, Entry<V>>>,
}

#[derive(Debug)]
struct Entry<V> {
    answer: Option<(V, Time)>,
    /// Held by who asks.
    asking: Arc<tokio::sync::Mutex<()>>,
}

impl<K: Clone + Eq + Hash, V: Clone> Answers<K, V> {
    /// Answers that are kept.
    pub const ENTRIES_MAX: usize = 10_000;

    /// No answers yet.
    pub fn new() -> Self {
        Self { table: Mutex::default() }
    }

    /// The answer to a question, if there is one that still counts.
    pub fn get(&self, key: &K, now: Time) -> Option<V> {
        let table = self.table();
        let (answer, until) = table.get(key)?.answer.as_ref()?;
        (*until > now).then(|| answer.clone())
    }

    /// Asks, unless somebody else has just done so or is about to: then waits for that answer. `ask` says how long its
    /// answer counts; `now` is read when there is one.
    pub async fn settle(&self, key: &K, now: impl Fn() -> Time, ask: impl Future<Output = (V, Duration)>) {
        let asking = self.turn(key, now());
        let _turn = asking.lock().await;
        if self.get(key, now()).is_some() {
            return;
        }
        let (answer, lasts) = ask.await;
        self.put(key, answer, now() + lasts);
    }

    /// Notes an answer.
    pub fn put(&self, key: &K, answer: V, until: Time) {
        let mut table = self.table();
        if let Some(entry) = table.get_mut(key) {
            entry.answer = Some((answer, until));
        } else {
            table.insert(key.clone(), Entry { answer: Some((answer, until)), asking: Arc::default() });
        }
    }

    /// Forgets the answers that are so.
    pub fn forget(&self, is_so: impl Fn(&K, &V) -> bool) {
        for (key, entry) in self.table().iter_mut() {
            if entry.answer.as_ref().is_some_and(|(answer, _)| is_so(key, answer)) {
                entry.answer = None;
            }
        }
    }

    fn turn(&self, key: &K, now: Time) -> Arc<tokio::sync::Mutex<()>> {
        let mut table = self.table();
        if let Some(entry) = table.get(key) {
            return Arc::clone(&entry.asking);
        }
        if table.len() >= Self::ENTRIES_MAX {
            // One that is being asked is held by somebody else as well.
            let is_idle = |entry: &Entry<V>| Arc::strong_count(&entry.asking) == 1;
            let is_over = |entry: &Entry<V>| entry.answer.as_ref().is_none_or(|(_, until)| *until <= now);
            table.retain(|_, entry| !is_idle(entry) || !is_over(entry));
            if table.len() >= Self::ENTRIES_MAX {
                // Many at once, so that looking for them is not the price of each new question.
                let idle = table.iter().filter(|(_, entry)| is_idle(entry)).map(|(key, _)| key.clone());
                let any: Vec<K> = idle.take(Self::ENTRIES_MAX / 16).collect();
                for key in any {
                    table.remove(&key);
                }
            }
        }
        let asking = Arc::default();
        table.insert(key.clone(), Entry { answer: None, asking: Arc::clone(&asking) });
        asking
    }

    fn table(&self) -> std::sync::MutexGuard<'_, HashMap<K, Entry<V>>> {
        // The map is whole after each of its calls, so one that a panic left behind is as good as any.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Clone + Eq + Hash, V: Clone> Default for Answers<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const AN_HOUR: Duration = Duration::from_secs(3600);

    fn now() -> Time {
        Time::from_millis(1_000_000)
    }

    #[tokio::test]
    async fn many_who_want_to_know_the_same_ask_once() {
        let (answers, asked) = (Answers::<u32, u32>::new(), AtomicUsize::new(0));
        let ask = || async {
            asked.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            (7, AN_HOUR)
        };
        let all = (0..50).map(|_| answers.settle(&1, now, ask()));
        futures_util::future::join_all(all).await;
        assert_eq!((asked.load(Ordering::Relaxed), answers.get(&1, now())), (1, Some(7)));
        assert_eq!(answers.get(&1, now() + AN_HOUR), None);
        assert_eq!(answers.get(&2, now()), None);
    }

    #[tokio::test]
    async fn answers_are_bounded_and_those_that_are_over_go_first() {
        let answers = Answers::<usize, ()>::new();
        let max = Answers::<usize, ()>::ENTRIES_MAX;
        for key in 0..max {
            let lasts = if key < max / 2 { Duration::ZERO } else { AN_HOUR };
            answers.settle(&key, now, async move { ((), lasts) }).await;
        }
        answers.settle(&max, now, async { ((), AN_HOUR) }).await;
        assert_eq!(answers.table().len(), max / 2 + 1);
        for key in max + 1..2 * max {
            answers.settle(&key, now, async { ((), AN_HOUR) }).await;
        }
        assert!((max - max / 16..=max).contains(&answers.table().len()));
        assert_eq!(answers.get(&(2 * max - 1), now()), Some(()), "the newest is there");
    }

    #[test]
    fn what_is_forgotten_is_asked_anew() {
        let answers = Answers::<u32, u32>::new();
        answers.put(&1, 10, now() + AN_HOUR);
        answers.put(&2, 20, now() + AN_HOUR);
        answers.forget(|_, answer| *answer == 10);
        assert_eq!((answers.get(&1, now()), answers.get(&2, now())), (None, Some(20)));
    }
}
