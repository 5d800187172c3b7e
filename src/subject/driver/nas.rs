//! Rows of the storage vendors' drivers.

use super::{
    CarrierKey, Case, Driver, Empty, Evidence, MountOptionsUse, Nfs, On, PLAIN, Role, appended, nfs_if,
    not_nfs_if, not_taken,
};

pub(super) static DRIVERS: &[&Driver] = &[
    &QCFS, &TRIDENT, &POWERSCALE, &POWERSTORE, &UNITY, &HPE, &SYNOLOGY, &TRUENAS, &HUAWEI, &PURE, &PORTWORX,
    &NUTANIX, &VSPHERE, &QNAP, &VAST,
];

const FILE_OR_BLOCK: &[super::Clue] = &[
    nfs_if(Evidence::Value("protocol", &["nfs", "nfs3", "nfs4"])),
    not_nfs_if(Evidence::Value("protocol", &["*"])),
    nfs_if(Evidence::FsType(&["nfs", "nfs4"])),
    not_nfs_if(Evidence::FsType(&["ext3", "ext4", "xfs", "btrfs"])),
    not_nfs_if(Evidence::BlockMode),
];

static QCFS: Driver = Driver {
    names: &["csi-qcfsplugin"],
    title: "QCFS, the file system of the incident this tool comes from",
    carriers: &[not_taken("mountOptions")],
    advice: "its class carried bg, and Pods wrote to the node's own disk",
    source: "the incident's StorageClass; its source was not read",
    ..PLAIN
};

static TRIDENT: Driver = Driver {
    names: &["csi.trident.netapp.io", "netapp.io/trident"],
    title: "NetApp Trident; NFS, SMB or block by backend",
    nfs: Nfs::Depends,
    clues: &[
        not_nfs_if(Evidence::Value("nasType", &["smb"])),
        nfs_if(Evidence::Value(
            "backendType",
            &["ontap-nas*", "azure-netapp-files*", "google-cloud-netapp-volumes*", "gcp-cvs*", "aws-cvs*"],
        )),
        not_nfs_if(Evidence::Value("backendType", &["ontap-san*", "solidfire-san*", "eseries*"])),
        nfs_if(Evidence::Value("protocol", &["file"])),
        not_nfs_if(Evidence::Value("protocol", &["block"])),
        nfs_if(Evidence::FsType(&["nfs", "nfs4"])),
        not_nfs_if(Evidence::FsType(&["ext3", "ext4", "xfs", "smb"])),
        not_nfs_if(Evidence::BlockMode),
    ],
    case: Case::Kept,
    empty: Empty::Hidden,
    advice: "options of a class take the place of the backend's nfsMountOptions, which are not visible here; it calls mount.nfs itself",
    source: "trident utils/mount, storage_drivers; Trident documentation of nfsMountOptions",
    ..PLAIN
};

static POWERSCALE: Driver = Driver {
    names: &["csi-isilon.dellemc.com"],
    title: "Dell PowerScale CSI driver",
    case: Case::Kept,
    source: "csi-powerscale service/node.go: options are used as given",
    ..PLAIN
};

static POWERSTORE: Driver = Driver {
    names: &["csi-powerstore.dellemc.com"],
    title: "Dell PowerStore CSI driver; NFS or block",
    nfs: Nfs::Depends,
    clues: FILE_OR_BLOCK,
    source: "Dell documentation; its source was not read",
    ..PLAIN
};

static UNITY: Driver = Driver {
    names: &["csi-unity.dellemc.com"],
    title: "Dell Unity CSI driver; NFS or block",
    nfs: Nfs::Depends,
    clues: FILE_OR_BLOCK,
    source: "Dell documentation; its source was not read",
    ..PLAIN
};

static HPE: Driver = Driver {
    names: &["csi.hpe.com"],
    title: "HPE CSI driver; NFS by its own NFS server",
    nfs: Nfs::No,
    clues: &[nfs_if(Evidence::Value("nfsResources", &["true"]))],
    carriers: &[CarrierKey { key: "nfsMountOptions", on: On::Both, role: Role::Sole }],
    mount_options: MountOptionsUse::NotUsed,
    case: Case::Kept,
    empty: Empty::DriverDefaults(&["nolock", "vers=4"]),
    advises_local_locks: true,
    advice: "nfsMountOptions replaces nolock,vers=4; nolock does nothing with NFSv4",
    source: "hpe-storage csi-driver pkg/flavor/kubernetes/nfs.go",
    ..PLAIN
};

