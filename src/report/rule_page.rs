//! A rule's page, in Markdown: what `explain` prints and docs/rules/ holds.

use std::fmt::Write as _;

use crate::finding::{Applicability, Code, Severity};
use crate::rules::{About, Profile, RULES, Rule, Set};

/// The repository of the program and its pages.
pub const REPOSITORY: &str = "https://github.com/nfs-mount-guard/nfs-mount-guard";

/// Returns the address of a rule's page.
pub fn address(code: Code) -> String {
    format!("{REPOSITORY}/blob/main/docs/rules/{code}.md")
}

/// Returns the page of one rule.
pub fn page(rule: &Rule) -> String {
    let mut page = String::new();
    // Writing to a string cannot fail.
    let _ = write_page(&mut page, rule);
    page
}

fn write_page(page: &mut String, rule: &Rule) -> std::fmt::Result {
    writeln!(page, "# {} {}: {}\n", rule.code, rule.name, rule.title)?;
    writeln!(page, "Finds: {}.\n", rule.summary)?;
    if rule.about == About::Together {
        writeln!(page, "It takes two objects: `check` of a set and `scan` find it, the webhook does not.\n")?;
    }
    writeln!(page, "## Why it matters\n\n{}\n", rule.why)?;
    writeln!(page, "## What to do\n\n{}\n", rule.remedy)?;
    writeln!(page, "## Default action\n")?;
    writeln!(page, "| profile | standard | relaxed | strict |")?;
    writeln!(page, "|---|---|---|---|")?;
    let row = |name: &str, severity: Severity| {
        let actions: Vec<&str> =
            Profile::ALL.into_iter().map(|profile| rule.default_action(severity, profile).as_str()).collect();
        format!("| {name} | {} |", actions.join(" | "))
    };
    writeln!(page, "{}", row("action", Severity::Proper))?;
    if let Some((_, when)) = rule.lesser {
        writeln!(page, "{}", row(&format!("action if {when}"), Severity::Lesser))?;
    }
    writeln!(page, "\n{}.\n", fix(rule))?;
    if !rule.settings.is_empty() {
        writeln!(page, "## Settings\n")?;
        writeln!(page, "| setting | default | range | meaning |")?;
        writeln!(page, "|---|---|---|---|")?;
        for setting in rule.settings {
            writeln!(
                page,
                "| `{}` | {} | {} to {} | {} |",
                setting.name, setting.default, setting.min, setting.max, setting.meaning
            )?;
        }
        writeln!(page)?;
    }
    writeln!(page, "## Example\n\n```yaml\n{}```\n", rule.example.bad)?;
    writeln!(page, "Use instead:\n\n```yaml\n{}```\n", rule.example.good)?;
    writeln!(page, "## References\n")?;
    for reference in rule.references {
        writeln!(page, "- {reference}")?;
    }
    writeln!(page, "\nSince {}, with version {} of the profiles.", rule.release(), rule.since)?;
    if rule.preview {
        writeln!(page, "\nIn preview: off unless the policy says `preview: true`.")?;
    }
    Ok(())
}

fn fix(rule: &Rule) -> &'static str {
    match rule.fix {
        Some(Applicability::Apply) => "Fix (`apply`): by the webhook and by `fix`",
        Some(Applicability::Offer) => "Fix (`offer`): by `fix`; the webhook does not apply it",
        Some(Applicability::Unsafe) => "Fix (`unsafe`): by `fix --unsafe-fixes` only",
        None => "No automatic fix: the intended options are not known",
    }
}

/// Returns the table of all rules, in Markdown, as the README and docs/rules/ show it. `prefix`
/// comes before the file name of each page.
pub fn table(prefix: &str) -> String {
    let mut table =
        String::from("| rule | finds | standard | relaxed | strict | fix |\n|---|---|---|---|---|---|\n");
    for rule in RULES {
        let action = |set| {
            let profile = Profile::newest(set);
            let proper = rule.default_action(Severity::Proper, profile);
            let lesser = rule.default_action(Severity::Lesser, profile);
            if lesser == proper { proper.to_string() } else { format!("{proper} or {lesser}") }
        };
        let fix = match rule.fix {
            Some(Applicability::Apply) => "apply",
            Some(Applicability::Offer) => "offer",
            Some(Applicability::Unsafe) => "unsafe",
            None => "",
        };
        let _ = writeln!(
            table,
            "| [{} {}]({prefix}{}.md) | {} | {} | {} | {} | {fix} |",
            rule.code,
            rule.name,
            rule.code,
            rule.summary,
            action(Set::Standard),
            action(Set::Relaxed),
            action(Set::Strict)
        );
    }
    table
}
