//! Options that move to the place that is read, and what becomes of the place that they leave.

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::{pipe, stdout};

/// Tests of options that move.
pub fn trials() -> Vec<Trial> {
    let trial =
        |name: &str, test: fn() -> Result<(), Failed>| Trial::test(format!("check::moved::{name}"), test);
    vec![
        trial("a_mapping_that_no_object_has_goes_with_its_options", foreign_mapping),
        trial("the_comments_of_such_a_mapping_move_with_its_options", foreign_comments),
        trial("a_mapping_of_which_every_key_goes_is_empty", emptied_mapping),
        trial("what_cannot_move_keeps_nothing_else_from_repair", others_are_repaired),
        trial("a_mapping_that_objects_have_stays_when_it_is_empty", own_mapping),
        trial("a_list_under_another_name_is_split_and_trimmed_with_it", renamed_list),
        trial("the_annotation_of_a_class_moves_to_its_list", annotation),
        trial("a_key_of_an_inline_volume_gets_the_name_that_is_read", renamed_key),
        trial("a_list_that_is_no_field_becomes_the_key_that_is_read", list_becomes_key),
        trial("a_list_stays_where_its_comment_would_be_lost_or_the_key_is_there", kept_list),
        trial("a_key_keeps_its_name_where_the_options_are_not_certain", kept_key),
        trial("the_comments_above_a_list_move_with_it_to_the_key", comments_move),
        trial("options_stay_where_a_comment_above_them_cannot_move", comments_keep),
        trial("a_list_that_stays_is_told_the_reason", told_reasons),
    ]
}

pub(super) fn class(more: &str) -> String {
    format!(
        "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {{name: a}}\nprovisioner: nfs.csi.k8s.io\n{more}"
    )
}

/// The text after `fix --unsafe-fixes`, of which a second one changes nothing.
pub(super) fn fixed(text: &str) -> String {
    let fix = |text: &str| stdout(&pipe(&["fix", "--no-policy", "--unsafe-fixes", "-"], text.as_bytes()));
    let new = fix(text);
    assert_eq!(fix(&new), new, "a second repair of {text}");
    new
}

fn foreign_mapping() -> Result<(), Failed> {
    for field in [
        "spec: {mountOptions: [nconnect=4]}\n",
        "spec:\n  mountOptions: [nconnect=4]\n",
        "spec:\n  mountOptions:\n  - nconnect=4\n",
        "spec:\n  nfs:\n    mountOptions: [nconnect=4]\n",
        "\"spec\": {\"a\": {\"mountOptions\": [\"nconnect=4\"]}}\n",
    ] {
        let new: Value = serde_saphyr::from_str(&fixed(&class(field)))?;
        assert!(new.get("spec").is_none(), "{field}: {new}");
        assert_eq!(new["mountOptions"], json!(["nconnect=4", "fg", "timeo=600", "retrans=2"]), "{field}");
    }
    let new: Value =
        serde_saphyr::from_str(&fixed(&class("spec: {mountOptions: [nconnect=4], owner: b}\n")))?;
    assert_eq!(new["spec"], json!({"owner": "b"}));
    Ok(())
}

/// The comments of options and of what is around them go with the options.
fn foreign_comments() -> Result<(), Failed> {
    let added = ", fg, timeo=600, retrans=2]";
    let flow = format!("[nconnect=4{added}");
    let block = "- nconnect=4 # of ours\n# then\n- hard\n- fg\n- timeo=600\n- retrans=2\n";
    for (field, moved) in [
        ("spec: # of ours\n  mountOptions: [nconnect=4]\n", format!("# of ours\nmountOptions: {flow}\n")),
        ("spec:\n  # of ours\n  mountOptions: [nconnect=4]\n", format!("# of ours\nmountOptions: {flow}\n")),
        ("spec:\n  mountOptions: [nconnect=4] # of ours\n", format!("mountOptions: {flow} # of ours\n")),
        ("spec: {mountoptions: [nconnect=4]} # of ours\n", format!("# of ours\nmountOptions: {flow}\n")),
        (
            "# once\nspec:\n    a:\n      # twice\n      mountOptions: # thrice\n      - nconnect=4 # of ours\n      # then\n      - hard\n",
            format!("# once\n# twice\nmountOptions: # thrice\n{block}"),
        ),
        (
            "spec:\n  mountOptions:\n    - nconnect=4 # of ours\n    # then\n    - hard\n",
            format!("mountOptions:\n  {}\n", block.trim_end().replace('\n', "\n  ")),
        ),
    ] {
        let text = class(&format!("{field}reclaimPolicy: Retain\n"));
        let output = pipe(&["fix", "--no-policy", "--unsafe-fixes", "-"], text.as_bytes());
        let wanted = class(&format!("{moved}reclaimPolicy: Retain\n"));
        assert_eq!(stdout(&output), wanted, "{field}");
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!words.contains("without the comment"), "it is still there: {words}");
        assert_eq!(fixed(&text.replace('\n', "\r\n")), wanted.replace('\n', "\r\n"), "{field}");
    }
    // Beside a list that is there already they have no place.
    let text =
        class("mountOptions: [fg, timeo=600, retrans=2]\nspec:\n  mountOptions: [nconnect=4] # of ours\n");
    let output = pipe(&["fix", "--no-policy", "--unsafe-fixes", "-"], text.as_bytes());
    assert_eq!(stdout(&output), text);
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(words.contains("spec.mountOptions stays where it is: the comment in line 7"), "{words}");
    Ok(())
}

