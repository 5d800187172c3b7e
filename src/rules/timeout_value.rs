//! NMG007: a timeout that does not say what its author means.

use super::{Actions, Check, Example, Rule, Setting, offer, replace};
use crate::finding::{Action, Applicability, Code, Grade};
use crate::nfs::catalog::{Word, Words};
use crate::nfs::value::{is_canonical_decimal, kernel_number, leading_number};

pub(super) static RULE: Rule = Rule {
    code: Code(7),
    name: "timeout-value",
    summary: "a timeo, retrans or retry that is no plain number, in another unit, or out of range",
    why: "`timeo` is in tenths of a second, `retry` in minutes, `retrans` counts tries. mount.nfs and the \
kernel read numbers differently: the kernel takes `0600` for octal 384 and `0x258` for 600, refuses `60s` and \
cuts `timeo` at 6000; mount.nfs reads `retry=1h` as one minute and turns `retry=-1` or `retry=abc` into its \
default without failing. A long `retry` outlives the two minutes that kubelet gives a CSI driver, and leaves \
a mount.nfs behind that may mount over another one later.",
    remedy: "Write a plain decimal number, `timeo` between 100 and 6000, `retrans` between 2 and 10, `retry` \
at most 2.",
    actions: Actions::all(Action::Warn).strict(Action::Deny),
    lesser: None,
    fix: Some(Applicability::Offer),
    settings: &[
        Setting {
            name: "timeo-min",
            default: 100,
            min: 1,
            max: 6000,
            meaning: "the smallest timeo that passes, in tenths of a second",
        },
        Setting {
            name: "timeo-max",
            default: 6000,
            min: 1,
            max: 6000,
            meaning: "the largest timeo that passes, in tenths of a second",
        },
        Setting {
            name: "retrans-min",
            default: 2,
            min: 0,
            max: 100,
            meaning: "the smallest retrans that passes, in tries",
        },
        Setting {
            name: "retrans-max",
            default: 10,
            min: 0,
            max: 100,
            meaning: "the largest retrans that passes, in tries",
        },
        Setting {
            name: "retry-max",
            default: 2,
            min: 0,
            max: 10000,
            meaning: "the largest retry that passes, in minutes",
        },
    ],
    example: Example {
        bad: "\
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: shared}
provisioner: nfs.csi.k8s.io
mountOptions: [nfsvers=4.1, hard, fg, timeo=0x258, retrans=2]
",
        good: "\
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: shared}
provisioner: nfs.csi.k8s.io
mountOptions: [nfsvers=4.1, hard, fg, timeo=600, retrans=2]
",
    },
    references: &[
        "nfs(5), timeo, retrans and retry",
        "Linux lib/kstrtox.c, kstrtouint with base 0",
        "nfs-utils utils/mount/stropts.c, nfs_parse_retry_option",
    ],
    since: "0.1.0",
    check,
};

fn check(check: &mut Check<'_, '_>) {
    if !check.speaks_of(Words::of(&[Word::Timeo, Word::Retrans, Word::Retry])) {
        return;
    }
    // In the order of the rule's settings.
    let &[timeo_min, timeo_max, retrans_min, retrans_max, retry_max] = check.settings else {
        return;
    };
    for token in check.options() {
        let Some(value) = token.option.value() else {
            continue;
        };
        let problem = match token.word() {
            Some(Word::Timeo) => timeo(value, timeo_min, timeo_max),
            Some(Word::Retrans) => retrans(value, retrans_min, retrans_max),
            Some(Word::Retry) => retry(value, retry_max),
            _ => None,
        };
        let Some(Problem { what, instead }) = problem else {
            continue;
        };
        let message = check.about(token, &what);
        let fix = instead
            .and_then(|number| replace(token, format!("{}={number}", token.option.keyword())))
            .map(|edit| offer(vec![edit]));
        check.report(token, Grade::Proper, message, fix);
    }
}

struct Problem {
    what: String,
    instead: Option<u64>,
}

impl Problem {
    fn new(what: impl Into<String>, instead: Option<u64>) -> Self {
        Self { what: what.into(), instead }
    }
}

fn timeo(value: &str, min: u32, max: u32) -> Option<Problem> {
    let Some(tenths) = kernel_number(value) else {
        let instead = tenths_of(value).filter(|tenths| *tenths <= u64::from(max));
        return Some(Problem::new("is no plain number of tenths of a second", instead));
    };
    if !is_canonical_decimal(value) {
        return Some(Problem::new(
            format!("is read by the kernel as {tenths} tenths of a second"),
            Some(u64::from(tenths)),
        ));
    }
    if tenths > max {
        let instead = (tenths > 6000).then_some(6000);
        return Some(Problem::new(
            format!("is over {max} tenths of a second; the kernel cuts it at 6000"),
            instead,
        ));
    }
    if tenths < min {
        let seconds = f64::from(tenths) / 10.0;
        return Some(Problem::new(
            format!(
                "is {seconds} s, for timeo counts tenths of a second; under {min} requests are repeated before a busy server answers"
            ),
            None,
        ));
    }
    None
}

/// Reads a duration with its unit, as an author who takes `timeo` for one
/// writes it, in whole tenths of a second.
fn tenths_of(value: &str) -> Option<u64> {
    let digits = value.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = value.strip_prefix(digits)?;
    let number: u64 = digits.parse().ok().filter(|_| is_canonical_decimal(digits))?;
    let tenths = match unit {
        "ms" if number.is_multiple_of(100) => number / 100,
        "ds" => number,
        "s" | "sec" => number.checked_mul(10)?,
        "m" | "min" => number.checked_mul(600)?,
        _ => return None,
    };
    (tenths > 0).then_some(tenths)
}

fn retrans(value: &str, min: u32, max: u32) -> Option<Problem> {
    let Some(tries) = kernel_number(value) else {
        return Some(Problem::new("is no plain number of tries", None));
    };
    if !is_canonical_decimal(value) {
        return Some(Problem::new(format!("is read by the kernel as {tries} tries"), Some(u64::from(tries))));
    }
    (!(min..=max).contains(&tries))
        .then(|| Some(Problem::new(format!("is outside {min} to {max} tries"), None)))
        .flatten()
}

fn retry(value: &str, max: u32) -> Option<Problem> {
    if value.is_empty() {
        return None;
    }
    let minutes = leading_number(value).filter(|minutes| *minutes >= 0);
    let Some(minutes) = minutes.and_then(|minutes| u64::try_from(minutes).ok()) else {
        return Some(Problem::new("is no number of minutes, so mount.nfs uses its default", None));
    };
    if !is_canonical_decimal(value) {
        return Some(Problem::new(
            format!("is read by mount.nfs as {minutes} minutes"),
            (minutes <= u64::from(max)).then_some(minutes),
        ));
    }
    (minutes > u64::from(max))
        .then(|| {
            Some(Problem::new(
                format!(
                    "keeps mount.nfs trying for {minutes} minutes, longer than kubelet waits for a CSI driver"
                ),
                None,
            ))
        })
        .flatten()
}
