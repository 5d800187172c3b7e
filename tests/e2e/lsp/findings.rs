//! An editor shows the same findings as `check`, `explain` and `fix`.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::client::{Editor, characters, edited, whole};
use crate::component::program;

pub(super) fn trials() -> Vec<Trial> {
    let trial = |name: &str, test: fn() -> Result<(), Failed>| Trial::test(format!("lsp::{name}"), test);
    vec![
        trial("underlines_what_check_finds_in_every_fixture", underlines_what_check_finds),
        trial("fixes_a_file_as_fix_does_in_every_fixture", fixes_as_fix_does),
        trial("each_fix_takes_its_finding_away", each_fix_takes_its_finding_away),
        trial("explains_what_explain_does", explains_what_explain_does),
        trial("says_nothing_of_what_is_no_option", says_nothing_elsewhere),
        trial("names_what_is_unsafe", names_what_is_unsafe),
        trial("titles_say_what_becomes_of_the_options", titles),
        trial("broken_json_is_called_json", broken_json),
        trial("offers_the_kinds_that_are_asked_for", offers_the_kinds),
        trial("names_the_version_that_an_edit_is_for", names_versions),
        trial("shows_what_the_mutating_webhook_repairs", shows_repairs),
        trial("the_problem_matcher_of_the_page_reads_every_finding", problem_matcher),
    ]
}

/// Manifests of every rule, kind and driver, and those of the tests of `check`.
fn fixtures() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    let mut folders: Vec<PathBuf> =
        ["tests/rules", "tests/kinds", "tests/drivers", "tests/check", "examples"]
            .map(|at| root.join(at))
            .into();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            match path.extension().and_then(|extension| extension.to_str()) {
                _ if path.is_dir() => folders.push(path),
                Some("yaml" | "yml" | "json") => files.push(path),
                _ => {}
            }
        }
    }
    files.retain(|file| fs::read_to_string(file).is_ok());
    files.sort();
    assert!(files.len() > 80, "{files:?}");
    files
}

fn uri(file: &Path) -> String {
    format!("file://{}", file.display())
}

/// Returns the output of the program for arguments, with a text on its standard input.
fn printed(args: &[&str], input: &str) -> String {
    let mut command = Command::new(program());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("NFS_MOUNT_GUARD_")) {
        command.env_remove(name);
    }
    let pipes = command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = pipes.spawn().expect("the program runs");
    let mut stdin = child.stdin.take().expect("its input");
    let input = input.to_owned();
    let writer = std::thread::spawn(move || {
        // A program that refuses its input may be gone.
        let _ = stdin.write_all(input.as_bytes());
    });
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("written");
    String::from_utf8(output.stdout).expect("text")
}

/// A finding: its severity, code and place.
type Found = (u64, String, u64, u64, u64);

fn found_by_check(file: &Path) -> Vec<Found> {
    let text = printed(&["check", "--no-policy", "--format", "json", &file.display().to_string()], "");
    let report: Value = serde_json::from_str(&text).expect("JSON");
    let number = |value: &Value| value.as_u64().expect("a number");
    let severity = |action: &Value| match action.as_str().expect("an action") {
        "deny" => 1,
        "warn" => 2,
        "patch" => 3,
        _ => 4,
    };
    let subjects = report["subjects"].as_array().expect("subjects");
    let findings = subjects.iter().flat_map(|subject| subject["findings"].as_array().expect("findings"));
    let mut found: Vec<Found> = findings
        .map(|found| {
            let code = found["code"].as_str().expect("a code").to_owned();
            let (column, end) = (number(&found["column"]) - 1, number(&found["endColumn"]) - 1);
            (severity(&found["action"]), code, number(&found["line"]) - 1, column, end)
        })
        .collect();
    let errors = report["errors"].as_array().expect("errors").iter();
    found.extend(
        errors.filter(|error| !error["message"].as_str().expect("text").contains("Helm template")).map(
            |error| {
                let place = |name: &str| error[name].as_u64().unwrap_or(1) - 1;
                (1, "unreadable".to_owned(), place("line"), place("column"), 0)
            },
        ),
    );
    found.sort();
    found
}

