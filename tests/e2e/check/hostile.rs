//! Text that wants to be obeyed, in every name and option: no report gives a
//! terminal an escape sequence, a runner of jobs a command, or a reader text
//! that runs the other way.

use std::fs;
use std::path::Path;
use std::process::Output;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::command;

/// Tests of what is shown.
pub fn trials() -> Vec<Trial> {
    let trial =
        |name: &str, test: fn() -> Result<(), Failed>| Trial::test(format!("check::hostile::{name}"), test);
    vec![
        trial("no_format_obeys_what_a_manifest_says", no_format_obeys),
        trial("explain_obeys_nothing", explain_obeys_nothing),
        trial("fix_obeys_nothing", fix_obeys_nothing),
        trial("node_check_obeys_nothing", node_check_obeys_nothing),
        trial("an_error_of_the_command_line_obeys_nothing", errors_obey_nothing),
    ]
}

/// Characters that a terminal, a runner of jobs, a page or a reader would take for something else
/// than text.
const HOSTILE: [&str; 14] = [
    "\u{1b}[31m",
    "\u{1b}]0;title\u{7}",
    "\u{1b}]52;c;ZXZpbA==\u{1b}\\",
    "\n::error::pwned",
    "\r\n::stop-commands::x",
    "\r::set-output name=a::b",
    "::warning file=x::y",
    "##[error]pwned",
    "##vso[task.setvariable variable=a]b",
    "<script>alert(1)</script>&amp;]]>",
    "\"'`$(id)",
    "\u{202e}gnp\u{2066}",
    "\u{9b}31m\u{7f}\u{85}",
    "\u{2028}\u{feff}\u{200b}",
];

/// A List in which the text stands in every name and option that is read.
fn manifests(text: &str) -> String {
    json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": text, "namespace": text},
            "provisioner": "nfs.csi.k8s.io", "parameters": {"mountOptions": text},
            "mountOptions": ["bg", text, format!("bg={text}"), format!("timeo={text}"), format!("{text}={text}")]},
        {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": text},
            "provisioner": text, "mountOptions": ["bg", "nfsvers=3", text]},
        {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": text, "annotations":
            {"volume.beta.kubernetes.io/mount-options": format!("bg,{text}"), "pv.kubernetes.io/provisioned-by": text}},
            "spec": {"nfs": {"server": text, "path": text}, "mountOptions": [text]}},
        {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": text},
            "spec": {"csi": {"driver": "nfs.csi.k8s.io", "volumeAttributes": {"mountOptions": format!("bg,{text}")}},
            "mountOptions": [text, "soft", "hard"]}},
        {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": text}, "mountOptions": text},
    ]})
    .to_string()
}

/// A directory with the text in the name of a file of each kind, as far as a name
/// may have it.
fn folder(text: &str) -> TempDir {
    let folder = TempDir::new().expect("a folder");
    let name = text.replace('/', "");
    let at = |name: &str| folder.path().join(name);
    fs::write(at(&format!("{name}.json")), manifests(text)).expect("written");
    fs::write(at(&format!("{name}x.yaml")), format!("kind: StorageClass\na: [{text}\n")).expect("written");
    fs::write(at(&format!("{name}y.yaml")), b"kind: StorageClass\n\xFF").expect("written");
    fs::write(at("nfs-mount-guard.yaml"), "apiVersion: nfs-mount-guard.io/v1\nkind: MountPolicy\n")
        .expect("written");
    folder
}

fn run(at: &Path, args: &[&str]) -> Output {
    command(args).current_dir(at).output().expect("the program runs")
}

/// Nothing of an output is obeyed.
#[track_caller]
fn is_harmless(output: &[u8], of: &str) {
    let shown = std::str::from_utf8(output).expect("UTF-8");
    for character in shown.chars().filter(|character| *character != '\n') {
        let is_turning =
            matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        let is_break = matches!(character, '\u{2028}' | '\u{2029}');
        assert!(
            !character.is_control() && !is_turning && !is_break,
            "U+{:04X} in {of}:\n{}",
            u32::from(character),
            shown.escape_debug()
        );
    }
    for line in shown.lines() {
        assert!(!line.contains("##[") && !line.contains("##vso["), "{of}: {line}");
    }
}

/// No line is a command of GitHub's runner, which skips leading whitespace.
#[track_caller]
fn has_no_commands(output: &[u8], of: &str) {
    for line in String::from_utf8_lossy(output).lines() {
        assert!(!line.trim_start().starts_with("::"), "{of}: {line}");
    }
}

fn no_format_obeys() -> Result<(), Failed> {
    for text in HOSTILE {
        let folder = folder(text);
        for format in ["text", "concise", "json", "sarif", "junit", "github", "gitlab"] {
            for more in [&[][..], &["--as", "mutate", "--profile", "strict", "--statistics"]] {
                let output = run(folder.path(), &[&["check", ".", "--format", format], more].concat());
                let of = format!("{format} of {text:?}");
                assert_eq!(output.status.code(), Some(3), "{of}: {output:?}");
                assert!(output.stdout.len() > 300, "{of}: {output:?}");
                is_harmless(&output.stdout, &of);
                is_harmless(&output.stderr, &of);
                let shown = String::from_utf8(output.stdout)?;
                match format {
                    "json" | "sarif" | "gitlab" => {
                        serde_json::from_str::<Value>(&shown)?;
                        if format == "json" {
                            let report: Value = serde_json::from_str(&shown)?;
                            let name = &report["subjects"][0]["name"];
                            assert_eq!(name, text, "the name is still the same to who reads JSON");
                        }
                    }
                    "github" => {
                        // Every command is one of the report's own.
                        for line in shown.lines().filter(|line| line.trim_start().starts_with("::")) {
                            let own = ["::error file=", "::warning file=", "::notice file="];
                            assert!(own.iter().any(|own| line.starts_with(own)), "{of}: {line}");
                            assert!(
                                line.contains(",title=NMG0") || line.contains(",title=unreadable::"),
                                "{of}: {line}"
                            );
                        }
                    }
                    "junit" => assert!(!shown.contains("<script") && !shown.contains("]]>"), "{of}: {shown}"),
                    _ => has_no_commands(shown.as_bytes(), &of),
                }
            }
        }
    }
    Ok(())
}

