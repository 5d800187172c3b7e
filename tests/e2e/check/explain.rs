//! `explain -f` says what is so: who refuses, who wins, what a dead server does,
//! what a node shares, who gives up first.

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::{pipe, stdout};

/// Tests of what an explanation claims.
pub fn trials() -> Vec<Trial> {
    let trial =
        |name: &str, test: fn() -> Result<(), Failed>| Trial::test(format!("check::explain::{name}"), test);
    vec![
        trial("a_list_that_never_mounts_has_no_dead_server", a_refused_list),
        trial("a_background_mount_hides_a_refusal_of_a_dead_server", a_hidden_refusal),
        trial("an_option_twice_beside_sloppy_is_ignored_twice", an_option_twice_beside_sloppy),
        trial("names_the_kernels_that_refuse", names_the_kernels),
        trial("names_the_winner_where_the_driver_appends", names_the_winner),
        trial("says_what_an_open_quote_takes_in", says_what_an_open_quote_takes_in),
        trial("names_the_locks_daemon", names_the_locks_daemon),
        trial("names_who_gives_up_first", names_who_gives_up),
        trial("names_what_mounts_share", names_what_mounts_share),
        trial("an_idle_read_only_is_named", an_idle_read_only),
        trial("has_the_number_of_the_finding", has_the_number_of_the_finding),
        trial("names_what_hangs", names_what_hangs),
        trial("options_for_which_the_driver_refuses_an_object_reach_no_mount", refused_keys),
        trial("names_a_bg_that_a_driver_may_read", names_a_background_that_a_driver_may_read),
        trial("names_the_namespace", names_the_namespace),
        trial("names_a_bg_that_a_layer_may_read", names_a_marked_background),
        trial("claims_nothing_that_a_placeholder_decides", claims_nothing_undecided),
        trial("shows_the_seconds_that_the_kernel_reads", shows_the_kernels_seconds),
    ]
}

fn class(driver: &str, parameters: &str, options: &str) -> String {
    format!(
        "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {{name: a}}\nprovisioner: {driver}\n\
parameters: {{{parameters}}}\nmountOptions: [{options}]\n"
    )
}

/// A class of csi-driver-nfs.
fn nfs(options: &str) -> String {
    class("nfs.csi.k8s.io", "server: nfs.example.com, share: /a", options)
}

fn volume(driver: &str, more: &str, options: &str) -> String {
    format!(
        "apiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: a}}\nspec:\n  \
accessModes: [ReadWriteMany]\n  mountOptions: [{options}]\n  csi: {{driver: {driver}, volumeHandle: a{more}}}\n"
    )
}

fn explained(manifest: &str) -> String {
    stdout(&pipe(&["explain", "--no-policy", "-f", "-"], manifest.as_bytes()))
}

fn as_json(manifest: &str) -> Value {
    let output = pipe(&["explain", "--no-policy", "-f", "-", "--format", "json"], manifest.as_bytes());
    serde_json::from_slice::<Value>(&output.stdout).expect("JSON")[0].take()
}

/// Measured: `vers=3,bg,timeo=abc` exits 0 if the server does not answer, and 32 with vers=4.1; without a
/// version it is 32 if connections are refused.
fn a_hidden_refusal() -> Result<(), Failed> {
    for (options, is_refused_hidden) in [
        ("vers=3, bg, colour", Some(true)),
        ("bg, timeo=abc", Some(false)),
        ("bg=1", Some(false)),
        ("bg=1, vers=3", Some(true)),
        ("vers=3, fg, bg=1, rsize=x", Some(true)),
        ("vers=4.1, bg, timeo=abc", None),
        ("vers=4.1, bg=1", None),
        ("vers=3, bg, fg, timeo=abc", None),
        ("vers=3, bg, port=x", None),
    ] {
        let text = explained(&nfs(options));
        let said = match is_refused_hidden {
            Some(true) => "every try  the mount fails (exit 32) if the server answers: ",
            Some(false) => "every try  the mount fails (exit 32) unless packets are dropped: ",
            None => "every try  the mount fails (exit 32): ",
        };
        let is_hidden = is_refused_hidden.is_some();
        assert!(text.contains(said), "{options}: {text}");
        let at_once =
            text.contains("dead server, at the mount: mount exits 0 at once if connections are refused");
        assert_eq!(at_once, is_refused_hidden == Some(true), "{text}");
        let dropped = text.contains("mount of nfs-utils 2.8 and later exits 0 after about 15 s");
        assert_eq!(dropped, is_refused_hidden == Some(false), "{text}");
        assert!(!text.contains("once mounted"), "{text}");
        assert_eq!(as_json(&nfs(options))["deadServer"]["background"] == true, is_hidden, "{options}");
    }
    Ok(())
}

