//! An editor, as far as a test needs one.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use crate::component::program;

/// A running server.
pub struct Editor {
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    requests: i64,
    /// Messages that came while another was waited for.
    others: Vec<Value>,
}

impl Editor {
    /// Starts the server in a directory.
    pub fn start(folder: &Path, args: &[&str]) -> Self {
        // A server that does not answer ends the test.
        let mut command = Command::new("timeout");
        command.arg("120").arg(program());
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("NFS_MOUNT_GUARD_")) {
            command.env_remove(name);
        }
        command.arg("lsp").args(args).current_dir(folder);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().expect("the program runs");
        let input = process.stdin.take();
        let output = BufReader::new(process.stdout.take().expect("its output"));
        Self { process, input, output, requests: 0, others: Vec::new() }
    }

    /// Starts the server without a policy, and initializes it with `capabilities`.
    pub fn ready(capabilities: &Value) -> Self {
        let mut editor = Self::start(Path::new("/"), &["--no-policy"]);
        editor.initialize(capabilities);
        editor
    }

    /// Initializes the server without a workspace, and gives what it can do.
    pub fn initialize(&mut self, capabilities: &Value) -> Value {
        self.initialize_with(&json!({"processId": null, "rootUri": null, "capabilities": capabilities}))
    }

    /// The same with these parameters.
    pub fn initialize_with(&mut self, params: &Value) -> Value {
        let answer = self.request("initialize", params);
        self.notify("initialized", &json!({}));
        answer["result"]["capabilities"].clone()
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) {
        let input = self.input.as_mut().expect("an open input");
        input.write_all(bytes).and_then(|()| input.flush()).expect("the server reads");
    }

    /// Sends a text in a frame.
    pub fn send_frame(&mut self, text: &str) {
        self.send(format!("Content-Length: {}\r\n\r\n{text}", text.len()).as_bytes());
    }

    pub fn notify(&mut self, method: &str, params: &Value) {
        self.send_frame(&json!({"jsonrpc": "2.0", "method": method, "params": params}).to_string());
    }

    /// Sends a request, and gives its id.
    pub fn ask(&mut self, method: &str, params: &Value) -> i64 {
        self.requests += 1;
        let id = self.requests;
        self.send_frame(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string());
        id
    }

    /// The answer to a request.
    pub fn answer(&mut self, id: i64) -> Value {
        self.wait(|message| message["id"] == id && message.get("method").is_none())
    }

    pub fn request(&mut self, method: &str, params: &Value) -> Value {
        let id = self.ask(method, params);
        self.answer(id)
    }

    /// The first message that is wanted.
    pub fn wait(&mut self, is_wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.others.iter().position(&is_wanted) {
            return self.others.remove(at);
        }
        loop {
            let message = self.read().expect("the server answers");
            if is_wanted(&message) {
                return message;
            }
            self.others.push(message);
        }
    }

    /// The next message; `None` at the end of the output.
    pub fn read(&mut self) -> Option<Value> {
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.output.read_line(&mut line).expect("text");
            match line.trim_end().split_once(": ") {
                Some(("Content-Length", bytes)) => length = bytes.parse().expect("a number"),
                Some(_) => {}
                None if line.is_empty() => return None,
                None => break,
            }
        }
        let mut text = vec![0; length];
        self.output.read_exact(&mut text).expect("a whole message");
        Some(serde_json::from_slice(&text).expect("JSON"))
    }

    /// Opens a document, and gives its diagnostics.
    pub fn open(&mut self, uri: &str, text: &str) -> Vec<Value> {
        let document = json!({"uri": uri, "languageId": "yaml", "version": 1, "text": text});
        self.notify("textDocument/didOpen", &json!({"textDocument": document}));
        self.diagnostics(uri)
    }

    /// Changes a document, and gives its diagnostics.
    pub fn change(&mut self, uri: &str, version: i64, changes: &Value) -> Vec<Value> {
        let document = json!({"uri": uri, "version": version});
        self.notify("textDocument/didChange", &json!({"textDocument": document, "contentChanges": changes}));
        let published = self.published(uri);
        assert_eq!(published["version"], version, "{published}");
        published["diagnostics"].as_array().expect("a list").clone()
    }

    pub fn close(&mut self, uri: &str) -> Vec<Value> {
        self.notify("textDocument/didClose", &json!({"textDocument": {"uri": uri}}));
        self.diagnostics(uri)
    }

    /// The next diagnostics of a document.
    pub fn diagnostics(&mut self, uri: &str) -> Vec<Value> {
        self.published(uri)["diagnostics"].as_array().expect("a list").clone()
    }

    fn published(&mut self, uri: &str) -> Value {
        let is_wanted = |message: &Value| {
            message["method"] == "textDocument/publishDiagnostics" && message["params"]["uri"] == uri
        };
        self.wait(is_wanted)["params"].clone()
    }

    /// Returns the hover text at a place; null if there is none.
    pub fn hover(&mut self, uri: &str, line: u64, character: u64) -> Value {
        let at = json!({"textDocument": {"uri": uri}, "position": {"line": line, "character": character}});
        let answer = self.request("textDocument/hover", &at);
        assert!(answer.get("error").is_none(), "{answer}");
        answer["result"].clone()
    }

    /// The actions for a range, of some kinds.
    pub fn actions(&mut self, uri: &str, range: &Value, only: Option<&str>) -> Vec<Value> {
        let mut context = json!({"diagnostics": []});
        if let Some(only) = only {
            context["only"] = json!([only]);
        }
        let params = json!({"textDocument": {"uri": uri}, "range": range, "context": context});
        let answer = self.request("textDocument/codeAction", &params);
        answer["result"].as_array().unwrap_or_else(|| panic!("{answer}")).clone()
    }

    /// Ends the connection as an editor does, and gives the exit code.
    pub fn end(mut self) -> Option<i32> {
        let answer = self.request("shutdown", &Value::Null);
        assert_eq!(answer["result"], Value::Null, "{answer}");
        assert!(answer.get("error").is_none(), "{answer}");
        self.notify("exit", &Value::Null);
        self.code()
    }

    /// Closes the input, and gives the exit code.
    pub fn hang_up(mut self) -> Option<i32> {
        drop(self.input.take());
        self.code()
    }

    /// The exit code, with the input as it is.
    pub fn code(&mut self) -> Option<i32> {
        while self.read().is_some() {}
        self.process.wait().expect("it ends").code()
    }
}

