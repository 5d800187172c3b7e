//! Webhooks of others, with the certificate of the guard beside the API server.

use std::net::SocketAddr;
use std::sync::Arc;

use nfs_mount_guard::server::tls::{Certificate, CertificateStore, server_config};

use crate::cluster::Cluster;

/// A webhook that runs until it is dropped.
pub struct OtherWebhook {
    _runtime: tokio::runtime::Runtime,
    /// Its address, by HTTPS.
    pub address: SocketAddr,
    /// The authority of its certificate, as a configuration has it.
    pub ca_bundle: String,
}

impl OtherWebhook {
    /// Serves `router` by HTTP/1.1.
    pub fn start(cluster: &Cluster, router: axum::Router) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let certificate = Certificate::load(&cluster.guard.certs, time::OffsetDateTime::now_utc());
        let store = Arc::new(CertificateStore::new(certificate.expect("a certificate")));
        let mut config = server_config(store, None).expect("a configuration");
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("an address");
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, router) = (acceptor.clone(), router.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let service = hyper_util::service::TowerToHyperService::new(router);
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(hyper_util::rt::TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { _runtime: runtime, address, ca_bundle: cluster.guard.ca_bundle() }
    }
}