fn shown(diagnostics: &[Value]) -> Vec<Found> {
    let mut found: Vec<Found> = diagnostics
        .iter()
        .filter(|shown| {
            shown["code"].as_str().is_some_and(|code| code.starts_with("NMG") || code == "unreadable")
        })
        .filter(|shown| shown["severity"] == 1 || shown["code"] != "unreadable")
        .map(|shown| {
            let code = shown["code"].as_str().expect("a code").to_owned();
            let place = |end: &str, part: &str| shown["range"][end][part].as_u64().expect("a number");
            let end = if code == "unreadable" { 0 } else { place("end", "character") };
            let (line, start) = (place("start", "line"), place("start", "character"));
            (shown["severity"].as_u64().expect("one"), code, line, start, end)
        })
        .collect();
    found.sort();
    found
}

fn underlines_what_check_finds() -> Result<(), Failed> {
    let mut editor = Editor::ready(&characters());
    let mut count = 0;
    for file in fixtures() {
        let text = fs::read_to_string(&file)?;
        let (expected, shown) = (found_by_check(&file), shown(&editor.open(&uri(&file), &text)));
        assert_eq!(shown, expected, "{}", file.display());
        count += shown.len();
        assert_eq!(editor.close(&uri(&file)), Vec::<Value>::new());
    }
    assert!(count > 1000, "{count} findings");
    assert_eq!(editor.end(), Some(0));
    Ok(())
}

fn fixes_as_fix_does() -> Result<(), Failed> {
    let mut editor = Editor::ready(&characters());
    let mut count = 0;
    for file in fixtures() {
        let text = fs::read_to_string(&file)?;
        let name = uri(&file);
        editor.open(&name, &text);
        let actions = editor.actions(&name, &whole(), Some("source.fixAll"));
        let fixed = actions.first().map_or_else(|| text.clone(), |action| edited(&text, action, &name));
        let expected = printed(&["fix", "--no-policy", "-"], &text);
        assert!(fixed == expected, "{}:\n{fixed}\n---\n{expected}", file.display());
        count += actions.len();
        editor.close(&name);
    }
    assert!(count > 60, "{count} files were fixed");
    Ok(())
}

/// Returns the number of findings of each rule.
fn counts(diagnostics: &[Value]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for diagnostic in diagnostics {
        *counts.entry(diagnostic["code"].as_str().expect("a code").to_owned()).or_default() += 1;
    }
    counts
}

fn each_fix_takes_its_finding_away() -> Result<(), Failed> {
    let mut editor = Editor::ready(&characters());
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut codes = BTreeMap::new();
    for rule in [
        "background-mount",
        "foreground-not-explicit",
        "timeo-not-set",
        "retrans-not-set",
        "timeout-value",
        "ambiguous-options",
        "malformed-element",
        "unknown-option",
        "refused-value",
        "no-effect",
        "unread-options",
    ] {
        let file = root.join("tests/rules").join(rule).join("manifests.yaml");
        let (text, name) = (fs::read_to_string(&file)?, uri(&file));
        let before = counts(&editor.open(&name, &text));
        let actions = editor.actions(&name, &whole(), Some("quickfix"));
        for action in actions.iter().filter(|action| action["isPreferred"] == true) {
            let code = action["diagnostics"][0]["code"].as_str().expect("a code");
            if codes.get(code).copied().unwrap_or_default() >= 6 {
                continue;
            }
            let new = edited(&text, action, &name);
            let after = counts(&editor.change(&name, 2, &json!([{"text": new}])));
            let count = |counts: &BTreeMap<String, usize>| counts.get(code).copied().unwrap_or_default();
            assert!(count(&after) < count(&before), "{rule}: {action}\n{new}");
            assert!(!after.contains_key("unreadable") || before.contains_key("unreadable"), "{action}");
            *codes.entry(code.to_owned()).or_insert(0) += 1;
        }
        editor.change(&name, 3, &json!([{"text": text}]));
        editor.close(&name);
    }
    assert!(codes.len() >= 9, "{codes:?}");
    Ok(())
}

