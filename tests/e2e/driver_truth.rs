//! `tests/driver-truth/measure` against a node plugin of the tests' own, over its socket.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use tempfile::TempDir;

use crate::component::{self, Missing, binary};

const MEASURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/driver-truth/measure");

/// The attributes of a volume that the plugin can mount.
const CONTEXT: &str = r#"{"server": "10.0.0.9", "share": "/exp"}"#;

/// Tests of the command that measures drivers.
pub fn trials() -> Vec<Trial> {
    let trial = |name: &str, test: fn(PathBuf) -> Result<(), Failed>| {
        component::trial(format!("driver_truth::{name}"), plugin, test)
    };
    vec![
        trial("the_string_that_reaches_mount_is_the_row", published),
        trial("a_driver_that_stages_is_asked_to_stage", staged),
        trial("a_driver_that_differs_from_its_rows_is_told_so", differs),
        trial("a_driver_with_another_mount_on_its_path_is_an_error", not_recorded),
        trial("a_driver_without_rows_needs_attributes", without_attributes),
    ]
}

/// The plugin; the program that asks has to be there too.
fn plugin() -> Result<PathBuf, Missing> {
    binary("csi-calls")?;
    binary("csi-server")
}

/// A node plugin that runs until it is dropped.
struct Running {
    process: Child,
    folder: TempDir,
}

impl Running {
    /// Starts a plugin, with the recording programs first on its path if it `records`.
    fn start(plugin: &Path, records: bool, words: &[&str]) -> Self {
        let folder = TempDir::new().expect("a folder");
        let programs = folder.path().join("programs");
        let made = Command::new(MEASURE).arg("--programs").arg(&programs).output().expect("it runs");
        assert!(made.status.success(), "{made:?}");
        let other = folder.path().join("other");
        std::fs::create_dir(&other).expect("a folder");
        for name in ["mount", "umount"] {
            std::os::unix::fs::symlink("/bin/true", other.join(name)).expect("a program");
        }
        let first = if records { &programs } else { &other };
        let rest = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(std::iter::once(first.clone()).chain(std::env::split_paths(&rest)));
        let socket = folder.path().join("csi.sock");
        let process = Command::new(plugin)
            .arg("--socket")
            .arg(&socket)
            .args(words)
            .env("PATH", path.expect("a path"))
            .spawn()
            .expect("it starts");
        let start = Instant::now();
        while !socket.exists() {
            assert!(start.elapsed() < Duration::from_secs(30), "no socket");
            std::thread::sleep(Duration::from_millis(10));
        }
        Self { process, folder }
    }

    fn measure(&self, words: &[&str]) -> Output {
        let path = |name: &str| self.folder.path().join(name);
        Command::new(MEASURE)
            .arg("--programs")
            .arg(path("programs"))
            .arg("--socket")
            .arg(path("csi.sock"))
            .args(words)
            .output()
            .expect("it runs")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Columns of the committed table: the measured rows have the same ones.
fn rows(output: &Output) -> Vec<Vec<String>> {
    let text = String::from_utf8(output.stdout.clone()).expect("text");
    let table =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/driver-truth/rows.tsv"))
            .expect("the table");
    assert_eq!(text.lines().next(), table.lines().next(), "{output:?}");
    text.lines().skip(1).map(|line| line.split('\t').map(ToOwned::to_owned).collect()).collect()
}

/// The type and the options that a call with its list and its read-only wish gave.
fn row<'r>(rows: &'r [Vec<String>], call: &str, flags: &str, readonly: &str) -> (&'r str, &'r str) {
    let found: Vec<_> = rows.iter().filter(|row| row[2..4] == [call, flags] && row[5] == readonly).collect();
    assert!(!found.is_empty(), "no {call} {flags} in {rows:?}");
    (&found[0][7], &found[0][8])
}

fn published(plugin: PathBuf) -> Result<(), Failed> {
    let running = Running::start(&plugin, true, &["--append", "noresvport"]);
    let output = running.measure(&["--context", CONTEXT]);
    assert!(output.status.success(), "{output:?}");
    let rows = rows(&output);
    assert!(rows.len() > 40, "{} rows", rows.len());
    assert_eq!(row(&rows, "publish", r#"["hard,bg"]"#, "false"), ("nfs", "hard,bg,noresvport"));
    assert_eq!(row(&rows, "publish", "[]", "false"), ("nfs", "noresvport"));
    assert_eq!(row(&rows, "publish", "[]", "true"), ("nfs", "ro,noresvport"));
    assert_eq!(row(&rows, "publish", r#"[" bg"]"#, "false"), ("nfs", " bg,noresvport"));
    Ok(())
}

fn staged(plugin: PathBuf) -> Result<(), Failed> {
    let running = Running::start(&plugin, true, &["--stage"]);
    let output = running.measure(&["--context", r#"{"server": "a", "mountOptions": "soft"}"#]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(row(&rows(&output), "stage", r#"["bg", "fg"]"#, "false"), ("nfs", "bg,fg,soft"));
    Ok(())
}

fn differs(plugin: PathBuf) -> Result<(), Failed> {
    let running = Running::start(&plugin, true, &["--name", "nfs.csi.k8s.io", "--append", "actimeo=30"]);
    let output = running.measure(&[]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(r#"options were "hard,bg", are "hard,bg,actimeo=30""#), "{said}");
    let running = Running::start(&plugin, true, &["--name", "nfs.csi.k8s.io"]);
    let output = running.measure(&[]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!said.contains(r#"publish ["hard,bg"]"#), "{said}");
    // That driver reads the attribute's name in any case, which this plugin does not.
    assert!(said.contains("MOUNTOPTIONS") && said.contains(r#"options were "fg,bg", are "fg""#), "{said}");
    Ok(())
}

fn not_recorded(plugin: PathBuf) -> Result<(), Failed> {
    let running = Running::start(&plugin, false, &[]);
    let output = running.measure(&["--context", CONTEXT]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("was the driver started with PATH="), "{said}");
    Ok(())
}

fn without_attributes(plugin: PathBuf) -> Result<(), Failed> {
    let running = Running::start(&plugin, true, &[]);
    let output = running.measure(&[]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("--context must give the attributes"), "{said}");
    Ok(())
}
