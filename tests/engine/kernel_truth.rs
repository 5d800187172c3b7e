//! The engine against what three real kernels and their mount.nfs did with 439
//! lists each, and with further ones: see tests/kernel-truth/README.md.

use std::fs;

use nfs_mount_guard::finding::Action;
use nfs_mount_guard::nfs::acceptance::{self, Transport};
use nfs_mount_guard::nfs::kernel::Kernel;
use nfs_mount_guard::nfs::option::{MountOption, split};
use nfs_mount_guard::nfs::settings::{LookupCache, Recovery, Settings};
use nfs_mount_guard::nfs::shown::{Decider, Shown};
use nfs_mount_guard::nfs::version::Versions;
use nfs_mount_guard::policy::Policy;
use serde_json::json;

use crate::fixture::{judge, path};

/// One measured mount.
#[derive(Debug)]
struct Row {
    kernel: Kernel,
    options: String,
    mode: String,
    exit: i32,
    is_mounted: bool,
    effective: String,
}

fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (file, kernel) in
        [("6.1", Some((6, 1))), ("6.12", Some((6, 12))), ("7.2", Some((7, 2))), ("extra", None)]
    {
        let text = fs::read_to_string(path("kernel-truth").join(format!("{file}.tsv"))).expect("a table");
        for line in text.lines().skip(1) {
            let mut columns = line.split('\t');
            let mut column = || columns.next().unwrap_or_default().to_owned();
            let (major, minor) = kernel.unwrap_or_else(|| {
                let version = column();
                let mut numbers = version.split('.').map(|number| number.parse().expect("a number"));
                (numbers.next().expect("a major"), numbers.next().expect("a minor"))
            });
            let (options, mode, exit) = (column(), column(), column());
            column();
            rows.push(Row {
                kernel: Kernel::new(major, minor),
                options,
                mode,
                exit: exit.parse().unwrap_or(-1),
                is_mounted: column() == "yes",
                effective: column(),
            });
        }
    }
    assert!(rows.len() > 1400, "{} rows", rows.len());
    rows
}

/// The codes and actions of what is found in a list.
fn findings(list: &str) -> Vec<(u16, Action)> {
    let object = json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "a"},
        "provisioner": "nfs.csi.k8s.io", "mountOptions": [list],
    });
    judge(&object.to_string(), &Policy::default(), |_, evaluation| {
        evaluation.findings.iter().map(|judged| (judged.finding.code.0, judged.action)).collect()
    })
}

fn options(list: &str) -> Vec<MountOption<'_>> {
    split(list).filter(|piece| !piece.text.is_empty()).map(|piece| MountOption::new(piece.text)).collect()
}

#[test]
fn every_mount_that_went_to_the_background_is_denied() {
    let mut backgrounds = 0;
    for row in rows() {
        if matches!(row.mode.as_str(), "refused" | "blackhole") && row.exit == 0 && !row.is_mounted {
            backgrounds += 1;
            let found = findings(&row.options);
            assert!(found.contains(&(1, Action::Deny)), "{row:?}: {found:?}");
        }
    }
    assert!(backgrounds > 50, "only {backgrounds} rows");
}

/// Features that the measuring machine lacked, rather than refusals of the kernel.
const OF_THAT_MACHINE: &[(&str, &str)] = &[
    ("sec=krb5", "no Kerberos keytab there"),
    ("sec=krb5p", "no Kerberos keytab there"),
    ("sec=krb5i", "no Kerberos keytab there"),
    ("sec=null", "the server there exports only sys"),
    ("sec=none", "the server there exports only sys"),
    ("proto=rdma", "no RDMA hardware there"),
    ("rdma", "no RDMA hardware there"),
    ("proto=rdma6", "no RDMA hardware there"),
    ("xprtsec=mtls", "needs the TLS daemon and a certificate"),
    ("xprtsec=tls", "needs the TLS daemon and a certificate"),
    ("cert_serial", "needs a key in the keyring"),
    ("privkey_serial", "needs a key in the keyring"),
];

