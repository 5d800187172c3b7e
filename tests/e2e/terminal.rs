//! Checks the output at a terminal: colors, and lines as wide as the terminal.

mod reports;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use libtest_mimic::{Failed, Trial};
use tempfile::TempDir;

use crate::component::{self, Missing, program};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const CLASS: &str = "examples/lost-volume.yaml";

/// Tests at a pseudo-terminal of script(1), and of the same without a terminal.
pub fn trials() -> Vec<Trial> {
    let trial = |name: &str, test: fn(PathBuf) -> Result<(), Failed>| {
        component::trial(format!("terminal::{name}"), script, test)
    };
    let plain = |name: &str, test: fn() -> Result<(), Failed>| Trial::test(format!("terminal::{name}"), test);
    let mut trials = vec![
        trial("colors_are_for_terminals_that_want_them", colors_at_a_terminal),
        trial("lines_are_as_wide_as_the_terminal", widths_of_terminals),
        trial("check_wraps_sentences_and_no_line_to_copy", widths_of_check),
        plain("pipes_get_lines_as_long_as_they_are", widths_in_a_pipe),
        plain("colors_reach_no_pipe_unless_they_are_asked_for", colors_in_a_pipe),
        plain("colors_reach_no_file_and_no_format_for_programs", colors_in_files),
        plain("a_wrong_color_is_wrong_use", wrong_color),
    ];
    trials.extend(reports::trials());
    trials
}

fn script() -> Result<PathBuf, Missing> {
    let path = PathBuf::from("/usr/bin/script");
    if path.exists() {
        Ok(path)
    } else {
        Err(Missing { reason: "script(1) of util-linux is missing".to_owned(), installable: true })
    }
}

/// The variables that decide about colors and widths.
const VARIABLES: [&str; 8] = [
    "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "FORCE_COLOR", "NFS_MOUNT_GUARD_COLOR", "CI", "COLUMNS",
    "LINES",
];

/// Returns the output of `args` at a terminal with this many columns, without carriage returns.
fn at_terminal(script: &Path, columns: usize, args: &str, variables: &[(&str, &str)]) -> String {
    let line = format!("stty cols {columns} rows 24; exec {} {args}", program().display());
    let mut command = Command::new(script);
    for name in VARIABLES {
        command.env_remove(name);
    }
    let output = command
        .args(["-qec", &line, "/dev/null"])
        .env("TERM", "xterm-256color")
        .envs(variables.iter().copied())
        .current_dir(ROOT)
        .stdin(Stdio::null())
        .output()
        .expect("script runs");
    String::from_utf8_lossy(&output.stdout).replace('\r', "")
}

