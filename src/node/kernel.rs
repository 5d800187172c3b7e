//! The node's kernel, and options that it does not know.

use std::fs;
use std::path::Path;

use super::conf::Conf;
use super::report::{VolumeName, Warning, WarningKind};
use crate::nfs::acceptance;
use crate::nfs::kernel::Kernel;
use crate::nfs::option::MountOption;

/// The release of the running kernel, in `/proc`.
const RELEASE: &str = "sys/kernel/osrelease";

/// Returns the kernel that mounts on this node; `None` where its release cannot be read.
pub(super) fn running(proc_dir: &Path) -> Option<Kernel> {
    // A container has the kernel of its node, so its own /proc says the same.
    let own = || fs::read_to_string(Path::new("/proc").join(RELEASE)).ok();
    Kernel::parse(&fs::read_to_string(proc_dir.join(RELEASE)).ok().or_else(own)?)
}

/// Returns which newer kernels know an option that this one does not; `None` if it does, or none does. An
/// option that the kernel has given up is no matter of its age.
pub(super) fn lacks(kernel: Kernel, option: &MountOption<'_>) -> Option<String> {
    let verdict = acceptance::judge(option);
    let is_lacking = verdict.refusal.is_none() && !verdict.kernels.contains(kernel);
    let is_older = verdict.kernels.until.is_none_or(|until| kernel < until);
    (is_lacking && is_older).then(|| format!("Linux {} or newer", verdict.kernels.since))
}

/// Describes an option that volumes request and the kernel lacks. Distributions add
/// options to older kernels, as RHEL does.
pub(super) fn warning(option: &str, since: &str, kernel: Kernel, volumes: Vec<VolumeName>) -> Warning {
    Warning {
        kind: WarningKind::KernelTooOld,
        finding: false,
        message: format!(
            "\"{option}\" needs {since}, and this node runs {kernel}: unless its distribution has added the option, a mount with it fails, or drops it with \"sloppy\"; remove it, or update the node"
        ),
        path: None,
        line: None,
        option: Some(option.to_owned()),
        volumes,
        may_concern: Vec::new(),
    }
}

/// Describes an option that nfsmount.conf gives to mounts and the kernel lacks.
pub(super) fn of_conf(conf: &Conf, kernel: Kernel) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for setting in conf.settings() {
        for text in setting.text.split(',') {
            if let Some(since) = lacks(kernel, &MountOption::new(text)) {
                warnings.push(Warning {
                    path: Some(setting.file.display().to_string()),
                    line: Some(setting.line),
                    ..warning(text, &since, kernel, Vec::new())
                });
            }
        }
    }
    warnings
}
