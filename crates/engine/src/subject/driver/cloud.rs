//! Rows of the other cloud providers' file services.

use super::assembly::{Cut, Empty, NoneWord, Step, Versioning};
use super::conf::ConfOf;
use super::evidence::{Evidence, nfs_if};
use super::refusal::{SHELL, Taken, What, exact_setting, refuses};
use super::{
    Case, Driver, HandleText, Inline, Known, ListUse, Nfs, On, PLAIN, Role, Variant, carrier, exact,
};

pub(super) static DRIVERS: &[&Driver] = &[
    &GOOGLE_FILESTORE, &ORACLE_FSS, &IBM_VPC, &IBM_CLASSIC, &DIGITALOCEAN_NFS, &OPENSTACK_MANILA,
    &VOLCENGINE, &CDS, &CRUSOE, &NIFCLOUD,
];

static GOOGLE_FILESTORE: Driver = Driver {
    names: &["filestore.csi.storage.gke.io", "*.filestore.csi.storage.gke.io"],
    title: "Google Filestore CSI driver",
    carriers: &[
        carrier("mount-options", On::Class, Role::Joined),
        exact("mountOptions", On::Volume, Role::Joined),
    ],
    case: Case::Kept,
    server_key: "ip",
    advice: "the class parameter mount-options comes after mountOptions, and nothing checks it",
    nfsmount_conf: ConfOf::Container("mount runs there"),
    known: Known::Measured("v1.13.0-8-g2edb466b"),
    inline: Inline::No,
    source: "gcp-filestore-csi-driver pkg/csi_driver/node.go NodeStageVolume",
    ..PLAIN
};

static ORACLE_FSS: Driver = Driver {
    // The second name is that of the older provisioner, whose `spec.nfs` volumes the kubelet mounts
    // and sorts.
    names: &["fss.csi.oraclecloud.com", "oracle.com/oci-fss"],
    title: "Oracle Cloud File Storage CSI driver",
    case: Case::Kept,
    advice: "with encryptInTransit the mount goes through the closed helper mount.oci-fss, which was not read",
    known: Known::Measured("v1.35.0"),
    inline: Inline::No,
    source: "oci-cloud-controller-manager pkg/csi/driver/fss_node.go NodeStageVolume",
    ..PLAIN
};

static IBM_VPC: Driver = Driver {
    names: &["vpc.file.csi.ibm.io", "vpc-file-pool.csi.ibm.io"],
    // The mount is then made by a service on the node (processMount, MountEITBasedFileShare), whose
    // call has no field for options.
    variants: &[Variant { when: Evidence::Value("isEITEnabled", &["true"]), row: &IBM_VPC_ENCRYPTED }],
    ..IBM_VPC_BASE
};

/// Shares with encryption in transit, mounted by a service that takes no options.
static IBM_VPC_ENCRYPTED: Driver = Driver { list: ListUse::NotUsed, empty: Empty::Hidden, ..IBM_VPC_BASE };

const IBM_VPC_BASE: Driver = Driver {
    title: "IBM Cloud VPC file shares",
    case: Case::Kept,
    advice: "with isEITEnabled the options do not reach the mount",
    known: Known::Read("bb2cfd8"),
    inline: Inline::No,
    source: "ibm-vpc-file-csi-driver pkg/ibmcsidriver/node_helper.go processMount",
    ..PLAIN
};

static IBM_CLASSIC: Driver = Driver {
    names: &["ibm.io/ibmc-file"],
    title: "IBM Cloud classic file storage",
    // The provisioner is closed: its volumes are `spec.nfs`, and are evaluated again when it makes
    // them.
    carriers: &[carrier("mountOptions", On::Class, Role::NotTaken)],
    advice: "IBM documents parameters.mountOptions as the place for nfsvers=; how the closed provisioner joins it with mountOptions is not known",
    known: Known::Documented,
    source: "IBM Cloud docs, Changing the default NFS file storage version",
    ..PLAIN
};

static DIGITALOCEAN_NFS: Driver = Driver {
    names: &["nfs.csi.digitalocean.com"],
    title: "DigitalOcean network file storage",
    known: Known::Documented,
    source: "DigitalOcean documentation of Network File Storage",
    ..PLAIN
};

static OPENSTACK_MANILA: Driver = Driver {
    names: &["nfs.manila.csi.openstack.org", "manila-provisioner"],
    title: "OpenStack Manila for NFS shares",
    case: Case::Kept,
    // The deadline is that of the csi-driver-nfs that it calls, which makes the mount.
    deadline: Some(110),
    advice: "the driver forwards mountOptions to csi-driver-nfs and drops the volume's attributes",
    nfsmount_conf: ConfOf::Container("csi-driver-nfs mounts it in its own"),
    known: Known::Measured("2.36.0-11-gc453fb7c9"),
    inline: Inline::No,
    source: "cloud-provider-openstack pkg/csi/manila/nodeserver.go buildVolumeContext, NodePublishVolume",
    ..PLAIN
};

