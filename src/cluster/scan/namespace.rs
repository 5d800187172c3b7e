//! The namespace that a scan is limited to.

use axum::http::Method;

use crate::cluster::pages::{Answer, Ask, JSON, Pager, encoded};

/// Returns true if the API server says that there is no such namespace: of one the lists are empty,
/// as of one in which all is well. Without the right to get it nothing is known.
pub async fn is_missing(pager: &mut Pager, name: &str) -> bool {
    let uri = format!("/api/v1/namespaces/{}", encoded(name));
    let ask = Ask { resource: "namespaces", method: Method::GET, uri: &uri, accept: JSON, body: None };
    matches!(pager.ask(&ask).await, Answer::Refused(status) if status.code == 404)
}
