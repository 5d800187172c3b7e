//! A mount that is as it should be, and the guard.

use std::fs;

use serde_json::{Value, json};

use super::shown::ShownAsNfs;
use super::{
    Case, bind, cases, daemonset, events, folder, is_mounted, mount_tmpfs, node_check, pod, reported,
    store_all, store_bound, wait_until_ready,
};
use crate::cluster::Webhooks;
use crate::machine::{Machine, wait};
use crate::objects::{annotation, nfs_volume, options};

/// A Pod whose volume is mounted: by a tmpfs, for want of a share. It is no NFS and is found as that,
/// until the node's table of mounts shows it as NFS.
pub(super) fn a_mounted_volume(machine: &mut Machine) {
    let options = ["fg", "hard", "nolock", "vers=3", "retry=0"];
    let case = Case { name: "mounted".to_owned(), volume: nfs_volume("mounted", &options) };
    store_bound(&machine.cluster, &case);
    let mut object = pod("mounted");
    object["spec"].as_object_mut().expect("a spec").remove("nodeName");
    machine.cluster.must(&["create", "-f", "-"], &object.to_string());
    // Mounted before kubelet hears of the Pod, and finds it done.
    let folder = folder(machine, "mounted");
    fs::create_dir_all(&folder).expect("a folder");
    mount_tmpfs(&folder);
    let binding = json!({
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "mounted"},
        "target": {"apiVersion": "v1", "kind": "Node", "name": "n1"},
    });
    machine.cluster.must(
        &["create", "--raw", "/api/v1/namespaces/default/pods/mounted/binding", "-f", "-"],
        &binding.to_string(),
    );
    wait_until_ready(machine, "mounted");
    assert!(is_mounted(&folder) && folder.join("hello").exists());
    let (report, code) = node_check(machine);
    let volume = reported(&report, "mounted").unwrap_or_else(|| panic!("{report:#}"));
    assert_eq!((code, &volume["state"]), (1, &json!("other-file-system")), "{report:#}");
    assert_eq!(volume["fileSystem"]["type"], "tmpfs", "{report:#}");
    daemonset::counts(8080, 0, 1);
    daemonset::wait_for_event(
        machine,
        "mounted",
        "is not mounted by NFS: another file system is in its place",
    );
    let as_nfs = ShownAsNfs::mount(&folder);
    let (report, code) = node_check(machine);
    assert_eq!((code, &report["volumes"]), (0, &json!([])), "{report:#}");
    assert_eq!(report["summary"]["mounted"], 1, "{report:#}");
    daemonset::sees_a_mounted_volume(machine);
    drop(as_nfs);
    machine.cluster.must(&["delete", "pod", "mounted", "--wait=false", "--grace-period=1"], "");
    wait("its Pod is gone", || !machine.cluster.kubectl(&["get", "pod", "mounted"], "").status.success());
    daemonset::shows_nothing_lost();
}

