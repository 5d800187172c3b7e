//! The vocabulary of nfs(5): what a mount option list means to mount(8),
//! mount.nfs and the kernel. Knows nothing of Kubernetes and does no I/O.

pub mod acceptance;
pub mod catalog;
pub mod disguised;
pub mod intended;
pub mod kernel;
pub mod option;
pub mod placeholder;
pub(crate) mod quotation;
pub mod reading;
pub mod saying;
pub mod settings;
pub mod shown;
pub mod timeouts;
pub mod value;
pub mod vendor;
pub mod version;
