//! Rows of the other storage vendors' drivers.

use super::assembly::{Addition, Cut, Emptiness, Empty, Step, Unless, When, add, add_unless};
use super::conf::ConfOf;
use super::evidence::{Evidence, maybe_nfs_if, nfs_if, not_nfs_if};
use super::refusal::{Refused, Taken, What, exact_setting, refuses};
use super::{
    CarrierKey, Case, Driver, Inline, Known, ListUse, Nfs, On, PLAIN, Role, UnknownParameters, Variant,
    carrier, exact,
};

pub(super) static DRIVERS: &[&Driver] = &[
    &QCFS, &HPE, &SYNOLOGY, &TRUENAS, &TNS, &PURE, &PORTWORX, &NUTANIX, &VSPHERE, &VAST, &INFINIDAT,
    &NEXENTA, &HAMMERSPACE, &ZADARA, &WEKA,
];

static QCFS: Driver = Driver {
    names: &["csi-qcfsplugin"],
    title: "QCFS, the file system of the incident this tool comes from",
    advice: "its class carried bg, and Pods wrote to the node's local disk",
    known: Known::Unknown,
    source: "the incident's StorageClass",
    ..PLAIN
};

/// Block volumes; files through an NFS server of the driver's own
/// (`nfsResources`) or of an array (`accessProtocol: nfs`).
static HPE: Driver = Driver {
    names: &["csi.hpe.com"],
    nfs: Nfs::Depends,
    clues: &[
        // Looked at before accessProtocol: the array may be a block array under the NFS server.
        nfs_if(Evidence::Value("nfsResources", &["true"])),
        nfs_if(Evidence::Value("accessProtocol", &["nfs"])),
        not_nfs_if(Evidence::BlockMode),
        // An annotation of the claim may set these then.
        maybe_nfs_if(Evidence::Parameter("allowOverrides", &["*nfsResources*", "*accessProtocol*"])),
        // Neither controller nor node sees another spelling of the key (IsFileRequest).
        not_nfs_if(Evidence::Exact("accessProtocol", &["*"])),
    ],
    variants: &[Variant { when: Evidence::Value("nfsResources", &["true"]), row: &HPE_NFS_SERVER }],
    ..HPE_BASE
};

static HPE_NFS_SERVER: Driver = Driver {
    title: "HPE CSI driver with an NFS server of its own",
    // An empty text is taken as well: it replaces the defaults by nothing (HandleNFSNodePublish).
    carriers: &[exact("nfsMountOptions", On::Both, Role::SoleEvenEmpty)],
    list: ListUse::NotUsed,
    empty: Empty::DriverDefaults(&["nolock", "vers=4"]),
    advice: "nfsMountOptions replaces nolock,vers=4, and mountOptions are not used; the driver appends addr= with the address of its NFS service; nolock does nothing with NFSv4",
    known: Known::Measured("v3.2.0-20-g94c8cd10"),
    source: "hpe-storage csi-driver pkg/flavor/kubernetes/nfs.go HandleNFSNodePublish",
    ..HPE_BASE
};

const HPE_BASE: Driver = Driver {
    title: "HPE CSI driver; NFS with nfsResources or accessProtocol: nfs",
    case: Case::Kept,
    advises_local_locks: true,
    advice: "the driver appends addr= with the server's address",
    known: Known::Read("94c8cd10"),
    source: "hpe-storage csi-driver pkg/driver/node_server.go, pkg/flavor/kubernetes/file.go HandleFileNodePublish",
    ..PLAIN
};

static SYNOLOGY: Driver = Driver {
    names: &["csi.san.synology.com"],
    title: "Synology CSI driver; NFS, SMB or iSCSI",
    nfs: Nfs::Depends,
    clues: &[
        nfs_if(Evidence::Value("protocol", &["nfs"])),
        not_nfs_if(Evidence::Value("protocol", &["*"])),
        not_nfs_if(Evidence::NoKey("protocol")),
    ],
    case: Case::Kept,
    refuses: &[refuses(
        What::ValueOtherThan(&["nfsvers"], &["3", "4", "4.0", "4.1"]),
        "which takes nfsvers 3, 4, 4.0 and 4.1",
    )],
    advice: "nfsvers must be one of 3, 4, 4.0, 4.1",
    known: Known::Measured("v1.2.1-7-g2807900"),
    inline: Inline::No,
    source: "synology-csi pkg/driver/nodeserver.go NodePublishVolume, driver.go:34",
    ..PLAIN
};

