//! Checks the effect of a policy file on the generated manifests; all of it by the command line.

use std::fs;
use std::process::{Command, Output};

use libtest_mimic::{Failed, Trial};
use nfs_mount_guard::policy::Policy;
use nfs_mount_guard::policy_file;
use nfs_mount_guard::subject::driver::Nfs;
use serde_json::Value;
use tempfile::TempDir;

use super::conditions::{Asked, register_dead};
use super::{clear, install, nfs, refuses, samples, trial, updates, validating};
use crate::api::Call;
use crate::cluster::Cluster;
use crate::component::program;
use crate::objects::{class, documents};

/// Tests of policy files.
pub fn trials() -> Vec<Trial> {
    let plain =
        |name: &str, test: fn() -> Result<(), Failed>| Trial::test(format!("admission_policy::{name}"), test);
    vec![
        plain("the_commands_print_the_manifests", commands),
        plain("a_policy_that_leaves_nothing_to_generate_is_wrong_use", nothing_to_generate),
        plain("policy_check_warns_of_drivers_that_conditions_do_not_know", warned_of),
        trial("declared_drivers_are_asked_about_and_judged", declared_drivers),
        trial("exemptions_hold_in_the_admission_policy", exemptions),
        trial("a_policy_that_warns_or_observes_refuses_nothing", warnings),
    ]
}