/// The kubelet passes one of two equal options on.
fn an_option_twice_beside_sloppy() -> Result<(), Failed> {
    for option in ["colour", "rsize=1M"] {
        let manifest = format!(
            "apiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: a}}\nspec:\n  \
mountOptions: [nfsvers=4.1, sloppy, {option}, {option}, fg, timeo=600, retrans=2]\n  nfs: {{server: a, path: /a}}\n"
        );
        let text = explained(&manifest);
        assert!(text.contains("dead server, at the mount") && !text.contains("every try"), "{text}");
        let checked = stdout(&pipe(&["check", "--no-policy", "-"], manifest.as_bytes()));
        assert_eq!(checked.matches(" deny ").count(), 1, "sloppy alone: {checked}");
    }
    Ok(())
}

fn a_refused_list() -> Result<(), Failed> {
    for (manifest, why) in [
        (nfs("nfsvers=4.1, fg, colour"), "the mount fails (exit 32): unknown option \"colour\""),
        (nfs("vers=3, nfsvers=4.1, fg"), "the mount fails (exit 32): \"nfsvers=4.1\" and "),
        (nfs("nfsvers=4.1, fg, nconnect=99"), "the mount fails (exit 32): invalid \"nconnect=99\""),
        (nfs("nfsvers=4.1, fg, udp"), "kernels since 5.6 reject the mount (exit 32): \"udp\""),
        // Older kernels take UDP, and none takes the rest.
        (nfs("udp, colour, fg, vers=3"), "the mount fails (exit 32): unknown option \"colour\""),
        (nfs("nfsvers=4.1, bg, colour"), "the mount fails (exit 32): unknown option \"colour\""),
        (
            volume("csi.vsphere.vmware.com", ", fsType: nfs4", "nfsvers=4.2, fg"),
            "the mount fails (exit 32): \"nfsvers=4.2\" and the driver's own",
        ),
        (
            class("csi.san.synology.com", "protocol: nfs", "nfsvers=4.2, fg"),
            "the driver rejects the volume before it mounts: \"nfsvers=4.2\"",
        ),
    ] {
        let text = explained(&manifest);
        assert!(text.contains(&format!("every try  {why}")), "{why} in {text}");
        for claim in ["dead server", "hangs", "EIO", "  sharecache", "exits 0"] {
            assert!(!text.contains(claim), "{claim} in {text}");
        }
        assert_eq!(as_json(&manifest)["deadServer"], Value::Null, "{text}");
    }
    Ok(())
}

fn names_the_kernels() -> Result<(), Failed> {
    for (options, words) in [
        (
            "nfsvers=4.1, fg, nconnect=4",
            Some("before 5.3 reject every mount (exit 32): they do not support nconnect=4"),
        ),
        (
            "nfsvers=4.1, fg, softerr",
            Some("before 5.2 reject every mount (exit 32): they do not support softerr"),
        ),
        ("nfsvers=4.1, fg, soft, rsize=4096", None),
        // Beside sloppy those kernels ignore it.
        ("nfsvers=4.1, fg, sloppy, nconnect=4", None),
        ("nfsvers=4.1, fg, sloppy, softerr", None),
        ("nfsvers=4.1, fg, sloppy, xprtsec=tls", None),
        ("nfsvers=4.1, fg, sloppy, fatal_neterrors=none", None),
    ] {
        let text = explained(&nfs(options));
        if let Some(words) = words {
            assert!(text.contains(words), "{words} in {text}");
            continue;
        }
        assert!(!text.contains("reject every mount"), "{text}");
        let is_ignored = text.contains("; ignored with sloppy by kernels before ");
        assert_eq!(is_ignored, options.contains("sloppy"));
    }
    Ok(())
}