fn is_of_that_machine(list: &str) -> bool {
    options(list).iter().any(|option| {
        OF_THAT_MACHINE.iter().any(|(text, _)| option.text() == *text || option.keyword() == *text)
    })
}

#[test]
fn what_a_kernel_refuses_is_found() {
    let (mut refused, mut missed) = (0, Vec::new());
    for row in rows() {
        if row.mode == "live" && matches!(row.exit, 1 | 32) && !is_of_that_machine(&row.options) {
            refused += 1;
            let found = findings(&row.options);
            let speaks = found
                .iter()
                .any(|(code, action)| [1, 8, 9, 11, 12, 13, 19].contains(code) && *action >= Action::Warn);
            if !speaks {
                missed.push(row);
            }
        }
    }
    assert!(refused > 450, "only {refused} rows");
    let report: Vec<_> = missed.iter().map(|row| format!("{} {:?}", row.kernel, row.options)).collect();
    assert!(missed.len() * 100 <= refused, "{} of {refused} missed: {report:#?}", missed.len());
}

#[test]
fn what_a_kernel_mounts_is_never_denied_as_refused_or_unknown() {
    let mut accepted = 0;
    for row in rows() {
        if row.mode == "live" && row.exit == 0 && row.is_mounted {
            accepted += 1;
            let found = findings(&row.options);
            let is_denied = found.contains(&(11, Action::Deny)) || found.contains(&(12, Action::Deny));
            assert!(!is_denied, "{row:?}: {found:?}");
        }
    }
    assert!(accepted > 500, "only {accepted} rows");
}

#[test]
fn the_catalog_says_of_each_kernel_what_that_kernel_did() {
    for row in rows() {
        let options = options(&row.options);
        let is_sloppy = options.iter().any(|option| option.keyword() == "sloppy");
        let v3_only = options.iter().map(acceptance::judge).all(|verdict| verdict.versions == Versions::V3);
        if row.mode != "live" || row.exit != 0 || !row.is_mounted || is_sloppy || v3_only {
            continue;
        }
        let last_transport = options.iter().rposition(|option| acceptance::transport(option).is_some());
        for (index, option) in options.iter().enumerate() {
            // A transport that another one overrules is not requested.
            let is_overruled = acceptance::transport(option).is_some() && Some(index) != last_transport;
            let kernels = acceptance::judge(option).kernels;
            assert!(
                is_overruled || kernels.contains(row.kernel),
                "{} mounted {:?}, the catalog says of {option:?}: {kernels:?}",
                row.kernel,
                row.options
            );
        }
    }
}

/// The value of an option in `/proc/mounts`, or whether the word stands there.
fn shown<'r>(effective: &'r str, keyword: &str) -> Option<&'r str> {
    effective.split(',').find_map(|option| {
        let (found, value) = option.split_once('=').unwrap_or((option, ""));
        (found == keyword).then_some(value)
    })
}

/// The largest transfer of the server that measured.
const SERVERS_LARGEST: u32 = 262_144;

#[test]
fn the_winners_are_those_of_proc_mounts() {
    let mut compared = 0;
    let mut differences = Vec::new();
    for row in rows() {
        if row.mode != "live" || row.exit != 0 || !row.is_mounted || !row.effective.contains("vers=") {
            continue;
        }
        compared += 1;
        let options = options(&row.options);
        for (what, said, seen) in winners(&Settings::of(&options), &row.effective) {
            if said != seen {
                differences.push(format!("{} {:?}: {what} is {said}, seen {seen}", row.kernel, row.options));
            }
        }
    }
    assert!(compared > 500, "only {compared} rows");
    assert!(differences.is_empty(), "{}: {differences:#?}", differences.len());
}

