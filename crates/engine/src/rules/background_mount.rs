//! NMG001: a `bg` anywhere.

mod evaluated;

use std::cell::OnceCell;
use std::collections::BTreeSet;

use super::{About, Actions, Example, Rule, RuleContext, about};
use crate::finding::{Action, Applicability, Code, Edit, Finding, Fix, Sentence, Severity};
use crate::kind::Holds;
use crate::nfs::option::MountOption;
use crate::nfs::reading::Latitude;
use crate::nfs::{acceptance, disguised, placeholder, reading};
use crate::site::{Place, Site};
use crate::subject::Subject;
use crate::subject::carrier::{Carrier, Form};
use crate::subject::driver::{Case, Role};
use crate::subject::effective::Token;

pub(super) static RULE: Rule = Rule {
    code: Code(1),
    name: "background-mount",
    title: "Failed mount reported as success (bg)",
    summary: "bg in any place that contains options: a failed mount looks successful",
    why: "With `bg`, mount.nfs exits 0 although the mount failed, and retries in the background. The kubelet \
trusts the exit code: the Pod starts on an empty directory of the node's local disk and writes there. When the \
mount succeeds later, perhaps after days, it hides those files. The keyword counts in any place and with any \
value: `hard,bg` in one element, `bg=0`, in the legacy annotation, in `volumeAttributes`, and as `BG` where the \
driver lower-cases its options. Quotes and backslashes hide nothing: mount(8), mount.nfs and drivers that run a \
shell read them differently. So every text between two commas counts, as in `context=\"a,bg,c\"`, `\"bg\"` or \
`b\\g`.",
    remedy: "Replace `bg` with `fg`. A class's parameters, a volume's attributes and the volumes of a Pod are \
immutable: delete and recreate the object. The Pod template of a workload can be changed, but for that of a Job.",
    actions: Actions::all(Action::Deny),
    lesser: None,
    fix: Some(Applicability::Apply),
    settings: &[],
    example: Example {
        bad: "\
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: shared}
provisioner: nfs.csi.k8s.io
mountOptions: [nfsvers=4.1, \"hard,bg\", timeo=600, retrans=2]
",
        good: "\
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: shared}
provisioner: nfs.csi.k8s.io
mountOptions: [nfsvers=4.1, \"hard,fg\", timeo=600, retrans=2]
",
    },
    references: &[
        "nfs(5), bg / fg",
        "nfsmount_parent and nfsmount_child: https://git.linux-nfs.org/?p=steved/nfs-utils.git;a=blob;f=utils/mount/stropts.c;hb=refs/tags/nfs-utils-2-8-3",
        "SetUpAt: https://github.com/kubernetes/kubernetes/blob/v1.37.2/pkg/volume/nfs/nfs.go",
    ],
    since: 1,
    preview: false,
    about: About::Presence,
    where_uncertain: true,
    check,
};

fn check(check: &mut RuleContext<'_, '_>) {
    let subject = check.subject;
    // A later fg wins; the order is no safe guard, but the reason is another one.
    let last = subject.options.effective().rfind(|token| matches!(token.option.keyword(), "bg" | "fg"));
    let last = last.filter(|token| token.option.keyword() == "fg");
    // Laid out once for all: a hostile list has a thousand of them.
    let backgrounds = OnceCell::new();
    let may_background = || {
        *backgrounds.get_or_init(|| {
            let is_read_bare = || subject.with_elements(&subject.bare_elements()).may_go_to_background();
            subject.may_go_to_background() || is_read_bare()
        })
    };
    // Of all that is not told apart one is enough to say, too.
    let mut is_said_beyond = false;
    for (carrier_index, carrier) in subject.carriers.iter().enumerate() {
        if carrier.is_beyond && is_said_beyond {
            continue;
        }
        let findings_before = check.findings.len();
        let latitude = subject.latitude(carrier);
        // Of what no mount takes, one is enough to say.
        let most = if carrier.is_overlong() { 1 } else { usize::MAX };
        for (element_index, element) in carrier.elements.iter().copied().enumerate() {
            // Most elements have not even the letters.
            let has = |letter: u8| element.bytes().any(|byte| byte.eq_ignore_ascii_case(&letter));
            if !has(b'g') || !has(b'b') {
                continue;
            }
            // At every comma, whatever quotes are around it: a superset of what any layer reads.
            let pieces = reading::every_piece(element)
                .filter_map(|piece| Some((reading::background_word(piece.text, latitude)?, piece)));
            let mut pieces = pieces.take(most).peekable();
            check_further(check, (carrier_index, element_index), element, last);
            if pieces.peek().is_none() {
                if carrier.takes_placeholders {
                    check_placeholders(check, (carrier_index, element_index), element, latitude);
                }
                // Elements of a list go to mount as they are.
                if !subject.driver.known.is_read() && carrier.place.key().is_some() {
                    check_words(check, (carrier_index, element_index), element, latitude);
                }
                continue;
            }
            let ambiguity = match Ambiguity::of(Some(&carrier.seen(element))) {
                Ambiguity::Marks if carrier.in_force && last.is_some() && !may_background() => {
                    Ambiguity::OverriddenMarks
                }
                ambiguity => ambiguity,
            };
            let literals =
                if carrier.takes_placeholders { placeholder::literals(element) } else { Vec::new() };
            let is_literal =
                |at: usize| literals.iter().any(|it| (it.start..it.start + it.text.len()).contains(&at));
            for (word, piece) in pieces {
                // An exemption and a baseline name the keyword, which must not depend on its
                // letters.
                let word = if subject.driver.case == Case::Folded { "bg" } else { word };
                let ambiguity =
                    if is_literal(piece.range.start) { Ambiguity::Placeholder } else { ambiguity };
                let site = Site { carrier: carrier_index, element: element_index, range: piece.range };
                report(check, site, piece.text, word, last, ambiguity);
            }
        }
        is_said_beyond |= carrier.is_beyond && check.findings.len() > findings_before;
    }
    check_rewritten(check);
    evaluated::check_shell(check);
    evaluated::check_script(check);
}

/// Reports the `bg` that a program may write in the place of a placeholder, which names it.
fn check_placeholders(
    check: &mut RuleContext<'_, '_>,
    (carrier, element): (usize, usize),
    text: &str,
    latitude: Latitude,
) {
    for literal in placeholder::literals(text) {
        for piece in placeholder::options_of(text, &literal) {
            if let Some(keyword) = reading::background_word(piece.text, latitude) {
                let range = literal.start + piece.range.start..literal.start + piece.range.end;
                let site = Site { carrier, element, range };
                report(check, site, piece.text, keyword, None, Ambiguity::Placeholder);
            }
        }
    }
}

/// Reports the `bg` that a text adds to the driver's mount command with a `-o` of its own. A driver whose
/// source was not read may build such a command, too.
fn check_further(
    check: &mut RuleContext<'_, '_>,
    (carrier, element): (usize, usize),
    text: &str,
    last: Option<&Token<'_>>,
) {
    let subject = check.subject;
    let is_known = subject.driver.known.is_read();
    let Some(found) = subject.carriers.get(carrier) else { return };
    if is_known && !(subject.runs_a_shell() && found.in_force) || !is_known && found.place.key().is_none() {
        return;
    }
    let ambiguity = if is_known { Ambiguity::None } else { Ambiguity::Notation };
    // An argument after the options comes last.
    let last = last.filter(|_| found.role != Some(Role::Argument));
    let byte = |at: Option<usize>| at.and_then(|at| text.as_bytes().get(at));
    for piece in reading::further_options(text) {
        let is_piece = byte(piece.range.start.checked_sub(1)) == Some(&b',')
            && matches!(byte(Some(piece.range.end)), None | Some(b','));
        // One between two commas is found as such.
        if is_piece {
            continue;
        }
        if let Some(word) = reading::background_word(piece.text, Latitude::WIDE) {
            let site = Site { carrier, element, range: piece.range };
            report(check, site, piece.text, word, last, ambiguity);
        }
    }
}

/// Reports the `bg` of a text that is a list of options in another notation than mount's, as JSON
/// or with white space between them: the driver is not known, and may read it so.
fn check_words(
    check: &mut RuleContext<'_, '_>,
    (carrier, element): (usize, usize),
    text: &str,
    latitude: Latitude,
) {
    let is_option = |word: &str| MountOption::new(word.to_ascii_lowercase()).entry().is_some();
    if !disguised::words(text).all(|(_, word)| is_option(word)) {
        return;
    }
    for (start, word) in disguised::words(text) {
        if let Some(keyword) = reading::background_word(word, latitude) {
            let site = Site { carrier, element, range: start..start + word.len() };
            report(check, site, word, keyword, None, Ambiguity::Notation);
        }
    }
}

/// Reports options that become `bg` only because the driver rewrites them, as a shell does.
fn check_rewritten(check: &mut RuleContext<'_, '_>) {
    let subject = check.subject;
    if !subject.driver.rewrites_options() {
        return;
    }
    let reported: BTreeSet<_> =
        check.findings.iter().filter_map(|finding| finding.site.as_ref()).map(Site::order).collect();
    for token in subject.options.effective().filter(|token| token.option.keyword() == "bg") {
        let Some(site) = token.site.clone().filter(|site| !reported.contains(&site.order())) else {
            continue;
        };
        let element = check.element_at(&site);
        let written = element.and_then(|element| element.get(site.range.clone())).unwrap_or_default();
        report(check, site, written, "bg", None, Ambiguity::of(element));
    }
}

/// The certainty with which all layers read an element alike. Found once for all its pieces: an
/// element may hold more than a thousand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ambiguity {
    /// Nothing in it is read in different ways.
    None,
    /// It holds quotes or backslashes, and no reading moves its commas.
    Marks,
    /// The same, and a later fg overrides it where a layer drops them.
    OverriddenMarks,
    /// Some reading moves its commas.
    Trap,
    /// Only a notation that is not mount's makes it a list.
    Notation,
    /// It may come in the place of a placeholder.
    Placeholder,
}

impl Ambiguity {
    fn of(element: Option<&str>) -> Self {
        match element {
            Some(element) if reading::trap(element).is_some() => Self::Trap,
            Some(element) if reading::has_marks(element) => Self::Marks,
            _ => Self::None,
        }
    }
}

/// Returns true if no word makes the options of a carrier come into force: the driver refuses the key, or
/// never mounts such a volume.
fn is_useless(subject: &Subject<'_>, carrier: &Carrier<'_>) -> bool {
    let is_never_mounted = || subject.volume.is_some() && subject.driver.inline.is_never_mounted();
    let is_refused = || carrier.refused.is_some() || subject.refuses_unknown_keys();
    subject.driver.known.is_read() && carrier.has_lost_options() && (is_refused() || is_never_mounted())
}

/// Says what becomes of a `bg` whose whitespace is a part of its name.
const fn with_whitespace(token: &Token<'_>) -> &'static str {
    if token.is_beside_sloppy {
        "is ignored with sloppy because of its whitespace; without it, it is a background mount"
    } else {
        "fails every mount because of its whitespace; without it, it is a background mount"
    }
}

/// Says what becomes of a `bg` in the dress of a command line that reaches mount as an option.
const fn behind_switch(token: &Token<'_>) -> &'static str {
    if token.is_beside_sloppy {
        "is ignored with sloppy; without -o it is a background mount"
    } else {
        "is no option of mount(8), and every mount fails; without -o it is a background mount"
    }
}

/// Reports `piece`, which is `word` to some layer: to all of them where it is
/// one option of its element as it stands.
fn report(
    check: &mut RuleContext<'_, '_>,
    site: Site,
    piece: &str,
    word: &'static str,
    later_fg: Option<&Token<'_>>,
    ambiguity: Ambiguity,
) {
    let subject = check.subject;
    let element = check.element_at(&site);
    let is_option = subject.options.at(&site).is_some_and(|token| token.is_background(subject.may_fold()));
    let is_clear = match ambiguity {
        Ambiguity::None => true,
        Ambiguity::Marks | Ambiguity::OverriddenMarks => is_option,
        Ambiguity::Trap | Ambiguity::Notation | Ambiguity::Placeholder => false,
    };
    // Text after a version in its carrier is appended with it.
    let carrier = subject.carriers.get(site.carrier);
    let is_argument = carrier.is_some_and(|carrier| carrier.role == Some(Role::Argument));
    let is_added = !is_option && subject.runs_a_shell() || is_argument;
    let is_appended =
        carrier.is_some_and(|carrier| carrier.in_force && (carrier.form == Form::Version || is_added));
    let is_in_force = is_appended || subject.options.at(&site).is_some_and(|token| token.in_force);
    // An element of its own is an argument of its own to a driver that joins none.
    let is_argument_of_mount = subject.driver.one_element && site.element > 0;
    let is_behind_switch = !is_option && piece.trim_start().starts_with('-');
    let later_fg = later_fg.filter(|_| !(is_behind_switch && is_argument_of_mount));
    let is_no_option = !is_argument_of_mount && subject.driver.known.is_read();
    let token = subject.options.at(&site).filter(|token| token.in_force);
    let is_refused = token.is_some_and(|token| {
        let effective = subject.options.effective().map(|token| &token.option).collect::<Vec<_>>();
        !token.is_beside_sloppy
            && !token.is_unrendered
            && acceptance::is_refused_background(&token.option, effective.iter().copied())
    });
    // No layer takes white space off an option: mount(8) `ul_optstr_next`, mount.nfs `po_split`, the kernel
    // `vfs_parse_monolithic_sep`.
    let is_kept_apart = !subject.may_fold()
        && reading::background_word(piece, Latitude { folds: false, trims: false }).is_none()
        && subject.driver.known.is_read();
    let spaced = token.filter(|token| is_clear && is_kept_apart && token.acceptance.refusal.is_some());
    let what = if let Some(token) = spaced {
        with_whitespace(token)
    } else if let Some(token) = token.filter(|_| is_clear && is_behind_switch && is_no_option) {
        behind_switch(token)
    } else if is_clear && is_refused && subject.driver.known.is_read() {
        "fails the mount with NFSv4, and makes a background mount with NFSv3"
    } else if is_clear && token.zip(later_fg).is_some_and(|(bg, fg)| subject.is_order_open(bg, fg)) {
        "may win over fg: the driver reads the two keys in no fixed order"
    } else if is_clear && is_in_force && later_fg.is_some() {
        "is overridden by a later fg; a change of order would mount in the background"
    } else if is_clear && !is_in_force && subject.driver.known.is_read() {
        "is not read here; where it is read, it makes a failed mount look successful"
    } else if is_clear && subject.volume.is_some() && subject.driver.inline.is_never_mounted() {
        "is in an inline volume that this driver never mounts; its failed mount would look successful"
    } else if is_clear && subject.carries_no_mount() {
        "makes a failed mount look successful if the driver mounts with it, which is not known"
    } else if is_clear && subject.kind.row().holds == Holds::Snapshots {
        "makes a failed mount look successful: a snapshot is ready that the server never received"
    } else if is_clear {
        "makes a failed mount look successful: Pods write to the node's local disk"
    } else if ambiguity == Ambiguity::OverriddenMarks {
        "is overridden by a later fg if quotes are dropped; other orders mount in the background"
    } else if ambiguity == Ambiguity::Placeholder {
        "becomes a background mount if that is what the placeholder yields"
    } else if ambiguity == Ambiguity::Notation {
        "may be a background mount: the driver, whose source was not read, may split the text"
    } else {
        "may be a background mount: layers read quotes and backslashes differently"
    };
    let message = about(piece, element, what);
    // Text that a program still fills in is never touched.
    let is_unrendered = element
        .zip(subject.carriers.get(site.carrier))
        .is_some_and(|(element, carrier)| carrier.is_unrendered(element, site.range.clone()));
    // The placeholder would be the value of fg.
    let message = if is_clear && is_unrendered {
        Sentence::with_remedy(message, "replace it with \"fg\"")
    } else if let Some(carrier) = carrier.filter(|carrier| is_useless(subject, carrier)) {
        Sentence::with_remedy(message, format!("remove {}", carrier.place.short()))
    } else {
        message.into()
    };
    // Without its quotes a word of JSON makes the text unreadable for a driver that reads JSON.
    let is_json = !subject.driver.known.is_read()
        && element.is_some_and(|element| element.trim_start().starts_with('['));
    // fg, not a removal: without either word nfsmount.conf of the node decides.
    let with = match element {
        Some(element) if !is_json => reading::foreground_instead(piece, element),
        _ => reading::foreground_letters(piece),
    };
    let is_handle = carrier.is_some_and(|carrier| carrier.place == Place::VolumeHandle);
    let edits = vec![Edit::Replace { site: site.clone(), with: with.into() }];
    check.findings.push(Finding {
        code: check.rule.code,
        severity: Severity::Proper,
        carrier: site.carrier,
        place: None,
        keyword: word.into(),
        site: Some(site),
        message,
        // The handle is the volume's name, too: with another text it is another volume.
        fix: (!is_unrendered && !is_handle).then_some(Fix { applicability: Applicability::Apply, edits }),
    });
}