fn explains_what_explain_does() -> Result<(), Failed> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let markdown = json!({"textDocument": {"hover": {"contentFormat": ["markdown", "plaintext"]}}});
    for (capabilities, kind) in [(json!({}), "plaintext"), (markdown, "markdown")] {
        let mut editor = Editor::ready(&capabilities);
        for file in
            ["examples/lost-volume.yaml", "tests/kinds/CronJob.yaml", "tests/kinds/PersistentVolume.yaml"]
        {
            let file = root.join(file);
            let (text, name) = (fs::read_to_string(&file)?, uri(&file));
            let explained = printed(&["explain", "--no-policy", "-f", &file.display().to_string()], "");
            let folder = format!("{}/", file.parent().expect("a folder").display());
            let explained = explained.replace(&folder, "");
            let (mut options, mut lists) = (0, 0);
            for diagnostic in editor.open(&name, &text) {
                let at = &diagnostic["range"]["start"];
                let place = |part: &str| at[part].as_u64().expect("a number");
                let hover = editor.hover(&name, place("line"), place("character"));
                assert_eq!(hover["contents"]["kind"], kind, "{diagnostic}");
                let value = hover["contents"]["value"].as_str().expect("text");
                let code = diagnostic["code"].as_str().expect("a code");
                assert!(value.contains(code) && value.contains(&format!("{code}.md")), "{code}: {value}");
                let begin = value.find(&format!("{}:", file.file_name().expect("a name").display()));
                let paragraph = value[begin.expect("a paragraph")..].trim_end_matches(['`', '\n']);
                assert!(explained.contains(paragraph), "{paragraph}\n---\n{explained}");
                if value.starts_with(['[', 'N']) { lists += 1 } else { options += 1 }
            }
            assert!(options > 0 || lists > 0, "{}", file.display());
        }
    }
    Ok(())
}

const CLASS: &str = "\
# bg is bad
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: slow}
provisioner: nfs.csi.k8s.io
mountOptions: # timeo=600
  - bg # bg
  - 'hard,nfsvers=4.1'
  - timeo=600
  - retrans=2
";

fn says_nothing_elsewhere() -> Result<(), Failed> {
    let mut editor = Editor::ready(&characters());
    let name = "file:///class.yaml";
    editor.open(name, CLASS);
    let mut text = |line, character| {
        let hover = editor.hover(name, line, character);
        (hover["contents"]["value"].as_str().map(ToOwned::to_owned), hover["range"].clone())
    };
    for (line, character, why) in [
        (0, 3, "a comment"),
        (2, 3, "a key"),
        (3, 12, "a name"),
        (4, 15, "the driver"),
        (5, 18, "a comment behind the key"),
        (6, 2, "a dash"),
        (6, 8, "a comment behind an option"),
        (7, 4, "a quote"),
        (99, 0, "behind the text"),
    ] {
        assert_eq!(text(line, character).0, None, "{why}");
    }
    // A comma is a part of no option, and here of a finding.
    let (comma, range) = text(7, 9);
    assert!(comma.is_some_and(|comma| comma.starts_with("NMG009 malformed-element: ")));
    assert_eq!(range["end"], json!({"line": 7, "character": 21}));
    let (list, range) = text(5, 4);
    assert!(list.is_some_and(|list| list.starts_with("class.yaml:2: StorageClass/slow\n")));
    assert_eq!(range["end"], json!({"line": 5, "character": 12}));
    let (option, range) = text(7, 12);
    assert!(option.is_some_and(|option| option.starts_with("nfsvers=4.1: read by ")));
    assert_eq!(range["start"], json!({"line": 7, "character": 10}));
    assert_eq!(range["end"], json!({"line": 7, "character": 21}));
    Ok(())
}

fn names_what_is_unsafe() -> Result<(), Failed> {
    let mut editor = Editor::ready(&characters());
    let name = "file:///class.yaml";
    let class = "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: a}\nprovisioner: example.com/nfs\n\
                 parameters: {mountOptions: \"vers=4.1,bg\"}\n";
    editor.open(name, class);
    let actions = editor.actions(name, &whole(), Some("quickfix"));
    let title = |action: &Value| action["title"].as_str().expect("a title").to_owned();
    let is_unsafe = |action: &&Value| title(action).contains("unsafe");
    let safe: Vec<&Value> = actions.iter().filter(|action| !is_unsafe(action)).collect();
    assert!(title(safe[0]).starts_with("Replace bg with fg (NMG001"), "{actions:?}");
    assert!(safe[0]["isPreferred"] == true, "{actions:?}");
    let bold: Vec<&Value> = actions.iter().filter(is_unsafe).collect();
    assert!(bold.len() == 2 && bold.iter().all(|action| action.get("isPreferred").is_none()), "{actions:?}");
    assert!(title(bold[0]).contains("NMG003") && title(bold[0]).contains("immutable"), "{actions:?}");
    assert!(edited(class, bold[0], name).contains("\"vers=4.1,bg,timeo=600\""), "{actions:?}");
    let all = editor.actions(name, &whole(), Some("source.fixAll.nfs-mount-guard"));
    assert!(edited(class, &all[0], name).contains("\"vers=4.1,fg\""), "{all:?}");
    Ok(())
}