/// Returns the output of `args` into pipes: standard output and standard error.
fn in_pipes(args: &[&str], variables: &[(&str, &str)]) -> (String, String) {
    let mut command = Command::new(program());
    for name in VARIABLES {
        command.env_remove(name);
    }
    let output = command
        .args(args)
        .env("TERM", "xterm-256color")
        .envs(variables.iter().copied())
        .current_dir(ROOT)
        .output()
        .expect("the program runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

fn is_colored(text: &str) -> bool {
    text.contains("\u{1b}[")
}

/// Commands that color something, in files and in messages.
const COLORED: [&str; 9] = [
    "check --no-policy examples/lost-volume.yaml",
    "check --no-policy --format concise examples/lost-volume.yaml",
    "fix --no-policy --diff examples/lost-volume.yaml",
    "review --no-policy --endpoint validate examples/lost-volume.review.json",
    "rules",
    "explain NMG001",
    "explain --no-policy -f examples/lost-volume.yaml",
    "check --help",
    "chek",
];

fn colors_at_a_terminal(script: PathBuf) -> Result<(), Failed> {
    for args in COLORED {
        for (variables, wanted) in [
            (&[][..], true),
            (&[("NO_COLOR", "1")], false),
            (&[("NO_COLOR", "")], true),
            (&[("TERM", "dumb")], false),
            (&[("CLICOLOR", "0")], false),
            (&[("NFS_MOUNT_GUARD_COLOR", "never")], false),
            (&[("NO_COLOR", "1"), ("NFS_MOUNT_GUARD_COLOR", "always")], true),
        ] {
            let shown = at_terminal(&script, 80, args, variables);
            assert!(shown.len() > 50, "{args}: {shown}");
            assert_eq!(is_colored(&shown), wanted, "{args} with {variables:?}: {shown:?}");
        }
        let never = at_terminal(&script, 80, &format!("--color never {args}"), &[("CLICOLOR_FORCE", "1")]);
        assert!(!is_colored(&never), "{args}: {never:?}");
    }
    Ok(())
}

/// Commands with long texts.
const LONG: [&str; 4] = [
    "rules",
    "explain NMG007",
    "explain foreground-not-explicit",
    "explain --no-policy -f tests/check/styles.yaml",
];

/// Words of a text, without the marks of Markdown.
fn words(text: &str) -> Vec<String> {
    let marks: &[char] = &[',', '.', ':', ';', '`', '"', '#', '|', '-', '*', '<', '>', '(', ')', '[', ']'];
    let lines = text.lines().filter(|line| !line.starts_with("```"));
    let words = lines.flat_map(str::split_whitespace).map(|word| word.trim_matches(marks).to_owned());
    // The titles of a table are for one that has columns.
    let is_title = |word: &str| !word.contains(|letter: char| letter.is_lowercase());
    let is_word = |word: &String| word.len() > 3 && !word.contains(marks) && !is_title(word);
    words.filter(is_word).collect()
}

fn widths_of_terminals(script: PathBuf) -> Result<(), Failed> {
    for args in LONG {
        let (piped, _) = in_pipes(&args.split(' ').collect::<Vec<_>>(), &[]);
        for columns in [44, 80, 120] {
            let shown = at_terminal(&script, columns, args, &[("NO_COLOR", "1")]);
            let mut is_example = false;
            for line in shown.lines() {
                is_example = line.starts_with("    ") && (is_example || line.starts_with("    apiVersion"));
                // A mount string or an address stays whole, so that it can be copied.
                let is_copied = line.split_whitespace().any(|word| word.len() + 13 > columns);
                let fits = line.chars().count() <= columns;
                assert!(fits || is_example || is_copied, "{args} at {columns}: {line:?}");
            }
            assert!(!shown.contains('`') && !shown.contains("\n#") && !shown.contains("\n|"), "{shown}");
            for word in words(&piped) {
                assert!(shown.contains(&word), "{args} at {columns}: {word:?}");
            }
        }
    }
    // A terminal that does not say how wide it is has the usual width.
    for args in ["rules", "explain NMG001"] {
        assert_eq!(at_terminal(&script, 0, args, &[]), at_terminal(&script, 80, args, &[]), "{args}");
    }
    Ok(())
}

/// A terminal breaks the sentences of `check`; a source line with its carets, a command and the
/// last lines stay as programs and users know them.
fn widths_of_check(script: PathBuf) -> Result<(), Failed> {
    const ARGS: &str =
        "check --no-policy tests/check/styles.yaml examples/lost-volume.yaml examples/nowhere.yaml";
    let (piped, _) = in_pipes(&ARGS.split(' ').collect::<Vec<_>>(), &[]);
    let is_whole = |line: &str| {
        let is_source =
            line.trim_start().split_once(" | ").is_some_and(|(number, _)| number.parse::<u32>().is_ok());
        let is_caret = line.trim_start().starts_with("| ") || line.trim_end().ends_with('^');
        is_source
            || is_caret
            || line.starts_with("run \"")
            || line.starts_with("policy: ")
            || line.contains(" judged (")
    };
    for columns in [50, 80] {
        let shown = at_terminal(&script, columns, ARGS, &[("NO_COLOR", "1")]);
        for line in shown.lines().filter(|line| !is_whole(line)) {
            let is_copied = line.split_whitespace().any(|word| word.len() + 4 > columns);
            assert!(line.chars().count() <= columns || is_copied, "at {columns}: {line:?}");
        }
        for line in piped.lines().filter(|line| is_whole(line)) {
            assert!(shown.lines().any(|other| other == line), "at {columns}: {line:?} is not in {shown}");
        }
        let joined = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(joined(&shown), joined(&piped), "at {columns}");
        assert!(shown.lines().count() > piped.lines().count(), "at {columns}: {shown}");
    }
    Ok(())
}

/// A text without the sequences that color it.
fn without_colors(text: &str) -> String {
    let mut pieces = text.split("\u{1b}[");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |plain, piece| plain + piece.split_once('m').map_or(piece, |(_, rest)| rest))
}

/// `explain -f` is read by lines: one paragraph a subject, headed by its place.
fn widths_in_a_pipe() -> Result<(), Failed> {
    for args in LONG {
        let args: Vec<&str> = args.split(' ').collect();
        let (plain, _) = in_pipes(&args, &[]);
        let (narrow, _) = in_pipes(&args, &[("COLUMNS", "40"), ("FORCE_COLOR", "1")]);
        assert_eq!(plain, without_colors(&narrow), "{args:?}");
        assert!(plain.lines().any(|line| line.len() > 140), "{args:?}: {plain}");
    }
    let (explained, _) = in_pipes(&["explain", "--no-policy", "-f", "tests/check/styles.yaml"], &[]);
    for paragraph in explained.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty()) {
        assert!(paragraph.starts_with("tests/check/styles.yaml:"), "{paragraph}");
        assert!(paragraph.lines().skip(1).all(|line| line.starts_with("  ")), "{paragraph}");
    }
    Ok(())
}

