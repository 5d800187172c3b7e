//! Messages of clients, as far as the server reads them.
//!
//! Source: Language Server Protocol 3.17.

use serde::Deserialize;
use serde_json::Value;

use super::document::Change;
use super::position::{Encoding, Position, Range};

/// Parameters of `initialize`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Initialize {
    pub(super) root_uri: Option<String>,
    pub(super) workspace_folders: Option<Vec<Folder>>,
    capabilities: Value,
}

/// The capabilities of a client.
#[derive(Debug, Default)]
pub(super) struct Client {
    pub(super) encoding: Encoding,
    /// True if hovers may be Markdown.
    pub(super) reads_markdown: bool,
    /// True if edits may name a version.
    pub(super) takes_versions: bool,
    /// True if it can watch files.
    pub(super) watches_files: bool,
}

impl Initialize {
    /// Returns the capabilities that the client reports.
    pub(super) fn client(&self) -> Client {
        let words = |pointer: &str| -> Vec<String> {
            let list = self.capabilities.pointer(pointer).and_then(Value::as_array);
            list.into_iter().flatten().filter_map(Value::as_str).map(ToOwned::to_owned).collect()
        };
        let is = |pointer: &str| self.capabilities.pointer(pointer).and_then(Value::as_bool) == Some(true);
        let formats = words("/textDocument/hover/contentFormat");
        Client {
            // A client that names none counts in UTF-16.
            encoding: Encoding::negotiate(&words("/general/positionEncodings")),
            reads_markdown: formats.iter().any(|format| format == "markdown"),
            // Of the two forms of an edit only documentChanges has a version.
            takes_versions: is("/workspace/workspaceEdit/documentChanges"),
            watches_files: is("/workspace/didChangeWatchedFiles/dynamicRegistration"),
        }
    }
}

/// A folder of a workspace.
#[derive(Debug, Deserialize)]
pub(super) struct Folder {
    pub(super) uri: String,
}

/// Parameters of `workspace/didChangeWorkspaceFolders`.
#[derive(Debug, Deserialize)]
pub(super) struct Folders {
    pub(super) event: FoldersEvent,
}

/// The folders that were added or removed.
#[derive(Debug, Deserialize)]
pub(super) struct FoldersEvent {
    pub(super) added: Vec<Folder>,
    pub(super) removed: Vec<Folder>,
}

/// The name of a document.
#[derive(Debug, Deserialize)]
pub(super) struct Identifier {
    pub(super) uri: String,
    pub(super) version: Option<i64>,
}

/// Parameters of `textDocument/didOpen`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Opened {
    pub(super) text_document: OpenedDocument,
}

/// A document with its text.
#[derive(Debug, Deserialize)]
pub(super) struct OpenedDocument {
    pub(super) uri: String,
    pub(super) version: Option<i64>,
    pub(super) text: String,
}

/// Parameters of `textDocument/didChange`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Changed {
    pub(super) text_document: Identifier,
    pub(super) content_changes: Vec<Change>,
}

/// Parameters of `textDocument/didClose`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Closed {
    pub(super) text_document: Identifier,
}

/// Parameters of `textDocument/hover`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct At {
    pub(super) text_document: Identifier,
    pub(super) position: Position,
}

/// Parameters of `textDocument/codeAction`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Within {
    pub(super) text_document: Identifier,
    pub(super) range: Range,
    #[serde(default)]
    pub(super) context: Context,
}

/// The code actions that a client requests.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Context {
    pub(super) only: Option<Vec<String>>,
}
