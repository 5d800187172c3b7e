use super::*;
use crate::nfs::option::split;

const V42: &str = "rw,relatime,vers=4.2,rsize=262144,wsize=262144,namlen=255,hard,proto=tcp,timeo=600,retrans=2,sec=sys,clientaddr=10.9.1.1,local_lock=none,addr=10.9.0.1";

fn options(list: &str) -> Vec<MountOption<'_>> {
    split(list).filter(|piece| !piece.text.is_empty()).map(|piece| MountOption::new(piece.text)).collect()
}

fn differences(asked: &str, shown: &str) -> Vec<(&'static str, String, String, bool)> {
    let found = Shown::new(shown.split(',')).differences(&options(asked));
    found.into_iter().map(|each| (each.keyword, each.asked, each.mounted, each.is_written)).collect()
}

fn difference(
    keyword: &'static str,
    asked: &str,
    mounted: &str,
    is_written: bool,
) -> Vec<(&'static str, String, String, bool)> {
    vec![(keyword, asked.to_owned(), mounted.to_owned(), is_written)]
}

#[test]
fn a_mount_that_has_what_is_asked_differs_in_nothing() {
    for asked in [
        "",
        "hard,fg,timeo=600,retrans=2",
        "nfsvers=4.2",
        "vers=4",
        "proto=tcp",
        "sec=krb5:sys",
        "nconnect=1",
        "nolock",
        "port=2049",
        "retry=1,bg",
        "acregmin=3,actimeo=60,ac,acregmin=3,acdirmin=30",
        "rsize=262144",
    ] {
        assert_eq!(differences(asked, V42), [], "{asked}");
    }
}

#[test]
fn each_setting_that_differs_is_named_once() {
    for (asked, found) in [
        ("soft", difference("hard", "soft", "hard", true)),
        ("timeo=50", difference("timeo", "50", "600", true)),
        ("retrans=5", difference("retrans", "5", "2", true)),
        ("nfsvers=3", difference("vers", "3", "4.2", true)),
        ("nfsvers=4.1", difference("vers", "4.1", "4.2", true)),
        ("proto=rdma", difference("proto", "rdma", "tcp", true)),
        ("sec=krb5:krb5p", difference("sec", "krb5:krb5p", "sys", true)),
        ("xprtsec=tls", difference("xprtsec", "tls", "none", true)),
        ("nconnect=8", difference("nconnect", "8", "1", true)),
        ("rsize=1048576", difference("rsize", "1048576", "262144", true)),
        ("noac", difference("noac", "noac", "ac", true)),
        ("acdirmax=9", difference("acdirmax", "9", "60", true)),
        ("lookupcache=none", difference("lookupcache", "none", "all", true)),
        ("ro", difference("ro", "ro", "rw", true)),
        ("port=2050", difference("port", "2050", "2049", true)),
        ("nosharecache", difference("nosharecache", "nosharecache", "not set", true)),
        ("noresvport", difference("noresvport", "noresvport", "not set", true)),
        ("max_connect=4", difference("max_connect", "4", "1", true)),
        ("nosuid", difference("nosuid", "nosuid", "not set", true)),
    ] {
        assert_eq!(differences(asked, V42), found, "{asked}");
    }
}

#[test]
fn a_setting_that_nothing_asks_for_is_the_kernels_default() {
    let shown = V42.replace("hard", "soft").replace("timeo=600,retrans=2", "timeo=70,retrans=3");
    let mut found = difference("hard", "hard", "soft", false);
    found.extend(difference("timeo", "600", "70", false));
    found.extend(difference("retrans", "2", "3", false));
    assert_eq!(differences("nfsvers=4.2", &shown), found);
    assert_eq!(differences("", &V42.replace("sec=sys", "sec=krb5,nconnect=8")).len(), 1);
}

#[test]
fn a_value_that_the_kernel_rejects_is_named_as_it_is_written() {
    let shown = V42.replace("sec=sys", "sec=sys,nconnect=16").replace("timeo=600", "timeo=70");
    for (asked, keyword, said) in
        [("timeo=70,nconnect=20", "nconnect", "20"), ("timeo=0,nconnect=16", "timeo", "0")]
    {
        let mounted = if keyword == "timeo" { "70" } else { "16" };
        assert_eq!(differences(asked, &shown), difference(keyword, said, mounted, true), "{asked}");
    }
    // The mount has what a rejected value leaves.
    assert_eq!(differences("nconnect=20,timeo=0", V42), []);
}

