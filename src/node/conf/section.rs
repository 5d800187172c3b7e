//! The sections of nfsmount.conf, and the variables that one of them sets.

use std::path::{Component, Path};

use crate::node::volumes::VolumeId;

/// Variables that stand for each other are followed so far; mount.nfs follows them without end.
const VARIABLES: usize = 16;

/// To which mounts an option is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::node) enum Section {
    /// To every mount.
    Global,
    /// To those of a server, as the mount command names it.
    Server(String),
    /// To the one at a directory.
    MountPoint(String),
}

/// A section, or one that gives no options.
#[derive(Debug, Clone)]
pub(super) enum Heading {
    Options(Section),
    /// One for servers or mount points that names none: its first option ends mount.nfs, which
    /// compares without a look at whether there is a name (`conf_get_tag_list`).
    Nameless(&'static str),
    Environment(Option<String>),
    /// One of another program.
    Other,
}

/// A line of a section `environment`: a value `$NAME` of another section stands for it.
#[derive(Debug)]
pub(super) struct Variable {
    /// Only for sections with the same argument.
    pub(super) argument: Option<String>,
    pub(super) name: String,
    pub(super) value: String,
}

impl Section {
    /// Returns the argument of its heading.
    pub(super) fn argument(&self) -> Option<&str> {
        match self {
            Self::Global => None,
            Self::Server(argument) | Self::MountPoint(argument) => Some(argument),
        }
    }
}

/// Returns true if the mount of a server may name it so. mount.nfs compares the text with what is before
/// the first colon of the source, which may be the start of an address in brackets, and knows no
/// wildcard.
pub(in crate::node) fn may_be_server(name: &str) -> bool {
    let is_of_name = |character: char| {
        character.is_ascii_alphanumeric()
            || matches!(character, '-' | '.' | '_' | '[')
            || !character.is_ascii()
    };
    !name.is_empty() && name.chars().all(is_of_name)
}

/// Returns true if a volume of a Pod, or what a driver mounts for one, may be mounted at a path.
/// mount.nfs compares it as text in any case of letters: `/a/` and `/a/*` are no mount. `root` is the
/// kubelet's directory, and `pods_dir` that of Pods.
pub(in crate::node) fn is_volume_point(point: &str, root: &Path, pods_dir: &Path) -> bool {
    let lower = |path: &Path| path.to_string_lossy().to_ascii_lowercase();
    let point = lower(Path::new(point));
    let path = Path::new(&point);
    let is_normal = |step: Component<'_>| matches!(step, Component::RootDir | Component::Normal(_));
    // Put together from its steps, a path that the kubelet makes is the same text.
    let is_clean = path.components().all(is_normal)
        && path.components().collect::<std::path::PathBuf>().as_os_str() == path.as_os_str();
    if !is_clean || point.contains(['*', '?']) {
        return false;
    }
    match path.strip_prefix(lower(pods_dir)) {
        Ok(rest) => VolumeId::of_path(rest).is_some_and(|id| id.folder() == rest),
        Err(_) => path.strip_prefix(lower(root)).is_ok_and(|rest| rest.components().count() > 1),
    }
}

impl Heading {
    /// Returns the section of a heading, in any case.
    pub(super) fn of(name: &str, argument: Option<&str>) -> Self {
        let is = |wanted: &str| name.eq_ignore_ascii_case(wanted);
        match argument {
            None if is("NFSMount_Global_Options") => Self::Options(Section::Global),
            Some(argument) if is("Server") => Self::Options(Section::Server(argument.to_owned())),
            Some(argument) if is("MountPoint") => Self::Options(Section::MountPoint(argument.to_owned())),
            None if is("Server") => Self::Nameless("Server"),
            None if is("MountPoint") => Self::Nameless("MountPoint"),
            argument if is("environment") => Self::Environment(argument.map(ToOwned::to_owned)),
            _ => Self::Other,
        }
    }
}

/// Returns the section that `NAME "ARGUMENT"]` begins; `None` where it has no end, and what follows is
/// in none.
pub(super) fn heading(text: &str) -> Option<Heading> {
    let (text, _) = text.split_once(']')?;
    let text = text.trim_matches([' ', '\t']);
    match text.split_once('"') {
        None => Some(Heading::of(text, None)),
        Some((name, rest)) => {
            // Without the second quote it is the section without an argument.
            let argument = rest.split_once('"').map(|(argument, _)| argument);
            Some(Heading::of(name.trim_end_matches([' ', '\t']), argument))
        }
    }
}

/// Returns the value that `value` stands for, in a section with this argument: itself, or that of a
/// variable.
pub(super) fn value_of<'a>(
    mut value: &'a str,
    argument: Option<&str>,
    variables: &'a [Variable],
) -> Option<&'a str> {
    for _ in 0..VARIABLES {
        let Some(wanted) = value.strip_prefix('$') else { return Some(value) };
        // mount.nfs keeps the argument of the section when it looks into `environment`.
        let is_it = |variable: &&Variable| {
            variable.name.eq_ignore_ascii_case(wanted)
                && match (argument, variable.argument.as_deref()) {
                    (Some(one), Some(other)) => one.eq_ignore_ascii_case(other),
                    (one, other) => one == other,
                }
        };
        value = &variables.iter().rev().find(is_it)?.value;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_for_a_volume_only_at_the_path_that_the_kubelet_mounts() {
        let (root, pods_dir) = (Path::new("/var/lib/Kubelet"), Path::new("/var/lib/Kubelet/pods"));
        for (point, expected) in [
            ("/var/lib/kubelet/pods/u/volumes/kubernetes.io~nfs/pv", true),
            ("/VAR/lib/kubelet/pods/u/VOLUMES/kubernetes.io~csi/pv/mount", true),
            ("/var/lib/kubelet/plugins/kubernetes.io/csi/d/0a/globalmount", true),
            ("/var/lib/kubelet/pods/u/volumes/kubernetes.io~nfs/pv/", false),
            ("/var/lib/kubelet/pods/u//volumes/kubernetes.io~nfs/pv", false),
            ("/var/lib/kubelet/pods/u/./volumes/kubernetes.io~nfs/pv", false),
            ("/var/lib/kubelet/pods/u/x/../volumes/kubernetes.io~nfs/pv", false),
            ("/var/lib/kubelet/pods/*/volumes/kubernetes.io~nfs/pv", false),
            ("/var/lib/kubelet/pods/u/volumes/kubernetes.io~nfs", false),
            ("/var/lib/kubelet/pods/u/volumes/kubernetes.io~nfs/pv/sub", false),
            ("/var/lib/kubelet/pods", false),
            ("/var/lib/kubelet", false),
            ("/data", false),
        ] {
            assert_eq!(is_volume_point(point, root, pods_dir), expected, "{point}");
        }
    }

    #[test]
    fn a_server_has_no_wildcard_and_no_port() {
        for name in ["nas", "127.0.0.1", "[fe80", "nas_1.example.com"] {
            assert!(may_be_server(name), "{name}");
        }
        for name in ["", "127.0.0.*", "10.0.0.0/8", "nas:/x", " nas", "nas?", "@group"] {
            assert!(!may_be_server(name), "{name}");
        }
    }
}
