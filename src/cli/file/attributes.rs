//! Extended attributes of files, such as their access control lists (xattr(7), acl(5)).

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;

use rustix::fs::{XattrFlags, fgetxattr, flistxattr, fremovexattr, fsetxattr};
use rustix::io::Errno;

/// The most bytes of a value, and of the names of a file (`XATTR_SIZE_MAX` of the kernel).
const MOST: usize = 65_536;

/// Gives a new file the attributes of the old one.
///
/// # Errors
///
/// When the system does not allow one.
pub(super) fn keep(old: &File, new: &File) -> io::Result<()> {
    let (old, current) = (all(old)?, all(new)?);
    for (name, value) in old.iter().filter(|(name, value)| current.get(*name) != Some(value)) {
        fsetxattr(new, name.as_c_str(), value, XattrFlags::empty())?;
    }
    // The directory may have a default list, which the old file has not.
    for name in current.keys().filter(|name| !old.contains_key(*name)) {
        fremovexattr(new, name.as_c_str())?;
    }
    Ok(())
}

/// Returns true for an attribute that a user or an administrator sets. The others belong to the content, or
/// to a file system below.
fn is_kept(name: &CStr) -> bool {
    let name = name.to_bytes();
    [&b"user."[..], b"system."].iter().any(|start| name.starts_with(start)) || name == b"security.selinux"
}

/// Returns the names and values; none where the file system has no attributes.
fn all(file: &File) -> io::Result<BTreeMap<CString, Vec<u8>>> {
    let mut names = vec![0_u8; MOST];
    let length = match flistxattr(file, &mut names[..]) {
        Ok(length) => length,
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(BTreeMap::new()),
        Err(error) => return Err(error.into()),
    };
    names.truncate(length);
    let names =
        names.split_inclusive(|byte| *byte == 0).filter_map(|name| CStr::from_bytes_with_nul(name).ok());
    let value = |name: &CStr| {
        let mut value = vec![0_u8; MOST];
        let length = fgetxattr(file, name, &mut value[..])?;
        value.truncate(length);
        Ok((name.to_owned(), value))
    };
    names.filter(|name| is_kept(name)).map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_notes_are_kept_and_those_of_the_directory_are_not_added() {
        let (old, new) = (tempfile::tempfile().expect("a file"), tempfile::tempfile().expect("a file"));
        let set = |file: &File, name: &str, value: &[u8]| fsetxattr(file, name, value, XattrFlags::empty());
        if set(&old, "user.note", b"kept").is_err() {
            return;
        }
        set(&new, "user.other", b"x").expect("an attribute");
        // user::rw-, user:7:r--, group::r--, mask::r--, other::---
        let mut list = vec![2, 0, 0, 0];
        for (tag, mode, id) in
            [(1_u16, 6_u16, u32::MAX), (2, 4, 7), (4, 4, u32::MAX), (16, 4, u32::MAX), (32, 0, u32::MAX)]
        {
            list.extend(tag.to_le_bytes());
            list.extend(mode.to_le_bytes());
            list.extend(id.to_le_bytes());
        }
        let has_list = set(&old, "system.posix_acl_access", &list).is_ok();
        keep(&old, &new).expect("kept");
        let kept = all(&new).expect("attributes");
        assert_eq!(kept, all(&old).expect("attributes"));
        assert_eq!(kept.len(), 1 + usize::from(has_list));
    }
}
