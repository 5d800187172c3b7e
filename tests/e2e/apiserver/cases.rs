//! One object after another: what is stored with both webhooks, and what is
//! refused with the validating one alone.

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use crate::cluster::{Cluster, Webhooks};
use crate::objects::{
    annotated, annotation, class, csi_volume, is_provisioned, name, nfs_volume, options, provisioned, volume,
    with, without_options,
};

/// The outcome for an object.
#[derive(Debug, Clone)]
enum Fate {
    /// It is stored with these options.
    Stored(&'static [&'static str]),
    /// It is stored as it was sent.
    AsSent,
    /// It is stored with this annotation.
    Annotated(&'static str),
    /// It is refused for these rules.
    Refused(&'static [&'static str]),
}

struct Case {
    name: &'static str,
    object: Value,
    both: Fate,
    validating: Fate,
}

const FILLED: &[&str] = &["fg", "timeo=600", "retrans=2"];

fn cases() -> Vec<Case> {
    use Fate::{Annotated, AsSent, Refused, Stored};
    const NFS: &str = "nfs.csi.k8s.io";
    let case = |name, object, both, validating| Case { name, object, both, validating };
    vec![
        case(
            "bg_behind_a_comma_in_one_element",
            class("embedded", NFS, &["hard,bg"]),
            Stored(&["hard,fg", "timeo=600", "retrans=2"]),
            Refused(&["NMG001", "NMG003", "NMG004"]),
        ),
        case(
            "bg_with_a_value",
            class("value-one", NFS, &["bg=1", "timeo=600", "retrans=2"]),
            Stored(&["fg", "timeo=600", "retrans=2"]),
            Refused(&["NMG001"]),
        ),
        case(
            "bg_with_a_value_that_says_no",
            class("value-zero", NFS, &["bg=0", "timeo=600", "retrans=2"]),
            Stored(&["fg", "timeo=600", "retrans=2"]),
            Refused(&["NMG001"]),
        ),
        case(
            "bg_with_an_empty_value",
            class("value-empty", NFS, &["bg=", "timeo=600", "retrans=2"]),
            Stored(&["fg", "timeo=600", "retrans=2"]),
            Refused(&["NMG001"]),
        ),
        case(
            "bg_behind_a_doubled_comma",
            class("doubled", NFS, &["nolock,,bg"]),
            Stored(&["nolock,,fg", "timeo=600", "retrans=2"]),
            Refused(&["NMG001", "NMG003", "NMG004"]),
        ),
        case(
            "bg_beside_fg_on_a_volume_that_kubelet_sorts",
            nfs_volume("sorted", &["hard,bg", "fg"]),
            Stored(&["hard,fg", "fg", "timeo=600", "retrans=2"]),
            Refused(&["NMG001", "NMG003", "NMG004"]),
        ),
        case(
            "bg_in_the_annotation",
            annotated(without_options(nfs_volume("annotated", &[])), "bg,hard"),
            Annotated("fg,hard,timeo=600,retrans=2"),
            Refused(&["NMG001", "NMG003", "NMG004"]),
        ),
        case(
            "an_empty_annotation_takes_the_lists_place",
            annotated(nfs_volume("annotated-empty", &["fg", "timeo=600", "retrans=2"]), ""),
            Annotated("fg,timeo=600,retrans=2"),
            Refused(&["NMG002", "NMG003", "NMG004"]),
        ),
        case(
            "bg_in_volume_attributes_beside_a_clean_list",
            with(
                csi_volume("attributes", NFS, FILLED),
                "/spec/csi/volumeAttributes/mountOptions",
                json!("hard,bg"),
            ),
            Refused(&["NMG001"]),
            Refused(&["NMG001"]),
        ),
        case(
            "bg_in_volume_attributes_under_another_spelling_of_the_key",
            with(
                csi_volume("attributes-case", NFS, FILLED),
                "/spec/csi/volumeAttributes/MountOptions",
                json!("bg"),
            ),
            Refused(&["NMG001"]),
            Refused(&["NMG001"]),
        ),
        case(
            "capital_bg_where_the_driver_folds",
            class("folded", "efs.csi.aws.com", &["BG", "tls"]),
            Stored(&["fg", "tls"]),
            Refused(&["NMG001"]),
        ),
        case(
            "capital_bg_where_kubelet_does_not_fold",
            nfs_volume("not-folded", &["BG", "fg", "timeo=600", "retrans=2"]),
            Refused(&["NMG011"]),
            Refused(&["NMG011"]),
        ),
        case(
            "a_blank_before_bg",
            nfs_volume("blank", &[" bg", "fg", "timeo=600", "retrans=2"]),
            Refused(&["NMG009"]),
            Refused(&["NMG009"]),
        ),
        case(
            "no_options_at_all_on_a_volume_of_kubelets",
            without_options(nfs_volume("bare-volume", &[])),
            Stored(FILLED),
            Refused(&["NMG002", "NMG003", "NMG004"]),
        ),
        case(
            "no_options_at_all_on_a_class",
            without_options(class("bare-class", NFS, &[])),
            Stored(FILLED),
            Refused(&["NMG002", "NMG003", "NMG004"]),
        ),
        case(
            "a_provisioners_volume_without_fg_passes_unrepaired",
            provisioned(csi_volume("provisioned", NFS, &["nfsvers=4.1"])),
            Stored(&["nfsvers=4.1", "fg", "timeo=600", "retrans=2"]),
            AsSent,
        ),
        case(
            "a_provisioners_volume_with_a_quote_left_open_does_not",
            provisioned(csi_volume("provisioned-quote", NFS, &["nfsvers=4.1", "context=\"a"])),
            Refused(&["NMG009"]),
            Refused(&["NMG009"]),
        ),
        case(
            "a_provisioners_volume_that_is_mounted_from_elsewhere_does_not",
            provisioned(csi_volume("provisioned-elsewhere", NFS, &["vers=3", "mounthost=10.6.6.6"])),
            Refused(&["NMG019"]),
            Refused(&["NMG019"]),
        ),
        case(
            "a_provisioners_volume_with_bg_does_not",
            provisioned(csi_volume("provisioned-bg", NFS, &["nfsvers=4.1", "bg"])),
            Stored(&["nfsvers=4.1", "fg", "timeo=600", "retrans=2"]),
            Refused(&["NMG001"]),
        ),
        case(
            "a_provisioners_volume_that_cannot_mount_does_not",
            provisioned(csi_volume("provisioned-refused", NFS, &["vers=3", "vers=4.1"])),
            Refused(&["NMG012"]),
            Refused(&["NMG012"]),
        ),
        case(
            "a_block_device_is_untouched",
            class("ebs", "ebs.csi.aws.com", &["noatime", "bg"]),
            AsSent,
            AsSent,
        ),
        case(
            "an_smb_class_is_untouched",
            class("smb", "smb.csi.k8s.io", &["vers=3.0", "bg", "actimeo=30"]),
            AsSent,
            AsSent,
        ),
        case(
            "an_smb_volume_is_untouched",
            csi_volume("smb-volume", "smb.csi.k8s.io", &["dir_mode=0777", "vers=3.0"]),
            AsSent,
            AsSent,
        ),
        case(
            "a_folder_of_the_node_is_untouched",
            without_options(volume("host-path", &[], json!({"hostPath": {"path": "/tmp"}}))),
            AsSent,
            AsSent,
        ),
        case(
            "a_disk_of_the_node_is_untouched_even_with_nfs_words",
            volume(
                "local",
                &["bg", "rsize=32768"],
                json!({
                    "local": {"path": "/mnt/disk"},
                    "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
                        {"key": "kubernetes.io/hostname", "operator": "In", "values": ["n1"]},
                    ]}]}},
                }),
            ),
            AsSent,
            AsSent,
        ),
        case(
            "azure_files_over_nfs",
            with(
                class("azure-nfs", "file.csi.azure.com", &["nconnect=4"]),
                "/parameters",
                json!({"protocol": "nfs"}),
            ),
            Stored(&["nconnect=4", "fg", "timeo=600", "retrans=2"]),
            Refused(&["NMG002", "NMG003", "NMG004"]),
        ),
        case(
            "azure_files_over_smb_is_untouched",
            class("azure-smb", "file.csi.azure.com", &["dir_mode=0777", "actimeo=30"]),
            AsSent,
            AsSent,
        ),
        case(
            "azure_files_with_a_version_beside_the_drivers_own",
            with(
                class(
                    "azure-version",
                    "file.csi.azure.com",
                    &["fg", "timeo=600", "retrans=2", "nfsvers=4.1"],
                ),
                "/parameters",
                json!({"protocol": "nfs"}),
            ),
            Refused(&["NMG012"]),
            Refused(&["NMG012"]),
        ),
        case(
            "bg_in_a_class_parameter_of_filestore",
            with(
                class("filestore", "filestore.csi.storage.gke.io", FILLED),
                "/parameters",
                json!({"mount-options": "hard,bg"}),
            ),
            Refused(&["NMG001"]),
            Refused(&["NMG001"]),
        ),
        case(
            "bg_in_longhorns_nfs_options",
            with(
                without_options(class("longhorn", "driver.longhorn.io", &[])),
                "/parameters",
                json!({"nfsOptions": "vers=4.1,bg"}),
            ),
            Refused(&["NMG001"]),
            Refused(&["NMG001"]),
        ),
        case(
            "an_empty_list_of_alibaba_keeps_the_drivers_own_options",
            without_options(class("alibaba", "nasplugin.csi.alibabacloud.com", &[])),
            Stored(&[
                "nolock", "proto=tcp", "rsize=1048576", "wsize=1048576", "hard", "timeo=600", "retrans=2",
                "noresvport", "fg",
            ]),
            AsSent,
        ),
        case(
            "trident_without_a_clue_is_left_alone",
            without_options(class("trident", "csi.trident.netapp.io", &[])),
            AsSent,
            AsSent,
        ),
        case(
            "an_unknown_driver_with_bg_is_repaired_and_nothing_added",
            class("unknown-bg", "storage.example.com", &["noatime", "bg"]),
            Stored(&["noatime", "fg"]),
            Refused(&["NMG001"]),
        ),
        case(
            "an_unknown_driver_that_might_fold",
            class("unknown-fold", "storage.example.com", &["noatime", " Bg "]),
            Stored(&["noatime", "fg"]),
            Refused(&["NMG001"]),
        ),
        case(
            "an_unknown_driver_without_a_clue_is_left_alone",
            class("unknown", "storage.example.com", &["noatime"]),
            AsSent,
            AsSent,
        ),
        case(
            "a_provisioner_under_a_name_of_ones_own",
            class("subdir", "k8s-sigs.io/nfs-subdir-external-provisioner-b", &["nfsvers=4.1"]),
            Stored(&["nfsvers=4.1", "fg", "timeo=600", "retrans=2"]),
            Refused(&["NMG002", "NMG003", "NMG004"]),
        ),
        case(
            "the_label_opts_out_of_repair_and_not_of_judgement",
            with(
                class("opted-out", NFS, &["bg", "timeo=600", "retrans=2"]),
                "/metadata/labels",
                json!({"nfs-mount-guard.io/mutate": "disabled"}),
            ),
            Refused(&["NMG001"]),
            Refused(&["NMG001"]),
        ),
        case(
            "a_quote_over_elements_of_an_unknown_driver",
            class(
                "quote-unknown",
                "storage.example.com",
                &["fg", "context=\"a", "b\",bg,context=\"c", "d\""],
            ),
            Refused(&["NMG009"]),
            Refused(&["NMG001", "NMG009"]),
        ),
        case(
            "a_backslash_before_a_quote",
            class("backslash", NFS, &["fg", "timeo=600", "retrans=2", "comment=\\\",bg,x-a=\"y\\\"\""]),
            Refused(&["NMG009"]),
            Refused(&["NMG001", "NMG009"]),
        ),
        case(
            "a_backslash_at_the_end_is_followed_by_nothing",
            class("backslash-end", NFS, &["timeo=600", "retrans=2", "comment=a\\"]),
            Refused(&["NMG009"]),
            Refused(&["NMG009"]),
        ),
        case(
            "a_context_with_categories",
            class("categories", NFS, &["fg", "timeo=600", "retrans=2", "context=\"u:object_r:x:s0:c1,c2\""]),
            AsSent,
            AsSent,
        ),
        case(
            "a_good_class_stays_as_it_is",
            class("good", NFS, &["nfsvers=4.1", "hard", "fg", "timeo=600", "retrans=2"]),
            AsSent,
            AsSent,
        ),
        case(
            "a_soft_mount_that_gives_up_early",
            class("soft-early", NFS, &["soft", "timeo=30", "retrans=3", "fg"]),
            Refused(&["NMG006"]),
            Refused(&["NMG006"]),
        ),
        case(
            "nfs_over_udp",
            class("udp", NFS, &["vers=3", "udp", "fg"]),
            Refused(&["NMG013"]),
            Refused(&["NMG013"]),
        ),
        case(
            "sloppy",
            class("sloppy", NFS, &["sloppy", "fg", "timeo=600", "retrans=2"]),
            Refused(&["NMG014"]),
            Refused(&["NMG014"]),
        ),
        case(
            "another_host_answers",
            class(
                "mounthost",
                NFS,
                &["vers=3", "fg", "timeo=600", "retrans=2", "mounthost=evil.example.com"],
            ),
            Refused(&["NMG019"]),
            Refused(&["NMG019"]),
        ),
        case(
            "the_order_decides_on_a_volume_that_kubelet_sorts",
            nfs_volume("ambiguous", &["fg", "soft", "hard", "timeo=600", "retrans=2"]),
            Refused(&["NMG008"]),
            Refused(&["NMG008"]),
        ),
    ]
}

