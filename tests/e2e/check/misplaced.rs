//! Options beside the place that is read: in the source of a volume, at several places, in
//! annotations of another name, in a class that reaches no volume.

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::{pipe, stdout};

/// Tests of options beside the place that is read.
pub fn trials() -> Vec<Trial> {
    let trial =
        |name: &str, test: fn() -> Result<(), Failed>| Trial::test(format!("check::misplaced::{name}"), test);
    vec![
        trial("words_in_the_source_of_a_volume_are_findings", in_the_source),
        trial("what_the_source_holds_besides_options_is_none", beside_options),
        trial("several_places_move_together_where_they_agree", several),
        trial("an_annotation_of_another_name_moves_when_asked", annotations),
        trial("a_volume_lacks_no_fault_of_its_class", faults_of_a_class),
        trial("a_remedy_contradicts_nothing_that_is_in_force", contradicts_nothing),
        trial("an_attribute_of_an_inline_volume_without_a_value_is_a_finding", inline_flags),
        trial("a_place_without_options_is_said_to_have_none", has_no_place),
        trial("a_list_that_stays_says_which_options_are_there_already", there_already),
        trial("a_patch_of_a_volume_without_a_source_is_read_as_one_of_kubelets", patch_without_source),
        trial("options_deep_in_values_are_named", deep_values),
        trial("explain_names_the_class_that_is_not_read", explain_names_the_class),
    ]
}

fn volume(more: &str, source: &str, options: &str) -> String {
    format!(
        "apiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: a{more}}}\n\
spec: {{accessModes: [ReadWriteMany], nfs: {{server: s, path: /e{source}}}, mountOptions: {options}}}\n"
    )
}

const GOOD: &str = "[fg, timeo=600, retrans=2]";

/// The messages of NMG020 on the first subject.
fn unread(text: &str) -> Result<Vec<String>, Failed> {
    let output = pipe(&["check", "--no-policy", "--format", "json", "-"], text.as_bytes());
    let report: Value = serde_json::from_slice(&output.stdout)?;
    let findings = report["subjects"][0]["findings"].as_array().ok_or_else(|| format!("{text}: {report}"))?;
    let unread = findings.iter().filter(|finding| finding["code"] == "NMG020");
    Ok(unread.map(|finding| finding["message"].as_str().unwrap_or_default().to_owned()).collect())
}

fn as_json(text: &str) -> Result<String, Failed> {
    let value: Value = serde_saphyr::from_str(text)?;
    Ok(value.to_string())
}

fn fixed(text: &str) -> String {
    stdout(&pipe(&["fix", "--no-policy", "--unsafe-fixes", "-"], text.as_bytes()))
}

fn in_the_source() -> Result<(), Failed> {
    for (field, message) in [
        ("nfsVersion: 4.1", "spec.nfs.nfsVersion is not a field"),
        ("timeo: 300", "spec.nfs.timeo is not a field"),
        ("hard: true", "spec.nfs.hard is not a field"),
        ("proto: tcp", "spec.nfs.proto is not a field"),
        ("Nconnect: 4", "spec.nfs.Nconnect is not a field"),
        ("bg: ''", "so its options are lost (bg among them)"),
    ] {
        let text = volume("", &format!(", {field}"), GOOD);
        for text in [text.clone(), as_json(&text)?] {
            let found = unread(&text)?;
            assert!(found.len() == 1 && found[0].contains(message), "{text}: {found:?}");
        }
    }
    let text = volume("", ", bg: true, nconnect: 4, nfsVersion: 4.1", GOOD);
    for text in [text.clone(), as_json(&text)?] {
        let new = fixed(&text);
        assert_eq!(unread(&new)?, Vec::<String>::new(), "{new}");
        let new: Value = serde_saphyr::from_str(&new)?;
        assert_eq!(new["spec"]["nfs"], json!({"server": "s", "path": "/e"}));
        assert_eq!(
            new["spec"]["mountOptions"],
            json!(["fg", "timeo=600", "retrans=2", "nconnect=4", "nfsvers=4.1"])
        );
    }
    Ok(())
}

fn beside_options() -> Result<(), Failed> {
    for source in
        [", readOnly: true", ", color: red", ", hard: false", ", share: /x", ", mount: {deep: {er: 1}}"]
    {
        let text = volume("", source, GOOD);
        for text in [text.clone(), as_json(&text)?] {
            assert_eq!(unread(&text)?, Vec::<String>::new(), "{text}");
        }
    }
    // kubectl keeps an older object as a text.
    let kept = json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "a", "annotations": {
        "kubectl.kubernetes.io/last-applied-configuration": "{\"spec\":{\"nfs\":{\"timeo\":5}}}"}},
        "spec": {"nfs": {"server": "s", "path": "/e"}, "mountOptions": ["fg", "timeo=600", "retrans=2"]}});
    assert_eq!(unread(&kept.to_string())?, Vec::<String>::new());
    Ok(())
}

