//! How much memory the process has, and that nobody new is let in where little of it is left: who is there is served on,
//! instead of everybody being lost with a process that the system ends.
use crate::{api::refusal::refused_for, config::settings::MEMORY_MAX, problem::Problem};
use herenow_core::time::Time;
use herenow_wire::code::Code;
use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// Watches the memory of the process.
#[derive(Debug)]
pub struct Memory {
    /// `None` is no limit.
    limit: Option<Limit>,
    seen: Mutex<Seen>,
}

/// How much may be used, and of whom that is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Limit {
    bytes: u64,
    of: Of,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Of {
    /// What this process has, files that it only reads left out.
    Process,
    /// What all processes of the control group in this folder use, without what the system could take back of files.
    Group(PathBuf),
}

#[derive(Debug, Default)]
struct Seen {
    at: Option<Time>,
    is_short: bool,
}

impl Memory {
    /// Of the limit, in percent: as much may be used as long as new connections are taken.
    pub const TAKEN_UP_TO_PERCENT: u64 = 90;
    /// Where new connections were refused, they are taken again once less is used than this.
    pub const TAKEN_AGAIN_BELOW_PERCENT: u64 = 85;

    /// Watches for a limit of so many bytes. 0 is that of the control group (version 2) of this process, or of its container;
    /// where that has none, and at [`MEMORY_MAX`], there is none.
    pub fn of_process(limit_bytes: usize) -> Self {
        let limit = match limit_bytes {
            0 => Limit::of_group(Path::new("/sys/fs/cgroup"), &read("/proc/self/cgroup").unwrap_or_default()),
            MEMORY_MAX.. => None,
            bytes => Some(Limit { bytes: bytes as u64, of: Of::Process }),
        };
        Self { limit, seen: Mutex::default() }
    }

    /// How many bytes may be used.
    pub fn limit_bytes(&self) -> Option<u64> {
        self.limit.as_ref().map(|limit| limit.bytes)
    }

    /// How many are used of that, or by this process where there is no limit; `None` where the system does not say.
    pub fn used_bytes(&self) -> Option<u64> {
        self.limit.as_ref().map_or(&Of::Process, |limit| &limit.of).used_bytes()
    }

    /// Lets one in more.
    ///
    /// # Errors
    /// 503 `server.busy` with `Retry-After`, where too much is used.
    pub fn admit(&self, now: Time) -> Result<(), Problem> {
        let Some(limit) = &self.limit else { return Ok(()) };
        let is_short = {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if seen.at.is_none_or(|at| now.since(at) >= LOOK_INTERVAL) {
                seen.at = Some(now);
                // Where the system does not say any more, nobody is kept out for that.
                let used = limit.of.used_bytes().unwrap_or(0);
                seen.look(used, limit.bytes);
            }
            seen.is_short
        };
        if !is_short {
            return Ok(());
        }
        let detail = "little memory is left, so that nobody new is let in; who is connected is served on";
        Err(refused_for(Code::ServerBusy, detail).retry_after(RETRY_AFTER))
    }
}

impl Seen {
    /// Decides anew, at so many bytes.
    fn look(&mut self, used: u64, limit: u64) {
        let percent = if self.is_short { Memory::TAKEN_AGAIN_BELOW_PERCENT } else { Memory::TAKEN_UP_TO_PERCENT };
        // In this order it cannot overflow, and loses a hundred bytes.
        let is_short = used >= limit / 100 * percent;
        if is_short == self.is_short {
            return;
        }
        self.is_short = is_short;
        let (used_mib, limit_mib) = (used >> 20, limit >> 20);
        if is_short {
            tracing::error!(
                used_mib,
                limit_mib,
                "little memory is left: new connections are refused with 503; raise limits.memory or the container's \
                 limit, or add a node"
            );
        } else {
            tracing::info!(used_mib, limit_mib, "there is memory again: new connections are taken");
        }
    }
}

