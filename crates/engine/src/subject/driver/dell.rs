//! Rows of Dell's drivers. Most mount through gofsutil, which drops repeated
//! elements and refuses empty ones.

use super::assembly::{Step, WITHOUT_REPEATS, add};
use super::evidence::{Clue, Evidence, maybe_nfs_if, nfs_if, not_nfs_if};
use super::refusal::{Refused, What, refuses};
use super::{Case, Driver, Known, ListUse, Nfs, PLAIN};

pub(super) static DRIVERS: &[&Driver] = &[&POWERSCALE, &POWERSTORE, &UNITY, &POWERFLEX, &POWERMAX];

/// gofsutil `validateMountOptions`.
const NO_EMPTY_ELEMENT: &[Refused] = &[refuses(What::EmptyElement, "(gofsutil validateMountOptions)")];

// publishVolume appends rw or ro after the list, and the later word wins in the kernel.
const READ_WRITE_LAST: &[Step] = &[Step::List, add("rw"), Step::KeepFirstOfEqual];

const BLOCK_TYPES: &[&str] = &["ext3", "ext4", "xfs", "btrfs"];

static POWERSCALE: Driver = Driver {
    names: &["csi-isilon.dellemc.com"],
    title: "Dell PowerScale CSI driver",
    steps: READ_WRITE_LAST,
    case: Case::Kept,
    refuses: NO_EMPTY_ELEMENT,
    advice: "the driver appends rw unless the claim is read-only, so ro in the list is undone",
    known: Known::Measured("v2.16.0-1-g82fe23f"),
    source: "csi-powerscale service/mount.go publishVolume; gofsutil RemoveDuplicates",
    ..PLAIN
};

static POWERSTORE: Driver = Driver {
    names: &["csi-powerstore.dellemc.com"],
    title: "Dell PowerStore CSI driver; NFS or block",
    nfs: Nfs::Depends,
    // The node goes by the handle's last part; a class by the type.
    clues: &[
        not_nfs_if(Evidence::BlockMode),
        // The controller writes ID/ARRAY/PROTOCOL into the handle.
        nfs_if(Evidence::VolumeHandle("*/nfs*")),
        not_nfs_if(Evidence::VolumeHandle("*/scsi*")),
        nfs_if(Evidence::Value("protocol", &["nfs", "nfs3", "nfs4"])),
        nfs_if(Evidence::FsType(&["nfs", "nfs4"])),
        not_nfs_if(Evidence::FsTypeOfClass(BLOCK_TYPES)),
    ],
    steps: WITHOUT_REPEATS,
    case: Case::Kept,
    refuses: NO_EMPTY_ELEMENT,
    known: Known::Measured("v2.16.0"),
    source: "csi-powerstore pkg/node/stager.go NFSStager; gofsutil RemoveDuplicates",
    ..PLAIN
};

static UNITY: Driver = Driver {
    names: &["csi-unity.dellemc.com"],
    title: "Dell Unity CSI driver; NFS or block",
    nfs: Nfs::Depends,
    clues: &[
        not_nfs_if(Evidence::BlockMode),
        nfs_if(Evidence::Value("protocol", &["nfs"])),
        // The attribute counts only where the handle names no protocol (ValidateAndGetProtocol).
        maybe_nfs_if(Evidence::Any(&[Evidence::VolumeHandle("*-NFS-*"), Evidence::VolumeHandle("*-nfs-*")])),
        not_nfs_if(Evidence::Exact("protocol", &["FC", "iSCSI"])),
        maybe_nfs_if(Evidence::FsType(&["nfs", "nfs4"])),
    ],
    steps: READ_WRITE_LAST,
    case: Case::Kept,
    refuses: NO_EMPTY_ELEMENT,
    advice: "the driver appends rw unless the claim is read-only, so ro in the list is undone; with a NAS server that has NFSv3 only it appends vers=3 unless an element contains the text vers",
    known: Known::Measured("v2.16.0-3-g8a247ce"),
    source: "csi-unity service/mount.go stagePublishNFS; gofsutil RemoveDuplicates",
    ..PLAIN
};

/// Both drivers go by the file system type of class and volume.
const BY_TYPE: &[Clue] = &[
    not_nfs_if(Evidence::BlockMode),
    nfs_if(Evidence::FsType(&["nfs", "nfs4"])),
    not_nfs_if(Evidence::FsType(BLOCK_TYPES)),
];

static POWERFLEX: Driver = Driver {
    names: &["csi-vxflexos.dellemc.com"],
    title: "Dell PowerFlex CSI driver; NFS or block",
    nfs: Nfs::Depends,
    clues: BY_TYPE,
    steps: READ_WRITE_LAST,
    case: Case::Kept,
    refuses: NO_EMPTY_ELEMENT,
    advice: "the driver appends rw unless the claim is read-only, so ro in the list is undone",
    known: Known::Read("ce1dbd0c"),
    source: "csi-powerflex service/mount.go publishNFS, service/node.go",
    ..PLAIN
};

static POWERMAX: Driver = Driver {
    names: &["csi-powermax.dellemc.com"],
    title: "Dell PowerMax CSI driver; NFS or block",
    nfs: Nfs::Depends,
    clues: BY_TYPE,
    // Flags reach `bind` and then `remount` only, where bg has no effect (PublishFileSystem).
    list: ListUse::NotUsed,
    case: Case::Kept,
    advice: "the driver stages NFS without options; mountOptions only reach the bind mount",
    known: Known::Read("36eda06"),
    source: "csi-powermax pkg/file/file.go StageFileSystem, PublishFileSystem",
    ..PLAIN
};
