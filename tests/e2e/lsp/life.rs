//! Tests the beginning and the end of a connection, and the responses to wrong messages.

use std::path::Path;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::client::Editor;

pub(super) fn trials() -> Vec<Trial> {
    let trial = |name: &str, test: fn() -> Result<(), Failed>| Trial::test(format!("lsp::{name}"), test);
    vec![
        trial("a_session_is_what_it_was", a_session),
        trial("ends_with_the_code_of_the_protocol", ends_with_the_code),
        trial("answers_nothing_before_initialize_and_after_shutdown", answers_in_its_time),
        trial("answers_what_is_wrong_with_its_code", answers_what_is_wrong),
        trial("a_request_that_is_cancelled_is_not_worked_on", cancels),
        trial("wrong_flags_are_wrong_use", wrong_flags),
    ]
}

/// A scripted exchange, message by message.
fn a_session() -> Result<(), Failed> {
    let mut editor = Editor::start(Path::new("/"), &["--no-policy", "--select", "NMG001", "--stdio"]);
    let name = "file:///project/a.yaml";
    let capabilities = json!({"general": {"positionEncodings": ["utf-8", "utf-16"]}});
    let initialize = json!({"processId": null, "rootUri": null, "capabilities": capabilities});
    let text = "kind: StorageClass\nmetadata: {name: \"é\"}\nprovisioner: nfs.csi.k8s.io\nmountOptions: [\"é\", bg]\n";
    let range = json!({"start": {"line": 3, "character": 21}, "end": {"line": 3, "character": 23}});
    let diagnostic = json!({
        "range": range,
        "severity": 1,
        "code": "NMG001",
        "codeDescription": {
            "href": "https://github.com/nfs-mount-guard/nfs-mount-guard/blob/main/docs/rules/NMG001.md",
        },
        "source": "nfs-mount-guard",
        "message": "background-mount: \"bg\" makes a failed mount look successful: Pods write to the node's local disk; \
                    set mountOptions: [\"é\", fg]",
    });
    let mut expected = vec![
        json!({
            "jsonrpc": "2.0",
            "id": 1,
            "result": {
                "capabilities": {
                    "positionEncoding": "utf-8",
                    "textDocumentSync": {"openClose": true, "change": 2, "save": {"includeText": false}},
                    "hoverProvider": true,
                    "codeActionProvider": {"codeActionKinds": ["quickfix", "source.fixAll.nfs-mount-guard"]},
                    "workspace": {"workspaceFolders": {"supported": true, "changeNotifications": true}},
                },
                "serverInfo": {"name": "nfs-mount-guard", "version": env!("CARGO_PKG_VERSION")},
            },
        }),
        json!({
            "jsonrpc": "2.0",
            "method": "textDocument/publishDiagnostics",
            "params": {"uri": name, "version": 1, "diagnostics": [diagnostic]},
        }),
    ];
    editor.ask("initialize", &initialize);
    editor.notify("initialized", &json!({}));
    let document = json!({"uri": name, "languageId": "yaml", "version": 1, "text": text});
    editor.notify("textDocument/didOpen", &json!({"textDocument": document}));
    for expected in expected.drain(..) {
        assert_eq!(editor.read().expect("a message"), expected);
    }
    let context = json!({"diagnostics": [diagnostic], "only": ["quickfix"]});
    editor.ask(
        "textDocument/codeAction",
        &json!({"textDocument": {"uri": name}, "range": range, "context": context}),
    );
    let mut repaired = diagnostic.clone();
    repaired["message"] = json!(
        "background-mount: \"bg\" makes a failed mount look successful: Pods write to the node's local disk"
    );
    let action = json!({
        "title": "Replace bg with fg (NMG001 background-mount)",
        "kind": "quickfix",
        "diagnostics": [repaired],
        "isPreferred": true,
        "edit": {"changes": {name: [{"range": range, "newText": "fg"}]}},
    });
    assert_eq!(editor.read().expect("a message"), json!({"jsonrpc": "2.0", "id": 2, "result": [action]}));
    let change = json!([{"range": range, "text": "fg"}]);
    let changed = json!({"textDocument": {"uri": name, "version": 2}, "contentChanges": change});
    editor.notify("textDocument/didChange", &changed);
    let published = json!({"uri": name, "version": 2, "diagnostics": []});
    assert_eq!(
        editor.read().expect("a message"),
        json!({"jsonrpc": "2.0", "method": "textDocument/publishDiagnostics", "params": published})
    );
    let at = json!({"textDocument": {"uri": name}, "position": {"line": 3, "character": 21}});
    editor.ask("textDocument/hover", &at);
    let hover = editor.read().expect("a message");
    assert_eq!(hover["result"]["range"], range, "{hover}");
    let value = hover["result"]["contents"]["value"].as_str().expect("text");
    assert!(value.starts_with("fg: read by mount.nfs"), "{value}");
    editor.ask("shutdown", &Value::Null);
    assert_eq!(editor.read().expect("a message"), json!({"jsonrpc": "2.0", "id": 4, "result": null}));
    editor.notify("exit", &Value::Null);
    assert!(editor.read().is_none());
    assert_eq!(editor.code(), Some(0));
    Ok(())
}

