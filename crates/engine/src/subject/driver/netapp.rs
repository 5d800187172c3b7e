//! Rows of `NetApp` Trident and its fork.

use super::assembly::{Emptiness, Empty, Step};
use super::evidence::{Evidence, maybe_nfs_if, nfs_if, not_nfs_if};
use super::{Case, Driver, Inline, Known, Nfs, PLAIN, UnknownParameters};

pub(super) static DRIVERS: &[&Driver] = &[&TRIDENT, &QNAP];

/// The driver strips `trident.netapp.io/` from parameters (`removeSCParameterPrefix`).
static TRIDENT: Driver = Driver {
    names: &["csi.trident.netapp.io", "netapp.io/trident"],
    title: "NetApp Trident; NFS, SMB or block by backend",
    nfs: Nfs::Depends,
    clues: &[
        not_nfs_if(Evidence::BlockMode),
        // Such a pool matches before the other parameters (Matches,
        // https://github.com/NetApp/trident/blob/71dd7161840c3d1ef0be16a97891f745e9224e27/storage_class/storage_class.go).
        maybe_nfs_if(Evidence::Any(&[
            Evidence::Parameter("additionalStoragePools", &["*"]),
            Evidence::Parameter("trident.netapp.io/additionalStoragePools", &["*"]),
            Evidence::Parameter("requiredStorage", &["*"]),
            Evidence::Parameter("trident.netapp.io/requiredStorage", &["*"]),
        ])),
        not_nfs_if(Evidence::ExactParameter("nasType", &["smb"])),
        not_nfs_if(Evidence::ExactParameter("trident.netapp.io/nasType", &["smb"])),
        // A node goes by what the controller publishes, not by the attributes.
        maybe_nfs_if(Evidence::Value("nasType", &["smb"])),
        maybe_nfs_if(Evidence::Value("trident.netapp.io/nasType", &["smb"])),
        nfs_if(Evidence::Value("backendType", FILE_BACKENDS)),
        nfs_if(Evidence::Value("trident.netapp.io/backendType", FILE_BACKENDS)),
        not_nfs_if(Evidence::ExactParameter("backendType", BLOCK_BACKENDS)),
        not_nfs_if(Evidence::ExactParameter("trident.netapp.io/backendType", BLOCK_BACKENDS)),
        maybe_nfs_if(Evidence::Value("backendType", BLOCK_BACKENDS)),
        maybe_nfs_if(Evidence::Value("trident.netapp.io/backendType", BLOCK_BACKENDS)),
        // `file` is NFS or SMB, and SMB has been ruled out above.
        nfs_if(Evidence::Value("protocol", &["file"])),
        maybe_nfs_if(Evidence::FsType(&["smb"])),
        nfs_if(Evidence::FsType(&["nfs", "nfs4"])),
    ],
    // A backend may have nfsMountOptions in the form of a command line, and so may a class.
    steps: &[Step::List, Step::Others, Step::StripPrefix("-o ")],
    case: Case::Kept,
    // The backend's nfsMountOptions apply to a class without a list; no object shows them.
    empty: Empty::Hidden,
    emptiness: Emptiness::NoElement,
    advice: "with an NFS backend, options of a class replace its nfsMountOptions, which are not visible here, and the driver calls mount.nfs itself",
    // "unrecognized storage attribute"
    // (https://github.com/NetApp/trident/blob/71dd7161840c3d1ef0be16a97891f745e9224e27/storage_attribute/request.go).
    unknown_parameters: UnknownParameters::Refused,
    known: Known::Measured("71dd7161"),
    inline: Inline::No,
    source: "trident frontend/csi/controller_server.go ControllerPublishVolume, utils/mount/mount_linux.go MountNFSPath",
    ..PLAIN
};

const FILE_BACKENDS: &[&str] =
    &["ontap-nas*", "azure-netapp-files*", "google-cloud-netapp-volumes*", "gcp-cvs*", "aws-cvs*"];
const BLOCK_BACKENDS: &[&str] = &["ontap-san*", "solidfire-san*", "eseries*"];

static QNAP: Driver = Driver {
    names: &["csi.trident.qnap.io"],
    title: "QNAP's Trident; NFS or iSCSI by backend",
    nfs: Nfs::Depends,
    clues: &[not_nfs_if(Evidence::BlockMode)],
    empty: Empty::Hidden,
    emptiness: Emptiness::NoElement,
    known: Known::Documented,
    source: "QNAP CSI driver documentation",
    ..PLAIN
};
