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
    /// True if it is the kubelet: a process of that name that no Pod has.
    pub(super) is_kubelet: bool,
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
    /// True if it continues in the background, so that its failure is not reported.
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

/// Returns every process that is there and no zombie, by number.
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
        let mut process =
            Self::parse(pid, &String::from_utf8_lossy(&fs::read(file(proc_dir, pid, "stat")).ok()?))?;
        // A process of a container can have any name.
        process.is_kubelet = process.name == "kubelet"
            && !fs::read_to_string(file(proc_dir, pid, "cgroup")).is_ok_and(|groups| is_of_pod(&groups));
        Some(process)
    }

    /// Reads `PID (NAME) STATE PARENT GROUP SESSION ...`; a name may hold anything.
    fn parse(pid: i32, stat: &str) -> Option<Self> {
        let (_, rest) = stat.split_once('(')?;
        // The last parenthesis: the name may have some of its own (proc_pid_stat(5)).
        let (name, rest) = rest.rsplit_once(')')?;
        let mut fields = rest.split_ascii_whitespace();
        // The mounts of a zombie are gone: its mountinfo cannot be opened (mounts_open_common:
        // https://github.com/torvalds/linux/blob/v6.12/fs/proc_namespace.c).
        let is_gone = matches!(fields.next()?, "Z" | "X");
        let parent = fields.next()?.parse().ok()?;
        let session = fields.nth(1)?.parse().ok()?;
        (!is_gone).then(|| Self { pid, name: name.to_owned(), is_kubelet: false, parent, session })
    }
}

/// Returns true if the text of `/proc/PID/cgroup` is that of a container of a Pod. The kubelet has a
/// group `kubepods`, and in it `podUID` for each Pod, or `kubepods-podUID.slice`
/// (<https://github.com/kubernetes/kubernetes/blob/v1.37.2/pkg/kubelet/cm/pod_container_manager_linux.go>).
/// A process in a cgroup namespace of its own
/// sees the path from there, which may lack the first step.
fn is_of_pod(groups: &str) -> bool {
    let is_pod = |step: &str| {
        let name = step.strip_suffix(".slice").unwrap_or(step);
        let uid = name.rsplit_once("pod").map_or("", |(_, uid)| uid);
        let is_uid = |c: char| c.is_ascii_hexdigit() || matches!(c, '-' | '_');
        // The uid of a static Pod is a hash, 32 digits without dashes (applyDefaults:
        // https://github.com/kubernetes/kubernetes/blob/v1.37.2/pkg/kubelet/config/common.go).
        step.contains("kubepods") || uid.len() >= 32 && uid.chars().all(is_uid)
    };
    groups.lines().any(|line| line.split('/').any(is_pod))
}

/// Returns true for those processes that mount NFS or are about to; `is_of_node` tells the node's
/// own from those of containers.
pub(super) fn mounters(
    proc_dir: &Path,
    processes: &[Process],
    is_of_node: impl Fn(&Process) -> bool,
) -> Vec<Mounter> {
    processes
        .iter()
        // The kernel keeps 15 characters of a name (TASK_COMM_LEN), and each of these has fewer.
        .filter(|process| process.name == "mount" || process.name.starts_with("mount."))
        .filter_map(|process| {
            let call = Call::parse(&command_line(proc_dir, process.pid)?)?;
            let parent = processes.iter().find(|parent| parent.pid == process.parent);
            let is_orphan = parent.is_none_or(|parent| parent.pid == 1);
            // In the background mount.nfs leads a session of its own (daemon(3)).
            let leads = process.session == process.pid;
            let is_in_background = match call.background {
                // It goes there once its first attempt has failed, also if its mount(8) was killed.
                Some(true) => leads || is_orphan,
                // One whose mount(8) was killed ends with its failure.
                Some(false) => false,
                // A line of nfsmount.conf gives it bg, which no command line shows.
                None => leads,
            };
            Some(Mounter {
                is_in_background: process.name.starts_with("mount.nfs") && is_in_background,
                process: process.clone(),
                source: call.source,
                target: call.target,
                is_of_node: is_of_node(process),
            })
        })
        .collect()
}

/// Returns every mount namespace that has a process, with those processes.
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

/// A mount command.
#[derive(Debug, PartialEq, Eq)]
struct Call {
    source: String,
    target: PathBuf,
    /// The last of `bg` and `fg` among its options, which counts; `None` for neither.
    background: Option<bool>,
}

/// The letters of mount(8) and mount.nfs that take a value.
const WITH_VALUE: &[u8] = b"otONLU";

