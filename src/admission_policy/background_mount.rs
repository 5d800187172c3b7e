//! NMG001 in CEL: what a ValidatingAdmissionPolicy refuses and a
//! MutatingAdmissionPolicy repairs, both by the rules of `rules::background_mount`.

use super::cel::{any, hanging, not};
use super::drivers::{
    FOLDS_CASE, KEEPS_CASE, KEY, Names, Table, attributes_of, entry_of, facts_of, is_option_key,
};
use super::exemptions;
use super::further_texts::further_texts;
use super::match_conditions::{Concern, MatchCondition, match_conditions};
use crate::policy::Policy;
use crate::policy::exemption::Exemption;
use crate::rules::{BACKGROUND_MOUNT, MALFORMED_ELEMENT};
use crate::site::MOUNT_OPTIONS_ANNOTATION;
use crate::subject::driver;

/// The object, of either kind: what a class lacks a volume has.
const OBJECT: &str = "dyn(object)";
const OLD: &str = "dyn(oldObject)";

/// A named expression with what it means.
#[derive(Debug)]
pub(super) struct Variable {
    pub(super) name: &'static str,
    pub(super) comment: &'static str,
    pub(super) expression: String,
}

/// Something that must hold.
#[derive(Debug)]
pub(super) struct Validation {
    pub(super) expression: String,
    /// The message if it does not, as the webhook words it.
    pub(super) message: String,
    /// The same in CEL, where it names what is wrong.
    pub(super) message_expression: Option<String>,
}

impl Validation {
    /// Returns one with the same message for every object.
    pub(super) const fn new(expression: String, message: String) -> Self {
        Self { expression, message, message_expression: None }
    }
}

/// The parts of both policies that a `MountPolicy` decides on.
#[derive(Debug)]
pub(super) struct Expressions<'p> {
    policy: &'p Policy,
    table: Table<'p>,
    /// Those that can be said in CEL and hold today.
    exemptions: Vec<&'p Exemption>,
}

impl<'p> Expressions<'p> {
    pub(super) fn new(policy: &'p Policy, exemptions: Vec<&'p Exemption>) -> Self {
        Self { policy, table: Table::new(policy.drivers()), exemptions }
    }

    /// Returns the conditions under which a request is looked at.
    pub(super) fn conditions(&self, concern: Concern) -> Vec<MatchCondition> {
        let mut conditions = match_conditions(self.policy, concern);
        if let Some(exempt) = self.exempt("object") {
            conditions.push(MatchCondition {
                name: "is-not-exempt",
                comment: "The policy's exemptions.",
                expression: not(&exempt),
            });
        }
        conditions
    }

    /// Returns the variables that [`validations`] use.
    pub(super) fn validating_variables(&self) -> Vec<Variable> {
        let mut variables = self.driver_variables();
        variables.extend([
            Variable {
                name: "spellings",
                comment: "Options that reach mount.nfs as bg; BG counts as well if the driver may fold case.",
                expression: SPELLINGS.to_owned(),
            },
            Variable {
                name: "wasJudged",
                comment: "True if the options that the object had before may stay.",
                expression: self.was_judged(),
            },
            Variable {
                name: "joined",
                comment: "The list as one text.",
                expression: format!("{}.join(',')", list_of(OBJECT)),
            },
            Variable {
                name: "oldJoined",
                comment: "The same of the object before an update, where that counts.",
                expression: format!("!variables.wasJudged ? '' :\n{}.join(',')", list_of(OLD)),
            },
            Variable {
                name: "annotation",
                comment: "The annotation, which the kubelet does not read on a CSI volume.",
                expression: format!("{}.orValue('')", annotation_of(OBJECT)),
            },
            Variable {
                name: "oldAnnotation",
                comment: "",
                expression: format!("!variables.wasJudged ? '' :\n{}.orValue('')", annotation_of(OLD)),
            },
            Variable {
                name: "values",
                comment: "Attributes that hold options, and what else becomes options, as one text.",
                expression: format!(
                    "(variables.attributes.filter(k,\n  {} ||\n  \
                     '{KEY}' + k.lowerAscii() in variables.reading)\n  \
                     .map(k, variables.attributes[k]) +\n{}).join(',')",
                    hanging(&is_option_key("k"), 2),
                    further_texts(
                        &self.table,
                        Names { object: OBJECT, driver: "variables.driver", facts: "variables.facts" },
                        "variables.attributes"
                    )
                ),
            },
        ]);
        variables
    }