#[test]
fn the_first_mount_and_the_server_decide_some_settings() {
    let decider = |asked: &str| {
        Shown::new(V42.split(',')).differences(&options(asked)).first().map(|found| found.decider)
    };
    assert_eq!(decider("timeo=7"), Some(Decider::Superblock));
    assert_eq!(decider("nconnect=4"), Some(Decider::Connections));
    assert_eq!(decider("rsize=1048576"), Some(Decider::Server));
    assert_eq!(decider("rsize=4096"), Some(Decider::Mount));
    assert_eq!(decider("soft"), Some(Decider::Mount));
}

#[test]
fn locks_count_with_version_3_only() {
    let v3 = "rw,vers=3,rsize=8192,wsize=8192,namlen=255,hard,proto=tcp,timeo=600,retrans=2,sec=sys,mountaddr=10.9.0.1,mountvers=3,mountport=20048,mountproto=tcp,local_lock=none,addr=10.9.0.1";
    assert_eq!(differences("nolock", v3), difference("local_lock", "all", "none", true));
    assert_eq!(differences("nolock", V42), []);
    assert_eq!(differences("nolock", &v3.replace("local_lock=none", "nolock,local_lock=all")), []);
}

#[test]
fn what_no_mount_shows_is_said() {
    let shown = Shown::new(V42.split(','));
    let asked = options("fg,retry=2,hard,nolock,sloppy,timeo=600,clientaddr=1.2.3.4,x-y,exec,noexec");
    let unseen: Vec<&str> = shown.unseen(&asked).into_iter().map(MountOption::text).collect();
    assert_eq!(unseen, ["fg", "retry=2", "nolock", "sloppy", "x-y", "exec"]);
}

#[test]
fn what_is_shown_only_where_it_is_on_is_compared_if_it_is_asked_for() {
    let with = |more: &str| format!("{V42},{more}");
    let v3 = "rw,vers=3,hard,proto=tcp,timeo=600,retrans=2,sec=sys,mountaddr=10.9.0.1,mountvers=3,mountport=60291,mountproto=udp,local_lock=none,addr=10.9.0.1";
    for (asked, shown, found) in [
        ("sync", V42, difference("sync", "sync", "async", true)),
        ("sync,async", V42, vec![]),
        ("async", &with("sync"), difference("sync", "async", "sync", true)),
        ("async,noac", &with("noac,sync"), vec![]),
        ("async,sync", &with("sync"), vec![]),
        ("fsc", V42, difference("fsc", "fsc", NOT_SET, true)),
        ("nofsc", &with("fsc"), difference("fsc", NOT_SET, "fsc", true)),
        ("nordirplus", V42, difference("rdirplus", "nordirplus", "rdirplus", true)),
        ("rdirplus=none", &with("nordirplus"), vec![]),
        ("rdirplus=force", V42, difference("rdirplus", "rdirplus=force", "rdirplus", true)),
        ("rdirplus", &with("nordirplus"), difference("rdirplus", "rdirplus", "nordirplus", true)),
        ("write=eager", V42, difference("write", "eager", "lazy", true)),
        ("write=lazy", V42, vec![]),
        ("write=lazy", &with("write=eager"), difference("write", "lazy", "eager", true)),
        ("noalignwrite", V42, difference("noalignwrite", "noalignwrite", NOT_SET, true)),
        ("posix", V42, difference("posix", "posix", NOT_SET, true)),
        // Of NFSv4.0 only.
        ("migration", V42, vec![]),
        ("bsize=4096", &with("bsize=8192"), difference("bsize", "4096", "8192", true)),
        ("bsize=4000", &with("bsize=2048"), vec![]),
        ("namlen=300", V42, difference("namlen", "300", "255", true)),
        ("clientaddr=10.9.1.2", V42, difference("clientaddr", "10.9.1.2", "10.9.1.1", true)),
        ("vers=3,mountproto=tcp", v3, difference("mountproto", "tcp", "udp", true)),
        ("vers=3,mountport=0,mountvers=3", v3, vec![]),
        (
            "fatal_neterrors=none",
            &with("fatal_neterrors=ENETDOWN:ENETUNREACH"),
            difference("fatal_neterrors", "none", "ENETDOWN:ENETUNREACH", true),
        ),
        ("fatal_neterrors=ENETUNREACH:ENETDOWN", &with("fatal_neterrors=ENETDOWN:ENETUNREACH"), vec![]),
    ] {
        assert_eq!(differences(asked, shown), found, "{asked} {shown}");
        assert_eq!(
            Shown::new(shown.split(',')).unseen(&options(asked)).len(),
            usize::from(asked == "migration"),
            "{asked}"
        );
    }
}
