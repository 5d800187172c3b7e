//! `node-check --objects`: mounts as kernels recorded them, beside objects as kubectl writes
//! them. The mounts are lines of mountinfo in a /proc of the test's own.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::{Pods, command, found, json as parsed, run};
use crate::cluster::free_port;
use crate::scan::again::{Running, until};
use crate::schema;

pub(super) fn trials() -> Vec<Trial> {
    let trial = |name: &str, test: fn() -> Result<(), Failed>| {
        Trial::test(format!("node_check::objects::{name}"), test)
    };
    vec![
        trial("says_the_driver_sets_what_it_adds", drivers_options),
        trial("compares_words_that_are_shown_where_they_are_on", shown_words),
        trial("a_mount_that_is_as_its_object_asks_is_no_finding", as_asked),
        trial("names_each_difference_with_its_reason", reasons),
        trial("explains_a_mount_only_by_one_whose_object_asks_for_it", explained_by_others),
        trial("compares_no_object_whose_server_has_another_address", other_servers),
        trial("compares_the_export_of_csi_driver_nfs", shares),
        trial("says_what_is_not_compared", not_compared),
        trial("compares_the_inline_volume_of_the_same_pod", inline_volumes),
        trial("compares_only_what_is_written_where_the_driver_may_add", unknown_drivers),
        trial("says_what_is_wrong_with_the_file_and_still_looks", files),
        trial("says_that_the_kernel_lacks_an_option", old_kernel),
        trial("an_option_that_the_kernel_lacks_is_no_matter_of_another_mount", kernel_or_other_mount),
        trial("nfsmount_conf_concerns_the_volumes_that_it_reaches", concerned),
        trial("is_for_reports_that_show_it", other_formats),
        trial("reads_the_file_again_at_each_look", again),
    ]
}

/// The lines that Linux 6.12 and 6.1 showed of mounts (tests/kernel-truth), without access flags.
pub(super) const V42: &str = "vers=4.2,rsize=262144,wsize=262144,namlen=255,hard,proto=tcp,timeo=600,retrans=2,sec=sys,clientaddr=10.9.1.1,local_lock=none,addr=10.9.0.1";
const V3: &str = "vers=3,rsize=262144,wsize=262144,namlen=255,hard,proto=tcp,timeo=600,retrans=2,sec=sys,mountaddr=10.9.0.1,mountvers=3,mountport=47256,mountproto=udp,local_lock=none,addr=10.9.0.1";

/// A node: Pods with directories, and mounts on them.
pub(super) struct Recorded {
    pub(super) pods: Pods,
    /// Lines of mountinfo.
    mounts: Vec<String>,
    kernel: &'static str,
}

impl Recorded {
    pub(super) fn new() -> Self {
        Self { pods: Pods::new(), mounts: Vec::new(), kernel: "6.12.1" }
    }

    pub(super) fn mount(&mut self, folder: &Path, kind: &str, device: usize, source: &str, options: &str) {
        let (number, folder) = (90_000 + self.mounts.len(), folder.display());
        self.mounts.push(format!(
            "{number} ROOT 0:{device} / {folder} rw,relatime shared:9 - {kind} {source} rw,{options}"
        ));
    }

    /// A mount of a directory of a device, as in `8:1 /srv`.
    pub(super) fn line(&mut self, folder: &Path, device: &str, kind: &str, source: &str) {
        let (number, folder) = (90_000 + self.mounts.len(), folder.display());
        self.mounts.push(format!("{number} ROOT {device} {folder} rw,relatime - {kind} {source} rw"));
    }

    /// A volume that the kubelet mounted from the server nas.
    pub(super) fn nfs(&mut self, pod: &str, volume: &str, device: usize, options: &str) {
        let folder = self.pods.nfs(pod, volume);
        let kind = if options.contains("vers=3") { "nfs" } else { "nfs4" };
        self.mount(&folder, kind, device, &format!("nas:/{volume}"), options);
    }

    pub(super) fn csi(&mut self, pod: &str, volume: &str, driver: &str, device: usize, options: &str) {
        let folder = self.pods.csi(pod, volume, driver);
        self.mount(&folder, "nfs4", device, &format!("nas:/{volume}"), options);
    }

    /// Writes the node's /proc.
    fn proc_dir(&self) -> PathBuf {
        let proc_dir = self.pods.path().join("proc");
        fs::create_dir_all(proc_dir.join("1")).expect("a folder");
        fs::create_dir_all(proc_dir.join("sys/kernel")).expect("a folder");
        fs::write(proc_dir.join("sys/kernel/osrelease"), format!("{}-amd64\n", self.kernel))
            .expect("written");
        fs::write(proc_dir.join("1/stat"), "1 (init) S 0 1 1 0\n").expect("written");
        let own = fs::read_to_string("/proc/self/mountinfo").expect("mounts");
        let root = own.lines().find(|line| line.split(' ').nth(4) == Some("/")).expect("a root");
        let root = root.split(' ').next().expect("a number");
        let text = format!("{own}{}\n", self.mounts.join("\n").replace("ROOT", root));
        fs::write(proc_dir.join("1/mountinfo"), text).expect("written");
        proc_dir
    }

