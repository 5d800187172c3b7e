//! Rows of the cloud providers' file services.

use super::{
    Addition, CarrierKey, Case, Driver, Empty, Evidence, Join, Nfs, On, PLAIN, Role, appended, nfs_if,
    not_nfs_if,
};

pub(super) static DRIVERS: &[&Driver] = &[
    &AWS_EFS, &AZURE_FILE, &AZURE_BLOB, &GOOGLE_FILESTORE, &ALIBABA_NAS, &TENCENT_CFS, &ORACLE_FSS,
    &HUAWEI_SFS, &HUAWEI_EVEREST, &IBM_FILE, &DIGITALOCEAN_NFS, &OPENSTACK_MANILA,
];

const EFS_DEFAULTS: &[&str] =
    &["nfsvers=4.1", "rsize=1048576", "wsize=1048576", "hard", "timeo=600", "retrans=2", "noresvport"];

const fn unless(options: &'static str, unless: &'static [&'static str]) -> Addition {
    Addition { options, unless, first: false, when: None }
}

static AWS_EFS: Driver = Driver {
    names: &["efs.csi.aws.com"],
    title: "Amazon EFS CSI driver",
    case: Case::Folded,
    empty: Empty::DriverDefaults(EFS_DEFAULTS),
    adds: &[
        unless("nfsvers=4.1", &["vers", "nfsvers", "v4", "v4.0", "v4.1", "minorversion"]),
        unless("rsize=1048576", &["rsize"]),
        unless("wsize=1048576", &["wsize"]),
        unless("hard", &["soft", "hard"]),
        unless("timeo=600", &["timeo"]),
        unless("retrans=2", &["retrans"]),
        unless("noresvport", &["noresvport", "resvport"]),
    ],
    own_words: &[
        "tls", "iam", "accesspoint", "awsprofile", "awscredsuri", "crossaccount", "mounttargetip",
        "stunnel_log_level", "stunnel", "notls", "az", "region", "ocsp", "noocsp", "cafile", "verify",
        "rolearn", "jwtpath", "fsap", "netns", "nos3readcache", "nostunnel", "tlsport",
    ],
    advice: "every element is lower-cased, so BG is bg; mount.efs adds timeouts where none are given and hard unless it sees hard or soft, so softerr loses",
    source: "aws-efs-csi-driver pkg/driver/node.go; efs-utils efs_utils_common/mount_options.py",
    ..PLAIN
};

static AZURE_FILE: Driver = Driver {
    names: &["file.csi.azure.com"],
    title: "Azure Files CSI driver; NFS or SMB",
    nfs: Nfs::No,
    clues: &[
        nfs_if(Evidence::Value("protocol", &["nfs"])),
        nfs_if(Evidence::FsType(&["nfs", "nfs4", "aznfs"])),
    ],
    join: Join::Sorted,
    case: Case::Kept,
    adds: &[unless("vers=4,minorversion=1,sec=sys", &[]), unless("noresvport", &["noresvport", "resvport"])],
    advice: "the driver names the version itself: a vers= or nfsvers= of the user's makes every mount fail",
    source: "azurefile-csi-driver pkg/azurefile/nodeserver.go",
    ..PLAIN
};

static AZURE_BLOB: Driver = Driver {
    names: &["blob.csi.azure.com"],
    title: "Azure Blob CSI driver; NFSv3 or FUSE",
    nfs: Nfs::No,
    clues: &[nfs_if(Evidence::Value("protocol", &["nfs"]))],
    join: Join::Sorted,
    case: Case::Kept,
    adds: &[unless("sec=sys,vers=3,nolock", &[])],
    advises_local_locks: true,
    advice: "the driver names the version itself: a vers= or nfsvers= of the user's makes every mount fail",
    source: "blob-csi-driver documentation, pkg/blob/nodeserver.go; not measured",
    ..PLAIN
};

static GOOGLE_FILESTORE: Driver = Driver {
    names: &["filestore.csi.storage.gke.io", "*.filestore.csi.storage.gke.io"],
    title: "Google Filestore CSI driver",
    carriers: &[appended("mount-options", On::Class), appended("mountOptions", On::Volume)],
    case: Case::Kept,
    advice: "the class parameter mount-options comes after mountOptions, and nothing checks it",
    source: "gcp-filestore-csi-driver pkg/csi_driver/node.go",
    ..PLAIN
};

static ALIBABA_NAS: Driver = Driver {
    names: &["nasplugin.csi.alibabacloud.com", "alicloud/nas"],
    title: "Alibaba Cloud NAS CSI driver",
    carriers: &[
        CarrierKey { key: "options", on: On::Both, role: Role::First },
        CarrierKey { key: "vers", on: On::Both, role: Role::Version },
    ],
    case: Case::Kept,
    empty: Empty::DriverDefaultsByVersion(
        &[
            "nolock", "proto=tcp", "rsize=1048576", "wsize=1048576", "hard", "timeo=600", "retrans=2",
            "noresvport",
        ],
        &["noresvport"],
    ),
    advises_local_locks: true,
    advice: "options of one's own replace the driver's; options: none means none at all",
    source: "alibaba-cloud-csi-driver pkg/nas/utils.go, nodeserver.go",
    ..PLAIN
};

static TENCENT_CFS: Driver = Driver {
    names: &["com.tencent.cloud.csi.cfs", "com.tencent.cloud.csi.tcfs.*"],
    title: "Tencent Cloud CFS CSI driver",
    carriers: &[
        CarrierKey { key: "options", on: On::Both, role: Role::First },
        CarrierKey { key: "vers", on: On::Both, role: Role::Version },
    ],
    case: Case::Kept,
    adds: &[
        Addition { options: "noresvport", unless: &[], first: false, when: Some(Evidence::Key("fsid")) },
        Addition {
            options: "nolock,proto=tcp",
            unless: &[],
            first: false,
            when: Some(Evidence::Value("vers", &["3", "3.0"])),
        },
    ],
    advises_local_locks: true,
    advice: "the attribute vers is always appended: a vers= in mountOptions beside it makes every mount fail",
    source: "kubernetes-csi-tencentcloud driver/cfs/node.go",
    ..PLAIN
};

static ORACLE_FSS: Driver = Driver {
    names: &["fss.csi.oraclecloud.com", "oracle.com/oci-fss"],
    title: "Oracle Cloud File Storage CSI driver",
    case: Case::Kept,
    advice: "",
    source: "oci-cloud-controller-manager documentation: options are used as given",
    ..PLAIN
};

static HUAWEI_SFS: Driver = Driver {
    names: &["nas.csi.everest.io", "sfsturbo.csi.everest.io"],
    title: "Huawei Cloud SFS and SFS Turbo (Everest)",
    source: "Huawei Cloud CCE documentation; its source was not read",
    ..PLAIN
};

static HUAWEI_EVEREST: Driver = Driver {
    names: &["everest-csi-provisioner"],
    title: "Huawei Cloud Everest provisioner, for disks, objects and files",
    nfs: Nfs::Depends,
    clues: &[
        nfs_if(Evidence::Value(
            "csi.storage.k8s.io/csi-driver-name",
            &["nas.csi.everest.io", "sfsturbo.csi.everest.io"],
        )),
        nfs_if(Evidence::FsType(&["nfs", "nfs4"])),
        not_nfs_if(Evidence::Value(
            "csi.storage.k8s.io/csi-driver-name",
            &["disk.csi.everest.io", "obs.csi.everest.io"],
        )),
    ],
    source: "Huawei Cloud CCE documentation; its source was not read",
    ..PLAIN
};

static IBM_FILE: Driver = Driver {
    names: &["vpc.file.csi.ibm.io", "vpc-file-pool.csi.ibm.io", "ibm.io/ibmc-file"],
    title: "IBM Cloud File Storage",
    source: "IBM Cloud documentation; its source was not read",
    ..PLAIN
};

static DIGITALOCEAN_NFS: Driver = Driver {
    names: &["nfs.csi.digitalocean.com"],
    title: "DigitalOcean network file storage",
    source: "DigitalOcean documentation; its source was not read",
    ..PLAIN
};

static OPENSTACK_MANILA: Driver = Driver {
    names: &["nfs.manila.csi.openstack.org", "manila-provisioner"],
    title: "OpenStack Manila for NFS shares",
    source: "cloud-provider-openstack documentation; its source was not read",
    ..PLAIN
};
