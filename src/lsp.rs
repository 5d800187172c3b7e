//! The language server: diagnostics as `check`, hover as `explain`, code actions as `fix`,
//! over standard input and output.
//!
//! Source: Language Server Protocol 3.17. All evaluation is that of [`crate::check`] and
//! [`crate::report`]; here it is put into the words and positions of the protocol.

mod actions;
mod diagnose;
mod document;
mod frames;
mod hover;
mod messages;
mod policies;
mod position;
mod server;

use std::collections::VecDeque;
use std::io::{self, BufRead, ErrorKind, Write};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use lsp_server::{ErrorCode, Message, RequestId, Response};
use serde_json::Value;

use frames::Frames;
pub use policies::Source;
pub use server::{Lifecycle, Server};

/// An incoming message of the client, or an unreadable one.
type Incoming = Result<Message, Malformed>;

/// A message that is no JSON, or none of the protocol.
#[derive(Debug)]
struct Malformed;

/// The end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The client requested it: `shutdown`, then `exit`.
    Orderly,
    /// The client ended without `shutdown`, or without `exit`.
    Abrupt,
}

/// Serves one client until it ends.
///
/// # Errors
///
/// When what comes in is not in frames of the protocol, or nothing can be written.
pub fn serve(
    server: &mut Server<'_>,
    input: impl BufRead + Send + 'static,
    output: &mut dyn Write,
) -> io::Result<End> {
    // Without a limit: the client must be able to cancel what waits.
    let (sender, incoming) = channel();
    let reader = thread::Builder::new().name("lsp-reader".to_owned()).spawn(move || {
        let mut input = Frames(input);
        loop {
            let message = match Message::read(&mut input) {
                Ok(None) => return Ok(()),
                Ok(Some(message)) => Ok(message),
                Err(error) if is_payload(&error) => Err(Malformed),
                Err(error) => return Err(error),
            };
            if sender.send(message).is_err() {
                return Ok(());
            }
        }
    })?;
    let end = answer(server, &incoming, output)?;
    if matches!(server.state(), Lifecycle::Ended { .. }) {
        // The reader may wait for more, which nothing is done with.
        return Ok(end);
    }
    match reader.join() {
        Ok(read) => read.map(|()| end),
        // It said so on standard error.
        Err(_) => Ok(End::Abrupt),
    }
}

/// Answers messages in their order; what is cancelled before its turn is not worked on, and
/// documents are evaluated once no message waits.
fn answer(server: &mut Server<'_>, incoming: &Receiver<Incoming>, output: &mut dyn Write) -> io::Result<End> {
    let mut queue: VecDeque<Incoming> = VecDeque::new();
    loop {
        if queue.is_empty() {
            queue.extend(incoming.try_iter());
        }
        if queue.is_empty() {
            server.settle();
            send(server, output)?;
            let Ok(message) = incoming.recv() else { return Ok(End::Abrupt) };
            queue.push_back(message);
        }
        queue.extend(incoming.try_iter());
        let Some(message) = queue.pop_front() else { continue };
        match message {
            Err(Malformed) => malformed(output)?,
            Ok(Message::Request(request)) if is_cancelled(&request.id, &queue) => {
                let message = format!("{} is cancelled", request.method);
                let code = ErrorCode::RequestCanceled as i32;
                Message::Response(Response::new_err(request.id, code, message)).write(&mut &mut *output)?;
            }
            Ok(message) => server.receive(message),
        }
        send(server, output)?;
        if let Lifecycle::Ended { orderly } = server.state() {
            return Ok(if orderly { End::Orderly } else { End::Abrupt });
        }
    }
}

fn send(server: &mut Server<'_>, output: &mut dyn Write) -> io::Result<()> {
    server.outgoing().try_for_each(|message| message.write(&mut &mut *output))
}

fn is_cancelled(id: &RequestId, queue: &VecDeque<Incoming>) -> bool {
    queue.iter().flatten().any(|message| match message {
        Message::Notification(notification) if notification.method == "$/cancelRequest" => {
            let cancelled = notification.params.get("id").cloned().unwrap_or(Value::Null);
            serde_json::from_value::<RequestId>(cancelled).is_ok_and(|cancelled| cancelled == *id)
        }
        _ => false,
    })
}

/// Returns true if a frame was read whole, and only what is in it is wrong. The crate has one kind
/// of error for both.
fn is_payload(error: &io::Error) -> bool {
    error.kind() == ErrorKind::InvalidData && error.to_string().starts_with("malformed LSP payload")
}

/// Answers what has no id that could be read.
fn malformed(output: &mut dyn Write) -> io::Result<()> {
    let code = ErrorCode::ParseError as i32;
    let answer = serde_json::json!({
        "jsonrpc": "2.0",
        "id": null,
        "error": {"code": code, "message": "is not a message of JSON-RPC 2.0"},
    });
    let answer = answer.to_string();
    write!(output, "Content-Length: {}\r\n\r\n{answer}", answer.len())?;
    output.flush()
}