    /// Runs the command with the objects on standard input.
    pub(super) fn run(&self, objects: &str, more: &[&str]) -> Output {
        let mut child = command()
            .args(["--pods-dir", &self.pods.name(), "--objects", "-"])
            .arg("--proc-dir")
            .arg(self.proc_dir())
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program runs");
        // One that does not read it has ended.
        let _ = child.stdin.take().expect("a pipe").write_all(objects.as_bytes());
        child.wait_with_output().expect("it ends")
    }

    pub(super) fn check(&self, objects: &Value, more: &[&str]) -> (Value, i32) {
        let mut args = vec!["--format", "json"];
        args.extend(more);
        let output = self.run(&objects.to_string(), &args);
        (parsed(&output), output.status.code().expect("an exit code"))
    }
}

pub(super) fn list(items: Vec<Value>) -> Value {
    json!({"apiVersion": "v1", "kind": "List", "items": items, "metadata": {"resourceVersion": ""}})
}

/// A volume of the kubelet, exported from nas under its name.
pub(super) fn nfs(name: &str, options: &[&str]) -> Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
        "spec": {"nfs": {"server": "nas", "path": format!("/{name}")}, "mountOptions": options},
    })
}

pub(super) fn csi(name: &str, driver: &str, options: &[&str]) -> Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
        "spec": {
            "csi": {"driver": driver, "volumeHandle": name, "volumeAttributes": {"server": "nas", "share": format!("/{name}")}},
            "mountOptions": options,
        },
    })
}

/// Option, setting of the object and of the mount, reason.
pub(super) fn differences(report: &Value, volume: &str) -> Vec<[String; 4]> {
    let volumes = report["objects"]["volumes"].as_array().expect("volumes");
    let of_volume = volumes.iter().find(|compared| compared["volume"] == volume);
    let of_volume = of_volume.unwrap_or_else(|| panic!("{volume}: {report:#}"));
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let differences = of_volume["differences"].as_array().expect("differences");
    differences
        .iter()
        .map(|found| ["option", "object", "mounted", "reason"].map(|key| text(&found[key])))
        .collect()
}

fn as_asked() -> Result<(), Failed> {
    let mut node = Recorded::new();
    node.nfs("u", "all", 901, V42);
    node.nfs("u", "v3", 902, &V3.replace("local_lock=none", "nolock,local_lock=all"));
    node.nfs("u", "fast", 903, &V42.replace("proto=tcp", "proto=tcp6,nconnect=8"));
    node.csi("w", "driver", "nfs.csi.k8s.io", 904, V42);
    node.nfs("w", "read-only", 905, V42);
    let own = node.mounts.last_mut().ok_or("a mount")?;
    *own = own.replace(" rw,relatime ", " ro,relatime ");
    let objects = list(vec![
        nfs("all", &["nfsvers=4.2", "fg", "hard", "timeo=600", "retrans=2", "proto=tcp", "sec=sys"]),
        nfs("v3", &["vers=3", "nolock"]),
        nfs("fast", &["nfsvers=4.2", "nconnect=8"]),
        nfs("read-only", &["nfsvers=4.2", "ro"]),
        csi("driver", "nfs.csi.k8s.io", &["nfsvers=4.2", "hard", "fg"]),
        nfs("on-another-node", &["soft"]),
        json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "c"}, "provisioner": "nfs.csi.k8s.io"}),
    ]);
    let (report, code) = node.check(&objects, &[]);
    assert_eq!(code, 0, "{report:#}");
    for volume in ["all", "v3", "fast", "driver", "read-only"] {
        assert_eq!(differences(&report, volume), [] as [[String; 4]; 0], "{report:#}");
    }
    assert_eq!(report["objects"]["notCompared"], json!([]));
    assert_eq!(report["objects"]["volumes"][0]["notShown"], json!(["fg"]));
    assert_eq!(report["objects"]["volumes"][0]["version"], "4.2");
    assert_eq!((&report["warnings"], &report["errors"]), (&json!([]), &json!([])));
    schema::fits("node-check.schema.json", &report)?;
    // As YAML, too, and without the flag there is nothing.
    let yaml = "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: all}\nspec: {nfs: {server: nas, path: /all}}\n";
    let output = node.run(yaml, &[]);
    let text = String::from_utf8(output.stdout)?;
    for words in [
        "<stdin>: 1 mounted volume compared, 4 not; negotiated: NFS 4.2 by 1 volume",
        "not compared: Pod u, volume fast",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let (report, _) = node.pods.check(&[]);
    assert_eq!(report["objects"], Value::Null);
    schema::fits("node-check.schema.json", &report)
}

