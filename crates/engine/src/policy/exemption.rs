//! Exemptions: which findings a policy passes over, why, and for how long.

use time::Date;

use super::Policy;
use super::selection::select;
use crate::finding::{Code, Finding};
use crate::kind::{Holds, Kind, Reach};
use crate::subject::Subject;
use crate::subject::driver::glob;
use crate::subject::manifest::EXEMPT_ANNOTATION;

/// The number of days before its end from which an exemption is warned about.
pub const WARNING_DAYS: i64 = 30;

/// One exemption. Selectors that are absent select everything; names may hold
/// `*` for any text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Exemption {
    /// The rules it is about; not empty.
    pub rules: Vec<Code>,
    /// The kind of object.
    pub kind: Option<Kind>,
    /// The object's name.
    pub name: Option<String>,
    /// The object's namespace; a cluster-scoped object has none, and no pattern
    /// selects it.
    pub namespace: Option<String>,
    /// The class a volume belongs to; an object of another kind has none, and no pattern selects it.
    pub storage_class_name: Option<String>,
    /// The driver.
    pub driver: Option<String>,
    /// The options concerned, whole or by keyword.
    pub options: Vec<String>,
    /// The reason; not empty.
    pub reason: String,
    /// The last day on which it holds.
    pub expires: Option<Date>,
}

impl Exemption {
    /// Returns true if it still holds on `today`.
    pub fn holds_on(&self, today: Date) -> bool {
        self.expires.is_none_or(|last| today <= last)
    }

    /// Days from `today` to its last day, when these are few; negative once it
    /// has ended.
    pub fn days_left(&self, today: Date) -> Option<i64> {
        let days = (self.expires? - today).whole_days();
        (days <= WARNING_DAYS).then_some(days)
    }

    /// Returns the reason why it is about no object at all: its keys exclude each other.
    pub fn contradiction(&self) -> Option<String> {
        let holds = self.kind.map(|kind| kind.row().holds);
        let has_class = holds.is_none_or(|holds| matches!(holds, Holds::Class | Holds::Volume));
        let names_class = self.storage_class_name.is_some();
        match (self.kind, &self.namespace) {
            (Some(kind), Some(_)) if !kind.is_namespaced() => Some(format!("a {kind} has no namespace")),
            (Some(kind), _) if names_class && !has_class => {
                Some(format!("storageClassName selects no {kind}"))
            }
            (None, Some(_)) if names_class => {
                Some("storageClassName selects no object with a namespace".to_owned())
            }
            _ => None,
        }
    }

    /// Returns true if it is about `subject`. One for a class is about the volumes too that carry
    /// the class's name, and one for Pods about the templates of such Pods.
    pub fn selects(&self, subject: &Subject<'_>) -> bool {
        let matches =
            |pattern: &Option<String>, text: &str| pattern.as_ref().is_none_or(|pattern| glob(pattern, text));
        let is_its_class = self.kind == Some(Kind::StorageClass)
            && subject.kind == Kind::PersistentVolume
            && subject.storage_class.is_some_and(|class| !class.is_empty() && matches(&self.name, class));
        // A controller names its Pods after itself: `web` makes `web-0` and `web-5d8f-x7k2p`.
        let is_its_template = self.kind == Some(Kind::Pod)
            && subject.kind.row().reach == Reach::Warns
            && (matches(&self.name, subject.name) || matches(&self.name, &format!("{}-0", subject.name)));
        let is_it = self.kind.is_none_or(|kind| kind == subject.kind) && matches(&self.name, subject.name);
        // Of a kind without a class no pattern selects an object, as with namespaces.
        let class = match subject.kind.row().holds {
            Holds::Class => Some(subject.name),
            Holds::Volume => Some(subject.storage_class.unwrap_or_default()),
            Holds::Snapshots | Holds::InlineVolumes(_) | Holds::Claim => None,
        };
        let is_of_class = self
            .storage_class_name
            .as_ref()
            .is_none_or(|pattern| class.is_some_and(|class| glob(pattern, class)));
        let is_in_namespace = self.namespace.as_ref().is_none_or(|pattern| {
            subject.kind.is_namespaced() && glob(pattern, subject.namespace.unwrap_or("default"))
        });
        (is_it || is_its_class || is_its_template)
            && is_in_namespace
            && is_of_class
            && matches(&self.driver, subject.driver_name)
    }

    /// Returns the keys that are to be set so that it selects the Pods of the template `subject` as well as the
    /// template, which it selects: `kind: Pod, name: web-*`. Empty if it selects them already.
    pub fn keys_for_pods(&self, subject: &Subject<'_>) -> Vec<String> {
        let is_of_pods = self.kind == Some(Kind::Pod);
        let of_name = format!("{}-0", subject.name);
        let names_them = self.name.as_ref().is_none_or(|pattern| glob(pattern, &of_name));
        let kind = !is_of_pods && (self.kind.is_some() || !names_them);
        // With the names of Pods only an exemption for Pods selects the template, too.
        let name = (!names_them).then(|| format!("name: {}-*", subject.name));
        kind.then(|| "kind: Pod".to_owned()).into_iter().chain(name).collect()
    }

    /// Returns true if it is about `finding`, given that it selects the subject.
    pub fn covers(&self, subject: &Subject<'_>, finding: &Finding) -> bool {
        if !self.rules.contains(&finding.code) {
            return false;
        }
        let option = finding.site.as_ref().and_then(|site| Some(subject.options.at(site)?.option.text()));
        self.options.is_empty()
            || self.options.iter().any(|pattern| {
                glob(pattern, &finding.keyword) || option.is_some_and(|text| glob(pattern, text))
            })
    }
}

/// Returns true if the object's own annotation, a list of rules separated by commas, names the
/// rule.
pub fn annotation_names(annotation: &str, code: Code) -> bool {
    annotation.split(',').flat_map(|name| select(name.trim())).any(|rule| rule.code == code)
}

/// Returns a sentence for each name in the annotation of `subject` that is no rule, and so exempts nothing, if
/// `policy` reads the annotation.
pub fn unknown_names(policy: &Policy, subject: &Subject<'_>) -> Vec<String> {
    let annotation = subject.exempt.filter(|_| policy.annotation_exemptions()).unwrap_or_default();
    let names = annotation.split(',').map(str::trim);
    let unknown = names.filter(|name| !name.is_empty() && select(name).is_empty());
    unknown
        .map(|name| format!("{name:?} in the annotation {EXEMPT_ANNOTATION} is no rule and exempts nothing"))
        .collect()
}
