//! A TLS server and its client in one process, over any provider of ciphers.

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, ConnectionCommon, RootCertStore, ServerConfig, ServerConnection, SideData,
};

/// Both sides' settings, the server's certificate an ECDSA one on P-256 as the
/// guard makes them.
pub struct Pair {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

impl Pair {
    /// With one provider on both sides.
    pub fn new(provider: CryptoProvider) -> Self {
        let provider = Arc::new(provider);
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let certificate = made.cert.der().clone();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone()).expect("a root");
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .expect("a pair");
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        client.resumption = rustls::client::Resumption::disabled();
        Self { server: Arc::new(server), client: Arc::new(client) }
    }

    /// A connection, both sides' work.
    pub fn connect(&self) -> Connected {
        let name = ServerName::try_from("localhost").expect("a name");
        let mut both = Connected {
            server: ServerConnection::new(Arc::clone(&self.server)).expect("a server"),
            client: ClientConnection::new(Arc::clone(&self.client), name).expect("a client"),
        };
        while both.client.is_handshaking() || both.server.is_handshaking() {
            both.exchange();
        }
        both
    }
}

/// A connection.
pub struct Connected {
    server: ServerConnection,
    client: ClientConnection,
}

impl Connected {
    fn exchange(&mut self) {
        pass_on(&mut self.client, &mut self.server);
        pass_on(&mut self.server, &mut self.client);
    }

    /// A body goes to the server; gives what arrives.
    pub fn send(&mut self, body: &[u8]) -> usize {
        let mut arrived = 0;
        for part in body.chunks(16 * 1024) {
            self.client.writer().write_all(part).expect("memory");
            self.exchange();
            let mut buffer = [0; 16 * 1024];
            while let Ok(read @ 1..) = self.server.reader().read(&mut buffer) {
                arrived += read;
            }
        }
        arrived
    }
}

/// Passes the bytes that one side has to send to the other.
fn pass_on<A: SideData, B: SideData>(from: &mut ConnectionCommon<A>, to: &mut ConnectionCommon<B>) {
    let mut bytes = Vec::new();
    while from.wants_write() {
        from.write_tls(&mut bytes).expect("memory");
    }
    let mut left = bytes.as_slice();
    while !left.is_empty() {
        to.read_tls(&mut left).expect("memory");
        to.process_new_packets().expect("TLS");
    }
}
