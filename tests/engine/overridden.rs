//! Tests of a value that the driver replaces by a later one, so that no mount gets it.

use nfs_mount_guard::admission::Endpoint;

use crate::access_modes::{class, refused};
use crate::fixture::TODAY;
use crate::policies::{ask, policy};

/// mount.efs keeps the last value of a keyword.
#[test]
fn a_value_that_the_driver_replaces_is_not_denied() {
    const EFS: &str = "efs.csi.aws.com";
    for (driver, list, codes) in [
        (EFS, &["timeo=600s", "timeo=600", "fg"][..], &[][..]),
        (EFS, &["timeo=600s", "timeo=600", "timeo=600s", "fg"], &[]),
        (EFS, &["timeo=600s,rsize=1M", "timeo=600,rsize=1048576", "fg"], &[]),
        (EFS, &["timeo=600", "timeo=600s", "fg"], &["NMG012"]),
        (EFS, &["timeo=600s", "timeo=600s", "fg"], &["NMG012"]),
        ("nfs.csi.k8s.io", &["timeo=600s", "timeo=600", "fg", "retrans=2"], &["NMG012"]),
    ] {
        let class = class(driver, list);
        assert_eq!(refused("", None, &class), codes, "{driver} {list:?}");
        let warned =
            ask(&policy(""), Endpoint::Validate, "someone", None, &class, TODAY)["warnings"].to_string();
        assert_eq!(warned.contains("never reaches the mount"), codes.is_empty(), "{warned}");
    }
}
