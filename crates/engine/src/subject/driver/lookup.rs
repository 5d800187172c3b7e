//! Looks up the row for the name of a driver.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::{Driver, drivers};

/// Returns the row for a name, exact names before patterns; `None` for a driver that no
/// row describes.
pub fn find(name: &str) -> Option<&'static Driver> {
    EXACT.get(name).copied().or_else(|| {
        drivers()
            .find(|driver| driver.names.iter().any(|pattern| pattern.contains('*') && glob(pattern, name)))
    })
}

/// Returns the row for the driver of a `FlexVolume`; `None` for one that no row describes, whatever CSI
/// driver or provisioner has its name.
pub fn find_script(name: &str) -> Option<&'static Driver> {
    EXACT.get(name).copied().filter(|row| row.scripts.contains(&name))
}

/// Returns true if the table has the name for provisioners and CSI drivers alone, so that it says
/// nothing of a `FlexVolume`.
pub(crate) fn is_no_script(name: &str) -> bool {
    EXACT.contains_key(name) && find_script(name).is_none()
}

/// Returns the names of all drivers of `FlexVolume`s that a row describes.
pub fn scripts() -> impl Iterator<Item = &'static str> {
    drivers().flat_map(|row| row.scripts).copied()
}

static EXACT: LazyLock<HashMap<&'static str, &'static Driver>> = LazyLock::new(|| {
    drivers()
        .flat_map(|driver| driver.names.iter().map(move |name| (*name, driver)))
        .filter(|(name, _)| !name.contains('*'))
        .collect()
});

/// Returns true if `text` matches `pattern`, in which each `*` stands for any text. Linear in the
/// text for each star.
pub fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    true
}
