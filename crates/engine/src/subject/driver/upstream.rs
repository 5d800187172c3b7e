//! Rows of what Kubernetes and its SIGs ship, and of their forks.

use super::assembly::{Empty, Step, add};
use super::conf::ConfOf;
use super::evidence::{Deletion, Evidence, maybe_nfs_if, nfs_if, not_nfs_if};
use super::refusal::{Refused, What, refuses};
use super::{Case, Driver, Inline, Known, ListUse, Nfs, On, PLAIN, Role, UnknownParameters, carrier, exact};

/// The kubelet's handling of `spec.nfs`.
pub(super) static IN_TREE_NFS: Driver = Driver {
    names: &["kubernetes.io/nfs"],
    title: "NFS volumes of the kubelet (spec.nfs)",
    // The list becomes a set, which is sorted by bytes and joined:
    // https://github.com/kubernetes/kubernetes/blob/v1.37.2/pkg/volume/util/util.go#L207.
    steps: &[Step::List, Step::ReadOnly(Evidence::ReadOnlySource), Step::Sort],
    case: Case::Kept,
    advice: "the kubelet sorts the list as a set, so the order in which it is written means nothing",
    // mount runs as a child of the kubelet
    // (https://github.com/kubernetes/kubernetes/blob/v1.37.2/pkg/volume/nfs/nfs.go#L226).
    nfsmount_conf: ConfOf::Node("the kubelet mounts it"),
    known: Known::Measured("v1.37.2"),
    source: "kubernetes pkg/volume/nfs/nfs.go SetUpAt, pkg/volume/util JoinMountOptions, MountOptionFromSpec",
    ..PLAIN
};

pub(super) static DRIVERS: &[&Driver] = &[
    &IN_TREE_NFS, &NFS_CSI, &NFS_SUBDIR, &NFS_GANESHA, &EFS_PROVISIONER, &CEPH_NFS, &ROOK_NFS, &LONGHORN,
    &OPENEBS_NFS, &DEMOCRATIC, &HARVESTER, &LINSTOR,
];

/// Steps of provisioners that make `spec.nfs` volumes.
const SORTED: &[Step] = &[Step::List, Step::Others, Step::Sort];

pub(super) static NFS_CSI: Driver = Driver {
    names: &["nfs.csi.k8s.io", "nfs*.csi.k8s.io"],
    title: "csi-driver-nfs, also under a custom name",
    carriers: &[
        carrier("mountOptions", On::Volume, Role::Joined),
        // CreateVolume answers "invalid parameter", so nothing is provisioned:
        // https://github.com/kubernetes-csi/csi-driver-nfs/blob/d3b27c00743a5317325107c1d2fb8fd4cf057a16/pkg/nfs/controllerserver.go#L154
        carrier("mountOptions", On::Class, Role::NotTaken),
    ],
    steps: &[Step::List, Step::ReadOnly(Evidence::ReadOnlySource), Step::Others],
    case: Case::Kept,
    // mountTimeoutInSec, 10 s less than the 2 min of the kubelet's call:
    // https://github.com/kubernetes-csi/csi-driver-nfs/blob/d3b27c00743a5317325107c1d2fb8fd4cf057a16/pkg/nfs/nodeserver.go#L37
    // https://github.com/kubernetes/kubernetes/blob/v1.37.2/pkg/volume/csi/csi_plugin.go#L56
    deadline: Some(110),
    // DeleteVolume mounts the share to remove the directory, unless that is retained:
    // https://github.com/kubernetes-csi/csi-driver-nfs/blob/d3b27c00743a5317325107c1d2fb8fd4cf057a16/pkg/nfs/controllerserver.go#L237
    deletion: Some(Deletion { keeps: Evidence::Value("onDelete", &["retain"]) }),
    unknown_parameters: UnknownParameters::Refused,
    // NodePublishVolume drops an attribute that it has no case for; onDelete is the controller's.
    attributes: &[
        "server",
        "share",
        "subDir",
        "mountOptions",
        "mountPermissions",
        "onDelete",
        "uid",
        "gid",
        "csi.storage.k8s.io/pvc/namespace",
        "csi.storage.k8s.io/pvc/name",
        "csi.storage.k8s.io/pv/name",
        "storage.kubernetes.io/csiProvisionerIdentity",
    ],
    advice: "volumeAttributes.mountOptions comes last and wins; the driver refuses a class parameter of that name",
    nfsmount_conf: ConfOf::Container(
        "unless feature.propagateHostMountOptions of its chart mounts that of the node (csi-driver-nfs#521)",
    ),
    known: Known::Measured("v4.13.0-349-gd3b27c00"),
    inline: Inline::IfEnabled("feature.enableInlineVolume"),
    source: "csi-driver-nfs pkg/nfs/nodeserver.go NodePublishVolume, controllerserver.go CreateVolume",
    ..PLAIN
};

