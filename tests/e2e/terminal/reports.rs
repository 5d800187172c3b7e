//! The reports of `fix`, `scan` and `node-check` at a terminal: sentences are broken, what is
//! copied is not.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::MutexGuard;

use libtest_mimic::{Failed, Trial};
use tempfile::TempDir;

use super::{at_terminal, in_pipes, script};
use crate::cluster::{self, Cluster, Webhooks};
use crate::component::{self, program};

pub(super) fn trials() -> Vec<Trial> {
    let trial = |name: &str, test: fn(PathBuf) -> Result<(), Failed>| {
        component::trial(format!("terminal::{name}"), script, test)
    };
    vec![
        trial("fix_wraps_sentences_and_no_line_of_its_difference", fix),
        trial("node_check_wraps_sentences_and_no_command", node_check),
        component::trial(
            "terminal::scan_wraps_sentences_and_no_command",
            || Ok((script()?, cluster::shared()?)),
            |(script, cluster): (PathBuf, MutexGuard<'static, Cluster>)| scan(script, cluster),
        ),
        component::trial(
            "terminal::scan_shows_its_progress_page_by_page_and_takes_it_away",
            || Ok((script()?, cluster::shared()?)),
            |(script, cluster): (PathBuf, MutexGuard<'static, Cluster>)| progress(script, cluster),
        ),
    ]
}

/// Classes with a denial that stays, for a word longer than some terminals.
const CLASS: &str = "apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: wrapped}
provisioner: nfs.csi.k8s.io
parameters: {server: nas.example.com, share: /export}
mountOptions: [nfsvers=4.1, bg, hard, sloppy, 'timeo=60s', retrans=2]
";

/// Checks that the lines of a report are as wide as the terminal, but for those that are copied,
/// and have the words of the report in a pipe, in their order.
fn is_wrapped(shown: &str, piped: &str, columns: usize, is_whole: impl Fn(&str) -> bool) {
    for line in shown.lines().filter(|line| !is_whole(line)) {
        let is_copied = line.split_whitespace().any(|word| word.len() + 4 > columns);
        assert!(line.chars().count() <= columns || is_copied, "at {columns}: {line:?}");
    }
    for line in piped.lines().filter(|line| is_whole(line)) {
        assert!(shown.lines().any(|other| other == line), "at {columns}: {line:?} is not in {shown}");
    }
    let joined = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(joined(shown), joined(piped), "at {columns}");
    assert!(shown.lines().count() > piped.lines().count(), "at {columns}: {shown}");
}

/// A source line of a finding, with its carets.
fn is_source(line: &str) -> bool {
    let numbered =
        line.trim_start().split_once(" | ").is_some_and(|(number, _)| number.parse::<u32>().is_ok());
    numbered || line.trim_start().starts_with("| ") || line.trim_end().ends_with('^')
}

fn fix(script: PathBuf) -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let file = folder.path().join("class.yaml");
    fs::write(&file, CLASS)?;
    let args = format!("fix --no-policy --diff {}", file.display());
    let (difference, piped) = in_pipes(&args.split(' ').collect::<Vec<_>>(), &[]);
    assert!(piped.contains("deny NMG014") && piped.contains("would fix NMG001"), "{piped}");
    for columns in [50, 80] {
        let shown = at_terminal(&script, columns, &format!("{args} >/dev/null"), &[("NO_COLOR", "1")]);
        is_wrapped(&shown, &piped, columns, |line| is_source(line) || line.starts_with("1 object in "));
        // The difference is read by patch(1), too.
        let shown = at_terminal(&script, columns, &format!("{args} 2>/dev/null"), &[("NO_COLOR", "1")]);
        assert_eq!(shown, difference, "at {columns}");
    }
    Ok(())
}

fn node_check(script: PathBuf) -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let volume = folder.path().join("pods/uid/volumes/kubernetes.io~nfs/pv");
    fs::create_dir_all(&volume)?;
    fs::write(volume.join("file"), "text")?;
    let args = format!("node-check --pods-dir {}", folder.path().join("pods").display());
    let (piped, _) = in_pipes(&args.split(' ').collect::<Vec<_>>(), &[]);
    assert!(piped.contains("NOT MOUNTED") && piped.contains("save it: "), "{piped}");
    for columns in [50, 80] {
        let shown = at_terminal(&script, columns, &args, &[("NO_COLOR", "1")]);
        let is_command = |line: &str| line.starts_with("  save it: ") || line.starts_with("Names of Pods: ");
        is_wrapped(&shown, &piped, columns, is_command);
    }
    Ok(())
}

fn scan(script: PathBuf, mut cluster: MutexGuard<'static, Cluster>) -> Result<(), Failed> {
    cluster.use_webhooks(Webhooks::None);
    cluster.must(&["apply", "--server-side", "-f", "-"], CLASS);
    let args = format!("scan --no-policy --kubeconfig {}", cluster.kubeconfig().display());
    let is_whole = |line: &str| is_source(line) || line.starts_with("policy: ") || line.contains(" judged (");
    let (piped, _) = in_pipes(&args.split(' ').collect::<Vec<_>>(), &[]);
    // The progress is on standard error.
    let alone = format!("{args} 2>/dev/null");
    let shown =
        [50, 80].map(|columns| (columns, at_terminal(&script, columns, &alone, &[("NO_COLOR", "1")])));
    cluster.must(&["delete", "storageclass", "wrapped"], "");
    assert!(piped.contains("deny NMG014") && piped.contains("StorageClass/wrapped"), "{piped}");
    for (columns, shown) in shown {
        is_wrapped(&shown, &piped, columns, is_whole);
    }
    Ok(())
}

/// The progress is on standard error of a terminal, one line that counts, with the whole number where
/// the API server says how many remain.
fn progress(script: PathBuf, mut cluster: MutexGuard<'static, Cluster>) -> Result<(), Failed> {
    const ERASED: &str = "\r\u{1b}[K";
    cluster.use_webhooks(Webhooks::None);
    let names = ["progress-a", "progress-b", "progress-c"];
    for name in names {
        cluster.must(
            &["apply", "--server-side", "-f", "-"],
            &CLASS.replace("name: wrapped", &format!("name: {name}")),
        );
    }
    let args =
        format!("scan --no-policy --page-size 1 --qps 1000 --kubeconfig {}", cluster.kubeconfig().display());
    let (_, piped) = in_pipes(&args.split(' ').collect::<Vec<_>>(), &[]);
    // script(1) ends lines with a carriage return, so those of the progress are kept here.
    let line = format!("exec {} {args} >/dev/null", program().display());
    let output = Command::new(&script).args(["-qec", &line, "/dev/null"]).stdin(Stdio::null()).output()?;
    for name in names {
        cluster.must(&["delete", "storageclass", name], "");
    }
    assert!(!piped.contains("storageclasses:"), "{piped}");
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: Vec<&str> = shown.split(ERASED).filter(|line| line.starts_with("storageclasses: ")).collect();
    assert!(lines.len() >= names.len(), "{shown:?}");
    let total = format!(" of {}", lines.len());
    for (number, line) in (1..).zip(&lines) {
        let of = if number == lines.len() { "" } else { &*total };
        assert_eq!(*line, format!("storageclasses: {number}{of}"), "{shown:?}");
    }
    let (_, end) = shown.rsplit_once(ERASED).ok_or("a line that is taken away")?;
    assert!(!end.contains("storageclasses: ") && !end.contains("persistentvolumes: "), "{shown:?}");
    Ok(())
}
