//! The rows of the catalog.

use super::{Consumers, Effect, Entry, OptionId};
use crate::nfs::kernel::Kernels;
use crate::nfs::value::Grammar;
use crate::nfs::version::Versions;

const fn entry(id: OptionId, grammar: Grammar, meaning: &'static str) -> Entry {
    Entry {
        id,
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

const fn flag(id: OptionId, meaning: &'static str) -> Entry {
    entry(id, Grammar::Flag, meaning)
}

const fn number(id: OptionId, min: u32, max: u32, unit: &'static str, meaning: &'static str) -> Entry {
    entry(id, Grammar::Number { min, max, unit }, meaning)
}

const fn vfs(id: OptionId, meaning: &'static str) -> Entry {
    flag(id, meaning).read_by(Consumers::VFS)
}

const fn fstab(id: OptionId, meaning: &'static str) -> Entry {
    entry(id, Grammar::Anything, meaning)
        .read_by(Consumers::MOUNT)
        .without_effect("only /etc/fstab processing acts on it")
}

/// Makes the entry of a word of fstab(5) that mount(8) knows without a value only: with one it is unknown
/// to all layers (measured: tests/readings/words.tsv).
const fn fstab_flag(id: OptionId, meaning: &'static str) -> Entry {
    let mut entry = fstab(id, meaning);
    entry.grammar = Grammar::Flag;
    entry
}

/// Makes the entry of a word of fstab(5) that mount(8) turns into flags for every caller
/// (<https://github.com/util-linux/util-linux/blob/v2.41/libmount/src/optmap.c>;
/// measured: `users` hands mount.nfs `noexec,nosuid,nodev`).
const fn implies(id: OptionId, grammar: Grammar, meaning: &'static str) -> Entry {
    entry(id, grammar, meaning).read_by(Consumers::MOUNT)
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
    fstab(OptionId::Private, "a private word of some program; mount(8) keeps it to itself");

/// `X-mount.` words without a row of their own.
pub(super) static X_MOUNT: Entry = entry(
    OptionId::XMount,
    Grammar::Anything,
    "makes mount(8) change the mounted root or where it is mounted",
)
.read_by(Consumers::MOUNT);

/// Every keyword with its row, as a person reads them.
pub(super) static ENTRIES: &[(&str, Entry)] = &[
    ("bg", flag(OptionId::Bg, "a mount that fails continues in the background, and mount reports success").read_by(Consumers::BOTH).nfs_only()),
    ("fg", flag(OptionId::Fg, "a mount that fails is reported as failed").read_by(Consumers::BOTH).nfs_only()),
    ("retry", entry(OptionId::Retry, Grammar::Text, "how many minutes mount.nfs keeps trying: 2 in the foreground, 10000 in the background unless given").read_by(Consumers::BOTH)),

    ("hard", flag(OptionId::Hard, "requests are repeated until the server answers")),
    ("soft", flag(OptionId::Soft, "a request fails with EIO at the major timeout, written data may be lost")),
    ("softerr", flag(OptionId::Softerr, "as soft, with ETIMEDOUT").since(5, 2).nfs_only()),
    ("softreval", flag(OptionId::Softreval, "cached attributes are used while the server is away").since(5, 6).nfs_only()),
    ("timeo", number(OptionId::Timeo, 1, i32::MAX as u32, "0.1 s", "how long the client waits before it sends a request again").nfs_only()),
    ("retrans", number(OptionId::Retrans, 0, i32::MAX as u32, "tries", "how often a request is sent again before the major timeout")),

    ("vers", entry(OptionId::Vers, Grammar::Version, "the protocol version").read_by(Consumers::BOTH)),
    ("nfsvers", entry(OptionId::Vers, Grammar::Version, "the protocol version").read_by(Consumers::BOTH).nfs_only()),
    ("v3", flag(OptionId::VersFlag, "protocol version 3").read_by(Consumers::BOTH).nfs_only()),
    ("v4", flag(OptionId::VersFlag, "protocol version 4, the minor one negotiated").read_by(Consumers::BOTH).nfs_only()),
    ("v4.0", flag(OptionId::VersFlag, "protocol version 4.0").read_by(Consumers::BOTH).nfs_only()),
    ("v4.1", flag(OptionId::VersFlag, "protocol version 4.1").read_by(Consumers::BOTH).nfs_only()),
    ("v4.2", flag(OptionId::VersFlag, "protocol version 4.2").read_by(Consumers::BOTH).nfs_only()),
    ("v2", flag(OptionId::VersFlag, "protocol version 2, which no covered kernel mounts").read_by(Consumers::BOTH).never_known().nfs_only()),
    ("minorversion", number(OptionId::Minorversion, 0, 2, "", "the minor version with vers=4").read_by(Consumers::BOTH).nfs_only()),

    ("proto", entry(OptionId::Proto, Grammar::Word(TRANSPORTS), "the transport").read_by(Consumers::BOTH).nfs_only()),
    ("tcp", flag(OptionId::Tcp, "transport over TCP").read_by(Consumers::BOTH)),
    ("udp", flag(OptionId::Udp, "transport over UDP, which corrupts data on fast links").read_by(Consumers::BOTH)),
    ("rdma", flag(OptionId::Rdma, "transport over RDMA").read_by(Consumers::BOTH)),
    ("port", number(OptionId::Port, 0, 65535, "", "the server's NFS port").read_by(Consumers::BOTH)),
    ("nconnect", number(OptionId::Nconnect, 1, 16, "", "connections to the server; the first mount of a server decides (RHEL 8 has it since 8.3)").since(5, 3).nfs_only()),
    ("max_connect", number(OptionId::MaxConnect, 1, 16, "", "connections to further addresses of the same NFSv4.1 server").since(5, 15).nfs_only()),
    ("trunkdiscovery", flag(OptionId::Trunkdiscovery, "asks the server for further addresses of itself").since(5, 18).nfs_only()),
    ("notrunkdiscovery", flag(OptionId::Trunkdiscovery, "does not ask the server for further addresses").negation().since(5, 18).nfs_only()),
    ("xprtsec", entry(OptionId::Xprtsec, Grammar::Word(&["none", "tls", "mtls"]), "transport security; tls and mtls need tlshd on the node").read_by(Consumers::BOTH).since(6, 5).nfs_only()),
    ("cert_serial", number(OptionId::CertSerial, 0, u32::MAX, "", "the key of the client certificate").since(6, 17).nfs_only()),
    ("privkey_serial", number(OptionId::PrivkeySerial, 0, u32::MAX, "", "the key of the client's private key").since(6, 17).nfs_only()),
    ("fatal_neterrors", entry(OptionId::FatalNeterrors, Grammar::Word(&["default", "none", "ENETDOWN:ENETUNREACH", "ENETUNREACH:ENETDOWN"]), "which network errors end a hard mount").since(6, 15).nfs_only()),

    ("mountport", number(OptionId::Mountport, 0, 65535, "", "the port of the server's MOUNT service").read_by(Consumers::BOTH).on(Versions::V3).nfs_only()),
    ("mountproto", entry(OptionId::Mountproto, Grammar::Word(PORTS), "the transport to the MOUNT service").read_by(Consumers::BOTH).on(Versions::V3).nfs_only()),
    ("mountvers", number(OptionId::Mountvers, 1, 3, "", "the version of the MOUNT service").read_by(Consumers::BOTH).on(Versions::V3).nfs_only()),
    ("mounthost", entry(OptionId::Mounthost, Grammar::Text, "another host answers for the MOUNT service").read_by(Consumers::BOTH).on(Versions::V3).nfs_only()),
    ("mountaddr", entry(OptionId::Mountaddr, Grammar::Text, "another address answers for the MOUNT service").read_by(Consumers::BOTH).on(Versions::V3).nfs_only()),
    ("mountprog", entry(OptionId::Mountprog, Grammar::Text, "the RPC program of the MOUNT service").read_by(Consumers::MOUNT_NFS).on(Versions::V3).nfs_only()),
    ("nfsprog", entry(OptionId::Nfsprog, Grammar::Text, "the RPC program of the NFS service").read_by(Consumers::MOUNT_NFS).on(Versions::V3).nfs_only()),

    ("addr", entry(OptionId::Addr, Grammar::Anything, "the server's address, which mount.nfs replaces by the resolved one").read_by(Consumers::MOUNT_NFS)),
    ("clientaddr", entry(OptionId::Clientaddr, Grammar::Text, "where an NFSv4.0 server calls back").read_by(Consumers::BOTH).nfs_only()),
    ("source", entry(OptionId::Source, Grammar::Anything, "what is mounted; mount.nfs has named it already, so the kernel refuses a second").never_known()),

    ("rsize", number(OptionId::Rsize, 0, u32::MAX, "bytes", "the largest read; rounded, and the server's limit wins")),
    ("wsize", number(OptionId::Wsize, 0, u32::MAX, "bytes", "the largest write; rounded, and the server's limit wins")),
    ("bsize", number(OptionId::Bsize, 0, u32::MAX, "bytes", "the block size that statfs reports")),
    ("namlen", number(OptionId::Namlen, 0, u32::MAX, "bytes", "the longest file name that the client takes").nfs_only()),

    ("actimeo", number(OptionId::Actimeo, 0, u32::MAX, "s", "sets all four attribute cache times")),
    ("acregmin", number(OptionId::Acregmin, 0, u32::MAX, "s", "shortest time a file's attributes are cached").nfs_only()),
    ("acregmax", number(OptionId::Acregmax, 0, u32::MAX, "s", "longest time a file's attributes are cached")),
    ("acdirmin", number(OptionId::Acdirmin, 0, u32::MAX, "s", "shortest time a directory's attributes are cached").nfs_only()),
    ("acdirmax", number(OptionId::Acdirmax, 0, u32::MAX, "s", "longest time a directory's attributes are cached")),
    ("ac", flag(OptionId::Ac, "attributes are cached").nfs_only()),
    ("noac", flag(OptionId::Ac, "attributes are not cached and writes are synchronous").negation().nfs_only()),
    ("cto", flag(OptionId::Cto, "written data is visible to every later open of the file").nfs_only()),
    ("nocto", flag(OptionId::Cto, "opening a file does not look for what others wrote").negation().nfs_only()),
    ("lookupcache", entry(OptionId::Lookupcache, Grammar::Word(&["all", "none", "pos", "positive"]), "which directory entries are cached").nfs_only()),
    ("fsc", entry(OptionId::Fsc, Grammar::FlagOrText, "file data is cached on the node's disk by cachefilesd")),
    ("nofsc", flag(OptionId::Fsc, "file data is not cached on the node's disk").negation()),
    ("sharecache", flag(OptionId::Sharecache, "mounts of one export share caches, and the first one's options").nfs_only()),
    ("nosharecache", flag(OptionId::Sharecache, "each mount of an export has caches of its own").negation().nfs_only()),
    // The keyword is old; only a value requires a new kernel.
    ("rdirplus", entry(OptionId::Rdirplus, Grammar::FlagOrWord(&["none", "force"]), "READDIRPLUS is used").value_since(6, 15).nfs_only()),
    ("nordirplus", flag(OptionId::Rdirplus, "READDIRPLUS is not used").negation().nfs_only()),
    ("write", entry(OptionId::Write, Grammar::Word(&["lazy", "eager", "wait"]), "when written data leaves the page cache").since(5, 12).nfs_only()),
    ("alignwrite", flag(OptionId::Alignwrite, "small writes are extended to whole pages").since(6, 12).nfs_only()),
    ("noalignwrite", flag(OptionId::Alignwrite, "small writes stay as small as they are").negation().since(6, 12).nfs_only()),

    ("lock", flag(OptionId::Lock, "locks are taken at the server by NLM").read_by(Consumers::BOTH).without_effect_on_v4(NO_LOCK_MANAGER)),
    ("nolock", flag(OptionId::Lock, "locks are seen by this node only").negation().read_by(Consumers::BOTH).without_effect_on_v4(NO_LOCK_MANAGER)),
    ("local_lock", entry(OptionId::LocalLock, Grammar::Word(&["all", "flock", "posix", "none"]), "which locks are seen by this node only").without_effect_on_v4(NO_LOCK_MANAGER).nfs_only()),
    ("acl", flag(OptionId::Acl, "NFSACL is used").without_effect_on_v4("the option is for the NFSACL protocol of NFSv3")),
    ("noacl", flag(OptionId::Acl, "NFSACL is not used").negation().without_effect_on_v4("the option is for the NFSACL protocol of NFSv3")),
    ("sec", entry(OptionId::Sec, Grammar::Words(FLAVOURS), "the security flavours to try; several options add up")),
    ("resvport", flag(OptionId::Resvport, "the client's port is below 1024").nfs_only()),
    ("noresvport", flag(OptionId::Resvport, "the client's port may be any").negation().nfs_only()),
    ("migration", flag(OptionId::Migration, "the client follows an NFSv4.0 server that moves").on(Versions::V40).nfs_only()),
    ("nomigration", flag(OptionId::Migration, "the client does not follow a server that moves").negation().nfs_only()),
    ("posix", flag(OptionId::Posix, "path lengths are asked for as POSIX wants")),
    ("noposix", flag(OptionId::Posix, "path lengths are not asked for").negation()),

    ("intr", flag(OptionId::Intr, "a signal ends a waiting call").without_effect("since Linux 2.6.25 only SIGKILL ends a waiting call, with or without it")),
    ("nointr", flag(OptionId::Intr, "a signal does not end a waiting call").negation().without_effect("since Linux 2.6.25 only SIGKILL ends a waiting call, with or without it")),

    // mount.nfs makes a bare one of any value (nfs-utils 2.6.2; measured).
    ("sloppy", entry(OptionId::Sloppy, Grammar::Anything, "unknown options are ignored, and so is every typing mistake").read_by(Consumers::BOTH)),

    ("ro", vfs(OptionId::Ro, "nothing can be written")),
    ("rw", vfs(OptionId::Rw, "files can be written")),
    ("sync", vfs(OptionId::Sync, "every write waits for the server")),
    ("async", vfs(OptionId::Async, "writes wait in the page cache; that is the default")),
    ("dirsync", vfs(OptionId::Dirsync, "directory changes wait for the server").without_effect("the NFS client ignores it")),
    ("exec", vfs(OptionId::Exec, "programs can be run")),
    ("noexec", vfs(OptionId::Exec, "programs cannot be run").negation()),
    ("suid", vfs(OptionId::Suid, "set-user-ID bits count")),
    ("nosuid", vfs(OptionId::Suid, "set-user-ID bits do not count").negation()),
    ("dev", vfs(OptionId::Dev, "device files work")),
    ("nodev", vfs(OptionId::Dev, "device files do not work").negation()),
    ("atime", vfs(OptionId::Atime, "access times are kept")),
    ("noatime", vfs(OptionId::Atime, "access times are not kept by this node").negation()),
    ("diratime", vfs(OptionId::Diratime, "access times of directories are kept")),
    ("nodiratime", vfs(OptionId::Diratime, "access times of directories are not kept").negation()),
    ("relatime", vfs(OptionId::Relatime, "access times are kept now and then; the default")),
    ("norelatime", vfs(OptionId::Relatime, "access times are kept always").negation()),
    ("strictatime", vfs(OptionId::Strictatime, "access times are kept always")),
    ("nostrictatime", vfs(OptionId::Strictatime, "access times need not be kept always").negation()),
    ("lazytime", vfs(OptionId::Lazytime, "times are written late").without_effect("the NFS client ignores it")),
    ("nolazytime", vfs(OptionId::Lazytime, "times are written at once").negation()),
    ("iversion", vfs(OptionId::Iversion, "a change counter is kept").without_effect("the NFS client ignores it")),
    ("noiversion", vfs(OptionId::Iversion, "no change counter is kept").negation().without_effect("the NFS client ignores it")),
    ("mand", vfs(OptionId::Mand, "mandatory locks, on kernels before 5.15")),
    ("nomand", vfs(OptionId::Mand, "no mandatory locks").negation()),
    ("silent", vfs(OptionId::Silent, "less is said when mounting").without_effect("it only changes what the kernel logs")),
    ("loud", vfs(OptionId::Silent, "more is said when mounting").negation().without_effect("it only changes what the kernel logs")),
    ("symfollow", vfs(OptionId::Symfollow, "symbolic links are followed")),
    ("nosymfollow", vfs(OptionId::Symfollow, "symbolic links are not followed").negation()),
    ("defaults", vfs(OptionId::Defaults, "rw, suid, dev, exec, async").without_effect("it names the defaults")),

    ("context", entry(OptionId::Context, Grammar::Text, "the SELinux label of every file").read_by(Consumers::VFS)),
    ("fscontext", entry(OptionId::Context, Grammar::Text, "the SELinux label of the file system").read_by(Consumers::VFS)),
    ("defcontext", entry(OptionId::Context, Grammar::Text, "the SELinux label of files without one").read_by(Consumers::VFS)),
    ("rootcontext", entry(OptionId::Context, Grammar::Text, "the SELinux label of the root").read_by(Consumers::VFS)),
    ("seclabel", entry(OptionId::Context, Grammar::Flag, "SELinux labels come from the server").read_by(Consumers::VFS)),

    ("auto", fstab(OptionId::Auto, "mounted by mount -a")),
    ("noauto", fstab(OptionId::Auto, "not mounted by mount -a").negation()),
    ("nofail", fstab_flag(OptionId::Nofail, "a missing device is not an error; a server that does not respond still is").read_by(Consumers::USER)),
    ("_netdev", fstab_flag(OptionId::Netdev, "mounted once the network is up").read_by(Consumers::USER)),
    ("user", implies(OptionId::User, Grammar::Anything, "any user may mount it; implies noexec, nosuid and nodev").read_by(Consumers::USER)),
    ("nouser", fstab_flag(OptionId::User, "only root may mount it").negation()),
    ("users", implies(OptionId::User, Grammar::Flag, "any user may mount and unmount it; implies noexec, nosuid and nodev").read_by(Consumers::USER)),
    ("nousers", fstab_flag(OptionId::User, "not every user may unmount it").negation()),
    ("owner", implies(OptionId::User, Grammar::Flag, "the device's owner may mount it; implies nosuid and nodev")),
    ("noowner", fstab_flag(OptionId::User, "the device's owner may not mount it").negation()),
    ("group", implies(OptionId::User, Grammar::Flag, "the device's group may mount it; implies nosuid and nodev")),
    ("nogroup", fstab_flag(OptionId::User, "the device's group may not mount it").negation()),
    ("comment", fstab(OptionId::Comment, "a remark for people")),
    ("loop", fstab(OptionId::Loop, "mounted through a loop device")),
    ("offset", fstab(OptionId::Loop, "where in the loop device it begins")),
    ("sizelimit", fstab(OptionId::Loop, "how long the loop device is")),
    ("encryption", fstab(OptionId::Loop, "a loop device's cipher")),

    ("helper", entry(OptionId::Helper, Grammar::Anything, "another program unmounts it").read_by(Consumers::MOUNT)),
    ("uhelper", entry(OptionId::Helper, Grammar::Anything, "another program unmounts it").read_by(Consumers::MOUNT)),
    ("bind", entry(OptionId::Bind, Grammar::Anything, "a directory on the node is mounted, not the export").read_by(Consumers::MOUNT)),
    ("rbind", entry(OptionId::Bind, Grammar::Anything, "a directory on the node is mounted with all below it, not the export").read_by(Consumers::MOUNT)),
    ("move", entry(OptionId::Bind, Grammar::Anything, "an existing mount is moved").read_by(Consumers::MOUNT)),
    ("remount", entry(OptionId::Remount, Grammar::Anything, "an existing mount is changed, and nothing is mounted").read_by(Consumers::BOTH)),
    ("shared", entry(OptionId::Propagation, Grammar::Flag, "mounts below spread to other namespaces").read_by(Consumers::MOUNT)),
    ("rshared", entry(OptionId::Propagation, Grammar::Flag, "mounts below spread to other namespaces").read_by(Consumers::MOUNT)),
    ("slave", entry(OptionId::Propagation, Grammar::Flag, "mounts of the parent namespace spread here").read_by(Consumers::MOUNT)),
    ("rslave", entry(OptionId::Propagation, Grammar::Flag, "mounts of the parent namespace spread here").read_by(Consumers::MOUNT)),
    ("private", entry(OptionId::Propagation, Grammar::Flag, "mounts do not spread").read_by(Consumers::MOUNT)),
    ("rprivate", entry(OptionId::Propagation, Grammar::Flag, "mounts do not spread").read_by(Consumers::MOUNT)),
    ("unbindable", entry(OptionId::Propagation, Grammar::Flag, "it cannot be bind-mounted").read_by(Consumers::MOUNT)),
    ("runbindable", entry(OptionId::Propagation, Grammar::Flag, "it cannot be bind-mounted").read_by(Consumers::MOUNT)),
    // Rows of their own, because other `X-mount.` words change the mount.
    ("X-mount.noloop", fstab(OptionId::Private, "no loop device is made").without_effect("an NFS export is no file that mount(8) would put on a loop device")),
    ("X-mount.nocanonicalize", fstab(OptionId::Private, "paths are taken as they are written").without_effect("the kubelet and drivers pass a mount point without symbolic links")),
    ("X-mount.auto-fstypes", fstab(OptionId::Private, "the file systems that mount(8) tries").without_effect("the kubelet and drivers name the file system")),
    ("X-mount.mkdir", fstab(OptionId::Private, "the mount point is made when it is missing").without_effect("the kubelet and drivers make the mount point before they mount")),
    ("x-mount.mkdir", fstab(OptionId::Private, "the mount point is made when it is missing").without_effect("the kubelet and drivers make the mount point before they mount")),
];
