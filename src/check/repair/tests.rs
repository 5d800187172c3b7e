//! Checks the properties of any repaired text.

use proptest::prelude::*;

use super::*;
use crate::check::Checker;
use crate::engine::fix::unchanged;
use crate::engine::judge::Endpoint;
use crate::source::visit;
use crate::subject::Subject;
use std::path::Path;

const TODAY: Date = time::macros::date!(2026 - 11 - 24);

/// Pieces of which texts are made that come close to manifests.
const PIECES: [&str; 46] = [
    "apiVersion: v1\nkind: PersistentVolume\nspec:\n",
    "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nprovisioner: nfs.csi.k8s.io\n",
    "{\"kind\":\"StorageClass\",\"provisioner\":\"nfs.csi.k8s.io\",\"mountOptions\":[\"bg\"]}",
    "{\"kind\":\"List\",\"items\":[",
    "  nfs: {server: a, path: /}\n",
    "mountOptions:",
    "  mountOptions: ",
    "  mountOptions:\n  - ",
    "metadata: {annotations: {volume.beta.kubernetes.io/mount-options: ",
    "parameters: {mountOptions: ",
    "bg",
    "hard,bg",
    "soft,hard",
    "timeo=7",
    "\"bg\"",
    "'b''g,bg'",
    "\"\\x62g\\\n  ,\\u00e9\"",
    "[",
    "]",
    "{",
    "}",
    ",",
    ": ",
    "- ",
    "\n",
    "\n- ",
    "\n  - ",
    "\r\n",
    "\r",
    "\t",
    " ",
    " # é😀\n",
    ">-\n    ",
    "|+\n  ",
    "\n---\n",
    "\n...\n",
    "&a ",
    "*a",
    "<<: ",
    "!!str ",
    "? ",
    "~",
    "\u{feff}",
    "\u{85}",
    "é",
    "%YAML 1.2\n",
];

fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![4 => prop::sample::select(&PIECES[..]).prop_map(str::to_owned), 1 => ".{0,3}"];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// Makes options as someone writes them, at the place where they belong and beside it.
fn written() -> impl Strategy<Value = String> {
    let option = || {
        prop::sample::select(
            &[
                "bg", "fg", "hard", "soft", "intr", "nolock", "nfsvers=4.1", "vers=3", "timeo=7",
                "timeo=60s", "'b g'", "\"hard,bg\"", "\"-o bg\"", "\"[hard bg]\"", "ro", "rw", "NFSvers=4",
                "nfsvers: 4.1", "FG", "rsize=1,048", "sec=krb5,krb5i", "\"x-foo=a,b\"", "nolock:",
                "[hard, bg]",
            ][..],
        )
    };
    let comment = || prop::sample::select(&["", "", " # why"][..]);
    let block = || prop::sample::select(&["|\n", "|-\n", ">\n", ">-\n", "|+\n", "| # c\n"][..]);
    let item = prop_oneof![
        5 => (option(), comment()).prop_map(|(option, comment)| format!("  - {option}{comment}\n")),
        1 => (block(), option()).prop_map(|(block, option)| format!("  - {block}    {option}\n")),
        1 => Just("  # above\n".to_owned()),
    ];
    let lines = prop::collection::vec(item, 1..6).prop_map(|items| format!("\n{}", items.concat()));
    let flow = (prop::collection::vec(option(), 0..5), comment())
        .prop_map(|(options, comment)| format!(" [{}]{comment}\n", options.join(", ")));
    let string = prop_oneof![
        Just(" hard,bg\n".to_owned()),
        Just(" 'fg,intr' # c\n".to_owned()),
        block().prop_map(|block| format!(" {block}    hard,bg\n")),
    ];
    let value = prop_oneof![4 => lines, 3 => flow, 1 => string];
    let key = prop::sample::select(
        &["mountOptions", "mountOptions", "mountoptions", "\"mountOption\"", "options"][..],
    );
    (key, value).prop_map(|(key, value)| format!("{key}:{value}"))
}

/// Returns a class, or two, whose options are written in any way.
fn classes() -> impl Strategy<Value = String> {
    let head = "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: a}\nprovisioner: nfs.csi.k8s.io\n";
    let parameters = prop::sample::select(
        &[
            "",
            "",
            "parameters: {server: a, share: /b}\n",
            "parameters:\n  mountOptions: vers=3,bg\n",
            "parameters: {share: /b, mountOptions: \"hard\", nfsVersion: \"4.1\"}\n",
            "parameters: {nfsVersion: \"4.1\", mountOptions: \"hard,bg\", share: /b}\n",
            "parameters: {mountOptions: \"noatime\", a: b, nfsVersion: \"3\"}\n",
            "parameters: {mountOptions: hard, nfsVersion: \"4.1\"}\n",
        ][..],
    );
    let class = (parameters, prop::collection::vec(written(), 0..3))
        .prop_map(move |(parameters, written)| format!("{head}{parameters}{}", written.concat()));
    prop::collection::vec(class, 1..3).prop_map(|classes| classes.join("---\n"))
}

