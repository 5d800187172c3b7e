//! `fix`: what it keeps of a file that it writes, which files it leaves, and where it stops.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use tempfile::TempDir;

use super::{command, fixture, pipe, run};
use crate::component::{is_root, program};

/// Tests of what is written.
pub fn trials() -> Vec<Trial> {
    let trial =
        |name: &str, test: fn() -> Result<(), Failed>| Trial::test(format!("check::written::{name}"), test);
    vec![
        trial("keeps_owner_group_and_mode", keeps_the_owner).with_ignored_flag(!is_root()),
        trial("leaves_a_file_whose_owner_it_cannot_keep", leaves_foreign_owners)
            .with_ignored_flag(!is_root()),
        trial("leaves_a_file_that_the_user_may_not_write", leaves_read_only_files),
        trial("leaves_a_hard_link", leaves_hard_links),
        trial("goes_on_after_a_file_that_cannot_be_written", goes_on),
        trial("a_signal_leaves_no_file_and_all_is_reported", stops_between_files),
        trial("a_file_is_named_once", names_a_file_once),
    ]
}

const BAD: &str = "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: a}\nprovisioner: \
                   nfs.csi.k8s.io\nmountOptions: [nfsvers=4.1, bg, timeo=600, retrans=2]\n";

fn write(file: &Path, mode: u32, owner: Option<(u32, u32)>) -> Result<(), Failed> {
    fs::write(file, BAD)?;
    if let Some((user, group)) = owner {
        chown(file, Some(user), Some(group))?;
    }
    fs::set_permissions(file, Permissions::from_mode(mode))?;
    Ok(())
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a list").flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.file_name().display().to_string()).collect();
    names.sort();
    names
}

/// Runs `fix` as a user without rights of root: a copy of the program that the user can reach.
fn fix_as(user: u32, group: u32, paths: &[&Path]) -> Result<Output, Failed> {
    let mut fix = command(&["fix", "--no-policy"]);
    fix.args(paths);
    if is_root() {
        fix.gid(group).uid(user);
    }
    Ok(fix.output()?)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn keeps_the_owner() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    for (mode, user, group) in [(0o640, 1000, 1001), (0o600, 0, 1001), (0o664, 1000, 0), (0o400, 7, 7)] {
        let file = folder.path().join("a.yaml");
        write(&file, mode, Some((user, group)))?;
        let output = run(&["fix", "--no-policy", &file.display().to_string()]);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        let metadata = fs::metadata(&file)?;
        assert_eq!((metadata.mode() & 0o7777, metadata.uid(), metadata.gid()), (mode, user, group));
        assert_ne!(fs::read_to_string(&file)?, BAD);
        assert_eq!(names(folder.path()), ["a.yaml"]);
    }
    Ok(())
}

/// A directory in which all may write, as one of a team is.
fn leaves_foreign_owners() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    fs::set_permissions(folder.path(), Permissions::from_mode(0o777))?;
    let file = folder.path().join("a.yaml");
    for owner in [(1001, 1000), (1000, 1001)] {
        write(&file, 0o666, Some(owner))?;
        let output = fix_as(1000, 1000, &[&file])?;
        assert_eq!(output.status.code(), Some(3), "{}", said(&output));
        assert!(
            said(&output).contains("is left as it is: its owner and group cannot be kept: "),
            "{}",
            said(&output)
        );
        let metadata = fs::metadata(&file)?;
        assert_eq!((metadata.uid(), metadata.gid()), owner);
        assert_eq!(fs::read_to_string(&file)?, BAD);
        assert_eq!(names(folder.path()), ["a.yaml"]);
        fs::remove_file(&file)?;
    }
    Ok(())
}

fn leaves_read_only_files() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let (own, foreign) = (folder.path().join("a.yaml"), folder.path().join("b.yaml"));
    write(&own, 0o400, is_root().then_some((1000, 1000)))?;
    let mut paths = vec![own.as_path()];
    if is_root() {
        chown(folder.path(), Some(1000), Some(1000))?;
        write(&foreign, 0o644, Some((0, 0)))?;
        paths.push(&foreign);
    }
    let output = fix_as(1000, 1000, &paths)?;
    let text = said(&output);
    assert_eq!(output.status.code(), Some(3), "{text}");
    for path in paths {
        let line =
            format!("{}: is left as it is: the file cannot be written: permission denied", path.display());
        assert!(text.contains(&line), "{text}");
        assert_eq!(fs::read_to_string(path)?, BAD);
    }
    Ok(())
}

fn leaves_hard_links() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let (file, other) = (folder.path().join("a.yaml"), folder.path().join("b"));
    write(&file, 0o644, None)?;
    fs::hard_link(&file, &other)?;
    let output = run(&["fix", "--no-policy", &file.display().to_string()]);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(said(&output).contains("is left as it is: it has 2 hard links"), "{}", said(&output));
    assert_eq!(fs::metadata(&file)?.nlink(), 2);
    assert_eq!(fs::read_to_string(&file)?, BAD);
    Ok(())
}

