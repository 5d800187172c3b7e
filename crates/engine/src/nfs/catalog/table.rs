//! The rows of the catalog.

use super::{Consumers, Effect, Entry, Word};
use crate::nfs::kernel::Kernels;
use crate::nfs::value::Grammar;
use crate::nfs::version::Versions;

const fn entry(word: Word, grammar: Grammar, meaning: &'static str) -> Entry {
    Entry {
        word,
        negated: false,
        grammar,
        consumers: Consumers::KERNEL,
        versions: Versions::ALL,
        kernels: Kernels::ALL,
        value_kernels: Kernels::ALL,
        effect: Effect::Active,
        nfs_only: false,
        meaning,
    }
}

const fn flag(word: Word, meaning: &'static str) -> Entry {
    entry(word, Grammar::Flag, meaning)
}

const fn number(word: Word, min: u32, max: u32, unit: &'static str, meaning: &'static str) -> Entry {
    entry(word, Grammar::Number { min, max, unit }, meaning)
}

const fn vfs(word: Word, meaning: &'static str) -> Entry {
    flag(word, meaning).read_by(Consumers::VFS)
}

const fn fstab(word: Word, meaning: &'static str) -> Entry {
    entry(word, Grammar::Anything, meaning)
        .read_by(Consumers::MOUNT)
        .without_effect("only /etc/fstab processing reads it")
}

/// A word of fstab(5) that mount(8) knows without a value only: with one it is
/// unknown to all layers (measured: tests/readings/words.tsv).
const fn fstab_flag(word: Word, meaning: &'static str) -> Entry {
    let mut entry = fstab(word, meaning);
    entry.grammar = Grammar::Flag;
    entry
}

/// A word of fstab(5) that mount(8) turns into flags for every caller
/// (util-linux libmount/src/optmap.c; measured: `users` hands mount.nfs
/// `noexec,nosuid,nodev`).
const fn implies(word: Word, grammar: Grammar, meaning: &'static str) -> Entry {
    entry(word, grammar, meaning).read_by(Consumers::MOUNT)
}

impl Entry {
    const fn negation(mut self) -> Self {
        self.negated = true;
        self
    }
    const fn read_by(mut self, consumers: Consumers) -> Self {
        self.consumers = consumers;
        self
    }
    const fn on(mut self, versions: Versions) -> Self {
        self.versions = versions;
        self
    }
    const fn since(mut self, major: u16, minor: u16) -> Self {
        self.kernels = Kernels::since(major, minor);
        self
    }
    const fn value_since(mut self, major: u16, minor: u16) -> Self {
        self.value_kernels = Kernels::since(major, minor);
        self
    }
    const fn never_known(mut self) -> Self {
        self.kernels = Kernels::NONE;
        self
    }
    const fn without_effect(mut self, why: &'static str) -> Self {
        self.effect = Effect::None(why);
        self
    }
    const fn without_effect_on_v4(mut self, why: &'static str) -> Self {
        self.effect = Effect::NoneOnV4(why);
        self
    }
    const fn nfs_only(mut self) -> Self {
        self.nfs_only = true;
        self
    }
}

const PORTS: &[&str] = &["tcp", "tcp6", "udp", "udp6"];
const TRANSPORTS: &[&str] = &["tcp", "tcp6", "udp", "udp6", "rdma", "rdma6"];
/// The flavours some kernel has a module for. `lkey` and `spkm3` are words the
/// kernel parses and then cannot honour (measured: exit 32 everywhere).
const FLAVOURS: &[&str] = &["none", "null", "sys", "krb5", "krb5i", "krb5p"];
const NO_LOCK_MANAGER: &str = "NFSv4 has locks of its own and the kernel masks the option out";

/// `x-` and `X-` words.
pub(super) static PRIVATE: Entry =
    fstab(Word::Private, "a private word of some program; mount(8) keeps it to itself");

/// `X-mount.` words without a row of their own.
pub(super) static X_MOUNT: Entry =
    entry(Word::XMount, Grammar::Anything, "makes mount(8) change the mounted root or where it is mounted")
        .read_by(Consumers::MOUNT);