/// A mapping in lines of which every key goes is empty.
fn emptied_mapping() -> Result<(), Failed> {
    let text = "apiVersion: v1\nkind: PersistentVolume\nmetadata:\n  name: a\n  annotations:\n    \
volume.kubernetes.io/mount-options: hard\n    nfs-mount-options: nfsvers=4.1\nspec:\n  nfs: {server: s, path: /e}\n  \
mountOptions: [bg]\n";
    let new: Value = serde_saphyr::from_str(&fixed(text))?;
    assert_eq!(new["metadata"]["annotations"], json!({}), "{new}");
    assert_eq!(new["spec"]["mountOptions"], json!(["fg", "hard", "nfsvers=4.1", "timeo=600", "retrans=2"]));
    for parameters in [
        "parameters:\n  mountOptions: nfsvers=4.1\n  nfsVersion: '4.1'\n",
        "parameters:\n  nfsVersion: '4.1'\n  mountOptions: |\n    nfsvers=4.1\n",
        "parameters:\n  nfsVersion: '4.1'\n\n  mountOptions: nfsvers=4.1\n\n  NFSVERS: '4.1'\n",
    ] {
        for text in [class(parameters), class(parameters).replace('\n', "\r\n")] {
            let new: Value = serde_saphyr::from_str(&fixed(&text))?;
            assert_eq!(new["parameters"], json!({}), "{parameters}: {new}");
        }
    }
    // A comment in it keeps them all where they are.
    let text = class("parameters:\n  mountOptions: nfsvers=4.1\n  # measured\n  nfsVersion: '4.1'\n");
    assert!(fixed(&text).contains("  # measured\n  nfsVersion: '4.1'\n"), "{}", fixed(&text));
    Ok(())
}

/// The repair of an object does not wait for options that cannot move.
fn others_are_repaired() -> Result<(), Failed> {
    let key = "parameters:\n  ? mountOptions\n  : nfsvers=4.1\n";
    let text = class(&format!("mountOptions: [hard, bg]\n{key}"));
    let output = pipe(&["fix", "--no-policy", "--unsafe-fixes", "-"], text.as_bytes());
    let wanted = class(&format!("mountOptions: [hard, fg, timeo=600, retrans=2]\n{key}"));
    assert_eq!(stdout(&output), wanted);
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        words.contains("StorageClass/a: parameters[mountOptions] stays where it is: the new text"),
        "{words}"
    );
    assert!(!words.contains("is left as it is"), "{words}");
    Ok(())
}

fn own_mapping() -> Result<(), Failed> {
    let new: Value = serde_saphyr::from_str(&fixed(&class("parameters: {mountOptions: nconnect=4}\n")))?;
    assert_eq!(new["parameters"], json!({}));
    Ok(())
}