fn several() -> Result<(), Failed> {
    let with = |one: &str, other: &str| {
        format!(
            "apiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: a}}\nspec:\n  accessModes: [ReadWriteMany]\n  \
mountoptions: {one}\n  mountOption: {other}\n  nfs: {{server: s, path: /e}}\n"
        )
    };
    let new = fixed(&with("[fg, hard]", "[fg, vers=4.1]"));
    assert!(new.contains("mountOptions: [fg, hard, vers=4.1, timeo=600, retrans=2]"), "once each: {new}");
    assert!(!new.contains("mountoptions") && !new.contains("mountOption:"), "{new}");
    // The text does not show which of two values is meant.
    let new = fixed(&with("[vers=3]", "[vers=4.1]"));
    assert!(new.contains("mountoptions: [vers=3]") && new.contains("mountOption: [vers=4.1]"), "{new}");
    let plain = stdout(&pipe(&["fix", "--no-policy", "-"], with("[fg]", "[hard]").as_bytes()));
    assert!(plain.contains("mountoptions: [fg]"), "only when asked: {plain}");
    Ok(())
}

fn annotations() -> Result<(), Failed> {
    let text = volume(", annotations: {volume.beta.kubernetes.io/mount-option: 'bg,nconnect=4'}", "", GOOD);
    let plain = stdout(&pipe(&["fix", "--no-policy", "-"], text.as_bytes()));
    assert_eq!(plain, text, "another program may read it");
    let new: Value = serde_saphyr::from_str(&fixed(&text))?;
    assert_eq!(new["spec"]["mountOptions"], json!(["fg", "timeo=600", "retrans=2", "nconnect=4"]));
    assert_eq!(new["metadata"]["annotations"], json!({}));
    Ok(())
}

fn with_class(of_class: &str, of_volume: &str) -> String {
    let volume = volume("", "", of_volume).replace("spec: {", "spec: {storageClassName: c, ");
    format!(
        "{volume}---\napiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {{name: c}}\n\
provisioner: nfs.csi.k8s.io\nmountOptions: {of_class}\n"
    )
}

fn faults_of_a_class() -> Result<(), Failed> {
    for (of_class, of_volume, count) in
        [("[bg]", GOOD, 0), ("[bg=0, 'bg,fg']", GOOD, 0), ("[bg, nconnect=4]", GOOD, 1), ("[bg]", "[]", 1)]
    {
        let text = with_class(of_class, of_volume);
        let found = unread(&text)?;
        assert_eq!(found.len(), count, "{text}: {found:?}");
    }
    let text = with_class("[nconnect=4]", GOOD);
    let said = stdout(&pipe(&["check", "--no-policy", "--format", "concise", "-"], text.as_bytes()));
    let line = said.lines().find(|line| line.contains("NMG020")).expect("the finding");
    let remedy = "; write those that it needs, without bg, in spec.mountOptions (PersistentVolume/";
    assert!(line.contains(remedy), "{line}");
    Ok(())
}

fn explain_names_the_class() -> Result<(), Failed> {
    let text = with_class("[nconnect=4, fg]", GOOD);
    let said = stdout(&pipe(&["explain", "-f", "-"], text.as_bytes()));
    let wanted =
        "holds      mountOptions of StorageClass/c (not read for a volume made by hand): nconnect=4\n";
    assert!(said.contains(wanted), "{said}");
    let good = stdout(&pipe(&["explain", "-f", "-"], with_class(GOOD, GOOD).as_bytes()));
    assert!(!good.contains("not read"), "{good}");
    Ok(())
}

fn csi(driver: &str, options: &str, attributes: &str) -> String {
    format!(
        "apiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: a}}\nspec:\n  accessModes: [ReadWriteMany]\n  \
mountoptions: {options}\n  csi: {{driver: {driver}, volumeHandle: h, volumeAttributes: {{{attributes}}}}}\n"
    )
}

/// The options of another carrier, and those that the driver adds, count as well.
fn contradicts_nothing() -> Result<(), Failed> {
    let attributes = "server: s, share: /x, mountOptions: 'nfsvers=3,fg,timeo=600,retrans=2'";
    for options in ["[nfsvers=4.1, hard]", "[timeo=300]", "[hard, nonsense]"] {
        let text = csi("nfs.csi.k8s.io", options, attributes);
        assert!(unread(&text)?[0].contains("so its options are lost"), "{text}");
        assert_eq!(fixed(&text), text, "nothing is certain");
    }
    let text = csi("nfs.csi.k8s.io", "[nfsvers=3, hard]", attributes);
    let new = fixed(&text);
    assert!(new.contains("mountOptions: [hard]\n") && !new.contains("mountoptions"), "{new}");
    // Beside a version of the driver's own every other one fails.
    let text = csi("blob.csi.azure.com", "[nfsvers=3, nconnect=4]", "protocol: nfs, server: s");
    let new = fixed(&text);
    assert!(new.contains("mountOptions: [nconnect=4"), "{new}");
    let said = stdout(&pipe(&["check", "--no-policy", "--format", "concise", "-"], new.as_bytes()));
    assert!(!said.contains(" deny "), "{said}");
    Ok(())
}

