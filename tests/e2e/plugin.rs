//! The program as a plugin of kubectl: installed by krew, run by kubectl, and completed by it.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use libtest_mimic::{Failed, Trial};
use tempfile::TempDir;

use crate::component::{Missing, binary, program, trial};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Tests of the plugin.
pub fn trials() -> Vec<Trial> {
    let plain = |name: &str, test: fn() -> Result<(), Failed>| Trial::test(format!("plugin::{name}"), test);
    let with_kubectl = |name: &str, test: fn(PathBuf) -> Result<(), Failed>| {
        trial(format!("plugin::{name}"), || binary("kubectl"), test)
    };
    vec![
        plain("calls_itself_as_its_user_does_in_help", names_itself_in_help),
        plain("calls_itself_as_its_user_does_in_errors_and_hints", names_itself_in_errors),
        plain("keeps_its_own_name_under_its_own_name", keeps_its_own_name),
        plain("calls_itself_so_in_manual_pages_and_completions", names_itself_in_pages_and_completions),
        with_kubectl("kubectl_runs_it_by_its_name", kubectl_runs_it),
        with_kubectl("kubectl_completes_its_words", kubectl_completes_it),
        trial("plugin::krew_installs_it", krew_and_kubectl, krew_installs_it),
    ]
}

/// A directory in which the program is the plugin, and a link to it for completions.
fn plugin() -> TempDir {
    let folder = TempDir::new().expect("a folder");
    symlink(program(), folder.path().join("kubectl-nfs_mount_guard")).expect("a link");
    folder
}

/// Runs a program, with `first` before everything else on the path.
fn run(file: &Path, args: &[&str], first: &Path) -> Output {
    let mut command = Command::new(file);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("NFS_MOUNT_GUARD_")) {
        command.env_remove(name);
    }
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{path}", first.display()));
    command.args(args).current_dir(ROOT).output().expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Standard output and standard error of the plugin.
fn said(folder: &TempDir, args: &[&str]) -> (String, String) {
    let output = run(&folder.path().join("kubectl-nfs_mount_guard"), args, folder.path());
    (text(&output.stdout), text(&output.stderr))
}

/// Commands that are named without kubectl.
fn own_names(text: &str) -> Vec<&str> {
    let is_own = |line: &&str| {
        line.match_indices("nfs-mount-guard").any(|(at, name)| {
            let is_command = line[at + name.len()..].starts_with([' ', ':']);
            let is_word = line[..at].ends_with([' ', '`', '"', '(']) || at == 0;
            is_command && is_word && !line[..at].ends_with("kubectl ")
        })
    };
    text.lines().filter(is_own).collect()
}

fn names_itself_in_help() -> Result<(), Failed> {
    let folder = plugin();
    let (help, _) = said(&folder, &["--help"]);
    assert!(help.contains("\nUsage: kubectl nfs-mount-guard [OPTIONS] <COMMAND>\n"), "{help}");
    let commands =
        help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let named =
        |line: &str| line.strip_prefix("  ").and_then(|line| line.split(' ').next()).map(ToOwned::to_owned);
    let mut commands: Vec<Vec<String>> = commands
        .filter_map(named)
        .filter(|name| !name.is_empty() && name != "help")
        .map(|name| vec![name])
        .collect();
    assert!(commands.len() > 8, "{commands:?}");
    commands.extend(
        [
            ["policy", "check"],
            ["policy", "show"],
            ["generate", "policy"],
            ["generate", "match-conditions"],
            ["certs", "generate"],
            ["certs", "serve"],
        ]
        .map(|words| words.map(ToOwned::to_owned).to_vec()),
    );
    for words in &commands {
        let args: Vec<&str> = words.iter().map(String::as_str).chain(["--help"]).collect();
        let (help, _) = said(&folder, &args);
        let usage = format!("\nUsage: kubectl nfs-mount-guard {}", words.join(" "));
        assert!(help.contains(&usage), "{help}");
        assert_eq!(own_names(&help), Vec::<&str>::new(), "{words:?}");
        let wide: Vec<&str> = help.lines().filter(|line| line.chars().count() >= 80).collect();
        assert!(wide.is_empty(), "{wide:#?}");
    }
    assert!(said(&folder, &["--version"]).0.starts_with("kubectl nfs-mount-guard "));
    assert!(said(&folder, &["check", "-V"]).0.starts_with("kubectl nfs-mount-guard check "));
    Ok(())
}

