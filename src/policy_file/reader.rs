//! From the tree of a document to a policy. Reading continues after a mistake,
//! so that one run shows them all.

mod exemption;
mod foreign;

use std::collections::HashSet;

use super::{API_VERSION, KIND};
use crate::finding::{Action, Code};
use crate::policy::selection::select;
use crate::policy::{Builder, Mode, OnUnreadable, Policy, SettingError};
use crate::rules::{self, Profile, RULES, Rule, Set, UnknownProfile};
use crate::source::Problem;
use crate::source::scalar::{Meaning, resolve};
use crate::source::tree::{Content, NodeId, Style, Tree};
use crate::subject::DriverSetting;

const TOP: &[&str] = &[
    "apiVersion", "kind", "mode", "profile", "preview", "rules", "drivers", "provisioners", "exemptions",
    "onUnreadable", "annotationExemptions",
];
const DRIVER: &[&str] = &["name", "nfs", "timeo", "retrans"];

/// Reads the policy at `root`.
pub(super) fn policy(tree: &Tree<'_>, root: NodeId) -> Result<Policy, Vec<Problem>> {
    let mut reader = PolicyReader { tree, problems: Vec::new() };
    let policy = reader.policy(root);
    if reader.problems.is_empty() { Ok(policy) } else { Err(reader.problems) }
}

/// Most mistakes that are reported: a longer list hides the first ones.
// A file that is no policy would have a problem in each line.
const MOST_PROBLEMS: usize = 50;

struct PolicyReader<'t> {
    tree: &'t Tree<'t>,
    problems: Vec<Problem>,
}

/// One entry of a mapping.
struct Field<'t> {
    key: &'t str,
    key_id: NodeId,
    value: NodeId,
}

impl<'t> PolicyReader<'t> {
    fn policy(&mut self, root: NodeId) -> Policy {
        if let Some((kind, at)) = foreign::kind_of(self.tree, root) {
            // Other faults of the text follow from that.
            let message = format!(
                "kind: {kind:?} is not a policy; one starts with \"apiVersion: {API_VERSION}\" and \"kind: {KIND}\""
            );
            self.problem(at, message);
            return Policy::default();
        }
        let entries = self.mapping(root, "a policy", TOP);
        let find = |key: &str| entries.iter().find(|entry| entry.key == key).map(|entry| entry.value);
        for (key, wanted) in [("apiVersion", API_VERSION), ("kind", KIND)] {
            match find(key) {
                None if !self.lacks(root, key, TOP) => {}
                None => self.problem(root, format!("{key} is required; write {key}: {wanted}")),
                Some(value) => {
                    self.one_of(value, key, &[wanted]);
                }
            }
        }
        let profile = find("profile").and_then(|value| {
            let text = self.string(value, "profile")?;
            let profile = Profile::parse(text);
            if let Err(error) = profile {
                let hint = match error {
                    UnknownProfile::Set => suggestion(text, &Set::ALL.map(Set::as_str)),
                    UnknownProfile::Version(_) => String::new(),
                };
                self.problem(value, format!("profile: unknown value {text:?}{hint} ({error})"));
            }
            profile.ok()
        });
        let mut builder = Builder::new(profile.unwrap_or_default());
        // The profile first: the order of the keys in a file must not matter.
        for entry in &entries {
            self.entry(entry, &mut builder);
        }
        builder.build()
    }