fn ends_with_the_code() -> Result<(), Failed> {
    assert_eq!(Editor::ready(&json!({})).end(), Some(0));
    let mut editor = Editor::ready(&json!({}));
    editor.notify("exit", &Value::Null);
    assert_eq!(editor.code(), Some(1), "exit without shutdown");
    assert_eq!(Editor::ready(&json!({})).hang_up(), Some(1), "no exit");
    assert_eq!(Editor::start(Path::new("/"), &[]).hang_up(), Some(1), "nothing at all");
    let mut editor = Editor::start(Path::new("/"), &[]);
    editor.notify("exit", &Value::Null);
    assert_eq!(editor.code(), Some(1), "exit before initialize");
    for frame in [
        "Content-Length: many\r\n\r\n{}",
        "Content-Length: 999999999999\r\n\r\n{}",
        "Content-Length: 18446744073709551615\r\n\r\n{}",
        "GET / HTTP/1.1\r\n\r\n",
        "\r\n",
    ] {
        let mut editor = Editor::ready(&json!({}));
        editor.send(frame.as_bytes());
        assert_eq!(editor.code(), Some(3), "{frame:?}");
    }
    Ok(())
}

fn answers_in_its_time() -> Result<(), Failed> {
    let mut editor = Editor::start(Path::new("/"), &["--no-policy"]);
    let open = |editor: &mut Editor, name: &str| {
        let document = json!({"uri": name, "languageId": "yaml", "version": 1, "text": "kind: [\n"});
        editor.notify("textDocument/didOpen", &json!({"textDocument": document}));
    };
    open(&mut editor, "file:///early.yaml");
    let early = editor.request("textDocument/hover", &json!({}));
    assert_eq!(early["error"]["code"], -32002, "{early}");
    editor.initialize(&json!({}));
    let again = editor.request("initialize", &json!({"capabilities": {}}));
    assert_eq!(again["error"]["code"], -32600, "{again}");
    let name = "file:///early.yaml";
    let unknown = json!({"textDocument": {"uri": name}, "position": {"line": 0, "character": 0}});
    let unknown = editor.request("textDocument/hover", &unknown);
    assert_eq!(unknown["error"]["code"], -32602, "what came too early is not open: {unknown}");
    editor.request("shutdown", &Value::Null);
    open(&mut editor, "file:///late.yaml");
    for method in ["textDocument/hover", "shutdown", "initialize"] {
        let late = editor.request(method, &json!({}));
        assert_eq!(late["error"]["code"], -32600, "{method}: {late}");
    }
    editor.notify("exit", &Value::Null);
    assert_eq!(editor.read(), None);
    assert_eq!(editor.code(), Some(0));
    Ok(())
}

fn answers_what_is_wrong() -> Result<(), Failed> {
    let mut editor = Editor::ready(&json!({}));
    for (method, params, code) in [
        ("textDocument/definition", json!({}), -32601),
        ("workspace/executeCommand", json!({"command": "rm"}), -32601),
        ("$/unknown", json!({}), -32601),
        ("textDocument/hover", json!({}), -32602),
        (
            "textDocument/hover",
            json!({"textDocument": {"uri": 1}, "position": {"line": -1, "character": 0}}),
            -32602,
        ),
        ("textDocument/codeAction", json!({"textDocument": {"uri": "file:///a"}}), -32602),
    ] {
        let answer = editor.request(method, &params);
        assert_eq!(answer["error"]["code"], code, "{method}: {answer}");
    }
    for text in ["{", "[]", "{\"jsonrpc\": \"2.0\"}", "\u{1}"] {
        editor.send_frame(text);
        let answer = editor.wait(|message| message["id"].is_null() && message.get("method").is_none());
        assert_eq!(answer["error"]["code"], -32700, "{text}: {answer}");
    }
    // Nothing is answered to notifications, known or not, right or wrong.
    for (method, params) in [
        ("$/setTrace", json!({"value": "off"})),
        ("$/cancelRequest", json!({"id": 99})),
        ("workspace/didChangeConfiguration", json!({"settings": {}})),
        ("textDocument/didSave", json!({"textDocument": {"uri": "file:///other"}})),
        (
            "textDocument/didChange",
            json!({"textDocument": {"uri": "file:///other", "version": 2}, "contentChanges": []}),
        ),
        ("textDocument/didClose", json!({"textDocument": {"uri": "file:///other"}})),
    ] {
        editor.notify(method, &params);
    }
    editor.notify("textDocument/didOpen", &json!({"textDocument": 7}));
    let logged = editor.wait(|message| message.get("id").is_none());
    assert_eq!(logged["method"], "window/logMessage", "{logged}");
    // All the while it works.
    assert_eq!(editor.open("file:///a.yaml", "kind: StorageClass\nmountOptions: [bg\n").len(), 1);
    assert_eq!(editor.end(), Some(0));
    Ok(())
}

fn cancels() -> Result<(), Failed> {
    let mut editor = Editor::ready(&json!({}));
    let name = "file:///long.yaml";
    let class =
        "kind: StorageClass\nmetadata: {name: a}\nprovisioner: nfs.csi.k8s.io\nmountOptions: [bg]\n---\n";
    editor.open(name, &class.repeat(2000));
    let at = json!({"textDocument": {"uri": name}, "position": {"line": 3, "character": 15}});
    // While the first one is worked on the others wait.
    let first = editor.ask("textDocument/hover", &at);
    let (second, third) = (editor.ask("textDocument/hover", &at), editor.ask("textDocument/hover", &at));
    editor.notify("$/cancelRequest", &json!({"id": second}));
    let answer = editor.answer(second);
    assert_eq!(answer["error"]["code"], -32800, "{answer}");
    for id in [first, third] {
        let answer = editor.answer(id);
        assert!(answer["result"]["range"].is_object(), "{answer}");
    }
    Ok(())
}

fn wrong_flags() -> Result<(), Failed> {
    for args in [&["--select", "NMG999"][..], &["--profile", "lax"], &["file.yaml"], &["--as", "serve"]] {
        assert_eq!(Editor::start(Path::new("/"), args).code(), Some(2), "{args:?}");
    }
    Ok(())
}
