//! Words of other programs than mount.nfs(8).

use crate::nfs::catalog;

/// Options of exports(5), which a server reads, by their keywords.
#[rustfmt::skip]
const OF_EXPORTS: &[&str] = &[
    "all_squash", "alldirs", "anongid", "anonuid", "auth_nlm", "crossmnt", "fsid", "hide", "index",
    "insecure", "insecure_locks", "map_daemon", "map_nis", "map_static", "mapall", "maproot",
    "mountpoint", "mp", "no_acl", "no_all_squash", "no_auth_nlm", "no_pnfs", "no_root_squash",
    "no_secure_locks", "no_subtree_check", "no_wdelay", "nohide", "pnfs", "public", "refer", "replicas",
    "root_squash", "secure", "secure_locks", "security_label", "squash_gids", "squash_uids",
    "subtree_check", "wdelay", "webnfs",
];

/// Options of mount.cifs(8), by their keywords.
#[rustfmt::skip]
const OF_SMB: &[&str] = &[
    "backupgid", "backupuid", "cache", "cifsacl", "closetimeo", "compress", "cred", "credentials",
    "cruid", "dfs", "dir_mode", "direct", "directio", "dom", "domain", "domainauto", "echo_interval",
    "esize", "file_mode", "forcedirectio", "forcegid", "forcemandatorylock", "forceuid", "gid", "guest",
    "handlecache", "handletimeout", "idsfromsid", "ignorecase", "iocharset", "ip", "linux", "locallease",
    "mapchars", "mapposix", "max_cached_dirs", "max_channels", "max_credits", "mfsymlinks",
    "min_enc_offload", "modefromsid", "multichannel", "multiuser", "nativesocket", "netbiosname",
    "noautotune", "noblocksend", "nobrl", "nobyterangelock", "nocase", "nodelete", "nodfs",
    "nohandlecache", "nolease", "nolinux", "nomapchars", "nomapposix", "nomultichannel", "noperm",
    "nopersistenthandles", "noposixpaths", "noresilienthandles", "noserverino", "nosetuids",
    "nosharesock", "nostrictsync", "nounix", "nouser_xattr", "nowitness", "pass", "password",
    "password2", "perm", "persistenthandles", "posixpaths", "prefixpath", "rasize", "reparse",
    "resilienthandles", "rootfs", "rwpidforward", "seal", "serverino", "servern", "setuids", "sfu",
    "sign", "signloosely", "snapshot", "strictcache", "strictsync", "tcpnodelay", "uid", "unc",
    "unicode", "unix", "user_xattr", "username", "witness", "workgroup",
];

/// Returns true if another program than mount.nfs(8) has an option with this keyword.
pub fn is_of_another_program(keyword: &str) -> bool {
    other_program(keyword).is_some()
}

/// Returns the program that reads an option that is none of mount.nfs(8).
pub(super) fn other_program(keyword: &str) -> Option<&'static str> {
    if is_among(OF_EXPORTS, keyword) {
        Some("it is an option of exports(5): set it on the NFS server")
    } else if is_among(OF_SMB, keyword) {
        Some("it is an option of mount.cifs(8), for SMB: an NFS mount has no such option")
    } else if matches!(keyword, "-o" | "--options") {
        Some("it is a flag of mount(8), which gets the list itself; remove it")
    } else {
        None
    }
}

/// Returns true if one of the words is the keyword, also in capitals and with other marks between its
/// parts: `ROOT_SQUASH`, `no-root-squash`.
fn is_among(words: &[&str], keyword: &str) -> bool {
    let Some(first) = keyword.bytes().next().map(|byte| byte.to_ascii_lowercase()) else { return false };
    // Words in the order of the alphabet: a list may have hundreds of unknown ones.
    let start = words.partition_point(|word| word.bytes().next() < Some(first));
    let alike = words.get(start..).unwrap_or_default().iter();
    let mut alike = alike.take_while(|word| word.bytes().next() == Some(first));
    // One that NFS has in small letters is meant as that.
    alike.any(|word| *word == keyword || letters(word).eq(letters(keyword)) && !is_of_nfs(keyword))
}

fn is_of_nfs(keyword: &str) -> bool {
    catalog::find(&keyword.to_ascii_lowercase()).is_some()
}

/// Returns the letters of a word without its case and the marks between its parts.
fn letters(word: &str) -> impl Iterator<Item = u8> {
    word.bytes().filter(|byte| !matches!(byte, b'_' | b'-')).map(|byte| byte.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_in_order() {
        assert!(OF_EXPORTS.is_sorted() && OF_SMB.is_sorted());
    }
}
