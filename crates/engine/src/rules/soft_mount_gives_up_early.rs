//! NMG006: a soft mount that gives up before a server can fail over.

use super::soft_mount::soft_option;
use super::{About, Actions, Example, Rule, RuleContext, Setting};
use crate::finding::{Action, Code, Sentence, Severity};
use crate::nfs::acceptance::Transport;
use crate::nfs::catalog::{OptionId, OptionSet};
use crate::nfs::settings::Settings;
use crate::nfs::timeouts::{LONGER_BELOW, default_retrans, default_timeo, is_longer, major_timeout};

pub(super) static RULE: Rule = Rule {
    code: Code(6),
    name: "soft-mount-gives-up-early",
    title: "Soft mount that gives up early",
    summary: "a soft mount with a short major timeout, or without retries",
    why: "A soft mount fails every call at its major timeout: `timeo / 10 * (1 + retrans)` seconds over TCP. A \
server that restarts or fails over is away for 30 to 120 seconds. An NFSv4 server then needs up to 90 seconds of \
grace. A mount that gives up earlier loses writes at every such event. `timeo` is in tenths of a second: \
`timeo=10` is one second, not ten. `retrans=0` fails after one timeout, without a retry. With NFSv4, short \
timeouts take longer than that, so a finding says \"at least\": `timeo=10,retrans=1` failed after 13 to 22 s, \
`timeo=50,retrans=2` after 16 to 30 s.",
    remedy: "Use `hard`, or raise `timeo` and `retrans`: `timeo=600,retrans=2` is 180 s.",
    actions: Actions::all(Action::Deny),
    lesser: Some((Actions::all(Action::Warn), "the volume is only read")),
    fix: None,
    settings: &[Setting {
        name: "seconds",
        default: 60,
        min: 1,
        max: 600,
        meaning: "the shortest major timeout that passes, in seconds",
    }],
    example: Example {
        bad: "\
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: shared}
provisioner: nfs.csi.k8s.io
mountOptions: [nfsvers=4.1, soft, fg, timeo=30, retrans=3]
",
        good: "\
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: shared}
provisioner: nfs.csi.k8s.io
mountOptions: [nfsvers=4.1, soft, fg, timeo=600, retrans=3]
",
    },
    references: &[
        "nfs(5), timeo and soft",
        "xprt_calc_majortimeo: https://github.com/torvalds/linux/blob/v6.12/net/sunrpc/xprt.c",
        "measured with Linux 6.1, row soft,timeo=10,retrans=1: https://github.com/nfs-mount-guard/nfs-mount-guard/blob/main/tests/kernel-truth/6.1.tsv",
    ],
    since: 1,
    preview: false,
    about: About::Presence,
    where_uncertain: false,
    check,
};

fn check(check: &mut RuleContext<'_, '_>) {
    let Some(token) = soft_option(check) else {
        return;
    };
    // An option that is not known yet may become hard, or a timeout that is long enough.
    let may_come = |words| check.subject.options.may_override(words);
    let is_timeo_open = may_come(OptionSet::of(&[OptionId::Timeo]));
    let settings = check.subject.options.settings();
    if may_come(RECOVERY)
        || may_come(OptionSet::of(&[OptionId::Retrans]))
        || is_timeo_open && settings.retrans != Some(0)
    {
        return;
    }
    let (shortest, longest, is_longer) = range(settings, may_come(TRANSPORT), may_come(VERSION));
    let least = check.setting("seconds");
    let at_least = if is_longer { "at least " } else { "" };
    let message = if settings.retrans == Some(0) && is_timeo_open {
        format!("{} with retrans=0 fails calls after one timeout", check.quote(token))
    } else if settings.retrans == Some(0) {
        format!(
            "{} with retrans=0 fails calls after one timeout ({at_least}{shortest} s)",
            check.quote(token)
        )
    } else if longest < f64::from(least) {
        format!(
            "{} fails calls after {at_least}{shortest} s; a failover takes longer (minimum: {least} s)",
            check.quote(token)
        )
    } else {
        return;
    };
    let severity = if check.subject.is_writable() { Severity::Proper } else { Severity::Lesser };
    let message = match long_enough(settings, least) {
        Some(options) => Sentence::with_remedy(message, format!("use hard, or {options}")),
        None => Sentence::with_remedy(message, "use hard"),
    };
    check.report(token, severity, message, None);
}

const RECOVERY: OptionSet = OptionSet::of(&[OptionId::Hard, OptionId::Soft, OptionId::Softerr]);
const TRANSPORT: OptionSet =
    OptionSet::of(&[OptionId::Proto, OptionId::Tcp, OptionId::Udp, OptionId::Rdma, OptionId::VersFlag]);
const VERSION: OptionSet = OptionSet::of(&[OptionId::Vers, OptionId::VersFlag]);

/// Returns the shortest and the longest major timeout in seconds, and true if a call may wait longer than
/// the shortest, where the transport or the version may not be known yet.
fn range(settings: &Settings, is_transport_open: bool, is_version_open: bool) -> (f64, f64, bool) {
    let major = major_timeout(settings).as_secs_f64();
    let is_longer = is_longer(settings) || is_version_open && major < LONGER_BELOW.as_secs_f64();
    if !is_transport_open {
        return (major, major, is_longer);
    }
    let over = |transport| {
        let settings = Settings { transport: Some(transport), ..settings.clone() };
        major_timeout(&settings).as_secs_f64()
    };
    let (tcp, udp) = (over(Transport::Tcp), over(Transport::Udp));
    (tcp.min(udp), tcp.max(udp), true)
}

/// Most tries that the remedy requests: more belong into `timeo`.
const MOST_RETRANS: u32 = 10;

/// Returns the smallest raise of `timeo` and `retrans` that gives a major timeout of `least`
/// seconds, as words; `None` where the transport's cap is below that.
fn long_enough(settings: &Settings, least: u32) -> Option<String> {
    // UDP's first timeout is too short to keep.
    let timeo = settings.timeo.unwrap_or_default().max(default_timeo(None));
    let retrans = settings.retrans.unwrap_or_default().max(default_retrans(None));
    (retrans..=retrans.max(MOST_RETRANS)).find_map(|retrans| {
        let raised = Settings { timeo: Some(timeo), retrans: Some(retrans), ..settings.clone() };
        let major = major_timeout(&raised).as_secs_f64();
        (major >= f64::from(least)).then(|| {
            let is_raised =
                [(settings.timeo != Some(timeo), "timeo"), (settings.retrans != Some(retrans), "retrans")];
            let words: Vec<&str> = is_raised.iter().filter(|(is, _)| *is).map(|(_, word)| *word).collect();
            format!("raise {}: timeo={timeo},retrans={retrans} is {major} s", words.join(" and "))
        })
    })
}
