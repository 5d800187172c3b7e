use super::*;

#[test]
fn a_star_stands_for_any_text() {
    for (pattern, text, matches) in [
        ("a*", "abc", true),
        ("a*c", "abc", true),
        ("a*c", "ab", false),
        ("*nfs*", "my-nfs-sc", true),
        ("*", "", true),
        ("abc", "abc", true),
        ("abc", "abcd", false),
        ("a*b*c", "a-b-b-c", true),
        ("ab*ba", "aba", false),
    ] {
        assert_eq!(glob(pattern, text), matches, "{pattern} {text}");
    }
}

#[test]
fn no_name_stands_in_two_rows() {
    let mut names: Vec<_> = drivers().flat_map(|driver| driver.names).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
}

#[test]
fn every_row_says_where_it_comes_from() {
    let variants = drivers().flat_map(|driver| driver.variants).map(|variant| variant.row);
    for driver in drivers().chain(variants) {
        assert!(!driver.title.is_empty(), "{:?}", driver.names);
        assert!(!driver.source.is_empty(), "{:?}", driver.names);
        assert!(!driver.advice.ends_with('.'), "{:?}", driver.names);
    }
}

#[test]
fn a_key_that_holds_options_is_found_by_its_last_segment() {
    for key in [
        "mountOptions",
        "mount_options",
        "mount-opts",
        "MOUNTFLAGS",
        "nfs.mountOptions",
        "nfsOptions",
        "nfs-mount-options",
        "clientMountOptions",
        "sharedv4_mount_options",
        "options",
        "linstor.csi.linbit.com/mountOpts",
        "backingStore.nfs.mountOptions",
    ] {
        assert!(is_option_key(key), "{key}");
    }
    for key in ["", "mountOption", "mountOptions.x", "optionset", "mkfsOptions", "fsType", "_", "."] {
        assert!(!is_option_key(key), "{key}");
    }
}

/// `no` without a clue is for drivers that never mount NFS: a clue that says
/// otherwise would contradict the row.
#[test]
fn a_driver_that_can_mount_nfs_is_never_called_not_nfs_as_a_whole() {
    for driver in drivers().filter(|driver| driver.nfs == Nfs::No) {
        assert!(driver.clues.is_empty() && driver.variants.is_empty(), "{:?}", driver.names);
    }
}

/// The admission policies know a driver by its name alone.
#[test]
fn a_variant_treats_letters_as_its_row_does() {
    for driver in drivers() {
        for variant in driver.variants {
            assert_eq!(variant.row.case, driver.case, "{:?}", driver.names);
        }
    }
}