/// Compares the engine's settings with `/proc/mounts`, setting by setting.
fn winners(settings: &Settings, effective: &str) -> Vec<(&'static str, String, String)> {
    let mut pairs = Vec::new();
    let mut pair = |what, said: String, seen: String| pairs.push((what, said, seen));
    let has = |word: &str| shown(effective, word).is_some();
    let number = |word: &str, default: u32| -> u32 {
        shown(effective, word).and_then(|value| value.parse().ok()).unwrap_or(default)
    };
    let recovery = match settings.recovery {
        Recovery::Hard => "hard",
        Recovery::Soft => "soft",
        Recovery::Softerr => "softerr",
    };
    let seen = if has("softerr") {
        "softerr"
    } else if has("soft") {
        "soft"
    } else {
        "hard"
    };
    pair("recovery", recovery.to_owned(), seen.to_owned());
    let transport = match settings.transport {
        Some(Transport::Udp) => "udp",
        Some(Transport::Rdma) => "rdma",
        _ => "tcp",
    };
    pair(
        "proto",
        transport.to_owned(),
        shown(effective, "proto").unwrap_or_default().trim_end_matches('6').to_owned(),
    );
    pair("timeo", settings.timeo.unwrap_or(600).to_string(), number("timeo", 0).to_string());
    pair("retrans", settings.retrans.unwrap_or(2).to_string(), number("retrans", 0).to_string());
    pair("ro", settings.read_only.to_string(), has("ro").to_string());
    pair("sync", settings.sync.to_string(), has("sync").to_string());
    pair("nocto", settings.nocto.to_string(), has("nocto").to_string());
    let size = |size: Option<u32>| size.unwrap_or(SERVERS_LARGEST).min(SERVERS_LARGEST).to_string();
    pair("rsize", size(settings.rsize), number("rsize", 0).to_string());
    pair("wsize", size(settings.wsize), number("wsize", 0).to_string());
    let nconnect = settings.nconnect.filter(|connections| *connections > 1).unwrap_or(1);
    pair("nconnect", nconnect.to_string(), number("nconnect", 1).to_string());
    let lookupcache = match settings.lookupcache {
        None | Some(LookupCache::All) => "all",
        Some(LookupCache::None) => "none",
        Some(LookupCache::Positive) => "pos",
    };
    let seen = shown(effective, "lookupcache").unwrap_or("all").replace("positive", "pos");
    pair("lookupcache", lookupcache.to_owned(), seen);
    let version = shown(effective, "vers").unwrap_or_default();
    let is_asked = settings.versions.iter().any(|asked| format!("{asked}") == version);
    pair("vers", is_asked.to_string(), true.to_string());
    // Cache times are counted in the kernel's ticks, in 32 bits: what lies above
    // comes out by the tick rate of that one kernel.
    let largest = settings.attribute_cache.regular_max.max(settings.attribute_cache.directory_max);
    if largest.is_some_and(|seconds| seconds > u32::MAX / 250) {
        return pairs;
    }
    if settings.noac {
        let seen = ["actimeo", "acregmax"].iter().any(|word| shown(effective, word) == Some("0"));
        pair("noac", true.to_string(), (has("noac") || seen).to_string());
        return pairs;
    }
    let cache = settings.attribute_cache;
    let seen = |word: &str, default| match shown(effective, "actimeo") {
        Some(value) => value.to_owned(),
        None => number(word, default).to_string(),
    };
    pair("acregmin", cache.regular_min.unwrap_or(3).to_string(), seen("acregmin", 3));
    pair("acregmax", cache.regular_max.unwrap_or(60).to_string(), seen("acregmax", 60));
    pair("acdirmin", cache.directory_min.unwrap_or(30).to_string(), seen("acdirmin", 30));
    pair("acdirmax", cache.directory_max.unwrap_or(60).to_string(), seen("acdirmax", 60));
    pairs
}