    /// Returns the variables that [`super::background_mount::repairs`] uses.
    pub(super) fn mutating_variables(&self) -> Vec<Variable> {
        let mut variables = self.driver_variables();
        // No mutation reads it.
        variables.retain(|variable| variable.name != "foldsCase");
        variables.extend([
            Variable { name: "mountOptions", comment: "The list.", expression: list_of(OBJECT) },
            Variable {
                name: "joined",
                comment: "The list as one text.",
                expression: "variables.mountOptions.join(',')".to_owned(),
            },
            Variable {
                name: "annotation",
                comment: "The annotation, which the kubelet splits at every comma, and does not read on a CSI volume.",
                expression: format!("{}.orValue('')", annotation_of(OBJECT)),
            },
            Variable {
                name: "repairedOptions",
                comment: "The list with fg for every bg; the rest of an element keeps its bytes. A status has no list.",
                expression: format!(
                    "!({}) ? variables.mountOptions :\n{}",
                    may_hold_bg("variables.joined"),
                    repaired("variables.mountOptions", "variables.joined")
                ),
            },
            Variable {
                name: "repairedAnnotation",
                comment: "The same of the annotation.",
                expression: format!(
                    "!({}) ? variables.annotation :\n{}[0]",
                    may_hold_bg("variables.annotation"),
                    repaired("[variables.annotation]", "variables.annotation")
                ),
            },
        ]);
        variables
    }

    fn driver_variables(&self) -> Vec<Variable> {
        let in_tree = driver::in_tree_nfs().names.first().copied().unwrap_or_default();
        vec![
            Variable {
                name: "driver",
                comment: "The driver that mounts it; that of a FlexVolume is no CSI driver.",
                expression: format!("{OBJECT}.?spec.?nfs.hasValue() ? '{in_tree}' :\n{}", entry_of(OBJECT)),
            },
            Variable {
                name: "attributes",
                comment: "Class parameters or volume attributes.",
                expression: attributes_of(OBJECT),
            },
            Variable {
                name: "facts",
                comment: "The same as key=value, in small letters.",
                expression: facts_of(OBJECT, "variables.attributes"),
            },
            Variable {
                name: "reading",
                comment: "The driver's handling of letters and whitespace.",
                expression: self.table.reading(Names {
                    object: OBJECT,
                    driver: "variables.driver",
                    facts: "variables.facts",
                }),
            },
            Variable {
                name: "keepsCase",
                comment: "True if the driver leaves them as they are for certain.",
                expression: format!("'{KEEPS_CASE}' in variables.reading"),
            },
            Variable {
                name: "foldsCase",
                comment: "True if the driver changes them for certain.",
                expression: format!("'{FOLDS_CASE}' in variables.reading"),
            },
        ]
    }

    fn was_judged(&self) -> String {
        let names = Names { object: OLD, driver: "variables.driver", facts: "variables.facts" };
        // An old object counts only where it was evaluated itself: else an update could bring bg in.
        let terms: Vec<String> = [Some("request.operation == 'UPDATE'".to_owned())]
            .into_iter()
            .chain([self.table.may_still_be_nfs(names), self.exempt(OLD).map(|exempt| not(&exempt))])
            .flatten()
            .collect();
        terms.join(" &&\n")
    }

    fn exempt(&self, object: &str) -> Option<String> {
        let mut terms: Vec<String> =
            self.exemptions.iter().map(|exemption| exemptions::selects(exemption, object)).collect();
        if self.policy.annotation_exemptions() {
            terms.push(exemptions::by_annotation(object));
        }
        any(&terms)
    }
}

/// Returns the conditions that must be true, one for each carrier.
pub(super) fn validations() -> Vec<Validation> {
    let rule = |new: &str, before: &str| {
        let new = hanging(&is_spelled(&format!("variables.{new}")), 2);
        format!("variables.spellings.all(spelling,\n  !({new}) ||\n  {before})")
    };
    let of_old = |old: &str| hanging(&is_spelled(&format!("variables.{old}")), 2);
    let in_place = "use fg";
    let is_short =
        |new: &str, before: &str| format!("({} || {before})", is_short(&format!("variables.{new}")));
    vec![
        // A longer text would cost more than the API server allows.
        Validation::new(
            [
                is_short("joined", "variables.wasJudged && variables.joined == variables.oldJoined"),
                is_short(
                    "annotation",
                    "variables.wasJudged && variables.annotation == variables.oldAnnotation",
                ),
                // Attributes are immutable: after the first evaluation they are the same.
                is_short("values", "variables.wasJudged"),
            ]
            .join(" &&\n"),
            format!(
                "{} {} (nfs-mount-guard): a mount takes {LONGEST} bytes of options, and these are more,\nso they are not looked through for bg; write fewer",
                MALFORMED_ELEMENT.code, MALFORMED_ELEMENT.name
            ),
        ),
        Validation::new(rule("joined", &of_old("oldJoined")), message("mountOptions", in_place)),
        Validation::new(
            rule("annotation", &of_old("oldAnnotation")),
            message(&format!("the annotation {MOUNT_OPTIONS_ANNOTATION}"), in_place),
        ),
        // An update cannot change these.
        Validation::new(
            rule("values", "variables.wasJudged"),
            message(
                "parameters, volumeAttributes, volumeHandle or flexVolume.options",
                "these fields are immutable: delete and recreate the object",
            ),
        ),
    ]
}

/// Writes a message in the style of the webhook's denials.
fn message(carrier: &str, remedy: &str) -> String {
    let rule = BACKGROUND_MOUNT;
    format!(
        "{} {} (nfs-mount-guard): bg in {carrier} makes a failed mount look successful:\nPods write to the node's local disk; {remedy}",
        rule.code, rule.name
    )
}

