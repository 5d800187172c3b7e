//! `fix` changes what the mount gets only where a finding is about it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use nfs_mount_guard::engine::evaluate;
use nfs_mount_guard::engine::fix::{Scope, fix_all, fix_once, unchanged};
use nfs_mount_guard::engine::judge::{Case, Endpoint, proposal};
use nfs_mount_guard::finding::{Edit, Finding, Severity};
use nfs_mount_guard::nfs::acceptance::transport;
use nfs_mount_guard::nfs::catalog::Entry;
use nfs_mount_guard::nfs::option::MountOption;
use nfs_mount_guard::nfs::settings::Settings;
use nfs_mount_guard::policy::Policy;
use nfs_mount_guard::subject::Subject;
use nfs_mount_guard::subject::driver::Nfs;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde::Serialize;
use serde_json::json;

use crate::fixture::{TODAY, judge};
use crate::properties::object;

/// Returns true if the options are laid out, and no quote or backslash makes one of several.
fn is_read_alike(subject: &Subject<'_>) -> bool {
    let mut elements = subject.carriers.iter().flat_map(|carrier| &carrier.elements);
    subject.nfs != Nfs::No
        && subject.overlong.is_none()
        && !elements.any(|element| element.contains(['"', '\'', '\\']))
}

/// Returns the group in which options exclude each other, the last one winning.
fn key(option: &str) -> String {
    // Some drivers make letters small: what an element says in capitals is the same option.
    let option = option.trim().to_lowercase();
    let option = MountOption::new(&option);
    match option.entry().and_then(Entry::group) {
        Some(group) => format!("{group:?}"),
        None => option.keyword().to_owned(),
    }
}

/// By key: the option that wins.
fn winners(subject: &Subject<'_>) -> BTreeMap<String, String> {
    let options = subject.options.effective().map(|token| token.option.text().trim().to_owned());
    options.map(|option| (key(&option), option)).collect()
}

/// The keys of what the driver adds.
fn added(subject: &Subject<'_>) -> BTreeSet<String> {
    let added = subject.options.effective().filter(|token| token.site.is_none());
    added.map(|token| key(token.option.text())).collect()
}

/// The keys of the options that a fix is about: of those that it takes out, and of
/// those that it puts in.
fn concerned(subject: &Subject<'_>, finding: &Finding, keys: &mut BTreeSet<String>) {
    for edit in finding.fix.iter().flat_map(|fix| &fix.edits) {
        let (site, with) = match edit {
            Edit::Replace { site, with } => (Some(site), Some(with.as_ref())),
            Edit::Remove { site } => (Some(site), None),
            Edit::Append { option, .. } => (None, Some(option.as_ref())),
            // A split text stays, and is read as it is written.
            Edit::Split { .. } | Edit::Rename(_) => (None, None),
        };
        let gone = site
            .and_then(|site| subject.carriers[site.carrier].elements[site.element].get(site.range.clone()));
        keys.extend(gone.into_iter().chain(with).map(key));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn a_fix_changes_no_winner_but_those_it_is_about(object in object()) {
        let policy = Policy::default();
        judge(&object.to_string(), &policy, |subject, _| {
            if !is_read_alike(subject) {
                return;
            }
            let mut elements = unchanged(subject);
            for _ in 0..4 {
                let before = subject.with_elements(&elements);
                let evaluation = evaluate(&policy, &before, TODAY);
                let after = fix_once(&before, &evaluation, Scope::FILE);
                let fixed = before.with_elements(&after);
                let mut keys: BTreeSet<String> = BTreeSet::new();
                for judged in &evaluation.findings {
                    concerned(&before, &judged.finding, &mut keys);
                }
                keys.extend(subject.defaults.iter().map(|option| key(option)));
                // A list that cannot be mounted takes nothing away: neither an option that is
                // refused, nor what the driver adds to what the list becomes (Nexenta adds
                // nolock with its own vers=3).
                let mut cannot_mount = evaluation
                    .findings
                    .iter()
                    .filter(|judged| judged.finding.severity == Severity::CannotMount)
                    .peekable();
                if cannot_mount.peek().is_some() {
                    keys.extend(added(&before));
                    keys.extend(added(&fixed));
                }
                let refused = cannot_mount.filter_map(|judged| before.options.at(judged.finding.site.as_ref()?));
                keys.extend(refused.map(|token| key(token.option.text())));
                let (was, is) = (winners(&before), winners(&fixed));
                for name in was.keys().chain(is.keys()).filter(|name| !keys.contains(*name)) {
                    assert_eq!(was.get(name), is.get(name), "{name}: {object}\n{before:?}\n{fixed:?}",
                        before = before.effective(), fixed = fixed.effective());
                }
                let after = after.into_iter().map(|list| list.into_iter().map(|text| text.into_owned().into()).collect());
                elements = after.collect();
            }
        });
    }

    /// An option that loses goes without a trace; the one that wins is the same.
    #[test]
    fn what_only_goes_takes_no_winner_away(object in object()) {
        let policy = Policy::default();
        judge(&object.to_string(), &policy, |subject, evaluation| {
            if !is_read_alike(subject) {
                return;
            }
            let is_ambiguous = |finding: &Finding| finding.code.to_string() == "NMG008";
            let mut alone = evaluation.clone();
            alone.findings.retain(|judged| is_ambiguous(&judged.finding));
            let after = fix_once(subject, &alone, Scope::FILE);
            assert_eq!(winners(&subject.with_elements(&after)), winners(subject), "{object}");
        });
    }
}

/// The words of joined elements that an `fg` in place of a `bg` brings to another place of a sorted list.
const WORDS: [&str; 16] = [
    "bg", "bg", "fg", "hard", "soft", "ro", "rw", "cto", "nocto", "exec", "noexec", "users", "dev",
    "sec=sys", "sec=krb5", "acregmin=9",
];

fn volume<Text: Serialize>(options: &[Text]) -> serde_json::Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "a"},
        "spec": {
            "accessModes": ["ReadWriteMany"], "capacity": {"storage": "1Gi"}, "mountOptions": options,
            "nfs": {"server": "s", "path": "/e"},
        },
    })
}