static NFS_SUBDIR: Driver = Driver {
    names: &[
        "k8s-sigs.io/nfs-subdir-external-provisioner*",
        "cluster.local/*nfs-subdir-external-provisioner*",
        "cluster.local/*nfs-client-provisioner*",
        "fuseim.pri/ifs",
    ],
    title: "nfs-subdir-external-provisioner",
    steps: SORTED,
    case: Case::Kept,
    advice: "it makes spec.nfs volumes, whose options the kubelet sorts",
    nfsmount_conf: ConfOf::Node("the kubelet mounts it"),
    known: Known::Measured("4.0.18-11-g59a3ca2"),
    source: "nfs-subdir-external-provisioner cmd/nfs-subdir-external-provisioner/provisioner.go Provision",
    ..PLAIN
};

static NFS_GANESHA: Driver = Driver {
    names: &["example.com/nfs", "cluster.local/*nfs-server-provisioner*", "cluster.local/*nfs-ganesha*"],
    title: "nfs-ganesha-server-and-external-provisioner",
    carriers: &[carrier("mountOptions", On::Class, Role::AnnotationWhenListEmpty)],
    steps: SORTED,
    case: Case::Kept,
    // Provision compares MountOptions with nil: a list of one empty element is not empty.
    emptiness: super::assembly::Emptiness::NoElement,
    advice: "the class parameter mountOptions becomes the volume's legacy annotation, and only while the class has no mountOptions; use the class's own mountOptions",
    nfsmount_conf: ConfOf::Node("the kubelet mounts it"),
    known: Known::Measured("1.8.0-4-g7027d65"),
    source: "nfs-ganesha-server-and-external-provisioner pkg/volume/provision.go Provision",
    ..PLAIN
};

static EFS_PROVISIONER: Driver = Driver {
    names: &["example.com/aws-efs", "openshift.org/aws-efs"],
    title: "the retired efs-provisioner",
    steps: SORTED,
    case: Case::Kept,
    // The provisioner writes them into the volume only if the class has no list.
    empty: Empty::DriverDefaults(&["vers=4.1"]),
    advice: "a class's own list replaces vers=4.1",
    nfsmount_conf: ConfOf::Node("the kubelet mounts it"),
    known: Known::Read("201f40d78"),
    source: "external-storage aws/efs/cmd/efs-provisioner/efs-provisioner.go:162",
    ..PLAIN
};

static CEPH_NFS: Driver = Driver {
    names: &["nfs.csi.ceph.com", "*.nfs.csi.ceph.com"],
    title: "Ceph CSI for NFS, also under Rook",
    case: Case::Kept,
    // With netNamespaceFilePath the elements become arguments of their own (`mount -o fg
    // timeo=600`), which mount(8) answers with "bad usage".
    one_element: true,
    advice: "where the cluster sets netNamespaceFilePath (Rook with multus or holder Pods), only a list of one element can be mounted: write all options into it, separated by commas",
    nfsmount_conf: ConfOf::Container("mount runs there"),
    known: Known::Measured("52fcb7b00"),
    inline: Inline::No,
    source: "ceph-csi internal/nfs/nodeserver/nodeserver.go mountNFS",
    ..PLAIN
};

