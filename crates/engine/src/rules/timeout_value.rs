//! NMG007: a timeout that does not say what its author means.

use super::{About, Actions, Example, Rule, RuleContext, Setting, offer, replace};
use crate::count::{counted, grouped, named};
use crate::finding::{Action, Applicability, Code, Sentence, Severity};
use crate::nfs::catalog::{OptionId, OptionSet};
use crate::nfs::intended;
use crate::nfs::value::{is_canonical_decimal, kernel_number, leading_number};
use crate::subject::Subject;
use crate::subject::effective::Token;

pub(super) static RULE: Rule = Rule {
    code: Code(7),
    name: "timeout-value",
    title: "Timeout value that is misread or out of range",
    summary: "a timeo, retrans or retry that is read otherwise than it looks, or is out of range",
    why: "`timeo` is in tenths of a second, `retry` in minutes, `retrans` counts tries. mount.nfs and the kernel \
read numbers differently. The kernel takes `0600` for octal 384 and `0x258` for 600, refuses `60s` (that is \
NMG012) and cuts `timeo` at 6000. mount.nfs reads `retry=1h` as one minute, and `retry=-1` or `retry=abc` as its \
default. A long `retry` outlives the two minutes that the kubelet gives a CSI driver. It leaves a mount.nfs \
process that may mount over another mount later. Without `retry` mount.nfs tries for 2 minutes. Some drivers \
give up before that: `nfs.csi.k8s.io` after 110 s, `blob.csi.azure.com` after 90 s, \
`nfs.manila.csi.openstack.org` after 110 s, `tns.csi.io` after 30 s. `explain -f FILE` names the `retry` that \
fits.",
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
        "kstrtouint with base 0: https://github.com/torvalds/linux/blob/v6.12/lib/kstrtox.c",
        "nfs_parse_retry_option: https://git.linux-nfs.org/?p=steved/nfs-utils.git;a=blob;f=utils/mount/stropts.c;hb=refs/tags/nfs-utils-2-8-3",
        "https://github.com/kubernetes-csi/csi-driver-nfs/issues/1271",
        "https://github.com/kubernetes-csi/csi-driver-nfs/issues/649",
    ],
    since: 1,
    preview: false,
    about: About::Presence,
    where_uncertain: false,
    check,
};

fn check(check: &mut RuleContext<'_, '_>) {
    if !check.speaks_of(OptionSet::of(&[OptionId::Timeo, OptionId::Retrans, OptionId::Retry])) {
        return;
    }
    // In the order of the rule's settings.
    let &[timeo_min, timeo_max, retrans_min, retrans_max, retry_max] = check.settings else {
        return;
    };
    // NMG009 reports a value that continues after its comma.
    for token in check.options().filter(|token| token.meant.is_none()) {
        // Values that the kernel refuses are reported by NMG012.
        let Some(value) = token.option.value().filter(|_| token.acceptance.refusal.is_none()) else {
            continue;
        };
        let problem = match token.id() {
            Some(OptionId::Timeo) => timeo(value, timeo_min, timeo_max),
            Some(OptionId::Retrans) => retrans(value, retrans_min, retrans_max),
            Some(OptionId::Retry) => retry(value, retry_max, check.subject),
            _ => None,
        };
        let Some(Problem { what, instead, remedy }) = problem else {
            continue;
        };
        let mut message = Sentence::from(check.about(token, &what));
        message.remedy = remedy.map(Into::into);
        // One that loses is dropped (NMG008): written otherwise it could win in a sorted list.
        let fix = instead
            .filter(|_| !is_beaten(check, token))
            .and_then(|number| replace(token, format!("{}={number}", token.option.keyword())))
            .map(|edit| offer(vec![edit]));
        check.report(token, Severity::Proper, message, fix);
    }
}

/// Returns true if another option of the same word is read last.
fn is_beaten(check: &RuleContext<'_, '_>, token: &Token<'_>) -> bool {
    let last = check.subject.options.effective().rfind(|other| other.id() == token.id());
    last.is_some_and(|last| last.option.text() != token.option.text())
}

struct Problem {
    what: String,
    instead: Option<u64>,
    /// The remedy, where no number is certain.
    remedy: Option<String>,
}

impl Problem {
    fn with_remedy(what: impl Into<String>, remedy: String) -> Self {
        Self { what: what.into(), instead: None, remedy: Some(remedy) }
    }

