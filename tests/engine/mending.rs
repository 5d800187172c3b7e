//! `fix` mends each document as far as it can be, writes no word twice, and says where what stays is.

use nfs_mount_guard::check::repair::{Repaired, repair};
use nfs_mount_guard::engine::fix::Scope;
use nfs_mount_guard::policy::Policy;
use nfs_mount_guard::source::Obstacle;
use nfs_mount_guard::source::text::Lines;

use crate::fixture::TODAY;

fn repaired(text: &str) -> Repaired {
    repair(&Policy::default(), TODAY, Scope::FILE, text, &|_| true)
}

fn class(name: &str, rest: &str) -> String {
    format!(
        "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {{name: {name}}}\n\
         provisioner: nfs.csi.k8s.io\n{rest}\n"
    )
}

/// The options of a class after `fix`, which must not change it a second time.
#[track_caller]
fn fixed(options: &str) -> String {
    let text = class("a", &format!("mountOptions: {options}"));
    let new = repaired(&text).text.unwrap_or_else(|| text.clone());
    assert_eq!(repaired(&new).text, None, "{text}\nbecame\n{new}");
    new.trim_end().rsplit("mountOptions: ").next().unwrap_or_default().to_owned()
}

#[test]
fn one_fg_is_written_in_the_place_of_several_words() {
    let rest = "timeo=600, retrans=2, nfsvers=4.1";
    for (written, wanted) in [
        ("bg, fg", "fg"),
        ("fg, bg", "fg"),
        ("bg, bg", "fg"),
        ("bg, hard, bg, fg, bg", "hard, fg"),
        ("\"bg,fg\"", "\"fg\""),
        ("\"bg,hard\", fg", "\"hard\", fg"),
        ("\"bg \", fg", "fg"),
        ("FG, fg", "fg"),
    ] {
        assert_eq!(fixed(&format!("[{written}, {rest}]")), format!("[{wanted}, {rest}]"), "{written}");
    }
}

#[test]
fn a_value_that_a_comma_cuts_in_brackets_is_one_option() {
    let rest = "fg, timeo=600, retrans=2, nfsvers=4.1";
    for (written, wanted) in [
        ("rsize=1,048,576", "rsize=1048576"),
        ("rsize=1, 048, 576, wsize=65,536", "rsize=1048576, wsize=65536"),
        ("sec=krb5,krb5i", "sec=krb5:krb5i"),
        ("sec=krb5p,krb5i,krb5", "sec=krb5p:krb5i:krb5"),
        ("\"rsize=1\", \"048\", \"576\"", "\"rsize=1048576\""),
        ("proto=tcp,port=2049", "proto=tcp,port=2049"),
    ] {
        assert_eq!(fixed(&format!("[{written}, {rest}]")), format!("[{wanted}, {rest}]"), "{written}");
    }
    // In JSON, too; and a number that is the rest of nothing stays.
    let json = "{\"kind\":\"StorageClass\",\"apiVersion\":\"storage.k8s.io/v1\",\"provisioner\":\"nfs.csi.k8s.io\",\
                \"mountOptions\":[\"rsize=1\",048576,\"fg\"]}";
    assert_eq!(repaired(json).text, None, "048576 is no JSON");
    let json = json.replace("048576", "576");
    assert!(repaired(&json).text.expect("it is mended").contains("[\"rsize=1576\",\"fg\""));
    assert_eq!(repaired(&class("a", "mountOptions: [port=2049, 20]")).text, None);
}

#[test]
fn a_remark_with_a_comma_goes_as_a_whole() {
    let rest = "fg, timeo=600, retrans=2, nfsvers=4.1";
    for (written, wanted) in [
        ("\"x-systemd.requires=a,b\", ", ""),
        ("\"comment=a,b,c\", ", ""),
        ("\"x-foo=a,b,hard\", ", "\"hard\", "),
        ("\"hard,x-foo=a,b\", ", "\"hard\", "),
        ("\"x-foo=a,hard\", ", "\"hard\", "),
    ] {
        assert_eq!(fixed(&format!("[{written}{rest}]")), format!("[{wanted}{rest}]"), "{written}");
    }
}

