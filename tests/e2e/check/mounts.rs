//! `explain -f` says of a mount what was measured: when it ends, what refuses it, which version it is.

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::{pipe, stdout};

/// Tests of what an explanation says of a mount.
pub fn trials() -> Vec<Trial> {
    let trial =
        |name: &str, test: fn() -> Result<(), Failed>| Trial::test(format!("check::mounts::{name}"), test);
    vec![
        trial("a_background_mount_waits_where_packets_are_dropped", background_mounts),
        trial("a_foreground_mount_ends_as_measured_where_packets_are_dropped", foreground_mounts),
        trial("short_timeouts_of_v4_are_the_least", short_timeouts),
        trial("a_list_that_cannot_mount_says_so_with_each_driver", refused_lists),
        trial("what_softerr_leaves_on_is_named", softreval),
        trial("an_option_of_v3_makes_the_mount_one", forced_v3),
        trial("the_list_that_passes_has_what_the_webhook_writes", lists_that_pass),
        trial("good_documents_beside_a_template_are_fixed", beside_a_template),
        trial("a_number_that_is_too_large_says_so", large_numbers),
        trial("what_a_template_prints_for_nothing_is_named", leftovers),
        trial("an_option_of_the_list_is_no_assignment", assignment_in_the_list),
        trial("a_flag_that_changes_nothing_is_not_advised", idle_flag),
    ]
}

fn class(driver: &str, options: &str) -> String {
    format!(
        "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {{name: a}}\nprovisioner: {driver}\n\
parameters: {{server: nfs.example.com, share: /a}}\nmountOptions: [{options}]\n"
    )
}

/// A volume that the kubelet mounts, which waits for mount.nfs.
fn in_tree(options: &str) -> String {
    format!(
        "apiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: a}}\nspec: {{capacity: {{storage: 1Gi}}, \
accessModes: [ReadWriteMany], mountOptions: [{options}], nfs: {{server: s, path: /a}}}}\n"
    )
}

fn explained(manifest: &str) -> String {
    stdout(&pipe(&["explain", "--no-policy", "-f", "-"], manifest.as_bytes()))
}

fn checked(manifest: &str) -> String {
    stdout(&pipe(&["check", "--no-policy", "-"], manifest.as_bytes()))
}

/// Measured: `bg` exits 0 after 182 to 200 s if packets are dropped, `bg,vers=3` after 15 to 38 s.
fn background_mounts() -> Result<(), Failed> {
    for (options, dropped) in
        [("bg", "180 s"), ("bg, nfsvers=3", "15 s"), ("bg, nfsvers=4.1, soft, timeo=300, retrans=1", "60 s")]
    {
        let text = explained(&in_tree(options));
        let words = format!(
            "mount exits 0 at once if connections are refused, and after about {dropped} if packets are dropped"
        );
        assert!(text.contains(&words), "{words} in {text}");
    }
    let text = explained(&class("nfs.csi.k8s.io", "bg, nfsvers=4.1"));
    let words = "if packets are dropped, the driver fails the mount after 110 s";
    assert!(text.contains(words), "{text}");
    let text = explained(&class("nfs.csi.k8s.io", "bg, nfsvers=3"));
    assert!(!text.contains("110 s"), "{text}");
    Ok(())
}

/// Measured: `vers=3` 132 s, without a version 182 s, `vers=3,retry=0` 14 s.
fn foreground_mounts() -> Result<(), Failed> {
    for (options, words) in [
        ("fg, vers=3", "it fails after about 2 min if packets are dropped, one try taking about 15 s"),
        ("fg, vers=3, retry=0", "it fails after one try of about 15 s if packets are dropped"),
        ("fg", "it fails after one try of about 180 s if packets are dropped"),
    ] {
        let text = explained(&in_tree(options));
        assert!(text.contains(words), "{words} in {text}");
    }
    Ok(())
}

/// Measured: `soft,timeo=10,retrans=1` fails a call of NFSv4 after 13 to 22 s, not after 2 s.
fn short_timeouts() -> Result<(), Failed> {
    for (version, least) in [("nfsvers=4.1", "at least "), ("vers=3", "")] {
        let manifest = class("nfs.csi.k8s.io", &format!("{version}, fg, soft, timeo=50, retrans=2"));
        let (check, text) = (checked(&manifest), explained(&manifest));
        assert!(check.contains(&format!("\"soft\" fails calls after {least}15 s;")), "{check}");
        assert!(text.contains(&format!("I/O fails with EIO after {least}15 s")), "{text}");
    }
    let text = explained(&class("nfs.csi.k8s.io", "nfsvers=4.1, fg, soft"));
    assert!(text.contains("after 180 s"), "{text}");
    Ok(())
}

