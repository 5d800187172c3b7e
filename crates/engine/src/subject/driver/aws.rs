//! Rows of Amazon's drivers. Read after [`node.go`] of the driver and [`mount_options.py`] of efs-utils.
//!
//! [`node.go`]: https://github.com/kubernetes-sigs/aws-efs-csi-driver/blob/a4fc67600be60d0f8350dc9459e55ff04e9aa944/pkg/driver/node.go
//! [`mount_options.py`]: https://github.com/aws/efs-utils/blob/v3.2.0/src/efs_utils_common/mount_options.py

use super::assembly::{Step, Unless, WITHOUT_REPEATS, add_unless};
use super::conf::ConfOf;
use super::evidence::Evidence;
use super::refusal::{Refused, Taken, What, exact_setting, refuses, setting};
use super::{Case, Driver, HandleText, Inline, Known, On, PLAIN, Variant};

pub(super) static DRIVERS: &[&Driver] = &[&EFS, &OPENZFS];

/// efs-utils `NON_NFS_OPTIONS`: read by mount.efs and taken out.
const EFS_WORDS: &[&str] = &[
    "tls", "iam", "accesspoint", "awsprofile", "awscredsuri", "crossaccount", "mounttargetip", "stunnel",
    "notls", "az", "region", "ocsp", "noocsp", "cafile", "verify", "rolearn", "jwtpath", "netns",
    "nos3readcache", "nodirects3read", "tlsport",
];

/// The words that mount.s3files removes in addition to those.
const S3_FILES_WORDS: &[&str] = &[
    "tls", "iam", "accesspoint", "awsprofile", "awscredsuri", "crossaccount", "mounttargetip", "stunnel",
    "notls", "az", "azid", "region", "ocsp", "noocsp", "cafile", "verify", "rolearn", "jwtpath", "netns",
    "nos3readcache", "nodirects3read", "tlsport",
];

const fn steps(version: &'static str) -> [Step; 11] {
    [
        Step::List,
        // The driver drops equal elements (node.go), then mount.efs splits what is left.
        Step::KeepFirstOfEqual,
        Step::Split,
        // A Python dictionary: a repeated keyword keeps its first place and takes its last value.
        Step::OnePerKeyword,
        // `v4.1` and `minorversion=` do not count as a version here, so the mount then has two.
        add_unless(version, Unless::Keyword(&["vers", "nfsvers"])),
        add_unless("rsize=1048576", Unless::Keyword(&["rsize"])),
        add_unless("wsize=1048576", Unless::Keyword(&["wsize"])),
        // `softerr` is neither of the two, so hard comes after it and wins.
        add_unless("hard", Unless::Keyword(&["soft", "hard"])),
        add_unless("timeo=600", Unless::Keyword(&["timeo"])),
        add_unless("retrans=2", Unless::Keyword(&["retrans"])),
        // `resvport` does not keep it away, and loses as the earlier one of the two.
        add_unless("noresvport", Unless::Keyword(&["noresvport"])),
    ]
}

static EFS_STEPS: [Step; 11] = steps("nfsvers=4.1");
static S3_FILES_STEPS: [Step; 11] = steps("nfsvers=4.2");

/// The spellings that Go's `strconv.ParseBool` reads as false. The controller does not copy the key
/// from a class into its volumes.
const FALSE: &[&str] = &["false", "0", "f"];
const FALSE_EXACTLY: &[&str] = &["0", "f", "F", "FALSE", "false", "False"];
const TRUE: &[&str] = &["1", "t", "T", "TRUE", "true", "True"];

/// No TLS: an access point in the handle sets it whatever the attribute says.
const UNENCRYPTED: Evidence = Evidence::All(&[
    Evidence::Attribute("encryptInTransit", FALSE),
    Evidence::Not(&Evidence::VolumeHandle("*:fsap-*")),
]);

