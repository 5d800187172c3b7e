//! Files of a node in a text: nfsmount.conf(5), fstab(5), a mount unit of systemd, and the URL in
//! which a `MachineConfig` or an Ignition file has one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;

use super::commands::is_export;
use crate::nfs::reading;

/// Returns whether a file of a node gives `bg` to NFS mounts; `None` where the text is none of these
/// files, or one without options.
pub(super) fn background_of(text: &str) -> Option<bool> {
    of_conf(text).or_else(|| of_fstab(text)).or_else(|| of_unit(text))
}

/// Returns the text in a `data:` URL (RFC 2397).
pub(super) fn text_of_url(url: &str) -> Option<String> {
    let (head, data) = url.trim().strip_prefix("data:")?.split_once(',')?;
    let decoded: Vec<u8> = percent_decode_str(data).collect();
    let bytes = if head.ends_with(";base64") { STANDARD.decode(decoded).ok()? } else { decoded };
    String::from_utf8(bytes).ok()
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';']))
}

fn of_conf(text: &str) -> Option<bool> {
    let is_conf = lines(text)
        .any(|line| line.starts_with('[') && line.to_ascii_lowercase().contains("nfsmount_global_options"));
    let mut settings = lines(text).filter_map(|line| line.split_once('=')).peekable();
    settings.peek().filter(|_| is_conf)?;
    let is_on = |value: &str| matches!(value, "true" | "t" | "yes" | "y" | "1" | "on" | "bg");
    Some(settings.any(|(key, value)| {
        let key = key.trim().to_ascii_lowercase();
        let value = value.trim().trim_matches('"').to_ascii_lowercase();
        matches!(key.as_str(), "background" | "bg") && is_on(&value)
    }))
}

/// Looks for bg in lines of the form `SERVER:/PATH DIRECTORY nfs OPTIONS 0 0`; `None` without one.
fn of_fstab(text: &str) -> Option<bool> {
    let options = lines(text).filter_map(|line| {
        let mut fields = line.split_whitespace();
        let (device, directory, kind) = (fields.next()?, fields.next()?, fields.next()?);
        let is_nfs = device.contains(":/") && directory.starts_with('/') && matches!(kind, "nfs" | "nfs4");
        fields.next().filter(|options| is_nfs && *options != "defaults")
    });
    options.map(reading::mentions_background).reduce(|one, other| one || other)
}

/// Looks for bg in `Options=` of a `[Mount]` section with `Type=nfs`, or without a type and with
/// `What=SERVER:/PATH`, which mount(8) takes for NFS; `None` without one.
fn of_unit(text: &str) -> Option<bool> {
    let value = |key: &str| {
        let mut settings = lines(text).filter_map(|line| line.split_once('='));
        settings.find(|(found, _)| found.trim() == key).map(|(_, value)| value.trim())
    };
    let is_nfs = lines(text).any(|line| line == "[Mount]")
        && match value("Type") {
            Some("nfs" | "nfs4") => true,
            None | Some("" | "auto") => value("What").is_some_and(is_export),
            Some(_) => false,
        };
    value("Options")
        .filter(|options| is_nfs && !options.is_empty() && *options != "defaults")
        .map(reading::mentions_background)
}
