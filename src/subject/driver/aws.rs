//! Rows of Amazon's drivers.

use super::assembly::{Cut, Step, Unless, WITHOUT_REPEATS, add_unless};
use super::evidence::Evidence;
use super::{Case, Driver, Known, PLAIN, Refused, Variant, What};

pub(super) static DRIVERS: &[&Driver] = &[&EFS, &OPENZFS];

/// efs-utils `NON_NFS_OPTIONS`: read by mount.efs and taken out.
const EFS_WORDS: &[&str] = &[
    "tls", "iam", "accesspoint", "awsprofile", "awscredsuri", "crossaccount", "mounttargetip", "stunnel",
    "notls", "az", "region", "ocsp", "noocsp", "cafile", "verify", "rolearn", "jwtpath", "netns",
    "nos3readcache", "nodirects3read", "tlsport",
];

/// What mount.s3files takes out beyond those.
const S3_FILES_WORDS: &[&str] = &[
    "tls", "iam", "accesspoint", "awsprofile", "awscredsuri", "crossaccount", "mounttargetip", "stunnel",
    "notls", "az", "azid", "region", "ocsp", "noocsp", "cafile", "verify", "rolearn", "jwtpath", "netns",
    "nos3readcache", "nodirects3read", "tlsport",
];

const fn steps(version: &'static str) -> [Step; 9] {
    [
        Step::List,
        Step::OnePerKeyword,
        add_unless(version, Unless::Keyword(&["vers", "nfsvers"])),
        add_unless("rsize=1048576", Unless::Keyword(&["rsize"])),
        add_unless("wsize=1048576", Unless::Keyword(&["wsize"])),
        add_unless("hard", Unless::Keyword(&["soft", "hard"])),
        add_unless("timeo=600", Unless::Keyword(&["timeo"])),
        add_unless("retrans=2", Unless::Keyword(&["retrans"])),
        add_unless("noresvport", Unless::Keyword(&["noresvport"])),
    ]
}

static EFS_STEPS: [Step; 9] = steps("nfsvers=4.1");
static S3_FILES_STEPS: [Step; 9] = steps("nfsvers=4.2");

/// What Go's `strconv.ParseBool` takes for false. The controller does not copy
/// the key from a class into its volumes.
const FALSE: &[&str] = &["false", "0", "f"];

const UNENCRYPTED: Option<Evidence> = Some(Evidence::Attribute("encryptInTransit", FALSE));
const ENCRYPTED: Option<Evidence> = Some(Evidence::NoAttribute("encryptInTransit", FALSE));

static EFS: Driver = Driver {
    names: &["efs.csi.aws.com"],
    steps: &EFS_STEPS,
    variants: &[Variant { when: Evidence::VolumeHandle("s3files:*"), row: &S3_FILES }],
    ..EFS_BASE
};

/// S3 Files, which the same driver mounts with other defaults.
static S3_FILES: Driver = Driver {
    title: "Amazon S3 Files, mounted by the EFS CSI driver",
    steps: &S3_FILES_STEPS,
    own_words: S3_FILES_WORDS,
    known: Known::Read("efs-utils def6e74"),
    ..EFS_BASE
};

const EFS_BASE: Driver = Driver {
    title: "Amazon EFS CSI driver",
    cut: Cut::Options,
    case: Case::Folded,
    own_words: EFS_WORDS,
    refuses: &[
        Refused {
            what: What::Keyword(&["tls", "iam", "accesspoint"]),
            when: UNENCRYPTED,
            why: "beside encryptInTransit: \"false\" (node.go NodePublishVolume)",
        },
        Refused {
            what: What::Keyword(&["port", "notls"]),
            when: ENCRYPTED,
            why: "beside tls, which the driver sets unless encryptInTransit is \"false\"",
        },
    ],
    advice: "the driver lower-cases every element, so BG is bg; mount.efs adds nfsvers, sizes, timeouts and noresvport where they are not given, and hard unless it sees hard or soft, so softerr and resvport lose",
    known: Known::Measured("a4fc6760 + efs-utils v3.2.0"),
    source: "aws-efs-csi-driver pkg/driver/node.go NodePublishVolume; efs-utils efs_utils_common/mount_options.py get_nfs_mount_options",
    ..PLAIN
};

static OPENZFS: Driver = Driver {
    names: &["fsx.openzfs.csi.aws.com"],
    title: "Amazon FSx for OpenZFS CSI driver",
    steps: WITHOUT_REPEATS,
    case: Case::Kept,
    advice: "the driver drops an element that is there already; ro of a read-only claim comes first, so rw undoes it",
    known: Known::Measured("v1.2.0-2-gdc7b82c"),
    source: "aws-fsx-openzfs-csi-driver pkg/driver/node.go NodePublishVolume",
    ..PLAIN
};
