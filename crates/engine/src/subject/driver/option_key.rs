//! Keys of parameters, attributes and fields that name mount options.

/// Last segments of keys under which one driver or another takes options. They
/// are evaluated for `bg` with every driver that is or may be NFS.
const GENERIC_KEYS: [&str; 8] = [
    "mountoptions", "mountopts", "mountflags", "nfsoptions", "nfsmountoptions", "clientmountoptions",
    "sharedv4mountoptions", "options",
];

/// Returns [`GENERIC_KEYS`], for the admission policies.
pub const fn generic_keys() -> &'static [&'static str] {
    &GENERIC_KEYS
}

/// Returns true if a key is one under which drivers take options: by its last segment after `.` or
/// `/`, without regard to case, `_` and `-`.
///
/// ```
/// # use nfs_mount_guard_engine::subject::driver::is_option_key;
/// assert!(is_option_key("nfs.mount_Options") && is_option_key("example.com/mount-opts"));
/// assert!(!is_option_key("mountOptions.owner"));
/// ```
pub fn is_option_key(key: &str) -> bool {
    // All of them are plurals, and hardly another key is: one letter decides.
    let last = key.chars().rev().find(|letter| !matches!(letter, '_' | '-'));
    last.is_some_and(|last| small(last) == 's')
        && GENERIC_KEYS.iter().any(|generic| letters(last_segment(key)).eq(generic.chars()))
}

/// Returns true if a key names mount options wherever it stands. `options` alone, which does in a
/// volume, may be anything elsewhere.
pub fn names_mount_options(key: &str) -> bool {
    is_option_key(key) && !last_segment(key).eq_ignore_ascii_case("options")
}

/// Words in names of mount options of other file systems.
const OTHER_FILE_SYSTEMS: [&str; 10] =
    ["blob", "ceph", "cifs", "ext4", "fuse", "gluster", "lustre", "s3", "smb", "xfs"];

/// Returns true if the name of a variable, a parameter or a flag ends as mount options do, and names no
/// other file system than NFS: each program has its own words before that.
///
/// ```
/// # use nfs_mount_guard_engine::subject::driver::ends_with_mount_options;
/// assert!(ends_with_mount_options("efs_storage_class_mount_options"));
/// assert!(!ends_with_mount_options("smbMountOptions") && !ends_with_mount_options("mountOptionsOwner"));
/// ```
pub fn ends_with_mount_options(name: &str) -> bool {
    let name: String = letters(last_segment(name)).collect();
    ["mountoptions", "mountopts", "mountflags"].iter().any(|end| name.ends_with(end))
        && !OTHER_FILE_SYSTEMS.iter().any(|other| name.contains(other))
}

/// Returns true if a key is `mountOptions` but for one letter.
pub fn resembles_mount_options(key: &str) -> bool {
    const WORD: &str = "mountoptions";
    let last = last_segment(key);
    if last.len() + 1 < WORD.len() {
        return false;
    }
    let is_letter = |byte: &u8| !matches!(byte, b'_' | b'-') && !(0x80..0xc0).contains(byte);
    if last.bytes().filter(is_letter).count().abs_diff(WORD.len()) > 1 {
        return false;
    }
    let letters: String = letters(last).collect();
    // One wrong letter leaves one of the two ends as it is; `description` has neither.
    let has_an_end = letters.starts_with("mount") || letters.ends_with("tions");
    has_an_end && letters != WORD && strsim::osa_distance(&letters, WORD) == 1
}

/// Returns true if a key speaks of options of some sort: `opts`, `mountOpt`, `nfsOption`, `mntFlags`.
pub fn speaks_of_options(key: &str) -> bool {
    // The last four letters in one number, small: each annotation of an object is looked at.
    let mut letters = 0_u32;
    last_segment(key).bytes().any(|byte| {
        letters = letters << 8 | u32::from(byte.to_ascii_lowercase());
        letters & 0x00ff_ffff == u32::from_be_bytes(*b"\0opt") || letters == u32::from_be_bytes(*b"flag")
    })
}

/// Returns true if a key names an NFS version.
pub fn names_version(key: &str) -> bool {
    let last = last_segment(key);
    last.starts_with(['n', 'N', 'v', 'V'])
        && ["nfsversion", "nfsvers", "vers"].iter().any(|name| letters(last_segment(key)).eq(name.chars()))
}

/// Returns true if a key names a directory of the server: its value may be any text.
pub fn names_directory(key: &str) -> bool {
    const NAMES: [&str; 5] = ["dir", "directory", "path", "share", "export"];
    let name: String = letters(last_segment(key)).collect();
    NAMES.iter().any(|end| name.ends_with(end))
}

fn last_segment(key: &str) -> &str {
    let begin = key.bytes().rposition(|byte| matches!(byte, b'.' | b'/')).map_or(0, |at| at + 1);
    key.get(begin..).unwrap_or_default()
}

/// Returns the letters of a key without `_` and `-`, small as Go makes them.
fn letters(key: &str) -> impl Iterator<Item = char> {
    key.chars().filter(|letter| !matches!(letter, '_' | '-')).map(small)
}

/// Returns a letter as Go's `strings.ToLower` and `strings.EqualFold` have it: three
/// letters outside ASCII have one inside.
const fn small(letter: char) -> char {
    match letter {
        '\u{130}' => 'i',
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        _ => letter.to_ascii_lowercase(),
    }
}

/// Returns true if a driver written in Go may take one key for the other.
pub fn is_same_key(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
        || !(one.is_ascii() && other.is_ascii()) && one.chars().map(small).eq(other.chars().map(small))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_with_one_wrong_letter_resembles_mount_options() {
        const WORD: &str = "mountoptions";
        let letters: Vec<char> = WORD.chars().collect();
        for at in 0..letters.len() {
            let mut without = letters.clone();
            without.remove(at);
            let mut doubled = letters.clone();
            doubled.insert(at, 'x');
            let mut other = letters.clone();
            other[at] = 'x';
            let mut swapped = letters.clone();
            swapped.swap(at, (at + 1).min(letters.len() - 1));
            for key in [without, doubled, other, swapped] {
                let key: String = key.into_iter().collect();
                assert_eq!(resembles_mount_options(&key), key != WORD, "{key}");
            }
        }
        for key in ["description", "mount-options", "mountpoint", "applications", "mountains"] {
            assert!(!resembles_mount_options(key), "{key}");
        }
    }

    #[test]
    fn a_key_speaks_of_options_in_any_case() {
        for key in ["opts", "mountOpt", "nfsOPTion", "mntFlags", "a.b/FLAG"] {
            assert!(speaks_of_options(key), "{key}");
        }
        for key in ["", "op", "fla", "o-p-t", "opt.example.com/name", "port", "flow"] {
            assert!(!speaks_of_options(key), "{key}");
        }
    }
}
