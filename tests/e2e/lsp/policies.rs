//! Tests which policy applies to a document, and the handling of a wrong one.

use std::fs;
use std::path::Path;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::client::Editor;

pub(super) fn trials() -> Vec<Trial> {
    let trial = |name: &str, test: fn() -> Result<(), Failed>| Trial::test(format!("lsp::{name}"), test);
    vec![
        trial("finds_the_policy_as_check_finds_it", finds_the_policy),
        trial("takes_a_policy_that_changes", takes_changes),
        trial("shows_the_mistakes_of_a_policy", shows_mistakes),
        trial("checks_a_policy_while_it_is_written", checks_a_policy_that_is_open),
    ]
}

const CLASS: &str = "kind: StorageClass\nprovisioner: nfs.csi.k8s.io\nmountOptions: [bg]\n";

/// A policy in which NMG001 has this action.
fn policy(action: &str) -> String {
    format!(
        "apiVersion: nfs-mount-guard.io/v1\nkind: MountPolicy\nrules:\n  background-mount: {{action: {action}}}\n"
    )
}

fn uri(path: &Path) -> String {
    format!("file://{}", path.display())
}

/// The severity of NMG001.
fn severity(diagnostics: &[Value]) -> Value {
    let found = diagnostics.iter().find(|shown| shown["code"] == "NMG001");
    found.map_or(Value::Null, |found| found["severity"].clone())
}

fn initialized(folder: &Path, args: &[&str], folders: &[&Path], capabilities: &Value) -> Editor {
    let mut editor = Editor::start(folder, args);
    let folders: Vec<Value> = folders.iter().map(|folder| json!({"uri": uri(folder), "name": "a"})).collect();
    let root = folders.first().map_or(Value::Null, |folder| folder["uri"].clone());
    editor.initialize_with(&json!({
        "processId": null,
        "rootUri": root,
        "workspaceFolders": folders,
        "capabilities": capabilities,
    }));
    editor
}

fn finds_the_policy() -> Result<(), Failed> {
    let root = TempDir::new()?;
    let path = |name: &str| root.path().join(name);
    for folder in ["repo/.git", "repo/deploy", "other"] {
        fs::create_dir_all(path(folder))?;
    }
    fs::write(path("nfs-mount-guard.yaml"), policy("off"))?;
    fs::write(path("repo/nfs-mount-guard.yaml"), policy("warn"))?;
    fs::write(path("named.yaml"), policy("audit"))?;
    let (repo, deploy, other) = (path("repo"), path("repo/deploy"), path("other"));
    let named = path("named.yaml").display().to_string();
    let of = |args: &[&str], folders: &[&Path], document: &Path| {
        let mut editor = initialized(Path::new("/"), args, folders, &json!({}));
        severity(&editor.open(&uri(document), CLASS))
    };
    let class = deploy.join("class.yaml");
    assert_eq!(of(&[], &[&repo], &class), json!(2), "in the root of the workspace");
    assert_eq!(of(&[], &[&deploy], &class), json!(2), "above it, up to the Git root");
    assert_eq!(of(&[], &[], &class), json!(2), "from the folder of the document");
    assert_eq!(of(&[], &[&other, &repo], &class), json!(2), "of the folder that holds the document");
    assert_eq!(of(&[], &[&other], &other.join("class.yaml")), json!(1), "none: no repository, not above");
    assert_eq!(of(&["--no-policy"], &[&repo], &class), json!(1), "none is wanted");
    assert_eq!(of(&["--policy", &named], &[&repo], &class), json!(4), "the one that is named");
    assert_eq!(of(&["--ignore", "NMG001"], &[&repo], &class), Value::Null, "flags come on top");
    // Documents without a file.
    let mut editor = initialized(Path::new("/"), &[], &[&repo], &json!({}));
    assert_eq!(severity(&editor.open("untitled:a", CLASS)), json!(1));
    // A directory that is added.
    let folders = json!({"event": {"added": [{"uri": uri(&repo), "name": "a"}], "removed": [{"uri": uri(&other), "name": "b"}]}});
    let mut editor = initialized(Path::new("/"), &[], &[&other], &json!({}));
    assert_eq!(severity(&editor.open(&uri(&class), CLASS)), json!(2));
    editor.notify("workspace/didChangeWorkspaceFolders", &folders);
    assert_eq!(severity(&editor.diagnostics(&uri(&class))), json!(2));
    Ok(())
}

