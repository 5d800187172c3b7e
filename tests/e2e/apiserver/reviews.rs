//! The incident itself, and what people see of it.

use std::fs;
use std::path::Path;

use libtest_mimic::Trial;
use nfs_mount_guard::engine::{Judged, evaluate};
use nfs_mount_guard::policy::Policy;
use nfs_mount_guard::subject::Subject;
use nfs_mount_guard::subject::manifest::Manifest;
use serde_json::{Value, json};

use crate::cluster::Webhooks;
use crate::objects::{annotated, class, csi_volume, documents, nfs_volume, options, volume};

fn incident() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/lost-volume.yaml");
    documents(&fs::read_to_string(path).expect("the example")).remove(0)
}

/// Tests of what the example and kubectl show.
pub fn trials() -> Vec<Trial> {
    vec![
        super::trial("the_annotation_on_a_volume_that_takes_none_is_rejected_without_a_webhook", |cluster| {
            cluster.use_webhooks(Webhooks::None);
            let full = ["fg", "timeo=600", "retrans=2"];
            let script = json!({"flexVolume": {"driver": "alicloud/nas", "options": {"server": "s"}}});
            for (object, is_rejected) in [
                (csi_volume("annotated", "nfs.csi.k8s.io", &full), true),
                (volume("annotated", &[], script), true),
                (nfs_volume("annotated", &full), false),
            ] {
                let object = annotated(object, "hard");
                let output = cluster.kubectl(&["create", "--dry-run=server", "-f", "-"], &object.to_string());
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                assert_eq!(output.status.success(), !is_rejected, "{object}: {said}");
                let is_told = said.contains("may not specify mount options for this volume type");
                assert_eq!(is_told, is_rejected, "{object}: {said}");
                let manifest = object.to_string();
                let policy = Policy::default();
                let manifest: Manifest<'_> = serde_json::from_str(&manifest)?;
                let subject = Subject::new(&manifest, policy.drivers()).expect("a volume");
                let findings = evaluate(&policy, &subject, time::macros::date!(2026 - 11 - 28)).findings;
                let says = |judged: &Judged| judged.finding.message.what.contains("the API server rejects");
                assert_eq!(findings.iter().any(says), is_rejected, "{findings:?}");
            }
            Ok(())
        }),
        super::trial("the_incidents_class_is_repaired", |cluster| {
            cluster.use_webhooks(Webhooks::Both);
            let file = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/lost-volume.yaml");
            cluster.must(&["apply", "-f", file], "");
            let stored = cluster.get(&incident()).expect("it is stored");
            cluster.delete(&stored);
            let wanted = [
                "nolock", "async", "rw", "fg", "hard", "nointr", "rsize=32768", "wsize=32768", "tcp",
                "actimeo=0", "vers=3", "timeo=600", "retrans=2",
            ];
            assert_eq!(options(&stored).as_deref(), Some(&wanted.map(str::to_owned)[..]));
            Ok(())
        }),
        super::trial("the_incidents_class_is_refused_with_rule_element_and_list", |cluster| {
            cluster.use_webhooks(Webhooks::Validating);
            let file = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/lost-volume.yaml");
            let output = cluster.kubectl(&["apply", "-f", file], "");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(!output.status.success(), "{said}");
            for wanted in [
                "mountOptions[3]",
                "NMG001 background-mount (nfs-mount-guard): \"bg\"",
                "set mountOptions: [nolock, async, rw, fg, hard, nointr, rsize=32768, wsize=32768, tcp, actimeo=0, vers=3, timeo=600, retrans=2]",
                "NMG004 retrans-not-set",
            ] {
                assert!(said.contains(wanted), "{wanted} in {said}");
            }
            // The list that is proposed does pass.
            let mut repaired = incident();
            repaired["mountOptions"] = json!([
                "nolock", "async", "rw", "fg", "hard", "nointr", "rsize=32768", "wsize=32768", "tcp",
                "actimeo=0", "vers=3", "timeo=600", "retrans=2",
            ]);
            cluster.must(&["create", "--dry-run=server", "-f", "-"], &repaired.to_string());
            Ok(())
        }),
        super::trial("a_server_side_dry_run_decides_alike_and_stores_nothing", |cluster| {
            cluster.use_webhooks(Webhooks::Both);
            let object = class("dry-run", "nfs.csi.k8s.io", &["bg"]);
            let shown =
                cluster.must(&["create", "--dry-run=server", "-o", "json", "-f", "-"], &object.to_string());
            let shown: Value = serde_json::from_str(&shown)?;
            assert_eq!(shown["mountOptions"], json!(["fg", "timeo=600", "retrans=2"]));
            assert!(cluster.get(&object).is_none());
            let event = cluster.guard.wait_for(|event| event["name"] == "dry-run");
            assert_eq!(event["dry_run"], json!(true));
            cluster.use_webhooks(Webhooks::Validating);
            let output = cluster.kubectl(&["create", "--dry-run=server", "-f", "-"], &object.to_string());
            assert!(!output.status.success());
            Ok(())
        }),
        super::trial("kubectl_shows_the_warnings_of_what_passes", |cluster| {
            cluster.use_webhooks(Webhooks::Validating);
            let object =
                class("warned", "nfs.csi.k8s.io", &["nfsvers=4.1", "soft", "fg", "timeo=600", "retrans=2"]);
            let output = cluster.kubectl(&["create", "--dry-run=server", "-f", "-"], &object.to_string());
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{said}");
            assert!(said.contains("Warning: NMG005 soft-mount:"), "{said}");
            Ok(())
        }),
        super::trial("every_decision_is_one_log_event_with_all_its_fields", |cluster| {
            cluster.use_webhooks(Webhooks::Both);
            let object = class("logged", "nfs.csi.k8s.io", &["hard,bg"]);
            cluster.must(&["create", "-f", "-"], &object.to_string());
            cluster.delete(&object);
            let event =
                cluster.guard.wait_for(|event| event["name"] == "logged" && event["endpoint"] == "mutate");
            assert_eq!(event["target"], json!("decision"));
            assert_eq!(event["operation"], json!("CREATE"));
            assert_eq!(event["kind"], json!("StorageClass"));
            assert_eq!(event["user"], json!("admin"));
            assert_eq!(event["driver"], json!("nfs.csi.k8s.io"));
            assert_eq!(event["decision"], json!("patch"));
            assert_eq!(event["options_before"], json!("hard,bg"));
            assert_eq!(event["options_after"], json!("hard,fg,timeo=600,retrans=2"));
            assert_eq!(event["patch"][0]["path"], json!("/mountOptions"));
            assert!(event["rules"].as_array().is_some_and(|rules| rules.contains(&json!("NMG001"))));
            for field in ["uid", "policy", "duration_us", "timestamp"] {
                assert!(!event[field].is_null(), "{field}");
            }
            let validated =
                cluster.guard.wait_for(|event| event["name"] == "logged" && event["endpoint"] == "validate");
            assert_eq!(validated["decision"], json!("allow"));
            let both: Vec<_> = cluster
                .guard
                .log()
                .into_iter()
                .filter(|event| {
                    event["target"] == "decision"
                        && event["name"] == "logged"
                        && event["operation"] == "CREATE"
                })
                .collect();
            assert_eq!(both.len(), 2, "one event a request");
            Ok(())
        }),
        super::trial("an_object_near_the_api_servers_limit_is_repaired", |cluster| {
            cluster.use_webhooks(Webhooks::Both);
            let huge = |length: usize| {
                let mut object = class("huge", "nfs.csi.k8s.io", &["nfsvers=4.1", "hard,bg"]);
                let zone = json!({"key": "topology.example.com/zone", "values": ["a".repeat(length)]});
                object["allowedTopologies"] = json!([{"matchLabelExpressions": [zone]}]);
                object
            };
            let check = |stored: &Value| {
                let repaired = ["nfsvers=4.1", "hard,fg", "timeo=600", "retrans=2"].map(str::to_owned);
                assert_eq!(options(stored).expect("options"), repaired);
            };
            // The API server takes 3 MiB and stores 2.
            let shown = cluster
                .must(&["create", "--dry-run=server", "-o", "json", "-f", "-"], &huge(2_900_000).to_string());
            check(&serde_json::from_str(&shown)?);
            let object = huge(1_900_000);
            cluster.must(&["create", "-f", "-"], &object.to_string());
            check(&cluster.get(&object).expect("it is stored"));
            // Both the old and the new object travel with an update.
            cluster.must(&["label", "storageclass", "huge", "a=b"], "");
            cluster.delete(&object);
            Ok(())
        }),
        super::trial("options_that_no_mount_takes_are_refused_however_many", |cluster| {
            cluster.use_webhooks(Webhooks::Both);
            let long = |length: usize| {
                let padding = format!("x-padding={}", "a".repeat(length));
                let mut object = class("long", "nfs.csi.k8s.io", &[]);
                object["mountOptions"] = json!([padding, "hard,bg"]);
                object
            };
            for (length, words) in [(2_900_000, "are not evaluated"), (4_608, "are not evaluated")] {
                let refused =
                    cluster.kubectl(&["create", "--dry-run=server", "-f", "-"], &long(length).to_string());
                let said = String::from_utf8_lossy(&refused.stderr).into_owned();
                assert!(!refused.status.success() && said.contains(words), "{length}: {said}");
                assert!(said.len() < 4096, "the options are not said whole: {} bytes", said.len());
            }
            let object = long(4_000);
            let shown =
                cluster.must(&["create", "--dry-run=server", "-o", "json", "-f", "-"], &object.to_string());
            let shown: Value = serde_json::from_str(&shown)?;
            assert_eq!(shown["mountOptions"][1], json!("hard,fg"));
            let event =
                cluster.guard.wait_for(|event| event["name"] == "long" && event["decision"] == "patch");
            assert!(event.to_string().len() < 8 * 1024);
            Ok(())
        }),
        super::trial("a_name_that_the_server_chooses", |cluster| {
            cluster.use_webhooks(Webhooks::Both);
            let mut object = csi_volume("generated", "nfs.csi.k8s.io", &["bg"]);
            object["metadata"] = json!({"generateName": "generated-"});
            let shown =
                cluster.must(&["create", "--dry-run=server", "-o", "json", "-f", "-"], &object.to_string());
            let shown: Value = serde_json::from_str(&shown)?;
            assert_eq!(shown["spec"]["mountOptions"][0], json!("fg"));
            Ok(())
        }),
    ]
}
