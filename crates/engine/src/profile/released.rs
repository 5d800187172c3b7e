//! The versions of the profiles that are released: each is complete, and no row
//! of one changes any more.

use super::Actions;
use crate::finding::{Action, Code};

/// The actions that one version fixes for one rule.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub(super) code: Code,
    /// The actions for its proper findings.
    pub(crate) actions: Actions,
    /// The actions for its milder findings, if the version distinguishes them.
    pub(crate) lesser: Option<Actions>,
    /// Its settings. One that came later has the default that the rule states.
    pub(crate) settings: &'static [(&'static str, u32)],
}

const fn row(code: u16, actions: Actions) -> Row {
    Row { code: Code(code), actions, lesser: None, settings: &[] }
}

impl Row {
    const fn lesser(mut self, action: Action) -> Self {
        self.lesser = Some(Actions::all(action));
        self
    }

    const fn settings(mut self, settings: &'static [(&'static str, u32)]) -> Self {
        self.settings = settings;
        self
    }
}

const DENY: Actions = Actions::all(Action::Deny);
const WARN: Actions = Actions::all(Action::Warn);
const AUDIT: Actions = Actions::all(Action::Audit);

/// Version 1.
pub(super) const VERSION_1: &[Row] = &[
    row(1, DENY),
    row(2, DENY.relaxed(Action::Warn)),
    row(3, DENY.relaxed(Action::Warn)).settings(&[("value", 600)]),
    row(4, DENY.relaxed(Action::Warn)).settings(&[("value", 2)]),
    row(5, WARN.strict(Action::Deny)),
    row(6, DENY).lesser(Action::Warn).settings(&[("seconds", 60)]),
    row(7, WARN.strict(Action::Deny)).settings(&[
        ("timeo-min", 100),
        ("timeo-max", 6000),
        ("retrans-min", 2),
        ("retrans-max", 10),
        ("retry-max", 2),
    ]),
    row(8, DENY).lesser(Action::Warn),
    row(9, DENY).lesser(Action::Warn),
    row(10, WARN),
    row(11, DENY).lesser(Action::Warn),
    row(12, DENY).lesser(Action::Warn),
    row(13, DENY),
    row(14, DENY),
    row(15, AUDIT),
    row(16, WARN),
    row(17, AUDIT.strict(Action::Deny)),
    row(18, AUDIT).settings(&[("seconds", 600)]),
    row(19, DENY),
];
