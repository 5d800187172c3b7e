//! Rows of Microsoft's drivers.

use super::assembly::{Step, Unless, add, add_unless};
use super::evidence::{Evidence, nfs_if, not_nfs_if};
use super::refusal::{Taken, refuses, setting};
use super::{Case, Driver, Inline, Known, Nfs, On, PLAIN, UnknownParameters};

pub(super) static DRIVERS: &[&Driver] = &[&FILES, &BLOB];

/// Both drivers add `ro` for an access mode that only reads.
const READ_ONLY: Step = Step::ReadOnly(Evidence::FirstAccessMode("ReadOnlyMany"));

static FILES: Driver = Driver {
    // The driver makes the volumes of classes of kubelet's own plugin, with their parameters
    // (TranslateInTreeStorageClassToCSI,
    // https://github.com/kubernetes/kubernetes/blob/v1.37.2/staging/src/k8s.io/csi-translation-lib/plugins/azure_file.go).
    names: &["file.csi.azure.com", "kubernetes.io/azure-file"],
    title: "Azure Files CSI driver; NFS or SMB",
    nfs: Nfs::Depends,
    clues: &[
        nfs_if(Evidence::Value("protocol", &["nfs"])),
        // Of a volume the driver does not look at the type: without protocol it is mounted as SMB.
        nfs_if(Evidence::FsTypeOfClass(&["nfs", "nfs4", "aznfs"])),
        not_nfs_if(Evidence::Value("protocol", &["*"])),
        not_nfs_if(Evidence::NoKey("protocol")),
    ],
    steps: &[
        Step::List,
        READ_ONLY,
        // Appended as one text before the sort, so its parts stay together
        // (appendDefaultNfsMountOptions).
        add("vers=4,minorversion=1,sec=sys"),
        Step::Sort,
        // These two come after the sort, under the flags append-noresvport and
        // append-actimeo, which are true by default. The comparison is by prefix.
        add_unless("noresvport", Unless::Prefix("noresvport")),
        add_unless("actimeo=30", Unless::Prefix("actimeo")),
    ],
    // CreateVolume: "invalid parameter"
    // (https://github.com/kubernetes-sigs/azurefile-csi-driver/blob/7b5ae18e74f0c885791f67404286882a049761f8/pkg/azurefile/controllerserver.go).
    unknown_parameters: UnknownParameters::Refused,
    case: Case::Kept,
    refuses: &[
        refuses(setting("encryptInTransit", On::Both, Taken::Boolean), "which takes true or false"),
        refuses(setting("protocol", On::Both, Taken::Like(&["nfs", "smb", ""])), "which takes nfs and smb"),
    ],
    own_words: &["notls", "clean", "tls"],
    // AZNFS-mount src/nfsv4mountscript.sh takes them out of the text, wherever they stand in it.
    edited_as_text: true,
    // NodeStageVolume removes it in any case (`removeOptionIfExists`); as one element only.
    own_elements: &["encryptInTransit"],
    advice: "the driver names the version itself, so a vers= or nfsvers= of yours makes every mount fail; it sorts the list, then adds noresvport and actimeo=30",
    known: Known::Measured("v1.35.0-633-g7b5ae18e7"),
    inline: Inline::Refused("NFS protocol is not supported for ephemeral volumes"),
    source: "azurefile-csi-driver pkg/azurefile/nodeserver.go NodeStageVolume, appendDefaultNfsMountOptions",
    ..PLAIN
};

static BLOB: Driver = Driver {
    names: &["blob.csi.azure.com"],
    title: "Azure Blob CSI driver; NFSv3 or FUSE",
    nfs: Nfs::Depends,
    clues: &[
        // isNFSProtocol:
        // https://github.com/kubernetes-sigs/blob-csi-driver/blob/0744a60b3930b2c37d42f07170d99f5b36ac97fc/pkg/blob/blob.go
        nfs_if(Evidence::Value("protocol", &["nfs", "aznfs", "nfsv3"])),
        not_nfs_if(Evidence::Value("protocol", &["*"])),
        not_nfs_if(Evidence::NoKey("protocol")),
    ],
    // The service has NFSv3 without locks, so the driver sets nolock itself.
    steps: &[Step::List, READ_ONLY, add("sec=sys,vers=3,nolock"), Step::Sort],
    case: Case::Kept,
    own_words: &["turbo", "configfile", "notls", "clean", "tls"],
    // AZNFS-mount src/nfsv3mountscript.sh, fix_mount_options: a sed command that holds the value of sec=.
    edited_as_text: true,
    deadline: Some(90),
    advises_local_locks: true,
    advice: "the driver names the version itself, so a vers= or nfsvers= of yours makes every mount fail",
    known: Known::Measured("v1.27.0-634-g0744a60b3"),
    inline: Inline::Shipped,
    source: "blob-csi-driver pkg/blob/blob.go isNFSProtocol, pkg/blob/nodeserver.go NodeStageVolume",
    ..PLAIN
};
