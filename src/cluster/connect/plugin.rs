//! A client of the API server whose exec plugin, if the user has one, is run for a
//! bounded time. The client runs plugins itself, and waits for them without a limit.

use std::fs;
use std::io::{self, IsTerminal as _};
use std::thread;
use std::time::Duration;

use kube::Client;
use kube::config::{AuthInfo, Config, ExecInteractiveMode};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::faults::{self, Fault, unusable};

/// Longest time of a plugin that no person answers.
const ALONE: Duration = Duration::from_secs(30);

/// Longest time of one that a person may answer, in a browser for example.
const ATTENDED: Duration = Duration::from_secs(5 * 60);

/// Returns true if a person can answer a plugin.
pub(super) fn has_terminal() -> bool {
    io::stdin().is_terminal()
}

/// Returns the client, or why the credentials of the user cannot be used.
pub(super) async fn client(config: Config, has_terminal: bool) -> Result<Client, Fault> {
    let most = if has_terminal { ATTENDED } else { ALONE };
    within(config, has_terminal, most).await
}

async fn within(mut config: Config, has_terminal: bool, most: Duration) -> Result<Client, Fault> {
    unwrap_token(&mut config.auth_info);
    if let Some(fault) = faults::token(&config.auth_info) {
        return Err(fault);
    }
    let user = config.auth_info.clone();
    let Some(exec) = &mut config.auth_info.exec else {
        return Client::try_from(config).map_err(|error| unusable(&error, &user));
    };
    let name = exec.command.clone().unwrap_or_default();
    match &exec.interactive_mode {
        // client-go decides so. The text that a plugin then writes on standard error is captured.
        None | Some(ExecInteractiveMode::IfAvailable) if !has_terminal => {
            exec.interactive_mode = Some(ExecInteractiveMode::Never);
        }
        Some(ExecInteractiveMode::Always) if !has_terminal => {
            return Err(Fault::User(format!(
                "the exec plugin {name:?} needs a terminal (interactiveMode: Always), and standard input is none; run this in a terminal, or use another context"
            )));
        }
        _ => {}
    }
    let (done, result) = oneshot::channel();
    let runtime = Handle::current();
    quiet::install();
    // A thread of its own: one of the runtime would keep the process until the plugin ends.
    let spawned = thread::Builder::new().name(quiet::THREAD.to_owned()).spawn(move || {
        let _entered = runtime.enter();
        let _ = done.send(Client::try_from(config));
    });
    if let Err(error) = spawned {
        return Err(Fault::User(format!("the exec plugin {name:?} cannot be run: {error}")));
    }
    match timeout(most, result).await {
        Ok(Ok(made)) => made.map_err(|error| unusable(&error, &user)),
        // It panicked, as it does on a token alone (tower-http `AddAuthorizationLayer::bearer`).
        Ok(Err(_)) => Err(Fault::User(format!(
            "the exec plugin {name:?} printed a token with a character that no HTTP header can have, such as a line break; correct the plugin, or use another context"
        ))),
        Err(_) => {
            children::stop();
            Err(Fault::User(format!(
                "the exec plugin {name:?} did not end within {} s and was stopped; run it to see what it waits for",
                most.as_secs()
            )))
        }
    }
}

/// Takes the line break off a token's file, as client-go does
/// (<https://github.com/kubernetes/kubernetes/blob/v1.37.2/staging/src/k8s.io/client-go/transport/token_source.go>);
/// the client would send it. Such a file is not read again while the client is used.
fn unwrap_token(user: &mut AuthInfo) {
    let Some(text) = user.token_file.as_ref().filter(|_| user.token.is_none()).map(fs::read_to_string) else {
        return;
    };
    if let Ok(text) = text
        && text.trim() != text
    {
        user.token = Some(text.trim().into());
    }
}

/// Keeps the panic of the client on a token that no header can have from standard error.
mod quiet {
    use std::panic;
    use std::sync::Once;
    use std::thread;

    /// The thread that may panic; no other one is made quiet.
    pub(super) const THREAD: &str = "exec-plugin";