/// Whatever tokens an edit replaces: a list that is not there, a string in quotes, a key.
fn titles() -> Result<(), Failed> {
    let head = "{\"apiVersion\":\"storage.k8s.io/v1\",\"kind\":\"StorageClass\",\"metadata\":{\"name\":\"a\"},\"provisioner\":\"nfs.csi.k8s.io\",";
    let yaml = "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: a}\nprovisioner: nfs.csi.k8s.io\n";
    let long = "context=\\\"system_u:object_r:a_very_long_type_name_of_a_label_t:s0\\\"";
    let volume = "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: p}\nspec:\n  capacity: {storage: 1Gi}\n  accessModes: [ReadWriteMany]\n";
    let documents = [
        (format!("{head}\"parameters\":{{\"server\":\"s\",\"share\":\"/\"}}}}"), "Add fg (NMG002 "),
        (format!("{head}\"mountOptions\":[]}}"), "Add timeo=600 (NMG003 "),
        (format!("{head}\"mountOptions\":[\"hard\",\"bg\",\"{long}\"]}}"), "Replace bg with fg (NMG001 "),
        (
            format!("{yaml}mountOptions: ['hard,bg', vers=4.1]\n"),
            "Split it into one option an element (NMG009 ",
        ),
        (format!("{yaml}mountOptions:\n- hard\n- ' vers=4.1'\n"), "Trim vers=4.1 (NMG009 "),
        (format!("{yaml}mountOptions: [retrnas=3]\n"), "Replace retrnas=3 with retrans=3 (NMG011 "),
        (format!("{yaml}mountOptions: [timeo=100, fg, timeo=600]\n"), "Remove timeo=100 (NMG008 "),
        (format!("{yaml}mountOption: [hard, vers=4.1]\n"), "Move mountOption to mountOptions (NMG020 "),
        (
            format!("{head}\"mountOption\":[\"hard\",\"vers=4.1\"]}}"),
            "Move mountOption to mountOptions (NMG020 ",
        ),
        (
            format!("{yaml}parameters: {{server: s, share: /, mountOptions: hard}}\n"),
            "Move parameters.mountOptions to mountOptions (NMG020 unread-options), unsafe",
        ),
        (
            format!("{volume}  nfs: {{server: s, path: /, mountOptions: [vers=4.1]}}\n"),
            "Move spec.nfs.mountOptions to spec.mountOptions (NMG020 ",
        ),
        (
            format!(
                "{volume}  csi: {{driver: nfs.csi.k8s.io, volumeHandle: h, volumeAttributes: {{server: s, share: /, mountOptions: 'hard,bg'}}}}\n"
            ),
            "Replace bg with fg (NMG001 background-mount), immutable: recreate an existing object",
        ),
    ];
    let mut editor = Editor::ready(&characters());
    for (index, (text, title)) in documents.iter().enumerate() {
        let name = format!("file:///{index}.yaml");
        editor.open(&name, text);
        let actions = editor.actions(&name, &whole(), Some("quickfix"));
        let titles: Vec<&str> = actions.iter().filter_map(|action| action["title"].as_str()).collect();
        assert!(titles.iter().any(|found| found.starts_with(title)), "{title}: {titles:#?}");
        let is_odd =
            |title: &&&str| title.starts_with("Fix NMG") || title.contains(['[', ']', '{', '"', ':']);
        let odd: Vec<_> = titles.iter().filter(|title| !title.contains(", ")).filter(is_odd).collect();
        assert!(odd.is_empty(), "{text}: {odd:?}");
    }
    Ok(())
}

fn broken_json() -> Result<(), Failed> {
    let mut editor = Editor::ready(&characters());
    let head = "{\n \"apiVersion\": \"storage.k8s.io/v1\", \"kind\": \"StorageClass\",\n";
    for (body, line, character, words) in [
        (" \"mountOptions\": [\"bg\" \"hard\"]\n}", 2, 23, "is not JSON: expected \",\" or \"]\""),
        (" \"mountOptions\": [\"bg\"]\n", 3, 0, "is not JSON: it ends before it is closed"),
    ] {
        let found = editor.open("file:///class.json", &format!("{head}{body}"));
        let error = found.iter().find(|found| found["code"] == "unreadable").ok_or("an error")?;
        assert!(error["message"].as_str().is_some_and(|text| text.starts_with(words)), "{error}");
        assert_eq!(error["range"]["start"], json!({"line": line, "character": character}), "{body}: {error}");
    }
    let found = editor.open("file:///class.yaml", "kind: StorageClass\nmountOptions: [bg\n");
    assert!(found[0]["message"].as_str().is_some_and(|text| text.starts_with("is not YAML: ")), "{found:?}");
    Ok(())
}