    fn entry(&mut self, entry: &Field<'t>, builder: &mut Builder) {
        let value = entry.value;
        match entry.key {
            "mode" => match self.one_of(value, "mode", &["enforce", "observe"]) {
                Some("observe") => drop(builder.mode(Mode::Observe)),
                _ => drop(builder.mode(Mode::Enforce)),
            },
            "onUnreadable" => match self.one_of(value, "onUnreadable", &["deny", "allow"]) {
                Some("allow") => drop(builder.on_unreadable(OnUnreadable::Allow)),
                _ => drop(builder.on_unreadable(OnUnreadable::Deny)),
            },
            "annotationExemptions" => {
                if let Some(allowed) = self.boolean(value, "annotationExemptions") {
                    builder.annotation_exemptions(allowed);
                }
            }
            "preview" => {
                if let Some(preview) = self.boolean(value, "preview") {
                    builder.preview(preview);
                }
            }
            "rules" => self.rules(value, builder),
            "drivers" => {
                for item in self.list(value, "drivers") {
                    if let Some(driver) = self.driver(item) {
                        builder.driver(driver);
                    }
                }
            }
            "provisioners" => {
                for item in self.list(value, "provisioners") {
                    if let Some(user) = self.string(item, "a provisioner") {
                        builder.provisioner(user.to_owned());
                    }
                }
            }
            "exemptions" => {
                for item in self.list(value, "exemptions") {
                    builder.exemption(self.exemption(item));
                }
            }
            _ => {}
        }
    }

    fn rules(&mut self, id: NodeId, builder: &mut Builder) {
        let mut seen: Vec<Code> = Vec::new();
        for entry in self.any_mapping(id, "rules") {
            let Some(rule) = self.rule(entry.key, entry.key_id) else { continue };
            if seen.contains(&rule.code) {
                let message = format!("duplicate rule: {} and {} are the same one", rule.code, rule.name);
                self.problem(entry.key_id, message);
            }
            // By code: a rule may be written by its code and by its name.
            seen.push(rule.code);
            let mut known = vec!["action"];
            known.extend(rule.settings.iter().map(|setting| setting.name));
            if let Some(action) = self
                .tree
                .text(entry.value)
                .filter(|text| Action::ALL.iter().any(|action| action.as_str() == *text))
            {
                self.problem(entry.value, format!("write {}: {{action: {action}}}", entry.key));
                continue;
            }
            for setting in self.mapping(entry.value, rule.name, &known) {
                self.setting(rule, &setting, builder);
            }
        }
    }

    fn setting(&mut self, rule: &Rule, entry: &Field<'t>, builder: &mut Builder) {
        if entry.key == "action" {
            let names = Action::ALL.map(Action::as_str);
            let action = self.word(entry.value, "action", &names);
            if let Some(action) = Action::ALL.into_iter().find(|known| action == Some(known.as_str())) {
                builder.action(rule, action);
            }
            return;
        }
        let Some(number) = self.number(entry.value, entry.key) else { return };
        let range = rule.settings.iter().find(|setting| setting.name == entry.key);
        let result = u32::try_from(number)
            .map_err(|_| SettingError::OutOfRange {
                min: range.map_or(0, |setting| setting.min),
                max: range.map_or(u32::MAX, |setting| setting.max),
            })
            .and_then(|number| builder.number(rule, entry.key, number));
        if let Err(SettingError::OutOfRange { min, max }) = result {
            self.problem(entry.value, out_of_range(entry.key, number, min, max));
        }
    }

    fn driver(&mut self, id: NodeId) -> Option<DriverSetting> {
        let entries = self.mapping(id, "a driver", DRIVER);
        let find = |key: &str| entries.iter().find(|entry| entry.key == key).map(|entry| entry.value);
        let name = find("name").map(|value| self.string(value, "name").map(str::to_owned));
        if name.is_none() && self.lacks(id, "name", DRIVER) {
            self.problem(id, "name is required: that of the provisioner or CSI driver".to_owned());
        }
        let nfs = find("nfs").and_then(|value| self.boolean(value, "nfs"));
        let timeo = find("timeo").and_then(|value| self.number_of("timeo-not-set", value, "timeo"));
        let retrans = find("retrans").and_then(|value| self.number_of("retrans-not-set", value, "retrans"));
        Some(DriverSetting { name: name??, nfs, timeo, retrans })
    }

