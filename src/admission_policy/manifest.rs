//! The objects as YAML for people to read: expressions over several lines, with
//! a comment before each.

use std::fmt::Write as _;

use super::background_mount::{Validation, Variable};
use super::match_conditions::MatchCondition;
use crate::kind::Kind;
use crate::subject::manifest::MUTATE_LABEL;

/// Returns a text with every line that is not empty moved to the right.
pub(super) fn indented(text: &str, by: usize) -> String {
    let mut indented = String::new();
    for line in text.lines() {
        // White space at the end of a line would be a fault to linters.
        if !line.is_empty() {
            let _ = write!(indented, "{:by$}{line}", "");
        }
        indented.push('\n');
    }
    indented
}

fn comment(text: &str, by: usize) -> String {
    text.lines().fold(String::new(), |mut all, line| {
        // Writing to a string cannot fail.
        let _ = writeln!(all, "{:by$}# {line}", "");
        all
    })
}

/// Returns a field whose value is an expression.
pub(super) fn expression(field: &str, text: &str, by: usize) -> String {
    format!("{:by$}{field}: |-\n{}", "", indented(text, by + 2))
}

/// Returns a list of named expressions, as `matchConditions` and `variables` are.
fn named<'n>(items: impl Iterator<Item = (&'n str, &'n str, &'n str)>, by: usize) -> String {
    items.fold(String::new(), |mut all, (name, what, text)| {
        all.push_str(&comment(what, by));
        let _ = writeln!(all, "{:by$}- name: {name}", "");
        all.push_str(&expression("expression", text, by + 2));
        all
    })
}

/// Returns the items of a list `matchConditions`.
pub(super) fn match_conditions(conditions: &[MatchCondition], by: usize) -> String {
    named(conditions.iter().map(|condition| (condition.name, condition.comment, &*condition.expression)), by)
}

/// Returns the items of a list `variables`.
pub(super) fn variables(variables: &[Variable], by: usize) -> String {
    named(variables.iter().map(|variable| (variable.name, variable.comment, &*variable.expression)), by)
}

/// Returns the items of a list `validations`.
pub(super) fn validations(validations: &[Validation], by: usize) -> String {
    validations.iter().fold(String::new(), |mut all, validation| {
        let _ = writeln!(all, "{:by$}- expression: |-", "");
        all.push_str(&indented(&validation.expression, by + 4));
        let _ = writeln!(all, "{:1$}message: >-", "", by + 2);
        all.push_str(&indented(&validation.message, by + 4));
        if let Some(expression) = &validation.message_expression {
            let _ = writeln!(all, "{:1$}messageExpression: |-", "", by + 2);
            all.push_str(&indented(expression, by + 4));
        }
        all
    })
}

/// Returns the requests in question: classes and volumes are created or updated, and the status of
/// volumes, with which annotations change.
pub(super) fn match_constraints(by: usize, honours_label: bool) -> String {
    let mut text = String::from("resourceRules:\n");
    for (kind, resource) in [
        (Kind::StorageClass, "storageclasses"),
        (Kind::PersistentVolume, "persistentvolumes, persistentvolumes/status"),
    ] {
        let _ = write!(
            text,
            "  - apiGroups: [{:?}]\n    apiVersions: [v1]\n    operations: [CREATE, UPDATE]\n    resources: [{resource}]\n    scope: Cluster\n",
            kind.group()
        );
    }
    if honours_label {
        let _ = write!(
            text,
            "objectSelector:\n  matchExpressions:\n    - key: {MUTATE_LABEL}\n      operator: NotIn\n      values: [disabled]\n"
        );
    }
    indented(&text, by)
}
