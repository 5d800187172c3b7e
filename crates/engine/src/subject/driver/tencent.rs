//! Rows of Tencent Cloud's file storage drivers.

use super::assembly::{Step, Versioning, When, add, add_when};
use super::evidence::{Evidence, nfs_if, not_nfs_if};
use super::refusal::{Taken, refuses, setting};
use super::{Case, Driver, Inline, Known, Nfs, On, PLAIN, Role, carrier};

pub(super) static DRIVERS: &[&Driver] = &[&CFS, &CFS_TURBO];

static CFS: Driver = Driver {
    names: &["com.tencent.cloud.csi.cfs", "com.tencent.cloud.csi.tcfs.*"],
    title: "Tencent Cloud CFS CSI driver",
    carriers: &[carrier("options", On::Both, Role::Joined), carrier("vers", On::Both, Role::Version)],
    steps: &[
        Step::List,
        Step::ReadOnly(Evidence::ReadOnlySource),
        Step::Others,
        Step::Version(Versioning {
            // A mount by fsid is NFSv3 only; every volume that the provisioner makes has an fsid.
            default: &[(Some(Evidence::Text("fsid")), "3"), (None, "4")],
            rewrites: &[],
            any_other: None,
            unless_equal: false,
        }),
        add_when("noresvport", When::Shows(Evidence::Text("fsid"))),
        // A comparison with the text "3": `3.0` gets neither of them
        // (https://github.com/TencentCloud/kubernetes-csi-tencentcloud/blob/defc12d0aa1cd9033474235ef3a670263c8fada4/driver/cfs/node.go).
        add_when("nolock,proto=tcp", When::VersionIs("3")),
    ],
    case: Case::Kept,
    refuses: &[refuses(
        setting("path", On::Volume, Taken::Like(&["/*", ""])),
        "which takes a path from the root",
    )],
    // The attribute that other drivers call `server`.
    server_key: "host",
    advises_local_locks: true,
    advice: "options of the attributes come after mountOptions and win; the driver always appends a version (the attribute vers, else 3 with fsid, else 4), so a version of yours makes every mount fail",
    known: Known::Measured("defc12d"),
    inline: Inline::Shipped,
    source: "kubernetes-csi-tencentcloud driver/cfs/node.go NodePublishVolume",
    ..PLAIN
};

static CFS_TURBO: Driver = Driver {
    names: &["com.tencent.cloud.csi.cfsturbo"],
    title: "Tencent Cloud CFS Turbo CSI driver; NFS or Lustre",
    nfs: Nfs::Depends,
    clues: &[
        nfs_if(Evidence::Value("proto", &["nfs"])),
        not_nfs_if(Evidence::Value("proto", &["lustre"])),
        // Lustre is the default of the driver.
        not_nfs_if(Evidence::NoKey("proto")),
    ],
    carriers: &[carrier("options", On::Both, Role::Joined)],
    steps: &[Step::List, Step::Others, add("vers=3,nolock,noresvport")],
    case: Case::Kept,
    refuses: &[
        refuses(
            setting("proto", On::Both, Taken::Like(&["nfs", "lustre", ""])),
            "which takes nfs and lustre",
        ),
        refuses(setting("rootdir", On::Volume, Taken::Like(&["/*", ""])), "which takes a path from the root"),
    ],
    advises_local_locks: true,
    advice: "the driver appends vers=3,nolock,noresvport, so a version of yours makes every mount fail",
    known: Known::Read("defc12d"),
    source: "kubernetes-csi-tencentcloud driver/cfsturbo/node.go NodeStageVolume",
    ..PLAIN
};