impl Drop for Editor {
    fn drop(&mut self) {
        // It has ended already, or is of no use any more.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The range of a whole document.
pub fn whole() -> Value {
    json!({"start": {"line": 0, "character": 0}, "end": {"line": 1_000_000, "character": 0}})
}

/// Returns the capabilities of a client that counts characters.
pub fn characters() -> Value {
    json!({"general": {"positionEncodings": ["utf-32"]}})
}

/// A text with the edits of an action, in characters.
pub fn edited(text: &str, action: &Value, uri: &str) -> String {
    let edits = action["edit"]["changes"][uri].as_array().unwrap_or_else(|| panic!("{action}"));
    let mut starts = vec![0];
    starts.extend(text.match_indices('\n').map(|(at, _)| at + 1));
    let offset = |position: &Value| {
        let line = usize::try_from(position["line"].as_u64().expect("a line")).expect("small");
        let character = usize::try_from(position["character"].as_u64().expect("one")).expect("small");
        let start = starts.get(line).copied().unwrap_or(text.len());
        let letters = text[start..].char_indices().map(|(at, _)| start + at);
        letters.chain([text.len()]).nth(character).expect("in the text")
    };
    let mut edits: Vec<(usize, usize, &str)> = edits
        .iter()
        .map(|edit| {
            let range = &edit["range"];
            (offset(&range["start"]), offset(&range["end"]), edit["newText"].as_str().expect("text"))
        })
        .collect();
    edits.sort_by_key(|(start, end, _)| (*start, *end));
    let (mut new, mut done) = (String::new(), 0);
    for (start, end, with) in edits {
        new.push_str(&text[done..start]);
        new.push_str(with);
        done = end;
    }
    new + &text[done..]
}
