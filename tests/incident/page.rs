//! The page that shows a run: commands and what they said, with the numbers of
//! the run taken out.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::Failed;

use crate::host::sandbox_path;

/// The head of the page.
const HEAD: &str = "\
<!-- Written by `tests/incident/transcript` from a run; a test compares. -->

# The incident, without and with nfs-mount-guard

For readers who want to see how `bg` loses data, and how the webhooks prevent it. The test [tests/incident](../tests/incident)
runs all of this: a real etcd, kube-apiserver, kubelet, containerd, runc and mount.nfs on one machine, without an NFS
server. There is no controller-manager, so volumes are bound to their claims by hand (not shown), and Pods name their
node. `retry=0` limits mount.nfs to one attempt, which keeps the test short.

The same run has the DaemonSet of the chart with `nodeCheck.enabled` and `nodeCheck.events` (not shown). The kubelet runs the Pod of its
template, with the arguments, capability, mounts and token of the rendered manifest. Its metrics change when a Pod loses its mount, and change
back after the cure. Each such Pod has an Event, and no healthy Pod has one. This run differs from a cluster:

- The test creates the Pod instead of the DaemonSet controller, and publishes the CA in its namespace.
- The Pod uses the host's network, because no network plugin is installed. So its NetworkPolicy has no effect.
- node-check looks every second (`nodeCheck.interval=1s`).
";

/// Something on the page.
#[derive(Debug)]
enum Part {
    /// Text for readers, as Markdown.
    Prose(String),
    /// A command and what it said.
    Console { command: String, output: String, shown: Shown },
}

/// The place where a command is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    OnThePage,
    InThePicture,
    InBoth,
}

/// A page that is being written.
#[derive(Debug)]
pub struct Page {
    parts: Vec<Part>,
    folder: PathBuf,
    environment: Vec<(&'static str, OsString)>,
}

impl Page {
    /// A page whose commands run in `folder`.
    pub fn new(folder: PathBuf, kubectl: &Path, program: &Path, kubeconfig: &Path) -> Self {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/incident");
        for name in ["volume.yaml", "pod.yaml"] {
            fs::copy(tests.join(name), folder.join(name)).expect("a manifest");
        }
        let bin = folder.join("bin");
        fs::create_dir(&bin).expect("a folder");
        symlink(kubectl, bin.join("kubectl")).expect("a link");
        symlink(program, bin.join("nfs-mount-guard")).expect("a link");
        let mut path = bin.into_os_string();
        path.push(":");
        path.push(sandbox_path());
        let environment =
            vec![("PATH", path), ("KUBECONFIG", kubeconfig.into()), ("HOME", folder.clone().into())];
        Self { parts: Vec::new(), folder, environment }
    }

    /// Sets a variable of the commands that follow.
    pub fn set(&mut self, name: &'static str, value: &str) {
        self.environment.retain(|(known, _)| *known != name);
        self.environment.push((name, value.into()));
    }

    /// Adds text.
    pub fn say(&mut self, text: &str) {
        self.parts.push(Part::Prose(text.to_owned()));
    }

    /// Runs a command, and adds it with what it said. Gives the exit code, too.
    pub fn show(&mut self, command: &str) -> (String, i32) {
        self.add(command, Shown::OnThePage)
    }

    /// Like [`Self::show`], and it is in the picture.
    pub fn picture_too(&mut self, command: &str) -> (String, i32) {
        self.add(command, Shown::InBoth)
    }

    /// Like [`Self::show`], but only in the picture.
    pub fn picture_only(&mut self, command: &str) -> (String, i32) {
        self.add(command, Shown::InThePicture)
    }

    fn add(&mut self, command: &str, shown: Shown) -> (String, i32) {
        let (output, code) = self.run(command);
        self.parts.push(Part::Console { command: command.to_owned(), output: output.clone(), shown });
        (output, code)
    }

    /// Runs a command that is not shown.
    pub fn run(&self, command: &str) -> (String, i32) {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{{ {command}\n}} 2>&1")]).current_dir(&self.folder);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("NFS_MOUNT_GUARD_")) {
            shell.env_remove(name);
        }
        let output = shell.envs(self.environment.iter().cloned()).output().expect("a shell");
        (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code().unwrap_or(-1))
    }

    /// The page.
    pub fn markdown(&self) -> String {
        let mut page = HEAD.to_owned();
        let mut is_open = false;
        for part in &self.parts {
            match part {
                Part::Prose(text) => {
                    page.push_str(if is_open { "```\n" } else { "" });
                    is_open = false;
                    let _ = write!(page, "\n{}\n", text.trim());
                }
                Part::Console { shown: Shown::InThePicture, .. } => {}
                Part::Console { command, output, .. } => {
                    page.push_str(if is_open { "" } else { "\n```console\n" });
                    is_open = true;
                    let _ = writeln!(page, "$ {command}\n{}", without_numbers(output).trim_end());
                    if output.trim().is_empty() {
                        page.pop();
                    }
                }
            }
        }
        page.push_str(if is_open { "```\n" } else { "" });
        page
    }

