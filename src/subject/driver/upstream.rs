//! Rows of what Kubernetes and its SIGs ship, and of their forks.

use super::{
    CarrierKey, Case, Driver, Evidence, Join, MountOptionsUse, Nfs, On, PLAIN, Role, appended, nfs_if,
    not_nfs_if, not_taken,
};

/// What kubelet does with `spec.nfs`.
pub(super) static IN_TREE_NFS: Driver = Driver {
    names: &["kubernetes.io/nfs"],
    title: "kubelet's NFS volumes (spec.nfs)",
    join: Join::Sorted,
    case: Case::Kept,
    advice: "kubelet sorts the list as a set, so the order in which it is written means nothing",
    source: "kubernetes pkg/volume/nfs/nfs.go, pkg/volume/util JoinMountOptions, MountOptionFromSpec",
    ..PLAIN
};

pub(super) static DRIVERS: &[&Driver] = &[
    &IN_TREE_NFS, &NFS_CSI, &NFS_SUBDIR, &NFS_GANESHA, &EFS_PROVISIONER, &CEPH_NFS, &ROOK_NFS, &LONGHORN,
    &OPENEBS_NFS, &DEMOCRATIC,
];

pub(super) static NFS_CSI: Driver = Driver {
    names: &["nfs.csi.k8s.io", "nfs*.csi.k8s.io"],
    title: "csi-driver-nfs, also under a name of one's own",
    carriers: &[
        appended("mountOptions", On::Volume),
        CarrierKey { key: "mountOptions", on: On::Class, role: Role::NotTaken },
    ],
    case: Case::Kept,
    advice: "volumeAttributes.mountOptions comes last and wins; a class parameter of that name is refused by the driver",
    source: "csi-driver-nfs pkg/nfs/nodeserver.go, controllerserver.go",
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
    join: Join::Sorted,
    case: Case::Kept,
    advice: "it makes spec.nfs volumes, whose options kubelet sorts",
    source: "nfs-subdir-external-provisioner cmd/nfs-subdir-external-provisioner/provisioner.go",
    ..PLAIN
};

static NFS_GANESHA: Driver = Driver {
    names: &["example.com/nfs", "cluster.local/*nfs-server-provisioner*", "cluster.local/*nfs-ganesha*"],
    title: "nfs-ganesha-server-and-external-provisioner",
    carriers: &[CarrierKey { key: "mountOptions", on: On::Class, role: Role::WhenListEmpty }],
    join: Join::Sorted,
    case: Case::Kept,
    advice: "the class parameter mountOptions ends in the volume's legacy annotation; use the class's own mountOptions",
    source: "nfs-ganesha-server-and-external-provisioner pkg/volume/provision.go",
    ..PLAIN
};

static EFS_PROVISIONER: Driver = Driver {
    names: &["example.com/aws-efs", "openshift.org/aws-efs"],
    title: "the retired efs-provisioner",
    join: Join::Sorted,
    case: Case::Kept,
    empty: super::Empty::DriverDefaults(&["vers=4.1"]),
    advice: "a class's own list replaces vers=4.1",
    source: "external-storage aws/efs/cmd/efs-provisioner/efs-provisioner.go",
    ..PLAIN
};

static CEPH_NFS: Driver = Driver {
    names: &["nfs.csi.ceph.com", "*.nfs.csi.ceph.com"],
    title: "Ceph CSI for NFS, also under Rook",
    case: Case::Kept,
    source: "ceph-csi internal/nfs/nodeserver/nodeserver.go",
    ..PLAIN
};

static ROOK_NFS: Driver = Driver {
    names: &["nfs.rook.io/*"],
    title: "the retired Rook NFS operator",
    join: Join::Sorted,
    case: Case::Kept,
    advice: "it makes spec.nfs volumes, whose options kubelet sorts",
    source: "rook/nfs documentation",
    ..PLAIN
};

static LONGHORN: Driver = Driver {
    names: &["driver.longhorn.io"],
    title: "Longhorn; its ReadWriteMany volumes are NFS",
    nfs: Nfs::Depends,
    clues: &[
        not_nfs_if(Evidence::Value("migratable", &["true"])),
        not_nfs_if(Evidence::BlockMode),
        nfs_if(Evidence::AccessMode("ReadWriteMany")),
        not_nfs_if(Evidence::NoAccessMode("ReadWriteMany")),
    ],
    carriers: &[CarrierKey { key: "nfsOptions", on: On::Both, role: Role::Sole }],
    mount_options: MountOptionsUse::NotUsed,
    case: Case::Kept,
    empty: super::Empty::DriverDefaults(&["vers=4.1", "noresvport", "timeo=600", "retrans=5", "softerr"]),
    advice: "nfsOptions replaces all of the driver's own options, softerr among them, and nothing checks it",
    source: "longhorn-manager csi/node_server.go; Longhorn documentation of nfsOptions",
    ..PLAIN
};

static OPENEBS_NFS: Driver = Driver {
    names: &["openebs.io/nfsrwx"],
    title: "OpenEBS dynamic NFS provisioner",
    join: Join::Sorted,
    advice: "further options may stand in the class's cas.openebs.io/config annotation, which is not read here",
    source: "OpenEBS documentation; its source was not read",
    ..PLAIN
};

static DEMOCRATIC: Driver = Driver {
    names: &["org.democratic-csi.*"],
    title: "democratic-csi; the name is the administrator's choice",
    nfs: Nfs::Depends,
    clues: &[
        nfs_if(Evidence::Value("node_attach_driver", &["nfs"])),
        not_nfs_if(Evidence::Value("node_attach_driver", &["*"])),
        nfs_if(Evidence::FsType(&["nfs", "nfs4"])),
        not_nfs_if(Evidence::FsType(&["cifs", "ext4", "xfs", "btrfs"])),
    ],
    carriers: &[not_taken("mountOptions")],
    source: "democratic-csi examples; its source was not read",
    ..PLAIN
};