    /// Returns a number in the range of a rule's own setting `value`.
    fn number_of(&mut self, rule: &str, id: NodeId, key: &str) -> Option<u32> {
        let number = self.number(id, key)?;
        let setting = rules::find(rule)?.settings.first()?;
        let taken = u32::try_from(number).ok().filter(|number| (setting.min..=setting.max).contains(number));
        if taken.is_none() {
            self.problem(id, out_of_range(key, number, setting.min, setting.max));
        }
        taken
    }

    /// Returns the one rule of an entry with settings, by its code or name.
    fn rule(&mut self, text: &str, at: NodeId) -> Option<&'static Rule> {
        let rule = rules::find(text);
        if rule.is_none() {
            self.no_rule(text, at);
        }
        rule
    }

    /// Returns the rules that a code, a name or the beginning of some selects.
    fn selected(&mut self, text: &str, at: NodeId) -> Vec<&'static Rule> {
        let selected = select(text);
        if selected.is_empty() {
            self.no_rule(text, at);
        }
        selected
    }

    fn no_rule(&mut self, text: &str, at: NodeId) {
        if !self.has_enough() {
            let names: Vec<&str> = RULES.iter().map(|rule| rule.name).collect();
            let hint = suggestion(text, &names);
            // A word for all of them is none, on purpose: what comes later would be meant, too.
            let is_all = ["all", "any", "*"].iter().any(|all| text.eq_ignore_ascii_case(all));
            let each = if is_all { "; list each rule" } else { "" };
            self.problem(
                at,
                format!("unknown rule {text:?}{hint}{each} (\"nfs-mount-guard rules\" lists them)"),
            );
        }
    }

    /// Returns the entries of a mapping that may have these keys only.
    fn mapping(&mut self, id: NodeId, what: &str, known: &[&str]) -> Vec<Field<'t>> {
        let mut entries = self.any_mapping(id, what);
        entries.retain(|entry| {
            let is_known = known.contains(&entry.key);
            if !is_known && !self.has_enough() {
                let message = if let Some(flag) = foreign::flag_of_check(entry.key).filter(|_| known == TOP) {
                    format!("unknown key {:?} of {what}; use a flag or variable: {flag}", entry.key)
                } else {
                    let hint = suggestion(entry.key, known);
                    format!("unknown key {:?} of {what}{hint} ({})", entry.key, allowed(known))
                };
                self.problem(entry.key_id, message);
            }
            is_known
        });
        entries
    }

    fn any_mapping(&mut self, id: NodeId, what: &str) -> Vec<Field<'t>> {
        if self.is_null(id) {
            return Vec::new();
        }
        let Some(pairs) = self.tree.entries(id) else {
            self.problem(id, format!("{what} must be a mapping; {}", foreign::example(what)));
            return Vec::new();
        };
        let mut entries: Vec<Field<'t>> = Vec::new();
        let mut keys: HashSet<&str> = HashSet::new();
        for (key_id, value) in pairs.iter().copied() {
            if self.has_enough() {
                break;
            }
            let Some(key) = self.tree.text(key_id) else {
                self.problem(key_id, format!("a key of {what} must be a string"));
                continue;
            };
            if !keys.insert(key) {
                self.problem(key_id, format!("duplicate key {key:?}"));
                continue;
            }
            entries.push(Field { key, key_id, value });
        }
        entries
    }

    fn list(&mut self, id: NodeId, what: &str) -> Vec<NodeId> {
        if self.is_null(id) {
            return Vec::new();
        }
        let items = self.tree.items(id).map(<[NodeId]>::to_vec);
        items.unwrap_or_else(|| {
            self.problem(id, format!("{what} must be a list; write \"- \" before each item"));
            Vec::new()
        })
    }

    /// Returns a scalar's text, and what it means to YAML.
    fn scalar(&mut self, id: NodeId, what: &str) -> Option<(&'t str, Meaning)> {
        if let Some(Content::Scalar { text, style, is_string }) = self.tree.node(id).map(|node| &node.content)
        {
            // A value in quotes is text, whatever it looks like.
            let is_text = *is_string || *style != Style::Plain;
            return Some((text, if is_text { Meaning::Text } else { resolve(text) }));
        }
        self.problem(id, format!("{what} must be a single value"));
        None
    }

    fn string(&mut self, id: NodeId, what: &str) -> Option<&'t str> {
        let (text, meaning) = self.scalar(id, what)?;
        match meaning {
            Meaning::Text if !text.is_empty() => Some(text),
            Meaning::Text | Meaning::Null => {
                self.problem(id, format!("{what} is empty"));
                None
            }
            _ => {
                self.problem(id, format!("{what}: {text} is not a string in YAML; put it in quotes"));
                None
            }
        }
    }

    /// Returns one of a few words, also one like `off` that YAML takes for a truth value.
    fn word(&mut self, id: NodeId, what: &str, words: &[&'static str]) -> Option<&'static str> {
        let (text, _) = self.scalar(id, what)?;
        let found = words.iter().copied().find(|word| *word == text);
        if found.is_none() {
            let hint = suggestion(text, words);
            self.problem(id, format!("{what}: unknown value {text:?}{hint} ({})", allowed(words)));
        }
        found
    }

    fn one_of(&mut self, id: NodeId, what: &str, words: &[&'static str]) -> Option<&'static str> {
        self.word(id, what, words)
    }

    fn boolean(&mut self, id: NodeId, what: &str) -> Option<bool> {
        match self.scalar(id, what)? {
            (_, Meaning::Bool(value)) => Some(value),
            (text, _) => {
                self.problem(
                    id,
                    format!("{what}: {text:?} is not a boolean; write true or false, without quotes"),
                );
                None
            }
        }
    }

    fn number(&mut self, id: NodeId, what: &str) -> Option<u64> {
        match self.scalar(id, what)? {
            (_, Meaning::Unsigned(number)) => Some(number),
            (text, _) => {
                self.problem(
                    id,
                    format!("{what}: {text:?} is not a whole number; write digits, without quotes or unit"),
                );
                None
            }
        }
    }

    fn is_null(&self, id: NodeId) -> bool {
        matches!(
            self.tree.node(id).map(|node| &node.content),
            Some(Content::Scalar { text, style: Style::Plain, is_string: false })
                if resolve(text) == Meaning::Null
        )
    }

    const fn has_enough(&self) -> bool {
        self.problems.len() >= MOST_PROBLEMS
    }

    fn problem(&mut self, at: NodeId, message: String) {
        if self.has_enough() {
            return;
        }
        let offset = self.tree.written(at).map(|node| node.span.start);
        self.problems.push(Problem { offset, ..Problem::whole(message) });
    }
}

/// Returns `; use "x"`, if one word is nearer than all others.
fn suggestion(text: &str, words: &[&str]) -> String {
    // More letters than that are another word.
    const FAR: usize = 3;
    // The distance costs the product of both lengths, and a text may be hostile.
    if text.len() > 40 {
        return String::new();
    }
    let mut near: Vec<(usize, &str)> = words
        .iter()
        .map(|word| (strsim::osa_distance(&text.to_lowercase(), &word.to_lowercase()), *word))
        // A short word is near many others.
        .filter(|(distance, word)| *distance <= FAR.min(word.len() / 2))
        .collect();
    near.sort_unstable();
    match near.as_slice() {
        [(_, word)] => format!("; use {word:?}"),
        // Of two that are equally near none is meant for sure.
        [(first, word), (second, _), ..] if first < second => format!("; use {word:?}"),
        _ => String::new(),
    }
}

/// Returns the values that a field may have.
fn allowed(words: &[&str]) -> String {
    format!("allowed: {}", words.join(", "))
}

fn out_of_range(key: &str, number: u64, min: u32, max: u32) -> String {
    format!("{key}: {number} is out of range ({min} to {max})")
}