fn goes_on() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let of = |name: &str| folder.path().join(name);
    for name in ["a", "b", "c"] {
        fs::create_dir(of(name))?;
        write(&of(name).join("x.yaml"), 0o644, is_root().then_some((1000, 1000)))?;
    }
    if is_root() {
        for path in [folder.path().to_owned(), of("a"), of("c")] {
            chown(path, Some(1000), Some(1000))?;
        }
    }
    fs::set_permissions(of("b"), Permissions::from_mode(0o555))?;
    let output = fix_as(1000, 1000, &[folder.path()])?;
    let text = said(&output);
    fs::set_permissions(of("b"), Permissions::from_mode(0o755))?;
    assert_eq!(output.status.code(), Some(3), "{text}");
    for (name, is_fixed) in [("a", true), ("b", false), ("c", true)] {
        let file = of(name).join("x.yaml");
        assert_eq!(fs::read_to_string(&file)? != BAD, is_fixed, "{text}");
        assert_eq!(text.contains(&format!("{}:1: fixed NMG001", file.display())), is_fixed, "{text}");
    }
    let left = "b/x.yaml: is left as it is: its directory takes no new file: permission denied; make the directory writable";
    assert!(text.contains(left), "{text}");
    assert!(text.contains("deny NMG001"), "the danger that stays: {text}");
    assert!(text.contains("2 objects in 2 files changed, 1 left as it is"), "{text}");
    // Diffs do not depend on it.
    write(&of("b").join("x.yaml"), 0o444, None)?;
    let output = run(&["fix", "--diff", "--no-policy", &of("b").display().to_string()]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    Ok(())
}

/// Files enough that the signal comes while some are written and some are not.
fn stops_between_files() -> Result<(), Failed> {
    const FILES: usize = 1500;
    for (signal, number) in [("TERM", 15), ("INT", 2), ("HUP", 1)] {
        let folder = TempDir::new()?;
        for index in 0..FILES {
            write(&folder.path().join(format!("{index:04}.yaml")), 0o644, None)?;
        }
        let mut fix = command(&["fix", "--no-policy", &folder.path().display().to_string()]);
        let child = fix.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let (first, begun) = (folder.path().join("0003.yaml"), Instant::now());
        while fs::read_to_string(&first)? == BAD {
            assert!(begun.elapsed() < Duration::from_secs(120), "nothing is written");
            std::thread::sleep(Duration::from_millis(1));
        }
        let killed = Command::new("kill").args([format!("-{signal}"), child.id().to_string()]).status()?;
        assert!(killed.success());
        let output = child.wait_with_output()?;
        let text = said(&output);
        assert_eq!(output.status.signal(), Some(number), "{:?}: {text}", output.status);
        assert_eq!(names(folder.path()).len(), FILES, "no temporary file is left");
        let is_fixed = |name: &String| fs::read_to_string(folder.path().join(name)).expect("a file") != BAD;
        let fixed = names(folder.path()).iter().filter(|name| is_fixed(name)).count();
        assert_eq!(text.matches(": fixed NMG001").count(), fixed, "{text}");
        assert!(text.contains(&format!("{fixed} objects in {fixed} files changed\n")), "{text}");
        let rest =
            format!("stopped by SIG{signal} before {} files to change; run fix again\n", FILES - fixed);
        assert!(text.ends_with(&rest), "{text}");
    }
    // A signal that is ignored, as by nohup, stays so.
    let folder = TempDir::new()?;
    let file = folder.path().join("a.yaml");
    write(&file, 0o644, None)?;
    let script = "trap '' HUP; kill -HUP $$; exec \"$0\" fix --no-policy \"$1\"";
    let output = Command::new("sh").arg("-c").arg(script).arg(program()).arg(&file).output()?;
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    Ok(())
}

fn names_a_file_once() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let folder = fs::canonicalize(folder.path()).map(|path| (path, folder))?;
    let file = folder.0.join("t.yaml");
    std::os::unix::fs::symlink("t.yaml", folder.0.join("link.yaml"))?;
    let whole = file.display().to_string();
    for paths in [&["t.yaml", "./t.yaml", &whole, "."][..], &[".", &whole, "t.yaml"], &["t.yaml", "*.yaml"]] {
        fs::copy(fixture("bad.yaml"), &file)?;
        let alone = command(&["fix", "--diff", "t.yaml"]).current_dir(&folder.0).output()?;
        let output = command(&["fix", "--diff"]).args(paths).current_dir(&folder.0).output()?;
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert_eq!(said(&output).replace(&whole, "t.yaml"), said(&alone), "{paths:?}");
        let output =
            command(&["check", "--format", "concise"]).args(paths).current_dir(&folder.0).output()?;
        let alone = command(&["check", "--format", "concise", "t.yaml"]).current_dir(&folder.0).output()?;
        let text = String::from_utf8_lossy(&output.stdout).replace(&whole, "t.yaml");
        assert_eq!(text, String::from_utf8_lossy(&alone.stdout), "{paths:?}");
    }
    assert_eq!(pipe(&["fix", "-"], BAD.as_bytes()).status.code(), Some(0));
    Ok(())
}
