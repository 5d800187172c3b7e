//! Fixtures: manifests beside what the engine has to say of them.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use nfs_mount_guard::check::{Checker, together};
use nfs_mount_guard::engine::decide::Decision;
use nfs_mount_guard::engine::fix::{Scope, fix_all, unchanged};
use nfs_mount_guard::engine::judge::{self, Case, Endpoint};
use nfs_mount_guard::engine::{Evaluation, evaluate};
use nfs_mount_guard::policy::Policy;
use nfs_mount_guard::report::{FindingReport, PolicyOrigin, Report};
use nfs_mount_guard::site::Site;
use nfs_mount_guard::subject::Subject;
use nfs_mount_guard::subject::driver::Nfs;
use nfs_mount_guard::subject::manifest::Manifest;
use serde::Deserialize as _;
use serde_json::Value;
use time::Date;
use time::macros::date;

/// The day on which all tests of the engine happen.
pub const TODAY: Date = date!(2026 - 03 - 01);

/// A file or directory beside the tests.
pub fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

/// The documents of a YAML text, as JSON texts.
pub fn documents(yaml: &str) -> Vec<String> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(yaml).expect("YAML");
    documents.iter().map(ToString::to_string).collect()
}

/// Judges one object, given as JSON.
pub fn judge<T>(json: &str, policy: &Policy, look: impl FnOnce(&Subject<'_>, &Evaluation) -> T) -> T {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let manifest = Manifest::deserialize(&mut deserializer).unwrap_or_else(|error| panic!("{error}: {json}"));
    let subject =
        Subject::new(&manifest, policy.drivers()).unwrap_or_else(|| panic!("not a subject: {json}"));
    let evaluation = evaluate(policy, &subject, TODAY);
    look(&subject, &evaluation)
}

/// Returns the response of an endpoint to a new object.
fn answer(policy: &Policy, subject: &Subject<'_>, endpoint: Endpoint) -> Decision<'static> {
    judge::judge(&Case { policy, subject, before: None, today: TODAY, endpoint, is_status: false }).decision
}

/// Returns the response of `/validate` to a new object.
pub fn validate(policy: &Policy, subject: &Subject<'_>) -> Decision<'static> {
    answer(policy, subject, Endpoint::Validate)
}

/// Returns the response of `/mutate` to a new object.
pub fn mutate(policy: &Policy, subject: &Subject<'_>) -> Decision<'static> {
    answer(policy, subject, Endpoint::Mutate)
}

/// Returns true if some finding is about the option at `site`, or about a part of it.
pub fn is_named(evaluation: &Evaluation, site: Option<&Site>) -> bool {
    let about = |site: &Site, other: &Site| {
        (site.carrier, site.element) == (other.carrier, other.element)
            && site.range.start < other.range.end
            && other.range.start < site.range.end
    };
    let sites = || evaluation.findings.iter().filter_map(|judged| judged.finding.site.as_ref());
    site.is_some_and(|site| sites().any(|other| about(site, other)))
}

/// Describes the engine's result for one object, for people to review.
pub fn describe(json: &str, policy: &Policy) -> String {
    judge(json, policy, |subject, evaluation| describe_subject(subject, evaluation, policy))
}

/// The same of a subject.
pub fn describe_subject(subject: &Subject<'_>, evaluation: &Evaluation, policy: &Policy) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{} {}{} ({}): {}",
        subject.kind,
        subject.name,
        subject.volume.map(|volume| format!(" {volume}")).unwrap_or_default(),
        subject.driver_name,
        match subject.nfs {
            Nfs::Yes => "NFS",
            Nfs::No => "not NFS",
            Nfs::Depends => "may be NFS",
        }
    );
    let _ = writeln!(text, "  effective: {}", subject.effective());
    for judged in &evaluation.findings {
        let finding = &judged.finding;
        let field = subject
            .place(finding)
            .map_or_else(String::new, |place| place.field(finding.site.as_ref().map(|site| site.element)));
        let fix = finding.fix.as_ref().map_or(String::new(), |fix| format!(" [{:?}]", fix.applicability));
        let _ = writeln!(text, "  {} {} {field}: {}{fix}", judged.action, finding.code, finding.message);
    }
    let validated = validate(policy, subject);
    let mutated = mutate(policy, subject);
    let _ = writeln!(text, "  /validate: {}", validated.as_str());
    let _ = write!(text, "  /mutate: {}", mutated.as_str());
    if let Decision::Patch(elements) = &mutated {
        let _ = write!(text, " to {}", subject.with_elements(elements).effective());
    }
    let fixed = fix_all(policy, subject, TODAY, Scope::FILE);
    if fixed != unchanged(subject) {
        let _ = write!(text, "\n  fix: to {}", subject.with_elements(&fixed).effective());
    }
    text.push('\n');
    text
}

/// Returns the findings of `check` in the objects of a text, which may take several of them.
pub fn found_together(yaml: &str, policy: &Policy) -> Report {
    let check = Checker {
        policy,
        judged_as: Endpoint::Validate,
        today: TODAY,
        with_fixes: false,
        marks_unfixed: false,
        joins_inputs: false,
    };
    let mut report = Report::new(PolicyOrigin {
        file: None,
        profile: policy.profile().to_string(),
        mode: policy.mode().as_str(),
        hash: String::new(),
        webhook_hash: None,
        not_run: Vec::new(),
    });
    report.add(check.bytes(Path::new("a.yaml"), "a.yaml", yaml.as_bytes().to_vec(), true));
    together::judge(&mut report);
    report
}

/// Compares what `check` says of `manifests` as a whole with the file beside it.
pub fn compare_together(manifests: &Path) {
    let yaml =
        fs::read_to_string(manifests).unwrap_or_else(|error| panic!("{}: {error}", manifests.display()));
    let mut seen = String::new();
    for subject in &found_together(&yaml, &Policy::default()).subjects {
        let _ = writeln!(seen, "{} ({}): {}", subject.object(), subject.driver, subject.decision);
        for finding in &subject.findings {
            let FindingReport { line, column, end_column, code, message, pointer, .. } = finding;
            let action = finding.action.as_str();
            let _ = writeln!(seen, "  {line}:{column}-{end_column} {action} {code} {pointer}: {message}");
        }
    }
    compare_text(&manifests.with_extension("expected"), &seen);
}

/// Compares what the engine says of `manifests` with the file beside it.
/// `UPDATE_EXPECTED=1` writes that file, for review.
pub fn compare(manifests: &Path) {
    let yaml =
        fs::read_to_string(manifests).unwrap_or_else(|error| panic!("{}: {error}", manifests.display()));
    let policy = Policy::default();
    let seen: Vec<String> = documents(&yaml).iter().map(|json| describe(json, &policy)).collect();
    compare_text(&manifests.with_extension("expected"), &seen.join("\n"));
}

/// Compares a text with a file; `UPDATE_EXPECTED=1` writes that file, for
/// review.
pub fn compare_text(file: &Path, seen: &str) {
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write(file, seen).expect("written");
    }
    let wanted = fs::read_to_string(file).unwrap_or_default();
    assert!(seen == wanted, "{} says otherwise (UPDATE_EXPECTED=1 writes it anew):\n{seen}", file.display());
}
