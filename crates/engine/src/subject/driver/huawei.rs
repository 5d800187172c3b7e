//! Rows of Huawei's drivers, of its cloud and of its storage arrays.

use super::assembly::{Empty, Step};
use super::evidence::{Evidence, maybe_nfs_if, nfs_if, not_nfs_if};
use super::refusal::{SHELL, Taken, What, refuses};
use super::{Case, Driver, HandleText, Known, ListUse, Nfs, PLAIN, Variant};

pub(super) static DRIVERS: &[&Driver] = &[&EVEREST_SFS, &EVEREST, &CLOUD_SFS, &OCEANSTOR];

static EVEREST_SFS: Driver = Driver {
    names: &["nas.csi.everest.io", "sfsturbo.csi.everest.io"],
    title: "Huawei Cloud SFS and SFS Turbo (Everest)",
    // SFS has NFSv3 only: without nolock the node would need rpc.statd.
    empty: Empty::DriverDefaults(&["vers=3", "nolock", "timeo=600", "hard"]),
    own_words: &["keep-original-ownership"],
    advises_local_locks: true,
    advice: "without a list the driver mounts with vers=3,nolock,timeo=600,hard; the manual does not say whether a list replaces them, so write them into it",
    known: Known::Documented,
    source: "Huawei Cloud CCE user guide, Configuring SFS Volume Mount Options (cce_10_0337) and cce_10_0626",
    ..PLAIN
};

const DRIVER_NAME: &str = "csi.storage.k8s.io/csi-driver-name";
const FILE_DRIVERS: &[&str] = &["nas.csi.everest.io", "sfsturbo.csi.everest.io"];

static EVEREST: Driver = Driver {
    names: &["everest-csi-provisioner"],
    title: "Huawei Cloud Everest provisioner, for disks, objects and files",
    nfs: Nfs::Depends,
    clues: &[
        nfs_if(Evidence::Value(DRIVER_NAME, FILE_DRIVERS)),
        not_nfs_if(Evidence::ExactParameter(DRIVER_NAME, &["disk.csi.everest.io", "obs.csi.everest.io"])),
        maybe_nfs_if(Evidence::FsType(&["nfs", "nfs4"])),
    ],
    // The class names its CSI driver in a parameter, because one provisioner serves all of them.
    variants: &[Variant { when: Evidence::Value(DRIVER_NAME, FILE_DRIVERS), row: &EVEREST_SFS }],
    own_words: &["keep-original-ownership"],
    known: Known::Documented,
    source: "Huawei Cloud CCE user guide, Creating a StorageClass",
    ..PLAIN
};

static CLOUD_SFS: Driver = Driver {
    names: &["sfs.csi.huaweicloud.com", "sfsturbo.csi.huaweicloud.com"],
    title: "Huawei Cloud SFS and SFS Turbo CSI drivers (huaweicloud-csi-driver)",
    list: ListUse::NotUsed,
    case: Case::Kept,
    empty: Empty::DriverDefaults(&["vers=3", "timeo=600", "noresvport", "nolock"]),
    advises_local_locks: true,
    advice: "mountOptions do not reach the mount: it always has vers=3,timeo=600,noresvport,nolock",
    known: Known::Read("06c6079"),
    source: "huaweicloud-csi-driver pkg/sfs/nodeserver.go, pkg/sfsturbo/nodeserver.go",
    ..PLAIN
};

static OCEANSTOR: Driver = Driver {
    names: &["csi.huawei.com"],
    title: "Huawei OceanStor CSI driver; NFS, DPC, DTFS or block by backend",
    nfs: Nfs::Depends,
    clues: &[
        not_nfs_if(Evidence::BlockMode),
        // `fs` and `dtree` are NFS, DPC or DTFS by the backend, and are no proof.
        not_nfs_if(Evidence::ExactParameter("volumeType", &["lun"])),
        // The driver reads the protocol of its backend, never the object's.
        nfs_if(Evidence::Value("protocol", &["nfs"])),
    ],
    steps: &[Step::List, Step::ReadOnly(Evidence::FirstAccessMode("ReadOnlyMany")), Step::Shell],
    // The name of the volume is what follows the first dot of the handle; ExecShellCmd.
    handle: HandleText::Word,
    refuses: &[refuses(What::Handle(Taken::Word), SHELL)],
    // A word of the DPC client, which gets the same list (parseNFSInfo).
    own_words: &["cnflush"],
    advice: "the driver runs mount through a shell, unquoted: quotes and backslashes vanish, whitespace ends the options, and the text after a ; runs as a command of root on the node",
    known: Known::Measured("v4.12.0"),
    source: "eSDK_K8S_Plugin connector/nfs/nfs_helper.go parseNFSInfo, mountUnix",
    ..PLAIN
};
