//! Arguments of a container with mount options: those of a flag, and of a command that mounts NFS.

use super::texts::names_options;
use super::{Search, commands};
use crate::nfs::option;
use crate::source::tree::NodeId;

impl Search<'_> {
    /// Returns true if the item of a list is the value of the flag before it: `--mount-options`.
    pub(super) fn is_argument(&self, before: Option<NodeId>, item: NodeId) -> bool {
        let flag = before.and_then(|before| self.tree.text(before));
        let is_flag =
            flag.is_some_and(|flag| flag.starts_with('-') && names_options(flag.trim_start_matches('-')));
        is_flag && self.tree.text(item).is_some_and(option::are_options)
    }

    /// Returns the options in the arguments of a command that mounts NFS.
    pub(super) fn of_command(&self, items: &[NodeId]) -> Option<commands::Options> {
        let words: Option<Vec<&str>> = items.iter().map(|item| self.tree.text(*item)).collect();
        commands::options_among(&words?)
    }

    /// Returns the same of a container, whose `args` follow its `command`, and the item of `args`.
    pub(super) fn of_container(&self, map: NodeId) -> Option<(commands::Options, NodeId, usize)> {
        let items = |key| self.tree.items(self.tree.get(map, key)?);
        let (command, arguments) = (items("command")?, items("args")?);
        let found = self.of_command(&[command, arguments].concat())?;
        let at = found.word.checked_sub(command.len())?;
        Some((found, *arguments.get(at)?, at))
    }
}
