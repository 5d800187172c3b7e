//! The small commands, and flags of others that have no better place.

use std::fs;
use std::process::{Command, Output};

use libtest_mimic::{Failed, Trial};
use serde_json::Value;
use tempfile::TempDir;

use crate::caller;
use crate::component::program;
use crate::guard::Guard;

/// Tests of the small commands.
pub fn trials() -> Vec<Trial> {
    let trial = |name: &str, test: fn() -> Result<(), Failed>| Trial::test(format!("commands::{name}"), test);
    vec![
        trial("completions_name_commands_and_flags_for_every_shell", completions),
        trial("shells_complete_formats_and_rules", completed_values),
        trial("man_prints_a_page_and_writes_one_a_command", man),
        trial("rules_lists_every_rule_as_text_and_json", rules),
        trial("explain_prints_a_rules_page_or_says_there_is_none", explain_rule),
        trial("explain_takes_files_by_flag", explain_file),
        trial("unsafe_fixes_are_asked_for", unsafe_fixes),
        trial("the_log_has_the_format_that_is_asked_for", log_format),
        trial("the_log_has_the_level_that_is_asked_for", log_level),
    ]
}

fn run(args: &[&str]) -> Output {
    Command::new(program()).args(args).output().expect("the program runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn completions() -> Result<(), Failed> {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = run(&["completions", shell]);
        let script = text(&output.stdout);
        assert!(output.status.success() && script.contains("write-baseline"), "{shell}");
    }
    assert_eq!(run(&["completions", "cmd"]).status.code(), Some(2));
    Ok(())
}

/// Formats and rules have no closed list of values; shells offer them all the same.
fn completed_values() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let file = folder.path().join("completions.bash");
    fs::write(&file, run(&["completions", "bash"]).stdout)?;
    for (words, expected) in [
        (
            &["check", "--format", ""][..],
            &["text", "concise", "json", "sarif", "junit", "github", "gitlab", "html"][..],
        ),
        (&["scan", "--format", "git"], &["github", "gitlab"]),
        (&["explain", "NMG00"], &["NMG001", "NMG009"]),
        (&["explain", "soft"], &["soft-mount", "soft-mount-gives-up-early"]),
        (&["check", "--select", "NMG01"], &["NMG010", "NMG019"]),
        (&["fix", "--ignore", "udp"], &["udp-transport"]),
        (&["doctor", "--format", "s"], &["short"]),
    ] {
        let (last, before) = words.split_last().expect("words");
        let script = format!(
            "source {}; COMP_WORDS=(nfs-mount-guard {} '{last}'); COMP_CWORD={}; \
             _nfs__mount__guard nfs-mount-guard '{last}' '{}'; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            file.display(),
            before.join(" "),
            words.len(),
            before.last().expect("a word")
        );
        let output = Command::new("bash").args(["--norc", "-c", &script]).output()?;
        let offered = text(&output.stdout);
        for word in expected {
            assert!(
                offered.lines().any(|line| line == *word),
                "{words:?}: {word} is not in {offered} {output:?}"
            );
        }
        assert!(offered.lines().all(|line| line.starts_with(last)), "{words:?}: {offered}");
    }
    // Spellings that completion does not offer are still accepted.
    assert_eq!(run(&["explain", "SOFT-MOUNT"]).status.code(), Some(0));
    assert_eq!(
        run(&["check", "--select", "NMG00", "--no-policy", "examples/lost-volume.yaml"]).status.code(),
        Some(1)
    );
    for (shell, value) in [
        ("zsh", "NMG001\\:\"background-mount\""),
        ("fish", "NMG001\\t'background-mount'"),
        ("zsh", "(text concise json"),
    ] {
        let script = text(&run(&["completions", shell]).stdout);
        assert!(script.contains(value), "{shell}: {value}");
    }
    Ok(())
}

fn man() -> Result<(), Failed> {
    let output = run(&["man"]);
    assert!(output.status.success() && text(&output.stdout).contains(".TH nfs-mount-guard 1"), "{output:?}");
    let folder = TempDir::new()?;
    let pages = folder.path().join("man1");
    let output = run(&["man", "--dir", &pages.display().to_string()]);
    assert!(output.status.success(), "{output:?}");
    for page in [
        "nfs-mount-guard.1",
        "nfs-mount-guard-check.1",
        "nfs-mount-guard-doctor.1",
        "nfs-mount-guard-review.1",
        "nfs-mount-guard-policy-show.1",
    ] {
        assert!(pages.join(page).exists(), "{page}");
    }
    Ok(())
}