fn colors_in_a_pipe() -> Result<(), Failed> {
    for line in COLORED {
        let args: Vec<&str> = line.split(' ').collect();
        for (variables, wanted) in [
            (&[][..], false),
            (&[("CLICOLOR", "1")], false),
            (&[("FORCE_COLOR", "0")], false),
            (&[("CLICOLOR_FORCE", "1")], true),
            (&[("FORCE_COLOR", "1")], true),
            (&[("FORCE_COLOR", "1"), ("NO_COLOR", "1")], false),
            (&[("FORCE_COLOR", "1"), ("NFS_MOUNT_GUARD_COLOR", "never")], false),
            (&[("NFS_MOUNT_GUARD_COLOR", "always")], true),
        ] {
            let (out, err) = in_pipes(&args, variables);
            assert_eq!(is_colored(&out) || is_colored(&err), wanted, "{line} with {variables:?}: {out}{err}");
        }
        let (out, err) = in_pipes(&[&["--color", "always"][..], &args].concat(), &[("NO_COLOR", "1")]);
        assert!(is_colored(&out) || is_colored(&err), "{line}: {out}{err}");
    }
    Ok(())
}

fn colors_in_files() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let forced = [("CLICOLOR_FORCE", "1"), ("FORCE_COLOR", "1")];
    for format in ["text", "concise", "json", "sarif", "junit", "github", "gitlab"] {
        let file = folder.path().join(format).display().to_string();
        let to_file = format!("{format}={file}");
        let args = ["check", "--no-policy", CLASS, "--color=always", "--format", &to_file];
        let (out, err) = in_pipes(&args, &forced);
        assert_eq!((out.as_str(), err.as_str()), ("", ""), "{format}");
        assert!(!is_colored(&fs::read_to_string(&file)?), "{format}");
        if !matches!(format, "text" | "concise") {
            let (out, _) =
                in_pipes(&["check", "--no-policy", CLASS, "--color=always", "--format", format], &forced);
            assert!(out.len() > 100 && !is_colored(&out), "{format}: {out:?}");
        }
    }
    for args in
        ["rules --format json", "policy show", "policy schema", "man", "completions bash", "explain NMG001"]
    {
        let (out, _) = in_pipes(&args.split(' ').collect::<Vec<_>>(), &[]);
        assert!(out.len() > 100 && !is_colored(&out), "{args}: {out:?}");
    }
    Ok(())
}

fn wrong_color() -> Result<(), Failed> {
    for (args, variables, named) in [
        (&["rules", "--color", "blue"][..], &[][..], "'--color <WHEN>'"),
        (&["rules"], &[("NFS_MOUNT_GUARD_COLOR", "blue")], "'NFS_MOUNT_GUARD_COLOR'"),
        (&["rules", "--color=blue"], &[("NFS_MOUNT_GUARD_COLOR", "never")], "'--color <WHEN>'"),
        (&["serve", "--self-signed", "--color", "blue"], &[], "'--color <WHEN>'"),
        (&["serve", "--self-signed"], &[("NFS_MOUNT_GUARD_COLOR", "blue")], "'NFS_MOUNT_GUARD_COLOR'"),
    ] {
        let (_, err) = in_pipes(args, variables);
        assert!(err.contains(named) && err.contains("auto, always, never"), "{err}");
    }
    // An empty variable is as an unset one.
    let (out, err) = in_pipes(&["rules"], &[("NFS_MOUNT_GUARD_COLOR", "")]);
    assert!(out.contains("NMG001") && err.is_empty(), "{out}{err}");
    Ok(())
}
