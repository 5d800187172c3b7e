//! A rule's finding about a subject. Findings are data, not errors.

use std::borrow::Cow;
use std::fmt;

use serde::{Serialize, Serializer};

use crate::site::{Place, Site};

/// A rule's code, `NMG001`. A code is never used again for another rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(pub u16);

impl Code {
    /// Adds it to a text.
    pub fn push_to(self, text: &mut String) {
        // Without format!: the log writes codes at each request.
        text.push_str("NMG");
        for place in [100, 10, 1] {
            let digit = char::from_digit(u32::from(self.0 / place % 10), 10);
            text.push(digit.unwrap_or_default());
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.push_to(&mut text);
        f.write_str(&text)
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The action for a finding, mildest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Nothing: the rule does not run.
    Off,
    /// It is counted and logged.
    Audit,
    /// The request is allowed, and the user gets a warning.
    Warn,
    /// The request is refused.
    Deny,
}

impl Action {
    /// Every action, mildest first.
    pub const ALL: [Self; 4] = [Self::Off, Self::Audit, Self::Warn, Self::Deny];

    /// Returns the word in a policy file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Audit => "audit",
            Self::Warn => "warn",
            Self::Deny => "deny",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // write_str would ignore the width that a caller sets.
        f.pad(self.as_str())
    }
}

/// The severity of one finding of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// The rule's milder case: its lesser action applies.
    Lesser,
    /// The rule's proper case: its action applies.
    Proper,
    /// Like proper, and also on a volume made by a provisioner, though the denial
    /// reaches no person there: what is mounted is not what the object says.
    Grave,
    /// Like grave, and also if the object does not show whether it is NFS: the layers
    /// read different options out of it.
    Hidden,
    /// Like proper, and no covered kernel mounts such a list: refusing it breaks
    /// nothing that worked.
    CannotMount,
}

/// The commands that may carry out a fix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Applicability {
    /// The webhook does it, and so does `fix`: behaviour stays, but for the
    /// danger.
    Apply,
    /// Only `fix` does it.
    Offer,
    /// Only `fix --unsafe-fixes` does it: the meaning changes.
    Unsafe,
}

/// One change to a carrier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// The option at the site becomes this text.
    Replace {
        /// The place of the option.
        site: Site,
        /// The text to put in its place.
        with: Cow<'static, str>,
    },
    /// The option at the site goes away, and its element with it when nothing
    /// else stands there.
    Remove {
        /// The place of the option.
        site: Site,
    },
    /// The element is split at every comma that separates options, and its
    /// empty pieces go away.
    Split {
        /// Index of the carrier.
        carrier: usize,
        /// Index of the element.
        element: usize,
    },
    /// The option is added at the carrier's end, as an element of its own.
    Append {
        /// Index of the carrier.
        carrier: usize,
        /// The new option.
        option: Cow<'static, str>,
    },
    /// A key that the driver does not read becomes one that it reads, or options at a place
    /// that nothing reads get such a key.
    Rename(Renaming),
}

/// A parameter or an attribute that gets another key, or a field that becomes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renaming {
    /// The place.
    pub from: Place,
    /// The place that is read: a parameter or an attribute.
    pub to: Place,
    /// The value; of a list, the elements with commas between them.
    pub old: String,
    /// The value under the other key.
    pub new: String,
}

/// A way out of a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// The commands that may carry it out.
    pub applicability: Applicability,
    /// The edits; all of them are made or none.
    pub edits: Vec<Edit>,
}

/// The text of a finding: the fault, and its own remedy if it has one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sentence {
    /// The element, and the reason. No code, no final dot.
    pub what: Cow<'static, str>,
    /// The remedy, if it says more than the rule's page does of all such findings.
    pub remedy: Option<Cow<'static, str>>,
}

impl Sentence {
    /// Returns a sentence with a way out of its own.
    pub fn with_remedy(what: impl Into<Cow<'static, str>>, remedy: impl Into<Cow<'static, str>>) -> Self {
        Self { what: what.into(), remedy: Some(remedy.into()) }
    }
}

impl<Text: Into<Cow<'static, str>>> From<Text> for Sentence {
    fn from(what: Text) -> Self {
        Self { what: what.into(), remedy: None }
    }
}

/// Writes both parts as one sentence.
impl fmt::Display for Sentence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        let Some(remedy) = &self.remedy else { return Ok(()) };
        f.write_str("; ")?;
        f.write_str(remedy)
    }
}

/// One finding of one rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule.
    pub code: Code,
    /// The severity.
    pub severity: Severity,
    /// Index of the carrier concerned.
    pub carrier: usize,
    /// The place concerned, where it is none that holds options.
    pub place: Option<Place>,
    /// The option concerned; `None` where one is missing.
    pub site: Option<Site>,
    /// The keyword concerned, as the ratchet on updates compares it: that of
    /// the option at the site, or of the option that is missing.
    pub keyword: Cow<'static, str>,
    /// The fault and its remedy.
    pub message: Sentence,
    /// A way out, if the rule knows one.
    pub fix: Option<Fix>,
}