    fn new(what: impl Into<String>, instead: Option<u64>) -> Self {
        Self { what: what.into(), instead, remedy: None }
    }
}

/// The largest `timeo` in effect: the kernel lowers others to it (`NFS_MAX_TCP_TIMEOUT`,
/// <https://github.com/torvalds/linux/blob/v6.12/fs/nfs/client.c>).
const LARGEST_TIMEO: u32 = 6000;

fn seconds(tenths: u32) -> f64 {
    f64::from(tenths) / 10.0
}

fn timeo(value: &str, min: u32, max: u32) -> Option<Problem> {
    let tenths = kernel_number(value)?;
    if !is_canonical_decimal(value) {
        return Some(Problem::new(
            format!("is read by the kernel as {tenths} ({} s)", seconds(tenths)),
            Some(u64::from(tenths)),
        ));
    }
    if tenths > max {
        return Some(if tenths > LARGEST_TIMEO {
            let what =
                format!("exceeds the kernel's limit: {LARGEST_TIMEO} ({} s) applies", seconds(LARGEST_TIMEO));
            Problem::new(what, Some(u64::from(LARGEST_TIMEO)))
        } else {
            let what =
                format!("is {} s (unit: 0.1 s); the maximum is {max} ({} s)", seconds(tenths), seconds(max));
            Problem::with_remedy(what, format!("use at most timeo={max}"))
        });
    }
    if tenths < min {
        let what = format!(
            "is {} s (unit: 0.1 s); below {} s, requests are retransmitted too early",
            seconds(tenths),
            seconds(min)
        );
        return Some(Problem::with_remedy(what, format!("use at least timeo={min}")));
    }
    None
}

fn retrans(value: &str, min: u32, max: u32) -> Option<Problem> {
    let tries = kernel_number(value)?;
    if !is_canonical_decimal(value) {
        return Some(Problem::new(
            format!("is read by the kernel as {}", named(tries, "try", "tries")),
            Some(u64::from(tries)),
        ));
    }
    (!(min..=max).contains(&tries)).then(|| {
        let nearest =
            if tries < min { format!("at least retrans={min}") } else { format!("at most retrans={max}") };
        let what = format!("is out of range ({min} to {max})");
        Problem::with_remedy(what, format!("use {nearest}"))
    })
}

fn retry(value: &str, max: u32, subject: &Subject<'_>) -> Option<Problem> {
    if value.is_empty() {
        return None;
    }
    let minutes = leading_number(value).filter(|minutes| *minutes >= 0);
    let Some(minutes) = minutes.and_then(|minutes| u64::try_from(minutes).ok()) else {
        let what = "is not a number of minutes: mount.nfs uses its default";
        return Some(Problem::with_remedy(what, "write whole minutes, or drop it".to_owned()));
    };
    // A driver that gives up sooner leaves a mount.nfs that continues.
    let most = subject.driver.deadline.map_or(max, |seconds| max.min(seconds.saturating_sub(1) / 60));
    if !is_canonical_decimal(value) {
        let fits = |minutes: &u64| *minutes <= u64::from(max);
        let meant = intended::minutes(value).filter(fits).or(Some(minutes).filter(fits));
        let what = format!("is read by mount.nfs as {}", counted(minutes, "minute"));
        return Some(match meant {
            Some(_) => Problem::new(what, meant),
            None => Problem::with_remedy(what, format!("use at most retry={most}")),
        });
    }
    if minutes <= u64::from(max) {
        return None;
    }
    let meanwhile = match subject.driver.deadline {
        Some(seconds) => format!("the driver gives up after {seconds} s"),
        None if subject.is_csi() => "the kubelet's CSI timeout is 2 min".to_owned(),
        None => "the kubelet waits for it".to_owned(),
    };
    let minutes = grouped(minutes);
    let what = format!("makes mount.nfs retry for {minutes} min; {meanwhile}");
    Some(Problem::with_remedy(what, format!("use at most retry={most}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subject::driver::drivers;

    #[test]
    fn the_page_names_every_driver_that_gives_up_before_mount_nfs() {
        let rows = drivers().filter_map(|driver| Some((*driver.names.first()?, driver.deadline?)));
        let named: Vec<_> = rows.map(|(name, seconds)| format!("`{name}` after {seconds} s")).collect();
        assert!(named.len() >= 4, "{named:?}");
        for words in named {
            assert!(RULE.why.contains(&words), "{words}");
        }
    }
}
