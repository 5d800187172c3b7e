//! Reference pages: commands, report formats and log events are those of the
//! code.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use clap::{Command, CommandFactory as _};
use nfs_mount_guard::cli::Cli;
use nfs_mount_guard::rules::RULES;
use serde_json::Value;

use super::{compare, compare_part, files, root, words};

/// Columns of a terminal that every help text fits.
const COLUMNS: usize = 79;

/// Adds the help of a command and of its subcommands.
fn write_command(page: &mut String, command: &mut Command, name: &str) {
    let help = command.render_long_help().to_string();
    writeln!(page, "\n## {name}\n\n```text").expect("written");
    for line in help.lines() {
        writeln!(page, "{}", line.trim_end()).expect("written");
    }
    page.push_str("```\n");
    for inner in command.get_subcommands_mut().filter(|inner| inner.get_name() != "help") {
        let name = format!("{name} {}", inner.get_name());
        write_command(page, inner, &name);
    }
}

/// A variable may be set where the test runs: its value is no part of the page.
fn without_values(command: Command) -> Command {
    let command = command.mut_args(|argument| argument.hide_env_values(true));
    command.mut_subcommands(without_values)
}

#[cfg(feature = "serve")]
#[test]
fn the_page_of_commands_is_that_of_the_program() {
    let mut command = without_values(Cli::command().term_width(COLUMNS));
    command.build();
    let mut page = String::from(
        "# Commands\n\nFor readers who look up a flag, an environment variable or an exit code: the text of `--help` of every \
         command.\n",
    );
    write_command(&mut page, &mut command, "nfs-mount-guard");
    compare(&root().join("docs/cli.md"), &page);
}

/// clap wraps what it lays out; examples and tables are printed as they are.
#[test]
fn no_example_of_a_help_text_is_wider_than_a_terminal() {
    fn check(command: &Command, wide: &mut Vec<String>, seen: &mut usize) {
        for text in [command.get_after_help(), command.get_after_long_help()].into_iter().flatten() {
            let text = text.to_string();
            *seen += text.lines().count();
            wide.extend(text.lines().filter(|line| line.chars().count() > COLUMNS).map(str::to_owned));
        }
        for inner in command.get_subcommands() {
            check(inner, wide, seen);
        }
    }
    let (mut wide, mut seen) = (Vec::new(), 0);
    check(&Cli::command(), &mut wide, &mut seen);
    assert!(wide.is_empty() && seen > 50, "{seen} lines: {wide:#?}");
}

/// The usage, the flags and their texts at a terminal of the usual width.
#[test]
fn no_line_of_a_help_text_fills_a_terminal() {
    fn check(command: &mut Command, wide: &mut Vec<String>, seen: &mut usize) {
        for help in [command.render_help(), command.render_long_help()] {
            let help = help.to_string();
            *seen += help.lines().count();
            wide.extend(help.lines().filter(|line| line.chars().count() > COLUMNS).map(str::to_owned));
        }
        command.get_subcommands_mut().for_each(|inner| check(inner, wide, seen));
    }
    let mut command = without_values(Cli::command());
    command.build();
    let (mut wide, mut seen) = (Vec::new(), 0);
    check(&mut command, &mut wide, &mut seen);
    assert!(wide.is_empty() && seen > 1000, "{seen} lines: {wide:#?}");
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").replace('\n', " ")
}

/// The type of a schema's value, as a reader of JSON calls it.
fn kind(schema: &Value) -> String {
    if let Some(fixed) = schema.get("const") {
        return format!("`{fixed}`");
    }
    if let Some(values) = schema["enum"].as_array() {
        let shown: Vec<String> = values.iter().take(4).map(|value| format!("`{value}`")).collect();
        let more = if values.len() > 4 { ", ..." } else { "" };
        return format!("{}{more}", shown.join(", "));
    }
    match &schema["type"] {
        Value::String(one) => one.clone(),
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        _ => String::new(),
    }
}

fn write_fields(table: &mut String, schema: &Value, path: &str) {
    for (key, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}{key}");
        let text = field["description"].as_str().unwrap_or_default();
        writeln!(table, "| `{path}` | {} | {} |", cell(&kind(field)), cell(text)).expect("written");
        write_fields(table, field, &format!("{path}."));
        write_fields(table, &field["items"], &format!("{path}[]."));
    }
}

#[test]
fn the_kinds_of_the_schema_are_those_of_the_code() {
    use nfs_mount_guard::kind::Kind;
    let text = fs::read_to_string(root().join("docs/check.schema.json")).expect("a schema");
    let schema: Value = serde_json::from_str(&text).expect("JSON");
    let kinds = &schema["properties"]["subjects"]["items"]["properties"]["kind"]["enum"];
    let expected: Vec<&str> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
    assert_eq!(*kinds, serde_json::json!(expected), "docs/check.schema.json: the kinds of a subject");
}

#[test]
fn the_fields_of_the_reports_are_those_of_the_schemas() {
    for name in ["check", "doctor", "node-check"] {
        let text = fs::read_to_string(root().join(format!("docs/{name}.schema.json"))).expect("a schema");
        let schema: Value = serde_json::from_str(&text).expect("JSON");
        let mut table = String::from("| field | type | content |\n|---|---|---|\n");
        write_fields(&mut table, &schema, "");
        compare_part("docs/report-formats.md", name, &table);
    }
}

#[cfg(feature = "serve")]
#[test]
fn the_checks_of_doctor_are_those_of_the_code() {
    use nfs_mount_guard::doctor::page;
    compare_part("docs/doctor.md", "checks", &page::table());
    compare_part("docs/doctor.md", "causes", &page::causes());
    compare_part("docs/doctor.md", "sections", &page::sections());
}