fn offers_the_kinds() -> Result<(), Failed> {
    let mut editor = Editor::ready(&characters());
    let name = "file:///class.yaml";
    editor.open(name, CLASS);
    let kinds = |actions: Vec<Value>| {
        let kinds = actions.iter().map(|action| action["kind"].as_str().expect("a kind").to_owned());
        kinds.collect::<std::collections::BTreeSet<_>>().into_iter().collect::<Vec<_>>()
    };
    for (only, expected) in [
        (None, vec!["quickfix", "source.fixAll.nfs-mount-guard"]),
        (Some("quickfix"), vec!["quickfix"]),
        (Some("source"), vec!["source.fixAll.nfs-mount-guard"]),
        (Some("source.fix"), vec![]),
        (Some("refactor"), vec![]),
    ] {
        assert_eq!(kinds(editor.actions(name, &whole(), only)), expected, "{only:?}");
    }
    // Only what stands there.
    let at =
        |line: u64| json!({"start": {"line": line, "character": 5}, "end": {"line": line, "character": 5}});
    assert_eq!(editor.actions(name, &at(6), Some("quickfix")).len(), 1);
    assert_eq!(editor.actions(name, &at(2), Some("quickfix")).len(), 0);
    Ok(())
}

fn names_versions() -> Result<(), Failed> {
    let mut editor = Editor::ready(&json!({"workspace": {"workspaceEdit": {"documentChanges": true}}}));
    let name = "file:///class.yaml";
    editor.open(name, CLASS);
    editor.change(name, 7, &json!([{"text": CLASS}]));
    let actions = editor.actions(name, &whole(), None);
    for action in &actions {
        let changes = &action["edit"]["documentChanges"];
        assert_eq!(changes[0]["textDocument"], json!({"uri": name, "version": 7}), "{action}");
        assert!(changes[0]["edits"][0]["newText"].is_string(), "{action}");
    }
    assert!(actions.len() > 2, "{actions:?}");
    Ok(())
}

fn shows_repairs() -> Result<(), Failed> {
    let mut editor = Editor::start(Path::new("/"), &["--no-policy", "--as", "mutate", "--select", "NMG001"]);
    editor.initialize(&json!({}));
    let diagnostics = editor.open("file:///class.yaml", CLASS);
    assert_eq!(diagnostics.len(), 1, "{diagnostics:?}");
    assert_eq!((&diagnostics[0]["severity"], &diagnostics[0]["code"]), (&json!(3), &json!("NMG001")));
    Ok(())
}

/// The task for VS Code: its pattern reads each line of the report but the last one.
fn problem_matcher() -> Result<(), Failed> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/editor.md"))?;
    let block = page.split("<!-- vscode -->\n```json\n").nth(1).and_then(|rest| rest.split("```").next());
    let tasks: Value = serde_json::from_str(block.expect("a block"))?;
    let task = &tasks["tasks"][0];
    let pattern = &task["problemMatcher"]["pattern"][0];
    let names = ["file", "line", "column", "code", "severity", "message"];
    assert_eq!(names.map(|name| pattern[name].as_u64()), [1, 2, 3, 4, 5, 6].map(Some), "{pattern}");
    let regexp = pattern["regexp"].as_str().expect("a pattern");
    let folder = root.join("tests/check").display().to_string();
    let args = task["args"].as_array().expect("arguments").iter().map(|arg| arg.as_str().expect("text"));
    let mut args: Vec<&str> = args.map(|arg| if arg == "." { &folder } else { arg }).collect();
    args.push("--no-policy");
    let report = printed(&args, "");
    // JavaScript reads the pattern as PCRE does.
    let mut grep =
        Command::new("grep").args(["-cP", regexp]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    grep.stdin.take().expect("its input").write_all(report.as_bytes())?;
    let counted = String::from_utf8(grep.wait_with_output()?.stdout)?;
    let lines = report.lines().count();
    assert!(lines > 5 && report.contains(" unreadable ") && report.contains(" warn "), "{report}");
    assert_eq!(counted.trim(), (lines - 1).to_string(), "{report}");
    Ok(())
}
