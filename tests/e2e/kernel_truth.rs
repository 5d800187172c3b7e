//! `tests/kernel-truth/compare`: what counts as a difference between two measured tables.

use std::path::Path;
use std::process::Command;

use libtest_mimic::{Failed, Trial};
use tempfile::TempDir;

const TRUTH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kernel-truth");

/// Tests of the comparison of tables.
pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test("kernel_truth::what_belongs_to_the_machine_is_no_difference", machine),
        Trial::test("kernel_truth::each_fact_of_a_row_is_compared", facts),
    ]
}

/// Compares a committed table with itself after a change of one column of one row.
fn compare(
    options: &str,
    mode: &str,
    column: usize,
    change: impl Fn(&str) -> String,
) -> (Option<i32>, String) {
    let table = Path::new(TRUTH).join("6.12.tsv");
    let text = std::fs::read_to_string(&table).expect("a table");
    let mut changed = 0;
    let lines: Vec<String> = text
        .lines()
        .map(|line| {
            let mut fields: Vec<String> = line.split('\t').map(ToOwned::to_owned).collect();
            if fields[..2] == [options, mode] {
                let value = change(&fields[column]);
                assert_ne!(value, fields[column], "the change changes something");
                fields[column] = value;
                changed += 1;
            }
            fields.join("\t") + "\n"
        })
        .collect();
    assert_eq!(changed, 1, "{options:?} {mode}");
    let folder = TempDir::new().expect("a folder");
    let measured = folder.path().join("measured.tsv");
    std::fs::write(&measured, lines.concat()).expect("written");
    let output =
        Command::new(format!("{TRUTH}/compare")).arg(&table).arg(&measured).output().expect("it runs");
    (output.status.code(), String::from_utf8(output.stdout).expect("text"))
}

/// A change of one column: options, mode, the column and its name.
type Change = (&'static str, &'static str, usize, &'static str, fn(&str) -> String);

fn machine() -> Result<(), Failed> {
    let changes: &[Change] = &[
        ("hard,bg", "live", 5, "effective", |text| text.replace("clientaddr=10.9.1.", "clientaddr=10.9.1.1")),
        ("vers=3", "live", 5, "effective", |text| text.replace("mountport=", "mountport=1")),
        ("vers=3", "refused", 6, "stderr", |text| text.replace("on /mnt/", "on /mnt/9")),
        ("bg", "refused", 7, "tries", |text| text.replace("addr=10.66.0.", "addr=10.66.0.1")),
        ("vers=3", "refused", 3, "seconds", |_| "110.000".to_owned()),
        ("hard,bg", "live", 3, "seconds", |_| "24.000".to_owned()),
    ];
    for (options, mode, column, name, change) in changes {
        let (status, said) = compare(options, mode, *column, change);
        assert_eq!(status, Some(0), "{name}: {said}");
        assert!(said.starts_with("439 rows compared: 0 differ"), "{said}");
    }
    Ok(())
}

fn facts() -> Result<(), Failed> {
    let changes: &[Change] = &[
        ("hard,bg", "live", 2, "exit", |_| "32".to_owned()),
        ("hard,bg", "live", 4, "mounted", |_| "no".to_owned()),
        ("hard,bg", "live", 5, "effective", |text| text.replace("timeo=600", "timeo=60")),
        ("vers=3", "refused", 6, "stderr", |text| text.replace("refused", "timed out")),
        ("vers=3", "refused", 3, "seconds", |_| "60.000".to_owned()),
        ("bg", "refused", 7, "process", |text| text.replace("bgproc", "")),
        ("bg", "refused", 7, "tries", |text| text.replace("vers=4.2", "vers=4.1")),
    ];
    for (options, mode, column, name, change) in changes {
        let (status, said) = compare(options, mode, *column, change);
        assert_eq!(status, Some(1), "{name}: {said}");
        let told: Vec<&str> = said.lines().collect();
        assert_eq!(told[0], format!("\"{options}\" {mode}:"), "{said}");
        assert!(told[1].trim_start().starts_with(name), "{name}: {said}");
        assert!(said.contains("439 rows compared: 1 differ"), "{said}");
    }
    Ok(())
}
