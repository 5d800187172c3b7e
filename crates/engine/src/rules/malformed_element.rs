//! NMG009: an element that is not one clean option.

pub(super) mod rewritten;

use std::ops::Range;

use super::unknown_option::{MISSING_VALUE, OtherVersion};
use super::{About, Actions, Example, Rule, RuleContext, is_refused_alone, offer, offer_instead, shortened};
use crate::finding::{Action, Applicability, Code, Edit, Finding, Fix, Sentence, Severity};
use crate::nfs::acceptance::{Overlooked, Refusal};
use crate::nfs::catalog::OptionId;
use crate::nfs::disguised::Meant;
use crate::nfs::option::{MountOption, Piece};
use crate::nfs::placeholder::is_leftover;
use crate::nfs::reading::{self, Latitude, Trap};
use crate::site::Site;
use crate::subject::Subject;
use crate::subject::carrier::Form;
use crate::subject::driver::Case;
use crate::subject::effective::{Malformation, Token};
use rewritten::{can_be_split, move_to_list, remedy_of, rests_of_remarks, trimmed, written_as_meant};

pub(super) static RULE: Rule = Rule {
    code: Code(9),
    name: "malformed-element",
    title: "Malformed list element",
    summary: "an element with a comma, whitespace, a quote, a backslash, a control character, or nothing in it",
    why: "The elements of the list are joined with commas and split again, more than once and by different \
rules. A comma inside an element makes two options of it, which defeats every check that compares whole \
elements, and the kubelet's sort as well. Whitespace is part of the option's name: ` bg` is not `bg`, it is an \
unknown option. A double quote hides a comma from mount.nfs but not from the kernel, so `x=\"a,soft,b\"` \
smuggles `soft` past the one and into the other. A quote that only another element closes makes one option of \
the text between them. For mount(8) of util-linux 2.40 and newer a comma after a backslash is a part of the \
option, since 2.42 a quote as well. Older ones, mount.nfs and the kernel read them otherwise. A driver that runs \
mount through a shell lets `$`, `;` and their like make other options, or commands, of an element. Only the \
SELinux `context=` options may be quoted, and both quotes belong in one element. A quote or backslash that \
changes the meaning is also denied on a provisioner's volume. If the object does not show whether it is NFS, it \
is denied next to an option that only NFS has.

Options that are longer than the 4,096 bytes that mount accepts, or more than 1,365, are not evaluated. They are \
denied whatever the policy says, also if the rule is off or an exemption matches, because anything may be among \
them. An update that leaves them unchanged is admitted. If the object does not show whether it is NFS, they are \
denied only if a `bg` may be in them, also next to a special character such as a quote. An option that only NFS \
has is a warning then.",
    remedy: "Write one option per element, without whitespace, quotes or backslashes. Shorten options that are too long. If the driver \
mounts no NFS, declare that in the policy: `drivers: [{name: my-driver.example.com, nfs: false}]`. The other way out is \
`mode: observe`, which denies nothing.",
    actions: Actions::all(Action::Deny),
    lesser: Some((
        Actions::all(Action::Warn),
        "what is mounted stays the same: an embedded comma, an empty element, an option that mount(8) keeps to itself",
    )),
    fix: Some(Applicability::Offer),
    settings: &[],
    example: Example {
        bad: "\
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: shared}
provisioner: nfs.csi.k8s.io
mountOptions: [\"nfsvers=4.1,hard\", \"fg \", timeo=600, retrans=2]
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
        "MakeMountArgsSensitiveWithMountFlags, without escaping: https://github.com/kubernetes/kubernetes/blob/v1.37.2/staging/src/k8s.io/mount-utils/mount_linux.go",
        "the tokenizer of mount.nfs: https://git.linux-nfs.org/?p=steved/nfs-utils.git;a=blob;f=utils/mount/token.c;hb=refs/tags/nfs-utils-2-8-3",
        "ul_optstr_next: https://github.com/util-linux/util-linux/blob/v2.41/lib/strutils.c",
        "generic_parse_monolithic: https://github.com/torvalds/linux/blob/v6.12/fs/fs_context.c",
    ],
    since: 1,
    preview: false,
    about: About::Presence,
    where_uncertain: false,
    check,
};

/// Carriers and elements, in order.
type Elements = Vec<(usize, usize)>;

fn check(check: &mut RuleContext<'_, '_>) {
    let (traps, spaced) = check_elements(check);
    let is_in = |elements: &Elements, token: &Token<'_>| {
        let site = token.site.as_ref();
        site.is_some_and(|site| elements.binary_search(&(site.carrier, site.element)).is_ok())
    };
    for token in check.other_options() {
        match token.malformation {
            // A quote that reaches beyond the element was reported for the element, and so was
            // the white space of a list written as one element.
            Some(Malformation::Quote) if is_in(&traps, token) => {}
            Some(Malformation::Blank) if is_in(&spaced, token) || is_trimmed_background(check, token) => {}
            Some(Malformation::Disguised)
                if has_escape(token) && (is_in(&traps, token) || is_background(token)) => {}
            None | Some(Malformation::Continued) => {}
            Some(malformation) => check_option(check, token, malformation),
        }
    }
}

