//! From an entry of `exemptions` to an exemption.

use time::Date;
use time::macros::format_description;

use super::PolicyReader;
use crate::finding::Code;
use crate::kind::Kind;
use crate::policy::exemption::Exemption;
use crate::source::tree::NodeId;

const EXEMPTION: &[&str] =
    &["rules", "kind", "name", "namespace", "storageClassName", "driver", "options", "reason", "expires"];

impl PolicyReader<'_> {
    pub(super) fn exemption(&mut self, id: NodeId) -> Exemption {
        let entries = self.mapping(id, "an exemption", EXEMPTION);
        let find = |key: &str| entries.iter().find(|entry| entry.key == key).map(|entry| entry.value);
        let mut text = |key: &str| {
            let value = find(key)?;
            self.string(value, key).map(str::to_owned)
        };
        let (name, namespace) = (text("name"), text("namespace"));
        let (storage_class_name, driver) = (text("storageClassName"), text("driver"));
        let reason = text("reason");
        // A reason of another type was reported already.
        let is_blank = reason.as_ref().is_some_and(|reason| reason.trim().is_empty());
        if is_blank || find("reason").is_none() && self.lacks(id, "reason", EXEMPTION) {
            let at = find("reason").unwrap_or(id);
            self.problem(at, "reason is required".to_owned());
        }
        let reason = reason.unwrap_or_default();
        let codes = self.exempted_rules(find("rules"), id);
        let kind = find("kind").and_then(|value| {
            let kinds: Vec<&str> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
            Kind::parse(self.one_of(value, "kind", &kinds)?)
        });
        let options = find("options").map_or_else(Vec::new, |value| {
            self.list(value, "options")
                .into_iter()
                .filter_map(|item| self.string(item, "an option").map(str::to_owned))
                .collect()
        });
        let expires = find("expires").and_then(|value| self.date(value));
        Exemption {
            rules: codes,
            kind,
            name,
            namespace,
            storage_class_name,
            driver,
            options,
            reason,
            expires,
        }
    }

    fn exempted_rules(&mut self, value: Option<NodeId>, exemption: NodeId) -> Vec<Code> {
        let named = value.map_or_else(Vec::new, |value| self.list(value, "rules"));
        let is_other = value.is_some_and(|value| !self.is_null(value) && self.tree.items(value).is_none());
        let is_missing = value.is_some() || self.lacks(exemption, "rules", EXEMPTION);
        if named.is_empty() && !is_other && is_missing {
            let at = value.unwrap_or(exemption);
            self.problem(at, "rules is required; write rules: [soft-mount]".to_owned());
        }
        named
            .into_iter()
            .flat_map(|item| {
                let text = self.string(item, "a rule");
                text.map(|text| self.selected(text, item)).unwrap_or_default()
            })
            .map(|rule| rule.code)
            .collect()
    }

    fn date(&mut self, id: NodeId) -> Option<Date> {
        let text = self.scalar(id, "expires")?.0;
        let date = Date::parse(text, format_description!("[year]-[month]-[day]"));
        if date.is_err() {
            self.problem(id, format!("expires: {text:?} is not a date (YYYY-MM-DD)"));
        }
        date.ok()
    }
}
