//! `fix` on texts: comments stay with their elements, aliases change nothing else.

use std::fmt::Write as _;
use std::path::Path;

use nfs_mount_guard::check::Checker;
use nfs_mount_guard::check::repair::{Repaired, repair};
use nfs_mount_guard::engine::fix::{Scope, Traced, fix_traced};
use nfs_mount_guard::engine::judge::Endpoint;
use nfs_mount_guard::policy::Policy;
use nfs_mount_guard::source::object::Object;
use nfs_mount_guard::source::text::Lines;
use nfs_mount_guard::source::{Item, visit};
use proptest::prelude::*;

use crate::fixture::TODAY;

const CLASS: &str =
    "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: a}\nprovisioner: nfs.csi.k8s.io\n";

fn repaired(text: &str) -> Repaired {
    repair(&Policy::default(), TODAY, Scope::FILE, text, &|_| true)
}

/// The text after `fix`, which must not change it a second time.
#[track_caller]
fn fixed(text: &str) -> String {
    let first = repaired(text);
    let new = first.text.unwrap_or_else(|| text.to_owned());
    assert_eq!(repaired(&new).text, None, "{text}\nbecame\n{new}");
    new
}

#[test]
fn a_comment_stays_with_its_element_and_goes_with_it() {
    let added = "- fg\n- timeo=600\n- retrans=2\n";
    for (before, after) in [
        // After the last element, in brackets over several lines.
        (
            "mountOptions: [\n  nfsvers=4.1, # v\n  \"bg\" # b\n]\n",
            "mountOptions: [\n  nfsvers=4.1, # v\n  \"fg\", # b\n  \"timeo=600\",\n  \"retrans=2\"\n]\n",
        ),
        (
            "mountOptions: [soft, # why\n  nfsvers=4.1 # v\n  ]\n",
            "mountOptions: [soft, # why\n  nfsvers=4.1, # v\n  fg,\n  timeo=600,\n  retrans=2\n  ]\n",
        ),
        (
            "mountOptions: [hard, # h\n]\n",
            "mountOptions: [hard, # h\n               fg,\n               timeo=600,\n               retrans=2,\n]\n",
        ),
        ("mountOptions: [ # none\n]\n", "mountOptions: [ # none\n  fg, timeo=600, retrans=2\n]\n"),
        ("mountOptions: []  # none\n", "mountOptions: [fg, timeo=600, retrans=2]  # none\n"),
        (
            "mountOptions: [\n  \"soft\", # s\n  \"bg\" # b\n]\n",
            "mountOptions: [\n  \"soft\", # s\n  \"fg\", # b\n  \"timeo=600\",\n  \"retrans=2\"\n]\n",
        ),
        // After the bracket, in the last element's line.
        (
            "mountOptions: [nfsvers=4.1, # v\n  hard] # h\n",
            "mountOptions: [nfsvers=4.1, # v\n  hard, fg, timeo=600, retrans=2] # h\n",
        ),
        (
            "mountOptions:\n  [nfsvers=4.1, # v\n  hard, ] # h\n",
            "mountOptions:\n  [nfsvers=4.1, # v\n  hard, fg, timeo=600, retrans=2, ] # h\n",
        ),
        // An anchor of the list itself, and its alias.
        (
            "mountOptions: [&b bg, nfsvers=4.1, *b]\n",
            "mountOptions: [&b fg, nfsvers=4.1, timeo=600, retrans=2]\n",
        ),
        // With an element that goes: after, above and below it.
        ("mountOptions: [hard, intr # i\n]\n", "mountOptions: [hard, fg, timeo=600, retrans=2\n]\n"),
        (
            "mountOptions: [hard, intr, # i\n  ac]\n",
            "mountOptions: [hard,\n  ac,\n  fg,\n  timeo=600,\n  retrans=2]\n",
        ),
        (
            "mountOptions: [\n  hard, # h\n  # above\n  intr, # i\n        # below\n  ac,\n]\n",
            "mountOptions: [\n  hard, # h\n  ac,\n  fg,\n  timeo=600,\n  retrans=2,\n]\n",
        ),
        (
            "mountOptions: [ hard # h\n  , intr # i\n  , ac # a\n  ]\n",
            "mountOptions: [ hard # h\n  , ac # a\n  , fg\n  , timeo=600\n  , retrans=2\n  ]\n",
        ),
        ("mountOptions:\n- hard # h\n- intr # i\n", &format!("mountOptions:\n- hard # h\n{added}")),
        (
            "mountOptions:\n- hard # h\n       # below\n# above\n- intr # i\n       # below\n- ac\n# end\n",
            &format!("mountOptions:\n- hard # h\n       # below\n- ac\n{added}# end\n"),
        ),
        // Nothing of the list stays, and what is put out of use is no word about another one.
        ("mountOptions:\n# - soft\n- intr # i\n", &format!("mountOptions:\n# - soft\n{added}")),
        ("mountOptions: [intr # i\n]\n", "mountOptions: [fg, timeo=600, retrans=2\n]\n"),
        // Of two options in an element one stays, and so does the comment.
        (
            "mountOptions:\n- 'hard,bg' # both\n- ac # a\n",
            "mountOptions:\n- 'hard' # both\n- 'fg'\n- ac # a\n- timeo=600\n- retrans=2\n",
        ),
        (
            "mountOptions:\n- >- # folded\n  hard,bg\n",
            "mountOptions:\n- >- # folded\n  hard\n- fg\n- timeo=600\n- retrans=2\n",
        ),
    ] {
        for line_break in ["\n", "\r\n"] {
            let text =
                |options: &str| format!("{CLASS}{options}reclaimPolicy: Delete\n").replace('\n', line_break);
            assert_eq!(fixed(&text(before)), text(after), "{before}");
        }
        // As the last of a file without a final line break.
        let (before, after) = (format!("{CLASS}{before}"), format!("{CLASS}{after}"));
        assert_eq!(fixed(before.trim_end()), after.trim_end(), "{before}");
    }
}