fn names_itself_in_errors() -> Result<(), Failed> {
    let folder = plugin();
    let class = folder.path().join("class.yaml");
    fs::write(&class, "kind: StorageClass\n")?;
    let class = class.display().to_string();
    let template = folder.path().join("template.yaml");
    fs::write(&template, "{{ if a }}\nkind: StorageClass\n{{ end }}\n")?;
    let template = template.display().to_string();
    for (args, expected) in [
        (&["check"][..], "Usage: kubectl nfs-mount-guard check <PATH>..."),
        (&["check", "--selct", "a", "b"], "Usage: kubectl nfs-mount-guard check"),
        (&["chek"], "Usage: kubectl nfs-mount-guard [OPTIONS] <COMMAND>"),
        (
            &["explain", "NMG999"],
            "kubectl nfs-mount-guard: unknown rule \"NMG999\" (\"kubectl nfs-mount-guard rules\"",
        ),
        (&["explain", &class], "to explain a file: kubectl nfs-mount-guard explain -f"),
        (&["check", "--select", "NMG999", &class], "\"kubectl nfs-mount-guard rules\" lists them"),
        (&["explain", "-f", "/nowhere"], "kubectl nfs-mount-guard: /nowhere: "),
        (&["fix", "/nowhere"], "kubectl nfs-mount-guard: /nowhere: "),
        (&["review", &class], "kubectl nfs-mount-guard check reads it"),
        (&["fix", &template], "helm template CHART | kubectl nfs-mount-guard check -"),
        (&["policy", "check", &class], "kubectl nfs-mount-guard: "),
        (&["lsp", "--select", "NMG999"], "kubectl nfs-mount-guard: --select"),
    ] {
        let (_, error) = said(&folder, args);
        assert!(error.contains(expected), "{args:?}: {error}");
        assert_eq!(own_names(&error), Vec::<&str>::new(), "{args:?}");
    }
    let (report, _) = said(&folder, &["check", &template]);
    assert!(report.contains("helm template CHART | kubectl nfs-mount-guard check -"), "{report}");
    Ok(())
}

/// By another name it is what it was; files and objects never have the name of the plugin.
fn keeps_its_own_name() -> Result<(), Failed> {
    let folder = plugin();
    let own = text(&run(&program(), &["check", "--help"], folder.path()).stdout);
    assert!(
        own.contains("Usage: nfs-mount-guard check") && !own.contains("kubectl nfs-mount-guard"),
        "{own}"
    );
    for args in [&["generate", "policy"][..], &["rules", "--format", "json"], &["completions", "kubectl"]] {
        let own = run(&program(), args, folder.path());
        assert_eq!(text(&own.stdout), said(&folder, args).0, "{args:?}");
    }
    let (help, _) = said(&folder, &["check", "--help"]);
    assert!(help.contains("nfs-mount-guard.yaml here or above"), "{help}");
    Ok(())
}

/// Shells complete the file that they start; `man kubectl-nfs-mount-guard` finds the page.
fn names_itself_in_pages_and_completions() -> Result<(), Failed> {
    let folder = plugin();
    let bash = said(&folder, &["completions", "bash"]).0;
    assert!(bash.contains("-o default kubectl-nfs_mount_guard\n"), "{bash}");
    assert!(said(&folder, &["completions", "zsh"]).0.starts_with("#compdef kubectl-nfs_mount_guard\n"));
    let page = said(&folder, &["man"]).0;
    assert!(page.contains(".TH kubectl-nfs-mount-guard 1"), "{page}");
    assert!(page.contains("\\fBkubectl nfs\\-mount\\-guard\\fR"), "{page}");
    let pages = folder.path().join("man1");
    said(&folder, &["man", "--dir", &pages.display().to_string()]);
    let check = fs::read_to_string(pages.join("kubectl-nfs-mount-guard-check.1"))?;
    assert!(check.contains("kubectl nfs\\-mount\\-guard check deploy/"), "{check}");
    // Another name of the file is another name of the plugin.
    symlink(program(), folder.path().join("kubectl-nmg"))?;
    let output = run(&folder.path().join("kubectl-nmg"), &["completions", "kubectl"], folder.path());
    assert!(text(&output.stdout).ends_with("\nexec kubectl-nmg __complete \"$@\"\n"), "{output:?}");
    Ok(())
}

fn kubectl_runs_it(kubectl: PathBuf) -> Result<(), Failed> {
    let folder = plugin();
    let listed = run(&kubectl, &["plugin", "list"], folder.path());
    let (listed, warnings) = (text(&listed.stdout), text(&listed.stderr));
    assert!(
        listed.contains("/kubectl-nfs_mount_guard\n") && !warnings.contains("nfs_mount_guard"),
        "{listed}{warnings}"
    );
    let output = run(
        &kubectl,
        &["nfs-mount-guard", "check", "--no-policy", "examples/lost-volume.yaml"],
        folder.path(),
    );
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text(&output.stdout).contains("NMG001"), "{output:?}");
    let output = run(&kubectl, &["nfs-mount-guard", "explain", "NMG999"], folder.path());
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(text(&output.stderr).contains("kubectl nfs-mount-guard rules"), "{output:?}");
    Ok(())
}

/// Returns the completions that kubectl offers for words, in its order.
fn offered(kubectl: &Path, folder: &TempDir, words: &[&str]) -> (Vec<String>, String) {
    let args: Vec<&str> =
        ["__complete", "nfs-mount-guard"].into_iter().chain(words.iter().copied()).collect();
    let output = run(kubectl, &args, folder.path());
    let mut lines: Vec<String> = text(&output.stdout).lines().map(ToOwned::to_owned).collect();
    let directive = lines.pop().unwrap_or_default();
    (lines, directive)
}

