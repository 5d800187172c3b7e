//! The name of the API server in messages, and the remedy when it does not answer.

use std::fmt;

use axum::http::Uri;

use super::proxy;

/// The API server, and the proxy on the way to it.
#[derive(Debug, Clone)]
pub struct Server {
    address: String,
    proxy: Option<Proxy>,
    /// True if a CA is given for it.
    has_authority: bool,
}

/// Answers to a request without TLS: of Go, nginx and Apache, and a TLS alert.
const SPEAKS_TLS: [&str; 4] = [
    "HTTP request to an HTTPS server",
    "plain HTTP request was sent to HTTPS port",
    "speaking plain HTTP to an SSL-enabled server port",
    "invalid HTTP version",
];

#[derive(Debug, Clone)]
struct Proxy {
    /// Without the password of the URL.
    address: String,
    /// The source that names it.
    origin: &'static str,
}

impl fmt::Display for Server {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.address)?;
        match &self.proxy {
            Some(proxy) => write!(out, " through the proxy {} ({})", proxy.address, proxy.origin),
            None => Ok(()),
        }
    }
}

impl Server {
    pub(super) fn new(url: &Uri, proxy: Option<(&Uri, &'static str)>) -> Self {
        let proxy = proxy.map(|(proxy, origin)| Proxy { address: without_user(proxy), origin });
        Self { address: without_user(url), proxy, has_authority: false }
    }

    /// Says if a CA is given for it; else it is one that this machine trusts.
    #[must_use]
    pub(super) fn with_authority(self, has_authority: bool) -> Self {
        Self { has_authority, ..self }
    }

    /// Returns the URL of the API server alone.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Returns the remedy for `reason`, for which the API server cannot be called.
    pub fn advice(&self, reason: &str) -> String {
        let origin = self.proxy.as_ref().map(|proxy| proxy.origin);
        // A reason may have the words of several branches, so the narrower ones come first.
        let advice = if reason.contains("log in again") {
            "the API server was not called"
        } else if reason.contains("longer than") {
            "a page of the list is that long, or the server is no API server"
        } else if reason.contains("tunnel error") && origin == Some(proxy::OWN) {
            "is the proxy running, and may it connect to the API server?"
        } else if reason.contains("tunnel error") {
            "is the proxy running, and may it connect to the API server? If the API server needs none, add it to NO_PROXY"
        } else if reason.contains("fatal alert") {
            "the API server does not accept the TLS connection: log in again, or correct client-certificate of the user"
        } else if reason.contains("not valid for name") {
            "set server or tls-server-name of the cluster in the kubeconfig to a name of the certificate"
        } else if reason.contains("certificate expired") {
            "renew the certificate of the API server, or correct the clock of this machine"
        } else if reason.contains("certificate") && self.has_authority {
            "the CA given for the cluster did not sign the certificate of this server: correct server of the cluster, or get the kubeconfig of this cluster again"
        } else if reason.contains("certificate") {
            "the kubeconfig names no CA for the cluster: set certificate-authority-data to that of its control plane (/etc/kubernetes/pki/ca.crt there)"
        } else if reason.contains("corrupt message") {
            "no TLS is spoken there: write the port of the API server in server of the cluster in the kubeconfig, or http:// for one without TLS"
        } else if reason.contains("handshake eof") {
            "the server ends the TLS handshake: write the port of the API server in server of the cluster in the kubeconfig, or http:// for one without TLS"
        } else if SPEAKS_TLS.iter().any(|words| reason.contains(words)) {
            "TLS is spoken there: write https:// in server of the cluster in the kubeconfig"
        } else {
            "is the API server running, and does the kubeconfig name the right one?"
        };
        advice.to_owned()
    }
}

/// Returns a URL without its path, user and password.
fn without_user(url: &Uri) -> String {
    let text = url.to_string();
    // A Uri shows the path / even where the kubeconfig has none.
    let text = text.trim_end_matches('/');
    match (text.split_once("://"), url.authority().and_then(|authority| authority.as_str().rsplit_once('@')))
    {
        (Some((scheme, _)), Some((_, place))) => format!("{scheme}://{place}"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_named_without_its_password_and_with_what_names_it() {
        let url = |text: &str| text.parse::<Uri>().expect("a URL");
        let api = url("https://api.example.com:6443");
        let proxy = url("http://me:secret@proxy.example.com:3128");
        for (origin, has_way_out) in [(proxy::OWN, false), ("HTTPS_PROXY", true)] {
            let server = Server::new(&api, Some((&proxy, origin)));
            assert_eq!(
                server.to_string(),
                format!(
                    "https://api.example.com:6443 through the proxy http://proxy.example.com:3128 ({origin})"
                )
            );
            assert_eq!(server.address(), "https://api.example.com:6443");
            let advice = server.advice("tunnel error: unsuccessful");
            assert!(advice.starts_with("is the proxy running"), "{advice}");
            assert_eq!(advice.ends_with("add it to NO_PROXY"), has_way_out);
        }
        let server = Server::new(&api, None);
        assert_eq!(server.to_string(), "https://api.example.com:6443");
        for (reason, advice) in [
            ("the token has a character; correct it, log in again", "the API server was not called"),
            ("its answer is longer than 512 MiB; set a smaller --page-size", "a page of the list"),
            ("invalid peer certificate: UnknownIssuer", "the kubeconfig names no CA"),
            (
                "invalid peer certificate: certificate not valid for name \"a\"",
                "set server or tls-server-name",
            ),
            ("invalid peer certificate: certificate expired: at", "renew the certificate of the API server"),
            ("received fatal alert: BadCertificate", "the API server does not accept"),
            ("received corrupt message of type InvalidContentType", "no TLS is spoken there"),
            ("it answered 400 Client sent an HTTP request to an HTTPS server.", "TLS is spoken there"),
            ("invalid HTTP version parsed", "TLS is spoken there"),
            ("tcp connect error", "is the API server running"),
        ] {
            assert!(server.advice(reason).starts_with(advice), "{reason}");
        }
        // A CA that is there and wrong is not to be set.
        let advice = server.with_authority(true).advice("invalid peer certificate: UnknownIssuer");
        assert!(advice.starts_with("the CA given for the cluster did not sign"), "{advice}");
    }
}