/// Each document is mended as far as it can be; one that cannot be is left, and said once.
#[test]
fn a_document_that_is_mended_in_part_holds_up_no_other() {
    let half = class("half", "mountOptions:\n- nfsvers: 4.1\n- timeo: 600\n  retrans: no\n- hard: true");
    let good = class("good", "mountOptions: [bg]");
    let maps = class("maps", "mountOptions:\n- nfsvers: 4.1\n- bg: true");
    let broken = class("broken", "mountOptions: true");
    for order in
        [[&half, &good, &maps, &broken], [&maps, &broken, &half, &good], [&good, &maps, &broken, &half]]
    {
        let text = order.map(String::as_str).join("---\n");
        let repaired = repaired(&text);
        let new = repaired.text.clone().expect("a new text");
        assert!(new.contains(&half) && new.contains(&broken), "they stay: {new}");
        assert!(new.contains("[fg, timeo=600, retrans=2]"), "{new}");
        assert!(new.contains("- nfsvers=4.1\n- fg\n- timeo=600\n- retrans=2\n"), "{new}");
        assert_eq!(repaired.objects, 2);
        let mut titles: Vec<&str> = repaired.changed.iter().map(|changed| &*changed.title).collect();
        titles.sort_unstable();
        assert_eq!(titles, ["StorageClass/good", "StorageClass/maps"], "each once");
        // The fault in the way is said, at its place in the new text.
        let lines = Lines::new(&new);
        let mut left: Vec<(&str, String)> = Vec::new();
        for problem in &repaired.unread {
            let at = repaired.applied.after(problem.offset.expect("a place"));
            let line = new.lines().nth(lines.position(at).line - 1).expect("a line");
            left.push((line, problem.message.clone()));
        }
        left.sort();
        let [(timeo, message), (field, _)] = left.as_slice() else { panic!("{left:?}") };
        assert_eq!((*timeo, *field), ("- timeo: 600", "mountOptions: true"));
        assert!(message.starts_with("StorageClass/half: mountOptions[1] must be a string"), "{message}");
        // The same text again: nothing is left to do.
        let again = self::repaired(&new);
        assert_eq!((again.text, again.unread.len()), (None, 2));
    }
}

/// The subjects of a repair are counted as the old text has them: those that can be read only once
/// they are mended shift none.
#[test]
fn the_subjects_of_a_repair_are_those_of_the_old_text() {
    let maps = class("maps", "mountOptions:\n- nfsvers: 4.1");
    let text = [maps, class("good", "mountOptions: [bg]")].join("---\n");
    let repaired = repaired(&text);
    assert_eq!(repaired.objects, 2);
    let codes: Vec<u16> = repaired.subjects[&(0, 0)].iter().map(|code| code.0).collect();
    assert_eq!((repaired.subjects.len(), codes), (1, vec![1, 3, 4]));
}