/// One test a case and set of webhooks.
pub fn trials() -> Vec<Trial> {
    let of = |webhooks: Webhooks| {
        cases().into_iter().map(move |case| {
            let (suffix, fate) = match webhooks {
                Webhooks::Both => ("both", case.both),
                _ => ("validating", case.validating),
            };
            super::trial(format!("{suffix}::{}", case.name), move |cluster| {
                cluster.use_webhooks(webhooks);
                let result = check(cluster, &case.object, &fate);
                cluster.delete(&case.object);
                result
            })
        })
    };
    of(Webhooks::Both).chain(of(Webhooks::Validating)).collect()
}

fn check(cluster: &Cluster, object: &Value, fate: &Fate) -> Result<(), Failed> {
    let mut args = vec!["create", "-f", "-"];
    if is_provisioned(object) {
        // A person's word for it would not be believed.
        args.extend(["--as=system:serviceaccount:kube-system:provisioner", "--as-group=system:masters"]);
    }
    let output = cluster.kubectl(&args, &object.to_string());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let stored = cluster.get(object);
    let expect = |is: bool, what: &str| -> Result<(), Failed> {
        if is {
            return Ok(());
        }
        Err(format!("{what}\nobject: {object:#}\nkubectl: {said}\nstored: {stored:#?}").into())
    };
    if let Fate::Refused(codes) = fate {
        expect(stored.is_none(), "it was stored")?;
        let rules = refusals(&said);
        return expect(rules == *codes, &format!("refused for {rules:?}, not for {codes:?}"));
    }
    let Some(stored) = &stored else {
        return Err(format!("it was not stored: {said}").into());
    };
    match fate {
        Fate::Stored(wanted) => {
            expect(options(stored).as_deref().unwrap_or_default() == *wanted, &format!("wanted {wanted:?}"))
        }
        Fate::Annotated(wanted) => {
            expect(annotation(stored) == Some(wanted), &format!("wanted {wanted:?}"))?;
            expect(options(stored) == options(object), "the list was touched")
        }
        _ => expect(
            options(stored).unwrap_or_default() == options(object).unwrap_or_default(),
            &format!("the options of {} were touched", name(object)),
        ),
    }
}

/// The codes of the rules that kubectl prints, each once, in order.
fn refusals(said: &str) -> Vec<&str> {
    let causes = said.lines().filter(|line| !line.starts_with("Warning:"));
    let mut codes: Vec<&str> =
        causes.flat_map(|line| line.match_indices("NMG").map(|(at, _)| &line[at..at + 6])).collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}
