//! What Linux says about a process: memory, CPU time, the cores it may run on.
use anyhow::{Context, Result};
use std::{fs, path::PathBuf, process::Command};

/// Memory of a process, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Everything resident.
    pub rss_bytes: u64,
    /// The resident part that no file backs: heap and stacks.
    pub anonymous_bytes: u64,
}

/// Reads the memory of a process.
///
/// # Errors
/// Where the process is gone, or `/proc` has another shape.
pub fn memory(pid: u32) -> Result<Memory> {
    let status = read(format!("/proc/{pid}/status"))?;
    let bytes = |key| kibibytes(&status, key).with_context(|| format!("no {key} in the status of process {pid}"));
    Ok(Memory { rss_bytes: bytes("VmRSS:")?, anonymous_bytes: bytes("RssAnon:")? })
}

/// CPU time of all living threads of a process, in nanoseconds.
///
/// # Errors
/// Where the process is gone, or `/proc` has another shape.
pub fn cpu_ns(pid: u32) -> Result<u64> {
    let tasks = format!("/proc/{pid}/task");
    let mut sum = 0;
    for task in fs::read_dir(&tasks).with_context(|| format!("cannot list {tasks}"))? {
        let path = task?.path().join("schedstat");
        let text = read(&path)?;
        sum += first_number(&text).with_context(|| format!("no number in {}", path.display()))?;
    }
    Ok(sum)
}

/// CPU time of the calling thread, in nanoseconds.
///
/// # Errors
/// Where `/proc` has another shape.
pub fn thread_cpu_ns() -> Result<u64> {
    let text = read("/proc/thread-self/schedstat")?;
    first_number(&text).context("no number in /proc/thread-self/schedstat")
}

/// The cores that this process may run on.
///
/// # Errors
/// Where `/proc` has another shape.
pub fn cores() -> Result<Vec<u32>> {
    let status = read("/proc/self/status")?;
    let list = field(&status, "Cpus_allowed_list:").context("no list of cores in /proc/self/status")?;
    core_list(list).with_context(|| format!("cannot read the list of cores `{list}`"))
}

/// Keeps this process, all its threads included, to one core. Says whether it worked; `taskset` may be missing.
pub fn pin_self(core: u32) -> bool {
    let pid = std::process::id().to_string();
    let pinned = Command::new("taskset").args(["-a", "-c", "-p", &core.to_string(), &pid]).output();
    pinned.is_ok_and(|output| output.status.success())
}

/// Keeps the calling thread to one core. Says whether it worked.
pub fn pin_thread(core: u32) -> bool {
    let thread = fs::read_link("/proc/thread-self").ok();
    let Some(id) = thread.as_ref().and_then(|path| path.file_name()) else { return false };
    let pinned = Command::new("taskset").args(["-c", "-p", &core.to_string()]).arg(id).output();
    pinned.is_ok_and(|output| output.status.success())
}

/// One line on the machine: model, cores, kernel, load.
pub fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map_or("?", |pair| pair.1);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = load.split(' ').next().unwrap_or("?");
    format!("{model}, {cores} cores, Linux {}, load average {load}", kernel.trim())
}

fn read(path: impl Into<PathBuf>) -> Result<String> {
    let path = path.into();
    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

fn field<'a>(status: &'a str, key: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(key)).map(str::trim)
}

fn kibibytes(status: &str, key: &str) -> Option<u64> {
    let number = field(status, key)?.strip_suffix(" kB")?;
    number.trim().parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}

fn first_number(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}

fn core_list(list: &str) -> Option<Vec<u32>> {
    let mut cores = Vec::new();
    for part in list.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        cores.extend(first.parse::<u32>().ok()?..=last.parse().ok()?);
    }
    Some(cores)
}

#[cfg(test)]
mod tests {
    use super::{core_list, cores, cpu_ns, first_number, kibibytes, memory};

    #[test]
    fn status_fields_are_read_in_bytes() {
        let status = "Name:\ta\nVmRSS:\t    1234 kB\nRssAnon:\t     200 kB\n";
        assert_eq!(kibibytes(status, "VmRSS:"), Some(1234 * 1024));
        assert_eq!(kibibytes(status, "RssAnon:"), Some(200 * 1024));
        assert_eq!(kibibytes(status, "VmSwap:"), None);
        assert_eq!(kibibytes("VmRSS: many kB", "VmRSS:"), None);
    }

    #[test]
    fn lists_of_cores_are_read() {
        assert_eq!(core_list("0-1"), Some(vec![0, 1]));
        assert_eq!(core_list("3"), Some(vec![3]));
        assert_eq!(core_list("0,2-4,7"), Some(vec![0, 2, 3, 4, 7]));
        assert_eq!(core_list(""), None);
        assert_eq!(core_list("a-b"), None);
    }

    #[test]
    fn schedstat_begins_with_the_time_on_a_core() {
        assert_eq!(first_number("581841 1177503 1\n"), Some(581_841));
        assert_eq!(first_number(""), None);
    }

    #[test]
    fn this_process_has_memory_time_and_cores() {
        let pid = std::process::id();
        let memory = memory(pid).unwrap();
        assert!(memory.rss_bytes > memory.anonymous_bytes && memory.anonymous_bytes > 0);
        assert!(cpu_ns(pid).unwrap() > 0);
        assert!(!cores().unwrap().is_empty());
    }
}