fn reasons() -> Result<(), Failed> {
    let mut node = Recorded::new();
    // Two volumes of one superblock, and a third of the same connections.
    node.nfs("u", "a", 901, &V42.replace("proto=tcp", "proto=tcp,nconnect=8"));
    node.nfs("w", "b", 901, &V42.replace("proto=tcp", "proto=tcp,nconnect=8"));
    node.nfs("w", "c", 902, &V42.replace("proto=tcp", "proto=tcp,nconnect=8"));
    node.nfs("w", "soft", 903, &V3.replace("hard", "soft").replace("10.9.0.1", "10.9.0.2"));
    node.nfs("w", "large", 904, &V3.replace("10.9.0.1", "10.9.0.3"));
    let conf = node.pods.path().join("nfsmount.conf");
    fs::write(&conf, "[NFSMount_Global_Options]\nForeground=True\nSoft=True\n")?;
    let conf = conf.display().to_string();
    let objects = list(vec![
        nfs("a", &["nfsvers=4.2", "timeo=600", "nconnect=8", "soft"]),
        nfs("b", &["nfsvers=4", "timeo=100"]),
        nfs("c", &["nfsvers=4.2", "nconnect=2", "retrans=5"]),
        nfs("soft", &["vers=3", "hard", "fg"]),
        nfs("large", &["rsize=1048576", "soft", "sec=krb5"]),
    ]);
    let (report, code) = node.check(&objects, &["--nfsmount-conf", &conf]);
    assert_eq!(code, 1, "{report:#}");
    let expected = |volume: &str, differences_of: &[[&str; 4]]| {
        assert_eq!(differences(&report, volume), differences_of, "{report:#}");
    };
    expected("a", &[["hard", "soft", "hard", "unknown"]]);
    expected(
        "b",
        &[
            ["timeo", "100", "600", "shared-superblock"],
            ["nconnect", "1", "8", "shared-connections"],
            ["vers", "4", "4.2", "negotiated"],
        ],
    );
    expected("c", &[["retrans", "5", "2", "unknown"], ["nconnect", "2", "8", "shared-connections"]]);
    expected("soft", &[["hard", "hard", "soft", "nfsmount-conf"]]);
    expected(
        "large",
        &[
            ["hard", "soft", "hard", "unknown"],
            ["rsize", "1048576", "262144", "server-limit"],
            ["sec", "krb5", "sys", "unknown"],
            ["vers", "any", "3", "negotiated"],
        ],
    );
    assert_eq!(report["objects"]["volumes"][1]["differences"][0]["with"], "volume a of Pod u");
    schema::fits("node-check.schema.json", &report)?;
    let text = String::from_utf8(node.run(&objects.to_string(), &["--nfsmount-conf", &conf]).stdout)?;
    for words in [
        "NOT AS THE OBJECT ASKS: Pod w, volume b (kubernetes.io/nfs), PersistentVolume/b\n",
        "  \"timeo=600\" (60 s) is mounted, but the object sets \"timeo=100\" (10 s): the mount shares its superblock with volume a of Pod u,",
        "  \"nconnect=8\" is mounted, but the default of the object is \"nconnect=1\": the mount shares its connections with",
        "  \"soft\" is mounted, but the object sets \"hard\", so writes fail after a time-out: ",
        "nfsmount.conf:3 gives it to the mount; remove the line",
        "<stdin>: 5 mounted volumes compared; negotiated: NFS 3 by 1 volume, NFS 4.2 by 1 volume\n",
        "5 mounted, 0 not mounted, 5 not as the object asks",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    // A mount that is no volume's may have come first, too; a driver's staging directory is the volume.
    let kubelet = PathBuf::from("/data/kubelet/plugins/kubernetes.io/csi/d/1/globalmount");
    node.mount(&kubelet, "nfs4", 902, "nas:/c", V42);
    let (report, _) = node.check(&objects, &[]);
    assert_eq!(
        differences(&report, "c")[0],
        ["retrans", "5", "2", "unknown"].map(ToOwned::to_owned),
        "{report:#}"
    );
    node.mount(Path::new("/srv"), "nfs4", 902, "nas:/c", V42);
    let (report, _) = node.check(&objects, &[]);
    assert_eq!(report["objects"]["volumes"][2]["differences"][0]["with"], "the mount at /srv", "{report:#}");
    // A size that the server limits is said, and is no finding.
    let mut node = Recorded::new();
    node.nfs("u", "large", 904, V3);
    let objects = list(vec![nfs("large", &["rsize=1048576", "vers=3"])]);
    let (report, code) = node.check(&objects, &[]);
    assert_eq!((code, &report["objects"]["volumes"][0]["differences"][0]["finding"]), (0, &json!(false)));
    let text = String::from_utf8(node.run(&objects.to_string(), &[]).stdout)?;
    assert!(text.contains("limited by the server: Pod u, volume large"), "{text}");
    Ok(())
}

fn explained_by_others() -> Result<(), Failed> {
    let mut node = Recorded::new();
    let shared = V42.replace("proto=tcp", "proto=tcp,nconnect=8");
    for volume in ["a", "b", "c", "d"] {
        node.nfs("u", volume, 901, &shared);
    }
    let reasons = |report: &Value, volume: &str| -> Vec<[String; 2]> {
        let found = differences(report, volume).into_iter();
        found.map(|[option, _, _, reason]| [option, reason]).collect()
    };
    let both = |timeo: &str, nconnect: &str| {
        [["timeo", timeo], ["nconnect", nconnect]].map(|pair| pair.map(ToOwned::to_owned))
    };
    // Each requests the same, so none of them was the first mount.
    let all = ["a", "b", "c", "d"].map(|name| nfs(name, &["nfsvers=4.2", "timeo=100", "nconnect=2"]));
    let (report, code) = node.check(&list(all.to_vec()), &[]);
    assert_eq!(code, 1, "{report:#}");
    for volume in ["a", "b", "c", "d"] {
        assert_eq!(reasons(&report, volume), both("unknown", "unknown"), "{report:#}");
    }
    let message = report["objects"]["volumes"][0]["differences"][0]["message"].as_str().unwrap_or_default();
    assert!(message.contains("an earlier mount that has ended decided it"), "{message}");
    // The last one, whose object comes last, explains one of two for all others.
    let mut all = all.to_vec();
    all[3] = nfs("d", &["nfsvers=4.2", "timeo=600", "nconnect=4"]);
    let (report, _) = node.check(&list(all), &[]);
    for volume in ["a", "b", "c"] {
        assert_eq!(reasons(&report, volume), both("shared-superblock", "unknown"), "{report:#}");
    }
    assert_eq!(report["objects"]["volumes"][0]["differences"][0]["with"], "volume d of Pod u", "{report:#}");
    Ok(())
}

/// Options that the driver adds are in no object, and are compared all the same.
fn drivers_options() -> Result<(), Failed> {
    let mut node = Recorded::new();
    let mounted = V42.replace("vers=4.2", "vers=4.1").replace("timeo=600", "timeo=60");
    node.csi("u", "a", "efs.csi.aws.com", 901, &mounted);
    let objects = list(vec![csi("a", "efs.csi.aws.com", &["retrans=5"])]);
    let (report, code) = node.check(&objects, &[]);
    assert_eq!(code, 1, "{report:#}");
    let found = report["objects"]["volumes"][0]["differences"].as_array().ok_or("differences")?;
    let said = |option: &str| -> (Value, String) {
        let found = found.iter().find(|one| one["option"] == option).unwrap_or_else(|| panic!("{report:#}"));
        (found["written"].clone(), found["message"].as_str().unwrap_or_default().to_owned())
    };
    let (written, message) = said("timeo");
    assert!(written == false && message.contains("but the driver sets \"timeo=600\" (60 s)"), "{message}");
    let (written, message) = said("retrans");
    assert!(written == true && message.contains("but the object sets \"retrans=5\""), "{message}");
    schema::fits("node-check.schema.json", &report)
}

/// Words that the kernel shows only if they are on.
fn shown_words() -> Result<(), Failed> {
    for (asked, option) in
        [("sync", "sync"), ("fsc", "fsc"), ("nordirplus", "rdirplus"), ("write=eager", "write")]
    {
        for (mounted, expected) in [(V42.to_owned(), 1), (format!("{V42},{asked}"), 0)] {
            let mut node = Recorded::new();
            node.nfs("u", "a", 901, &mounted);
            let (report, code) = node.check(&list(vec![nfs("a", &["nfsvers=4.2", asked])]), &[]);
            assert_eq!(code, expected, "{asked}: {report:#}");
            assert_eq!(report["objects"]["volumes"][0]["notShown"], json!([]), "{asked}: {report:#}");
            let found = differences(&report, "a");
            assert!(found.iter().all(|found| found[0] == option), "{asked}: {report:#}");
            assert_eq!(found.len(), usize::try_from(expected)?, "{asked}: {report:#}");
        }
    }
    Ok(())
}

fn other_servers() -> Result<(), Failed> {
    for (asked, mounted, is_other) in [
        ("10.9.0.2", "10.9.0.1", true),
        ("fd00::2", "[fd00::1]", true),
        ("10.9.0.1", "10.9.0.1", false),
        ("fd00:0::1", "[fd00::1]", false),
        // A name may stand for the address.
        ("nas", "10.9.0.1", false),
        ("nas", "NAS.", false),
        ("nas", "other", false),
        // The kernel shows the address of a name.
        ("10.9.0.2", "nas", true),
        ("10.9.0.1", "nas", false),
    ] {
        let mut node = Recorded::new();
        let folder = node.pods.nfs("u", "pv");
        node.mount(&folder, "nfs4", 901, &format!("{mounted}:/pv"), V42);
        let folder = node.pods.csi("u", "driver", "nfs.csi.k8s.io");
        node.mount(&folder, "nfs4", 902, &format!("{mounted}:/driver"), V42);
        let (mut pv, mut driver) = (nfs("pv", &[]), csi("driver", "nfs.csi.k8s.io", &[]));
        pv["spec"]["nfs"]["server"] = json!(asked);
        driver["spec"]["csi"]["volumeAttributes"]["server"] = json!(asked);
        let (report, _) = node.check(&list(vec![pv, driver]), &[]);
        let of_others = report["objects"]["notCompared"].as_array().ok_or("a list")?;
        let of_others = of_others.iter().filter(|each| each["reason"] == "other-object").count();
        assert_eq!(of_others, if is_other { 2 } else { 0 }, "{asked} {mounted}: {report:#}");
        // Another name is said, and no finding.
        let volumes = report["objects"]["volumes"].as_array().ok_or("a list")?;
        let is_said = asked == "nas" && !mounted.eq_ignore_ascii_case("nas.");
        for volume in volumes {
            assert_eq!(volume["server"].is_string(), is_said, "{asked} {mounted}: {volume:#}");
        }
        schema::fits("node-check.schema.json", &report)?;
    }
    // As text as well, with options that are as the object asks.
    let mut node = Recorded::new();
    let folder = node.pods.nfs("u", "pv");
    node.mount(&folder, "nfs4", 901, "other:/pv", V42);
    let output = node.run(&list(vec![nfs("pv", &["nfsvers=4.2"])]).to_string(), &[]);
    let text = String::from_utf8(output.stdout)?;
    let words = "another server by name: Pod u, volume pv (kubernetes.io/nfs), PersistentVolume/pv\n  \
                 the object names server nas, and the mount other: ";
    assert!(text.contains(words) && output.status.code() == Some(0), "{text}");
    Ok(())
}

/// csi-driver-nfs goes by the attributes: a mount of another export is of another object.
fn shares() -> Result<(), Failed> {
    for (attributes, mounted, is_other) in [
        (json!({"share": "/export"}), "nas:/export", false),
        (json!({"share": "/export/"}), "nas:/export", false),
        (json!({"share": "/export"}), "nas:/elsewhere", true),
        (json!({"share": "/export"}), "nas:/export/sub", true),
        (json!({"share": "/export", "subDir": "sub"}), "nas:/export/sub", false),
        (json!({"Share": "/export/", "subdir": "/sub/"}), "nas:/export//sub/", false),
        (json!({"share": "/", "subDir": "sub"}), "nas:/sub", false),
        (json!({"share": "/export", "subDir": "sub"}), "nas:/export", true),
        (
            json!({"share": "/a", "subDir": "${pvc.metadata.name}", "csi.storage.k8s.io/pvc/name": "x"}),
            "nas:/a/x",
            false,
        ),
        (
            json!({"share": "/a", "subDir": "${pvc.metadata.name}", "csi.storage.k8s.io/pvc/name": "x"}),
            "nas:/a/y",
            true,
        ),
        (json!({"share": "/a", "subDir": "${pvc.metadata.name}"}), "nas:/a/y", false),
        // Go reads them in random order.
        (json!({"share": "/a", "SHARE": "/b"}), "nas:/c", false),
        (json!({}), "nas:/c", false),
    ] {
        for driver in ["nfs.csi.k8s.io", "nfs-fast.csi.k8s.io"] {
            let mut node = Recorded::new();
            let folder = node.pods.csi("u", "pv", driver);
            node.mount(&folder, "nfs4", 901, mounted, V42);
            let mut object = csi("pv", driver, &["nfsvers=4.2"]);
            object["spec"]["csi"]["volumeAttributes"] = attributes.clone();
            object["spec"]["csi"]["volumeAttributes"]["server"] = json!("nas");
            let (report, _) = node.check(&list(vec![object]), &[]);
            let not = &report["objects"]["notCompared"];
            let what = format!("{driver} {attributes} {mounted}: {report:#}");
            assert_eq!(not[0]["reason"] == "other-object", is_other, "{what}");
            if is_other {
                let said = not[0]["message"].as_str().unwrap_or_default();
                assert!(said.contains("of its server, and /") && said.ends_with(" is mounted"), "{what}");
            }
        }
    }
    Ok(())
}

fn not_compared() -> Result<(), Failed> {
    let mut node = Recorded::new();
    node.nfs("u", "unknown", 901, V42);
    node.nfs("u", "moved", 902, V42);
    node.nfs("u", "of-a-driver", 903, V42);
    node.csi("u", "of-another", "nfs.csi.k8s.io", 904, V42);
    node.csi("u", "block", "ebs.csi.aws.com", 905, V42);
    node.nfs("u", "template", 906, V42);
    let folder = node.pods.csi("u", "local", "nfs.csi.k8s.io");
    node.mount(&folder, "ext4", 907, "/dev/sda1", "errors=continue");
    let folder = node.pods.csi("u", "disk", "ebs.csi.aws.com");
    node.mount(&folder, "ext4", 908, "/dev/sdb1", "errors=continue");
    node.pods.nfs("u", "lost");
    let mut moved = nfs("moved", &[]);
    moved["spec"]["nfs"]["path"] = json!("/elsewhere");
    let objects = list(vec![
        moved,
        csi("of-a-driver", "nfs.csi.k8s.io", &[]),
        csi("of-another", "efs.csi.aws.com", &[]),
        csi("block", "ebs.csi.aws.com", &[]),
        nfs("template", &["hard", "${OPTIONS}"]),
        csi("local", "nfs.csi.k8s.io", &[]),
        csi("disk", "ebs.csi.aws.com", &[]),
        nfs("lost", &["hard"]),
    ]);
    let (report, code) = node.check(&objects, &[]);
    // A volume that is not mounted is a finding of its own.
    let states = [("local", "other-file-system"), ("lost", "not-mounted")];
    let states = states.map(|(name, state)| (name.to_owned(), state.to_owned()));
    assert_eq!((code, found(&report)), (1, states.to_vec()), "{report:#}");
    let mut reasons: Vec<(&str, &str)> = report["objects"]["notCompared"]
        .as_array()
        .ok_or("a list")?
        .iter()
        .filter_map(|each| Some((each["volume"].as_str()?, each["reason"].as_str()?)))
        .collect();
    reasons.sort_unstable();
    assert_eq!(
        reasons,
        [
            ("block", "not-nfs"),
            ("local", "other-file-system"),
            ("moved", "other-object"),
            ("of-a-driver", "other-object"),
            ("of-another", "other-object"),
            ("template", "options-unknown"),
            ("unknown", "no-object"),
        ],
        "{report:#}"
    );
    assert_eq!(report["objects"]["volumes"], json!([]));
    schema::fits("node-check.schema.json", &report)
}

fn inline_volumes() -> Result<(), Failed> {
    let uid = "1b4e28ba-2fa1-11d2-883f-0016d3cca427";
    let mut node = Recorded::new();
    node.csi(uid, "data", "nfs.csi.k8s.io", 901, V42);
    node.pods.inline(uid, "data", "nfs.csi.k8s.io");
    node.csi("6ba7b810-9dad-11d1-80b4-00c04fd430c8", "data", "nfs.csi.k8s.io", 902, V42);
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "writer", "namespace": "shop", "uid": uid},
        "spec": {"containers": [], "volumes": [{"name": "data", "csi": {
            "driver": "nfs.csi.k8s.io",
            "volumeAttributes": {"server": "nas", "share": "/data", "mountOptions": "nfsvers=4.2,timeo=50"},
        }}]},
        "status": {"phase": "Running"},
    });
    let (report, code) = node.check(&list(vec![pod.clone()]), &[]);
    assert_eq!(code, 1, "{report:#}");
    assert_eq!(report["objects"]["volumes"].as_array().map(Vec::len), Some(1), "{report:#}");
    assert_eq!(report["objects"]["volumes"][0]["object"], "Pod/shop/writer spec.volumes[0]");
    assert_eq!(differences(&report, "data"), [["timeo", "50", "600", "unknown"]]);
    assert_eq!(report["objects"]["notCompared"][0]["reason"], "no-object");
    // A PersistentVolume of the same name and driver is another volume, also before the Pod.
    let same_name = csi("data", "nfs.csi.k8s.io", &["nfsvers=4.2", "timeo=600"]);
    for objects in [[same_name.clone(), pod.clone()], [pod.clone(), same_name]] {
        let (report, code) = node.check(&list(objects.to_vec()), &[]);
        let compared = &report["objects"]["volumes"];
        let of_pod = compared.as_array().into_iter().flatten().find(|volume| volume["pod"] == uid);
        assert_eq!(of_pod.map(|volume| &volume["object"]), Some(&json!("Pod/shop/writer spec.volumes[0]")));
        assert_eq!(code, 1, "{report:#}");
    }
    // A static Pod has a hash for a uid on its node, and its mirror at the API server another one.
    let hash = "55aa55aa55aa55aa55aa55aa55aa55aa";
    let mut node = Recorded::new();
    node.csi(hash, "data", "nfs.csi.k8s.io", 901, V42);
    node.pods.inline(hash, "data", "nfs.csi.k8s.io");
    for (own, mirrored, count) in [(hash, "", 1), (uid, hash, 1), (uid, "", 0)] {
        let mut pod = pod.clone();
        pod["metadata"]["uid"] = json!(own);
        pod["metadata"]["annotations"] = json!({"kubernetes.io/config.hash": mirrored});
        let (report, _) = node.check(&list(vec![pod]), &[]);
        let compared = report["objects"]["volumes"].as_array().map(Vec::len);
        assert_eq!(compared, Some(count), "{own} {mirrored}: {report:#}");
    }
    Ok(())
}