/// A class with a name and a driver, as an item of a List.
fn item(name: &str, driver: &str, options: &str) -> String {
    format!(
        "- apiVersion: storage.k8s.io/v1\n  kind: StorageClass\n  metadata: {{name: {name}}}\n  provisioner: {driver}\n  \
         mountOptions: {options}\n"
    )
}

const NFS: &str = "nfs.csi.k8s.io";
const DISK: &str = "ebs.csi.aws.com";

#[test]
fn what_an_alias_brings_elsewhere_changes_only_where_that_is_asked_too() {
    let good = "[hard, fg, timeo=600, retrans=2]";
    let bad = "[hard, bg]";
    for (before, after) in [
        // All ask for the same: it changes where it is written.
        (
            [item("one", NFS, &format!("&o {bad}")), item("two", NFS, "*o # c")],
            [item("one", NFS, &format!("&o {good}")), item("two", NFS, "*o # c")],
        ),
        // One requests nothing, or for something else: the other one gets its own.
        (
            [item("one", DISK, &format!("&o {bad}")), item("two", NFS, "*o # c")],
            [item("one", DISK, &format!("&o {bad}")), item("two", NFS, &format!("{good} # c"))],
        ),
        (
            [item("one", NFS, &format!("&o {bad}")), item("two", "efs.csi.aws.com", "*o")],
            [item("one", NFS, &format!("&o {good}")), item("two", "efs.csi.aws.com", "[hard, fg]")],
        ),
        // An element.
        (
            [item("one", DISK, "[&o bg]"), item("two", NFS, "[hard, *o]")],
            [item("one", DISK, "[&o bg]"), item("two", NFS, good)],
        ),
        (
            [item("one", NFS, "[hard, &o bg]"), item("two", NFS, "[hard, *o]")],
            [item("one", NFS, "[hard, &o fg, timeo=600, retrans=2]"), item("two", NFS, good)],
        ),
        // A merge: written after it, where every reader takes it.
        (
            [
                format!("- &m {{driver: x, mountOptions: {bad}}}\n"),
                format!("- <<: *m\n  {}", CLASS.replace('\n', "\n  ").trim_end().to_owned() + "\n"),
            ],
            [
                format!("- &m {{driver: x, mountOptions: {bad}}}\n"),
                format!("- <<: *m\n  {}\n  mountOptions: {good}\n", CLASS.replace('\n', "\n  ").trim_end()),
            ],
        ),
    ] {
        let list = |items: [String; 2]| format!("apiVersion: v1\nkind: List\nitems:\n{}", items.concat());
        assert_eq!(fixed(&list(before)), list(after));
    }
}

