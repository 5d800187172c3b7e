//! The commands in README.md and docs/, run as they stand there: each page in a
//! directory of its own with copies of examples/ and manifests/, at the real API
//! server, with guards started as the Deployments ask for.
//!
//! A fenced block is run when its info string says `sh runnable`. Further words:
//! `exit=N` for commands that end so, `fresh` for a cluster with nothing
//! installed, `with=FILE` for one that has the objects of a file. A block `text output` after it lists lines that the commands
//! print, in this order; `...` stands for any others.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use tempfile::TempDir;

use crate::component::{self, program};
use crate::install::{Nodes, ROOT, Turn, turn_with_low_ports};

/// One test a page that has something to run.
pub fn trials() -> Vec<Trial> {
    let mut trials =
        vec![Trial::test("docs::every_page_for_administrators_runs_something_or_says_why", every_page_runs)];
    for page in pages() {
        let blocks = blocks(&read(&page));
        if !blocks.is_empty() {
            let name =
                page.trim_start_matches("docs/").trim_end_matches(".md").to_lowercase().replace('-', "_");
            let name = format!("docs::the_commands_of_{name}_run_as_they_stand");
            trials.push(component::trial(name, turn_with_low_ports, move |mut turn| {
                run(&mut turn, &page, &blocks)
            }));
        }
    }
    trials
}

/// README.md and the pages of docs/ that people write.
fn pages() -> Vec<String> {
    let mut pages: Vec<String> = fs::read_dir(Path::new(ROOT).join("docs"))
        .expect("docs")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .filter_map(|path| Some(format!("docs/{}", path.file_name()?.to_string_lossy())))
        .collect();
    pages.push("README.md".to_owned());
    pages.sort();
    pages
}

fn read(page: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(page)).unwrap_or_else(|error| panic!("{page}: {error}"))
}

/// Commands of a page.
#[derive(Debug, Clone, Default)]
struct Block {
    line: usize,
    commands: String,
    exit: i32,
    fresh: bool,
    with: Option<String>,
    output: Vec<String>,
}

fn blocks(text: &str) -> Vec<Block> {
    let mut found: Vec<Block> = Vec::new();
    let mut inside: Option<String> = None;
    for (line, number) in text.lines().zip(1..) {
        match (&inside, line.strip_prefix("```")) {
            (None, Some(info)) => {
                inside = Some(info.to_owned());
                let words: Vec<&str> = info.split_whitespace().collect();
                if words.starts_with(&["sh", "runnable"]) {
                    let exit = words.iter().find_map(|word| word.strip_prefix("exit="));
                    let exit = exit.map_or(0, |code| code.parse().expect("an exit code"));
                    found.push(Block {
                        line: number,
                        exit,
                        fresh: words.contains(&"fresh"),
                        with: words.iter().find_map(|word| word.strip_prefix("with=")).map(str::to_owned),
                        ..Block::default()
                    });
                }
            }
            (Some(_), Some(_)) => inside = None,
            (Some(info), None) if info.starts_with("sh runnable") => {
                let block = found.last_mut().expect("a block");
                writeln!(block.commands, "{line}").expect("written");
            }
            (Some(info), None) if info == "text output" => {
                found.last_mut().expect("commands before their output").output.push(line.to_owned());
            }
            _ => {}
        }
    }
    found
}

fn run(turn: &mut Turn, page: &str, blocks: &[Block]) -> Result<(), Failed> {
    let folder = workspace(turn)?;
    let mut nodes = Nodes::default();
    clean(turn, &mut nodes);
    for block in blocks {
        if block.fresh {
            clean(turn, &mut nodes);
        }
        run_block(turn, &mut nodes, folder.path(), page, block);
    }
    clean(turn, &mut nodes);
    Ok(())
}