fn inline_flags() -> Result<(), Failed> {
    let pod = |attributes: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec:\n  volumes:\n  - name: v\n    csi:\n      driver: \
nfs.csi.k8s.io\n      volumeAttributes: {{server: s, share: /x, {attributes}}}\n"
        )
    };
    let found = unread(&pod("bg: ''"))?;
    assert!(
        found.len() == 1 && found[0].contains("volumeAttributes.bg, so its options are lost (bg among them)")
    );
    let found = unread(&pod(
        "sec: krb5, rsize: '8192', proto: tcp, nolock: '', subDir: bg, uid: '0', comment: soft",
    ))?;
    let keys = ["nolock", "proto", "rsize", "sec"];
    assert_eq!(found.len(), keys.len(), "{found:?}");
    for key in keys {
        let message = format!("the driver does not read volumeAttributes.{key}, ");
        assert!(found.iter().any(|found| found.starts_with(&message)), "{key}: {found:?}");
    }
    Ok(())
}

fn has_no_place() -> Result<(), Failed> {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  volumes:\n  - name: v\n    csi: {driver: efs.csi.aws.com, volumeAttributes: {mountOptions: 'bg'}}\n";
    let said = stdout(&pipe(&["check", "--no-policy", "--format", "concise", "-"], pod.as_bytes()));
    for wanted in [
        "drop it: no field here is read by this driver",
        "NMG001 deny \"bg\" is not read here;",
        "; remove volumeAttributes.mountOptions (Pod/a spec.volumes[0])\n",
    ] {
        assert!(said.contains(wanted), "{wanted} in {said}");
    }
    assert!(!said.contains("of the class"), "{said}");
    Ok(())
}

fn there_already() -> Result<(), Failed> {
    // Moved by hand as it is, the list would give each of them twice.
    let text = "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: a}\nprovisioner: nfs.csi.k8s.io\nmountoptions:\n- hard\n- fg\n- timeo=600\n- ${EXTRA}\n";
    let new = fixed(text);
    let said = unread(&new)?.join("\n");
    let wanted = "use mountOptions, which has fg, timeo=600 already; fix does not move it: a placeholder is not rendered yet";
    assert!(said.contains(wanted), "{said}\n{new}");
    let attributes = "server: s, share: /x";
    for (driver, attributes, options, reason) in [
        ("nfs.csi.k8s.io", attributes, "[hard, nonsense]", "\"nonsense\" is invalid"),
        ("nfs.csi.k8s.io", attributes, "[hard, timeo=soon]", "\"timeo=soon\" is invalid"),
        (
            "nfs.csi.k8s.io",
            attributes,
            "[hard, soft]",
            "its options contradict each other or those in effect",
        ),
        (
            "efs.csi.aws.com",
            "encryptInTransit: 'false'",
            "[tls, noatime]",
            "\"tls\" is rejected by the driver",
        ),
    ] {
        let text = csi(driver, options, attributes);
        let said = unread(&text)?.join("\n");
        assert!(said.contains(&format!("fix does not move it: {reason}")), "{options}: {said}");
    }
    Ok(())
}

fn patch_without_source() -> Result<(), Failed> {
    let text = "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: x, annotations: {volume.beta.kubernetes.io/mount-options: 'bg'}}\n";
    let output = pipe(&["check", "--no-policy", "--format", "concise", "-"], text.as_bytes());
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("NMG001 deny"), "{}", stdout(&output));
    Ok(())
}

fn deep_values() -> Result<(), Failed> {
    for (values, named) in [
        ("a: {mountOptions: {enabled: true, list: [hard, bg]}}", Some(" (bg among them)")),
        ("a: {mountOptions: {hard: true, bg: true}}", Some(" (bg among them)")),
        ("a: {mountOptions: [{name: bg}]}", Some(" (bg among them)")),
        ("a: {mountOptions: {nfs: 'hard,nfsvers=4.1'}}", Some("")),
        ("a: {mountOptions: {enabled: true}}", None),
        ("a: {mountOptions: {}}", None),
    ] {
        let said = stdout(&pipe(&["check", "--no-policy", "-"], format!("{values}\n").as_bytes()));
        let wanted = named.map(|bg| format!("holds mount options at a.mountOptions{bg}\n"));
        match wanted {
            Some(wanted) => assert!(said.contains(&wanted), "{values}: {said}"),
            None => assert!(!said.contains("holds mount options at"), "{values}: {said}"),
        }
    }
    Ok(())
}
