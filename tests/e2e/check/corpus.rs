//! The 91 real objects, rendered in several styles of YAML and JSON with
//! comments: `fix` and then `check`.

use std::fmt::Write as _;
use std::fs;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{report, run};

/// Tests of files made from real objects.
pub fn trials() -> Vec<Trial> {
    [
        ("block", block as fn(&Value) -> String),
        ("block_with_quotes_and_crlf", quoted_crlf),
        ("flow", flow),
        ("json", |object| format!("{object:#}\n")),
    ]
    .into_iter()
    .map(|(style, render)| {
        Trial::test(
            format!("check::corpus::what_is_fixed_passes_and_nothing_else_changes_in_{style}"),
            move || round_trip(render),
        )
    })
    .collect()
}

fn scalar(value: &Value, quote: bool) -> String {
    match value {
        Value::String(text) => {
            let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._=/-".contains(&byte))
                && !["true", "false", "yes", "no", "on", "off", "null", "y", "n"]
                    .contains(&text.to_lowercase().as_str());
            match (is_plain, quote) {
                (true, false) => text.clone(),
                (_, true) if !text.contains(['\\', '\n']) => format!("'{}'", text.replace('\'', "''")),
                _ => value.to_string(),
            }
        }
        other => other.to_string(),
    }
}

fn write_block(value: &Value, indent: usize, quote: bool, text: &mut String) {
    let pad = " ".repeat(indent);
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let key = scalar(&json!(key), false);
                match value {
                    Value::Object(map) if !map.is_empty() => {
                        let _ = writeln!(text, "{pad}{key}: # about {key}");
                        write_block(value, indent + 2, quote, text);
                    }
                    Value::Array(list) if !list.is_empty() => {
                        let _ = writeln!(text, "{pad}# the {key}\n{pad}{key}:");
                        write_block(value, indent, quote, text);
                    }
                    Value::Object(_) => drop(writeln!(text, "{pad}{key}: {{}}")),
                    Value::Array(_) => drop(writeln!(text, "{pad}{key}: []  # none")),
                    _ => drop(writeln!(text, "{pad}{key}: {}  # a value", scalar(value, quote))),
                }
            }
        }
        Value::Array(list) => {
            for (index, item) in list.iter().enumerate() {
                let _ = writeln!(text, "{pad}- {}  # number {index}", scalar(item, quote));
            }
        }
        _ => {}
    }
}

fn block(object: &Value) -> String {
    let mut text = String::from("# an object\n---\n");
    write_block(object, 0, false, &mut text);
    text
}

fn quoted_crlf(object: &Value) -> String {
    let mut text = String::new();
    write_block(object, 0, true, &mut text);
    text.replace('\n', "\r\n")
}

fn flow(object: &Value) -> String {
    let mut text = String::new();
    for (key, value) in object.as_object().expect("an object") {
        let _ = writeln!(text, "{key}: {value}  # {key}");
    }
    text
}

fn round_trip(render: fn(&Value) -> String) -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let file = folder.path().join("object.yaml");
    let name = file.display().to_string();
    let (mut changed, mut passed) = (0, 0);
    for object in crate::objects::corpus() {
        let before = render(&object);
        fs::write(&file, &before)?;
        let output = run(&["fix", "--no-policy", &name]);
        assert!(matches!(output.status.code(), Some(0 | 1)), "{before}\n{output:?}");
        let after = fs::read_to_string(&file)?;
        changed += usize::from(after != before);
        let report = report(&[&name, "--no-policy"]);
        assert_eq!(report["summary"]["unreadable"], 0, "{after}");
        let subject = &report["subjects"][0];
        for finding in subject["findings"].as_array().expect("findings") {
            // A fix that changes the meaning, or a place that cannot be changed later, is left to a
            // person.
            assert!(
                finding["fix"].is_null() || finding["fix"] == "unsafe",
                "a fix is left: {finding}\n{after}"
            );
        }
        passed += usize::from(subject["decision"] == "allow");
        let again = run(&["fix", "--no-policy", &name]);
        assert_eq!(fs::read_to_string(&file)?, after, "fixed twice: {again:?}");
        only_options_changed(&before, &after);
    }
    assert!(changed > 50 && passed > 80, "{changed} changed, {passed} pass");
    Ok(())
}

/// Every line that is gone spoke of options, and line ends stay.
fn only_options_changed(before: &str, after: &str) {
    assert_eq!(before.contains('\r'), after.contains('\r'));
    assert_eq!(
        before.matches("\r\n").count() == before.matches('\n').count(),
        after.matches("\r\n").count() == after.matches('\n').count()
    );
    assert_eq!(before.ends_with('\n'), after.ends_with('\n'));
    // In JSON a line gains a comma when another one follows it.
    let kept: Vec<&str> = after.lines().map(|line| line.trim_end_matches(',')).collect();
    for line in before.lines().filter(|line| !kept.contains(&line.trim_end_matches(','))) {
        let is_item = line.trim_start().starts_with("- ") || line.trim_start().starts_with('"');
        let speaks =
            ["mountOptions", "mount-options", "nfsOptions", "options", "spec:", "parameters", "metadata"];
        assert!(
            is_item || speaks.iter().any(|word| line.contains(word)),
            "{line:?} is gone:\n{before}\n{after}"
        );
    }
    for comment in before.lines().filter_map(|line| line.split_once('#')).map(|(_, comment)| comment) {
        let is_items = comment.starts_with(" number") || comment.starts_with(" none");
        assert!(is_items || after.contains(comment), "{comment:?} is gone:\n{after}");
    }
}