/// Returns the JSON patch of the mutating policy.
pub(super) fn repairs() -> String {
    // A slash inside a step of a JSON pointer (RFC 6901, section 3).
    let annotation = MOUNT_OPTIONS_ANNOTATION.replace('/', "~1");
    format!(
        "(has(request.subResource) && request.subResource == 'status' ||
variables.repairedOptions == variables.mountOptions ? [] : [JSONPatch{{
  op: 'replace',
  path: {OBJECT}.?spec.hasValue() ? '/spec/mountOptions' : '/mountOptions',
  value: variables.repairedOptions
}}]) +
(variables.repairedAnnotation == variables.annotation ? [] : [JSONPatch{{
  op: 'replace',
  path: '/metadata/annotations/{annotation}',
  value: variables.repairedAnnotation
}}])"
    )
}

/// Most bytes that are looked through: mount(2) takes as many.
pub(super) const LONGEST: usize = 4096;

/// Returns CEL that is true if a text is no longer than is evaluated. `size` of a text counts its
/// characters, and bytes are made of a short one only: they cost by the length.
pub(super) fn is_short(text: &str) -> String {
    // size() counts without a copy: bytes(), which copies, gets only what is short.
    format!("{text}.size() <= {LONGEST} && bytes({text}).size() <= {LONGEST}")
}

/// Regular expressions for the keyword. They allow the characters that some layer removes from a
/// word: quotes of both kinds and backslashes, as the engine has it.
const SPELLINGS: &str = r"variables.keepsCase ? [r'b[\x22\x27\\]*g'] :
variables.foldsCase ? [r'(?i:b[\x22\x27\\]*g)'] :
[r'b[\x22\x27\\]*g', r'B[\x22\x27\\]*G', r'B[\x22\x27\\]*g', r'b[\x22\x27\\]*G']";

/// The switch of mount(8) for options, as `reading::background_word` has it.
const SWITCH: &str = "(-([a-np-zA-Z]*o|-options)[ =]*)?";

/// Returns the characters that may surround the keyword: quotes and backslashes, and white space, as
/// `reading::is_blank` has it, where these are not known to stay or where quotes are.
fn around(text: &str) -> String {
    around_in(text, "variables.keepsCase")
}

/// Returns what [`around`] returns, where `keeps_case` says whether white space stays.
pub(super) fn around_in(text: &str, keeps_case: &str) -> String {
    format!(
        r"({keeps_case} && !{text}.matches(r'[\x22\x27\\]') ? '' : r'[\x00-\x20\x{{85}}\x{{200b}}\x{{feff}}\pZ\x22\x27\\]*')"
    )
}

/// Returns CEL that is true if `bg` may be in a text at all: a cheap test, nearly always false,
/// before expensive ones. A long text is not evaluated.
pub(super) fn may_hold_bg(text: &str) -> String {
    format!(r"{} && {text}.matches(r'(?i)b[\x22\x27\\]*g')", is_short(text))
}

/// Returns CEL that is true if an option of the text has the keyword `spelling`, however commas are
/// quoted or escaped.
fn is_spelled(text: &str) -> String {
    format!("{} &&\n{}", may_hold_bg(text), spelled(text, &around(text), "spelling"))
}

/// Returns CEL that is true if an option of the text is `spelling`, with the characters that may be
/// `around` it.
pub(super) fn spelled(text: &str, around: &str, spelling: &str) -> String {
    format!("{text}.matches('(^|,){SWITCH}' + {around} + {spelling} + {around} + '(=|,|$)')")
}

fn list_of(object: &str) -> String {
    format!("{object}.?mountOptions.or({object}.?spec.?mountOptions).orValue([])")
}

/// Returns the annotation, where kubelet reads it: an optional text.
fn annotation_of(object: &str) -> String {
    format!(
        "(!{object}.?spec.hasValue() || {object}.?spec.?csi.hasValue() ? optional.none() :\n  \
         {object}.?metadata.?annotations[?'{MOUNT_OPTIONS_ANNOTATION}'])"
    )
}

/// Returns the texts with `fg` for every option that is `bg`, in the bytes of the others; `all` is
/// all of them as one. A quote keeps its partner, as `reading::foreground_instead` has it.
fn repaired(texts: &str, all: &str) -> String {
    // By all texts together: a quote in one of them may reach into the next.
    let around = around(all);
    format!(
        r#"{texts}.map(e, !({}) ? e :
  e.split(',').map(option,
    !option.matches('^{SWITCH}' + {around} + (variables.keepsCase ? r'b[\x22\x27\\]*g' : r'(?i:b[\x22\x27\\]*g)') + {around} + '(=|$)') ?
      option :
    (!option.contains('\\') || !option.contains('"') && !option.contains("'") && !option.endsWith('\\')) &&
      option.split('"').size() % 2 == 1 && (!e.contains(',') || option.split("'").size() % 2 == 1) ? 'fg' :
    option.split('=', 2)[0].lowerAscii().replace('b', 'f') +
      (option.contains('=') ? '=' + option.split('=', 2)[1] : ''))
    .join(','))"#,
        may_hold_bg("e")
    )
}
