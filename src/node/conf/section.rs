//! The sections of nfsmount.conf, and the variables that one of them sets.

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
    /// The argument of its heading.
    pub(super) fn argument(&self) -> Option<&str> {
        match self {
            Self::Global => None,
            Self::Server(argument) | Self::MountPoint(argument) => Some(argument),
        }
    }
}

impl Heading {
    /// The section of a heading, in any case.
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

/// The section that `NAME "ARGUMENT"]` begins; `None` where it has no end, and what follows is in none.
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

/// The value that `value` stands for, in a section with this argument: itself, or that of a variable.
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