    pub(super) fn install() {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            let others = panic::take_hook();
            panic::set_hook(Box::new(move |what| {
                if thread::current().name() != Some(THREAD) {
                    others(what);
                }
            }));
        });
    }
}

/// Processes that this one started.
#[cfg(target_os = "linux")]
mod children {
    use std::fs;

    use rustix::process::{Pid, Signal, getpid, kill_process};

    /// Ends the plugin, the only child there is, and what it started. Where the kernel
    /// does not list children they go on alone.
    pub(super) fn stop() {
        for child in of(getpid()) {
            end(child);
        }
    }

    fn end(process: Pid) {
        // Before its end, because they are children of another process afterwards.
        let children = of(process);
        // It may have ended meanwhile.
        let _ = kill_process(process, Signal::KILL);
        children.into_iter().for_each(end);
    }

    /// Reads the children of a process from `/proc/PID/task/TID/children` (proc(5)).
    fn of(process: Pid) -> Vec<Pid> {
        let tasks = fs::read_dir(format!("/proc/{}/task", process.as_raw_nonzero())).into_iter().flatten();
        tasks
            .flatten()
            .filter_map(|task| fs::read_to_string(task.path().join("children")).ok())
            .flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<i32>>())
            .filter_map(Pid::from_raw)
            .collect()
    }
}

#[cfg(not(target_os = "linux"))]
mod children {
    /// Stops no process: no file lists them here, and they continue alone.
    pub(super) fn stop() {}
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use kube::config::ExecConfig;
    use tempfile::TempDir;

    use super::*;

    fn config(arguments: &[&str], mode: Option<ExecInteractiveMode>) -> Config {
        let exec = ExecConfig {
            api_version: Some("client.authentication.k8s.io/v1".to_owned()),
            command: Some("sh".to_owned()),
            args: Some(arguments.iter().map(|&argument| argument.to_owned()).collect()),
            interactive_mode: mode,
            ..ExecConfig::default()
        };
        let mut config = Config::new("http://127.0.0.1:1".parse().expect("a URL"));
        config.auth_info = AuthInfo { exec: Some(exec), ..AuthInfo::default() };
        config
    }

    #[tokio::test]
    async fn a_plugin_that_hangs_is_stopped_with_what_it_started() {
        let folder = TempDir::new().expect("a folder");
        let pid = folder.path().join("pid");
        let script = format!("sleep 600 & echo $! >{}; wait", pid.display());
        let begun = Instant::now();
        let result = within(config(&["-c", &script], None), false, Duration::from_secs(2)).await;
        let Err(Fault::User(reason)) = result else { panic!("no fault of the user") };
        assert!(reason.contains("\"sh\" did not end within 2 s and was stopped"), "{reason}");
        assert!(begun.elapsed() < Duration::from_secs(20));
        let pid = fs::read_to_string(pid).expect("it ran").trim().to_owned();
        let state = || fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let ended = || state().is_empty() || state().contains(") Z ");
        while !ended() && begun.elapsed() < Duration::from_secs(20) {
            thread::sleep(Duration::from_millis(20));
        }
        assert!(ended(), "{}", state());
    }

    #[tokio::test]
    async fn what_a_plugin_writes_without_a_terminal_is_repeated() {
        for mode in [None, Some(ExecInteractiveMode::IfAvailable), Some(ExecInteractiveMode::Never)] {
            let script = "echo secret; echo not logged in >&2; echo >&2; echo run aws sso login >&2; exit 3";
            let Err(Fault::User(reason)) = client(config(&["-c", script], mode), false).await else {
                panic!("no fault of the user")
            };
            assert_eq!(
                reason,
                "the exec plugin \"sh\" failed (exit status: 3): not logged in; run aws sso login; run it to see why, or log in again"
            );
        }
        let mode = Some(ExecInteractiveMode::Always);
        let Err(Fault::User(reason)) = client(config(&["-c", "exit 3"], mode), false).await else {
            panic!("no fault of the user")
        };
        assert!(reason.contains("needs a terminal (interactiveMode: Always)"), "{reason}");
    }
}