#[test]
fn a_mount_shows_what_its_options_ask_for() {
    let (mut compared, mut wrong) = (0, Vec::new());
    for row in rows() {
        // Beside a sloppy, a kernel drops what it does not know.
        let is_sloppy = options(&row.options).iter().any(|option| option.keyword() == "sloppy");
        if row.mode != "live" || row.exit != 0 || !row.is_mounted || is_sloppy {
            continue;
        }
        compared += 1;
        let differences = Shown::new(row.effective.split(',')).differences(&options(&row.options));
        // A server of its own takes at most 256 KiB at once.
        let differences: Vec<_> =
            differences.into_iter().filter(|difference| difference.decider != Decider::Server).collect();
        if !differences.is_empty() {
            wrong.push(format!("{} {:?} {:?}: {differences:?}", row.kernel, row.options, row.effective));
        }
    }
    assert!(compared > 500, "only {compared} rows");
    assert!(wrong.is_empty(), "{} of {compared}: {wrong:#?}", wrong.len());
}

#[test]
fn a_mount_does_not_show_what_other_options_ask_for() {
    // Each measured mount beside the options of the others: what is asked otherwise is seen.
    let measured: Vec<Row> = rows()
        .into_iter()
        .filter(|row| {
            row.mode == "live" && row.exit == 0 && row.is_mounted && row.kernel == Kernel::new(6, 12)
        })
        .collect();
    let plain = measured.iter().find(|row| row.options.is_empty()).expect("a mount without options");
    let shown = Shown::new(plain.effective.split(','));
    let mut seen = 0;
    for row in &measured {
        // Each measured mount has an address of its own.
        let is_asked = |text: &str| text.starts_with("clientaddr=") && row.options.contains("clientaddr");
        let own = |text: &str| {
            let kept = text.split(',').filter(|text| !text.contains("addr=") || is_asked(text));
            kept.map(ToOwned::to_owned).collect()
        };
        let (theirs, plains): (Vec<String>, Vec<String>) = (own(&row.effective), own(&plain.effective));
        let differences = shown.differences(&options(&row.options));
        let is_other = theirs != plains;
        seen += usize::from(is_other && !differences.is_empty());
        assert!(
            is_other || differences.iter().all(|found| found.decider == Decider::Server),
            "{row:?}: {differences:?}"
        );
    }
    assert!(seen > 60, "only {seen} of {}", measured.len());
}

/// Addresses that mount.nfs adds to every mount, whatever an option says of them.
const ADDED: [&str; 2] = ["addr", "mountaddr"];

#[test]
fn no_option_that_a_kernel_shows_is_called_not_shown() {
    let rows: Vec<Row> =
        rows().into_iter().filter(|row| row.mode == "live" && row.exit == 0 && row.is_mounted).collect();
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for row in &rows {
        let plain = rows.iter().find(|plain| plain.options.is_empty() && plain.kernel == row.kernel);
        let plains: Vec<&str> = plain.map(|plain| plain.effective.split(',').collect()).unwrap_or_default();
        // All that is shown of this mount, and not of one without options.
        let own = row.effective.split(',').filter(|text| plain.is_some() && !plains.contains(text));
        let own: Vec<MountOption<'_>> = own.map(MountOption::new).collect();
        let asked = options(&row.options);
        seen += own.len();
        for option in Shown::new(row.effective.split(',')).unseen(&asked) {
            let is_it = |one: &&MountOption<'_>| {
                let ids = [one.entry(), option.entry()].map(|entry| entry.map(|entry| entry.id));
                ids[0].is_some() && ids[0] == ids[1] && !ADDED.contains(&one.keyword())
            };
            if let Some(one) = own.iter().find(is_it) {
                wrong.push(format!(
                    "{} {:?}: {:?} is shown as {:?}",
                    row.kernel,
                    row.options,
                    option.text(),
                    one.text()
                ));
            }
        }
    }
    assert!(seen > 500, "only {seen}");
    assert!(wrong.is_empty(), "{}: {wrong:#?}", wrong.len());
}