static SYNOLOGY: Driver = Driver {
    names: &["csi.san.synology.com"],
    title: "Synology CSI driver; NFS, SMB or iSCSI",
    nfs: Nfs::No,
    clues: &[nfs_if(Evidence::Value("protocol", &["nfs"]))],
    case: Case::Kept,
    advice: "nfsvers must be one of 3, 4, 4.0, 4.1",
    source: "synology-csi pkg/driver/controllerserver.go",
    ..PLAIN
};

static TRUENAS: Driver = Driver {
    names: &["csi.truenas.io", "tns.csi.io"],
    title: "TrueNAS CSI drivers; NFS or block",
    nfs: Nfs::Depends,
    clues: FILE_OR_BLOCK,
    carriers: &[appended("nfs.mountOptions", On::Both)],
    advice: "options may stand in parameters[nfs.mountOptions]",
    source: "TrueNAS CSI documentation; its source was not read",
    ..PLAIN
};

static HUAWEI: Driver = Driver {
    names: &["csi.huawei.com"],
    title: "Huawei OceanStor CSI driver; NFS or block",
    nfs: Nfs::Depends,
    clues: &[
        nfs_if(Evidence::Value("volumeType", &["fs"])),
        not_nfs_if(Evidence::Value("volumeType", &["lun"])),
        not_nfs_if(Evidence::Value("protocol", &["dpc", "iscsi", "fc", "roce"])),
        nfs_if(Evidence::Value("protocol", &["nfs", "nfs+"])),
        not_nfs_if(Evidence::BlockMode),
    ],
    source: "Huawei eSDK documentation; its source was not read",
    ..PLAIN
};

static PURE: Driver = Driver {
    names: &["pure-csi"],
    title: "Pure Storage; FlashBlade is NFS, FlashArray block",
    nfs: Nfs::Depends,
    clues: &[
        nfs_if(Evidence::Value("backend", &["file", "pure_file"])),
        not_nfs_if(Evidence::Value("backend", &["block", "pure_block"])),
        nfs_if(Evidence::Key("pure_nfs_endpoint")),
        nfs_if(Evidence::Key("pure_nfs_policy")),
        nfs_if(Evidence::Key("pure_export_rules")),
    ],
    source: "Pure Storage documentation; its source was not read",
    ..PLAIN
};

static PORTWORX: Driver = Driver {
    names: &["pxd.portworx.com"],
    title: "Portworx; NFS with a FlashBlade behind it",
    nfs: Nfs::Depends,
    clues: &[
        nfs_if(Evidence::Value("backend", &["pure_file", "pure_fa_file"])),
        not_nfs_if(Evidence::Value("backend", &["pure_block"])),
        not_nfs_if(Evidence::BlockMode),
    ],
    source: "Portworx documentation; its source was not read",
    ..PLAIN
};

static NUTANIX: Driver = Driver {
    names: &["csi.nutanix.com"],
    title: "Nutanix CSI driver; Files is NFS, Volumes is block",
    nfs: Nfs::Depends,
    clues: &[
        nfs_if(Evidence::Value("storageType", &["NutanixFiles"])),
        not_nfs_if(Evidence::Value("storageType", &["NutanixVolumes"])),
        not_nfs_if(Evidence::BlockMode),
    ],
    source: "Nutanix documentation; its source was not read",
    ..PLAIN
};

static VSPHERE: Driver = Driver {
    names: &["csi.vsphere.vmware.com"],
    title: "vSphere CSI driver; file volumes are NFS",
    nfs: Nfs::No,
    clues: &[
        nfs_if(Evidence::FsType(&["nfs", "nfs4"])),
        nfs_if(Evidence::Value("type", &["vSphere CNS File Volume"])),
    ],
    source: "vSphere CSI documentation; its source was not read",
    ..PLAIN
};

static QNAP: Driver = Driver {
    names: &["csi.trident.qnap.io"],
    title: "QNAP's Trident; NFS or iSCSI by backend",
    nfs: Nfs::Depends,
    empty: Empty::Hidden,
    source: "QNAP documentation; its source was not read",
    ..PLAIN
};

static VAST: Driver = Driver {
    names: &["csi.vastdata.com"],
    title: "VAST Data CSI driver",
    source: "VAST documentation; its source was not read",
    ..PLAIN
};