fn unknown_drivers() -> Result<(), Failed> {
    let mut node = Recorded::new();
    node.csi("u", "pv", "my-nas.example.com", 901, &V42.replace("timeo=600", "timeo=70"));
    let (report, code) =
        node.check(&list(vec![csi("pv", "my-nas.example.com", &["nfsvers=4.2", "hard"])]), &[]);
    assert_eq!((code, differences(&report, "pv")), (0, vec![]), "{report:#}");
    assert!(report["objects"]["volumes"][0]["note"].as_str().is_some_and(|note| note.contains("driver")));
    let (report, code) = node.check(&list(vec![csi("pv", "my-nas.example.com", &["timeo=600"])]), &[]);
    let found = differences(&report, "pv");
    assert_eq!(
        (code, &found[0]),
        (1, &["timeo", "600", "70", "unknown"].map(ToOwned::to_owned)),
        "{report:#}"
    );
    Ok(())
}

fn files() -> Result<(), Failed> {
    let mut node = Recorded::new();
    node.nfs("u", "pv", 901, V42);
    let bad = "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: pv}\nspec: {mountOptions: {a: b}}\n";
    for (content, path, words) in [
        ("", "<stdin>", "kubectl get pv -o json"),
        ("\0", "<stdin>", "binary"),
        (bad, "<stdin>:4:22", "list of strings"),
        ("{\"kind\": \"List\", \"apiVersion\": \"v1\"}", "<stdin>:1:1", "items"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n", "<stdin>", "has no PersistentVolume"),
        ("a: [\n", "<stdin>:2:1", ""),
    ] {
        let output = node.run(content, &["--format", "json"]);
        let report = parsed(&output);
        let error = &report["errors"][0];
        assert_eq!(
            (output.status.code(), &error["path"]),
            (Some(3), &json!(path)),
            "{content:?}: {report:#}"
        );
        assert!(
            error["message"].as_str().is_some_and(|said| said.contains(words)),
            "{content:?}: {report:#}"
        );
        assert_eq!(report["summary"]["mounted"], 1, "{report:#}");
        // The object may be in what could not be read.
        let is_whole = content.is_empty() || content.contains("ConfigMap");
        let reason = if is_whole { "no-object" } else { "file-unread" };
        assert_eq!(report["objects"]["notCompared"][0]["reason"], reason, "{content:?}: {report:#}");
        schema::fits("node-check.schema.json", &report)?;
    }
    // A cluster without volumes is none that cannot be read.
    let (report, code) = node.check(&list(vec![]), &[]);
    assert_eq!((code, &report["errors"]), (0, &json!([])), "{report:#}");
    // Found is found: a volume that is lost, whatever the file is.
    node.pods.nfs("u", "lost");
    assert_eq!(node.run(bad, &[]).status.code(), Some(1));
    let pods = Pods::new();
    for (file, words) in [("/does/not/exist", "there is no such file"), ("/", "is a directory")] {
        let output = run(&["--pods-dir", &pods.name(), "--objects", file]);
        let text = String::from_utf8(output.stdout)?;
        assert_eq!(output.status.code(), Some(3), "{text}");
        assert!(text.contains(&format!("{file}: unreadable: {words}")), "{text}");
    }
    let output = command()
        .args(["--pods-dir", &pods.name()])
        .env("NFS_MOUNT_GUARD_OBJECTS", "/does/not/exist")
        .output()?;
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    Ok(())
}

fn old_kernel() -> Result<(), Failed> {
    let mut node = Recorded::new();
    node.nfs("u", "pv", 901, V42);
    node.nfs("u", "fast", 902, &V42.replace("proto=tcp", "proto=tcp,nconnect=8"));
    node.pods.nfs("u", "lost");
    let conf = node.pods.path().join("nfsmount.conf");
    fs::write(&conf, "[NFSMount_Global_Options]\nForeground=True\nxprtsec=tls\n")?;
    let conf = conf.display().to_string();
    let objects = list(vec![
        nfs("pv", &["softreval", "hard", "nfsvers=4.2"]),
        nfs("fast", &["nconnect=8", "nfsvers=4.2"]),
        nfs("lost", &["softreval", "nconnect=4"]),
    ]);
    let seen = |kernel: &'static str, node: &mut Recorded| {
        node.kernel = kernel;
        let (report, _) = node.check(&objects, &["--nfsmount-conf", &conf]);
        let warnings = report["warnings"].as_array().expect("warnings").clone();
        let of_kernel = |warning: &&Value| warning["kind"] == "kernel-too-old";
        let text = |warning: &Value| {
            (warning["option"].to_string(), warning["volumes"].as_array().map_or(0, Vec::len))
        };
        let mut found: Vec<(String, usize)> = warnings.iter().filter(of_kernel).map(text).collect();
        found.sort();
        found
    };
    let quoted = |option: &str, volumes: usize| (format!("\"{option}\""), volumes);
    // A mount that shows the option has it, whatever the release says; one that lacks it differs.
    assert_eq!(
        seen("5.2.0", &mut node),
        [quoted("nconnect=4", 1), quoted("softreval", 1), quoted("xprtsec=tls", 0)]
    );
    assert_eq!(seen("5.15.0", &mut node), [quoted("xprtsec=tls", 0)]);
    assert_eq!(seen("6.12.0", &mut node), []);
    node.kernel = "5.2.0";
    let text = String::from_utf8(node.run(&objects.to_string(), &[]).stdout)?;
    let words = "warning: \"softreval\" needs Linux 5.6 or newer, and this node runs 5.2: unless its distribution has added";
    assert!(text.contains(words), "{text}");
    Ok(())
}