/// The options that the mount gets, but for `bg` and `fg`: by group the value that counts, the flags that `users`
/// implies, and the flavours in their order.
fn gets(subject: &Subject<'_>) -> String {
    let settings = subject.options.settings();
    let options: Vec<_> = subject.options.effective().map(|token| token.option.text()).collect();
    let last = |words: &[&str]| options.iter().rfind(|option| words.contains(option)).copied();
    let flag = |on: &str, off: &str| {
        let word = last(&[on, off, "users"]);
        word.is_none_or(|word| word == on)
    };
    let mut flavours: Vec<&str> =
        options.iter().copied().filter(|option| option.starts_with("sec=")).collect();
    let mut seen = BTreeSet::new();
    flavours.retain(|flavour| seen.insert(*flavour));
    format!(
        "{:?} {:?} {:?} {} {} {flavours:?} {:?}",
        last(&["hard", "soft"]),
        last(&["ro", "rw"]),
        last(&["cto", "nocto"]),
        flag("exec", "noexec"),
        flag("dev", "nodev"),
        settings.versions,
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, rng_seed: RngSeed::Fixed(2), ..ProptestConfig::default() })]

    /// Neither the webhook nor `fix` lets another option win, and both are done at once.
    #[test]
    fn a_bg_of_a_sorted_list_goes_alone(
        elements in prop::collection::vec(prop::collection::vec(prop::sample::select(&WORDS[..]), 1..4), 1..4),
    ) {
        let mut options: Vec<String> = elements.iter().map(|words| words.join(",")).collect();
        options.extend(["timeo=600", "retrans=2", "nfsvers=4.1"].map(ToOwned::to_owned));
        let policy = Policy::default();
        let foreground = |element: &String| {
            let words = element.split(',').map(|word| if word == "bg" { "fg" } else { word });
            Cow::Owned(words.collect::<Vec<_>>().join(","))
        };
        judge(&volume(&options).to_string(), &policy, |subject, _| {
            // The webhook repairs each list that it can.
            let all = vec![options.iter().map(foreground).collect::<Vec<_>>()];
            if gets(&subject.with_elements(&all)) == gets(subject) {
                let patched = fix_all(&policy, subject, TODAY, Scope::WEBHOOK).concat();
                assert!(!patched.iter().any(|element| element.split(',').any(|word| word == "bg")), "{patched:?}");
            }
            for scope in [Scope::WEBHOOK, Scope::FILE] {
                let fixed = fix_all(&policy, subject, TODAY, scope);
                let after = subject.with_elements(&fixed);
                assert_eq!(gets(subject), gets(&after), "{options:?}: {fixed:?}");
                let list: Vec<String> = fixed.concat().into_iter().map(Cow::into_owned).collect();
                judge(&volume(&list).to_string(), &policy, |subject, _| {
                    let again = fix_all(&policy, subject, TODAY, scope);
                    assert_eq!(again, unchanged(subject), "{options:?}: {list:?}");
                });
            }
        });
    }
}