static TRUENAS: Driver = Driver {
    names: &["csi.truenas.io"],
    title: "TrueNAS CSI driver; NFS or block",
    clues: &[
        not_nfs_if(Evidence::BlockMode),
        nfs_if(Evidence::Value("protocol", &["nfs"])),
        // Without the parameter in this spelling the driver chooses NFS (GetProtocolFromParameters).
        not_nfs_if(Evidence::ExactParameter("protocol", &["iscsi"])),
        // By what the controller publishes: getHandler, https://github.com/truenas/truenas-csi/blob/fcb57bc6eaa0ee4b51ad650c007d17f7616bd2e6/pkg/driver/node.go
        maybe_nfs_if(Evidence::Value("protocol", &["*"])),
    ],
    carriers: &[carrier("nfs.mountOptions", On::Both, Role::WhenListEmpty)],
    case: Case::Kept,
    empty: Empty::DriverDefaults(&["hard"]),
    emptiness: Emptiness::NoElement,
    advice: "nfs.mountOptions counts only while mountOptions is empty; without either the driver mounts with hard",
    known: Known::Read("fcb57bc"),
    inline: Inline::Broken(
        "the driver wants the protocol of the publish context, which an inline volume has not",
    ),
    source: "truenas-csi pkg/driver/nfs.go NFSHandler.Publish",
    ..PLAIN
};

static TNS: Driver = Driver {
    names: &["tns.csi.io"],
    title: "TNS CSI driver for TrueNAS; NFS, SMB or block",
    nfs: Nfs::Depends,
    clues: &[
        not_nfs_if(Evidence::BlockMode),
        nfs_if(Evidence::Value("protocol", &["nfs"])),
        // An empty value and another spelling of the key mean NFS, and other values are refused
        // (getProtocolFromVolumeContext, createVolumeByProtocol).
        not_nfs_if(Evidence::Exact("protocol", &["iscsi", "nvmeof", "smb"])),
    ],
    steps: &[
        Step::List,
        // By the text before `=`: nfsvers is another key, and mount.nfs then gets two versions.
        add_unless("vers=4.2", Unless::Key("vers")),
        add_unless("nolock", Unless::Key("nolock")),
    ],
    case: Case::Kept,
    deadline: Some(30),
    advice: "the driver adds vers=4.2 and nolock unless the same keyword is there, so nfsvers= makes every mount fail: write vers=",
    known: Known::Read("b51ffdb"),
    inline: Inline::No,
    source: "tns-csi pkg/driver/node_nfs_linux.go getNFSMountOptions",
    ..PLAIN
};

static PURE: Driver = Driver {
    names: &["pure-csi"],
    title: "Pure Storage; FlashBlade is NFS, FlashArray block",
    nfs: Nfs::Depends,
    clues: &[
        not_nfs_if(Evidence::BlockMode),
        nfs_if(Evidence::Value("backend", &["file", "pure_file"])),
        not_nfs_if(Evidence::ExactParameter("backend", &["block", "pure_block"])),
        // The source is closed: a node may go by something else than the attributes.
        maybe_nfs_if(Evidence::Value("backend", &["block", "pure_block"])),
        nfs_if(Evidence::Key("pure_nfs_endpoint")),
        nfs_if(Evidence::Key("pure_nfs_policy")),
        nfs_if(Evidence::Key("pure_export_rules")),
    ],
    known: Known::Documented,
    source: "Pure Service Orchestrator documentation",
    ..PLAIN
};

static PORTWORX: Driver = Driver {
    names: &["pxd.portworx.com", "kubernetes.io/portworx-volume"],
    title: "Portworx; NFS with sharedv4 or a FlashBlade",
    nfs: Nfs::Depends,
    clues: &[
        not_nfs_if(Evidence::BlockMode),
        nfs_if(Evidence::Value("backend", &["pure_file", "pure_fa_file"])),
        maybe_nfs_if(Evidence::Key("sharedv4")),
        maybe_nfs_if(Evidence::Key("sharedv4_mount_options")),
        // Of a volume the driver reads its own record, which the attributes of the object do not change.
        not_nfs_if(Evidence::ExactParameter("backend", &["pure_block"])),
    ],
    // An inline volume is specified by its attributes: NodePublishVolume, https://github.com/libopenstorage/openstorage/blob/033255168c219510ec41af08217842bcf690801b/csi/node.go
    carriers: &[CarrierKey {
        when: Some(Evidence::Value("sharedv4", &["true"])),
        ..exact("sharedv4_mount_options", On::Inline, Role::Joined)
    }],
    advice: "sharedv4 volumes are NFS and take their options from sharedv4_mount_options",
    known: Known::Documented,
    source: "Portworx documentation of sharedv4; openstorage api/spec/spec_handler.go, csi/node.go",
    ..PLAIN
};