/// Commas and emptiness, which are about the element, not about an option, and
/// what reaches beyond it. Gives the elements where something does, and those whose
/// white space was reported with their commas.
fn check_elements(check: &mut RuleContext<'_, '_>) -> (Elements, Elements) {
    let subject = check.subject;
    let (mut traps, mut spaced) = (Vec::new(), Vec::new());
    for (carrier_index, index) in subject.options.irregular_elements().iter().copied() {
        let carrier = subject.carriers.get(carrier_index).filter(|carrier| carrier.in_force);
        let Some((carrier, element)) =
            carrier.and_then(|carrier| Some((carrier, *carrier.elements.get(index)?)))
        else {
            continue;
        };
        let mut is_trap = false;
        for (range, trap, is_closed) in closed_together(carrier.form, subject.traps(carrier, element)) {
            is_trap = true;
            let text = element.get(range.clone()).unwrap_or(element);
            let mut message = if is_closed { cut(text) } else { trapped(text, trap).into() };
            let site = Site { carrier: carrier_index, element: index, range };
            let escaped = subject.options.within(&site).find(|token| has_escape(token));
            let meant = escaped.and_then(|token| Some((token, token.meant.as_deref()?)));
            let fix = meant.and_then(|(token, meant)| written_as_meant(subject, token, meant));
            let fix = fix.and_then(|(remedy, fix)| {
                message.remedy = Some(remedy.into());
                fix
            });
            report_element(check, site, Severity::Hidden, message, fix);
        }
        // A text that is split differently has no pieces to speak of.
        if is_trap {
            traps.push((carrier_index, index));
            continue;
        }
        if !element.is_empty() && !element.bytes().any(|byte| matches!(byte, b',' | b'"')) {
            continue;
        }
        let pieces = carrier.pieces(element);
        let full = pieces.iter().filter(|piece| !piece.text.is_empty()).count();
        let has_gaps = full != pieces.len();
        let is_continued = |piece: &&Piece<'_>| {
            let site = Site { carrier: carrier_index, element: index, range: piece.range.clone() };
            let token = subject.options.at(&site);
            token.is_some_and(|token| token.malformation == Some(Malformation::Continued))
        };
        let full =
            full.saturating_sub(pieces.iter().filter(is_continued).count() + rests_of_remarks(&pieces));
        // Commas are the separators of a text, and unusual in an element of a list.
        let is_list = carrier.form == Form::List;
        let site = Site { carrier: carrier_index, element: index, range: 0..element.len() };
        // One fault, one finding: what is written otherwise is split with it.
        let at = |range: Range<usize>| subject.options.at(&Site { range, ..site });
        let is_disguised = pieces.iter().any(|piece| {
            at(piece.range.clone()).is_some_and(|token| token.meant.is_some() && token.malformation.is_some())
        });
        let can_split = (is_list || full > 0) && can_be_split(subject, carrier, &site, &pieces);
        if is_list && full > 1 && is_disguised && can_split {
            continue;
        }
        let shown = shortened(element);
        if is_list && full > 1 && can_split && !subject.driver.one_element {
            let tokens = || pieces.iter().filter_map(|piece| at(piece.range.clone()));
            if let Some((severity, mut edits)) = trimmed_blanks(subject, tokens()) {
                edits.push(Edit::Split { carrier: carrier_index, element: index });
                let what =
                    format!("{shown:?} contains {full} options and whitespace, which becomes part of them");
                let message = Sentence::with_remedy(what, "write one per element");
                let first = tokens().next();
                let fix = first.map(|token| offer_instead(subject, token, edits));
                report_element(check, site, severity, message, fix);
                spaced.push((carrier_index, index));
                continue;
            }
        }
        let (severity, message) = if is_list && full > 1 && subject.driver.one_element {
            continue;
        } else if is_list && element.is_empty() && subject.driver.refuses_empty_elements() {
            (Severity::CannotMount, Sentence::from("an element is empty, and the driver refuses that"))
        } else if is_list && full > 1 {
            let is_refused = |piece: &&Piece<'_>| is_refused_alone(subject, &MountOption::new(piece.text));
            let refused = pieces.iter().find(is_refused);
            let without = refused.map_or_else(String::new, |piece| {
                format!(", without {:?}, which the driver rejects", shortened(piece.text))
            });
            let what = format!("{shown:?} contains {full} options");
            (Severity::Lesser, Sentence::with_remedy(what, format!("write one per element{without}")))
        } else if is_list && element.is_empty() {
            (Severity::Lesser, Sentence::with_remedy("an element is empty", "remove it"))
        } else if full == 0 && is_list || has_gaps && !element.is_empty() {
            let remedy = if full == 0 { "remove it" } else { "remove the extra comma" };
            let what = format!("{shown:?} contains an empty option");
            (Severity::Lesser, Sentence::with_remedy(what, remedy))
        } else {
            continue;
        };
        let fix = can_split.then(|| offer(vec![Edit::Split { carrier: carrier_index, element: index }]));
        report_element(check, site, severity, message, fix);
    }
    (traps, spaced)
}

