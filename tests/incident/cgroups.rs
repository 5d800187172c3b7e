//! A cgroup of our own in every hierarchy of the host, version 1, 2 or both.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// A cgroup file system, as this process sees it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Hierarchy {
    /// The mount point.
    point: PathBuf,
    /// Its mount options that are not about every file system: controllers, names. Empty with version 2.
    options: String,
    /// The directory that is ours.
    folder: PathBuf,
}

impl Hierarchy {
    fn is_unified(&self) -> bool {
        self.options.is_empty()
    }
}

/// Makes a directory of this name in every hierarchy.
pub fn make(name: &str) -> io::Result<Vec<Hierarchy>> {
    let hierarchies = hierarchies(name)?;
    if hierarchies.is_empty() {
        return Err(io::Error::other("no cgroups are mounted"));
    }
    for hierarchy in &hierarchies {
        if let Err(error) = make_one(hierarchy) {
            remove(&hierarchies);
            return Err(io::Error::new(error.kind(), format!("{}: {error}", hierarchy.folder.display())));
        }
    }
    Ok(hierarchies)
}

fn make_one(hierarchy: &Hierarchy) -> io::Result<()> {
    fs::create_dir(&hierarchy.folder)?;
    // A new cpuset is empty, and no process may enter it.
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let own = hierarchy.folder.join(file);
        if !hierarchy.is_unified() && own.exists() {
            let above = hierarchy.folder.parent().expect("a folder above").join(file);
            fs::write(own, fs::read(above)?)?;
        }
    }
    Ok(())
}

/// Puts this process into all of them.
pub fn enter(hierarchies: &[Hierarchy]) -> io::Result<()> {
    hierarchies.iter().try_for_each(|hierarchy| fs::write(hierarchy.folder.join("cgroup.procs"), "0"))
}

/// Mounts the hierarchies again, in a cgroup namespace whose root is our directory.
pub fn mount_again(hierarchies: &[Hierarchy]) {
    for hierarchy in hierarchies.iter().rev() {
        run("umount", &[&hierarchy.point.display().to_string()]);
    }
    for hierarchy in hierarchies {
        let point = hierarchy.point.display().to_string();
        if hierarchy.is_unified() {
            run("mount", &["-t", "cgroup2", "cgroup2", &point]);
            // With version 2 a directory has processes or directories with controllers, not both.
            let node = hierarchy.point.join("node");
            fs::create_dir(&node).expect("a cgroup");
            fs::write(node.join("cgroup.procs"), "0").expect("a cgroup to enter");
            let controllers =
                fs::read_to_string(hierarchy.point.join("cgroup.controllers")).unwrap_or_default();
            for controller in controllers.split_whitespace() {
                // Controllers that the host does not have are left out: runc works without them.
                let _ = fs::write(hierarchy.point.join("cgroup.subtree_control"), format!("+{controller}"));
            }
        } else {
            run("mount", &["-t", "cgroup", "-o", &hierarchy.options, "cgroup", &point]);
        }
    }
}

/// Removes the directories with all beneath, once their processes are gone. Says
/// which stay.
pub fn remove(hierarchies: &[Hierarchy]) -> Vec<PathBuf> {
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut left: Vec<PathBuf> = hierarchies.iter().map(|hierarchy| hierarchy.folder.clone()).collect();
    loop {
        left.retain(|folder| folder.exists() && remove_tree(folder).is_err());
        if left.is_empty() || Instant::now() > deadline {
            return left;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn remove_tree(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    fs::remove_dir(folder)
}

fn hierarchies(name: &str) -> io::Result<Vec<Hierarchy>> {
    let own = fs::read_to_string("/proc/self/cgroup")?;
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    let mut found: Vec<Hierarchy> = Vec::new();
    for line in mounts.lines() {
        let Some((mount, system)) = line.split_once(" - ") else { continue };
        let (mount, system): (Vec<_>, Vec<_>) = (mount.split(' ').collect(), system.split(' ').collect());
        let [kind @ ("cgroup" | "cgroup2"), _, options] = system[..] else { continue };
        let options = if kind == "cgroup2" { String::new() } else { controllers(options) };
        let point = PathBuf::from(mount[4]);
        if found.iter().any(|known| known.point == point || known.options == options) {
            continue;
        }
        // Version 1 below where this process is, so that its limits hold. Version 2 at the
        // top: only there are controllers handed on for certain.
        let above = own
            .lines()
            .filter(|_| kind == "cgroup")
            .filter_map(|line| line.splitn(3, ':').collect::<Vec<_>>().try_into().ok())
            .find(|[_, names, _]: &[&str; 3]| controllers(names) == options)
            .map_or("/", |[_, _, path]| path);
        let above = above.strip_prefix(mount[3].trim_end_matches('/')).unwrap_or_default();
        let folder = point.join(above.trim_start_matches('/')).join(name);
        found.push(Hierarchy { point, options, folder });
    }
    Ok(found)
}

/// The options of a version 1 hierarchy that say which one it is.
fn controllers(options: &str) -> String {
    let skipped = ["rw", "ro", "xattr", "clone_children"];
    let kept: Vec<&str> = options
        .split(',')
        .filter(|option| !skipped.contains(option) && !option.starts_with("release_agent="))
        .collect();
    if kept.iter().all(|option| option.starts_with("name=")) && !kept.is_empty() {
        format!("none,{}", kept.join(","))
    } else {
        kept.join(",")
    }
}

fn run(program: &str, args: &[&str]) {
    let status = Command::new(program).args(args).status().expect("it runs");
    assert!(status.success(), "{program} {args:?}: {status}");
}
