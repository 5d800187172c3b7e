//! The words for an error of the system.

use std::io;

/// Returns the reason of an error, in lower case and without the system's number for it, which
/// explains nothing: `no such file or directory`.
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error ").next().unwrap_or_default();
    let mut letters = text.chars();
    let is_name = |rest: &str| rest.chars().next().is_some_and(char::is_uppercase);
    match letters.next() {
        Some(first) if !is_name(letters.as_str()) => first.to_lowercase().chain(letters).collect(),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_has_no_number_and_no_path_of_a_temporary_file() {
        for (error, wanted) in [
            (std::fs::read("/nowhere/at/all").expect_err("no file"), "no such file or directory"),
            (std::fs::read("/").expect_err("a directory"), "is a directory"),
            (io::Error::from_raw_os_error(5), "input/output error"),
            (io::Error::other("Permission denied (os error 13) at path \"/etc/.tmpX\""), "permission denied"),
            (io::Error::other("TLS is required"), "TLS is required"),
            (io::Error::other(""), ""),
        ] {
            assert_eq!(reason(&error), wanted);
        }
    }
}