impl Call {
    /// Reads the words of a command: what is neither a flag nor a flag's value is source and target.
    fn parse(words: &[Vec<u8>]) -> Option<Self> {
        let mut words = words.iter().skip(1).map(Vec::as_slice);
        let (mut operands, mut options) = (Vec::new(), Vec::new());
        while let Some(word) = words.next() {
            match word {
                b"--options" => options.extend(words.next()),
                b"--types" | b"--namespace" | b"--label" | b"--uuid" | b"--test-opts" => drop(words.next()),
                [b'-', b'-', ..] => options.extend(word.strip_prefix(b"--options=")),
                [b'-', letters @ ..] if !letters.is_empty() => {
                    // Flags may share a word with the one that takes a value: -rvo bg (getopt(3)).
                    let Some(at) = letters.iter().position(|letter| WITH_VALUE.contains(letter)) else {
                        continue;
                    };
                    let inside = letters.get(at + 1..).filter(|value| !value.is_empty());
                    let value = inside.or_else(|| words.next());
                    options.extend(value.filter(|_| letters.get(at) == Some(&b'o')));
                }
                // A command line ends with a NUL, after which nothing is (proc_pid_cmdline(5)).
                [] => {}
                _ => operands.push(word),
            }
        }
        let mut operands = operands.into_iter();
        let source = String::from_utf8_lossy(operands.next()?).into_owned();
        let target = OsString::from_vec(operands.next()?.to_vec()).into();
        // By keyword, whatever the value is (po_rightmost:
        // https://git.linux-nfs.org/?p=steved/nfs-utils.git;a=blob;f=utils/mount/parse_opt.c;hb=nfs-utils-2-6-2).
        let keywords = options.iter().flat_map(|text| text.split(|byte| *byte == b','));
        let mut keywords =
            keywords.map(|option| option.split(|byte| *byte == b'=').next().unwrap_or_default());
        let last = keywords.rfind(|keyword| matches!(*keyword, b"bg" | b"fg"));
        Some(Self { source, target, background: last.map(|keyword| keyword == b"bg") })
    }
}

fn file(proc_dir: &Path, pid: i32, name: &str) -> PathBuf {
    proc_dir.join(pid.to_string()).join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_of_a_pod_is_known_by_its_group() {
        for (groups, expected) in [
            ("0::/system.slice/kubelet.service\n", false),
            ("0::/../../../../system.slice/kubelet.service\n", false),
            ("12:cpu:/\n0::/podman-1234.scope\n", false),
            ("0::/docker/0123456789abcdef0123456789abcdef\n", false),
            ("0::/kubepods.slice/kubepods-besteffort.slice/cri-containerd-1.scope\n", true),
            ("11:memory:/kubepods/burstable/pod1b4e28ba-2fa1-11d2-883f-0016d3cca427/0123\n", true),
            ("0::/../../pod1b4e28ba-2fa1-11d2-883f-0016d3cca427/0123\n", true),
            ("0::/../kubelet-kubepods-pod1b4e28ba_2fa1_11d2_883f_0016d3cca427.slice/x\n", true),
            ("0::/../../pod55aa55aa55aa55aa55aa55aa55aa55aa/0123\n", true),
        ] {
            assert_eq!(is_of_pod(groups), expected, "{groups}");
        }
    }

    #[test]
    fn the_last_of_bg_and_fg_of_a_command_counts() {
        for (line, background) in [
            ("/sbin/mount.nfs nas:/x /d -o rw,bg", Some(true)),
            ("mount.nfs nas:/x /d -o rw,fg,hard", Some(false)),
            ("mount.nfs nas:/x /d -o bg,hard,fg", Some(false)),
            ("mount.nfs nas:/x /d -o fg,bg=0", Some(true)),
            ("mount.nfs nas:/x /d -o fg -o bg", Some(true)),
            ("mount.nfs -v -orw,bg nas:/x /d", Some(true)),
            ("mount.nfs -rvo bg nas:/x /d", Some(true)),
            ("mount -t bg --options fg nas:/x /d", Some(false)),
            ("mount -tnfs --options=bg nas:/x /d", Some(true)),
            ("mount.nfs nas:/bg /d -o rw,bgx,xbg", None),
            ("mount.nfs nas:/x /d", None),
        ] {
            let words: Vec<Vec<u8>> = line.split(' ').map(|word| word.as_bytes().to_vec()).collect();
            let call = Call::parse(&words).expect("a source and a target");
            assert_eq!((&*call.target, call.background), (Path::new("/d"), background), "{line}");
        }
        assert_eq!(Call::parse(&[b"mount".to_vec(), b"-a".to_vec()]), None);
    }
}