/// Returns the edits that take the white space around the options of an element away, and how bad the
/// worst of them is; `None` where none has white space, or one would not be an option without.
fn trimmed_blanks<'t>(
    subject: &Subject<'_>,
    tokens: impl Iterator<Item = &'t Token<'t>>,
) -> Option<(Severity, Vec<Edit>)> {
    let blank = tokens.filter(|token| token.malformation == Some(Malformation::Blank));
    let (mut worst, mut edits) = (None, Vec::new());
    for token in blank {
        let (_, edit) = trimmed(token).filter(|(clean, _)| !clean.is_empty())?;
        edits.push(edit);
        let severity = severity_of(subject, token, Severity::CannotMount);
        worst = worst.max(Some(severity));
    }
    worst.map(|worst| (worst, edits))
}

/// Returns the traps of an element, with true for a quote and its partner that the carrier's reader
/// parts: one fault.
fn closed_together(form: Form, traps: Vec<(Range<usize>, Trap)>) -> Vec<(Range<usize>, Trap, bool)> {
    let mut together: Vec<(Range<usize>, Trap, bool)> = Vec::new();
    for (range, trap) in traps {
        match together.last_mut() {
            Some((open, Trap::OpenQuote, is_closed @ false))
                if form == Form::SplitEverywhere && trap == Trap::OpenQuote =>
            {
                open.end = range.end;
                *is_closed = true;
            }
            _ => together.push((range, trap, false)),
        }
    }
    together
}

/// Says that quotes keep nothing together where the kubelet splits at every comma.
fn cut(text: &str) -> Sentence {
    let shown = shortened(text);
    let message =
        format!("{shown:?} is cut at its comma: the kubelet splits the annotation inside quotes, too");
    let is_label = MountOption::new(text).entry().is_some_and(|entry| entry.id == OptionId::Context);
    if is_label { Sentence::with_remedy(message, move_to_list(text)) } else { message.into() }
}

fn trapped(element: &str, trap: Trap) -> String {
    let shown = shortened(element);
    match trap {
        Trap::OpenQuote => {
            format!("unclosed quote in {shown:?}: mount.nfs and the kernel split it differently")
        }
        Trap::EscapedComma => {
            format!("{shown:?} escapes a comma for mount(8) since util-linux 2.40, and for no other layer")
        }
        Trap::Shell => format!("{shown:?} is run by a shell of the driver, which makes any options of it"),
        Trap::EscapedQuote => {
            format!("{shown:?} escapes a quote for mount(8) since util-linux 2.42, and for no other layer")
        }
    }
}

fn report_element(
    check: &mut RuleContext<'_, '_>,
    site: Site,
    severity: Severity,
    message: Sentence,
    fix: Option<Fix>,
) {
    let keyword = check.element_at(&site).unwrap_or_default().to_owned().into();
    check.findings.push(Finding {
        code: check.rule.code,
        severity,
        carrier: site.carrier,
        place: None,
        site: Some(site),
        keyword,
        message,
        fix,
    });
}