fn refused_lists() -> Result<(), Failed> {
    for options in ["\"=hard\", fg", "\"=\", fg"] {
        let text = explained(&class("nfs.csi.k8s.io", options));
        assert!(text.contains("  every try  mount(8) rejects the list (exit 1): "), "{text}");
        assert!(!text.contains("dead server"), "{text}");
    }
    for driver in ["efs.csi.aws.com", "csi.vastdata.com", "nfs.csi.k8s.io"] {
        for option in ["nfsvers=4,1", "rsize=1,048,576", "sec=krb5,krb5i", "timeo=1,000"] {
            let text = explained(&class(driver, &format!("\"{option}\", fg")));
            assert!(text.contains("  every try  the mount fails (exit 32): "), "{driver} {option}: {text}");
        }
    }
    Ok(())
}

/// Measured: `softerr,soft` is `soft,softreval`.
fn softreval() -> Result<(), Failed> {
    let manifest = class("nfs.csi.k8s.io", "softerr, soft, fg, timeo=600, retrans=2, nfsvers=4.1");
    assert_eq!(stdout(&pipe(&["fix", "--no-policy", "-"], manifest.as_bytes())), manifest);
    let check = checked(&manifest);
    assert!(check.contains("leaves softreval on since Linux 5.6: write it next to soft"), "{check}");
    let text = explained(&manifest);
    assert!(text.contains("soft wins for the error; the softreval of softerr stays on"), "{text}");
    // `hard` turns it off, and so nothing is lost with the words before it.
    let manifest = class("nfs.csi.k8s.io", "soft, softerr, fg, timeo=600, retrans=2, nfsvers=4.1");
    let fixed = stdout(&pipe(&["fix", "--no-policy", "-"], manifest.as_bytes()));
    assert!(fixed.contains("[softerr, fg,"), "{fixed}");
    assert!(!explained(&manifest).contains("softreval"));
    Ok(())
}

/// Measured: `mountvers=3` without a version is mounted as NFSv3, also of a server that has NFSv4.
fn forced_v3() -> Result<(), Failed> {
    for option in ["mountvers=3", "mountproto=tcp", "mountport=20048"] {
        let manifest = class("nfs.csi.k8s.io", &format!("{option}, fg, hard, timeo=600, retrans=2"));
        let output = pipe(&["check", "--no-policy", "--format", "json", "-"], manifest.as_bytes());
        let report: Value = serde_json::from_slice(&output.stdout)?;
        let findings = report["subjects"][0]["findings"].as_array().ok_or("findings")?;
        let message = |code: &str| {
            let found = findings.iter().find(|finding| finding["code"] == code);
            found.map(|found| found["message"].as_str().unwrap_or_default().to_owned())
        };
        let of_version = message("NMG017").unwrap_or_default();
        assert!(of_version.contains("an option of NFSv3 makes every node mount that"), "{of_version}");
        let of_locks = message("NMG022").unwrap_or_default();
        assert!(of_locks.starts_with("NFSv3 needs rpc.statd "), "{of_locks}");
        let text = explained(&manifest);
        assert!(text.contains("NFSv3 without nolock: rpc.statd must run"), "{text}");
        let local = class("nfs.csi.k8s.io", &format!("{option}, nolock, fg, hard, timeo=600, retrans=2"));
        assert!(checked(&local).contains("NMG016 local-locks"), "{}", checked(&local));
    }
    Ok(())
}

/// A volume of a provisioner whose missing words only warn: the webhook writes them all the same.
fn lists_that_pass() -> Result<(), Failed> {
    let manifest = "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: a, annotations: \
{pv.kubernetes.io/provisioned-by: nfs.csi.k8s.io}}\nspec: {capacity: {storage: 1Gi}, accessModes: \
[ReadWriteMany], mountOptions: [nfsvers=4.1, hard, bg], csi: {driver: nfs.csi.k8s.io, volumeHandle: x, \
volumeAttributes: {server: a, share: /b, mountOptions: bg}}}\n";
    let output = pipe(&["check", "--no-policy", "--as", "mutate", "-"], manifest.as_bytes());
    let text = stdout(&output);
    assert!(text.contains("mountOptions: [nfsvers=4.1, hard, fg, timeo=600, retrans=2]"), "{text}");
    Ok(())
}