fn names_the_winner() -> Result<(), Failed> {
    for (manifest, conflict) in [
        (class("efs.csi.aws.com", "", "resvport, fg"), "resvport, noresvport: noresvport wins"),
        (volume("csi.vsphere.vmware.com", ", fsType: nfs4", "soft, fg"), "soft, hard: hard wins"),
        (volume("csi-isilon.dellemc.com", "", "ro, vers=3"), "ro, rw: rw wins"),
        (nfs("hard, soft"), "hard, soft: soft wins"),
        (nfs("acdirmin=5, acregmax=60, actimeo=0"), "acdirmin=5, acregmax=60, actimeo=0: actimeo=0 wins"),
        (nfs("users, exec"), "users, exec: exec wins"),
        (nfs("exec, users"), "exec, users: users wins"),
        (nfs("actimeo=0, acregmax=60"), "actimeo=0, acregmax=60: acregmax=60 wins for acregmax"),
        (nfs("vers=3, nolock, local_lock=none"), "nolock, local_lock=none: the winner depends on the kernel"),
    ] {
        let text = explained(&manifest);
        assert!(text.contains(&format!("  conflict   {conflict}\n")), "{conflict} in {text}");
    }
    // These add up.
    for options in [
        "vers=3, local_lock=flock, local_lock=posix",
        "vers=3, nolock, local_lock=all",
        "actimeo=60, acregmax=60",
    ] {
        assert_eq!(as_json(&nfs(options))["conflicts"], json!([]), "{options}");
    }
    Ok(())
}

