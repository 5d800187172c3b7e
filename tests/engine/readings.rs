//! The tables of what mount(8) hands on: tests/readings/README.md.

use std::collections::BTreeSet;

use nfs_mount_guard::nfs::acceptance::{Refusal, judge};
use nfs_mount_guard::nfs::catalog::{self, Consumers, Effect, OptionId};
use nfs_mount_guard::nfs::option::MountOption;
use nfs_mount_guard::nfs::reading::{Reader, may_go_to_background};

use crate::fixture::path;

#[test]
fn each_mount_hands_on_what_the_table_says() {
    let table = std::fs::read_to_string(path("readings/mount.tsv")).expect("the table");
    let rows: Vec<Vec<&str>> =
        table.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t').collect()).collect();
    assert!(rows.len() >= 10, "{rows:?}");
    for row in rows {
        let [text, versions @ .., _] = row.as_slice() else { panic!("{row:?}") };
        assert_eq!(versions.len(), Reader::MOUNTS.len(), "{row:?}");
        for (mount, wanted) in Reader::MOUNTS.into_iter().zip(versions) {
            assert_eq!(mount.hands_on(text, false), *wanted, "{mount:?} of {text}");
        }
        let is_last_bg =
            |given: &&str| given.rsplit(',').find(|word| ["bg", "fg"].contains(word)) == Some("bg");
        assert_eq!(may_go_to_background(text), versions.iter().any(is_last_bg), "{text}");
    }
}

/// Option, what mount.nfs gets, what the kernel gets.
fn words() -> Vec<[String; 3]> {
    let table = std::fs::read_to_string(path("readings/words.tsv")).expect("the table");
    let rows = table.lines().filter(|line| !line.starts_with('#'));
    rows.map(|line| {
        let columns: Vec<String> = line.split('\t').map(str::to_owned).collect();
        columns.try_into().unwrap_or_else(|columns| panic!("{columns:?}"))
    })
    .collect()
}

#[test]
fn an_option_without_effect_hands_on_nothing_but_itself() {
    for [text, to_mount_nfs, to_kernel] in words() {
        let option = MountOption::new(text.as_str());
        let Some(entry) = option.entry().filter(|_| !text.contains(',')) else { continue };
        let is_idle = !matches!(entry.effect, Effect::Active) && judge(&option).refusal.is_none();
        let adds = to_mount_nfs.split(',').any(|word| !word.is_empty() && word != text);
        assert!(
            !(is_idle && adds),
            "{text} is called without effect, and mount(8) makes {to_mount_nfs} of it"
        );
        assert!(!is_idle || to_kernel.is_empty() || to_kernel == text, "{text}: {to_kernel}");
    }
}

#[test]
fn each_word_ends_where_the_catalog_says() {
    for [text, to_mount_nfs, to_kernel] in words() {
        let option = MountOption::new(text.as_str());
        let Some(entry) = option.entry().filter(|_| !text.contains(',')) else { continue };
        let refusal = judge(&option).refusal;
        let is_handed_on = to_mount_nfs.split(',').any(|word| word == text);
        if entry.consumers.end_before_kernel() {
            let is_known_so = refusal.is_none();
            assert_eq!(to_kernel != text, is_known_so, "{text} to the kernel: {to_kernel:?}");
            let stays = entry.consumers.is_mount_only() && is_known_so;
            assert_eq!(is_handed_on, !stays, "{text} to mount.nfs: {to_mount_nfs:?}");
            assert!(is_known_so || refusal == Some(Refusal::FlagWithValue), "{text}: {refusal:?}");
        }
        if !entry.consumers.include(Consumers::VFS) && to_mount_nfs.split(',').count() < 2 {
            assert_eq!(Reader::MountBefore240.hands_on(&text, false), to_mount_nfs, "{text}");
        }
    }
}

#[test]
fn the_table_has_every_word_without_effect_and_every_word_of_fstab() {
    let seen: BTreeSet<String> =
        words().iter().map(|[text, ..]| MountOption::new(text.as_str()).keyword().to_owned()).collect();
    let missing: Vec<_> = catalog::entries()
        .filter(|(_, entry)| {
            !matches!(entry.effect, Effect::Active)
                || matches!(entry.id, OptionId::User | OptionId::Auto | OptionId::Nofail | OptionId::Netdev)
        })
        .map(|(keyword, _)| keyword)
        .filter(|keyword| !seen.contains(*keyword))
        .collect();
    assert!(missing.is_empty(), "not measured: {missing:?}");
    assert!(seen.iter().any(|keyword| keyword.starts_with("x-")), "no private word is measured");
}