#[test]
fn what_cannot_change_alone_is_told_with_its_place_and_the_others_change() {
    let volume = |name: &str, spec: &str| {
        format!("- apiVersion: v1\n  kind: PersistentVolume\n  metadata: {{name: {name}}}\n  spec: {spec}\n")
    };
    let map = |spec: &str| format!("- {{apiVersion: v1, kind: ConfigMap, spec: {spec}}}\n");
    for (items, place, words) in [
        ([item("one", NFS, "&o [bg]"), item("two", DISK, "*o")], (9, 20), "line 14 reads it, too"),
        ([item("one", NFS, "[&o bg]"), map("*o")], (9, 17), "line 10 reads it, too"),
        ([item("one", NFS, "[hard, &o intr]"), map("*o")], (9, 17), "line 10 reads it, too"),
        (
            [map("&s {nfs: {server: a, path: /}, mountOptions: [bg]}"), volume("b", "*s")],
            (9, 9),
            "with other fields",
        ),
    ] {
        let text = |last: &str| {
            let third = item("three", NFS, last);
            format!("apiVersion: v1\nkind: List\nmetadata: {{}}\nitems:\n{}{third}", items.concat())
        };
        let found = repaired(&text("[bg]"));
        assert_eq!(found.text, Some(text("[fg, timeo=600, retrans=2]")));
        let [refusal] = found.refusals.as_slice() else { panic!("{:?}", found.refusals) };
        let given = text("[bg]");
        let lines = Lines::new(&given);
        let position = lines.position(refusal.at);
        let message = refusal.message(&|offset| lines.position(offset).line);
        assert_eq!((position.line, position.column), place, "{given}\n{message}");
        assert!(message.contains(words), "{message}");
    }
}

/// The layout of a list.
#[derive(Debug, Clone, Copy)]
enum Layout {
    Block,
    Lines,
    LeadingCommas,
    /// Two elements a line.
    Pairs,
}

#[derive(Debug, Clone)]
struct Element {
    text: &'static str,
    quote: &'static str,
    behind: bool,
    below: bool,
    above: bool,
}

const WORDS: [&str; 12] = [
    "hard", "bg", "intr", "nofail", "nfsvers=4.1", "timeo=600", "soft", "hard,bg", "intr,ac", "_netdev",
    "retrans=2", "ac,,hard",
];

fn elements() -> impl Strategy<Value = Vec<Element>> {
    let element = (prop::sample::select(&WORDS[..]), 0..3_usize, any::<[bool; 3]>()).prop_map(
        |(text, quote, [behind, below, above])| {
            let quote = if text.contains(',') { quote.max(1) } else { quote };
            Element { text, quote: ["", "'", "\""][quote], behind, below, above }
        },
    );
    prop::collection::vec(element, 1..7)
}

/// A list as a person writes it, each comment with the number of its element.
fn written(elements: &[Element], layout: Layout, ends_with_comma: bool) -> String {
    let mut text =
        String::from(if matches!(layout, Layout::Block) { "mountOptions:\n" } else { "mountOptions: [\n" });
    for (index, Element { text: option, quote, behind, below, above }) in elements.iter().enumerate() {
        let is_last = index + 1 == elements.len();
        let ends_line = !matches!(layout, Layout::Pairs) || index % 2 == 1 || is_last;
        let begins_line = !matches!(layout, Layout::Pairs) || index % 2 == 0;
        if *above && begins_line {
            let _ = writeln!(text, "  # above-{index}.");
        }
        let (lead, comma) = match layout {
            Layout::Block => ("  - ", ""),
            Layout::LeadingCommas if index == 0 => ("    ", ""),
            Layout::LeadingCommas => ("  , ", ""),
            Layout::Lines | Layout::Pairs => {
                (if begins_line { "  " } else { " " }, if is_last && !ends_with_comma { "" } else { "," })
            }
        };
        let line = format!("{lead}{quote}{option}{quote}{comma}");
        text += &line;
        if ends_line {
            if *behind {
                let _ = write!(text, " # behind-{index}.");
                if *below {
                    let begins = text.rfind('\n').map_or(0, |at| at + 1);
                    let column = text[begins..].find(" # ").expect("it was written") + 1;
                    let _ = write!(text, "\n{}# below-{index}.", " ".repeat(column));
                }
            }
            text.push('\n');
        }
    }
    text + if matches!(layout, Layout::Block) { "" } else { "  ]\n" }
}