static ROOK_NFS: Driver = Driver {
    names: &["nfs.rook.io/*"],
    title: "the retired Rook NFS operator",
    steps: SORTED,
    case: Case::Kept,
    advice: "it makes spec.nfs volumes, whose options the kubelet sorts",
    nfsmount_conf: ConfOf::Node("the kubelet mounts it"),
    known: Known::Documented,
    source: "rook/nfs documentation",
    ..PLAIN
};

const SHARED: &[&str] = &["ReadWriteMany", "ReadOnlyMany"];

/// Longhorn reads its own record of the volume; access modes are what that
/// record comes from, in any order: its controller gets all of a claim's, and one of several nodes makes
/// the volume a shared one for every node (`CreateVolume`, `requiresSharedAccess`). A volume with `nfsOptions` is evaluated in any case: the
/// node takes them from the attributes.
static LONGHORN: Driver = Driver {
    names: &["driver.longhorn.io"],
    title: "Longhorn; its ReadWriteMany and ReadOnlyMany volumes are NFS",
    nfs: Nfs::Depends,
    clues: &[
        not_nfs_if(Evidence::BlockMode),
        // Such a volume is a block device on two nodes during a migration, also with ReadWriteMany.
        maybe_nfs_if(Evidence::Value("migratable", &["true"])),
        nfs_if(Evidence::AccessMode("ReadWriteMany")),
        nfs_if(Evidence::AccessMode("ReadOnlyMany")),
        maybe_nfs_if(Evidence::Key("nfsOptions")),
        not_nfs_if(Evidence::NoAccessMode(SHARED)),
    ],
    // They replace the defaults as a whole, without a check (nodeStageSharedVolume).
    carriers: &[exact("nfsOptions", On::Both, Role::Sole)],
    list: ListUse::NotUsed,
    case: Case::Kept,
    empty: Empty::DriverDefaults(&["vers=4.1", "noresvport", "timeo=600", "retrans=5", "softerr"]),
    advice: "nfsOptions replaces all of the driver's own options (vers=4.1,noresvport,timeo=600,retrans=5,softerr), and nothing checks it",
    nfsmount_conf: ConfOf::Node(
        "mount runs in the mount namespace of the node (longhorn-manager package/nsmounter)",
    ),
    known: Known::Measured("v1.13.0-dev-20260712-168-g5ddaa369f"),
    inline: Inline::No,
    source: "longhorn-manager csi/node_server.go nodeStageSharedVolume, csi/util.go requiresSharedAccess",
    ..PLAIN
};

static OPENEBS_NFS: Driver = Driver {
    names: &["openebs.io/nfsrwx"],
    title: "OpenEBS dynamic NFS provisioner",
    steps: SORTED,
    case: Case::Kept,
    advice: "it makes spec.nfs volumes with the class's mountOptions, whose options the kubelet sorts",
    nfsmount_conf: ConfOf::Node("the kubelet mounts it"),
    known: Known::Read("077394c"),
    source: "dynamic-nfs-provisioner provisioner/provisioner_kernel_nfs_server.go",
    ..PLAIN
};

/// Devices, directories of the node, and clients of their own.
const ATTACHED: &[&str] = &["iscsi", "nvmeof", "hostpath", "objectivefs", "oneclient"];

