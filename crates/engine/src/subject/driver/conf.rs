//! The nfsmount.conf that the mounts of a driver read.

/// The nfsmount.conf that the mounts of a driver read: that of the file system in which
/// mount.nfs runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfOf {
    /// The node's, where mount.nfs runs, and why.
    Node(&'static str),
    /// The node's, which the driver's container has mounted, and by which setting.
    Shared(&'static str),
    /// That of the driver's container, and why or unless what.
    Container(&'static str),
    /// Nothing says where the driver runs mount.nfs.
    Unknown,
}

impl ConfOf {
    /// Describes it as pages and reports do.
    pub fn describe(self) -> String {
        match self {
            Self::Node(why) | Self::Shared(why) => format!("of the node: {why}"),
            Self::Container(why) => format!("of the driver's container: {why}"),
            Self::Unknown => "of the node or of the driver's container: it is not known which".to_owned(),
        }
    }
}