/// A mount without an option that its kernel does not know is one thing, and is said once.
fn kernel_or_other_mount() -> Result<(), Failed> {
    let mut node = Recorded::new();
    node.nfs("u", "a", 901, V42);
    node.nfs("w", "b", 902, V42);
    let objects = list(vec![
        nfs("a", &["max_connect=4", "nfsvers=4.2"]),
        nfs("b", &["softreval", "noresvport", "nfsvers=4.2"]),
    ]);
    let warned = |report: &Value| -> Vec<Value> {
        let warnings = report["warnings"].as_array().expect("warnings").iter();
        warnings.filter(|one| one["kind"] == "kernel-too-old").cloned().collect()
    };
    node.kernel = "5.2.0";
    let (report, code) = node.check(&objects, &[]);
    assert_eq!(code, 1, "{report:#}");
    assert_eq!(differences(&report, "a"), [["max_connect", "4", "1", "kernel-too-old"]], "{report:#}");
    let found = differences(&report, "b");
    let reasons: Vec<(&str, &str)> = found.iter().map(|each| (&*each[0], &*each[3])).collect();
    assert_eq!(reasons, [("noresvport", "unknown"), ("softreval", "kernel-too-old")], "{report:#}");
    assert_eq!(warned(&report), [] as [Value; 0], "{report:#}");
    let text = String::from_utf8(node.run(&objects.to_string(), &[]).stdout)?;
    let words = "\"max_connect=4\" needs Linux 5.15 or newer unless the distribution has backported it, and this node runs 5.2: the mount dropped it";
    assert!(text.contains(words) && !text.contains("a mount with it fails"), "{text}");
    assert!(!text.contains("shares its connections"), "{text}");
    schema::fits("node-check.schema.json", &report)?;
    // A kernel that knows it leaves the other reasons.
    node.kernel = "6.12.0";
    let (report, _) = node.check(&objects, &[]);
    assert_eq!(differences(&report, "a"), [["max_connect", "4", "1", "shared-connections"]], "{report:#}");
    Ok(())
}