fn says_what_an_open_quote_takes_in() -> Result<(), Failed> {
    let text = explained(&nfs(r#"'context="a', fg"#));
    for line in ["read as    (nothing) by mount.nfs", "option     fg: no layer reads it as an option"] {
        assert!(text.contains(line), "{line} in {text}");
    }
    assert!(!text.contains("a mount that fails is reported"), "{text}");
    Ok(())
}

fn names_the_locks_daemon() -> Result<(), Failed> {
    let in_tree =
        |options: &str| class("example.com/nfs", "", options).replace("example.com", "cluster.local");
    for (manifest, words) in [
        (nfs("vers=3, fg"), Some("rpc.statd must run where mount.nfs does, in the driver's container")),
        (
            in_tree("vers=3, fg").replace("cluster.local/nfs", "cluster.local/nfs-server-provisioner"),
            Some("on the node"),
        ),
        (nfs("vers=3, nolock, fg"), Some("without it rpc.statd must run")),
        (nfs("fg"), Some("if the server offers no newer version than NFSv3, rpc.statd")),
        (nfs("vers=3, local_lock=all, fg"), Some("or the mount fails (exit 32)")),
        (nfs("nfsvers=4.1, fg"), None),
        (nfs("v4.2, nolock, fg"), None),
    ] {
        let text = explained(&manifest);
        match words {
            Some(words) => assert!(text.contains(words) && text.contains("  locks "), "{words} in {text}"),
            None => assert!(!text.contains("statd"), "{text}"),
        }
    }
    Ok(())
}

fn names_who_gives_up() -> Result<(), Failed> {
    for (manifest, words) in [
        (
            nfs("nfsvers=4.1, fg"),
            Some("for 2 min by default (retry=2), but the driver gives up after 110 s; retry=1 "),
        ),
        (class("blob.csi.azure.com", "protocol: nfs", "fg"), Some("gives up after 90 s; retry=1 ")),
        (class("tns.csi.io", "protocol: nfs", "fg"), Some("gives up after 30 s; retry=0 ")),
        (
            class("tns.csi.io", "protocol: nfs", "fg, retry=1"),
            Some("retry=1 makes mount.nfs retry for 1 min, but"),
        ),
        (nfs("nfsvers=4.1, fg, retry=soon"), Some("for 2 min by default")),
        (nfs("nfsvers=4.1, fg, retry=1"), None),
        (nfs("nfsvers=4.1, bg"), None),
        (class("efs.csi.aws.com", "", "fg"), None),
    ] {
        let text = explained(&manifest);
        match words {
            Some(words) => assert!(text.contains(words) && text.contains("  retry "), "{words} in {text}"),
            None => assert!(!text.contains("gives up"), "{text}"),
        }
    }
    let check = pipe(&["check", "--no-policy", "-"], nfs("nfsvers=4.1, fg, retry=5").as_bytes());
    let message = "\"retry=5\" makes mount.nfs retry for 5 min; the driver gives up after 110 s";
    assert!(stdout(&check).contains(message), "{}", stdout(&check));
    Ok(())
}

fn names_what_mounts_share() -> Result<(), Failed> {
    let shared = explained(&nfs("nfsvers=4.1, fg"));
    let words =
        "the first mount of this server sets nconnect, and the first mount of this export timeo and retrans";
    assert!(shared.contains(words), "{shared}");
    let own = explained(&nfs("nfsvers=4.1, fg, sharecache, nosharecache"));
    assert!(own.contains("nosharecache: timeo and retrans are its own"), "{own}");
    assert!(explained(&nfs("nfsvers=4.1, nosharecache, sharecache")).contains(words));
    Ok(())
}

fn an_idle_read_only() -> Result<(), Failed> {
    let marked = explained(&volume("nfs.csi.k8s.io", ", readOnly: true", "soft, fg"));
    assert!(marked.contains("csi.readOnly: true adds no ro"), "{marked}");
    assert!(marked.contains("mount -o   soft,fg\n"), "{marked}");
    let plain = explained(&volume("nfs.csi.k8s.io", "", "soft, fg"));
    assert!(!plain.contains("csi.readOnly"), "{plain}");
    Ok(())
}

/// The time after which a call fails is the same in a finding and in `explain`.
fn has_the_number_of_the_finding() -> Result<(), Failed> {
    for options in ["soft, timeo=30, retrans=3", "softerr, timeo=45, retrans=2", "soft, timeo=7, retrans=1"] {
        let manifest = nfs(&format!("nfsvers=4.1, fg, {options}"));
        let check = stdout(&pipe(&["check", "--no-policy", "-"], manifest.as_bytes()));
        let number = check.split_once(" fails calls after ").and_then(|(_, rest)| rest.split_once(" s;"));
        let (number, _) = number.expect("NMG006");
        let text = explained(&manifest);
        assert!(text.contains(&format!(" after {number} s, and buffered")), "{number} in {text}");
    }
    Ok(())
}

fn names_what_hangs() -> Result<(), Failed> {
    let hard = explained(&nfs("nfsvers=4.1, fg"));
    let words = "I/O hangs until the server returns, the Pod stays Terminating and umount hangs";
    assert!(hard.contains(words), "{hard}");
    assert!(!explained(&nfs("nfsvers=4.1, fg, soft")).contains("Terminating"));
    Ok(())
}

/// A `bg` in quotes or next to a backslash: what `check` says of it, and no claim that it cannot be.
fn names_a_marked_background() -> Result<(), Failed> {
    let said = "may be a background mount: layers read quotes and backslashes differently";
    for (option, is_refused) in [
        (r#"'"bg"'"#, true),
        (r"'b\g'", true),
        (r#""'bg'""#, true),
        (r#"'bg"",hard'"#, true),
        (r#"'context="a,bg,c"'"#, false),
    ] {
        let manifest = nfs(&format!("nfsvers=4.1, {option}"));
        let check = stdout(&pipe(&["check", "--no-policy", "-"], manifest.as_bytes()));
        let text = explained(&manifest);
        assert!(check.contains(said) && text.contains(said), "{option}: {check}\n{text}");
        assert!(!text.contains("no data is lost"), "{text}");
        let hedge = if is_refused {
            "every try  the mount fails (exit 32), unless a layer reads bg: "
        } else {
            "; if a layer reads bg, mount exits 0 although nothing is mounted, and Pods write to the node's local disk\n"
        };
        assert!(text.contains(hedge), "{hedge} in {text}");
        assert!(as_json(&manifest)["background"].as_str().is_some_and(|text| text.ends_with(said)));
    }
    // A later fg wins in any reading, and both say so.
    let manifest = nfs(r#"nfsvers=4.1, '"bg"', fg"#);
    let check = stdout(&pipe(&["check", "--no-policy", "-"], manifest.as_bytes()));
    assert!(check.contains("is overridden by a later fg if quotes are dropped"), "{check}");
    let text = explained(&manifest);
    assert!(text.contains("every try  the mount fails (exit 32): ") && !text.contains("reads bg"), "{text}");
    // An fg before it does not.
    let check = pipe(&["check", "--no-policy", "-"], nfs(r#"nfsvers=4.1, fg, '"bg"'"#).as_bytes());
    assert!(stdout(&check).contains(said), "{}", stdout(&check));
    Ok(())
}

/// Drivers whose source was not read may split a text where mount would not.
fn names_a_background_that_a_driver_may_read() -> Result<(), Failed> {
    let pod = |driver: &str, options: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec:\n  volumes:\n  - name: v\n    csi:\n      \
driver: {driver}\n      volumeAttributes: {{mountOptions: '{options}'}}\n"
        )
    };
    for driver in ["nas.csi.everest.io", "sfsturbo.csi.everest.io", "storage.example.com"] {
        for options in ["hard,bg", "vers=3 -o bg", "[bg]", "[\"hard\", \"bg\"]"] {
            let manifest = pod(driver, options);
            let check = pipe(&["check", "--no-policy", "--format", "concise", "-"], manifest.as_bytes());
            let denied = stdout(&check);
            let said = denied.lines().find_map(|line| line.split_once(": NMG001 deny ")).expect("a denial").1;
            // The list that passes is said of the object, which a line of a pipe names.
            let said = said.strip_suffix(" (Pod/a spec.volumes[0])").expect("the object");
            let said = said.split("; set ").next().unwrap_or_default();
            let text = explained(&manifest);
            assert!(text.contains(&format!("  background {said}\n")), "{said} in {text}");
            assert!(!text.contains("no data is lost"), "{text}");
            let is_mounted = text.contains("dead server, at the mount");
            assert_eq!(is_mounted, text.contains("if a layer reads bg, mount exits 0"), "{text}");
            assert_eq!(as_json(&manifest)["background"], said);
        }
        let text = explained(&pod(driver, "hard,fg"));
        assert!(!text.contains("  background "), "{text}");
    }
    // A driver that was read takes no other text.
    assert!(!explained(&pod("nfs.csi.k8s.io", "hard,fg")).contains("  background "));
    Ok(())
}

fn names_the_namespace() -> Result<(), Failed> {
    let pod = |namespace: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: a, namespace: {namespace}}}\nspec:\n  volumes:\n  \
- {{name: v, csi: {{driver: nfs.csi.k8s.io, volumeAttributes: {{mountOptions: bg}}}}}}\n"
        )
    };
    let both = format!("{}---\n{}", pod("team-a"), pod("team-b"));
    let text = explained(&both);
    for title in [": Pod/team-a/a spec.volumes[0]\n", ": Pod/team-b/a spec.volumes[0]\n"] {
        assert!(text.contains(title), "{title} in {text}");
    }
    assert_eq!(as_json(&both)["namespace"], "team-a");
    let lost =
        pod("team-a").replace("csi: {driver: nfs.csi.k8s.io, volumeAttributes: ", "flexVolume: {options: ");
    assert!(explained(&lost).contains("Pod/team-a/a\n"), "{}", explained(&lost));
    // A class has none, whatever its manifest says.
    let class = nfs("fg").replace("{name: a}", "{name: a, namespace: b}");
    assert!(explained(&class).contains("StorageClass/a\n"));
    assert_eq!(as_json(&class).get("namespace"), None);
    Ok(())
}

fn claims_nothing_undecided() -> Result<(), Failed> {
    for option in ["timeo=${T}", "retrans=$(R)", "retry={{ r }}", "nfsvers=${V:=4.1}", "${OPTIONS}", "${X}=5"]
    {
        let manifest = nfs(&format!("'{option}', hard"));
        let text = explained(&manifest);
        assert!(text.contains(&format!("  dead server: not known until {option} is rendered\n")), "{text}");
        for claim in ["180 s", "110 s", "no data is lost", "  retry ", "rpc.statd"] {
            assert!(!text.contains(claim), "{claim} in {text}");
        }
        assert_eq!(as_json(&manifest)["deadServer"], Value::Null, "{text}");
    }
    let several = explained(&nfs("'timeo=${T}', 'retrans=${R}'"));
    assert!(several.contains("not known until timeo=${T}, retrans=${R} are rendered"), "{several}");
    // The rest is known.
    assert!(explained(&nfs("'nconnect=${N}', nfsvers=4.1")).contains("after 180 s"));
    // A bg is one whatever its value, and the kernel takes an empty one.
    let text = explained(&nfs("vers=3, 'bg=${B}', nolock, timeo=600, retrans=2"));
    for claim in ["bg takes effect whatever its value", "mount exits 0 at once if connections are refused"] {
        assert!(text.contains(claim), "{claim} in {text}");
    }
    assert!(!text.contains("every try") && !text.contains("refused: "), "{text}");
    // A bg is a danger whatever else comes.
    for option in ["bg, 'timeo=${T}'", "'${MODE:=bg}'"] {
        let text = explained(&nfs(option));
        assert!(text.contains("  background \"bg\" "), "{text}");
    }
    Ok(())
}

fn shows_the_kernels_seconds() -> Result<(), Failed> {
    for (option, seconds) in [
        ("timeo=600", "60 s"),
        ("timeo=0x258", "60 s"),
        ("timeo=01130", "60 s"),
        ("timeo=+15", "1.5 s"),
        ("timeo=600000", "600 s, the kernel's limit"),
    ] {
        let text = explained(&nfs(&format!("nfsvers=4.1, fg, {option}")));
        assert!(text.contains(&format!("{option}: read by kernel; how long")), "{text}");
        assert!(text.contains(&format!(" again ({seconds})\n")), "{option}: {seconds} in {text}");
    }
    for option in ["timeo=0", "timeo=60s", "timeo=0x", "timeo=09"] {
        let text = explained(&nfs(&format!("nfsvers=4.1, fg, {option}")));
        let line = text.lines().find(|line| line.contains(&format!("  option     {option}:")));
        let line = line.map(|line| line.replace(" (unit: 0.1 s)", ""));
        assert!(line.is_some_and(|line| line.contains("; refused: ") && !line.contains(" s)")), "{text}");
    }
    Ok(())
}

/// A class with such a key is refused, whether volumes or snapshots are made of it.
fn refused_keys() -> Result<(), Failed> {
    let snapshots = "apiVersion: snapshot.storage.k8s.io/v1\nkind: VolumeSnapshotClass\nmetadata: {name: a}\n\
driver: nfs.csi.k8s.io\nparameters: {mount_options: \"hard,bg\"}\n";
    let volumes = "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: a}\n\
provisioner: nfs.csi.k8s.io\nmountOptions: [fg]\nparameters: {mountOptions: \"hard,bg\"}\n";
    for (text, key, refuses) in [
        (snapshots, "mount_options", "the driver refuses to make a snapshot: "),
        (volumes, "mountOptions", "the driver rejects the volume before it mounts: "),
    ] {
        let shown = stdout(&pipe(&["explain", "-f", "-"], text.as_bytes()));
        for line in [
            format!("holds      parameters.{key} (refused by the driver): hard,bg"),
            "option     hard (refused by the driver): reaches no mount".to_owned(),
            "option     bg (refused by the driver): reaches no mount".to_owned(),
            format!("every try  {refuses}"),
        ] {
            assert!(shown.contains(&line), "{line}: {shown}");
        }
    }
    Ok(())
}