/// The list that `fix` makes, by the engine, and the one that stands in a text.
fn lists(text: &str) -> (Traced<'static>, Vec<String>) {
    let policy = Policy::default();
    let mut found = None;
    visit(text, &Lines::new(text), &mut |item| {
        let Item::Object(object) = item else { panic!("an object: {text}") };
        let object: &Object<'_> = &object;
        let subject = object.parts[0].subject(object, &policy);
        let Traced { elements, origins, emptied, renamed, codes } =
            fix_traced(&policy, &subject, TODAY, Scope::FILE);
        let owned =
            elements.into_iter().map(|list| list.into_iter().map(|e| e.into_owned().into()).collect());
        let old = subject.carriers[0].elements.iter().map(|element| (*element).to_owned()).collect();
        found = Some((Traced { elements: owned.collect(), origins, emptied, renamed, codes }, old));
    });
    found.expect("an object")
}

fn comments_are_where_they_belong(
    elements: &[Element],
    layout: Layout,
    before: &str,
    after: &str,
) -> Result<(), TestCaseError> {
    let (wanted, _) = lists(before);
    let lines: Vec<&str> = after.lines().collect();
    for index in 0..elements.len() {
        let becomes = wanted.origins[0].iter().position(|origin| *origin == Some(index));
        let becomes = becomes.map(|at| wanted.elements[0][at].as_ref());
        for place in ["above", "behind", "below"] {
            let comment = format!("# {place}-{index}.");
            if !before.contains(&comment) {
                continue;
            }
            let at: Vec<usize> = (0..lines.len()).filter(|line| lines[*line].contains(&comment)).collect();
            let Some(text) = becomes else {
                prop_assert!(at.is_empty(), "{comment} stays:\n{before}\n{after}");
                continue;
            };
            prop_assert_eq!(at.len(), 1, "{} is lost:\n{}\n{}", comment, before, after);
            let line = at[0];
            let speaks_of = match place {
                "behind" => lines[line],
                "below" => lines[line - 1],
                _ => lines[line + 1],
            };
            // Of two in a line, the comment is about both.
            let is_pair = matches!(layout, Layout::Pairs);
            prop_assert!(speaks_of.contains(text) || is_pair, "{comment} moved:\n{before}\n{after}");
            prop_assert_eq!(lines[line].trim().starts_with('#'), place != "behind", "{}\n{}", before, after);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, rng_seed: proptest::test_runner::RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn made_up_lists_keep_their_comments_beside_the_elements(
        elements in elements(),
        layout in prop::sample::select(vec![Layout::Block, Layout::Lines, Layout::LeadingCommas, Layout::Pairs]),
        ends_with_comma in any::<bool>(),
        is_windows in any::<bool>(),
        tail in prop::sample::select(vec!["", "reclaimPolicy: Delete\n", "# tail\n", "---\n"]),
    ) {
        let list = written(&elements, layout, ends_with_comma);
        let mut before = format!("{CLASS}{list}{tail}");
        if is_windows {
            before = before.replace('\n', "\r\n");
        }
        let found = repaired(&before);
        prop_assert!(found.refusals.is_empty() && found.unread.is_empty(), "{}\n{:?}", before, found);
        let after = found.text.unwrap_or_else(|| before.clone());
        prop_assert_eq!(&repaired(&after).text, &None, "changed twice:\n{}\n{}", before, after);
        let (wanted, _) = lists(&before);
        let (_, made) = lists(&after);
        prop_assert_eq!(&wanted.elements[0], &made, "{}\n{}", before, after);
        prop_assert_eq!(after.matches("\r\n").count() == after.matches('\n').count(), is_windows);
        let line_break = if is_windows { "\r\n" } else { "\n" };
        prop_assert!(after.ends_with(&tail.replace('\n', line_break)));
        comments_are_where_they_belong(&elements, layout, &before, &after)?;
        // The findings that are left are there in both.
        let policy = Policy::default();
        let check = Checker { policy: &policy, judged_as: Endpoint::Validate, today: TODAY, with_fixes: false, marks_unfixed: false, joins_inputs: false };
        let report = check.bytes(Path::new("t"), "t", after.into_bytes(), true);
        prop_assert!(report.errors.is_empty());
    }
}
