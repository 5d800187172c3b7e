//! Describes the machine that runs the benchmark, and counts the resources of a process as Linux
//! does.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// One line on the machine, the compiler and the day.
pub fn description() -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map(|(_, name)| name);
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kibibytes: u64 = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse().ok())
        .unwrap_or_default();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let today = time::OffsetDateTime::now_utc().date();
    format!(
        "{today}, {} x {}, {} GiB, Linux {}, {}",
        cores().len(),
        model.unwrap_or("unknown processor"),
        kibibytes.div_ceil(1024 * 1024),
        kernel.trim(),
        compiler()
    )
}

/// The compiler's version, `rustc 1.95.0`.
fn compiler() -> String {
    let output = Command::new("rustc").arg("--version").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

/// The cores this process may run on.
pub fn cores() -> Vec<usize> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap_or("0");
    list.trim()
        .split(',')
        .flat_map(|part| {
            let (from, to) = part.split_once('-').unwrap_or((part, part));
            from.parse().unwrap_or(0)..=to.parse().unwrap_or(0)
        })
        .collect()
}

/// Cores as taskset wants them.
pub fn list(cores: &[usize]) -> String {
    cores.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// Keeps the calling thread, and what it starts from now on, to some cores.
pub fn pin(cores: &str) {
    let thread = fs::read_link("/proc/thread-self").expect("Linux");
    let id = thread.file_name().expect("an id").to_string_lossy().into_owned();
    let pinned = Command::new("taskset").args(["-cp", cores, &id]).stdout(Stdio::null()).status();
    assert!(pinned.is_ok_and(|status| status.success()), "taskset -cp {cores}");
}

/// Lets a process go before others, where the system permits it.
pub fn prefer(process: u32) {
    let _ = Command::new("renice")
        .args(["-n", "-10", "-p", &process.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}

/// CPU time that all threads of a process have used so far. Threads that have
/// ended are not counted.
pub fn cpu(process: u32) -> Duration {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).expect("the process runs");
    let nanoseconds = |task: &Path| -> Option<u64> {
        fs::read_to_string(task.join("schedstat")).ok()?.split(' ').next()?.parse().ok()
    };
    Duration::from_nanos(tasks.filter_map(|task| nanoseconds(&task.ok()?.path())).sum())
}

/// Resident memory of a process in MiB: now, and at most so far.
pub fn memory(process: u32) -> (f64, f64) {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("the process runs");
    let mebibytes = |name: &str| -> f64 {
        let kibibytes = status.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB"));
        kibibytes.and_then(|number| number.trim().parse::<f64>().ok()).unwrap_or_default() / 1024.0
    };
    (mebibytes("VmRSS:"), mebibytes("VmHWM:"))
}

/// A process that ends with its owner.
pub struct Ended(pub Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The middle one of some figures.
pub fn median(figures: &[f64]) -> f64 {
    let mut figures = figures.to_vec();
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    match figures.len() {
        0 => f64::NAN,
        even if even % 2 == 0 => f64::midpoint(figures[middle - 1], figures[middle]),
        _ => figures[middle],
    }
}

/// A directory for a measurement.
pub fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}