/// A key that no page explains is a key that users guess.
#[test]
fn the_page_of_the_policy_explains_every_key() {
    let read = |name: &str| fs::read_to_string(root().join("docs").join(name)).expect("text");
    let schema: Value = serde_json::from_str(&read("policy.schema.json")).expect("JSON");
    let page = read("policy.md");
    let keys = schema["properties"].as_object().expect("keys").keys();
    let is_named = |key: &&String| {
        [format!("`{key}"), format!("\n{key}: "), format!("\n{key}:\n")]
            .iter()
            .any(|named| page.contains(named))
    };
    let missing: Vec<&String> = keys.filter(|key| !is_named(key)).collect();
    assert!(missing.is_empty(), "docs/policy.md: {missing:?}");
}

/// First cells of a table's rows, without backticks and emphasis.
fn first_cells(page: &str, mark: &str) -> BTreeSet<String> {
    let (_, rest) = page.split_once(&format!("<!-- {mark} -->\n")).expect("the table's start");
    let (table, _) = rest.split_once(&format!("<!-- /{mark} -->")).expect("the table's end");
    let rows = table.lines().skip(2);
    rows.filter_map(|row| row.split('|').nth(1))
        .map(|cell| cell.trim().trim_matches('*').trim_matches('`').to_owned())
        .collect()
}

fn logs() -> String {
    fs::read_to_string(root().join("docs/logs.md")).expect("the page")
}

#[test]
fn the_fields_of_a_decision_are_described() {
    let code = fs::read_to_string(root().join("src/telemetry/log/decision.rs")).expect("the code");
    let code = code.split("#[cfg(test)]\nmod").next().expect("the code").to_owned();
    let mut fields = BTreeSet::new();
    for (start, _) in code.match_indices("\\\"") {
        let rest = &code[start + 2..];
        let name: String = rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
        if !name.is_empty() && rest[name.len()..].starts_with("\\\":") {
            fields.insert(name);
        }
    }
    assert!(fields.len() > 15, "{fields:?}");
    assert_eq!(first_cells(&logs(), "fields"), fields);
}

/// The last text of every call that logs, and the steps of a rotation.
#[test]
fn every_event_of_the_log_is_described() {
    let mut events = BTreeSet::new();
    for file in files(&root().join("src")) {
        let code = fs::read_to_string(&file).expect("text");
        for level in ["debug", "info", "warn", "error"] {
            for (start, _) in code.match_indices(&format!("tracing::{level}!(")) {
                let call = code[start..].split(");\n").next().unwrap_or_default();
                if let Some(text) = words::strings(call).pop().filter(|text| text != "{}") {
                    events.insert(text);
                }
            }
        }
        if file.ends_with("ca/rotation.rs") {
            let steps = code.split("fn as_str").nth(1).and_then(|rest| rest.split("    }\n}").next());
            events.extend(words::strings(steps.expect("the steps")));
        }
    }
    assert!(events.len() > 20, "{events:?}");
    assert_eq!(first_cells(&logs(), "events"), events);
}

/// An address, also of a measurement of our own, or a man page.
#[test]
fn every_reference_of_a_rule_can_be_looked_up() {
    let is_page = |text: &str| {
        let name = text.split([',', ' ']).next().unwrap_or_default();
        name.ends_with(')') && name.contains('(')
    };
    let mut wrong = Vec::new();
    for rule in RULES {
        for reference in rule.references {
            if !reference.contains("https://") && !is_page(reference) {
                wrong.push(format!("{}: {reference}", rule.code));
            }
        }
        assert!(!rule.references.is_empty(), "{}", rule.code);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Names of annotations and labels in a text: what stands in quotes and has a domain before a slash.
fn names_with_a_domain(text: &str) -> impl Iterator<Item = &str> {
    text.split(['"', '\'', ' ', '\n']).filter(|word| {
        let Some((domain, name)) = word.split_once('/') else { return false };
        let of_kubernetes = ["volume.beta.kubernetes.io", "pv.kubernetes.io", "kubectl.kubernetes.io"];
        let is_ours = domain == "nfs-mount-guard.io" || of_kubernetes.contains(&domain);
        is_ours && !name.is_empty() && name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-')
    })
}

#[test]
fn the_page_of_annotations_has_each_that_the_code_reads_or_writes() {
    let page = fs::read_to_string(root().join("docs/annotations.md")).expect("the page");
    let mut names = BTreeSet::new();
    for folder in ["src", "crates"] {
        for file in
            files(&root().join(folder)).iter().filter(|file| file.extension().is_some_and(|is| is == "rs"))
        {
            let text = fs::read_to_string(file).expect("a source file");
            names.extend(names_with_a_domain(&text).map(str::to_owned));
        }
    }
    assert!(names.contains("pv.kubernetes.io/provisioned-by"), "{names:?}");
    let missing: Vec<&String> = names.iter().filter(|name| !page.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "not in docs/annotations.md: {missing:?}");
}

#[test]
fn the_ports_of_the_page_of_annotations_are_those_of_the_chart() {
    let page = fs::read_to_string(root().join("docs/annotations.md")).expect("the page");
    let values = fs::read_to_string(root().join("manifests/chart/values.yaml")).expect("the values");
    let values: Value = serde_saphyr::from_str(&values).expect("YAML");
    for path in ["service.port", "server.port", "server.statusPort", "networkPolicy.apiServerPorts"] {
        let pointer = format!("/{}", path.replace('.', "/"));
        let value = values.pointer(&pointer).expect("a value of the chart");
        let numbers: Vec<String> = match value {
            Value::Array(items) => items.iter().map(Value::to_string).collect(),
            other => vec![other.to_string()],
        };
        let row = format!("| {} | `{path}` |", numbers.join(", "));
        assert!(page.contains(&row), "docs/annotations.md lacks {row}");
    }
}