fn kubectl_completes_it(kubectl: PathBuf) -> Result<(), Failed> {
    let by_script = plugin();
    let script = by_script.path().join("kubectl_complete-nfs_mount_guard");
    fs::write(&script, said(&by_script, &["completions", "kubectl"]).0)?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    let by_link = plugin();
    symlink(program(), by_link.path().join("kubectl_complete-nfs_mount_guard"))?;
    for folder in [&by_script, &by_link] {
        let offered = |words: &[&str]| offered(&kubectl, folder, words);
        let (commands, directive) = offered(&[""]);
        assert!(commands.contains(&"check\tCheck manifests as the webhook would".to_owned()), "{commands:?}");
        assert!(commands.iter().all(|line| !line.starts_with("__")), "{commands:?}");
        assert_eq!(directive, ":4");
        assert_eq!(offered(&["sca"]).0.len(), 1);
        let (flags, _) = offered(&["check", "--write-b"]);
        assert!(flags.len() == 1 && flags[0].starts_with("--write-baseline\t"), "{flags:?}");
        let (profiles, _) = offered(&["check", "--profile", "strict"]);
        assert!(
            profiles.contains(&"strict".to_owned()) && !profiles.contains(&"relaxed".to_owned()),
            "{profiles:?}"
        );
        assert_eq!(offered(&["check", "--format", "sa"]).0, ["sarif"]);
        assert_eq!(offered(&["explain", "NMG005"]).0, ["NMG005\tsoft-mount"]);
        assert_eq!(offered(&["check", "--select", "NMG001,NMG005"]).0, ["NMG001,NMG005\tsoft-mount"]);
        // Directories get no blank.
        assert_eq!(offered(&["check", "exampl"]), (vec!["examples/".to_owned()], ":6".to_owned()));
        assert_eq!(offered(&["nowhere", "--a"]).0, Vec::<String>::new());
    }
    Ok(())
}

fn krew_and_kubectl() -> Result<(PathBuf, PathBuf), Missing> {
    Ok((binary("krew")?, binary("kubectl")?))
}

/// The manifest of a release and its archive: krew takes them, and kubectl runs what it
/// installed.
fn krew_installs_it((krew, kubectl): (PathBuf, PathBuf)) -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let path = |name: &str| folder.path().join(name);
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    fs::copy(program(), path("nfs-mount-guard"))?;
    let packed = Command::new("tar")
        .args([
            "-czf",
            "nfs-mount-guard-amd64.tar.gz",
            "nfs-mount-guard",
            "-C",
            ROOT,
            "LICENSE-MIT",
            "LICENSE-APACHE",
        ])
        .current_dir(folder.path())
        .status()?;
    assert!(packed.success());
    fs::copy(path("nfs-mount-guard-amd64.tar.gz"), path("nfs-mount-guard-arm64.tar.gz"))?;
    let manifest = |version: &str| {
        Command::new(Path::new(ROOT).join("integrations/krew/manifest"))
            .arg(version)
            .arg(folder.path())
            .output()
    };
    assert_eq!(manifest("1.0")?.status.code(), Some(2));
    let written = manifest("v1.2.3")?;
    assert!(written.status.success(), "{written:?}");
    let written = text(&written.stdout);
    let description =
        written.lines().find_map(|line| line.strip_prefix("  shortDescription: ")).expect("one");
    // The reviewers of the index require this.
    assert!(description.len() <= 50 && !description.ends_with('.'), "{description}");
    assert!(!written.contains("VERSION") && !written.contains("SHA256_OF"), "{written}");
    let archive = path(&format!("nfs-mount-guard-{arch}.tar.gz")).display().to_string();
    let install = |manifest: &str, root: &str| {
        let file = path("manifest.yaml");
        fs::write(&file, manifest).expect("written");
        Command::new(&krew)
            .args(["install", "--manifest", &file.display().to_string(), "--archive", &archive])
            .env("KREW_ROOT", path(root))
            .output()
    };
    // Another archive is not taken.
    let digest = written.lines().find_map(|line| line.strip_prefix("    sha256: ")).expect("a digest");
    let refused = install(&written.replace(digest, &"0".repeat(64)), "other")?;
    assert!(!refused.status.success(), "{refused:?}");
    let installed = install(&written, "krew")?;
    assert!(installed.status.success(), "{installed:?}");
    let bin = path("krew/bin");
    assert!(bin.join("kubectl-nfs_mount_guard").exists());
    let output = run(&kubectl, &["nfs-mount-guard", "--help"], &bin);
    assert!(text(&output.stdout).contains("Usage: kubectl nfs-mount-guard "), "{output:?}");
    let store = path("krew/store/nfs-mount-guard/v1.2.3");
    assert!(store.join("LICENSE-MIT").exists() && store.join("LICENSE-APACHE").exists());
    Ok(())
}
