//! Files that are written in one step: a reader finds the old text or the new one, and
//! never a part.

#[cfg(unix)]
mod attributes;

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Write};
#[cfg(unix)]
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::interrupt::Held;
use crate::source::io_fault;

/// Writes the content of a file, each time that it is called.
pub(super) type Content<'c> = &'c dyn Fn(&mut dyn Write) -> io::Result<()>;

/// The reason why a file is not replaced: the cause, and what helps.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotReplaced {
    /// The user may not write it, although the directory would take another one.
    #[error("the file cannot be written: {}; make it writable first", io_fault::reason(.0))]
    Unwritable(io::Error),
    /// A pipe or a device.
    #[error("it is not a regular file; use fix - with it as standard input")]
    Irregular,
    /// Other names lead to the same file, and would lead to the old text.
    #[error(
        "it has {0} hard links, of which only one would change; remove the others first, or write the output \
of fix - into it"
    )]
    Linked(u64),
    /// The new file would be another user's.
    #[error("its owner and group cannot be kept: {}; run fix as its owner or as root", io_fault::reason(.0))]
    Owner(io::Error),
    /// The new file would have another access control list.
    #[error("its access control list and attributes cannot be kept: {}; run fix as its owner or as root", io_fault::reason(.0))]
    Attributes(io::Error),
    /// The directory takes no file.
    #[error("its directory takes no new file: {}; make the directory writable first", io_fault::reason(.0))]
    Directory(io::Error),
    /// The text cannot be written.
    #[error("it cannot be written: {}; {}", io_fault::reason(.0), remedy(.0))]
    Other(#[from] io::Error),
}

impl NotReplaced {
    /// Returns the reason of an error at the creation of a file.
    fn of_directory(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Self::Directory(error),
            _ => Self::Other(error),
        }
    }
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "free space, and run fix again",
        // A file that is a mount of its own.
        ErrorKind::ResourceBusy | ErrorKind::CrossesDevices => "use fix - with it as standard input",
        _ => "remove the cause, and run fix again",
    }
}

/// Puts new text in the place of a file that exists, with its owner, its group, its permissions and its lists
/// of them.
///
/// # Errors
///
/// When the user may not write the file, it has other hard links, its owner or group cannot be kept,
/// or its directory cannot take the new file. It is then as it was.
pub(super) fn replace(path: &Path, text: &str) -> Result<(), NotReplaced> {
    replace_with(path, &|out| out.write_all(text.as_bytes()))
}

fn replace_with(path: &Path, content: Content<'_>) -> Result<(), NotReplaced> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(NotReplaced::Irregular);
    }
    // A link stays a link.
    let path = fs::canonicalize(path)?;
    // To replace it, the right to write its directory is enough.
    let old = OpenOptions::new().write(true).open(&path).map_err(NotReplaced::Unwritable)?;
    let links = links(&metadata);
    if links > 1 {
        return Err(NotReplaced::Linked(links));
    }
    put(&path, 0o600, content, |file| {
        keep_owner(&metadata, file).map_err(NotReplaced::Owner)?;
        // Before the mode: next to a list the bits of the group are the list's mask.
        #[cfg(unix)]
        attributes::keep(&old, file).map_err(NotReplaced::Attributes)?;
        Ok(file.set_permissions(metadata.permissions())?)
    })
}

#[cfg(unix)]
fn links(metadata: &Metadata) -> u64 {
    metadata.nlink()
}

#[cfg(not(unix))]
fn links(_: &Metadata) -> u64 {
    1
}

/// Gives a new file the owner and the group of the old one.
#[cfg(unix)]
fn keep_owner(old: &Metadata, file: &File) -> io::Result<()> {
    let own = |new: &Metadata| {
        let other = |old: u32, new: u32| Some(old).filter(|old| *old != new);
        (other(old.uid(), new.uid()), other(old.gid(), new.gid()))
    };
    let (user, group) = own(&file.metadata()?);
    if user.is_none() && group.is_none() {
        return Ok(());
    }
    std::os::unix::fs::fchown(file, user, group)?;
    // Some file systems take the call, and change nothing.
    match own(&file.metadata()?) {
        (None, None) => Ok(()),
        _ => Err(ErrorKind::Unsupported.into()),
    }
}

#[cfg(not(unix))]
fn keep_owner(_: &Metadata, _: &File) -> io::Result<()> {
    Ok(())
}

/// Writes a report to a file, which need not exist. A device or a pipe is written into,
/// and so is a file that cannot be replaced: in a directory that takes no new file, or one
/// that is a mount of its own.
///
/// # Errors
///
/// When the file cannot be written.
pub(super) fn write(path: &Path, content: Content<'_>) -> io::Result<()> {
    let over = || content(&mut File::create(path)?);
    let is_new = match fs::metadata(path) {
        Ok(old) if !old.is_file() => return over(),
        Ok(_) => false,
        Err(error) if error.kind() == ErrorKind::NotFound => true,
        Err(error) => return Err(error),
    };
    let placed = if is_new && !path.is_symlink() {
        // The mode that umask allows, as for any new file.
        put(path, 0o666, content, |_| Ok(()))
    } else {
        replace_with(path, content)
    };
    placed.or_else(|_| over())
}

/// Puts a file with this content in the place of `path`. A signal waits until that is done: no temporary
/// file is left.
fn put(
    path: &Path,
    mode: u32,
    content: Content<'_>,
    prepare: impl FnOnce(&File) -> Result<(), NotReplaced>,
) -> Result<(), NotReplaced> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let _held = Held::begin();
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(mode));
    // Beside the file, because rename(2) moves nothing to another file system (EXDEV).
    let mut file = builder.tempfile_in(folder).map_err(NotReplaced::of_directory)?;
    // Before the text is there: who may not read the old one may not read this.
    prepare(file.as_file())?;
    content(file.as_file_mut())?;
    // Before the rename, so that after a crash the name leads to the old text or the new one, and to no
    // empty file.
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| NotReplaced::Other(error.error))?;
    Ok(())
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_report_keeps_permissions_and_links_and_leaves_no_other_file() {
        let folder = TempDir::new().expect("a folder");
        let of = |name: &str| folder.path().join(name);
        let mode = |name: &str| fs::metadata(of(name)).expect("a file").permissions().mode() & 0o777;
        fs::write(of("as-any"), "").expect("a file");
        write(&of("new"), &|out| out.write_all(b"1")).expect("written");
        assert_eq!(mode("new"), mode("as-any"));
        fs::set_permissions(of("new"), Permissions::from_mode(0o640)).expect("permissions");
        symlink("new", of("link")).expect("a link");
        write(&of("link"), &|out| out.write_all(b"2")).expect("written");
        assert_eq!((fs::read_to_string(of("new")).expect("text"), mode("new")), ("2".to_owned(), 0o640));
        assert!(of("link").is_symlink());
        symlink("target", of("dangling")).expect("a link");
        write(&of("dangling"), &|out| out.write_all(b"3")).expect("written");
        assert!(of("dangling").is_symlink());
        assert_eq!(fs::read_to_string(of("target")).expect("text"), "3");
        write(Path::new("/dev/null"), &|out| out.write_all(b"4")).expect("written");
        assert!(!fs::metadata("/dev/null").expect("a device").is_file());
        let mut names: Vec<_> =
            fs::read_dir(folder.path()).expect("a list").flatten().map(|entry| entry.file_name()).collect();
        names.sort();
        assert_eq!(names, ["as-any", "dangling", "link", "new", "target"]);
        assert!(write(&of("none/report"), &|out| out.write_all(b"5")).is_err());
    }
}
