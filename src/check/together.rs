//! What only several objects of one input show: a volume made by hand whose
//! class has mount options. A provisioner copies these into the volumes that it
//! makes; nothing copies them into another one (external-provisioner
//! `pkg/controller/controller.go`, `Provision`).

use std::collections::BTreeSet;

use time::Date;

use crate::engine::{self, Judged};
use crate::finding::{Finding, Grade};
use crate::kind::{Holds, Kind};
use crate::policy::Policy;
use crate::report::{Report, Tie};
use crate::rules::UNREAD_OPTIONS;
use crate::subject::Subject;

/// What is to be said of a volume without options of its own, where its class is
/// in the input and has some.
pub(super) fn unreached(policy: &Policy, subject: &Subject<'_>, today: Date) -> Option<Judged> {
    let class = subject.storage_class.filter(|class| !class.is_empty())?;
    let is_handmade = subject.kind.row().holds == Holds::Volume && subject.names_provisioner.is_none();
    let has_none = subject.carriers.iter().all(|carrier| !carrier.in_force || carrier.is_empty());
    if !is_handmade || !has_none {
        return None;
    }
    let finding = Finding {
        code: UNREAD_OPTIONS.code,
        grade: Grade::Lesser,
        carrier: 0,
        place: None,
        site: None,
        keyword: "".into(),
        message: format!(
            "options of StorageClass/{class} do not reach a volume made by hand; write here what it needs"
        )
        .into(),
        fix: None,
    };
    engine::judge_one(policy, subject, UNREAD_OPTIONS, finding, today)
}

/// How an object hangs together with others.
pub(super) fn tie(subject: &Subject<'_>) -> Tie {
    let list = subject.carriers.first().filter(|carrier| carrier.present && !carrier.is_empty());
    Tie {
        class: subject.storage_class.map(ToOwned::to_owned),
        class_has_options: subject.kind == Kind::StorageClass && list.is_some(),
        class_has_background: subject.kind == Kind::StorageClass && subject.may_go_to_background(),
        unreached: None,
    }
}

/// Adds what several objects show together, once all of them are there.
pub fn judge(report: &mut Report) {
    let names = |is_meant: fn(&Tie) -> bool| -> BTreeSet<String> {
        let meant = report.subjects.iter().filter(|subject| is_meant(&subject.tie));
        meant.map(|subject| subject.name.clone()).collect()
    };
    let with_options = names(|tie| tie.class_has_options);
    let with_background = names(|tie| tie.class_has_background);
    for subject in &mut report.subjects {
        let Some(class) = subject.tie.class.as_ref().filter(|class| with_options.contains(*class)) else {
            continue;
        };
        let has_background = with_background.contains(class);
        if let Some(mut finding) = subject.tie.unreached.take() {
            if has_background {
                finding.message = finding.message.replace("do not reach", "(bg among them) do not reach");
            }
            subject.findings.push(*finding);
            subject.findings.sort_by_key(|finding| (finding.line, finding.column, finding.code));
        }
    }
}