static NUTANIX: Driver = Driver {
    names: &["csi.nutanix.com", "com.nutanix.csi"],
    title: "Nutanix CSI driver; Files is NFS, Volumes is block",
    nfs: Nfs::Depends,
    clues: &[
        not_nfs_if(Evidence::BlockMode),
        nfs_if(Evidence::Value("storageType", &["NutanixFiles"])),
        not_nfs_if(Evidence::ExactParameter("storageType", &["NutanixVolumes"])),
    ],
    known: Known::Documented,
    source: "Nutanix CSI documentation",
    ..PLAIN
};

/// The access mode that a node gets decides (`IsFileVolumeRequest`), which is the first one; a class with
/// a disk's type may get file volumes all the same.
static VSPHERE: Driver = Driver {
    // The kubelet hands volumes of its own plugin to the driver, with path, type, modes and list
    // (TranslateInTreePVToCSI, https://github.com/kubernetes/kubernetes/blob/v1.37.2/staging/src/k8s.io/csi-translation-lib/plugins/vsphere_volume.go).
    names: &["csi.vsphere.vmware.com", "kubernetes.io/vsphere-volume"],
    title: "vSphere CSI driver; file volumes are NFS",
    nfs: Nfs::Depends,
    clues: &[
        not_nfs_if(Evidence::BlockMode),
        nfs_if(Evidence::FsType(&["nfs", "nfs4"])),
        nfs_if(Evidence::Value("type", &["vSphere CNS File Volume"])),
        // A node does not read the type, and a disk of that mode is mounted as a file volume, or not at all.
        maybe_nfs_if(Evidence::All(&[
            Evidence::Value("type", &["vSphere CNS Block Volume"]),
            Evidence::Any(&[VSPHERE_WRITTEN_BY_ALL, VSPHERE_READ_BY_ALL]),
        ])),
        nfs_if(VSPHERE_WRITTEN_BY_ALL),
        nfs_if(VSPHERE_READ_BY_ALL),
        // A PersistentVolume shows its modes; a class shows none, so this says nothing of a class.
        not_nfs_if(Evidence::Any(&[
            Evidence::FirstAccessMode("ReadWriteOnce"),
            Evidence::FirstAccessMode("ReadWriteOncePod"),
        ])),
        not_nfs_if(Evidence::FsTypeOfClass(&["xfs", "ntfs"])),
    ],
    steps: &[
        Step::List,
        // Four elements, not one: KeepFirstOfEqual drops each that the list has already.
        add("hard"),
        add("sec=sys"),
        add("vers=4"),
        add("minorversion=1"),
        Step::KeepFirstOfEqual,
    ],
    case: Case::Kept,
    refuses: &[
        Refused {
            when: Some(VSPHERE_WRITTEN_BY_ALL),
            ..refuses(What::FsTypeOtherThan(FILE_TYPES), FILE_TYPES_ONLY)
        },
        Refused {
            when: Some(VSPHERE_READ_BY_ALL),
            ..refuses(What::FsTypeOtherThan(FILE_TYPES), FILE_TYPES_ONLY)
        },
    ],
    advice: "the driver appends hard,sec=sys,vers=4,minorversion=1: soft loses, sec=krb5p gets an additional sec=sys, and another version makes every mount fail",
    // ParseStorageClassParams, https://github.com/kubernetes-sigs/vsphere-csi-driver/blob/bf80902567175f298195110dee2abdd4d90f9863/pkg/csi/service/common/util.go
    unknown_parameters: UnknownParameters::Refused,
    known: Known::Measured("bf8090256"),
    source: "vsphere-csi-driver pkg/csi/service/osutils/linux_os_utils.go PublishFileVolume; common/util.go IsFileVolumeRequest",
    ..PLAIN
};

const VSPHERE_WRITTEN_BY_ALL: Evidence = Evidence::FirstAccessMode("ReadWriteMany");
const VSPHERE_READ_BY_ALL: Evidence = Evidence::FirstAccessMode("ReadOnlyMany");