fn run(args: &[&str]) -> Output {
    Command::new(program())
        .args(args)
        .env_remove("NFS_MOUNT_GUARD_POLICY")
        .output()
        .expect("the program runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A policy file in a directory of its own.
struct File {
    folder: TempDir,
}

impl File {
    fn new(rest: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        let text = format!("apiVersion: nfs-mount-guard.io/v1\nkind: MountPolicy\n{rest}");
        fs::write(folder.path().join("policy.yaml"), text).expect("written");
        Self { folder }
    }

    fn path(&self) -> String {
        self.folder.path().join("policy.yaml").display().to_string()
    }

    /// The policy, with NMG001 alone.
    fn background_mount_only(&self) -> Policy {
        let policy = policy_file::load(self.path().as_ref()).expect("a policy");
        super::only_background_mount(policy.to_builder())
    }

    /// Returns the output of `generate` with it.
    fn generate(&self, args: &[&str]) -> String {
        let path = self.path();
        let mut all = vec!["generate"];
        all.extend(args);
        all.extend(["--policy", &path]);
        let output = run(&all);
        assert!(output.status.success(), "{output:?}");
        text(&output.stdout)
    }
}

fn commands() -> Result<(), Failed> {
    let manifests = concat!(env!("CARGO_MANIFEST_DIR"), "/manifests");
    for (args, file) in [
        (&["generate", "policy"][..], "background-mount-policy.yaml"),
        (&["generate", "policy", "--mutating"], "background-mount-mutation.yaml"),
        (&["generate", "policy", "--pods"], "inline-background-mount-policy.yaml"),
        (&["generate", "match-conditions"], "chart/files/match-conditions.yaml"),
    ] {
        let output = run(args);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(text(&output.stdout), fs::read_to_string(format!("{manifests}/{file}"))?, "{args:?}");
        for document in documents(&text(&output.stdout)) {
            assert!(document["metadata"]["name"].is_string() || document["validate"].is_array());
        }
    }
    Ok(())
}

fn nothing_to_generate() -> Result<(), Failed> {
    for (rest, args, wanted) in [
        ("rules: {background-mount: {action: off}}", &[][..], "turns background-mount (NMG001) off"),
        ("rules: {background-mount: {action: off}}", &["--mutating"], "turns background-mount (NMG001) off"),
        ("rules: {background-mount: {action: off}}", &["--pods"], "turns background-mount (NMG001) off"),
        ("rules: {background-mount: {action: audit}}", &["--mutating"], "patches nothing"),
        ("mode: observe", &["--mutating"], "patches nothing"),
        ("mode: nonsense", &[], "mode"),
    ] {
        let file = File::new(&format!("{rest}\n"));
        let path = file.path();
        let mut all = vec!["generate", "policy", "--policy", &path];
        all.extend(args);
        let output = run(&all);
        assert_eq!(output.status.code(), Some(2), "{rest} {output:?}");
        assert!(output.stdout.is_empty() && text(&output.stderr).contains(wanted), "{rest} {output:?}");
    }
    assert_eq!(run(&["generate", "policy", "--policy", "/nowhere"]).status.code(), Some(3));
    Ok(())
}

fn warned_of() -> Result<(), Failed> {
    let file = File::new(
        "drivers:\n- {name: nfs.csi.k8s.io, nfs: true}\n- {name: my-nas, nfs: true}\n- {name: smb.csi.k8s.io, nfs: false}\n\
         - {name: ebs.csi.aws.com, nfs: true}\n- {name: file.csi.*, nfs: true}\n- {name: x.rbd.csi.ceph.com, nfs: true}\n",
    );
    let said = text(&run(&["policy", "check", &file.path()]).stdout);
    let named: Vec<&str> = ["nfs.csi.k8s.io", "my-nas", "smb.csi", "ebs.csi", "file.csi", "x.rbd"]
        .into_iter()
        .filter(|name| said.lines().any(|line| line.contains("matchConditions") && line.contains(name)))
        .collect();
    assert_eq!(named, ["ebs.csi", "file.csi", "x.rbd"], "{said}");
    Ok(())
}

fn declared_drivers(cluster: &mut Cluster) -> Result<(), Failed> {
    let api = cluster.connect();
    let file = File::new(
        "drivers:\n\
         - {name: ebs.csi.aws.com, nfs: true}\n\
         - {name: \"*x.rbd.csi.ceph.com\", timeo: 100}\n\
         - {name: \"*.rbd.csi.ceph.com\", nfs: true}\n\
         - {name: \"org.democratic-csi.*\", nfs: true}\n\
         - {name: \"*.s3.csi.*\", nfs: true}\n\
         - {name: csi.vsphere.vmware.com, nfs: true}\n\
         - {name: file.csi.azure.com, nfs: true}\n\
         - {name: kubernetes.io/iscsi, nfs: true}\n\
         - {name: storage.example.com, nfs: false}\n\
         - {name: driver.longhorn.io, nfs: false}\n\
         - {name: \"*.nfs.csi.ceph.com\", nfs: false}\n\
         - {name: kubernetes.io/nfs, nfs: false}\n",
    );
    let policy = file.background_mount_only();
    let objects = samples::some();
    let manifest = file.generate(&["policy"]);
    install(&api, &manifest);
    let answers = api.send_all(objects.iter().map(Call::try_create).collect());
    let counts = validating::compare(&policy, &objects, &answers)?;
    println!("passed, refused, invalid: {counts:?}");
    assert!(counts[1] > 50, "{counts:?}");
    let conditions = documents(&file.generate(&["match-conditions"])).remove(0);
    register_dead(cluster, &api, "ValidatingWebhookConfiguration", |webhook| {
        webhook["matchConditions"] = conditions["validate"].clone();
    });
    let answers = api.send_all(objects.iter().map(Call::try_create).collect());
    let differing = differences_from(&Policy::default(), &policy, &objects);
    assert!(differing > 30, "only {differing} objects are held to be something else");
    for (object, said) in objects.iter().zip(&answers) {
        let (asked, is_nfs) = (Asked::of(said), nfs(&policy, object) != Nfs::No);
        if asked != Asked::Invalid && (asked == Asked::Yes) != is_nfs {
            return Err(format!("asked: {asked:?}, NFS: {is_nfs}: {object:#}").into());
        }
    }
    Ok(())
}

/// Returns the number of objects that are NFS by one of the policies, and not by the other.
fn differences_from(one: &Policy, other: &Policy, objects: &[Value]) -> usize {
    objects.iter().filter(|object| (nfs(one, object) == Nfs::No) != (nfs(other, object) == Nfs::No)).count()
}

fn exemptions(cluster: &mut Cluster) -> Result<(), Failed> {
    let api = cluster.connect();
    let file = File::new(
        "annotationExemptions: true\n\
         exemptions:\n\
         - {rules: [background-mount], kind: StorageClass, name: \"sample-1*\", reason: classes and their volumes}\n\
         - {rules: [background-mount], kind: PersistentVolume, name: \"sample-2*\", reason: volumes}\n\
         - {rules: [background-mount], storageClassName: \"sample-4*\", reason: by class}\n\
         - {rules: [background-mount], driver: efs.csi.aws.com, reason: by driver}\n\
         - {rules: [background-mount], driver: \"kubernetes.io/n*\", name: \"*7\", reason: by plugin}\n\
         - {rules: [soft-mount], reason: another rule}\n\
         - {rules: [background-mount], reason: over, expires: 2020-01-01}\n\
         - {rules: [NMG001], kind: StorageClass, name: other, reason: a class that volumes move to}\n",
    );
    let policy = file.background_mount_only();
    let mut objects = samples::some();
    for (index, object) in objects.iter_mut().enumerate() {
        match index % 4 {
            0 => {
                let names = ["soft-mount, BACKGROUND-mount", "nmg001", "NMG01", "background"];
                object["metadata"]["annotations"]["nfs-mount-guard.io/exempt"] = names[index / 4 % 4].into();
            }
            1 if object["kind"] == "PersistentVolume" => {
                let classes = ["sample-17", "sample-4", "other", ""];
                object["spec"]["storageClassName"] = classes[index / 4 % 4].into();
            }
            _ => {}
        }
    }
    let updates = updates::all(&api);
    let manifest = file.generate(&["policy"]);
    install(&api, &manifest);
    let answers = api.send_all(objects.iter().map(Call::try_create).collect());
    let counts = validating::compare(&policy, &objects, &answers)?;
    println!("passed, refused, invalid: {counts:?}");
    let only = super::background_mount_only();
    let exempt = objects.iter().filter(|object| refuses(&only, object, None)).count() - counts[1];
    assert!(exempt > 30 && counts[1] > 50, "{exempt} exempt, {counts:?}");
    let answers = api.send_all(updates.iter().map(|update| Call::try_replace(&update.new)).collect());
    let counts = validating::compare_updates(&policy, &updates, &answers)?;
    println!("passed, refused, invalid: {counts:?}");
    Ok(())
}

fn warnings(cluster: &mut Cluster) -> Result<(), Failed> {
    let api = cluster.connect();
    let object = class("warned", "nfs.csi.k8s.io", &["hard,bg"]);
    for rest in ["rules: {background-mount: {action: warn}}\n", "mode: observe\n"] {
        let manifest = File::new(rest).generate(&["policy"]);
        clear(&api);
        install(&api, &manifest);
        let said = api.send(Call::try_create(&object));
        assert!(said.passed() && said.warnings.iter().any(|warning| warning.contains("NMG001")), "{said:?}");
    }
    let audited = File::new("rules: {background-mount: {action: audit}}\n").generate(&["policy"]);
    assert!(audited.contains("validationActions: [Audit]"), "{audited}");
    Ok(())
}
