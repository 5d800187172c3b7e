//! The proxy to an API server, as kubectl finds it ([client-go `cache.go`], Go's
//! `http.ProxyFromEnvironment`): that of the kubeconfig always, else that of the
//! environment unless `NO_PROXY` names the API server. The client's own reader compares
//! `NO_PROXY` with the proxy's address.
//!
//! [client-go `cache.go`]: https://github.com/kubernetes/kubernetes/blob/v1.37.2/staging/src/k8s.io/client-go/transport/cache.go

use std::net::IpAddr;

use axum::http::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use kube::config::Cluster;

/// The proxy that the kubeconfig names.
pub(super) const OWN: &str = "proxy-url of the cluster";

/// Returns the proxy for `target`, if there is one, and what names it.
pub(super) fn of(target: &Uri, cluster: &Cluster) -> Result<Option<(Uri, &'static str)>, String> {
    let from_env = |names: [&str; 2]| {
        names.into_iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    };
    if let Some(own) = cluster.proxy_url.as_ref().filter(|url| !url.is_empty()) {
        return parsed(own, OWN).map(|url| Some((url, OWN)));
    }
    let names = if target.scheme_str() == Some("http") {
        ["HTTP_PROXY", "http_proxy"]
    } else {
        ["HTTPS_PROXY", "https_proxy"]
    };
    let no = from_env(["NO_PROXY", "no_proxy"]).unwrap_or_default();
    match from_env(names) {
        Some(proxy) if needs_proxy(target, &no) => {
            let [name, _] = names;
            // Go takes a proxy without a scheme for an HTTP one.
            let proxy = if proxy.contains("://") { proxy } else { format!("http://{proxy}") };
            parsed(&proxy, name).map(|url| Some((url, name)))
        }
        _ => Ok(None),
    }
}

fn parsed(text: &str, place: &str) -> Result<Uri, String> {
    let url: Option<Uri> = text.parse().ok();
    match url.as_ref().and_then(Uri::scheme_str) {
        Some("http" | "https") => url,
        _ => None,
    }
    // The text may have a password.
    .ok_or_else(|| {
        format!("{place} is not the URL of an HTTP proxy; write http://HOST:PORT or https://HOST:PORT")
    })
}

/// Returns true if the environment's proxy is for this server.
fn needs_proxy(target: &Uri, no: &str) -> bool {
    let host = target.host().unwrap_or_default().trim_matches(['[', ']']);
    // Go uses no proxy for this machine (useProxy of golang.org/x/net/http/httpproxy).
    let is_local = host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    let matcher = Matcher::builder().all("http://proxy").no(no).build();
    !is_local && matcher.intercept(target).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_proxy_is_compared_with_the_api_server() {
        let needs = |server: &str, no: &str| needs_proxy(&server.parse().expect("a URL"), no);
        for (server, no) in [
            ("https://10.0.0.1:6443", "10.0.0.0/8"),
            ("https://api.example.com", "example.com"),
            ("https://api.example.com", "other, .example.com"),
            ("https://api.example.com", "*"),
            ("https://127.0.0.1:6443", ""),
            ("https://[::1]:6443", ""),
            ("https://localhost:6443", ""),
        ] {
            assert!(!needs(server, no), "{server} {no}");
        }
        for (server, no) in
            [("https://10.0.0.1:6443", ""), ("https://api.example.com", "proxy,notexample.com")]
        {
            assert!(needs(server, no), "{server} {no}");
        }
    }

    #[test]
    fn the_proxy_of_the_kubeconfig_is_used_always() {
        let cluster = |url: &str| Cluster { proxy_url: Some(url.to_owned()), ..Cluster::default() };
        let local: Uri = "https://127.0.0.1:6443".parse().expect("a URL");
        let own = of(&local, &cluster("http://proxy:3128")).expect("a proxy");
        assert_eq!(own.map(|(url, _)| url.to_string()).as_deref(), Some("http://proxy:3128/"));
        for wrong in ["proxy:3128", "socks5://me:secret@proxy:1080", "http://a b"] {
            let error = of(&local, &cluster(wrong)).expect_err("no proxy");
            assert!(
                error.starts_with("proxy-url of the cluster is not") && !error.contains("secret"),
                "{error}"
            );
        }
    }
}
