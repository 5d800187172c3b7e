//! Lists that get the name under which they are read, or move with their style and comments, while other
//! places move into them.

use libtest_mimic::{Failed, Trial};
use serde_json::json;

use super::moved::{class, fixed};
use super::pipe;

/// Tests of lists that are carried along.
pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test(
            "check::carried::a_list_keeps_its_style_and_place_when_others_move_into_it",
            carried_list,
        ),
        Trial::test("check::carried::what_stays_has_the_reason_that_keeps_it", reasons),
    ]
}

/// A list under another name stays where it is, as it is written, and what stands elsewhere is added.
fn carried_list() -> Result<(), Failed> {
    let flow = "[\"hard\", 'fg', \"timeo=600\", retrans=2";
    let other = "parameters: {server: s, mountOptions: nfsvers=4.1}\n";
    let rest = "parameters: {server: s}\n";
    let block = "# of ours\n- \"hard\"   # one\n- 'fg'\n# two\n- timeo=600\n- retrans=2\n";
    for (text, wanted) in [
        (
            class(&format!("mountoptions: {flow}]   # of ours\n{other}reclaimPolicy: Retain\n")),
            class(&format!("mountOptions: {flow}, nfsvers=4.1]   # of ours\n{rest}reclaimPolicy: Retain\n")),
        ),
        (
            class(&format!("{other}mountoptions: # why\n{block}reclaimPolicy: Retain\n")),
            class(&format!("{rest}mountOptions: # why\n{block}- nfsvers=4.1\nreclaimPolicy: Retain\n")),
        ),
        // Of two such lists the first one stays.
        (
            class(&format!("mountoptions:\n{block}mountOption: [nconnect=4]\n{other}")),
            class(&format!("mountOptions:\n{block}- nconnect=4\n- nfsvers=4.1\n{rest}")),
        ),
        // Another place may come first.
        (
            class(&format!("spec: {{mountOptions: nfsvers=4.1}}\nmountoptions: {flow}]\n")),
            class(&format!("mountOptions: {flow}, nfsvers=4.1]\n")),
        ),
        // Out of a mapping of its own a list takes its comments along.
        (
            class(&format!("{other}spec:\n  mountOptions:\n  {}\n", block.trim_end().replace('\n', "\n  "))),
            class(&format!("mountOptions:\n{block}- nfsvers=4.1\n{rest}")),
        ),
    ] {
        assert_eq!(fixed(&text), wanted, "{text}");
        assert_eq!(fixed(&text.replace('\n', "\r\n")), wanted.replace('\n', "\r\n"), "{text}");
    }
    let text = serde_json::to_string_pretty(&json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "a"},
        "mountoptions": ["hard", "fg", "timeo=600", "retrans=2"], "provisioner": "nfs.csi.k8s.io",
        "parameters": {"server": "s", "mountOptions": "nfsvers=4.1"},
    }))?;
    let new = fixed(&text);
    assert!(new.find("mountOptions") < new.find("provisioner"), "{new}");
    // A place that stays does not keep the list from its name.
    let stays = class(&format!(
        "mountoptions: {flow}]\nparameters:\n  server: s\n  mountOptions: nfsvers=4.1 # of ours\n"
    ));
    assert_eq!(fixed(&stays), stays.replace("mountoptions", "mountOptions"));
    Ok(())
}

/// The options are named that keep a list, and not the flag that is given.
fn reasons() -> Result<(), Failed> {
    let full = "mountOptions: [fg, timeo=600, retrans=2]\n";
    let label = "context=\"a:s0:c1,c2\"";
    let special =
        "fix does not move it: \"context=\\\"a:s0:c1,c2\\\"\" has quotes or other special characters";
    let long = format!("['{}']", vec!["x=1234567"; 500].join("', '"));
    for (text, reason) in [
        (class(&format!("mountoptions: [fg, timeo=600, retrans=2, '{label}']\n")), special),
        (class(&format!("{full}parameters: {{server: s, mountOptions: '{label}'}}\n")), special),
        (
            class(&format!("{full}mountoptions: {long}\n")),
            "fix does not move it: they are more than mount accepts",
        ),
        (class("mountoptions: [hard, soft]\n"), "fix does not move it: its options contradict each other"),
        (
            "apiVersion: v1\nkind: PersistentVolume\nmetadata:\n  name: a\n  annotations:\n    \
volume.beta.kubernetes.io/mount-options: 'context=\"a:s0:c1,c2\"'\nspec:\n  accessModes: [ReadWriteMany]\n  \
mountOptions: [fg, timeo=600, retrans=2]\n  csi: {driver: nfs.csi.k8s.io, volumeHandle: b}\n"
                .to_owned(),
            special,
        ),
        // The comment keeps it, whatever is requested.
        (
            class(&format!("{full}parameters:\n  server: s\n  mountOptions: nfsvers=4.1 # of ours\n")),
            "the comment in line 8 would go away with it",
        ),
    ] {
        for flag in [None, Some("--unsafe-fixes")] {
            let args: Vec<&str> =
                ["fix", "--no-policy", "--diff"].into_iter().chain(flag).chain(["-"]).collect();
            let words = String::from_utf8_lossy(&pipe(&args, text.as_bytes()).stderr).into_owned();
            let is_of_flag = reason.starts_with("the comment");
            assert!(words.contains(reason) || is_of_flag && flag.is_none(), "{words}");
            assert_eq!(words.contains("unasked"), is_of_flag && flag.is_none(), "{flag:?}: {words}");
        }
    }
    Ok(())
}