/// A default `ext4` of the provisioner's is taken for nothing.
const FILE_TYPES: &[&str] = &["nfs", "nfs4", "ext4", ""];
const FILE_TYPES_ONLY: &str = "which takes nfs and nfs4 there";

static VAST: Driver = Driver {
    names: &["csi.vastdata.com"],
    title: "VAST Data CSI driver",
    carriers: &[carrier("mount_options", On::Both, Role::WhenListEmpty)],
    // ` bg` in a list is bg: https://github.com/vast-data/vast-csi/blob/268bab188ed249bee5f6ebec0b054d6c8d5c1e2e/vast_csi/server.py strips each option.
    steps: &[Step::ReadOnly(Evidence::ReadOnlySource), Step::List, Step::Others, Step::Trim],
    cut: Cut::Options,
    emptiness: Emptiness::NoElement,
    advice: "the attribute mount_options counts only while mountOptions is empty, and its order is not kept; the driver trims every option",
    nfsmount_conf: ConfOf::Shared("node.propagateHostMountOptions of its chart, which is true by default"),
    more_connections: true,
    known: Known::Measured("v2.4.2"),
    inline: Inline::Shipped,
    source: "vast-csi vast_csi/server.py NodePublishVolume",
    ..PLAIN
};

static INFINIDAT: Driver = Driver {
    names: &["infinibox-csi-driver"],
    title: "Infinidat InfiniBox CSI driver; NFS or block",
    nfs: Nfs::Depends,
    clues: &[
        not_nfs_if(Evidence::BlockMode),
        // A node goes by the handle (NewStorageNode).
        nfs_if(Evidence::VolumeHandle("*$$nfs*")),
        // The driver trims the value.
        nfs_if(Evidence::Value("storage_protocol", &["nfs", "nfs_treeq"])),
        maybe_nfs_if(Evidence::Value("storage_protocol", &["*nfs*"])),
        // The node reads the attribute in this spelling, and trims it (NewStorageNode).
        not_nfs_if(Evidence::Exact("storage_protocol", &["*"])),
    ],
    steps: &[
        Step::List,
        // Compared as whole elements: `hard,vers=3` in one element gets a second version.
        add_unless("vers=3", Unless::Element(&["vers=3", "nfsvers=3"])),
        add_unless("hard", Unless::Element(&["hard", "soft"])),
        Step::ReadOnly(Evidence::FirstAccessMode("ReadOnlyMany")),
    ],
    case: Case::Kept,
    empty: Empty::DriverDefaults(&["vers=3", "tcp", "rsize=262144", "wsize=262144"]),
    emptiness: Emptiness::NoElement,
    refuses: &[refuses(
        What::ValueOtherThan(&["vers", "nfsvers", "mountvers"], &["3"]),
        "which takes NFSv3 only",
    )],
    advice: "a list replaces vers=3,tcp,rsize=262144,wsize=262144; the driver adds vers=3 and hard unless they are there, and refuses any version but 3",
    known: Known::Measured("v2.16.1"),
    inline: Inline::No,
    source: "infinibox-csi-driver iboxapi/storage/storagehelper.go GetNFSMountOptions, updateNfsMountOptions",
    ..PLAIN
};

static NEXENTA: Driver = Driver {
    names: &["nexentastor-csi-driver.nexenta.com"],
    title: "NexentaStor CSI driver; NFS or SMB",
    // Without the attribute in this spelling the configuration decides, then NFS.
    clues: &[not_nfs_if(Evidence::Exact("mountFsType", &["cifs"]))],
    carriers: &[exact("mountOptions", On::Both, Role::WhenListEmpty)],
    steps: &[
        Step::List,
        Step::Others,
        add_unless("vers=3", Unless::Prefix("vers=")),
        Step::Add(Addition {
            options: "nolock",
            // A mistake of the driver: it looks for an element that is longer than `nolock`, so
            // nolock itself is added a second time.
            unless: Unless::Longer("nolock"),
            when: When::Holds("vers=3"),
        }),
        // 10 s, a sixth of the kernel's own value over TCP.
        add_unless("timeo=100", Unless::Prefix("timeo=")),
    ],
    // parameters.mountOptions is split at commas, an element of the list is not.
    cut: Cut::ElementsOfList,
    refuses: &[refuses(
        exact_setting("mountFsType", On::Both, Taken::Like(&["nfs", "cifs", ""])),
        "which takes nfs and cifs",
    )],
    case: Case::Kept,
    empty: Empty::Hidden,
    emptiness: Emptiness::NoElement,
    advice: "nfsvers= gets an additional vers=3, which makes every mount fail: write vers=; parameters.mountOptions counts only while mountOptions is empty, then the driver's configuration; the driver adds vers=3, nolock and timeo=100 where they are not given",
    known: Known::Read("32e6c89"),
    source: "nexentastor-csi-driver pkg/driver/nodeServer.go NodePublishVolume, mountNFS",
    ..PLAIN
};