pub(super) fn pods_wait(machine: &mut Machine) {
    machine.cluster.use_webhooks(Webhooks::Both);
    let cases = cases("after");
    machine.page.say("## With both webhooks\n\nThe same manifests, under another name:");
    machine.page.picture_too("sed s/lost/kept/ volume.yaml | kubectl apply -f -");
    machine.page.show("kubectl get pv kept -o jsonpath={.spec.mountOptions}");
    bind(&machine.cluster, "kept");
    machine.page.show("sed s/lost/kept/ pod.yaml | kubectl apply -f -");
    store_all(machine, &cases);
    let names: Vec<String> = cases.into_iter().map(|case| case.name).chain(["kept".to_owned()]).collect();
    for name in &names {
        let stored = machine.get("pv", name);
        let said =
            annotation(&stored).map_or_else(|| options(&stored).expect("options").join(","), str::to_owned);
        assert!(said.split(',').any(|word| word == "fg"), "{name}: {said}");
        assert!(!said.split(',').any(|word| word.split('=').next() == Some("bg")), "{name}: {said}");
        wait(&format!("{name}'s mount fails"), || {
            events(machine, name).iter().any(|[kind, reason, message]| {
                kind == "Warning" && reason == "FailedMount" && message.contains("exit status 32")
            })
        });
    }
    for name in &names {
        let pod = machine.get("pod", name);
        assert_eq!(pod["status"]["phase"], "Pending", "{pod:#}");
        let waiting = &pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"];
        assert_eq!(waiting, "ContainerCreating", "{pod:#}");
        let folder = folder(machine, name);
        assert!(!is_mounted(&folder) && !folder.join("hello").exists(), "{}", folder.display());
    }
    let (report, code) = node_check(machine);
    assert_eq!((code, &report["volumes"], &report["background"]), (0, &json!([]), &json!([])), "{report:#}");
    machine.page.say("It waits for the NFS server, and its events name the cause:");
    let (pods, _) = machine.page.picture_too("kubectl get pod kept");
    assert!(pods.contains("ContainerCreating"), "{pods}");
    let kept = machine.get("pod", "kept")["metadata"]["uid"].as_str().expect("a uid").to_owned();
    machine.page.set("uid", &kept);
    machine.page.show(
        "kubectl get events --field-selector involvedObject.name=kept,type=Warning -o custom-columns=REASON:.reason,MESSAGE:.message | head -n 2",
    );
    machine.page.say("Nothing is written:");
    machine.page.show("find /var/lib/kubelet/pods/$uid/volumes/kubernetes.io~nfs -type f");
    machine.page.show("nfs-mount-guard node-check --format json | grep lost");
}

pub(super) fn manifests_are_refused(machine: &mut Machine) {
    machine.cluster.use_webhooks(Webhooks::Validating);
    for case in cases("refused") {
        let output = machine.cluster.kubectl(&["create", "-f", "-"], &case.volume.to_string());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !output.status.success() && said.contains("NMG001 background-mount"),
            "{}: {said}",
            case.name
        );
        assert_eq!(machine.cluster.get(&case.volume), None);
    }
    machine.page.say("## With the validating webhook only");
    let (said, code) = machine.page.picture_too("sed s/lost/refused/ volume.yaml | kubectl apply -f -");
    assert!(code != 0 && said.contains("NMG001"), "{said}");
    machine.page.show("kubectl get pv refused");
}

pub(super) fn an_old_volume(machine: &mut Machine) {
    let before: Value = machine.get("pv", "lost");
    machine.page.say(
        "An inline CSI volume is not part of this run, because no CSI driver is installed. The tests at the real\n\
         API server show that `bg` in its `volumeAttributes` is rejected ([inline volumes](admission-policy.md#inline-volumes-of-pods)).",
    );
    machine.page.say("## Existing objects\n\nThey can still be labeled, bound and released:");
    for webhooks in [Webhooks::Validating, Webhooks::Both] {
        machine.cluster.use_webhooks(webhooks);
        for change in [
            json!({"metadata": {"labels": {"seen": format!("{webhooks:?}")}}}),
            json!({"metadata": {"finalizers": ["example.com/hold"]}}),
            json!({"spec": {"claimRef": null}}),
            json!({"metadata": {"finalizers": null}}),
        ] {
            let change = change.to_string();
            machine.cluster.must(&["patch", "pv", "lost", "--type=merge", "-p", &change], "");
        }
        bind(&machine.cluster, "lost");
        let after = machine.get("pv", "lost");
        assert_eq!(after["spec"]["mountOptions"], before["spec"]["mountOptions"], "{webhooks:?}");
        assert_eq!(after["status"]["phase"], "Bound", "{webhooks:?}");
    }
    machine.page.show("kubectl label pv lost team=storage");
    machine.page.say("`check` finds them:");
    let (said, code) =
        machine.page.show("kubectl get pv lost -o json | nfs-mount-guard check - | grep NMG001");
    assert_eq!(code, 0, "{said}");
    let (said, code) = machine.page.run("kubectl get pv -o json | nfs-mount-guard check - --select NMG001");
    assert!(code == 1 && said.contains("PersistentVolume/lost"), "{code} {said}");
}