fn renamed_list() -> Result<(), Failed> {
    for (field, list) in [
        ("mountoptions: [\"nfsvers=4.1,hard\",\" noatime\"]\n", json!(["nfsvers=4.1", "hard", "noatime"])),
        ("mountOption:\n- hard,bg # ours\n- \"noatime \"\n", json!(["hard", "fg", "noatime"])),
        ("mountoptions:\n- hard\n- nfsvers: 4.1\n", json!(["hard", "nfsvers=4.1"])),
        ("mountoptions: [hard, {nfsvers: 4.1}]\n", json!(["hard", "nfsvers=4.1"])),
    ] {
        let text = fixed(&class(field));
        let new: Value = serde_saphyr::from_str(&text)?;
        let found = new["mountOptions"].as_array().cloned().unwrap_or_default();
        let wanted = list.as_array().cloned().unwrap_or_default();
        assert!(found.starts_with(&wanted), "{field}: {new}");
        assert_eq!(text.contains("# ours"), field.contains("# ours"), "{text}");
        assert!(new.get("mountoptions").or(new.get("mountOption")).is_none(), "{new}");
    }
    // The quotes of a key are part of its style.
    for [wrong, right] in [
        ["mountOption", "mountOptions"],
        ["'mountoptions'", "'mountOptions'"],
        ["\"mount_options\"", "\"mountOptions\""],
    ] {
        let list = ": [hard, fg, timeo=600, retrans=2]\n";
        assert_eq!(fixed(&class(&format!("{wrong}{list}"))), class(&format!("{right}{list}")));
    }
    Ok(())
}

fn annotation() -> Result<(), Failed> {
    let text = class("").replace(
        "{name: a}",
        "{name: a, annotations: {volume.beta.kubernetes.io/mount-options: 'nconnect=4,hard'}}",
    );
    let plain = stdout(&pipe(&["fix", "--no-policy", "-"], text.as_bytes()));
    assert!(plain.contains("mount-options: 'nconnect=4,hard'"), "another controller may read it: {plain}");
    let new: Value = serde_saphyr::from_str(&fixed(&text))?;
    assert_eq!(new["metadata"]["annotations"], json!({}));
    assert_eq!(new["mountOptions"], json!(["nconnect=4", "hard", "fg", "timeo=600", "retrans=2"]));
    // A bg that goes away is named, if the list has fg or not.
    for list in ["", "[hard]", "[fg, timeo=600]", "[hard, fg, timeo=600, retrans=2]"] {
        let text = format!(
            "apiVersion: v1\nkind: PersistentVolume\nmetadata:\n  name: a\n  annotations: \
             {{volume.beta.kubernetes.io/mount-options: 'hard,bg'}}\nspec:\n  accessModes: [ReadWriteMany]\n  mountOptions: {list}\n  \
             csi: {{driver: nfs.csi.k8s.io, volumeHandle: h, volumeAttributes: {{server: s, share: /e}}}}\n"
        );
        let output = pipe(&["fix", "--no-policy", "--unsafe-fixes", "--diff", "-"], text.as_bytes());
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(words.contains("-bg, without metadata.annotations"), "{list}: {words}");
    }
    Ok(())
}

fn pod(attributes: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: a, namespace: b}}\nspec:\n  containers: [{{name: c, image: d}}]\n  \
volumes:\n  - name: e\n    csi:\n      driver: nfs.csi.k8s.io\n      volumeAttributes: {{server: s, share: /e, {attributes}}}\n"
    )
}

const SNAPSHOTS: &str = "apiVersion: snapshot.storage.k8s.io/v1\nkind: VolumeSnapshotClass\nmetadata: {name: a}\n\
driver: nfs.csi.k8s.io\ndeletionPolicy: Delete\nparameters:\n  'mountOption': nfsvers=4.1,bg # of the NAS\n";

fn renamed_key() -> Result<(), Failed> {
    let text = pod("\"mountOption\": \"nfsvers=4.1,bg\"");
    let new = fixed(&text);
    assert_eq!(
        new,
        text.replace("\"mountOption\": \"nfsvers=4.1,bg\"", "\"mountOptions\": \"nfsvers=4.1,fg\"")
    );
    let new = fixed(SNAPSHOTS);
    assert_eq!(new, SNAPSHOTS.replace("'mountOption'", "'mountOptions'").replace("bg", "fg"));
    // Nothing is left to say of it.
    let checked = pipe(&["check", "--no-policy", "-"], new.as_bytes());
    assert!(!stdout(&checked).contains("NMG020"), "{}", stdout(&checked));
    let output = pipe(&["fix", "--no-policy", "--unsafe-fixes", "--diff", "-"], text.as_bytes());
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(words.contains("volumeAttributes[mountOption] -> "), "{words}");
    assert!(words.contains("(immutable: delete and recreate an existing object)"), "{words}");
    let plain = stdout(&pipe(&["fix", "--no-policy", "-"], text.as_bytes()));
    assert_eq!(plain, text, "the options come into force: only when asked");
    Ok(())
}

