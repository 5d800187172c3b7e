//! The checks as parts of docs/doctor.md.

use std::fmt::Write as _;

use super::causes::CAUSES;
use super::checks::CHECKS;

/// Returns the table of checks.
pub fn table() -> String {
    let mut table = "| check | is ok if | needs |\n|---|---|---|\n".to_owned();
    for check in CHECKS {
        let needs = if check.needs.is_empty() { "-".to_owned() } else { check.needs.join(", ") };
        let anchor = check.page().replace("docs/doctor.md", "");
        // Writing to a string cannot fail.
        let _ = writeln!(table, "| [{} {}]({anchor}) | {} | {needs} |", check.id, check.name, check.title);
    }
    table
}

/// Returns a section a check: what it looks at, what a fault does, and the remedy.
pub fn sections() -> String {
    let mut text = String::new();
    for check in CHECKS {
        let needs = match check.needs {
            [] => String::new(),
            needs => format!(" Needs {}.", needs.join(", ")),
        };
        let _ = writeln!(
            text,
            "### {} {}\n\n{}.{needs}\n\nIf it fails: {}.\n\n{}",
            check.id,
            check.name,
            check.title,
            check.effect,
            remedy(check.remedy)
        );
    }
    text
}

/// Returns a command as a block, anything else as a sentence.
fn remedy(text: &str) -> String {
    let is_command = ["kubectl ", "helm ", "nfs-mount-guard "].iter().any(|start| text.starts_with(start));
    if is_command {
        format!("```sh\n{}\n```\n", example(text))
    } else {
        format!("Remedy: {}.\n", example(text))
    }
}

/// Returns the table of causes.
pub fn causes() -> String {
    let mut table = "| the message contains | cause | remedy |\n|---|---|---|\n".to_owned();
    for cause in CAUSES {
        let texts: Vec<String> = cause.texts.iter().map(|text| format!("`{}`", text.trim())).collect();
        let _ = writeln!(table, "| {} | {} | `{}` |", texts.join(", "), cause.meaning, example(cause.remedy));
    }
    table
}

/// Returns a remedy with the names that the documentation uses.
fn example(remedy: &str) -> String {
    let usual = super::installation::USUAL;
    let removal = format!(
        "kubectl delete validatingwebhookconfiguration/{usual} mutatingwebhookconfiguration/{usual} --ignore-not-found"
    );
    remedy
        .replace("{removal}", &removal)
        .replace("{namespace}", usual)
        .replace("{name}", usual)
        .replace("{selector}", &super::checks::usual_selector(usual))
        .replace("{certificates}", &format!("{usual}-certificates"))
        .replace("{release}", usual)
}