/// Repairs a text twice, and looks at the findings of both.
fn stands(text: &str) -> Result<(), TestCaseError> {
    let policy = Policy::default();
    let check = Checker {
        policy: &policy,
        judged_as: Endpoint::Validate,
        today: TODAY,
        with_fixes: false,
        marks_unfixed: false,
        joins_inputs: false,
    };
    let report = check.bytes(Path::new("t"), "t", text.as_bytes().to_vec(), true);
    let lines: Vec<&str> = text.strip_prefix('\u{feff}').unwrap_or(text).split('\n').collect();
    for finding in report.subjects.iter().flat_map(|subject| &subject.findings) {
        // An editor underlines a part of one line of the text.
        let line = finding.line.checked_sub(1).and_then(|index| lines.get(index));
        let length = line.map(|line| line.chars().count());
        prop_assert!(length.is_some_and(|length| finding.end_column <= length + 1), "{finding:?}\n{text}");
        prop_assert!((1..=finding.end_column).contains(&finding.column), "{finding:?}\n{text}");
    }
    let count = |text: &str| {
        let (mut count, mut unread) = (0, 0);
        visit(text, &Lines::new(text), &mut |item| {
            count += usize::from(is_part(&item));
            unread += usize::from(matches!(item, Item::Unreadable(_)));
        });
        (count, unread)
    };
    for scope in [Scope::FILE, Scope::FILE_UNSAFE] {
        let repaired = repair(&policy, TODAY, scope, text, &|_| true);
        if let Some(new) = repaired.text.clone() {
            let mut again = repair(&policy, TODAY, scope, &new, &|_| true);
            // Options that could not move together with the other repairs of their object may move
            // once those are made.
            if repaired.refusals.iter().any(|stuck| stuck.refusal == RewriteRefusal::Misread)
                && let Some(newer) = &again.text
            {
                again = repair(&policy, TODAY, scope, newer, &|_| true);
            }
            prop_assert!(again.text.is_none(), "{}\n{}\n{:?}", text, new, again.text);
            let ((parts, unread), (new_parts, new_unread)) = (count(text), count(&new));
            prop_assert_eq!(parts, new_parts, "{}", new);
            prop_assert!(new_unread <= unread, "what was read is read: {}\n{}", text, new);
            // A fault that stays has its place in both texts.
            for problem in &repaired.unread {
                let Some(offset) = problem.offset else { continue };
                let first = |text: &str, at: usize| text.get(at..).map(|rest| rest.chars().next());
                let (before, after) = (repaired.before(offset), repaired.applied.after(offset));
                prop_assert_eq!(first(text, before), first(&new, after), "{}\n{}\n{:?}", text, new, problem);
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_text_panics_and_a_second_repair_changes_nothing(text in text()) {
        stands(&text)?;
    }

    #[test]
    fn options_in_any_form_are_repaired_once_and_for_all(text in classes(), ends_lines_as_windows in any::<bool>()) {
        stands(&if ends_lines_as_windows { text.replace('\n', "\r\n") } else { text })?;
    }
}

/// The line of the last option goes with its line break, the field below it with the one before.
#[test]
fn a_line_and_the_field_below_it_go_together() {
    let head = "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: a}\nprovisioner: nfs.csi.k8s.io\n";
    for tail in ["", "reclaimPolicy: Delete\n", "# the end\n"] {
        let text = format!("{head}mountOptions:\n  - hard,bg\n  - bg\nmountoptions:\n  - bg\n{tail}");
        let wanted = format!("{head}mountOptions:\n  - hard\n  - fg\n  - timeo=600\n  - retrans=2\n{tail}");
        for newline in ["\n", "\r\n"] {
            let (text, wanted) = (text.replace('\n', newline), wanted.replace('\n', newline));
            let repaired = repair(&Policy::default(), TODAY, Scope::FILE_UNSAFE, &text, &|_| true);
            assert_eq!(repaired.text.as_deref(), Some(&*wanted), "{:?}", repaired.refusals);
        }
    }
}

#[test]
fn every_option_is_found_where_it_stands() {
    let text = "apiVersion: v1\nkind: PersistentVolume\nmetadata:\n  annotations:\n    \
                volume.beta.kubernetes.io/mount-options: 'é,bg'\nspec:\n  mountOptions: [hard, \"soft,bg\"]\n  \
                nfs: {server: a, path: /}\n";
    let mut found = Vec::new();
    visit(text, &Lines::new(text), &mut |item| {
        let Item::Object(object) = item else { panic!("an object") };
        let subject = Subject::of_kind(object.kind, &object.parts[0].manifest, &[]);
        let layout = object.layout();
        assert_eq!(unchanged(&subject).len(), subject.carriers.len());
        for token in subject.options.tokens() {
            let Some(site) = &token.site else { continue };
            let place = &subject.carriers[site.carrier].place;
            let range = layout.option(place, site.element, &site.range).expect("a place");
            assert_eq!(text.get(range), Some(token.option.text()));
            found.push(token.option.text().to_owned());
        }
    });
    assert_eq!(found, ["hard", "soft", "bg", "é", "bg"]);
}

/// Returns the text and the refusals of a repair, after which another one changes nothing.
fn once(text: &str) -> (String, Vec<RewriteRefusal>) {
    let repaired = repair(&Policy::default(), TODAY, Scope::FILE, text, &|_| true);
    let new = repaired.text.unwrap_or_else(|| text.to_owned());
    let again = repair(&Policy::default(), TODAY, Scope::FILE, &new, &|_| true);
    let refusals = |stuck: &[Stuck]| stuck.iter().map(|stuck| stuck.refusal).collect::<Vec<_>>();
    assert_eq!((again.text, again.refusals.len()), (None, repaired.refusals.len()), "{new}");
    (new, refusals(&repaired.refusals))
}

/// A field that the kind does not have is no reader of what is anchored in it.
#[test]
fn an_anchor_that_nothing_reads_changes_with_its_alias() {
    let volume =
        "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: t}\nspec:\n  nfs: {server: a, path: /}\n";
    let wanted = "[hard, fg, timeo=600, retrans=2]";
    for (head, tail) in [
        ("x-opts: &o ", "  mountOptions: *o\n"),
        ("mountOptions: &o ", "  mountOptions: *o\n"),
        ("defaults: &d\n  mountOptions: ", "  <<: *d\n"),
        ("x-a:\n  b: &d {mountOptions: ", "  <<: [*d]\n"),
    ] {
        let close = if head.contains('{') { "}" } else { "" };
        let of = |list: &str| format!("{head}{list}{close}\n{volume}{tail}");
        assert_eq!(once(&of("[hard, bg]")), (of(wanted), Vec::new()));
    }
    // One that another object reads, which does not change, stays, and is no finding.
    let list = |own: &str| {
        format!(
            "apiVersion: v1\nkind: List\nitems:\n- x-opts: &o [hard, bg]\n  apiVersion: v1\n  kind: PersistentVolume\n  \
metadata: {{name: t}}\n  spec:\n    nfs: {{server: a, path: /}}\n    mountOptions: {own}\n- apiVersion: v1\n  \
kind: PersistentVolume\n  metadata: {{name: u}}\n  spec:\n    awsElasticBlockStore: {{volumeID: a}}\n    mountOptions: *o\n"
        )
    };
    assert_eq!(once(&list("*o")), (list(wanted), Vec::new()));
}

/// The alias in the way is that of a place which keeps the value.
#[test]
fn the_alias_in_the_way_is_one_that_stays() {
    let list = |own: &str, more: &str| {
        format!(
            "apiVersion: v1\nkind: List\nitems:\n- &base\n  apiVersion: storage.k8s.io/v1\n  kind: StorageClass\n  \
metadata: {{name: a}}\n  provisioner: nfs.csi.k8s.io\n  parameters: {{server: s, share: /x}}\n  mountOptions: {own}\n\
- <<: *base\n  metadata: {{name: b}}\n{more}"
        )
    };
    let other = "- <<: *base\n  metadata: {name: c}\n  provisioner: ebs.csi.aws.com\n";
    let own = "  mountOptions: [fg, nfsvers=4.1, timeo=600, retrans=2]\n";
    let (new, refusals) = once(&list("[bg, nfsvers=4.1]", other));
    assert_eq!(new, list("[bg, nfsvers=4.1]", &format!("{own}{other}")));
    let [RewriteRefusal::Shared(at)] = refusals.as_slice() else { panic!("{refusals:?}") };
    assert_eq!(text_line(&list("[bg, nfsvers=4.1]", other), *at), 13);
    // Once all that need another list have one, the list itself changes.
    let efs = "  provisioner: efs.csi.aws.com\n";
    let (new, refusals) = once(&list("[bg]", efs));
    assert!(refusals.is_empty() && !new.contains("bg"), "{new}{refusals:?}");
}

fn text_line(text: &str, at: usize) -> usize {
    Lines::new(text).position(at).line
}

/// White space that is none of YAML's is a part of the text before it.
#[test]
fn white_space_of_other_scripts_goes_with_its_option() {
    for blank in ['\u{a0}', '\u{2003}', '\u{3000}'] {
        for written in [
            format!("\n- hard{blank}\n- bg\n"),
            format!(" [hard{blank}, bg]\n"),
            format!("\n- &a {blank}hard\n- bg # why\n"),
            format!("\n-  {blank}hard\n-  bg\n"),
        ] {
            let head = "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: a}\nprovisioner: nfs.csi.k8s.io\n";
            let text = format!("{head}parameters: {{server: s, share: /x}}\nmountOptions:{written}");
            let (new, refusals) = once(&text);
            assert!(refusals.is_empty(), "{refusals:?} {text}");
            assert!(!new.contains(blank) && !new.contains("bg") && new.contains("hard"), "{new}");
        }
    }
}