impl Limit {
    /// The smallest limit of the group and of those around it. `membership` is what the system says about the process: for
    /// control groups of version 2 a line `0::` with the folder under `root`, which in a container is often the container's.
    fn of_group(root: &Path, membership: &str) -> Option<Self> {
        let inside = membership.lines().find_map(|line| line.strip_prefix("0::/"))?;
        // A path that leads out of what is seen from here is that of a group which cannot be read from here.
        let inside = if inside.contains("..") { "" } else { inside };
        let folder = root.join(inside);
        let around = folder.ancestors().take_while(|folder| folder.starts_with(root));
        let limits = around.filter_map(|folder| {
            let bytes = read(folder.join("memory.max"))?.trim().parse().ok()?;
            Some(Self { bytes, of: Of::Group(folder.to_owned()) })
        });
        limits.min_by_key(|limit| limit.bytes)
    }
}

impl Of {
    fn used_bytes(&self) -> Option<u64> {
        match self {
            Self::Process => field(&read("/proc/self/status")?, "RssAnon:").map(|kibibytes| kibibytes << 10),
            Self::Group(folder) => {
                let current: u64 = read(folder.join("memory.current"))?.trim().parse().ok()?;
                let stat = read(folder.join("memory.stat"))?;
                // Not all that it calls `file`: shared memory is among that, and cannot be taken back.
                let of_files = ["active_file ", "inactive_file "].map(|name| field(&stat, name).unwrap_or(0));
                Some(current.saturating_sub(of_files.iter().sum()))
            }
        }
    }
}

fn read(path: impl AsRef<Path>) -> Option<String> {
    fs::read_to_string(path).ok()
}

/// The number behind a name, at the beginning of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

/// How old a look at the memory may be. Shorter: more is read for each who connects; longer: more come in before it is noticed.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// When who was refused should try again.
const RETRY_AFTER: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::{Limit, MEMORY_MAX, Memory, Of, Seen};
    use herenow_core::time::Time;
    use std::{fs, time::Duration};

    #[test]
    fn little_is_left_from_nine_tenths_on_and_enough_again_below_85_percent() {
        let mut seen = Seen::default();
        let short: Vec<bool> = [0, 899, 900, 860, 850, 849, 899, 2_000]
            .into_iter()
            .map(|used| {
                seen.look(used, 1_000);
                seen.is_short
            })
            .collect();
        assert_eq!(short, [false, false, true, true, true, false, false, true]);
    }

    #[test]
    fn the_smallest_limit_of_the_groups_around_counts_without_what_files_take() {
        let root = tempfile::tempdir().unwrap();
        let group = root.path().join("pod/container");
        fs::create_dir_all(&group).unwrap();
        for (name, text) in [
            ("memory.max", "max\n"),
            ("pod/memory.max", "2000\n"),
            ("pod/memory.current", "1500\n"),
            ("pod/memory.stat", "anon 900\nfile 650\ninactive_file 400\nactive_file 200\nshmem 50\n"),
            ("pod/container/memory.max", "3000\n"),
        ] {
            fs::write(root.path().join(name), text).unwrap();
        }
        let limit = Limit::of_group(root.path(), "1:name=systemd:/x\n0::/pod/container\n").unwrap();
        assert_eq!(limit, Limit { bytes: 2_000, of: Of::Group(root.path().join("pod")) });
        assert_eq!(limit.of.used_bytes(), Some(900));
        for none in ["", "0::/\n", "0::/../elsewhere\n", "4:memory:/pod\n"] {
            assert_eq!(Limit::of_group(root.path(), none), None, "{none}");
        }
    }

    // Others do not say how much is used.
    #[cfg(target_os = "linux")]
    #[test]
    fn who_comes_is_refused_while_little_is_left_and_let_in_without_a_limit() {
        let now = Time::from_millis(1_000);
        let memory = Memory::of_process(1);
        let problem = memory.admit(now).unwrap_err();
        assert_eq!((problem.status.as_u16(), problem.code), (503, "server.busy"));
        assert_eq!(problem.retry_after, Some(Duration::from_secs(5)));
        assert_eq!(memory.limit_bytes(), Some(1));
        assert!(Memory::of_process(1 << 40).admit(now).is_ok());
        let memory = Memory::of_process(MEMORY_MAX);
        assert!(memory.admit(now).is_ok() && memory.limit_bytes().is_none());
    }
}