/// Every keyword with its row, as a person reads them.
pub(super) static ENTRIES: &[(&str, Entry)] = &[
    ("bg", flag(Word::Bg, "a mount that fails continues in the background, and mount reports success").read_by(Consumers::BOTH).nfs_only()),
    ("fg", flag(Word::Fg, "a mount that fails is reported as failed").read_by(Consumers::BOTH).nfs_only()),
    ("retry", entry(Word::Retry, Grammar::Text, "how many minutes mount.nfs keeps trying: 2 in the foreground, 10000 in the background unless given").read_by(Consumers::BOTH)),

    ("hard", flag(Word::Hard, "requests are repeated until the server answers")),
    ("soft", flag(Word::Soft, "a request fails with EIO at the major timeout, written data may be lost")),
    ("softerr", flag(Word::Softerr, "as soft, with ETIMEDOUT").since(5, 2).nfs_only()),
    ("softreval", flag(Word::Softreval, "cached attributes are used while the server is away").since(5, 6).nfs_only()),
    ("timeo", number(Word::Timeo, 1, i32::MAX as u32, "tenths of a second", "how long the client waits before it sends a request again").nfs_only()),
    ("retrans", number(Word::Retrans, 0, i32::MAX as u32, "tries", "how often a request is sent again before the major timeout")),

    ("vers", entry(Word::Vers, Grammar::Version, "the protocol version").read_by(Consumers::BOTH)),
    ("nfsvers", entry(Word::Vers, Grammar::Version, "the protocol version").read_by(Consumers::BOTH).nfs_only()),
    ("v3", flag(Word::VersFlag, "protocol version 3").read_by(Consumers::BOTH).nfs_only()),
    ("v4", flag(Word::VersFlag, "protocol version 4, the minor one negotiated").read_by(Consumers::BOTH).nfs_only()),
    ("v4.0", flag(Word::VersFlag, "protocol version 4.0").read_by(Consumers::BOTH).nfs_only()),
    ("v4.1", flag(Word::VersFlag, "protocol version 4.1").read_by(Consumers::BOTH).nfs_only()),
    ("v4.2", flag(Word::VersFlag, "protocol version 4.2").read_by(Consumers::BOTH).nfs_only()),
    ("v2", flag(Word::VersFlag, "protocol version 2, which no covered kernel mounts").read_by(Consumers::BOTH).never_known().nfs_only()),
    ("minorversion", number(Word::Minorversion, 0, 2, "minor version", "the minor version with vers=4").read_by(Consumers::BOTH).nfs_only()),

    ("proto", entry(Word::Proto, Grammar::Word(TRANSPORTS), "the transport").read_by(Consumers::BOTH).nfs_only()),
    ("tcp", flag(Word::Tcp, "transport over TCP").read_by(Consumers::BOTH)),
    ("udp", flag(Word::Udp, "transport over UDP, which corrupts data on fast links").read_by(Consumers::BOTH)),
    ("rdma", flag(Word::Rdma, "transport over RDMA").read_by(Consumers::BOTH)),
    ("port", number(Word::Port, 0, 65535, "port", "the server's NFS port").read_by(Consumers::BOTH)),
    ("nconnect", number(Word::Nconnect, 1, 16, "connections", "connections to the server; the first mount of a server decides (RHEL 8 has it since 8.3)").since(5, 3).nfs_only()),
    ("max_connect", number(Word::MaxConnect, 1, 16, "connections", "connections to further addresses of the same NFSv4.1 server").since(5, 15).nfs_only()),
    ("trunkdiscovery", flag(Word::Trunkdiscovery, "asks the server for further addresses of itself").since(5, 18).nfs_only()),
    ("notrunkdiscovery", flag(Word::Trunkdiscovery, "does not ask the server for further addresses").negation().since(5, 18).nfs_only()),
    ("xprtsec", entry(Word::Xprtsec, Grammar::Word(&["none", "tls", "mtls"]), "transport security; tls and mtls need tlshd on the node").read_by(Consumers::BOTH).since(6, 5).nfs_only()),
    ("cert_serial", number(Word::CertSerial, 0, u32::MAX, "key serial", "the key of the client certificate").since(6, 17).nfs_only()),
    ("privkey_serial", number(Word::PrivkeySerial, 0, u32::MAX, "key serial", "the key of the client's private key").since(6, 17).nfs_only()),
    ("fatal_neterrors", entry(Word::FatalNeterrors, Grammar::Word(&["default", "none", "ENETDOWN:ENETUNREACH", "ENETUNREACH:ENETDOWN"]), "which network errors end a hard mount").since(6, 15).nfs_only()),

    ("mountport", number(Word::Mountport, 0, 65535, "port", "the port of the server's MOUNT service").read_by(Consumers::BOTH).on(Versions::V3).nfs_only()),
    ("mountproto", entry(Word::Mountproto, Grammar::Word(PORTS), "the transport to the MOUNT service").read_by(Consumers::BOTH).on(Versions::V3).nfs_only()),
    ("mountvers", number(Word::Mountvers, 1, 3, "version", "the version of the MOUNT service").read_by(Consumers::BOTH).on(Versions::V3).nfs_only()),
    ("mounthost", entry(Word::Mounthost, Grammar::Text, "another host answers for the MOUNT service").read_by(Consumers::BOTH).on(Versions::V3).nfs_only()),
    ("mountaddr", entry(Word::Mountaddr, Grammar::Text, "another address answers for the MOUNT service").read_by(Consumers::BOTH).on(Versions::V3).nfs_only()),
    ("mountprog", entry(Word::Mountprog, Grammar::Text, "the RPC program of the MOUNT service").read_by(Consumers::MOUNT_NFS).on(Versions::V3).nfs_only()),
    ("nfsprog", entry(Word::Nfsprog, Grammar::Text, "the RPC program of the NFS service").read_by(Consumers::MOUNT_NFS).on(Versions::V3).nfs_only()),

    ("addr", entry(Word::Addr, Grammar::Anything, "the server's address, which mount.nfs replaces by the resolved one").read_by(Consumers::MOUNT_NFS)),
    ("clientaddr", entry(Word::Clientaddr, Grammar::Text, "where an NFSv4.0 server calls back").read_by(Consumers::BOTH).nfs_only()),
    ("source", entry(Word::Source, Grammar::Anything, "what is mounted; mount.nfs has named it already, so the kernel refuses a second").never_known()),

    ("rsize", number(Word::Rsize, 0, u32::MAX, "bytes", "the largest read; rounded, and the server's limit wins")),
    ("wsize", number(Word::Wsize, 0, u32::MAX, "bytes", "the largest write; rounded, and the server's limit wins")),
    ("bsize", number(Word::Bsize, 0, u32::MAX, "bytes", "the block size that statfs reports")),
    ("namlen", number(Word::Namlen, 0, u32::MAX, "bytes", "the longest file name that the client takes").nfs_only()),

    ("actimeo", number(Word::Actimeo, 0, u32::MAX, "seconds", "sets all four attribute cache times")),
    ("acregmin", number(Word::Acregmin, 0, u32::MAX, "seconds", "shortest time a file's attributes are cached").nfs_only()),
    ("acregmax", number(Word::Acregmax, 0, u32::MAX, "seconds", "longest time a file's attributes are cached")),
    ("acdirmin", number(Word::Acdirmin, 0, u32::MAX, "seconds", "shortest time a directory's attributes are cached").nfs_only()),
    ("acdirmax", number(Word::Acdirmax, 0, u32::MAX, "seconds", "longest time a directory's attributes are cached")),
    ("ac", flag(Word::Ac, "attributes are cached").nfs_only()),
    ("noac", flag(Word::Ac, "attributes are not cached and writes are synchronous").negation().nfs_only()),
    ("cto", flag(Word::Cto, "written data is visible to every later open of the file").nfs_only()),
    ("nocto", flag(Word::Cto, "opening a file does not look for what others wrote").negation().nfs_only()),
    ("lookupcache", entry(Word::Lookupcache, Grammar::Word(&["all", "none", "pos", "positive"]), "which directory entries are cached").nfs_only()),
    ("fsc", entry(Word::Fsc, Grammar::FlagOrText, "file data is cached on the node's disk by cachefilesd")),
    ("nofsc", flag(Word::Fsc, "file data is not cached on the node's disk").negation()),
    ("sharecache", flag(Word::Sharecache, "mounts of one export share caches, and the first one's options").nfs_only()),
    ("nosharecache", flag(Word::Sharecache, "each mount of an export has caches of its own").negation().nfs_only()),
    ("rdirplus", entry(Word::Rdirplus, Grammar::FlagOrWord(&["none", "force"]), "READDIRPLUS is used").value_since(6, 15).nfs_only()),
    ("nordirplus", flag(Word::Rdirplus, "READDIRPLUS is not used").negation().nfs_only()),
    ("write", entry(Word::Write, Grammar::Word(&["lazy", "eager", "wait"]), "when written data leaves the page cache").since(5, 12).nfs_only()),
    ("alignwrite", flag(Word::Alignwrite, "small writes are extended to whole pages").since(6, 12).nfs_only()),
    ("noalignwrite", flag(Word::Alignwrite, "small writes stay as small as they are").negation().since(6, 12).nfs_only()),

    ("lock", flag(Word::Lock, "locks are taken at the server by NLM").read_by(Consumers::BOTH).without_effect_on_v4(NO_LOCK_MANAGER)),
    ("nolock", flag(Word::Lock, "locks are seen by this node only").negation().read_by(Consumers::BOTH).without_effect_on_v4(NO_LOCK_MANAGER)),
    ("local_lock", entry(Word::LocalLock, Grammar::Word(&["all", "flock", "posix", "none"]), "which locks are seen by this node only").without_effect_on_v4(NO_LOCK_MANAGER).nfs_only()),
    ("acl", flag(Word::Acl, "NFSACL is used").without_effect_on_v4("the option is for the NFSACL protocol of NFSv3")),
    ("noacl", flag(Word::Acl, "NFSACL is not used").negation().without_effect_on_v4("the option is for the NFSACL protocol of NFSv3")),
    ("sec", entry(Word::Sec, Grammar::Words(FLAVOURS), "the security flavours to try; several options add up")),
    ("resvport", flag(Word::Resvport, "the client's port is below 1024").nfs_only()),
    ("noresvport", flag(Word::Resvport, "the client's port may be any").negation().nfs_only()),
    ("migration", flag(Word::Migration, "the client follows an NFSv4.0 server that moves").on(Versions::V40).nfs_only()),
    ("nomigration", flag(Word::Migration, "the client does not follow a server that moves").negation().nfs_only()),
    ("posix", flag(Word::Posix, "path lengths are asked for as POSIX wants")),
    ("noposix", flag(Word::Posix, "path lengths are not asked for").negation()),

    ("intr", flag(Word::Intr, "a signal ends a waiting call").without_effect("since Linux 2.6.25 only SIGKILL ends a waiting call, with or without it")),
    ("nointr", flag(Word::Intr, "a signal does not end a waiting call").negation().without_effect("since Linux 2.6.25 only SIGKILL ends a waiting call, with or without it")),

    // mount.nfs makes a bare one of any value (nfs-utils 2.6.2; measured).
    ("sloppy", entry(Word::Sloppy, Grammar::Anything, "unknown options are ignored, and so is every typing mistake").read_by(Consumers::BOTH)),

    ("ro", vfs(Word::Ro, "nothing can be written")),
    ("rw", vfs(Word::Rw, "files can be written")),
    ("sync", vfs(Word::Sync, "every write waits for the server")),
    ("async", vfs(Word::Async, "writes wait in the page cache; that is the default")),
    ("dirsync", vfs(Word::Dirsync, "directory changes wait for the server").without_effect("the NFS client ignores it")),
    ("exec", vfs(Word::Exec, "programs can be run")),
    ("noexec", vfs(Word::Exec, "programs cannot be run").negation()),
    ("suid", vfs(Word::Suid, "set-user-ID bits count")),
    ("nosuid", vfs(Word::Suid, "set-user-ID bits do not count").negation()),
    ("dev", vfs(Word::Dev, "device files work")),
    ("nodev", vfs(Word::Dev, "device files do not work").negation()),
    ("atime", vfs(Word::Atime, "access times are kept")),
    ("noatime", vfs(Word::Atime, "access times are not kept by this node").negation()),
    ("diratime", vfs(Word::Diratime, "access times of directories are kept")),
    ("nodiratime", vfs(Word::Diratime, "access times of directories are not kept").negation()),
    ("relatime", vfs(Word::Relatime, "access times are kept now and then; the default")),
    ("norelatime", vfs(Word::Relatime, "access times are kept always").negation()),
    ("strictatime", vfs(Word::Strictatime, "access times are kept always")),
    ("nostrictatime", vfs(Word::Strictatime, "access times need not be kept always").negation()),
    ("lazytime", vfs(Word::Lazytime, "times are written late").without_effect("the NFS client ignores it")),
    ("nolazytime", vfs(Word::Lazytime, "times are written at once").negation()),
    ("iversion", vfs(Word::Iversion, "a change counter is kept").without_effect("the NFS client ignores it")),
    ("noiversion", vfs(Word::Iversion, "no change counter is kept").negation().without_effect("the NFS client ignores it")),
    ("mand", vfs(Word::Mand, "mandatory locks, on kernels before 5.15")),
    ("nomand", vfs(Word::Mand, "no mandatory locks").negation()),
    ("silent", vfs(Word::Silent, "less is said when mounting").without_effect("it only changes what the kernel logs")),
    ("loud", vfs(Word::Silent, "more is said when mounting").negation().without_effect("it only changes what the kernel logs")),
    ("symfollow", vfs(Word::Symfollow, "symbolic links are followed")),
    ("nosymfollow", vfs(Word::Symfollow, "symbolic links are not followed").negation()),
    ("defaults", vfs(Word::Defaults, "rw, suid, dev, exec, async").without_effect("it names the defaults")),

    ("context", entry(Word::Context, Grammar::Text, "the SELinux label of every file").read_by(Consumers::VFS)),
    ("fscontext", entry(Word::Context, Grammar::Text, "the SELinux label of the file system").read_by(Consumers::VFS)),
    ("defcontext", entry(Word::Context, Grammar::Text, "the SELinux label of files without one").read_by(Consumers::VFS)),
    ("rootcontext", entry(Word::Context, Grammar::Text, "the SELinux label of the root").read_by(Consumers::VFS)),
    ("seclabel", entry(Word::Context, Grammar::Flag, "SELinux labels come from the server").read_by(Consumers::VFS)),

    ("auto", fstab(Word::Auto, "mounted by mount -a")),
    ("noauto", fstab(Word::Auto, "not mounted by mount -a").negation()),
    ("nofail", fstab_flag(Word::Nofail, "a missing device is not an error; a server that does not respond still is").read_by(Consumers::USER)),
    ("_netdev", fstab_flag(Word::Netdev, "mounted once the network is up").read_by(Consumers::USER)),
    ("user", implies(Word::User, Grammar::Anything, "any user may mount it; implies noexec, nosuid and nodev").read_by(Consumers::USER)),
    ("nouser", fstab_flag(Word::User, "only root may mount it").negation()),
    ("users", implies(Word::User, Grammar::Flag, "any user may mount and unmount it; implies noexec, nosuid and nodev").read_by(Consumers::USER)),
    ("nousers", fstab_flag(Word::User, "not every user may unmount it").negation()),
    ("owner", implies(Word::User, Grammar::Flag, "the device's owner may mount it; implies nosuid and nodev")),
    ("noowner", fstab_flag(Word::User, "the device's owner may not mount it").negation()),
    ("group", implies(Word::User, Grammar::Flag, "the device's group may mount it; implies nosuid and nodev")),
    ("nogroup", fstab_flag(Word::User, "the device's group may not mount it").negation()),
    ("comment", fstab(Word::Comment, "a remark for people")),
    ("loop", fstab(Word::Loop, "mounted through a loop device")),
    ("offset", fstab(Word::Loop, "where in the loop device it begins")),
    ("sizelimit", fstab(Word::Loop, "how long the loop device is")),
    ("encryption", fstab(Word::Loop, "a loop device's cipher")),

    ("helper", entry(Word::Helper, Grammar::Anything, "another program unmounts it").read_by(Consumers::MOUNT)),
    ("uhelper", entry(Word::Helper, Grammar::Anything, "another program unmounts it").read_by(Consumers::MOUNT)),
    ("bind", entry(Word::Bind, Grammar::Anything, "a directory on the node is mounted, not the export").read_by(Consumers::MOUNT)),
    ("rbind", entry(Word::Bind, Grammar::Anything, "a directory on the node is mounted with all below it, not the export").read_by(Consumers::MOUNT)),
    ("move", entry(Word::Bind, Grammar::Anything, "an existing mount is moved").read_by(Consumers::MOUNT)),
    ("remount", entry(Word::Remount, Grammar::Anything, "an existing mount is changed, and nothing is mounted").read_by(Consumers::BOTH)),
    ("shared", entry(Word::Propagation, Grammar::Flag, "mounts below spread to other namespaces").read_by(Consumers::MOUNT)),
    ("rshared", entry(Word::Propagation, Grammar::Flag, "mounts below spread to other namespaces").read_by(Consumers::MOUNT)),
    ("slave", entry(Word::Propagation, Grammar::Flag, "mounts of the parent namespace spread here").read_by(Consumers::MOUNT)),
    ("rslave", entry(Word::Propagation, Grammar::Flag, "mounts of the parent namespace spread here").read_by(Consumers::MOUNT)),
    ("private", entry(Word::Propagation, Grammar::Flag, "mounts do not spread").read_by(Consumers::MOUNT)),
    ("rprivate", entry(Word::Propagation, Grammar::Flag, "mounts do not spread").read_by(Consumers::MOUNT)),
    ("unbindable", entry(Word::Propagation, Grammar::Flag, "it cannot be bind-mounted").read_by(Consumers::MOUNT)),
    ("runbindable", entry(Word::Propagation, Grammar::Flag, "it cannot be bind-mounted").read_by(Consumers::MOUNT)),
    ("X-mount.mkdir", fstab(Word::Private, "the mount point is made when it is missing").without_effect("kubelet and drivers make the mount point before they mount")),
    ("x-mount.mkdir", fstab(Word::Private, "the mount point is made when it is missing").without_effect("kubelet and drivers make the mount point before they mount")),
];
