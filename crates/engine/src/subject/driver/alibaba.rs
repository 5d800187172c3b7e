//! Rows of Alibaba Cloud's NAS driver.

use super::assembly::{Cut, Empty, NoneWord, Step, Versioning};
use super::evidence::{Evidence, maybe_nfs_if};
use super::refusal::{Refused, SHELL, Taken, What, refuses, setting};
use super::{CarrierKey, Case, Driver, Inline, Known, ListUse, Nfs, On, PLAIN, Role, Variant, carrier};

pub(super) static DRIVERS: &[&Driver] = &[&NAS];

/// The driver appends one `vers=`: of the list, else of the attribute, else 3.
const VERSION: Step = Step::Version(Versioning {
    default: &[(None, "3")],
    rewrites: &[("3.0", "3"), ("4", "4.0")],
    any_other: None,
    unless_equal: true,
});

static NAS: Driver = Driver {
    names: &["nasplugin.csi.alibabacloud.com", "alicloud/nas"],
    scripts: &["alicloud/nas"],
    clues: &[
        maybe_nfs_if(Evidence::Value("mountProtocol", OTHER_CLIENTS)),
        maybe_nfs_if(Evidence::Text("useClient")),
        maybe_nfs_if(Evidence::Text("accesspoint")),
        // The client is named in an object of that kind, which is not visible from here.
        maybe_nfs_if(Evidence::Key("containerNetworkFileSystem")),
    ],
    variants: &[
        Variant { when: Evidence::FlexVolume, row: &SCRIPT },
        Variant { when: Evidence::Value("mountProtocol", OTHER_CLIENTS), row: &OTHER_CLIENT },
        Variant { when: Evidence::Text("useClient"), row: &OTHER_CLIENT },
        Variant { when: Evidence::Text("accesspoint"), row: &OTHER_CLIENT },
        // The kubelet rejects a list there
        // (https://github.com/kubernetes/kubernetes/blob/v1.37.2/pkg/volume/flexvolume/plugin.go#L282).
        Variant { when: Evidence::Value("driver", &["flexvolume"]), row: &FLEX },
    ],
    ..BASE
};

/// The driver trims the value.
// Substrings, because the driver combines them: `cpfs-native` is one.
const OTHER_CLIENTS: &[&str] = &["*efc*", "*cpfs*", "*alinas*"];

/// The same driver with another client than the kernel's.
static OTHER_CLIENT: Driver = Driver {
    title: "Alibaba Cloud NAS CSI driver with a client of its own (EFC, CPFS, alinas)",
    nfs: Nfs::Depends,
    own_words: &["tls", "efc", "protocol", "net", "fstype", "bindtag", "client_owner"],
    ..BASE
};

/// A volume of the Extreme kind, by its type or else by its server
/// (`isExtremeNAS`).
const EXTREME: Evidence = Evidence::Any(&[
    Evidence::Attribute("filesystemType", &["extreme"]),
    Evidence::All(&[
        Evidence::Not(&Evidence::Text("filesystemType")),
        Evidence::Attribute("server", &["*extreme.nas.aliyuncs.com*"]),
    ]),
]);

/// The `FlexVolume` driver, a program on the node that runs mount through a shell.
static SCRIPT: Driver = Driver {
    carriers: &[
        carrier("options", On::Both, Role::WhenListEmpty),
        carrier("vers", On::Volume, Role::Version),
        carrier("path", On::Volume, Role::Argument),
        carrier("server", On::Volume, Role::Argument),
    ],
    steps: &[VERSION, Step::List, Step::Others, Step::Shell],
    refuses: &[
        refuses(setting("server", On::Volume, Taken::Word), SHELL),
        refuses(setting("path", On::Volume, Taken::Word), SHELL),
        refuses(setting("mode", On::Volume, Taken::Word), SHELL),
        EXTREME_VERSION,
        PATH,
    ],
    known: Known::Read("4f17fb6"),
    source: "AliyunContainerService flexvolume provider/nas/nas.go Mount",
    ..BASE
};

/// A class whose volumes are `FlexVolume`s, which take no list.
static FLEX: Driver = Driver { list: ListUse::NotUsed, ..BASE };

const EXTREME_VERSION: Refused = Refused {
    when: Some(EXTREME),
    ..refuses(What::VersionOtherThan(&["3"]), "because Extreme NAS takes NFSv3 only")
};

const PATH: Refused =
    refuses(setting("path", On::Volume, Taken::Like(&["/*", ""])), "which takes a path from the root");

const BASE: Driver = Driver {
    title: "Alibaba Cloud NAS CSI driver",
    carriers: &[
        carrier("options", On::Both, Role::WhenListEmpty),
        carrier("vers", On::Volume, Role::Version),
        // Only this mode of the controller copies it into the volume.
        CarrierKey {
            when: Some(Evidence::Value("volumeAs", &["filesystem"])),
            ..carrier("vers", On::Class, Role::Version)
        },
    ],
    steps: &[
        Step::List,
        Step::Others,
        Step::ReadOnly(Evidence::Any(&[Evidence::FirstAccessMode("ReadOnlyMany"), Evidence::ReadOnlySource])),
        VERSION,
    ],
    // ParseMountFlags splits at commas first: `vers=` is found inside an element, too.
    cut: Cut::Options,
    case: Case::Kept,
    empty: Empty::DriverDefaultsByVersion(
        &[
            "nolock", "proto=tcp", "rsize=1048576", "wsize=1048576", "hard", "timeo=600", "retrans=2",
            "noresvport",
        ],
        &["noresvport"],
    ),
    // A list of these alone counts as empty, so the defaults apply (ParseMountFlags,
    // https://github.com/kubernetes-sigs/alibaba-cloud-csi-driver/blob/8aacf9009bf92ff786b07ece73cc3a4d1e600ed5/pkg/nas/utils.go).
    takes_out: &["vers", "access_key_id", "access_key_secret"],
    none_word: Some(NoneWord::Anywhere("none")),
    refuses: &[EXTREME_VERSION, PATH],
    advises_local_locks: true,
    advice: "one option in mountOptions, vers= left aside, makes the driver ignore options of the attributes and its own defaults; it always appends a version, so nfsvers= or v4.1 makes every mount fail",
    known: Known::Measured("v1.37.1-16-g8aacf9009"),
    inline: Inline::No,
    source: "alibaba-cloud-csi-driver pkg/nas/nodeserver.go NodePublishVolume, pkg/nas/utils.go ParseMountFlags, doMount",
    ..PLAIN
};
