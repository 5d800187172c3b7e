//! With the guard.

use serde_json::{Value, json};

use super::{bind, cases, events, folder, is_mounted, node_check, reported, store_all};
use crate::cluster::Webhooks;
use crate::machine::{Machine, wait};
use crate::objects::{annotation, options};

pub(super) fn pods_wait(machine: &mut Machine) {
    machine.cluster.use_webhooks(Webhooks::Both);
    let cases = cases("after");
    machine.page.say("## With both webhooks\n\nThe same manifests, under another name:");
    machine.page.show("sed s/lost/kept/ volume.yaml | kubectl apply -f -");
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
    let (report, _) = node_check(machine);
    for name in &names {
        assert_eq!(reported(&report, name), None);
    }
    machine.page.say("It waits until the share is there, and says why:");
    let (pods, _) = machine.page.picture_too("kubectl get pod kept");
    assert!(pods.contains("ContainerCreating"), "{pods}");
    let kept = machine.get("pod", "kept")["metadata"]["uid"].as_str().expect("a uid").to_owned();
    machine.page.set("uid", &kept);
    machine.page.show(
        "kubectl get events --field-selector involvedObject.name=kept,type=Warning -o custom-columns=REASON:.reason,MESSAGE:.message | head -n 2",
    );
    machine.page.say("and nothing is written:");
    machine.page.show("find /var/lib/kubelet/pods/$uid/volumes/kubernetes.io~nfs -type f");
    machine.page.show("nfs-mount-guard node-check | grep 'volume kept'");
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
    let (said, code) =
        machine.page.picture_too("sed s/lost/refused/ volume.yaml | sed '/^---/,$d' | kubectl apply -f -");
    assert!(code != 0 && said.contains("NMG001"), "{said}");
    machine.page.show("kubectl get pv refused");
}

pub(super) fn an_old_volume(machine: &mut Machine) {
    let before: Value = machine.get("pv", "lost");
    machine.page.say("## What was there before the guard\n\nIt can still be labelled, bound and freed:");
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
    machine.page.say("and `check` names it:");
    let (said, code) =
        machine.page.show("kubectl get pv lost -o json | nfs-mount-guard check - | grep NMG001");
    assert_eq!(code, 0, "{said}");
    let (said, code) = machine.page.run("kubectl get pv -o json | nfs-mount-guard check - --select NMG001");
    assert!(code == 1 && said.contains("PersistentVolume/lost"), "{code} {said}");
}