static VOLCENGINE: Driver = Driver {
    names: &["nas.csi.volcengine.com"],
    title: "Volcengine NAS CSI driver",
    steps: &[
        Step::Version(Versioning {
            default: &[(None, "3")],
            rewrites: &[],
            // doNfsMount replaces a version that it does not know by 3.
            any_other: Some((&["3", "4", "4.0", "4.1", "4.2"], "3")),
            unless_equal: true,
        }),
        Step::List,
    ],
    cut: Cut::Options,
    case: Case::Kept,
    // The word goes to the front of the string, wherever it is in the list.
    takes_out: &["vers"],
    advice: "the driver puts vers=3 first where the list has no vers= or one that it does not know, so nfsvers= or v4.1 makes every mount fail",
    known: Known::Read("6d065f0"),
    source: "volcengine-csi-driver pkg/nas/nodeserver.go, pkg/nas/utils.go doNfsMount",
    ..PLAIN
};

/// The driver looks for four spellings in the text of the whole list, in this
/// order. It runs mount through a shell.
static CDS: Driver = Driver {
    names: &["nas.csi.cds.net"],
    title: "Capital Online NAS CSI driver",
    carriers: &[
        exact("options", On::Both, Role::WhenListEmpty),
        exact("vers", On::Both, Role::Version),
        exact("path", On::Both, Role::Argument),
        exact("server", On::Both, Role::Argument),
    ],
    // The first set is for NFSv3, which needs nolock; parsePublishOptions.
    empty: Empty::DriverDefaultsByCarrier(&["noresvport", "nolock", "tcp"], &["noresvport"]),
    steps: &[
        Step::Version(Versioning {
            default: &[(None, "4.0")],
            // The spellings that the driver itself rewrites (parseMountOptionsField).
            rewrites: &[("3.0", "3"), ("4", "4.0")],
            any_other: None,
            unless_equal: false,
        }),
        Step::List,
        Step::Others,
        Step::Shell,
    ],
    cut: Cut::Options,
    takes_versions: &[
        // It is found first, and then dropped: the version of the attribute counts.
        ("vers=3.0", None),
        ("vers=3", Some("3")),
        ("vers=4.0", Some("4.0")),
        ("vers=4.1", Some("4.1")),
    ],
    // In `mountOptions` the word is an option like any other, and mount.nfs rejects it.
    none_word: Some(NoneWord::OtherCarriers("none")),
    // mountNasVolume joins the handle to the path of a volume that no provisioner made.
    handle: HandleText::Word,
    refuses: &[
        refuses(What::Handle(Taken::Word), SHELL),
        refuses(exact_setting("server", On::Both, Taken::Word), SHELL),
        refuses(exact_setting("path", On::Both, Taken::Word), SHELL),
        refuses(exact_setting("mode", On::Both, Taken::Word), SHELL),
        refuses(
            exact_setting("path", On::Volume, Taken::Like(&["/*", ""])),
            "which takes a path from the root",
        ),
    ],
    advice: "one option in mountOptions, a version left aside, replaces options of the parameters and the driver's defaults; the driver always puts a version first (vers=3, 4.0 or 4.1 of the list, else of vers, else 4.0), so any other version in the list makes every mount fail, and vers=3.0 there is ignored; it runs mount through a shell, unquoted",
    known: Known::Read("34d504e"),
    source: "cds-csi-driver pkg/driver/nas/utils.go parsePublishOptions, parseMountOptionsField, mountNasVolume",
    ..PLAIN
};

static CRUSOE: Driver = Driver {
    names: &["fs.csi.crusoe.ai"],
    title: "Crusoe shared file systems; NFS or virtiofs by a flag of the driver",
    nfs: Nfs::Depends,
    // A flag of the driver decides between NFS and virtiofs, and no object shows the flag.
    clues: &[nfs_if(Evidence::FsType(&["nfs", "nfs4"]))],
    case: Case::Kept,
    advice: "the driver appends its own NFS options after the list, or mounts virtiofs, which takes none of them",
    known: Known::Read("a4710d0"),
    source: "crusoe-csi-driver internal/node/fs/publish_filesystem.go",
    ..PLAIN
};

static NIFCLOUD: Driver = Driver {
    names: &["nas.csi.storage.nifcloud.com", "qumulo.csi.k8s.io"],
    title: "NIFCLOUD NAS and Qumulo CSI drivers",
    case: Case::Kept,
    known: Known::Read("35382f1, 6ad231d4"),
    source: "nifcloud-nas-csi-driver pkg/driver/node.go:165; qumulo csi-driver-qumulo nodeserver.go",
    ..PLAIN
};