fn explain_obeys_nothing() -> Result<(), Failed> {
    for text in HOSTILE {
        let folder = folder(text);
        let name = format!("{}.json", text.replace('/', ""));
        for format in ["text", "json"] {
            let output = run(folder.path(), &["explain", "--format", format, &format!("--file={name}")]);
            let of = format!("explain as {format} of {text:?}");
            assert_eq!(output.status.code(), Some(3), "{of}: {output:?}");
            assert!(output.stdout.len() > 500, "{of}: {output:?}");
            for shown in [&output.stdout, &output.stderr] {
                is_harmless(shown, &of);
                has_no_commands(shown, &of);
            }
        }
        for missing in [format!("{}y.yaml", text.replace('/', "")), format!("{text}none")] {
            let output = run(folder.path(), &["explain", &format!("--file={missing}")]);
            assert_eq!(output.status.code(), Some(3), "{missing:?}: {output:?}");
            is_harmless(&output.stderr, "an error");
            has_no_commands(&output.stderr, "an error");
        }
    }
    Ok(())
}

/// A class in YAML, with the text in comments around what is changed.
fn fix_obeys_nothing() -> Result<(), Failed> {
    for text in HOSTILE {
        let folder = TempDir::new()?;
        let name = format!("{}.yaml", text.replace('/', ""));
        let letters: Vec<String> =
            text.chars().map(|letter| format!("\\U{:08x}", u32::from(letter))).collect();
        let quoted = format!("\"{}\"", letters.concat());
        // The characters that a file may contain raw.
        let raw = text.replace(['\n', '\r', '\u{85}', '\u{2028}', '\u{feff}'], " ");
        let class = format!(
            "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {{name: {quoted}}}\nprovisioner: nfs.csi.k8s.io\nparameters:\n  x: |\n    {raw}\n\
             # {raw}\nmountOptions:\n- bg\n# {raw}\n- {quoted}\n"
        );
        fs::write(folder.path().join(&name), &class)?;
        fs::write(folder.path().join(format!("x{name}")), format!("kind: StorageClass\na: [{text}\n"))?;
        let output = run(folder.path(), &["fix", ".", "--diff"]);
        let of = format!("fix --diff of {text:?}");
        assert_eq!(output.status.code(), Some(3), "{of}: {output:?}");
        let shown = String::from_utf8_lossy(&output.stdout);
        assert!(shown.contains("\n-- bg\n+- fg\n"), "{of}: {shown}");
        for shown in [&output.stdout, &output.stderr] {
            is_harmless(shown, &of);
            // The first letter of a line of a diff is its sign.
            for line in String::from_utf8_lossy(shown).lines() {
                assert!(!line.trim_start_matches([' ', '+', '-']).starts_with("::"), "{of}: {line}");
            }
        }
        let output = run(folder.path(), &["fix", "."]);
        is_harmless(&output.stderr, &of);
        has_no_commands(&output.stderr, &of);
        // The file itself has nothing escaped that was not.
        let fixed = fs::read_to_string(folder.path().join(&name))?;
        assert!(fixed.starts_with(&class[..class.find("- bg").expect("bg")]), "{fixed}");
    }
    Ok(())
}

fn node_check_obeys_nothing() -> Result<(), Failed> {
    for text in HOSTILE {
        let folder = TempDir::new()?;
        let name = text.replace('/', "");
        let pods = folder.path().join(&name);
        let volume =
            pods.join(format!("pod{name}")).join("volumes/kubernetes.io~nfs").join(format!("v{name}"));
        fs::create_dir_all(&volume)?;
        fs::write(volume.join("file"), "x")?;
        for format in ["text", "json"] {
            let output =
                run(folder.path(), &["node-check", &format!("--pods-dir={name}"), "--format", format]);
            let of = format!("node-check as {format} of {text:?}");
            assert_eq!(output.status.code(), Some(1), "{of}: {output:?}");
            for shown in [&output.stdout, &output.stderr] {
                is_harmless(shown, &of);
                has_no_commands(shown, &of);
            }
        }
    }
    Ok(())
}

fn errors_obey_nothing() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    for text in HOSTILE {
        for args in [
            vec!["check".to_owned(), format!("x{text}")],
            vec!["check".to_owned(), ".".to_owned(), format!("--policy=x{text}")],
            vec!["check".to_owned(), ".".to_owned(), format!("--baseline=x{text}")],
            vec!["check".to_owned(), ".".to_owned(), format!("--exclude=x{text} {{")],
            vec!["check".to_owned(), ".".to_owned(), format!("--select=x{text}")],
            vec!["fix".to_owned(), format!("x{text}")],
            vec!["explain".to_owned(), format!("x{text}")],
            vec!["node-check".to_owned(), format!("--pods-dir=x{text}")],
        ] {
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            let output = run(folder.path(), &args);
            assert!(matches!(output.status.code(), Some(2 | 3)), "{args:?}: {output:?}");
            for shown in [&output.stdout, &output.stderr] {
                is_harmless(shown, &format!("{args:?}"));
                has_no_commands(shown, &format!("{args:?}"));
            }
        }
    }
    Ok(())
}