/// The attributes that a node takes, `path` until driver v3.0.0.
const ATTRIBUTES: &[&str] = &[
    "encryptInTransit",
    "mounttargetip",
    "mounttargetipmap",
    "crossaccount",
    "storage.kubernetes.io/csiProvisionerIdentity",
    "path",
];

static EFS: Driver = Driver {
    names: &["efs.csi.aws.com"],
    steps: &EFS_STEPS,
    variants: &[Variant {
        when: Evidence::Any(&[
            // The node tells the two by the prefix of the handle; a class has no handle yet.
            Evidence::VolumeHandle("s3files:*"),
            Evidence::Parameter("provisioningMode", &["s3files-ap"]),
        ]),
        row: &S3_FILES,
    }],
    ..EFS_BASE
};

/// S3 Files, which the same driver mounts with other defaults.
static S3_FILES: Driver = Driver {
    title: "Amazon S3 Files, mounted by the EFS CSI driver",
    steps: &S3_FILES_STEPS,
    own_words: S3_FILES_WORDS,
    refuses: S3_FILES_REFUSES,
    known: Known::Read("efs-utils def6e74"),
    ..EFS_BASE
};

const ENCRYPTS_ALWAYS: &str = "which always encrypts S3 Files";

const S3_FILES_REFUSES: &[Refused] = &[
    refuses(What::Element(&["stunnel"]), "which does not take it for S3 Files"),
    refuses(What::Keyword(&["port", "notls"]), "with tls, which the driver sets"),
    // efs-utils checks the version of S3 Files before it mounts (mount_options.py).
    refuses(What::Value(&["vers", "nfsvers"], &["4.0"]), "which mounts S3 Files with NFSv4.1 or later"),
    TWO_VALUES,
    refuses(setting("encryptInTransit", On::Volume, Taken::Boolean), NO_BOOLEAN),
    refuses(setting("crossaccount", On::Volume, Taken::Boolean), NO_BOOLEAN),
    refuses(setting("encryptInTransit", On::Volume, Taken::Like(TRUE)), ENCRYPTS_ALWAYS),
    refuses(
        setting("crossaccount", On::Volume, Taken::Like(FALSE_EXACTLY)),
        "which takes no other account's S3 Files",
    ),
    ADDRESS,
    ADDRESSES,
    ACCESS_MODE,
    MODE_OF_CLASS,
    TYPE_OF_CLASS,
    OTHER_HANDLE,
    ACCESS_POINT,
    PATH,
    OTHER_ATTRIBUTES,
];

const REFUSES: &[Refused] = &[
    Refused {
        when: Some(Evidence::Attribute("encryptInTransit", FALSE)),
        ..refuses(What::Element(&["tls"]), "with encryptInTransit: \"false\"")
    },
    Refused {
        when: Some(UNENCRYPTED),
        ..refuses(
            What::KeywordWithout(&["iam", "accesspoint"], "tls"),
            "because mount.efs takes it with TLS only",
        )
    },
    Refused {
        when: Some(UNENCRYPTED),
        ..refuses(What::KeywordBeside(&["port", "notls"], "tls"), "because mount.efs takes none with tls")
    },
    Refused {
        when: Some(Evidence::Not(&UNENCRYPTED)),
        ..refuses(
            What::Keyword(&["port", "notls"]),
            "with tls, which the driver sets unless encryptInTransit is \"false\"",
        )
    },
    Refused { since: Some("v3.0.0"), ..refuses(What::Element(&["crossaccount"]), "which sets it by itself") },
    TWO_VALUES,
    refuses(setting("encryptInTransit", On::Volume, Taken::Boolean), NO_BOOLEAN),
    refuses(setting("crossaccount", On::Volume, Taken::Boolean), NO_BOOLEAN),
    ADDRESS,
    ADDRESSES,
    ACCESS_MODE,
    MODE_OF_CLASS,
    TYPE_OF_CLASS,
    OTHER_HANDLE,
    ACCESS_POINT,
    PATH,
    OTHER_ATTRIBUTES,
];

