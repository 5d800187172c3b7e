//! `node-check` on directories made like kubelet's, with real mounts and processes.
//! The tests in tests/incident use a real kubelet.

mod answers;
mod background;
mod causes;
mod conf;
mod events;
mod file_systems;
mod flex;
mod folders;
mod hang;
mod lookalikes;
mod mounts;
mod notes;
mod npd;
mod objects;
mod refused;
pub mod status;
mod unanswered;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use libtest_mimic::Trial;
use serde_json::Value;
use tempfile::TempDir;

use crate::component::program;

/// Tests of the command.
pub fn trials() -> Vec<Trial> {
    let mut trials = folders::trials();
    trials.extend(mounts::trials());
    trials.extend(file_systems::trials());
    trials.extend(notes::trials());
    trials.extend(background::trials());
    trials.extend(conf::trials());
    trials.extend(hang::trials());
    trials.extend(unanswered::trials());
    trials.extend(causes::trials());
    trials.extend(npd::trials());
    trials.extend(objects::trials());
    trials.extend(refused::trials());
    trials.extend(status::trials());
    trials.extend(events::trials());
    trials.extend(flex::trials());
    trials.extend(lookalikes::trials());
    trials.extend(answers::trials());
    trials
}

/// A directory like kubelet's directory of Pods.
#[derive(Debug)]
struct Pods {
    folder: TempDir,
}

impl Pods {
    /// An empty one.
    fn new() -> Self {
        Self { folder: TempDir::new().expect("a folder") }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn name(&self) -> String {
        self.path().display().to_string()
    }

    /// A volume that kubelet mounts; gives its directory.
    fn nfs(&self, pod: &str, volume: &str) -> PathBuf {
        let folder = self.path().join(pod).join("volumes/kubernetes.io~nfs").join(volume);
        fs::create_dir_all(&folder).expect("a folder");
        folder
    }

    /// A volume of a CSI driver; gives the directory that should be mounted on.
    fn csi(&self, pod: &str, volume: &str, driver: &str) -> PathBuf {
        let folder = self.path().join(pod).join("volumes/kubernetes.io~csi").join(volume);
        fs::create_dir_all(folder.join("mount")).expect("a folder");
        let data = serde_json::json!({
            "attachmentID": "csi-1", "driverName": driver, "nodeName": "n1", "specVolID": volume,
            "volumeHandle": "handle", "volumeLifecycleMode": "Persistent",
        });
        fs::write(folder.join("vol_data.json"), data.to_string()).expect("a file");
        folder.join("mount")
    }

    /// The same of an inline volume.
    fn inline(&self, pod: &str, volume: &str, driver: &str) -> PathBuf {
        let folder = self.csi(pod, volume, driver);
        let file = folder.with_file_name("vol_data.json");
        let note = fs::read_to_string(&file).expect("a note").replace("Persistent", "Ephemeral");
        fs::write(file, note).expect("a file");
        folder
    }

    /// A volume of a `FlexVolume` driver, by the kubelet's directory for the driver; gives its
    /// directory.
    fn flex(&self, pod: &str, volume: &str, driver: &str) -> PathBuf {
        let folder = self.path().join(pod).join("volumes").join(driver).join(volume);
        fs::create_dir_all(&folder).expect("a folder");
        folder
    }

    /// The report on it, and the exit code.
    fn check(&self, more: &[&str]) -> (Value, i32) {
        let mut args = vec!["--format", "json"];
        args.extend(more);
        let name = self.name();
        if !more.contains(&"--pods-dir") {
            args.extend(["--pods-dir", &name]);
        }
        let output = run(&args);
        (json(&output), output.status.code().expect("an exit code"))
    }

    /// Like [`Self::check`], as text.
    fn text(&self) -> (String, i32) {
        let output = run(&["--pods-dir", &self.name()]);
        (String::from_utf8(output.stdout).expect("text"), output.status.code().expect("an exit code"))
    }
}

/// The program, with nothing in its environment that speaks to it.
fn command() -> Command {
    let mut command = Command::new(program());
    command.arg("node-check");
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("NFS_MOUNT_GUARD_")) {
        command.env_remove(name);
    }
    command
}

fn run(args: &[&str]) -> Output {
    command().args(args).output().expect("the program runs")
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// Returns the reported volumes and states.
fn found(report: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let volumes = report["volumes"].as_array().expect("volumes");
    volumes.iter().map(|volume| (text(&volume["volume"]), text(&volume["state"]))).collect()
}

/// Volumes that are reported as not mounted, and no others.
fn not_mounted(names: &[&str]) -> Vec<(String, String)> {
    names.iter().map(|name| ((*name).to_owned(), "not-mounted".to_owned())).collect()
}