/// Every document is repaired by itself, and exit 3 names the one that is not.
fn beside_a_template() -> Result<(), Failed> {
    let good = class("nfs.csi.k8s.io", "bg, nfsvers=4.1, hard, timeo=600, retrans=2");
    let head = "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: t}\nprovisioner: x\n";
    for template in [
        format!("{head}{{{{- if .Values.a }}}}\nmountOptions: [bg]\n{{{{- end }}}}\n"),
        format!("{head}mountOptions:\n- {{{{ .Values.opt }}}}\n"),
    ] {
        for text in [format!("{good}---\n{template}"), format!("{template}---\n{good}")] {
            let output = pipe(&["fix", "--no-policy", "-"], text.as_bytes());
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(stdout(&output), text.replace("[bg, nfsvers", "[fg, nfsvers"), "{said}");
            assert_eq!(output.status.code(), Some(3), "{said}");
            assert!(
                said.contains("looks like a Helm template") && said.contains("1 left as it is"),
                "{said}"
            );
        }
    }
    Ok(())
}

fn large_numbers() -> Result<(), Failed> {
    for (option, most) in [
        ("nconnect=4294967296", "16"),
        ("port=4294967296", "65535"),
        ("timeo=99999999999", "2147483647"),
        ("rsize=99999999999", "4294967295"),
    ] {
        let text = checked(&class("nfs.csi.k8s.io", &format!("{option}, fg, nfsvers=4.1, hard, retrans=2")));
        assert!(text.contains(&format!("invalid \"{option}\": must be at most {most}")), "{text}");
    }
    Ok(())
}

fn leftovers() -> Result<(), Failed> {
    for option in ["<no value>", "nfsvers=<no value>", "[]", "<nil>", "%!s(<nil>)", "nfsvers=<nil>"] {
        let manifest = class("nfs.csi.k8s.io", &format!("'{option}'"));
        let text = checked(&manifest);
        assert!(
            text.contains("a template printed it for a missing value: set that value"),
            "{option}: {text}"
        );
        assert_eq!(stdout(&pipe(&["fix", "--no-policy", "-"], manifest.as_bytes())), manifest, "{option}");
    }
    for (list, fixed) in [
        ("'[hard', 'nfsvers=4.1]'", "'hard', 'nfsvers=4.1'"),
        ("tcp6", "proto=tcp6"),
        ("\u{2018}nfsvers=4.1\u{2019}", "nfsvers=4.1"),
    ] {
        let manifest = class("nfs.csi.k8s.io", list);
        let text = stdout(&pipe(&["fix", "--no-policy", "-"], manifest.as_bytes()));
        assert!(text.contains(&format!("mountOptions: [{fixed}")), "{text}");
    }
    Ok(())
}

fn assignment_in_the_list() -> Result<(), Failed> {
    let text = checked(&class("nfs.csi.k8s.io", "\"mountOptions=hard\", nfsvers=4.1"));
    assert!(text.contains("unknown option \"mountOptions=hard\"") && !text.contains("not judged"), "{text}");
    Ok(())
}

/// The options of a key that a class reads through `<<` are shared: no flag moves them.
fn idle_flag() -> Result<(), Failed> {
    let text = "x: &x\n  mountOptions: [nfsvers=4.1, hard, intr]\napiVersion: storage.k8s.io/v1\n\
kind: StorageClass\nmetadata: {name: a}\nprovisioner: nfs.csi.k8s.io\n<<: *x\n";
    let output = pipe(&["fix", "--no-policy", "-"], text.as_bytes());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let bold = pipe(&["fix", "--no-policy", "--unsafe-fixes", "-"], text.as_bytes());
    assert_eq!(stdout(&output), stdout(&bold));
    assert!(!said.contains("--unsafe-fixes"), "{said}");
    // Without the option, those of the parameter would count.
    let alibaba = json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "a"},
        "provisioner": "nasplugin.csi.alibabacloud.com",
        "parameters": {"server": "s:/a", "options": "nolock,soft"}, "mountOptions": ["intr"],
    });
    let output = pipe(&["fix", "--no-policy", "--select", "NMG015", "-"], alibaba.to_string().as_bytes());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("nothing would be left of the list, and a driver may then use options"), "{said}");
    assert!(!said.contains("delete the field"), "{said}");
    // Neither does a fix alone take the last one away that counts beside what the driver takes out.
    for (list, is_offered) in [(json!(["vers=3", "intr"]), false), (json!(["vers=3", "intr", "ac"]), true)] {
        let mut class = alibaba.clone();
        class["mountOptions"] = list;
        let output = pipe(&["check", "--no-policy", "--format", "sarif", "-"], class.to_string().as_bytes());
        let sarif: Value = serde_json::from_str(&stdout(&output))?;
        let results = sarif["runs"][0]["results"].as_array().cloned().unwrap_or_default();
        let found = results.iter().find(|result| result["ruleId"] == "NMG015").cloned().unwrap_or_default();
        assert_eq!(found["fixes"].is_array(), is_offered, "{found}");
    }
    Ok(())
}