/// A directory with what the pages' commands name.
fn workspace(turn: &Turn) -> Result<TempDir, Failed> {
    let folder = TempDir::new()?;
    for part in ["manifests", "examples", "docs"] {
        let copied =
            Command::new("cp").arg("-r").arg(Path::new(ROOT).join(part)).arg(folder.path()).status()?;
        assert!(copied.success(), "{part}");
    }
    let programs = folder.path().join(".programs");
    fs::create_dir(&programs)?;
    symlink(program(), programs.join("nfs-mount-guard"))?;
    symlink(turn.cluster.kubectl_program(), programs.join("kubectl"))?;
    symlink(turn.helm.program(), programs.join("helm"))?;
    Ok(folder)
}

fn run_block(turn: &Turn, nodes: &mut Nodes, folder: &Path, page: &str, block: &Block) {
    let said = folder.join(".said");
    let output = fs::File::create(&said).expect("a file");
    let mut path =
        std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect::<Vec<PathBuf>>();
    path.insert(0, folder.join(".programs"));
    let before = block.with.as_ref().map(|file| format!("kubectl apply -f {file} >&2\n")).unwrap_or_default();
    let mut child = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &(before + &block.commands)])
        .current_dir(folder)
        .env("PATH", std::env::join_paths(path).expect("a path"))
        .env("HOME", folder)
        .env("KUBECONFIG", turn.cluster.kubeconfig())
        .stdin(Stdio::null())
        .stderr(output.try_clone().expect("a file"))
        .stdout(output)
        .spawn()
        .expect("bash runs");
    let deadline = Instant::now() + Duration::from_secs(60);
    let status = loop {
        if let Some(status) = child.try_wait().expect("it can be waited for") {
            break status;
        }
        if Instant::now() > deadline {
            let _ = child.kill();
        }
        // The events that the commands wait for happen while they wait.
        nodes.sync(&turn.cluster);
        std::thread::sleep(Duration::from_millis(200));
    };
    nodes.sync(&turn.cluster);
    let said = String::from_utf8_lossy(&fs::read(&said).expect("the output")).into_owned();
    let place = format!("{page}:{}", block.line);
    assert_eq!(status.code(), Some(block.exit), "{place}: {}\n{said}", block.commands);
    let mut lines = said.lines();
    for wanted in block.output.iter().filter(|line| !line.trim().is_empty() && line.trim() != "...") {
        assert!(lines.any(|line| line.trim() == wanted.trim()), "{place}: no line {wanted:?} in\n{said}");
    }
}

/// Takes away what a page has made.
fn clean(turn: &mut Turn, nodes: &mut Nodes) {
    let cluster = &turn.cluster;
    for kinds in [
        "validatingwebhookconfigurations,mutatingwebhookconfigurations",
        "validatingadmissionpolicies,validatingadmissionpolicybindings",
        // Older API servers do not know them.
        "mutatingadmissionpolicies,mutatingadmissionpolicybindings",
    ] {
        cluster.kubectl(&["delete", kinds, "--all"], "");
    }
    cluster.kubectl(&["delete", "storageclasses,persistentvolumes", "--all", "--wait=false"], "");
    cluster.kubectl(&["delete", "namespace", "nfs-mount-guard", "--ignore-not-found", "--wait=false"], "");
    let label =
        "app.kubernetes.io/name in (nfs-mount-guard,nfs-mount-guard-certificates,nfs-mount-guard-scan)";
    cluster.kubectl(&["delete", "clusterroles,clusterrolebindings", "-l", label], "");
    nodes.sync(cluster);
    turn.cluster.reset_webhooks();
}

/// Pages without a command of their own, or whose commands take many minutes.
const SILENT: &[&str] = &[
    "docs/SUMMARY.md", "docs/annotations.md", "docs/cli.md", "docs/comparison.md", "docs/drivers.md",
    "docs/faq.md", "docs/glossary.md", "docs/incident.md", "docs/logs.md", "docs/node-check.md",
    "docs/not-covered.md", "docs/threat-model.md",
];

fn every_page_runs() -> Result<(), Failed> {
    for page in pages() {
        if page.starts_with("docs/") {
            assert_ne!(blocks(&read(&page)).is_empty(), !SILENT.contains(&page.as_str()), "{page}");
        }
    }
    Ok(())
}