/// The words of lists to which Infinidat's driver adds `hard` and `vers=3`, unless one of them is an element
/// of its own.
const OF_INFINIDAT: [&str; 9] =
    ["bg=1", "rsize=65536", "rsize=131072", "soft", "hard", "softerr", "fg", "acl", "vers=3"];

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, rng_seed: RngSeed::Fixed(3), ..ProptestConfig::default() })]

    /// An option that was joined to others keeps the driver from adding its own once it is an element.
    #[test]
    fn a_split_does_not_keep_a_driver_from_adding_its_own(
        elements in prop::collection::vec(prop::collection::vec(prop::sample::select(&OF_INFINIDAT[..]), 1..4), 1..4),
    ) {
        let options: Vec<String> = elements.iter().map(|words| words.join(",")).collect();
        let class = json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "a"},
            "provisioner": "infinibox-csi-driver", "parameters": {"storage_protocol": "nfs"},
            "mountOptions": options,
        });
        let policy = Policy::default();
        judge(&class.to_string(), &policy, |subject, _| {
            let effective = |subject: &Subject<'_>, words: &[&str]| {
                let options: Vec<_> = subject.options.effective().map(|token| token.option.text().to_owned()).collect();
                options.into_iter().rfind(|option| words.iter().any(|word| option.starts_with(word)))
            };
            let fixed = fix_all(&policy, subject, TODAY, Scope::FILE);
            let after = subject.with_elements(&fixed);
            for words in [&["hard", "soft"][..], &["rsize"]] {
                assert_eq!(effective(subject, words), effective(&after, words), "{options:?}: {fixed:?}");
            }
        });
    }
}

/// An option that loses may keep an `fg` from its place: the list without it passes, and a denial says it.
#[test]
fn a_denial_names_the_list_that_fix_writes() {
    for options in [["bg,nocto", "cto"], ["bg,noexec", "exec"]] {
        let policy = Policy::default();
        judge(&volume(&options).to_string(), &policy, |subject, _| {
            let case = Case {
                policy: &policy,
                subject,
                before: None,
                today: TODAY,
                endpoint: Endpoint::Validate,
                is_status: false,
            };
            let proposed = proposal(&case).expect("a list");
            assert_eq!(proposed.concat().join(","), format!("fg,{},timeo=600,retrans=2", options[1]));
            assert_eq!(winners(&subject.with_elements(&proposed)).get("cto"), winners(subject).get("cto"));
        });
    }
}

/// The list after `fix`, and the string that `mount -o` gets of it.
fn fixed(options: &[&str]) -> (Vec<String>, String) {
    let policy = Policy::default();
    judge(&volume(options).to_string(), &policy, |subject, _| {
        let elements = fix_all(&policy, subject, TODAY, Scope::FILE);
        let effective = subject.with_elements(&elements).effective();
        (elements.concat().into_iter().map(Cow::into_owned).collect(), effective)
    })
}

#[test]
fn a_numeral_that_loses_does_not_win_as_a_number_of_its_own() {
    let rest = ["retrans=2", "fg", "hard", "nfsvers=3", "nolock"];
    for (joined, other, wins) in [
        ("acl,timeo=010", "timeo=600", "timeo=600"),
        ("wsize=65536,timeo=600", "timeo=0100", "timeo=600"),
        ("acl,timeo=0x258", "timeo=1000", "timeo=1000"),
        ("acl,timeo=010", "timeo=0600", "timeo=384"),
    ] {
        let list: Vec<&str> = [joined, other].into_iter().chain(rest).collect();
        let (list, effective) = fixed(&list);
        let timeo: Vec<&str> = effective.split(',').filter(|option| option.starts_with("timeo")).collect();
        assert_eq!(timeo.last(), Some(&wins), "{list:?}: {effective}");
    }
}

#[test]
fn nothing_is_added_that_makes_a_list_too_long_for_a_mount() {
    // 4,090 bytes: with what is missing they would be more than a mount takes.
    let long = format!("context={}", "b".repeat(4_090 - "context=,hard,nfsvers=4.1,bg".len()));
    let (list, effective) = fixed(&[&long, "hard", "nfsvers=4.1", "bg"]);
    assert!(list.contains(&"fg".to_owned()) && !effective.contains("timeo"), "{list:?}");
    assert!(effective.len() <= 4_096, "{}", effective.len());
    let (list, _) = fixed(&[&long[..3_000], "hard", "nfsvers=4.1", "bg"]);
    assert!(list.contains(&"timeo=600".to_owned()), "{list:?}");
}

