//! NMG010: options in the annotation that replaces the list.

use super::{About, Actions, Example, Rule, RuleContext};
use crate::finding::{Action, Code, Severity};
use crate::site::Place;
use crate::subject::driver::Role;

pub(super) static RULE: Rule = Rule {
    code: Code(10),
    name: "legacy-annotation",
    title: "Options in the legacy annotation",
    summary: "options in the annotation volume.beta.kubernetes.io/mount-options",
    why: "On an in-tree volume this annotation overrides `spec.mountOptions`, even if it is empty. \
A change of the list has no effect. On a FlexVolume the API server rejects it. Every rule evaluates its content, and repairs are made in place.",
    remedy: "Move its options to `spec.mountOptions` and delete it.",
    actions: Actions::all(Action::Warn),
    lesser: None,
    fix: None,
    settings: &[],
    example: Example {
        bad: "\
apiVersion: v1
kind: PersistentVolume
metadata:
  name: shared
  annotations: {volume.beta.kubernetes.io/mount-options: \"fg,nfsvers=4.1,hard,timeo=600,retrans=2\"}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteMany]
  nfs: {server: nfs.example.com, path: /export}
",
        good: "\
apiVersion: v1
kind: PersistentVolume
metadata: {name: shared}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteMany]
  mountOptions: [fg, nfsvers=4.1, hard, timeo=600, retrans=2]
  nfs: {server: nfs.example.com, path: /export}
",
    },
    references: &[
        "MountOptionFromSpec: https://github.com/kubernetes/kubernetes/blob/v1.37.2/pkg/volume/util/util.go",
    ],
    since: 1,
    preview: false,
    about: About::Presence,
    where_uncertain: false,
    check,
};

fn check(check: &mut RuleContext<'_, '_>) {
    let subject = check.subject;
    for (index, carrier) in subject.carriers.iter().enumerate() {
        let message = if carrier.place == Place::Annotation && subject.is_flex_volume() {
            "the API server rejects the volume.beta.kubernetes.io/mount-options annotation on a FlexVolume"
        } else if carrier.place == Place::Annotation {
            "the volume.beta.kubernetes.io/mount-options annotation overrides spec.mountOptions"
        } else if carrier.role == Some(Role::AnnotationWhenListEmpty) && carrier.in_force {
            "the provisioner writes this parameter to the annotation, which overrides spec.mountOptions"
        } else {
            continue;
        };
        check.report_carrier(index, Severity::Proper, message);
    }
}