/// A list that a text holds as JSON is spoken of in its words.
#[test]
fn a_list_in_a_text_is_told_in_words() {
    let text = "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: a}\n\
                provisioner: my.csi.example.com\nparameters: {mountOptions: '[\"hard\",\"bg\"]'}\n";
    let repaired = repaired(text);
    assert!(repaired.text.expect("a new text").contains(r#"'["hard","fg"]'"#));
    assert_eq!(repaired.changed[0].words, ["bg -> fg"]);
}

#[test]
fn a_split_is_told_beside_other_changes() {
    for (list, words) in [
        ("[\"timeo=600,hard\", bg, retrans=2]", &["bg -> fg", "one option an element"][..]),
        ("[\"timeo=600,hard\", fg, retrans=2]", &["one option an element"]),
        ("[timeo=600, bg, retrans=2]", &["bg -> fg"]),
    ] {
        assert_eq!(repaired(&class("a", &format!("mountOptions: {list}"))).changed[0].words, words, "{list}");
    }
}

#[test]
fn the_braces_of_a_printed_map_go_together() {
    for (list, wanted) in [
        ("[\"{nfsvers=4.1}\", fg, retrans=2]", "[\"nfsvers=4.1\", fg, retrans=2, timeo=600]"),
        ("[\"{bg}\", retrans=2]", "[\"fg\", retrans=2, timeo=600]"),
        ("[\"{nfsvers=4.1,bg}\", retrans=2]", "[\"{nfsvers=4.1,bg}\", retrans=2, fg, timeo=600]"),
        ("[\"{nfsvers=4.1, hard}\", bg]", "[\"{nfsvers=4.1, hard}\", fg, "),
        // A placeholder stays.
        ("[\"{{nfsvers}}\", bg]", "[\"{{nfsvers}}\", fg]"),
    ] {
        let text = repaired(&class("a", &format!("mountOptions: {list}"))).text.expect("a new text");
        assert!(text.contains(wanted), "{text}");
    }
}

/// An element of a lost list may be a mapping, or a list: none goes away without the others.
#[test]
fn a_lost_list_loses_no_element_that_is_no_text() {
    let volume = |lost: &str| {
        format!(
            "apiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: a}}\nspec:\n  capacity: {{storage: 1Gi}}\n  \
             accessModes: [ReadWriteMany]\n  nfs: {{server: s, path: /e}}\n  mountoptions:\n{lost}"
        )
    };
    for lost in [
        "  - hard\n  - fg\n  - timeo=600\n  - retrans=2\n  - nfsvers: 4.1\n",
        "  - hard\n  - [fg, nfsvers=4.1]\n  - timeo=600\n",
        "  - fg\n  - {nfsvers: {a: b}}\n",
        "  - {nfsvers: 4.1}\n",
    ] {
        let text = volume(lost);
        let new = repaired(&text).text.unwrap_or_else(|| text.clone());
        assert!(new.contains("nfsvers"), "{new}");
    }
}

/// Of several aliases the one that still reads the value is named, by its line in the new text.
#[test]
fn an_alias_that_is_in_the_way_is_one_that_stays() {
    let item = |name: &str, driver: &str, options: &str| {
        format!(
            "- apiVersion: storage.k8s.io/v1\n  kind: StorageClass\n  metadata: {{name: {name}}}\n  \
             provisioner: {driver}\n  mountOptions: {options}\n"
        )
    };
    let text = [
        "kind: List\napiVersion: v1\nitems:\n".to_owned(),
        item("a", "nfs.csi.k8s.io", "&o [hard, bg]"),
        item("b", "nfs.csi.k8s.io", "*o"),
        item("c", "ebs.csi.aws.com", "*o"),
    ]
    .concat();
    let repaired = repaired(&text);
    let new = repaired.text.clone().expect("a new text");
    let lines = Lines::new(&new);
    let line = |offset: usize| lines.position(repaired.applied.after(offset)).line;
    let [stuck] = repaired.refusals.as_slice() else { panic!("{:?}", repaired.refusals) };
    let message = stuck.message(&line);
    let named = new.lines().position(|line| line.contains("*o")).expect("an alias") + 1;
    assert!(message.contains(&format!("the alias in line {named} reads it")), "{message}\n{new}");
}

#[test]
fn a_key_without_a_value_is_a_flag() {
    let text = class("a", "mountOptions:\n- nolock: # why\n- vers: 3\n- bg");
    let new = repaired(&text).text.expect("a new text");
    assert!(
        new.ends_with("mountOptions:\n- nolock # why\n- vers=3\n- fg\n- timeo=600\n- retrans=2\n"),
        "{new}"
    );
}

/// Options in another form become the list that they are; comments, line ends and the other lines stay.
#[test]
fn a_list_in_another_form_becomes_a_list() {
    for (written, wanted) in [
        ("\n  fg,hard,timeo=600,retrans=2", "\n  [fg, hard, timeo=600, retrans=2]"),
        (" # why\n  fg,\n  timeo=600,retrans=2 # so", " # why\n  [fg, timeo=600, retrans=2] # so"),
        (" |\n  fg\n  timeo=600\n  retrans=2", " [fg, timeo=600, retrans=2]"),
        (" >-\n  fg,timeo=600,\n  retrans=2\n\n# next", " [fg, timeo=600, retrans=2]\n\n# next"),
        (
            "\n  fg: true # a\n  # b\n  timeo: 600\n\n  retrans: 2\n  hard:",
            "\n  - fg # a\n  # b\n  - timeo=600\n\n  - retrans=2\n  - hard",
        ),
        ("\n- [fg, timeo=600] # a\n- retrans=2", "\n- fg\n- timeo=600 # a\n- retrans=2"),
        (
            "\n  - ro\n  -   [fg, timeo=600]\n  - retrans=2",
            "\n  - ro\n  -   fg\n  -   timeo=600\n  - retrans=2",
        ),
        ("\n- - fg # a\n  # b\n  - timeo=600\n- retrans=2", "\n- fg # a\n  # b\n- timeo=600\n- retrans=2"),
        ("\n- {sec: krb5, timeo: 600}\n- fg\n- retrans=2", "\n- sec=krb5\n- timeo=600\n- fg\n- retrans=2"),
        ("\n- timeo: 600 # a\n  retrans: 2\n- fg:", "\n- timeo=600 # a\n- retrans=2\n- fg"),
        (" [fg, {timeo: 600, retrans: 2}, [ro]]", " [fg, timeo=600, retrans=2, ro]"),
        (" {fg: true,\n  timeo: 600, retrans: 2}", " [fg, timeo=600, retrans=2]"),
    ] {
        for newline in ["\n", "\r\n"] {
            let of = |options: &str| class("a", &format!("mountOptions:{options}")).replace('\n', newline);
            let text = of(written);
            let repaired = repaired(&text);
            assert_eq!(repaired.text.as_deref(), Some(&*of(wanted)), "{written}");
            assert!(repaired.unread.is_empty() && repaired.refusals.is_empty(), "{written}");
            assert_eq!(self::repaired(&of(wanted)).text, None, "{wanted}");
        }
    }
}

/// Options that stay in another form do so for a reason, which is said at its place.
#[test]
fn a_list_in_another_form_is_left_for_a_reason() {
    for (written, line, why) in [
        ("\n- soft: true", 6, Obstacle::Soft),
        ("\n- hard: false", 6, Obstacle::Uncertain),
        (" true", 5, Obstacle::Uncertain),
        ("\n- nfsvers: 4.1\n- vers=3", 6, Obstacle::Versions),
        (" vers=3,nfsvers=4.1", 5, Obstacle::Versions),
        (" | # why\n  hard", 6, Obstacle::Comment),
        ("\n- {sec: krb5, # why\n   proto: tcp}", 6, Obstacle::Comment),
        ("\n- &a {sec: krb5}", 6, Obstacle::Shared),
        (" &a\n  hard: true", 6, Obstacle::Shared),
        ("\n  ? hard\n  : true", 6, Obstacle::Layout),
        ("\n- - - hard", 6, Obstacle::Layout),
    ] {
        let text = class("a", &format!("mountOptions:{written}"));
        let repaired = repaired(&text);
        let [problem] = repaired.unread.as_slice() else { panic!("{written}: {:?}", repaired.unread) };
        assert_eq!((repaired.text, problem.obstacle), (None, Some(why)), "{written}");
        let lines = Lines::new(&text);
        assert_eq!(lines.position(problem.offset.expect("a place")).line, line, "{written}");
    }
}

/// Where a list has an option, another one in the place of a misspelt word says nothing more; its
/// order counts only next to a contrary one.
#[test]
fn an_option_is_written_once() {
    let rest = "fg, timeo=600, retrans=2";
    for (written, wanted) in [
        ("ro, readonly, nfsvers=4.1", "ro, nfsvers=4.1"),
        ("readonly, ro, nfsvers=4.1", "ro, nfsvers=4.1"),
        ("readonly, read-only, nfsvers=4.1", "ro, nfsvers=4.1"),
        ("\"hard,readonly\", ro, nfsvers=4.1", "\"hard\", ro, nfsvers=4.1"),
        ("rsize=1M, rsize=1048576, nfsvers=4.1", "rsize=1048576, nfsvers=4.1"),
        ("nfsvers 4.1, vers=4.1", "vers=4.1"),
        ("vers=v4.1, vers=4.1", "vers=4.1"),
        ("nfs4, vers=4", "vers=4"),
        ("rw, readonly, nfsvers=4.1", "rw, readonly, nfsvers=4.1"),
    ] {
        assert_eq!(fixed(&format!("[{written}, {rest}]")), format!("[{wanted}, {rest}]"), "{written}");
    }
}

#[test]
fn what_is_done_is_named() {
    for (written, wanted) in [
        ("[\"[hard]\", nfsvers=4.1", "[hard] -> hard"),
        ("[\"nfsvers=4.1,\", hard", "nfsvers=4.1, -> nfsvers=4.1"),
        ("[nfsvers=4.1, tcp6", "tcp6 -> proto=tcp6"),
    ] {
        let text = class("a", &format!("mountOptions: {written}, fg, timeo=600, retrans=2]"));
        let changed: Vec<String> =
            repaired(&text).changed.into_iter().flat_map(|changed| changed.words).collect();
        assert_eq!(changed, [wanted], "{text}");
    }
}

#[test]
fn a_text_in_brackets_that_is_no_list_is_not_cut_in_pieces() {
    for element in ["{nfsvers: 4.1, hard}", "*(rw,sync,no_root_squash)"] {
        let list = format!("[\"{element}\", fg, timeo=600, retrans=2]");
        assert_eq!(fixed(&list), list);
    }
}
