//! Processes of the node, as its `/proc` shows them: who mounts NFS, and which
//! mount namespaces there are.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use super::mounts::MountTable;

/// More of a command line than this is not read.
const COMMAND_LINE_LIMIT: u64 = 64 << 10;

/// A process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Process {
    /// Its number, as the given `/proc` has it.
    pub(super) pid: i32,
    /// Its program's name, at most 15 characters of it.
    pub(super) name: String,
    parent: i32,
    session: i32,
}

/// A process that mounts something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mounter {
    /// The process.
    pub(super) process: Process,
    /// The source that it mounts.
    pub(super) source: String,
    /// The target, in its own mount namespace.
    pub(super) target: PathBuf,
    /// True if its caller has ended, so that its failure is not reported.
    pub(super) is_in_background: bool,
    /// True if it is the node's own, and not a container's.
    pub(super) is_of_node: bool,
}

/// A mount namespace.
#[derive(Debug, Clone, Default)]
pub(super) struct Namespace {
    /// The mounts in it.
    pub(super) table: MountTable,
    /// The processes in it, by number.
    pub(super) processes: Vec<Process>,
}

impl Namespace {
    /// Returns true if the process is in it.
    pub(super) fn has(&self, process: &Process) -> bool {
        self.processes.iter().any(|other| other.pid == process.pid)
    }
}

/// Every process that is there and no zombie, by number.
///
/// # Errors
///
/// When the directory cannot be read.
pub(super) fn list(proc_dir: &Path) -> io::Result<Vec<Process>> {
    let mut processes = Vec::new();
    for entry in fs::read_dir(proc_dir)? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        // One that cannot be read has ended meanwhile.
        processes.extend(Process::read(proc_dir, pid));
    }
    processes.sort_unstable_by_key(|process| process.pid);
    Ok(processes)
}

impl Process {
    fn read(proc_dir: &Path, pid: i32) -> Option<Self> {
        Self::parse(pid, &String::from_utf8_lossy(&fs::read(file(proc_dir, pid, "stat")).ok()?))
    }

    /// Reads `PID (NAME) STATE PARENT GROUP SESSION ...`; a name may hold anything.
    fn parse(pid: i32, stat: &str) -> Option<Self> {
        let (_, rest) = stat.split_once('(')?;
        let (name, rest) = rest.rsplit_once(')')?;
        let mut fields = rest.split_ascii_whitespace();
        let is_gone = matches!(fields.next()?, "Z" | "X");
        let parent = fields.next()?.parse().ok()?;
        let session = fields.nth(1)?.parse().ok()?;
        (!is_gone).then(|| Self { pid, name: name.to_owned(), parent, session })
    }
}

/// Those processes that mount NFS or are about to; `is_of_node` tells the node's
/// own from those of containers.
pub(super) fn mounters(
    proc_dir: &Path,
    processes: &[Process],
    is_of_node: impl Fn(&Process) -> bool,
) -> Vec<Mounter> {
    processes
        .iter()
        .filter(|process| process.name == "mount" || process.name.starts_with("mount."))
        .filter_map(|process| {
            let (source, target) = operands(&command_line(proc_dir, process.pid)?)?;
            let parent = processes.iter().find(|parent| parent.pid == process.parent);
            // In the background mount.nfs leads a session of its own (daemon(3)); one
            // whose mount(8) was killed has lost who would have heard of its failure.
            let is_alone = process.session == process.pid || parent.is_none_or(|parent| parent.pid == 1);
            Some(Mounter {
                is_in_background: process.name.starts_with("mount.nfs") && is_alone,
                process: process.clone(),
                source,
                target,
                is_of_node: is_of_node(process),
            })
        })
        .collect()
}

/// Every mount namespace that has a process, with those processes.
pub(super) fn namespaces(proc_dir: &Path, processes: &[Process]) -> Vec<Namespace> {
    let mut found: Vec<Namespace> = Vec::new();
    // The number of a mount is that of no other, so that the first one names its namespace.
    let mut known: HashMap<Vec<u8>, usize> = HashMap::new();
    for process in processes {
        let Ok(mountinfo) = File::open(file(proc_dir, process.pid, "mountinfo")) else { continue };
        let mut mountinfo = BufReader::new(mountinfo);
        let mut text = Vec::new();
        // A process without mounts, such as one that is ending, is in no namespace.
        if mountinfo.read_until(b'\n', &mut text).is_err() || text.is_empty() {
            continue;
        }
        let first = text.split(|byte| *byte == b' ').next().unwrap_or_default().to_vec();
        if let Some(namespace) = known.get(&first).and_then(|index| found.get_mut(*index)) {
            namespace.processes.push(process.clone());
        } else if mountinfo.read_to_end(&mut text).is_ok() {
            known.insert(first, found.len());
            found.push(Namespace { table: MountTable::parse(&text), processes: vec![process.clone()] });
        }
    }
    found
}

fn command_line(proc_dir: &Path, pid: i32) -> Option<Vec<Vec<u8>>> {
    let mut bytes = Vec::new();
    File::open(file(proc_dir, pid, "cmdline")).ok()?.take(COMMAND_LINE_LIMIT).read_to_end(&mut bytes).ok()?;
    Some(bytes.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect())
}

/// Source and target of a mount command: what is neither a flag nor a flag's value.
fn operands(words: &[Vec<u8>]) -> Option<(String, PathBuf)> {
    let mut words = words.iter().skip(1);
    let mut operands = Vec::new();
    while let Some(word) = words.next() {
        match word.as_slice() {
            b"-o" | b"-t" | b"-O" | b"-N" | b"--options" | b"--types" => {
                words.next();
            }
            [b'-', _, ..] | [] => {}
            _ => operands.push(word.clone()),
        }
    }
    let mut operands = operands.into_iter();
    let source = operands.next()?;
    let target = OsString::from_vec(operands.next()?);
    Some((String::from_utf8_lossy(&source).into_owned(), target.into()))
}

fn file(proc_dir: &Path, pid: i32, name: &str) -> PathBuf {
    proc_dir.join(pid.to_string()).join(name)
}
