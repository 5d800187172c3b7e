//! Mounts whose server never answers: whatever touches one waits indefinitely, and
//! node-check must not. A FUSE mount whose daemon reads no request hangs like NFS with
//! `hard`.

use std::fs;
use std::fs::OpenOptions;
use std::process::Command;

use libtest_mimic::{Failed, Trial};
use serde_json::json;

use super::mounts::{CONTAINER, namespaces, script};
use super::{Pods, found, not_mounted};
use crate::component::{self, Missing};

/// Volumes of the node that is measured, and those of them that hang.
const VOLUMES: (usize, usize) = (1000, 50);

/// Milliseconds that a look at them may take, far below any time-out of a mount.
const LIMIT: u64 = 1000;

/// Looks at most until one is as quick as on an idle machine.
const LOOKS: usize = 8;

/// `hang DIR` mounts what never answers; the shell holds the connection and reads nothing.
pub(super) const HANG: &str = "
hang() { exec {fd}<>/dev/fuse; command mount -i -t fuse -o fd=$fd,rootmode=40000,user_id=0,group_id=0 \"${2:-nas:/x}\" \"$1\" >&2; }
";

/// `swallow DIR` mounts what reads each request and answers none but the first: SIGKILL ends no process that
/// waits for it. Only the reader holds the connection, so that its end ends the mount.
pub(super) const SWALLOW: &str = r#"
swallow() { hang "$1"
  unique=$(dd bs=128K count=1 <&$fd 2>$dir/dd | od -An -tx1 -j8 -N8 | sed 's/ /\\x/g')
  printf "\\x50\\0\\0\\0\\0\\0\\0\\0$unique\\7\\0\\0\\0\\x1f\\0\\0\\0\\0\\0\\1\\0\\0\\0\\0\\0\\xc\\0\\xa\\0\\0\\0\\1\\0\\1\\0\\0\\0" >$dir/answer
  head -c 36 /dev/zero >>$dir/answer; dd bs=128K if=$dir/answer >&$fd 2>>$dir/dd
  dd bs=128K of=/dev/null <&$fd 2>>$dir/dd & exec {fd}>&-; }
"#;

pub(super) fn trials() -> Vec<Trial> {
    let trial = |name: &str, test: fn() -> Result<(), Failed>| {
        component::trial(format!("node_check::hang::{name}"), fuse, move |()| test())
    };
    vec![
        trial("looks_past_a_server_that_never_answers", never_answers),
        component::trial(
            "node_check::hang::looks_past_it_where_directories_keep_no_types",
            || fuse().and_then(|()| without_types()),
            |()| untyped(),
        ),
        trial("looks_at_1000_volumes_of_which_50_hang", many),
        trial("copies_past_a_mount_that_never_answers", copies),
        trial("walks_through_no_mount_of_a_container_that_never_answers", in_a_container),
    ]
}

pub(super) fn fuse() -> Result<(), Missing> {
    namespaces()?;
    let has_fuse = OpenOptions::new().read(true).write(true).open("/dev/fuse").is_ok()
        && fs::read_to_string("/proc/filesystems").is_ok_and(|text| text.contains("\tfuse\n"));
    if has_fuse {
        return Ok(());
    }
    Err(Missing { reason: "the host gives no /dev/fuse".to_owned(), installable: false })
}

/// Makes and mounts `$1`, a file system whose directories do not say what an entry is.
const UNTYPED: &str = "untyped() { truncate -s 16M $dir/image; mkfs.ext4 -q -F -O ^filetype $dir/image; mkdir -p \"$1\"; mount -o loop $dir/image \"$1\"; }
";

fn without_types() -> Result<(), Missing> {
    let (report, _) = script(&Pods::new(), &format!("{UNTYPED} untyped $dir/k; echo '{{\"can\": true}}'"));
    if report["can"] == true {
        return Ok(());
    }
    Err(Missing { reason: "the host mounts no ext4 from a file".to_owned(), installable: false })
}

/// Without the type of an entry only stat(2) says that it is a directory.
fn untyped() -> Result<(), Failed> {
    let pods = Pods::new();
    let text = format!(
        "{HANG} {UNTYPED} untyped $dir/k; pods=$dir/k/pods; f=$pods/u/volumes
         mkdir -p $f/kubernetes.io~nfs/hangs $f/kubernetes.io~nfs/lost $f/kubernetes.io~csi/csi/mount
         echo hello >$f/kubernetes.io~nfs/lost/hello; echo x >$f/kubernetes.io~nfs/file
         echo '{{\"driverName\": \"nfs.csi.k8s.io\"}}' >$f/kubernetes.io~csi/csi/vol_data.json
         hang $f/kubernetes.io~nfs/hangs; hang $f/kubernetes.io~csi/csi/mount
         code=0; timeout -s KILL 2 find $f/kubernetes.io~nfs -type d >&2 || code=$?; [ $code = 137 ]
         timeout -s KILL 10 $check --pods-dir $pods"
    );
    let (report, code) = script(&pods, &text);
    assert_eq!((found(&report), code), (not_mounted(&["lost"]), 1), "{report:#}");
    assert_eq!(report["summary"]["mounted"], 2, "{report:#}");
    Ok(())
}

fn never_answers() -> Result<(), Failed> {
    let pods = Pods::new();
    for (pod, volume) in [("u", "hangs"), ("u", "lost"), ("w", "covered")] {
        fs::write(pods.nfs(pod, volume).join("hello"), "hello\n")?;
    }
    fs::write(pods.csi("u", "csi", "nfs.csi.k8s.io").join("hello"), "hello\n")?;
    fs::create_dir(pods.nfs("u", "lost").join("inner"))?;
    let text = format!(
        "{HANG} f=$pods/u/volumes; hang $f/kubernetes.io~nfs/hangs; hang $f/kubernetes.io~csi/csi/mount
         hang $f/kubernetes.io~nfs/lost/inner
         mount -t tmpfs none $pods/w/volumes/kubernetes.io~nfs/covered; hang $pods/w/volumes/kubernetes.io~nfs/covered
         # The mount does hang: stat(2) ends only with the process.
         code=0; timeout -s KILL 2 stat $f/kubernetes.io~nfs/hangs >&2 || code=$?; [ $code = 137 ]
         timeout -s KILL 10 $check --pods-dir $pods"
    );
    let (report, code) = script(&pods, &text);
    assert_eq!((found(&report), code), (not_mounted(&["lost"]), 1), "{report:#}");
    assert_eq!(report["summary"]["mounted"], 3, "{report:#}");
    assert_eq!(report["volumes"][0]["data"]["files"], 1, "what hangs within is not entered: {report:#}");
    Ok(())
}

/// The copy line of the report is run: of a volume that is not mounted, and of one that is mounted late,
/// each with a mount in it that hangs.
fn copies() -> Result<(), Failed> {
    for (before, after) in
        [("hang \"$f/in ner\"", ""), ("container $f \"hang data/in\\ ner\"", "mount -t tmpfs none $f")]
    {
        let pods = Pods::new();
        let folder = pods.nfs("u", "pv");
        fs::create_dir_all(folder.join("in ner"))?;
        fs::create_dir_all(folder.join("deep/in ner"))?;
        fs::write(folder.join("deep/in ner/hello"), "hello\n")?;
        let text = format!(
            "{HANG} {CONTAINER} export -f hang; mount -t tmpfs none $dir; f=$pods/u/volumes/kubernetes.io~nfs/pv
             {before}; {after}
             code=0; timeout -s KILL 10 $check --pods-dir $pods >$dir/report || code=$?; mkdir $dir/safe $pods/u/saved
             sed -n 's,^ *\"copy\": \"\\(.*\\)\"\\,$,\\1,p' $dir/report | sed s,/a/safe/place,$dir/safe,g >$dir/line
             timeout -s KILL 10 bash -eu $dir/line >&2; cp -a $dir/safe/u $pods/u/saved/; cat $dir/report; exit $code"
        );
        let (report, code) = script(&pods, &text);
        assert_eq!((report["volumes"].as_array().map(Vec::len), code), (Some(1), 1), "{before}: {report:#}");
        let volume = &report["volumes"][0];
        let note = volume["note"].as_str().unwrap_or_default();
        assert!(
            note.starts_with("the copy leaves out the mount at /")
                && note.ends_with("in ner, which may hang"),
            "{report:#}"
        );
        let saved = pods.path().join("u/saved/u/pv");
        let read = fs::read_to_string(saved.join("deep/in ner/hello")).unwrap_or_default();
        assert_eq!(read, "hello\n", "{before}: {report:#}");
        assert!(!saved.join("in ner").exists(), "{before}: {report:#}");
    }
    Ok(())
}

/// A container has one volume on another: the way to the second leads through the first.
fn in_a_container() -> Result<(), Failed> {
    // The mount on the way, or the root of the container itself: also one of which a layer is a mount of
    // the node, whose runtime was in $dir when it mounted the last one.
    const FUSE: &str = "fuse.html nas:/x rw";
    const LAYERS: &str = "overlay o rw,lowerdir=$dir/none:$dir/layers/1/fs,upperdir=$dir/u,workdir=$dir/w";
    const LINKED: &str = "overlay o rw,lowerdir=$dir/l/A:$dir/none,upperdir=$dir/u,workdir=$dir/w";
    const RELATIVE: &str = "overlay o rw,lowerdir=layers/1/fs/a,upperdir=$dir/u,workdir=$dir/w";
    for (also, files, hung, kind) in [
        ("", 0, "/mnt", FUSE),
        ("container $f/uploads;", 1, "/mnt", FUSE),
        ("", 0, "/", FUSE),
        ("container $f/uploads;", 1, "/", FUSE),
        ("", 0, "/", LAYERS),
        ("", 0, "/mnt", LINKED),
        ("container $f/uploads;", 1, "/", RELATIVE),
    ] {
        let pods = Pods::new();
        pods.nfs("u", "html");
        pods.nfs("w", "bare");
        fs::write(pods.nfs("u", "uploads").join("hello"), "hello\n")?;
        let text = format!(
            "{HANG} {CONTAINER} mount -t tmpfs none $dir; f=$pods/u/volumes/kubernetes.io~nfs
             # A container whose volume html is mounted in time, by a server that stops answering: the
             # mount point b is looked up in it once, before.
             inner() {{ unshare -m bash -ec '
               mkdir -p $dir/in/mnt; mount --bind $dir/in $dir/in; cd $dir/in; mount -t tmpfs none mnt; mkdir mnt/b
               mount --bind \"$0\" mnt/b
               for f in /bin /lib /lib64 /usr; do mkdir -p .$f; mount --rbind $f .$f; done; exec chroot . sleep 60' $f/uploads &
               inner=$!; for try in $(seq 100); do [ $(cat /proc/$inner/comm) = sleep ] && break; sleep 0.1; done; }}
             inner; {also}
             mkdir $dir/proc; for pid in $(ls /proc | grep '^[0-9]*$'); do ln -s /proc/$pid $dir/proc/$pid; done
             # The table of the container as one with a FUSE mount has it, and a root that hangs.
             rm $dir/proc/$inner; mkdir $dir/proc/$inner; cp /proc/$inner/stat /proc/$inner/cmdline $dir/proc/$inner/
             awk -v at={hung} -v kind=\"{kind}\" '$5 == at {{sub(/ - tmpfs none .*/, \" - \" kind)}} 1' /proc/$inner/mountinfo >$dir/proc/$inner/mountinfo
             mkdir -p $dir/l $dir/layers/1/fs; hang $dir/layers/1/fs; ln -s ../layers/1/fs/a $dir/l/A
             mkdir -p $dir/proc/$inner/root/mnt; hang $dir/proc/$inner/root{hung}; mount -t tmpfs none $f/html; mount -t tmpfs none $f/uploads
             code=0; timeout -s KILL 2 stat $dir/proc/$inner/root/mnt/b >&2 || code=$?; [ $code = 137 ]
             timeout -s KILL 10 $check --pods-dir $pods --proc-dir $dir/proc"
        );
        let (report, code) = script(&pods, &text);
        assert_eq!(code, 1, "{report:#}");
        assert_eq!(report["volumes"][1]["volume"], "bare", "the others are found as well: {report:#}");
        let volume = &report["volumes"][0];
        assert_eq!(
            (&volume["volume"], &volume["state"]),
            (&json!("uploads"), &json!("hidden")),
            "{report:#}"
        );
        // Another container shows it by a way that does not hang.
        if files == 0 {
            assert_eq!((&volume["data"], &volume["copies"]), (&json!(null), &json!([])), "{report:#}");
            let note = volume["note"].as_str().unwrap_or_default();
            let why = if kind == FUSE {
                format!("through the mount at {hung}, which waits for a server (fuse.html)")
            } else {
                format!("through the mount at {hung}, an overlay with a layer on ")
            };
            assert!(note.contains(&why), "{kind}: {report:#}");
        } else {
            assert_eq!(
                (&volume["data"]["files"], &volume["note"]),
                (&json!(files), &json!(null)),
                "{report:#}"
            );
            assert_eq!(volume["copies"].as_array().map(Vec::len), Some(1), "{report:#}");
        }
    }
    Ok(())
}

/// Prints how long it takes: `cargo test --test e2e -- node_check::hang --nocapture`.
fn many() -> Result<(), Failed> {
    let (volumes, hanging) = VOLUMES;
    let pods = Pods::new();
    for index in 0..volumes {
        fs::write(pods.nfs(&format!("pod-{}", index / 10), &format!("v{index}")).join("hello"), "hello\n")?;
    }
    // The first 50 hang; of the others each hundredth is not mounted.
    let text = format!(
        "{HANG} index=0; while [ $index -lt {volumes} ]; do
           f=$pods/pod-$((index / 10))/volumes/kubernetes.io~nfs/v$index
           if [ $index -lt {hanging} ]; then hang $f
           elif [ $((index % 100)) != 99 ]; then echo \"none $f tmpfs defaults 0 0\" >>$dir/fstab; fi
           index=$((index + 1)); done
         command mount -a -T $dir/fstab >&2
         # Until one look is as quick as on an idle machine.
         mkdir $dir/proc; $tools/record /proc $dir/proc
         for look in $(seq {LOOKS}); do
           begun=$(date +%s%N); code=0
           timeout -s KILL 30 $program node-check --format json --pods-dir $pods --proc-dir $dir/proc >$dir/report || code=$?
           took=$(( ($(date +%s%N) - begun) / 1000000 ))
           [ $took -ge {LIMIT} ] || break
         done
         echo $took >$pods/pod-0/milliseconds; cat $dir/report; exit $code"
    );
    let (report, code) = script(&pods, &text);
    assert_eq!(code, 1, "{report:#}");
    assert_eq!(report["summary"]["lost"], json!(10), "{report:#}");
    assert_eq!(report["summary"]["mounted"], json!(990), "{report:#}");
    let took: u64 = fs::read_to_string(pods.path().join("pod-0/milliseconds"))?.trim().parse()?;
    println!("node-check looked at {volumes} volumes of which {hanging} hang in {took} ms");
    assert!(took < LIMIT, "{took} ms");
    let left = Command::new("sh").args(["-c", "mount | grep -c \"$0\"", &pods.name()]).output()?;
    assert_eq!(String::from_utf8_lossy(&left.stdout).trim(), "0", "the mounts ended with their namespace");
    Ok(())
}
