//! NMG006: a soft mount that gives up before a server can fail over.

use super::soft_mount::soft_option;
use super::{About, Actions, Example, Rule, RuleContext, Setting};
use crate::finding::{Action, Code, Sentence, Severity};
use crate::nfs::catalog::OptionId;
use crate::nfs::settings::Settings;
use crate::nfs::timeouts::{default_retrans, default_timeo, is_longer, major_timeout};

pub(super) static RULE: Rule = Rule {
    code: Code(6),
    name: "soft-mount-gives-up-early",
    title: "Soft mount that gives up early",
    summary: "a soft mount with a short major timeout, or without retries",
    why: "A soft mount fails every call at its major timeout: `timeo / 10 * (1 + retrans)` seconds over TCP. \
A server that restarts or fails over is away for 30 to 120 seconds, and an NFSv4 server then needs up to 90 \
seconds of grace. A mount that gives up earlier loses writes at every such event. `timeo` is in tenths of a \
second: `timeo=10` is one second, not ten. `retrans=0` fails after one timeout, without a retry. \
With NFSv4, short timeouts take longer than that: `timeo=10,retrans=1` failed after 13 to 22 s, `timeo=50,retrans=2` \
after 16 to 30 s, so a finding says \"at least\".",
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
    // It may become another timeout, or hard.
    if check.subject.options.may_hold_others() {
        return;
    }
    let settings = check.subject.options.settings();
    let major = major_timeout(settings);
    let least = check.setting("seconds");
    // A value that is not known yet may be long enough.
    let is_open = |word| check.subject.options.unrendered().any(|token| token.id() == Some(word));
    let (timeo_is_open, retrans_is_open) = (is_open(OptionId::Timeo), is_open(OptionId::Retrans));
    let at_least = if is_longer(settings) { "at least " } else { "" };
    let message = if retrans_is_open || timeo_is_open && settings.retrans != Some(0) {
        return;
    } else if settings.retrans == Some(0) {
        format!(
            "{} with retrans=0 fails calls after one timeout ({at_least}{} s)",
            check.quote(token),
            major.as_secs_f64()
        )
    } else if major.as_secs_f64() < f64::from(least) {
        format!(
            "{} fails calls after {at_least}{} s; a failover takes longer (minimum: {least} s)",
            check.quote(token),
            major.as_secs_f64()
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