/// An option of the object keeps the same one of the file away, and the object of a volume
/// that is not mounted names its server.
fn concerned() -> Result<(), Failed> {
    let mut node = Recorded::new();
    node.nfs("u", "own", 901, V42);
    node.nfs("u", "bare", 902, V42);
    node.pods.nfs("u", "lost");
    let file = node.pods.path().join("nfsmount.conf");
    let conf = file.display().to_string();
    let objects = list(vec![
        nfs("own", &["fg", "timeo=600", "nfsvers=4.2"]),
        nfs("bare", &["hard"]),
        nfs("lost", &["hard", "nfsvers=4.2"]),
    ]);
    let about = |section: &str, objects: &Value| -> Result<Value, Failed> {
        fs::write(&file, format!("[ {section} ]\nBackground=True\nTimeo=7\nNfsvers=3\n"))?;
        let (report, _) = node.check(objects, &["--nfsmount-conf", &conf]);
        let warnings = report["warnings"].as_array().ok_or("warnings")?.iter();
        let of_conf = warnings.filter(|warning| warning["kind"] == "nfsmount-conf");
        Ok(of_conf
            .map(|warning| {
                let volumes = warning["volumes"].as_array().cloned().unwrap_or_default();
                let volumes: Vec<Value> = volumes.iter().map(|volume| volume["volume"].clone()).collect();
                (
                    warning["option"].as_str().unwrap_or_default().to_owned(),
                    json!([warning["finding"], volumes]),
                )
            })
            .collect::<serde_json::Map<String, Value>>()
            .into())
    };
    let found = about("NFSMount_Global_Options", &objects)?;
    assert_eq!(found["bg"], json!([true, ["bare", "lost"]]), "{found:#}");
    assert_eq!(found["timeo=7"], json!([false, ["bare", "lost"]]), "{found:#}");
    assert_eq!(found["nfsvers=3"], json!([false, ["bare"]]), "{found:#}");
    let found = about("Server \"nas\"", &objects)?;
    assert_eq!(found["bg"], json!([true, ["bare", "lost"]]), "{found:#}");
    // Without the object the server of a volume that is not mounted is not seen.
    let found = about("Server \"nas\"", &list(vec![nfs("own", &["fg"])]))?;
    assert_eq!(found["bg"], json!([true, ["bare"]]), "{found:#}");
    Ok(())
}

