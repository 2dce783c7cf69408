//! How many files the process may have open: each connection is one.
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs;

/// Fewer than these are worth a word at start: some ten thousand connections are nothing special.
pub const WANTED: u64 = 10_240;

/// How many files may be open at once, after the limit was raised as far as the system lets every process do.
pub fn raise() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        // It fails only where the system is stricter than it says; then things stay as they are.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    }
    allowed()
}

/// How many files may be open at once.
pub fn allowed() -> u64 {
    // None is no limit.
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// How many files are open; `None` where the system does not say.
pub fn open() -> Option<u64> {
    fs::read_dir("/proc/self/fd").ok().map(|entries| entries.count() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn the_limit_is_raised_to_what_is_allowed_and_open_files_are_counted() {
        let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
        assert_eq!(raise(), maximum.unwrap_or(u64::MAX));
        assert_eq!(allowed(), raise());
        if !cfg!(target_os = "linux") {
            return;
        }
        // Other tests open and close files meanwhile, so that it can be said only that these are among them.
        let held: Vec<File> = (0..500).map(|_| File::open("/dev/null").unwrap()).collect();
        assert!(open().unwrap() > held.len() as u64);
    }
}