fn takes_changes() -> Result<(), Failed> {
    let root = TempDir::new()?;
    let (file, class) = (root.path().join("nfs-mount-guard.yaml"), uri(&root.path().join("class.yaml")));
    let watches = json!({"workspace": {"didChangeWatchedFiles": {"dynamicRegistration": true}}});
    let mut editor = initialized(Path::new("/"), &[], &[root.path()], &watches);
    let asked = editor.wait(|message| message["method"] == "client/registerCapability");
    let registration = &asked["params"]["registrations"][0];
    assert_eq!(registration["registerOptions"]["watchers"][0]["globPattern"], "**/nfs-mount-guard.yaml");
    editor.send_frame(&json!({"jsonrpc": "2.0", "id": asked["id"], "result": null}).to_string());
    assert_eq!(severity(&editor.open(&class, CLASS)), json!(1));
    let changed = json!({"changes": [{"uri": uri(&file), "type": 1}]});
    let saved = json!({"textDocument": {"uri": class}});
    for (action, expected, (method, params)) in [
        (Some("warn"), json!(2), ("workspace/didChangeWatchedFiles", &changed)),
        (Some("audit"), json!(4), ("textDocument/didSave", &saved)),
        (None, json!(1), ("workspace/didChangeWatchedFiles", &changed)),
    ] {
        match action {
            Some(action) => fs::write(&file, policy(action))?,
            None => fs::remove_file(&file)?,
        }
        editor.notify(method, params);
        assert_eq!(severity(&editor.diagnostics(&class)), expected, "{action:?}");
    }
    Ok(())
}

fn shows_mistakes() -> Result<(), Failed> {
    let root = TempDir::new()?;
    let (file, class) = (root.path().join("nfs-mount-guard.yaml"), uri(&root.path().join("class.yaml")));
    fs::write(&file, policy("warn"))?;
    let mut editor = initialized(Path::new("/"), &[], &[root.path()], &json!({}));
    assert_eq!(severity(&editor.open(&class, CLASS)), json!(2));
    fs::write(&file, policy("forbid"))?;
    editor.notify("workspace/didChangeWatchedFiles", &json!({"changes": [{"uri": uri(&file), "type": 2}]}));
    let shown = editor.diagnostics(&uri(&file));
    assert_eq!(
        (&shown[0]["severity"], &shown[0]["range"]["start"]),
        (&json!(1), &json!({"line": 3, "character": 29}))
    );
    let said = editor.wait(|message| message["method"] == "window/showMessage");
    let said = said["params"]["message"].as_str().expect("text").to_owned();
    assert!(said.contains("nfs-mount-guard.yaml:4:30: ") && said.contains("stays in effect"), "{said}");
    assert_eq!(severity(&editor.diagnostics(&class)), json!(2), "the last good one holds");
    fs::write(&file, policy("audit"))?;
    editor.notify("workspace/didChangeWatchedFiles", &json!({"changes": [{"uri": uri(&file), "type": 2}]}));
    assert_eq!(editor.diagnostics(&uri(&file)), Vec::<Value>::new());
    assert_eq!(severity(&editor.diagnostics(&class)), json!(4));
    // One that never was right, and one that is no text.
    fs::write(&file, policy("forbid"))?;
    let mut editor = initialized(Path::new("/"), &[], &[root.path()], &json!({}));
    assert_eq!(severity(&editor.open(&class, CLASS)), json!(1), "the built-in one");
    assert_eq!(editor.diagnostics(&uri(&file)).len(), 1);
    fs::write(&file, [0xFF, 0xFE, 0, 1])?;
    editor.notify("textDocument/didSave", &json!({"textDocument": {"uri": class}}));
    let shown = editor.diagnostics(&uri(&file));
    assert!(shown[0]["message"].as_str().is_some_and(|text| text.contains("UTF-16")), "{shown:?}");
    Ok(())
}

fn checks_a_policy_that_is_open() -> Result<(), Failed> {
    let root = TempDir::new()?;
    let (file, class) = (root.path().join("nfs-mount-guard.yaml"), uri(&root.path().join("class.yaml")));
    fs::write(&file, policy("warn"))?;
    let mut editor = initialized(Path::new("/"), &[], &[root.path()], &json!({}));
    assert_eq!(severity(&editor.open(&class, CLASS)), json!(2));
    let name = uri(&file);
    assert_eq!(editor.open(&name, &policy("warn")), Vec::<Value>::new());
    let shown = editor.change(&name, 2, &json!([{"text": "kind: MountPolicy\nmode: obsrve\n"}]));
    let messages: Vec<&str> = shown.iter().filter_map(|shown| shown["message"].as_str()).collect();
    assert!(messages.iter().any(|message| message.contains("apiVersion is required")), "{messages:?}");
    assert!(messages.iter().any(|message| message.contains("observe")), "{messages:?}");
    // An unsaved policy has no effect.
    assert_eq!(severity(&editor.change(&class, 2, &json!([{"text": CLASS}]))), json!(2));
    assert_eq!(editor.close(&name), Vec::<Value>::new());
    Ok(())
}
