//! Tests that nothing takes effect or loses it by a repair that was not requested: lists that a driver takes
//! for empty, words that it takes out, and options that a list of one's own replaces.

use nfs_mount_guard::admission::Endpoint;
use nfs_mount_guard::check::repair::repair;
use nfs_mount_guard::engine::fix::Scope;
use serde_json::{Value, json};

use crate::access_modes::{class, csi, is_patched, refused, volume};
use crate::fixture::{TODAY, judge};
use crate::policies::{ask, policy};

const ALIBABA: &str = "nasplugin.csi.alibabacloud.com";

#[test]
fn beside_the_word_that_means_none_nothing_is_filled_in() {
    for list in [&["none"][..], &["none", "vers=3"], &["vers=4.0", "None"], &["none,vers=3"], &["NONE,", ""]]
    {
        let class = class(ALIBABA, list);
        assert!(!is_patched("", &class), "{list:?}");
        assert!(refused("", None, &class).is_empty(), "{list:?}");
        let warned =
            ask(&policy(""), Endpoint::Validate, "someone", None, &class, TODAY)["warnings"].to_string();
        assert!(warned.contains("NMG002"), "{warned}");
    }
    // Beside another option it is an option, and no kernel has it.
    assert_eq!(
        refused("", None, &class(ALIBABA, &["none", "nolock", "fg", "timeo=600", "retrans=2"])),
        ["NMG011"]
    );
}

const UNFILLED: &str = "rules:\n  foreground-not-explicit: {action: off}\n  timeo-not-set: {action: off}\n  \
                        retrans-not-set: {action: off}";

/// Without the last option that counts for it, a driver uses those of its attribute, or its own.
#[test]
fn a_safe_repair_leaves_no_list_that_the_driver_takes_for_empty() {
    let attributes = json!({"server": "x", "path": "/", "options": "hard,nolock,timeo=600"});
    for driver in [ALIBABA, "nas.csi.cds.net"] {
        for (list, left) in [
            (&["intr"][..], None),
            (&["vers=3", "intr"], None),
            (&["vers=3,intr"], None),
            (&["vers=3", "nofail", "defaults"], None),
            (&["vers=4.0", "nolock"], None),
            (&["vers=3", "intr", "ac"], Some(json!(["vers=3", "ac"]))),
        ] {
            let text = volume(&["ReadWriteMany"], &csi(driver, &attributes), list).to_string();
            let repaired = repair(&policy(UNFILLED), TODAY, Scope::FILE, &text, &|_| true);
            let new = repaired.text.as_deref().map(|text| serde_json::from_str::<Value>(text).expect("JSON"));
            assert_eq!(new.map(|new| new["spec"]["mountOptions"].clone()), left, "{driver} {list:?}");
            assert_eq!(repaired.refusals.is_empty(), left.is_some(), "{driver} {list:?}");
        }
    }
}

#[test]
fn no_list_is_proposed_that_the_driver_takes_for_empty() {
    let source = csi(ALIBABA, &json!({"options": "hard,timeo=600"}));
    let of = |list: &[&str]| {
        let volume = volume(&["ReadWriteMany"], &source, list);
        let response = ask(&policy(UNFILLED), Endpoint::Validate, "someone", None, &volume, TODAY);
        assert_eq!(response["allowed"], false, "{response}");
        response["status"].to_string()
    };
    let proposed = of(&["vers=4.0", "nolock=1", "ac"]);
    assert!(proposed.contains("[vers=4.0, ac]"), "{proposed}");
    let proposed = of(&["vers=4.0", "nolock=1"]);
    assert!(!proposed.contains("[vers=4.0]"), "{proposed}");
}

#[test]
fn options_under_a_key_of_the_drivers_own_keep_an_empty_list_empty() {
    const OWN: &str = "drivers: [{name: my-nas.example.com, nfs: true}]";
    for (key, value, is_filled) in [
        ("mount_opts", "nolock,vers=3", false),
        ("nfsMountOpts", "nolock,vers=3", false),
        ("nfsopts", "noatime", false),
        ("opts", "hard", false),
        ("mountOption", "-o nolock,vers=3", false),
        ("extraMountFlags", "nolock vers=3", false),
        ("extra", "nfsvers=3,nolock", false),
        ("opts", "", true),
        ("volumeOption", "thin", true),
        ("share", "/a,b", true),
    ] {
        let volume = volume(&["ReadWriteMany"], &csi("my-nas.example.com", &json!({key: value})), &[]);
        assert_eq!(is_patched(OWN, &volume), is_filled, "{key}: {value}");
        assert_eq!(refused(OWN, None, &volume).is_empty(), !is_filled, "{key}: {value}");
    }
}

/// Trident takes a list with an element for one, although the element is empty (`driver-truth`).
#[test]
fn an_empty_element_puts_hidden_options_out_of_force() {
    let of = |list: &[&str]| {
        volume(&["ReadWriteMany"], &csi("csi.trident.netapp.io", &json!({"protocol": "file"})), list)
    };
    for (list, are_hidden) in [(&[][..], true), (&[""], false), (&["hard"], false)] {
        let found =
            judge(&of(list).to_string(), &policy(""), |subject, _| subject.mounts_with_hidden_options());
        assert_eq!(found, are_hidden, "{list:?}");
    }
    let response = ask(&policy(""), Endpoint::Validate, "someone", None, &of(&["", "hard"]), TODAY);
    let said = response["status"].to_string();
    assert!(said.contains("[hard, fg, timeo=600, retrans=2]"), "{said}");
}