fn other_formats() -> Result<(), Failed> {
    let pods = Pods::new();
    let name = pods.name();
    for (args, words) in [
        (["--objects", "pv.json", "--format", "npd"], "--objects"),
        (["--objects", "-", "--interval", "1m"], "read once only"),
    ] {
        let output = run(&[&args[..], &["--pods-dir", &name]].concat());
        let all = String::from_utf8([output.stdout, output.stderr].concat())?;
        assert_eq!(output.status.code(), Some(2), "{all}");
        assert!(all.contains(words), "{all}");
    }
    Ok(())
}

fn again() -> Result<(), Failed> {
    let mut node = Recorded::new();
    node.nfs("u", "pv", 901, V42);
    let file = node.pods.path().join("pv.json");
    fs::write(&file, list(vec![nfs("pv", &["timeo=50"])]).to_string())?;
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let child = command()
        .args(["--pods-dir", &node.pods.name(), "--interval", "1s", "--status-listen", &address.to_string()])
        .arg("--proc-dir")
        .arg(node.proc_dir())
        .arg("--objects")
        .arg(&file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let _running = Running(child);
    let metric = |count: usize| format!("nfs_mount_guard_node_differing_mounts {count}\n");
    until(address, "/metrics", 200, &[&metric(1), "nfs_mount_guard_node_complete 1\n"])?;
    fs::write(&file, list(vec![nfs("pv", &["timeo=600"])]).to_string())?;
    until(address, "/metrics", 200, &[&metric(0), "nfs_mount_guard_node_complete 1\n"])?;
    // Without the file it still looks for what is lost.
    fs::remove_file(&file)?;
    node.pods.nfs("u", "lost");
    let bare = "nfs_mount_guard_node_volumes{state=\"bare\"} 1\n";
    until(address, "/metrics", 200, &[bare, "nfs_mount_guard_node_complete 0\n"])?;
    Ok(())
}
