//! Rows of what is not NFS: block devices, disks of the node, SMB, object
//! stores and other network file systems.

use super::{Driver, Known, ListUse, Nfs, PLAIN};

pub(super) static DRIVERS: &[&Driver] =
    &[&NO_PROVISIONER, &NODE, &IN_TREE, &CLOUD_DISKS, &BLOCK, &OTHER_FILE_SYSTEMS];

const NOT_NFS: Driver = Driver { nfs: Nfs::No, known: Known::Documented, ..PLAIN };

/// Nothing makes a volume from such a class, and a volume made by hand has a list of
/// its own.
static NO_PROVISIONER: Driver = Driver {
    names: &["kubernetes.io/no-provisioner"],
    title: "no provisioner: volumes are made by hand",
    source: "Kubernetes documentation of storage classes, local; kubernetes \
             pkg/controller/volume/persistentvolume/pv_controller.go provisionClaimOperation",
    // Volumes made by hand have options of their own, and none of their class.
    list: ListUse::NotUsed,
    ..NOT_NFS
};

static NODE: Driver = Driver {
    names: &[
        "kubernetes.io/host-path",
        "kubernetes.io/local-volume",
        "hostpath.csi.k8s.io",
        "k8s.io/minikube-hostpath",
        "microk8s.io/hostpath",
        "docker.io/hostpath",
        "rancher.io/local-path",
        "openebs.io/local",
        "local.csi.openebs.io",
        "zfs.csi.openebs.io",
        "topolvm.io",
        "topolvm.cybozu.com",
        "lvm.csi.metal-stack.io",
    ],
    title: "disks and directories of the node",
    source: "Kubernetes documentation of the volume types; the projects' documentation",
    ..NOT_NFS
};

static IN_TREE: Driver = Driver {
    names: &[
        "kubernetes.io/aws-ebs",
        "kubernetes.io/gce-pd",
        "kubernetes.io/azure-disk",
        "kubernetes.io/cinder",
        "kubernetes.io/iscsi",
        "kubernetes.io/fc",
        "kubernetes.io/rbd",
        "kubernetes.io/cephfs",
        "kubernetes.io/glusterfs",
        "kubernetes.io/quobyte",
        "kubernetes.io/scaleio",
        "kubernetes.io/storageos",
    ],
    title: "volumes of the kubelet that are not NFS",
    source: "kubernetes pkg/volume",
    ..NOT_NFS
};

static CLOUD_DISKS: Driver = Driver {
    names: &[
        "ebs.csi.aws.com",
        "ebs.csi.eks.amazonaws.com",
        "pd.csi.storage.gke.io",
        "disk.csi.azure.com",
        "diskplugin.csi.alibabacloud.com",
        "com.tencent.cloud.csi.cbs",
        "blockvolume.csi.oraclecloud.com",
        "disk.csi.everest.io",
        "vpc.block.csi.ibm.io",
        "dobs.csi.digitalocean.com",
        "linodebs.csi.linode.com",
        "csi.hetzner.cloud",
        "block.csi.vultr.com",
        "csi.scaleway.com",
        "csi.exoscale.com",
        "csi.cloudscale.ch",
        "cinder.csi.openstack.org",
        "csi.ovirt.org",
    ],
    title: "cloud disks",
    source: "the providers' documentation",
    ..NOT_NFS
};

static BLOCK: Driver = Driver {
    names: &[
        "rbd.csi.ceph.com",
        "*.rbd.csi.ceph.com",
        "block.csi.ibm.com",
        "io.openebs.csi-mayastor",
        "cstor.csi.openebs.io",
        "jiva.csi.openebs.io",
        "iscsi.csi.k8s.io",
        "san.csi.lightbitslabs.com",
        "csi.lightbitslabs.com",
        "csi.simplyblock.io",
        "kubevirt.io/csi-driver",
        "csi.kubevirt.io",
        "csi.proxmox.sinextra.dev",
    ],
    title: "block devices",
    source: "the projects' documentation",
    ..NOT_NFS
};

static OTHER_FILE_SYSTEMS: Driver = Driver {
    names: &[
        "smb.csi.k8s.io",
        "cephfs.csi.ceph.com",
        "cephfs.manila.csi.openstack.org",
        "*.cephfs.csi.ceph.com",
        "fsx.csi.aws.com",
        "lustre.csi.*",
        "lustreplugin.csi.*",
        "s3.csi.aws.com",
        "*.s3.csi.*",
        "ossplugin.csi.alibabacloud.com",
        "obs.csi.everest.io",
        "com.tencent.cloud.csi.cosfs",
        "gcsfuse.csi.storage.gke.io",
        "parallelstore.csi.storage.gke.io",
        "csi.juicefs.com",
        "seaweedfs-csi-driver",
        "csi.quobyte.com",
        "spectrumscale.csi.ibm.com",
        "beegfs.csi.netapp.com",
        "org.gluster.glusterfs",
        "secrets-store.csi.k8s.io",
        "csi.cert-manager.io",
    ],
    title: "file systems that are not NFS",
    source: "the projects' documentation",
    ..NOT_NFS
};