#[test]
fn flavours_are_tried_in_the_order_in_which_they_were() {
    let rest = ["timeo=600", "retrans=2", "nfsvers=4.1", "hard"];
    for (options, flavours, splits) in [
        (["fg,sec=sys", "sec=krb5"], "sec=sys,sec=krb5", false),
        (["bg,sec=sys", "sec=krb5"], "sec=sys,sec=krb5", false),
        (["ac,sec=sys", "sec=krb5:krb5p"], "sec=sys,sec=krb5:krb5p", false),
        // The order stays.
        (["fg,sec=krb5", "sec=sys"], "sec=krb5,sec=sys", true),
        (["sec=sys,ro", "sec=krb5"], "sec=krb5,sec=sys", true),
    ] {
        let list: Vec<&str> = options.into_iter().chain(rest).collect();
        let (list, effective) = fixed(&list);
        let tried: Vec<&str> = effective.split(',').filter(|option| option.starts_with("sec=")).collect();
        assert_eq!(tried.join(","), flavours, "{list:?}: {effective}");
        assert_eq!(list.iter().all(|element| !element.contains(',')), splits, "{list:?}");
    }
}

/// A sorted list is split only where the same options win after it.
#[test]
fn a_split_lets_no_other_family_and_no_softreval_win() {
    for options in [
        ["fg,tcp", "hard,proto=tcp6"],
        ["fg,rdma", "hard,proto=rdma6"],
        ["fg,proto=rdma6", "hard,proto=rdma"],
        ["fg,proto=tcp6", "hard,proto=tcp6"],
        ["softreval,hard", "fg"],
        ["fg,softreval", "ro,hard"],
        ["hard,softreval", "fg"],
        ["softreval,softerr", "fg"],
        ["fg,softerr", "ro,soft"],
    ] {
        let list = [&options[..], &["timeo=600", "retrans=2", "nfsvers=4.1"]].concat();
        let wins = |effective: &str| {
            let options: Vec<MountOption<'_>> = effective.split(',').map(MountOption::new).collect();
            let transport = options.iter().rfind(|option| transport(option).is_some());
            let settings = Settings::of(&options);
            (transport.map(|option| option.text().to_owned()), settings.recovery, settings.softreval)
        };
        let before = judge(&volume(&list).to_string(), &Policy::default(), |subject, _| subject.effective());
        let (list, after) = fixed(&list);
        assert_eq!(wins(&before), wins(&after), "{options:?}: {list:?}");
    }
}

/// An element with `fg` for its `bg` sorts elsewhere: the options after it may win then.
#[test]
fn the_webhook_writes_no_fg_by_which_another_option_would_win() {
    let rest = ["timeo=600", "retrans=2", "nfsvers=4.1"];
    for (options, is_repaired) in [
        (["bg,nocto", "cto"], false),
        (["bg,noexec", "exec"], false),
        (["bg,users", "exec"], false),
        (["bg,proto=tcp", "cto,proto=tcp6"], false),
        (["bg,proto=rdma6", "cto,rdma"], false),
        (["bg,softreval", "cto,hard"], false),
        (["bg,proto=tcp", "cto,proto=tcp"], true),
        (["bg,softreval", "cto,softerr"], true),
        (["bg,sec=krb5p", "sec=krb5"], true),
        (["bg,ro", "rw"], true),
        (["hard,bg", "soft"], true),
        (["bg,hard", "bg"], true),
    ] {
        let options = [&options[..], &rest].concat();
        let policy = Policy::default();
        judge(&volume(&options).to_string(), &policy, |subject, _| {
            let patched = fix_all(&policy, subject, TODAY, Scope::WEBHOOK);
            let is_patched = patched != unchanged(subject);
            assert_eq!(is_patched, is_repaired, "{options:?}: {patched:?}");
            let mut was = winners(subject);
            let mut is = winners(&subject.with_elements(&patched));
            for list in [&mut was, &mut is] {
                list.retain(|_, option| !matches!(&**option, "bg" | "fg"));
            }
            assert_eq!(was, is, "{options:?}: {patched:?}");
        });
    }
}
