//! Implements the server: a state machine that takes messages and returns others, without input and
//! output of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use lsp_server::{ErrorCode, Message, Notification, Request, RequestId, Response};
use nfs_mount_guard_json::Objects;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::actions::{self, FIX_ALL, QUICK_FIX, Wanted};
use super::diagnose::{self, Diagnostic, Text};
use super::document::{Document, path_of, uri_of};
use super::hover::hover;
use super::messages::{At, Changed, Client, Closed, Folders, Initialize, Opened, Within};
use super::policies::{Loaded, Policies, Source};
use crate::check::Checker;
use crate::engine::judge::Endpoint;
use crate::policy::Policy;
use crate::policy_file::{self, FILE_NAME};

/// The phase of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifecycle {
    /// `initialize` has not come.
    New,
    /// Requests are answered.
    Running,
    /// `shutdown` has come: only `exit` is expected.
    ShutDown,
    /// `exit` has come.
    Ended {
        /// True if `shutdown` came before.
        orderly: bool,
    },
}

/// One client and its documents.
pub struct Server<'s> {
    policies: Policies<'s>,
    endpoint: Endpoint,
    state: Lifecycle,
    client: Client,
    /// The folders that the client works in.
    folders: Vec<PathBuf>,
    /// By their addresses.
    documents: BTreeMap<String, Document>,
    /// Policy files that no document shows, with diagnostics.
    faulty: BTreeSet<PathBuf>,
    outgoing: Vec<Message>,
}

/// The reason why a request has no result.
type Failure = (ErrorCode, String);

impl<'s> Server<'s> {
    /// Returns a server before `initialize`, which reports what an endpoint of the webhook answers.
    pub fn new(source: &'s dyn Source, endpoint: Endpoint) -> Self {
        Self {
            policies: Policies::new(source),
            endpoint,
            state: Lifecycle::New,
            client: Client::default(),
            folders: Vec::new(),
            documents: BTreeMap::new(),
            faulty: BTreeSet::new(),
            outgoing: Vec::new(),
        }
    }

    /// Returns the phase of the connection.
    pub const fn state(&self) -> Lifecycle {
        self.state
    }

    /// Takes the messages to send, in their order.
    pub fn outgoing(&mut self) -> impl Iterator<Item = Message> + use<> {
        std::mem::take(&mut self.outgoing).into_iter()
    }

    /// Takes one message.
    pub fn receive(&mut self, message: Message) {
        match message {
            Message::Request(Request { id, method, params }) => {
                let response = match self.request(&method, params) {
                    Ok(result) => Response { id, response_result: Ok(result) },
                    Err((code, message)) => Response::new_err(id, code as i32, message),
                };
                self.outgoing.push(response.into());
            }
            Message::Notification(Notification { method, params }) => self.notification(&method, params),
            // Nothing depends on whether files are watched.
            Message::Response(_) => {}
        }
    }

    /// Evaluates the documents that changed, or whose policy did.
    pub fn settle(&mut self) {
        if self.state != Lifecycle::Running {
            return;
        }
        // First the policies: a document is evaluated by what is on the disk now.
        let (is_other, changed) = self.policies.refresh();
        for document in self.documents.values_mut() {
            document.is_changed |= is_other;
        }
        let open: Vec<String> = self.documents.keys().cloned().collect();
        for uri in open {
            let Some(document) = self.documents.get(&uri).filter(|document| document.is_changed) else {
                continue;
            };
            let (folder, version) = (self.folder(&document.path), document.version);
            let (policy, _) = self.policies.of(&folder);
            let diagnostics = match self.documents.get(&uri) {
                Some(document) => self.diagnose(document, &policy),
                None => continue,
            };
            self.publish(&uri, version, &diagnostics);
            if let Some(document) = self.documents.get_mut(&uri) {
                document.is_changed = false;
            }
        }
        self.settle_policies(&changed);
    }

    /// Shows the mistakes of policy files that no document shows.
    fn settle_policies(&mut self, changed: &[PathBuf]) {
        let is_open = |file: &Path| self.documents.values().any(|document| document.path == *file);
        let is_gone = |file: &&PathBuf| self.policies.loaded(file).is_none();
        let gone = self.faulty.iter().filter(is_gone);
        let mut news: Vec<_> = gone.map(|file| (file.clone(), Vec::new(), None)).collect();
        for (file, loaded) in self.policies.files() {
            let is_faulty = loaded.mistakes.is_some() || loaded.failure.is_some();
            let is_shown = self.faulty.contains(file);
            // Its document has the diagnostics, of the text that is being edited.
            if is_open(file) {
                continue;
            }
            if is_faulty && (!is_shown || changed.iter().any(|one| one == file)) {
                news.push((file.to_path_buf(), self.faults(file, loaded), loaded.describe()));
            } else if !is_faulty && is_shown {
                news.push((file.to_path_buf(), Vec::new(), None));
            }
        }
        for (file, diagnostics, failure) in news {
            // The client keeps diagnostics until an empty list comes.
            if diagnostics.is_empty() {
                self.faulty.remove(&file);
            } else {
                self.faulty.insert(file.clone());
            }
            self.publish(&uri_of(&file), None, &diagnostics);
            if let Some(failure) = failure {
                self.show(&failure);
            }
        }
    }