fn kept_key() -> Result<(), Failed> {
    for attributes in [
        "mountOption: 'timeo=soon'",
        "mountOption: 'nfsvers=4.1,nconnect=4'",
        "mountOption: 'hard,soft'",
        "mountOption: 'hard', mountOptions: fg",
        "mountOption: 'hard', mount_options: 'vers=3'",
        "mountOption: '${OPTIONS}'",
        "mountOption: sloppy",
    ] {
        let text = pod(attributes);
        assert!(fixed(&text).contains(" mountOption: "), "{attributes}");
    }
    Ok(())
}

/// A Pod whose volume has a list that is no field, in block style or in braces.
fn pod_with_list(is_flow: bool, list: &str) -> String {
    let volume = if is_flow {
        format!(
            "  - {{name: e, csi: {{driver: nfs.csi.k8s.io, mountOptions: {list}, volumeAttributes: {{server: s}}}}}}\n"
        )
    } else {
        format!(
            "  - name: e\n    csi:\n      driver: nfs.csi.k8s.io\n      volumeAttributes:\n        server: s\n      \
mountOptions: {list}\n"
        )
    };
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: a, namespace: b}}\nspec:\n  containers: [{{name: c, image: d}}]\n  \
volumes:\n{volume}  restartPolicy: Never # stays\n"
    )
}

fn list_becomes_key() -> Result<(), Failed> {
    let block = "\n      - nfsvers=4.1\n      - bg";
    for text in [
        pod_with_list(true, "[nfsvers=4.1, bg]"),
        pod_with_list(false, "[nfsvers=4.1, bg]"),
        pod_with_list(false, block),
        serde_json::to_string_pretty(&serde_saphyr::from_str::<Value>(&pod_with_list(
            true, "[nfsvers=4.1, bg]",
        ))?)?,
    ] {
        let new = fixed(&text);
        let value: Value = serde_saphyr::from_str(&new)?;
        let csi = &value["spec"]["volumes"][0]["csi"];
        assert_eq!(
            csi["volumeAttributes"],
            json!({"server": "s", "mountOptions": "nfsvers=4.1,fg"}),
            "{new}"
        );
        assert_eq!(csi.get("mountOptions"), None, "{new}");
        assert_eq!(new.contains("Never # stays"), text.contains("Never # stays"), "{new}");
        let plain = stdout(&pipe(&["fix", "--no-policy", "-"], text.as_bytes()));
        assert_eq!(plain, text, "the options come into force: only when asked");
    }
    // Without the mapping of such keys it is added.
    let class = SNAPSHOTS.replace("parameters:\n  'mountOption': nfsvers=4.1,bg # of the NAS\n", "");
    let new: Value = serde_saphyr::from_str(&fixed(&format!("{class}mountOptions: [nfsvers=4.1, bg]\n")))?;
    assert_eq!(new["parameters"], json!({"mountOptions": "nfsvers=4.1,fg"}), "{new}");
    assert_eq!(new.get("mountOptions"), None);
    Ok(())
}

fn kept_list() -> Result<(), Failed> {
    for list in ["\n      - nfsvers=4.1 # measured\n      - bg", "[hard, soft]", "[timeo=soon]"] {
        let text = pod_with_list(false, list);
        assert_eq!(fixed(&text), text, "{list}");
    }
    let text = pod_with_list(true, "[nfsvers=4.1]")
        .replace("{server: s}", "{server: s, mountOptions: 'fg,timeo=600,retrans=2'}");
    assert_eq!(fixed(&text), text, "the key is there");
    Ok(())
}

fn comments_move() -> Result<(), Failed> {
    let head = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: b}\nspec:\n  \
containers: [{name: c, image: d}]\n  volumes:\n  - name: e\n    csi:\n      driver: nfs.csi.k8s.io\n";
    let comments = "      # measured\n      # twice\n";
    let (attributes, end) =
        ("      volumeAttributes:\n        # of the NAS\n        server: s\n", "  restartPolicy: Never\n");
    let moved = format!(
        "{head}{attributes}        # measured\n        # twice\n        mountOptions: nfsvers=4.1,fg\n{end}"
    );
    for list in ["[nfsvers=4.1, bg]", "\n      - nfsvers=4.1\n      - bg"] {
        let field = format!("{comments}      mountOptions: {list}\n");
        for text in [format!("{head}{field}{attributes}{end}"), format!("{head}{attributes}{field}{end}")] {
            let output = pipe(&["fix", "--no-policy", "--unsafe-fixes", "-"], text.as_bytes());
            assert_eq!(stdout(&output), moved, "{text}");
            let words = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!words.contains("without the comment"), "it is still there: {words}");
            let windows = fixed(&text.replace('\n', "\r\n"));
            assert_eq!(windows, moved.replace('\n', "\r\n"), "{text}");
        }
    }
    // With the mapping that is added, and no further than to the next field.
    let class = SNAPSHOTS.replace("parameters:\n  'mountOption': nfsvers=4.1,bg # of the NAS\n", "");
    let class =
        class.replace("deletionPolicy", "# measured\nmountOptions: [nfsvers=4.1]\n# ours\ndeletionPolicy");
    let new = fixed(&class);
    assert!(
        new.ends_with(
            "\n# ours\ndeletionPolicy: Delete\n# measured\nparameters: {mountOptions: nfsvers=4.1}\n"
        ) || new.ends_with(
            "\n# ours\ndeletionPolicy: Delete\n# measured\nparameters: {mountOptions: \"nfsvers=4.1\"}\n"
        ),
        "{new}"
    );
    Ok(())
}

