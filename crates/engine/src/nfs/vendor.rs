//! Options of NFS client modules that storage vendors replace the kernel's own by, such as VAST's for
//! multipathing, which Dell ships for `PowerScale` as well. The kernel's own refuses them.

use super::option::MountOption;

/// Parameters of these modules (<https://vastnfs.vastdata.com/docs/latest/Mount-Parameters.html>).
const WORDS: [&str; 9] = [
    "remoteports", "localports", "localports_failover", "pconnect", "mdconnect", "spread_reads",
    "spread_writes", "nospread_reads", "noextend",
];

/// Returns true for an option that such a module takes and the kernel's own does not.
pub fn is_of_client_module(option: &MountOption<'_>) -> bool {
    WORDS.contains(&option.keyword())
}