    fn faults(&self, file: &Path, loaded: &Loaded) -> Vec<Diagnostic> {
        let text = fs::read_to_string(file).unwrap_or_default();
        let text = Text::new(&text, self.client.encoding);
        match (&loaded.mistakes, &loaded.failure) {
            (Some(mistakes), _) => diagnose::of_policy(mistakes, &text),
            (None, Some(failure)) => vec![diagnose::of_unreadable_policy(failure, &text)],
            (None, None) => Vec::new(),
        }
    }

    fn diagnose(&self, document: &Document, policy: &Policy) -> Vec<Diagnostic> {
        let is_policy = diagnose::is_policy(&document.path) || self.policies.loaded(&document.path).is_some();
        if is_policy {
            // The text of the editor, for its own errors; the rules of the saved file hold.
            let text = Text::new(&document.text, self.client.encoding);
            let read = policy_file::parse(text.body, &document.path.display().to_string());
            return read.err().map(|mistakes| diagnose::of_policy(&mistakes, &text)).unwrap_or_default();
        }
        diagnose::diagnostics(&self.check(policy), document, self.client.encoding)
    }

    fn check<'c>(&self, policy: &'c Policy) -> Checker<'c> {
        let today = OffsetDateTime::now_utc().date();
        Checker {
            policy,
            judged_as: self.endpoint,
            today,
            with_fixes: false,
            marks_unfixed: false,
            joins_inputs: false,
        }
    }

    /// Returns where the search for the policy of a document begins: as in CI, which runs `check` in the
    /// root of what it checks out, the folder of the workspace.
    fn folder(&self, path: &Path) -> PathBuf {
        // Workspaces may be nested: the innermost one is the repository of the file.
        let around = self.folders.iter().filter(|folder| path.starts_with(folder));
        let nearest = around.max_by_key(|folder| folder.components().count());
        let parent = || path.parent().filter(|parent| parent.is_absolute());
        nearest.map(PathBuf::as_path).or_else(parent).unwrap_or(Path::new(".")).to_path_buf()
    }

    fn publish(&mut self, uri: &str, version: Option<i64>, diagnostics: &[Diagnostic]) {
        let mut params = json!({"uri": uri, "diagnostics": diagnostics});
        if let (Some(version), Some(params)) = (version, params.as_object_mut()) {
            params.insert("version".to_owned(), version.into());
        }
        self.notify("textDocument/publishDiagnostics", params);
    }

    /// Shows an error to the person at the editor.
    fn show(&mut self, message: &str) {
        self.notify("window/showMessage", json!({"type": 1, "message": message}));
    }

    fn notify(&mut self, method: &str, params: Value) {
        self.outgoing.push(Notification { method: method.to_owned(), params }.into());
    }

    fn request(&mut self, method: &str, params: Value) -> Result<Value, Failure> {
        match (self.state, method) {
            (Lifecycle::New, "initialize") => Ok(self.initialize(read(params)?)),
            (Lifecycle::New, _) => {
                Err((ErrorCode::ServerNotInitialized, "initialize is the first request".to_owned()))
            }
            (Lifecycle::Running, "shutdown") => {
                self.state = Lifecycle::ShutDown;
                Ok(Value::Null)
            }
            (Lifecycle::Running, "textDocument/hover") => self.hover(&read(params)?),
            (Lifecycle::Running, "textDocument/codeAction") => self.code_actions(read(params)?),
            (Lifecycle::Running, "initialize") => {
                Err((ErrorCode::InvalidRequest, "the server is initialized".to_owned()))
            }
            (Lifecycle::Running, _) => Err((ErrorCode::MethodNotFound, format!("{method} is not supported"))),
            (Lifecycle::ShutDown | Lifecycle::Ended { .. }, _) => {
                Err((ErrorCode::InvalidRequest, "the server is shut down".to_owned()))
            }
        }
    }

    fn initialize(&mut self, params: Initialize) -> Value {
        self.client = params.client();
        let folders = params.workspace_folders.unwrap_or_default();
        let mut uris: Vec<String> = folders.into_iter().map(|folder| folder.uri).collect();
        // rootUri is deprecated; old clients have nothing else.
        if uris.is_empty() {
            uris.extend(params.root_uri);
        }
        self.folders = uris.iter().filter_map(|uri| path_of(uri)).collect();
        self.state = Lifecycle::Running;
        json!({
            "capabilities": {
                "positionEncoding": self.client.encoding.as_str(),
                "textDocumentSync": {"openClose": true, "change": 2, "save": {"includeText": false}},
                "hoverProvider": true,
                "codeActionProvider": {"codeActionKinds": [QUICK_FIX, FIX_ALL]},
                "workspace": {"workspaceFolders": {"supported": true, "changeNotifications": true}},
            },
            "serverInfo": {"name": "nfs-mount-guard", "version": env!("CARGO_PKG_VERSION")},
        })
    }

    fn hover(&mut self, params: &At) -> Result<Value, Failure> {
        let policy = self.policy_of(&params.text_document.uri);
        let document = self.document(&params.text_document.uri)?;
        let text = Text::new(&document.text, self.client.encoding);
        let diagnostics = self.diagnose(document, &policy);
        let hover = hover(&policy, document, &text, &diagnostics, params.position);
        Ok(hover.map_or(Value::Null, |hover| {
            let kind = if self.client.reads_markdown { "markdown" } else { "plaintext" };
            let value = hover.write(self.client.reads_markdown);
            json!({"contents": {"kind": kind, "value": value}, "range": hover.range})
        }))
    }

    fn code_actions(&mut self, params: Within) -> Result<Value, Failure> {
        let policy = self.policy_of(&params.text_document.uri);
        let document = self.document(&params.text_document.uri)?;
        let text = Text::new(&document.text, self.client.encoding);
        let Within { range, context, .. } = params;
        let wanted = Wanted { range, only: context.only, with_version: self.client.takes_versions };
        let actions = actions::actions(&self.check(&policy), document, &text, &wanted);
        serde_json::to_value(actions).map_err(|error| (ErrorCode::InternalError, error.to_string()))
    }

    fn policy_of(&mut self, uri: &str) -> Rc<Policy> {
        let folder = self.documents.get(uri).map(|document| self.folder(&document.path));
        self.policies.of(&folder.unwrap_or_default()).0
    }

    fn document(&self, uri: &str) -> Result<&Document, Failure> {
        self.documents.get(uri).ok_or_else(|| (ErrorCode::InvalidParams, format!("{uri} is not open")))
    }

    fn notification(&mut self, method: &str, params: Value) {
        let taken = match (self.state, method) {
            (state, "exit") => {
                self.state = Lifecycle::Ended { orderly: state == Lifecycle::ShutDown };
                Ok(())
            }
            (Lifecycle::Running, "initialized") => {
                self.watch();
                Ok(())
            }
            (Lifecycle::Running, "textDocument/didOpen") => {
                read(params).map(|Opened { text_document: opened }| {
                    let document = Document::new(opened.uri.clone(), opened.version, opened.text);
                    self.faulty.remove(&document.path);
                    self.documents.insert(opened.uri, document);
                })
            }
            (Lifecycle::Running, "textDocument/didChange") => read(params).map(|changed: Changed| {
                let Changed { text_document: of, content_changes } = changed;
                if let Some(document) = self.documents.get_mut(&of.uri) {
                    document.change(of.version, content_changes, self.client.encoding);
                }
            }),
            (Lifecycle::Running, "textDocument/didClose") => {
                read(params).map(|Closed { text_document: closed }| {
                    if self.documents.remove(&closed.uri).is_some() {
                        // A client keeps diagnostics of a closed file otherwise.
                        self.publish(&closed.uri, None, &[]);
                    }
                })
            }
            (Lifecycle::Running, "workspace/didChangeWorkspaceFolders") => {
                read(params).map(|Folders { event }| {
                    let removed: Vec<PathBuf> =
                        event.removed.iter().filter_map(|folder| path_of(&folder.uri)).collect();
                    self.folders.retain(|folder| !removed.contains(folder));
                    self.folders.extend(event.added.iter().filter_map(|folder| path_of(&folder.uri)));
                    self.documents.values_mut().for_each(|document| document.is_changed = true);
                })
            }
            // A saved or a watched file may be a policy, which is looked at after each message.
            _ => Ok(()),
        };
        // A notification has no response that could carry the error.
        if let Err((_, message)) = taken {
            self.notify("window/logMessage", json!({"type": 1, "message": format!("{method}: {message}")}));
        }
    }

    /// Registers for changes of policy files that no editor makes.
    fn watch(&mut self) {
        if !self.client.watches_files {
            return;
        }
        let watchers = json!([{"globPattern": format!("**/{FILE_NAME}")}]);
        let registration = json!({
            "id": "policies",
            "method": "workspace/didChangeWatchedFiles",
            "registerOptions": {"watchers": watchers},
        });
        let params = json!({"registrations": [registration]});
        let id = RequestId::from("policies".to_owned());
        self.outgoing.push(Request { id, method: "client/registerCapability".to_owned(), params }.into());
    }
}

/// Returns the parameters of a message.
fn read<T: DeserializeOwned>(params: Value) -> Result<T, Failure> {
    T::deserialize(Objects(params)).map_err(|error| (ErrorCode::InvalidParams, error.to_string()))
}
