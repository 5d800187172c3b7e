//! The text of a file of nfsmount.conf.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use super::replaced::gone;

/// A file that is larger than this is not read.
// The file is the node's, and its size is not under the control of this process.
const FILE_LIMIT: u64 = 256 << 10;

/// Reads a file whole, or not at all.
pub(super) fn text_of(path: &Path) -> io::Result<String> {
    let metadata = fs::metadata(path)?;
    // Opening a named pipe would wait for a writer.
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "is not a regular file"));
    }
    if let Some(error) = gone(&metadata, path) {
        return Err(error);
    }
    let mut bytes = Vec::new();
    let read = File::open(path)?.take(FILE_LIMIT + 1).read_to_end(&mut bytes)?;
    if u64::try_from(read).unwrap_or(u64::MAX) > FILE_LIMIT {
        // A later line may take back what an earlier one gives.
        let message = format!("is larger than {} KiB, so nothing of it is read", FILE_LIMIT >> 10);
        return Err(io::Error::other(message));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