fn comments_keep() -> Result<(), Failed> {
    let volume = "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: a}\nspec:\n  \
accessModes: [ReadWriteMany]\n  mountOptions: [fg, timeo=600, retrans=2]\n  capacity: {storage: 1Gi}\n";
    for (text, line) in [
        (
            class(
                "parameters:\n  server: s\n  # measured\n  mountOptions: nfsvers=4.1\n  onDelete: retain\nmountOptions: [fg, timeo=600, retrans=2]\n",
            ),
            7,
        ),
        (
            format!(
                "{volume}  nfs:\n    server: s\n    # measured\n    mountOptions: [nfsvers=4.1]\n    path: /a\n"
            ),
            10,
        ),
        (
            format!(
                "{volume}  nfs: {{\n    # measured\n    mountOptions: [nfsvers=4.1],\n    server: s, path: /a}}\n"
            ),
            9,
        ),
        (
            pod_with_list(false, "[nfsvers=4.1]")
                .replace("volumeAttributes:\n        server: s\n", "volumeAttributes: {server: s}\n")
                .replace("      mountOptions", "      # measured\n      mountOptions"),
            11,
        ),
    ] {
        let output = pipe(&["fix", "--no-policy", "--unsafe-fixes", "-"], text.as_bytes());
        assert_eq!(stdout(&output), text);
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        let told =
            format!("mountOptions stays where it is: the comment in line {line} would go away with it");
        assert!(words.replace("[mountOptions]", "mountOptions").contains(&told), "{words}");
        assert_eq!(output.status.code(), Some(3), "{words}");
    }
    Ok(())
}

fn told_reasons() -> Result<(), Failed> {
    let defaults = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: b}\nspec:\n  \
containers: [{name: c, image: d}]\n  volumes:\n  - {name: e, csi: {driver: csi.vastdata.com, mountOptions: [hard]}}\n";
    let several = pod_with_list(true, "[hard], options: [nfsvers=4.1]");
    for (text, reason) in [
        (pod_with_list(true, "[nconnect=4]"), Some("not every kernel takes \"nconnect=4\"")),
        (
            pod_with_list(false, "\n      - nfsvers=4\n      - minorversion=1"),
            Some("\"minorversion=1\" has no effect, or is unknown"),
        ),
        (pod_with_list(true, "[hard, soft]"), Some("its options contradict each other")),
        (pod_with_list(true, "[nfsvers=4.1, udp]"), Some("\"udp\" is denied")),
        (
            pod_with_list(true, "[hard]").replace("{server: s}", "{server: s, mountOptions: fg}"),
            Some("volumeAttributes.mountOptions is there already"),
        ),
        (several, Some("several places hold options")),
        (pod_with_list(true, "[nfsvers=4.1]"), None),
        (defaults.to_owned(), None),
    ] {
        let json = stdout(&pipe(&["check", "--no-policy", "--format", "json", "-"], text.as_bytes()));
        let report: Value = serde_json::from_str(&json)?;
        let findings = report["subjects"][0]["findings"].as_array().cloned().unwrap_or_default();
        let found = findings.iter().find(|finding| finding["code"] == "NMG020").expect("NMG020");
        let remedy = found["remedy"].as_str().unwrap_or_default();
        match reason {
            Some(reason) => {
                assert_eq!(fixed(&text), text, "it is left");
                assert!(remedy.contains("fix does not move it: ") && remedy.contains(reason), "{remedy}");
            }
            None => assert!(!remedy.contains("fix does not move it"), "{remedy}"),
        }
    }
    Ok(())
}
