//! Ports, with what their connections inherit.

use std::net::SocketAddr;

use rustix::net::sockopt::set_tcp_user_timeout;
use tokio::net::{TcpListener, TcpSocket};

use super::Error;

/// Connections that the system keeps until they are accepted; beyond that a
/// caller tries again after a second. Linux itself allows 4096.
const BACKLOG: u32 = 4096;

/// Bytes of answers that the system keeps for a connection.
const SEND_BUFFER: u32 = 16 * 1024;

/// Milliseconds that the system tries to send them to a caller that takes nothing
/// (`TCP_USER_TIMEOUT`): then it ends the connection.
const SEND_TIMEOUT: u32 = 3000;

/// Opens a port.
///
/// # Errors
///
/// When the address cannot be had.
pub fn listen(address: SocketAddr, flag: &'static str) -> Result<TcpListener, Error> {
    let open = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // A port that was just left is still held by its last connections.
        socket.set_reuseaddr(true)?;
        // Its connections inherit both. Linux counts unread bytes as the
        // container's memory, and keeps twice the size.
        socket.set_send_buffer_size(SEND_BUFFER)?;
        set_tcp_user_timeout(&socket, SEND_TIMEOUT)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    open().map_err(|source| Error::Listen { address, flag, source })
}