const NO_BOOLEAN: &str = "which takes true or false";

/// efs-utils `parse_options` unpacks what stands around the `=`.
const TWO_VALUES: Refused = refuses(What::SecondEqualsSign, "because mount.efs cannot read a second =");

const ADDRESS: Refused =
    refuses(setting("mounttargetip", On::Volume, Taken::Address), "which takes an IP address");

const ADDRESSES: Refused = refuses(
    setting("mounttargetipmap", On::Volume, Taken::AddressMap),
    "has more than IP addresses: the driver passes them on unchecked, as options of the mount",
);

const ACCESS_MODE: Refused =
    refuses(What::FirstAccessMode("ReadOnlyMany"), "which takes ReadWriteOnce, ReadWriteMany");

const MODE_OF_CLASS: Refused = refuses(
    exact_setting("provisioningMode", On::Class, Taken::Like(&["efs-ap", "s3files-ap"])),
    "which takes efs-ap and s3files-ap",
);

const TYPE_OF_CLASS: Refused = refuses(
    exact_setting("csi.storage.k8s.io/fstype", On::Class, Taken::Like(&["efs", "s3files", ""])),
    "which takes efs and s3files",
);

const OTHER_HANDLE: Refused = refuses(
    What::OtherThanHandle("accesspoint", "*:fsap-*"),
    "because the volumeHandle names another access point",
);

/// Before v3.0.0 `isValidAccessPointId` looks at the beginning alone.
const ACCESS_POINT: Refused = refuses(
    What::Handle(Taken::Unlike(&["*:fsap-*,*"])),
    "has more than an access point: the driver appends it to the options before v3.0.0, and rejects it since",
);

const PATH: Refused = Refused {
    since: Some("v3.0.0"),
    ..refuses(setting("path", On::Volume, Taken::Nothing), "which takes the path from the volumeHandle")
};

const OTHER_ATTRIBUTES: Refused = refuses(What::OtherAttributes(ATTRIBUTES), "which does not know it");

const EFS_BASE: Driver = Driver {
    title: "Amazon EFS CSI driver",
    // node.go lower-cases each element before it compares it, so `BG` reaches mount.nfs as bg.
    case: Case::Folded,
    own_words: EFS_WORDS,
    // node.go compares the beginning of the element, and drops all of it.
    own_prefixes: &["awscredsuri"],
    // mount.efs puts the address in the place of the file system's; with TLS the server has to prove
    // its name.
    redirects: Some(("mounttargetip", UNENCRYPTED)),
    // node.go appends what it takes for an access point: `accesspoint=` and the text.
    handle: HandleText::Value(":fsap-"),
    refuses: REFUSES,
    advice: "the driver lower-cases every element, so BG is bg; mount.efs adds nfsvers, sizes, timeouts and noresvport where they are not given, and hard unless it sees hard or soft, so softerr and resvport lose",
    nfsmount_conf: ConfOf::Container("mount.efs runs there"),
    known: Known::Measured("a4fc6760 + efs-utils v3.2.0"),
    inline: Inline::No,
    source: "aws-efs-csi-driver pkg/driver/node.go NodePublishVolume; efs-utils efs_utils_common/mount_options.py get_nfs_mount_options",
    ..PLAIN
};

static OPENZFS: Driver = Driver {
    names: &["fsx.openzfs.csi.aws.com"],
    title: "Amazon FSx for OpenZFS CSI driver",
    // An exact comparison: `timeo=600` and `timeo=100` both stay, and the later one wins.
    steps: WITHOUT_REPEATS,
    case: Case::Kept,
    advice: "the driver drops an element that is there already; ro of a read-only claim comes first, so rw undoes it",
    known: Known::Measured("v1.2.0-2-gdc7b82c"),
    inline: Inline::No,
    source: "aws-fsx-openzfs-csi-driver pkg/driver/node.go NodePublishVolume",
    ..PLAIN
};