/// Volumes on a backing share, directories of it or files in it, are mounted with
/// the list; shares of their own without. `fsType` says which, and counts as
/// `nfs` where there is none.
static HAMMERSPACE: Driver = Driver {
    names: &["com.hammerspace.csi"],
    clues: &[
        not_nfs_if(Evidence::BlockMode),
        nfs_if(Evidence::FsType(&["nfs"])),
        maybe_nfs_if(Evidence::FsType(&["*"])),
    ],
    variants: &[Variant { when: HAMMERSPACE_OWN_SHARE, row: &HAMMERSPACE_SHARE }],
    ..HAMMERSPACE_BASE
};

const HAMMERSPACE_OWN_SHARE: Evidence = Evidence::All(&[
    Evidence::Not(&Evidence::Text("mountBackingShareName")),
    Evidence::Any(&[Evidence::Not(&Evidence::FsType(&["*"])), Evidence::FsType(&["nfs", ""])]),
]);

/// The root of all shares is mounted once, without options of the user's.
static HAMMERSPACE_SHARE: Driver = Driver {
    title: "Hammerspace CSI driver, a share of its own for each volume",
    carriers: &[],
    list: ListUse::NotUsed,
    steps: &[add("nfsvers=4.2")],
    advice: "without mountBackingShareName no option reaches the mount, which has nfsvers=4.2, then nfsvers=3,nolock",
    source: "hammerspace csi-plugin pkg/driver/node.go NodePublishVolume, utils.go EnsureRootExportMounted",
    ..HAMMERSPACE_BASE
};

const HAMMERSPACE_BASE: Driver = Driver {
    title: "Hammerspace CSI driver; directories or files on a backing share",
    // The controller mounts the backing share with them, to make the directory of a volume.
    carriers: &[exact("clientMountOptions", On::Class, Role::Apart)],
    steps: &[
        Step::List,
        // The driver tries the list as it is first; what follows is its next try.
        Step::RetryWithout("nfsvers="),
        add_unless("nfsvers=4.2", Unless::Prefix("nfsvers=")),
    ],
    case: Case::Kept,
    refuses: &[refuses(
        exact_setting("clientMountOptions", On::Class, Taken::NoVersionBut("nfsvers=")),
        "because the driver adds nfsvers=; write the version as nfsvers= too",
    )],
    advice: "the driver looks for an element that begins with nfsvers= and tries it; else, or after a failure, it adds nfsvers=4.2, then nfsvers=3,nolock, so any other word for the version makes every mount fail; clientMountOptions are for a mount of the controller's own",
    known: Known::Read("d4ecb49"),
    source: "hammerspace csi-plugin pkg/driver/utils.go MountShareAtBestDataportal, node.go NodePublishVolume, controller.go parseVolParams",
    ..PLAIN
};

static ZADARA: Driver = Driver {
    names: &["csi.zadara.com"],
    title: "Zadara CSI driver; NAS or block",
    nfs: Nfs::Depends,
    clues: &[not_nfs_if(Evidence::BlockMode)],
    known: Known::Documented,
    source: "zadara-csi docs/configuring_storage.md",
    ..PLAIN
};

static WEKA: Driver = Driver {
    names: &["csi.weka.io"],
    title: "Weka CSI driver; its own file system, or NFS by flags of the driver",
    nfs: Nfs::Depends,
    case: Case::Kept,
    carriers: &[carrier("mountOptions", On::Both, Role::Joined)],
    empty: Empty::Hidden,
    advice: "with --usenfs or --allownfsfailback the driver mounts NFS, and parameters.mountOptions reach that mount",
    known: Known::Read("csi-wekafs main"),
    inline: Inline::No,
    source: "csi-wekafs pkg/wekafs/nfsmount.go doMount",
    ..PLAIN
};