fn check_option(check: &mut RuleContext<'_, '_>, token: &Token<'_>, malformation: Malformation) {
    let (what, severity) = match malformation {
        Malformation::Control => (
            "contains a control character, which becomes part of the option's name or value",
            Severity::CannotMount,
        ),
        Malformation::Blank if token.option.text().starts_with('[') => {
            ("is a Go list that a template prints without toYaml", Severity::CannotMount)
        }
        Malformation::Blank => {
            ("contains whitespace, which becomes part of the option's name or value", Severity::CannotMount)
        }
        Malformation::Quote if !token.option.text().contains(',') => {
            ("contains a quote, which becomes part of the option's name or value", Severity::Hidden)
        }
        Malformation::Quote => {
            ("contains a quote, which mount.nfs and the kernel read differently", Severity::Hidden)
        }
        Malformation::Unquoted => {
            ("loses its quotes to the driver's shell: each comma in them ends an option", Severity::Hidden)
        }
        // Measured: `=hard` and `=` exit 1 with mount(8) of util-linux 2.38 to 2.42.
        Malformation::NoKeyword => {
            let is_read = check.subject.driver.known.is_read();
            let severity = if is_read { Severity::CannotMount } else { Severity::Proper };
            ("has no option name before its =: mount(8) refuses it", severity)
        }
        Malformation::Disguised | Malformation::Continued => {
            let is_certain = !token.is_beside_sloppy && check.subject.driver.known.is_read();
            let goes_on = token.meant.as_ref().is_some_and(|meant| meant.pieces > 1);
            let what = if has_escape(token) {
                "contains a backslash, which becomes part of the option's name or value"
            } else if token.option.text().trim_start().starts_with('[') {
                "is a list in a string: write one option per element"
            } else if goes_on {
                "continues after a comma, where every layer starts another option"
            } else {
                "is not how an option is written"
            };
            (what, if is_certain { Severity::CannotMount } else { Severity::Lesser })
        }
    };
    // No driver puts together what a comma cut, or gives a value its name.
    let is_beyond_driver =
        token.meant.as_ref().is_some_and(|meant| meant.pieces > 1) || malformation == Malformation::NoKeyword;
    let severity = match severity {
        Severity::CannotMount if is_beyond_driver && !is_overlooked(token) => Severity::CannotMount,
        severity => severity_of(check.subject, token, severity),
    };
    let message = check.about(token, what);
    match token.meant.as_deref() {
        _ if is_leftover(token.option.text()) => {
            check.report(token, severity, Sentence::with_remedy(message, MISSING_VALUE), None);
        }
        Some(meant) => report_meant(check, token, severity, message, meant),
        None => match trimmed(token) {
            Some((clean, edit)) if !clean.is_empty() => {
                let other = OtherVersion::of(check.subject, token, &clean);
                let is_choice = other.as_ref().is_some_and(|other| other.leaves_a_choice(&clean));
                let remedy = other.map_or_else(|| format!("use {clean}"), |other| other.remedy(&clean));
                let fix = (!is_choice).then(|| offer_instead(check.subject, token, vec![edit]));
                check.report(token, severity, Sentence::with_remedy(message, remedy), fix);
            }
            trimmed => check.report(
                token,
                severity,
                Sentence { what: message.into(), remedy: remedy_of(malformation) },
                trimmed.map(|(_, edit)| offer_instead(check.subject, token, vec![edit])),
            ),
        },
    }
}

/// Returns true if kernels ignore an option beside `sloppy` (measured: `sloppy,foo` exit 0). mount(8)
/// refuses one without a name before that.
fn is_overlooked(token: &Token<'_>) -> bool {
    let overlooked = token.acceptance.refusal.map_or(Overlooked::Never, Refusal::overlooked);
    token.is_beside_sloppy
        && overlooked != Overlooked::Never
        && token.malformation != Some(Malformation::NoKeyword)
}

/// Returns the severity of a fault in an option: less where mount(8) keeps the option to itself, where
/// the driver mends it, or where kernels ignore it.
fn severity_of(subject: &Subject<'_>, token: &Token<'_>, severity: Severity) -> Severity {
    match severity {
        // Such a word never reaches the kernel, so it breaks no mount.
        _ if token.entry().is_some_and(|entry| entry.consumers.end_before_kernel()) => Severity::Lesser,
        // A driver that trims or folds may pass it on as a good option.
        Severity::CannotMount if subject.driver.case != Case::Kept || is_overlooked(token) => {
            Severity::Proper
        }
        severity => severity,
    }
}

/// Returns true if NMG001 speaks of it as a `bg` with whitespace around it.
fn is_trimmed_background(check: &RuleContext<'_, '_>, token: &Token<'_>) -> bool {
    let carrier = token.site.as_ref().and_then(|site| check.subject.carriers.get(site.carrier));
    carrier.is_some_and(|carrier| {
        reading::background_word(token.option.text(), check.subject.latitude(carrier)).is_some()
    })
}

/// Returns true if it is `bg` to some layer, of which NMG001 speaks.
fn is_background(token: &Token<'_>) -> bool {
    reading::background_word(token.option.text(), Latitude::WIDE).is_some()
}

/// Returns true if a backslash is what is wrong with an option.
fn has_escape(token: &Token<'_>) -> bool {
    token.meant.is_some() && token.option.text().contains('\\')
}

/// Says what to write, and offers it where it can stand there.
fn report_meant(
    check: &mut RuleContext<'_, '_>,
    token: &Token<'_>,
    severity: Severity,
    message: String,
    meant: &Meant,
) {
    let (message, fix) = match written_as_meant(check.subject, token, meant) {
        Some((remedy, fix)) => (Sentence::with_remedy(message, remedy), fix),
        None => (message.into(), None),
    };
    check.report(token, severity, message, fix);
}
