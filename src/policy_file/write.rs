//! A policy as YAML: what is set, and as comments what holds by default.

use std::fmt::Write as _;

use super::{API_VERSION, KIND};
use crate::finding::Severity;
use crate::policy::Policy;
use crate::policy::exemption::Exemption;
use crate::rules::{RULES, Rule};
use crate::subject::DriverSetting;

/// Returns the policy as a file that gives the same policy when it is read.
pub fn yaml(policy: &Policy) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_policy(&mut text, policy);
    text
}

fn write_policy(text: &mut String, policy: &Policy) -> std::fmt::Result {
    writeln!(text, "# fingerprint {}", policy.fingerprint())?;
    writeln!(text, "apiVersion: {API_VERSION}\nkind: {KIND}")?;
    writeln!(text, "mode: {}\nprofile: {}", policy.mode().as_str(), policy.profile())?;
    if policy.preview() {
        writeln!(text, "preview: true")?;
    }
    writeln!(text, "onUnreadable: {}", policy.on_unreadable().as_str())?;
    writeln!(text, "annotationExemptions: {}", policy.annotation_exemptions())?;
    writeln!(text, "rules:")?;
    for rule in RULES {
        write_rule(text, policy, rule)?;
    }
    if !policy.drivers().is_empty() {
        writeln!(text, "drivers:")?;
    }
    for driver in policy.drivers() {
        write_driver(text, driver)?;
    }
    if !policy.provisioners().is_empty() {
        let users: Vec<String> = policy.provisioners().iter().map(|user| quoted(user)).collect();
        writeln!(text, "provisioners: [{}]", users.join(", "))?;
    }
    if !policy.exemptions().is_empty() {
        writeln!(text, "exemptions:")?;
    }
    for exemption in policy.exemptions() {
        write_exemption(text, exemption)?;
    }
    Ok(())
}

fn write_rule(text: &mut String, policy: &Policy, rule: &Rule) -> std::fmt::Result {
    let own = policy.own_action(rule);
    let mut set: Vec<String> = own.iter().map(|action| format!("action: {action}")).collect();
    let mut defaults = Vec::new();
    if own.is_none() {
        defaults.push(format!("action: {}", policy.action(rule, Severity::Proper)));
    }
    let numbers = policy.numbers(rule).iter().zip(policy.own_numbers(rule));
    for (setting, (number, own)) in rule.settings.iter().zip(numbers) {
        // A default may change with the next profile, so it is a comment only.
        let list = if own.is_some() { &mut set } else { &mut defaults };
        list.push(format!("{}: {number}", setting.name));
    }
    if set.is_empty() {
        writeln!(text, "  # {}: {{{}}}", rule.name, defaults.join(", "))
    } else if defaults.is_empty() {
        writeln!(text, "  {}: {{{}}}", rule.name, set.join(", "))
    } else {
        writeln!(text, "  {}: {{{}}}  # {}", rule.name, set.join(", "), defaults.join(", "))
    }
}

fn write_driver(text: &mut String, driver: &DriverSetting) -> std::fmt::Result {
    write!(text, "  - {{name: {}", quoted(&driver.name))?;
    if let Some(nfs) = driver.nfs {
        write!(text, ", nfs: {nfs}")?;
    }
    for (key, number) in [("timeo", driver.timeo), ("retrans", driver.retrans)] {
        if let Some(number) = number {
            write!(text, ", {key}: {number}")?;
        }
    }
    writeln!(text, "}}")
}

fn write_exemption(text: &mut String, exemption: &Exemption) -> std::fmt::Result {
    let names = exemption.rules.iter().map(|code| {
        RULES
            .iter()
            .find(|rule| rule.code == *code)
            .map_or_else(|| code.to_string(), |rule| rule.name.to_owned())
    });
    writeln!(text, "  - rules: [{}]", names.collect::<Vec<_>>().join(", "))?;
    if let Some(kind) = exemption.kind {
        writeln!(text, "    kind: {kind}")?;
    }
    for (key, value) in [
        ("name", &exemption.name),
        ("namespace", &exemption.namespace),
        ("storageClassName", &exemption.storage_class_name),
        ("driver", &exemption.driver),
    ] {
        if let Some(value) = value {
            writeln!(text, "    {key}: {}", quoted(value))?;
        }
    }
    if !exemption.options.is_empty() {
        let options: Vec<String> = exemption.options.iter().map(|option| quoted(option)).collect();
        writeln!(text, "    options: [{}]", options.join(", "))?;
    }
    writeln!(text, "    reason: {}", quoted(&exemption.reason))?;
    match exemption.expires {
        Some(date) => writeln!(text, "    expires: {date}"),
        None => Ok(()),
    }
}

/// Returns a text in the double quotes of YAML, of which those of JSON are a part.
fn quoted(text: &str) -> String {
    // A JSON string is a YAML string, whatever is in it.
    serde_json::Value::from(text).to_string()
}
