//! A connection and a body: for the size of a program with this provider alone.

fn main() {
    let pair = nfs_mount_guard_libraries::Pair::new(rustls::crypto::ring::default_provider());
    println!("{} bytes arrived", pair.connect().send(&[0; 1000]));
}