    /// The pictured part of it, as SVG.
    pub fn picture(&self) -> String {
        let mut lines: Vec<(bool, String)> = Vec::new();
        for part in &self.parts {
            if let Part::Console { command, output, shown: Shown::InThePicture | Shown::InBoth } = part {
                lines.extend(folded(&format!("$ {command}")).into_iter().map(|line| (true, line)));
                let output = without_numbers(output);
                lines.extend(output.lines().flat_map(folded).map(|line| (false, line)));
                lines.push((false, String::new()));
            }
        }
        svg(&lines)
    }
}

/// Columns of the picture.
const COLUMNS: usize = 108;

/// A line in as many as it takes, broken at spaces where there are any.
fn folded(line: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in line.split_inclusive(' ') {
        let last = lines.last().expect("a line");
        if !last.is_empty() && last.chars().count() + word.trim_end().chars().count() > COLUMNS {
            lines.push("  ".to_owned());
        }
        lines.last_mut().expect("a line").push_str(word);
    }
    lines
}

fn svg(lines: &[(bool, String)]) -> String {
    let (width, height) = (COLUMNS * 8 + 40, lines.len() * 18 + 36);
    let mut picture = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace\" font-size=\"13\" role=\"img\">\n\
         <title>The incident, without and with nfs-mount-guard</title>\n\
         <desc>Terminal session: without the webhooks a Pod with bg is Running and writes to the local disk of its node, where \
         node-check finds the file; with the webhooks the Pod waits for the NFS server.</desc>\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"#0d1117\"/>\n"
    );
    for (index, (is_command, line)) in lines.iter().enumerate().filter(|(_, (_, line))| !line.is_empty()) {
        let line = line.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let colour = if *is_command { "#7ee787" } else { "#c9d1d9" };
        let _ = writeln!(
            picture,
            "<text x=\"20\" y=\"{}\" fill=\"{colour}\" xml:space=\"preserve\">{line}</text>",
            index * 18 + 31
        );
    }
    picture.push_str("</svg>\n");
    picture
}

/// The text with uids as `UID`, and ages and process numbers as fixed ones.
fn without_numbers(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        let mut before = "";
        let mut pieces: Vec<String> = Vec::new();
        for word in line.split(' ') {
            let known = match word {
                _ if before.ends_with("PID") && word.starts_with(|digit: char| digit.is_ascii_digit()) => {
                    format!("1234{}", word.trim_start_matches(|digit: char| digit.is_ascii_digit()))
                }
                _ if is_age(word) => "3s".to_owned(),
                _ => without_uids(word),
            };
            if !word.is_empty() {
                before = word;
            }
            pieces.push(known);
        }
        out.push_str(pieces.join(" ").trim_end());
        out.push('\n');
    }
    out
}

/// As kubectl writes how old something is: `3s`, `1m5s`.
fn is_age(word: &str) -> bool {
    word.ends_with('s')
        && word.starts_with(|first: char| first.is_ascii_digit())
        && word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'm' || byte == b's')
}

fn without_uids(word: &str) -> String {
    const SHAPE: [usize; 5] = [8, 4, 4, 4, 12];
    let mut out = String::new();
    let mut rest = word;
    while let Some(first) = rest.chars().next() {
        let is_uid = rest.get(..36).is_some_and(|uid| {
            let groups: Vec<&str> = uid.split('-').collect();
            groups.len() == SHAPE.len()
                && groups.iter().zip(SHAPE).all(|(group, length)| {
                    group.len() == length && group.bytes().all(|byte| byte.is_ascii_hexdigit())
                })
        });
        if is_uid {
            out.push_str("UID");
            rest = &rest[36..];
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}

/// Compares a text with its file; `UPDATE_EXPECTED=1` writes it.
pub fn compare(file: &str, wanted: &str) -> Result<(), Failed> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write(&path, wanted)?;
    }
    let stored = fs::read_to_string(&path).unwrap_or_default();
    if stored == wanted {
        return Ok(());
    }
    let differs = stored.lines().zip(wanted.lines()).find(|(stored, wanted)| stored != wanted);
    let differs = differs.map_or_else(
        || "one is longer".to_owned(),
        |(stored, wanted)| format!("it says   {stored}\na run says {wanted}"),
    );
    Err(format!("{file} is not what a run shows; tests/incident/transcript writes it\n{differs}").into())
}