fn rules() -> Result<(), Failed> {
    let output = run(&["rules", "--format", "json"]);
    let rows: Value = serde_json::from_slice(&output.stdout)?;
    let rows = rows.as_array().expect("rows");
    let table = text(&run(&["rules"]).stdout);
    assert_eq!(rows.len(), nfs_mount_guard::rules::RULES.len());
    for row in rows {
        let code = row["code"].as_str().expect("a code");
        let line = table.lines().find(|line| line.starts_with(code)).expect("a line");
        // As the table of the README, with the milder case.
        let proper = row["standard"].as_str().expect("an action");
        let action = match row["milder"]["standard"].as_str() {
            Some(milder) if milder != proper => format!(" {proper}/{milder} "),
            _ => format!(" {proper} "),
        };
        assert!(line.contains(&action), "{line}");
    }
    assert!(table.contains("deny/warn"), "{table}");
    Ok(())
}

fn explain_rule() -> Result<(), Failed> {
    let page = text(&run(&["explain", "nmg001"]).stdout);
    assert_eq!(page, text(&fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/rules/NMG001.md"))?));
    let none = run(&["explain", "NMG999"]);
    assert_eq!(none.status.code(), Some(2));
    assert!(text(&none.stderr).contains("nfs-mount-guard rules"), "{none:?}");
    Ok(())
}

fn explain_file() -> Result<(), Failed> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/lost-volume.yaml");
    let output = run(&["explain", "--file", file, "--no-policy"]);
    let said = text(&output.stdout);
    assert!(said.contains("mount -o") && said.contains("nothing is mounted"), "{output:?}");
    Ok(())
}

/// Missing options are written into parameters, which are immutable, only if that is requested.
fn unsafe_fixes() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let file = folder.path().join("class.yaml");
    let name = file.display().to_string();
    let class = |options: &str| {
        format!(
            "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {{name: a}}\nprovisioner: \
             example.com/nfs\nparameters: {{mountOptions: \"{options}\"}}\n"
        )
    };
    fs::write(&file, class("vers=4.1,bg"))?;
    let output = run(&["fix", "--no-policy", &name]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(fs::read_to_string(&file)?, class("vers=4.1,fg"));
    let output = run(&["fix", "--unsafe-fixes", "--no-policy", &name]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(fs::read_to_string(&file)?, class("vers=4.1,fg,timeo=600,retrans=2"));
    Ok(())
}

/// Decisions are logged at every level, and libraries only where they are named.
fn log_level() -> Result<(), Failed> {
    for (level, has_debug) in [
        // That it listens is said by this module.
        ("off,nfs_mount_guard::cli=info", false),
        ("info", false),
        ("info,hyper=debug", false),
        ("debug", true),
        ("info,nfs_mount_guard::server=debug", true),
    ] {
        let guard = Guard::start(&["--log-format", "json", "--log-level", level]);
        assert_eq!(caller::call(&guard, None), Some(200), "{level}");
        guard.wait_for(|event| event["target"] == "decision" && event["decision"] == "deny");
        if has_debug {
            guard.wait_for(|event| event["message"] == "response sent" && event["path"] == "/validate");
        }
        let log = guard.log();
        assert_eq!(log.iter().any(|event| event["level"] == "DEBUG"), has_debug, "{level}: {log:#?}");
        let is_own =
            |event: &Value| event["target"].as_str().is_some_and(|it| it.starts_with("nfs_mount_guard"));
        assert!(log.iter().all(|event| is_own(event) || event["target"] == "decision"), "{level}: {log:#?}");
    }
    let output = run(&["serve", "--self-signed", "--log-level", "verbose"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        said.contains("--log-level") && said.contains("must be off, error, warn, info or debug"),
        "{said}"
    );
    Ok(())
}

fn log_format() -> Result<(), Failed> {
    let guard = Guard::start(&["--log-format", "json"]);
    assert!(guard.log().iter().any(|event| event["message"] == "listening"));
    let folder = TempDir::new()?;
    let taken = guard.address.to_string();
    let output = Command::new(program())
        .args(["serve", "--self-signed", "--log-format", "text", "--listen", &taken])
        .current_dir(folder.path())
        .output()?;
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output.stderr);
    assert!(said.contains("another program has this port"), "{said}");
    assert_eq!(said.matches("address already in use").count(), 1, "{said}");
    Ok(())
}
