//! Options of NFS client modules that storage vendors replace the kernel's own by, such as VAST's for
//! multipathing, which Dell ships for `PowerScale` as well. The kernel's own refuses them.

use super::option::MountOption;

/// Parameters of VAST's module that the kernel's own has not: `nfs_fs_parameters` of its `fs_context.c`,
/// described by <https://vastnfs.vastdata.com/docs/4.0/usage/mount-params.html>; `pconnect` is an older one's.
const VAST: [&str; 20] = [
    "extend", "forcerdirplus", "idlexprt", "localports", "localports_failover", "mdconnect", "noextend",
    "noforcerdirplus", "noidlexprt", "nosharetransport", "nospread_reads", "nospread_writes", "optlockflush",
    "pconnect", "relmtime", "remoteports", "remoteports_offset", "sharetransport", "spread_reads",
    "spread_writes",
];

/// Parameters of openEuler's multipathing, `fs/nfs/enfs` of its kernel
/// (<https://gitcode.com/openeuler/kernel/blob/OLK-6.6/fs/nfs/enfs_adapter.c>).
const ENFS: [&str; 3] = ["enfs_info", "localaddrs", "remoteaddrs"];

/// The most connections that VAST's module takes: `NFS_MAX_CONNECTIONS` of the source of that module.
const MOST_CONNECTIONS: u16 = 64;

/// Returns the keywords that such a module takes and the kernel's own does not.
pub fn words() -> impl Iterator<Item = &'static str> {
    VAST.into_iter().chain(ENFS)
}

/// Returns true for an option that such a module takes and the kernel's own does not.
pub fn is_of_client_module(option: &MountOption<'_>) -> bool {
    words().any(|word| word == option.keyword())
}

/// Returns true for an option of a module that takes more connections than the kernel's own.
pub fn allows_more_connections(option: &MountOption<'_>) -> bool {
    VAST.contains(&option.keyword())
}

/// Returns true for a number of connections that such a module takes.
pub fn takes_connections(value: &str) -> bool {
    value.parse().is_ok_and(|number| (1..=MOST_CONNECTIONS).contains(&number))
}

#[cfg(test)]
mod tests {
    use super::super::catalog;
    use super::*;

    #[test]
    fn no_word_is_one_of_the_kernels_own() {
        for word in words() {
            assert!(catalog::entries().all(|(keyword, _)| keyword != word), "{word}");
            assert!(is_of_client_module(&MountOption::new(word)), "{word}");
        }
    }
}