static DEMOCRATIC: Driver = Driver {
    names: &["org.democratic-csi.*"],
    title: "democratic-csi; the name is the administrator's choice",
    nfs: Nfs::Depends,
    clues: &[
        // A node reads the key of a volume, in this spelling; of a class nothing does.
        nfs_if(Evidence::ExactAttribute("node_attach_driver", &["nfs"])),
        // The type that the volume requests goes to mount -t, for Lustre, SMB and datasets as for NFS.
        maybe_nfs_if(Evidence::All(&[
            Evidence::Attribute("node_attach_driver", &["*"]),
            Evidence::FsType(&["*nfs*", "auto", "*,*"]),
        ])),
        not_nfs_if(Evidence::ExactAttribute("node_attach_driver", ATTACHED)),
        maybe_nfs_if(Evidence::Attribute("node_attach_driver", &["*"])),
        nfs_if(Evidence::FsType(&["nfs", "nfs4"])),
        not_nfs_if(Evidence::FsTypeOfClass(&["cifs", "ext3", "ext4", "xfs", "btrfs"])),
    ],
    steps: &[Step::List, Step::Others, add("defaults")],
    case: Case::Kept,
    refuses: &[Refused {
        when: Some(Evidence::All(&[
            Evidence::Value("node_attach_driver", &["nfs"]),
            Evidence::Value("provisioner_driver", &["node-manual"]),
        ])),
        ..refuses(What::FsTypeOtherThan(&["nfs", ""]), "which takes nfs there")
    }],
    advice: "options may also come from the driver's configuration (node.mount.mount_flags) and the node-stage Secret (mount_flags), which are not seen here",
    known: Known::Measured("v1.9.4-10-g8a4a28a"),
    source: "democratic-csi src/driver/index.js NodeStageVolume",
    ..PLAIN
};

static HARVESTER: Driver = Driver {
    names: &["driver.harvesterhci.io"],
    title: "Harvester CSI driver; its ReadWriteMany volumes are NFS",
    nfs: Nfs::Depends,
    clues: &[
        not_nfs_if(Evidence::BlockMode),
        maybe_nfs_if(Evidence::AccessMode("ReadWriteMany")),
        not_nfs_if(Evidence::NoAccessMode(SHARED)),
    ],
    list: ListUse::NotUsed,
    case: Case::Kept,
    empty: Empty::Hidden,
    advice: "mountOptions do not reach the NFS mount; the options come from the NetworkFilesystem object (status.mountOpts)",
    nfsmount_conf: ConfOf::Node("mount runs in the mount namespace of the node"),
    known: Known::Read("97b6c358"),
    source: "harvester-csi-driver pkg/csi/node_server.go nodeStageRWXVolume",
    ..PLAIN
};

static LINSTOR: Driver = Driver {
    names: &["linstor.csi.linbit.com"],
    title: "LINSTOR; its ReadWriteMany volumes may be NFS (--enable-rwx)",
    nfs: Nfs::Depends,
    clues: &[
        nfs_if(Evidence::Key("linstor.csi.linbit.com/nfs-export")),
        not_nfs_if(Evidence::BlockMode),
        not_nfs_if(Evidence::NoAccessMode(SHARED)),
    ],
    variants: &[super::Variant {
        when: Evidence::Key("linstor.csi.linbit.com/nfs-export"),
        row: &LINSTOR_NFS,
    }],
    ..LINSTOR_BASE
};

static LINSTOR_NFS: Driver =
    // The port of the exported volume is appended as well (`port=`), and is not visible here.
    Driver { steps: &[Step::Others, add("_netdev"), Step::List, add("vers=4")], ..LINSTOR_BASE };

const LINSTOR_BASE: Driver = Driver {
    title: "LINSTOR; its ReadWriteMany volumes may be NFS (--enable-rwx)",
    carriers: &[
        carrier("linstor.csi.linbit.com/mountOpts", On::Class, Role::Joined),
        carrier("mountOpts", On::Class, Role::Joined),
        carrier("linstor.csi.linbit.com/mount-options", On::Volume, Role::Joined),
    ],
    steps: &[Step::Others, add("_netdev"), Step::List],
    case: Case::Kept,
    advice: "mountOptions come after the options of the attributes and win; an NFS mount ends in port=,vers=4 of the driver's own: an additional version makes every mount fail",
    known: Known::Read("44aa98a"),
    inline: Inline::No,
    source: "linstor-csi pkg/driver/volume_context.go, pkg/client/linstor.go Mount",
    ..PLAIN
};
