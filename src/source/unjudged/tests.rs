use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::text::Lines;
use super::super::trees;
use super::*;

fn found(text: &str) -> Option<(String, usize)> {
    let lines = Lines::new(text);
    let tree = trees(text, &lines).next()?.ok()?;
    let found = find(&tree, tree.root()?)?;
    Some((found.at(), lines.position(found.offset).line))
}

#[test]
fn options_are_found_wherever_they_hide() {
    for (text, at, line) in [
        ("spec:\n  values:\n    a: {mountOptions: [bg]}\n", "spec.values.a.mountOptions", 3),
        ("nfs:\n  mountOptions:\n  - bg\n", "nfs.mountOptions", 2),
        ("nfs:\n  mountOptions: {hard,bg}\n", "nfs.mountOptions", 2),
        ("nfs:\n  options: hard,nconnect=4\n", "nfs.options", 2),
        ("kind: Secret\nstringData: {mountOptions: \"bg\"}\n", "stringData.mountOptions", 2),
        ("- op: add\n  path: /spec/mountOptions\n  value: [bg]\n", "0.path", 2),
        ("patches:\n- patch: |-\n    mountOptions: [bg]\n", "patches[0].patch", 3),
        (
            "patches:\n- patch: |-\n    - op: add\n      path: /mountOptions/-\n      value: bg\n",
            "patches[0].patch",
            3,
        ),
        (
            "metadata:\n  annotations: {volume.beta.kubernetes.io/mount-options: bg}\n",
            "metadata.annotations[volume.beta.kubernetes.io/mount-options]",
            2,
        ),
    ] {
        assert_eq!(found(text), (line > 0).then(|| (at.to_owned(), line)), "{text}");
    }
}

#[test]
fn a_policy_of_this_program_and_a_schema_hold_no_options() {
    let policy = "apiVersion: nfs-mount-guard.io/v1\nkind: MountPolicy\n\
exemptions: [{rules: [NMG008], options: [bg], name: x, reason: why}]\n";
    let in_a_map =
        format!("kind: ConfigMap\ndata:\n  policy.yaml: |\n    {}", policy.replace('\n', "\n    "));
    let schema = |property: &str| {
        format!(
            "kind: CustomResourceDefinition\nspec: {{openAPIV3Schema: {{properties: {{mountOptions: {property}}}}}}}\n"
        )
    };
    for text in [
        policy,
        &in_a_map,
        &schema("{type: array, items: {type: string}, default: [hard, bg]}"),
        &schema("{$ref: '#/definitions/mountOptions', default: bg}"),
        "properties:\n  nfs:\n    properties:\n      mountOptions: {type: string, default: 'hard,bg'}\n",
    ] {
        assert_eq!(found(text), None, "{text}");
    }
    for text in [
        "kind: MountPolicy\nexemptions: [{mountOptions: [bg]}]\n",
        "properties: {mountOptions: [hard, bg]}\n",
        "properties: {mountOptions: {a: bg}}\n",
        "spec: {mountOptions: {type: bg}}\n",
    ] {
        assert!(found(text).is_some(), "{text}");
    }
}

#[test]
fn options_beside_the_server_of_a_pods_nfs_volume_are_found() {
    let of = |nfs: &str| {
        format!("kind: Pod\nspec: {{volumes: [{{name: v, nfs: {{server: s, path: /e, {nfs}}}}}]}}\n")
    };
    for (nfs, at) in [
        ("nfsvers: '4.1'", Some("spec.volumes[0].nfs.nfsvers")),
        ("soft: true", Some("spec.volumes[0].nfs.soft")),
        ("bg: ''", Some("spec.volumes[0].nfs.bg")),
        ("options: nconnect=4", Some("spec.volumes[0].nfs.options")),
        ("readOnly: true", None),
        ("soft: false", None),
        ("note: x", None),
    ] {
        assert_eq!(found(&of(nfs)).map(|(at, _)| at).as_deref(), at, "{nfs}");
    }
    let deployment =
        "kind: Deployment\nspec: {template: {spec: {volumes: [{nfs: {server: s, hard: ''}}]}}}\n";
    assert!(found(deployment).is_some_and(|(at, _)| at == "spec.template.spec.volumes[0].nfs.hard"));
    let other = "kind: Chart\nspec: {volumes: [{nfs: {server: s, hard: ''}}]}\n";
    assert_eq!(found(other), None, "not a field of Kubernetes");
}

#[test]
fn options_are_found_in_texts_and_behind_paths() {
    let secret = |text: &str| format!("kind: Secret\ndata: {{a: {}}}\n", STANDARD.encode(text));
    for (text, at) in [
        (
            "patches: [{patch: '[{\"op\":\"add\",\"path\":\"/mountOptions/-\",\"value\":\"bg\"}]'}]\n",
            "patches[0].patch",
        ),
        (
            "patchesJson6902: [{patch: '- {op: add, path: /mountOptions, value: [bg]}'}]\n",
            "patchesJson6902[0].patch",
        ),
        ("patchesStrategicMerge: ['mountOptions: [bg]']\n", "patchesStrategicMerge[0]"),
        ("patches: [{patch: 'mountOptions: [bg, hard]'}]\n", "patches[0].patch"),
        ("patches: [{patch: '[{op: add, path: /spec, value: {mountOptions: [bg]}}]'}]\n", "patches[0].patch"),
        ("- {op: move, path: /mountOptions, from: /a}\n", "0.path"),
        (
            "kind: Assign\nspec: {location: mountOptions, parameters: {assign: {value: bg}}}\n",
            "spec.location",
        ),
        ("spec: {location: 'spec.volumes[name: \"a\"].csi.mountOptions', parameters: {}}\n", "spec.location"),
        (
            "patches: [{fromFieldPath: spec.a, toFieldPath: 'spec.mountOptions[0]'}]\n",
            "patches[0].toFieldPath",
        ),
        (
            "mutate: {patchStrategicMerge: {+(mountOptions): [bg]}}\n",
            "mutate.patchStrategicMerge.+(mountOptions)",
        ),
        ("jsonPatch: {expression: '[JSONPatch{path: \"/mountOptions/-\"}]'}\n", "jsonPatch.expression"),
        ("a: {expression: 'Object{mountOptions: [\"bg\"]}'}\n", "a.expression"),
        ("- {op: add, path: /parameters/options, value: 'hard,bg,nfsvers=4.1'}\n", "0.path"),
        (
            "patches:\n- patch: |-\n    - op: replace\n      path: /parameters/options\n      value: hard,bg\n",
            "patches[0].patch",
        ),
        ("kind: ConfigMap\nbinaryData: {a: bW91bnRPcHRpb25zOiBbYmddCg==}\n", "binaryData.a"),
        (
            "replacements: [{targets: [{fieldPaths: [mountOptions.0]}]}]\n",
            "replacements[0].targets[0].fieldPaths",
        ),
        ("configMapGenerator: [{literals: ['mountOptions=bg']}]\n", "configMapGenerator[0].literals[0]"),
        ("spec: {set: {'storageClass.mountOptions[0]': bg}}\n", "spec.set.storageClass.mountOptions[0]"),
        ("spec: {set: {storageClass.mountOptions: '{bg,hard}'}}\n", "spec.set.storageClass.mountOptions"),
        ("spec: {valuesContent: 'storageClass: {mountOptions: [bg]}'}\n", "spec.valuesContent"),
        ("spec: {valuesContent: \"storageClass:\\n  mountOptions: [bg]\\n\"}\n", "spec.valuesContent"),
        (
            "spec: {valuesFrom: [{kind: Secret, name: a, targetPath: 'storageClass.mountOptions[0]'}]}\n",
            "spec.valuesFrom[0].targetPath",
        ),
        (
            "spec: {source: {helm: {parameters: [{name: 'nfs.mountOptions[0]', value: bg}]}}}\n",
            "spec.source.helm.parameters[0].name",
        ),
        (
            "spec: {sources: [{helm: {valuesObject: {nfs: {mountOptions: [bg]}}}}]}\n",
            "spec.sources[0].helm.valuesObject.nfs.mountOptions",
        ),
        (
            "spec: {source: {helm: {fileParameters: [{name: nfs.mountOptions, path: a.txt}]}}}\n",
            "spec.source.helm.fileParameters[0].name",
        ),
        ("spec: {source: {helm: {values: '{nfs: {mountOptions: [bg]}}'}}}\n", "spec.source.helm.values"),
        (
            "spec: {containers: [{args: [--set, 'a=b,nfs.mountOptions={bg}']}]}\n",
            "spec.containers[0].args[1]",
        ),
        ("spec: {containers: [{args: ['--set=nfs.mountOptions[0]=bg']}]}\n", "spec.containers[0].args[0]"),
        ("env: [{name: NFS_MOUNT_OPTIONS, value: bg}]\n", "env[0].name"),
        ("spec: {backupTargetURL: 'nfs://a:/x?nfsOptions=soft,bg'}\n", "spec.backupTargetURL"),
        ("args: [--mount-options, 'hard,bg']\n", "args[1]"),
        ("nfs: {opts: 'vers=4.1,hard,bg'}\n", "nfs.opts"),
        ("nfs: {extraOpts: [hard, nfsvers=4.1]}\n", "nfs.extraOpts"),
        ("data: {fstab: \"a:/b /c nfs bg,hard 0 0\\n\"}\n", "data.fstab"),
        ("data: {a: \"[Mount]\\nWhat=a:/b\\nType=nfs\\nOptions=bg,hard\\n\"}\n", "data.a"),
        (
            "files: [{source: 'data:,%5B%20NFSMount_Global_Options%20%5D%0ABackground%3DTrue%0A'}]\n",
            "files[0].source",
        ),
        (
            "files: [{source: 'data:;base64,WyBORlNNb3VudF9HbG9iYWxfT3B0aW9ucyBdCkJhY2tncm91bmQ9VHJ1ZQo='}]\n",
            "files[0].source",
        ),
        ("files: [{source: 'data:,mountOptions:%0A-%20bg%0A'}]\n", "files[0].source"),
        ("data: {nfsmount.conf: \"[ NFSMount_Global_Options ]\\nSoft=True\\n\"}\n", "data.nfsmount.conf"),
        ("data: {class.yaml: \"{{ if a }}\\nmountOptions:\\n- bg\\n{{ end }}\\n\"}\n", "data.class.yaml"),
        (&secret("nfs:\n  mountOptions: [bg]\n"), "data.a"),
        (&secret("{\"mountOptions\":\"bg\"}"), "data.a"),
        (&secret("mountOptions=bg\n"), "data.a"),
        ("kind: Secret\ndata: {mountOptions: Ymc=}\n", "data.mountOptions"),
        ("kind: Secret\ndata: {mountOptions: 'ENC[AES256_GCM,data:a]'}\n", "data.mountOptions"),
        ("kind: Secret\ndata: {options: aGFyZCxiZw==}\n", "data.options"),
        ("objects: [{kind: Secret, data: {mountOptions: Ymc=}}]\n", "objects[0].data.mountOptions"),
    ] {
        assert_eq!(found(text).map(|(at, _)| at), Some(at.to_owned()), "{text}");
    }
}

#[test]
fn what_a_secret_holds_is_never_kept() {
    let kept = |text: &str| {
        let lines = Lines::new(text);
        let tree = trees(text, &lines).next().unwrap().unwrap();
        find(&tree, tree.root().unwrap()).unwrap().places.remove(0).texts
    };
    assert_eq!(kept("kind: Secret\nstringData: {mountOptions: bg}\n"), [""; 0]);
    assert_eq!(kept("kind: Pod\nspec: {mountOptions: [hard, bg]}\n"), ["hard", "bg"]);
}

#[test]
fn bg_in_a_text_is_told_unless_it_is_a_secret_or_something_else() {
    for (text, has_bg) in [
        ("kind: ConfigMap\ndata:\n  v: |\n    mountOptions:\n    - hard\n    - bg\n", true),
        ("kind: ConfigMap\ndata:\n  v: |\n    mountOptions: [hard]\n    color: bg\n", false),
        ("kind: ConfigMap\ndata:\n  v: --set a.mountOptions={hard,bg}\n", true),
        ("kind: ConfigMap\ndata:\n  v: --set a.mountOptions={hard,fg}\n", false),
        ("kind: ConfigMap\ndata:\n  v: |\n    {{ if a }}\n    mountOptions: [bg]\n    {{ end }}\n", true),
        ("patches:\n- patch: |-\n    - op: add\n      path: /mountOptions/-\n      value: bg\n", true),
        ("kind: Secret\nstringData:\n  v: |\n    mountOptions: [bg]\n", false),
        ("kind: Secret\nstringData: {mountOptions: \"hard,bg\"}\n", false),
        ("spec: {backupTargetURL: 'nfs://a:/x?nfsOptions=soft,bg'}\n", true),
        ("data: {a: \"[ NFSMount_Global_Options ]\\nBackground=True\\n\"}\n", true),
        ("data: {a: \"[ NFSMount_Global_Options ]\\n# Background=True\\nBackground=False\\n\"}\n", false),
        ("a: {mountOptions: {hard,bg}}\n", true),
        ("args: [--mount-options, 'hard,bg']\n", true),
        ("data: {fstab: \"a:/b /c nfs bg,hard 0 0\\nc:/d /e nfs hard 0 0\\n\"}\n", true),
        ("data: {fstab: \"a:/b /c nfs4 hard 0 0\\n\"}\n", false),
        ("data: {a: \"[Mount]\\nType=nfs\\nOptions=bg,hard\\n\"}\n", true),
    ] {
        let lines = Lines::new(text);
        let tree = trees(text, &lines).next().and_then(Result::ok).expect("a document");
        let found = tree.root().and_then(|root| find(&tree, root)).expect("options");
        assert_eq!(found.why().ends_with(" (bg among them)"), has_bg, "{text}");
    }
}

#[test]
fn other_words_are_none() {
    for text in [
        "mountOptions: []\n",
        "data: {fstab: \"/dev/sda / ext4 defaults 0 0\\na:/b /c nfs defaults 0 0\\n\"}\n",
        "args: [--mount-options]\nopts: [a, b]\n",
        "files: [{source: 'data:,hello'}]\n",
        "data: {nfsmount.conf: \"[ NFSMount_Global_Options ]\\n# Background=True\\n\"}\n",
        "mountOptions:\n",
        "properties:\n  mountOptions: {type: array, description: the mountOptions of a class}\n",
        "options: [ndots=2, rotate]\n",
        "dns:\n  options: hard\n",
        "patches: [{patch: '[{\"op\":\"remove\",\"path\":\"/mountOptions\"}]'}]\n",
        "env: [{name: MOUNT_OPTIONS, value: \"\"}]\n",
        "required: [mountOptions]\n",
        "- {op: add, path: /spec/dnsConfig/options, value: 'ndots=2'}\n",
        "metadata:\n  annotations:\n    kubectl.kubernetes.io/last-applied-configuration: '{\"mountOptions\":[\"bg\"]}'\n",
        "message: \"mountOptions=bg is refused\"\n",
        "message: \"mountOptions: those of the class\"\n",
        "message: in mountOptions=bg is refused\n",
        "expression: object.mountOptions.all(o, o != 'bg') && object.mountOptions==[]\n",
        "kind: Secret\ndata: {a: aGFyZCxiZw==, mountOptions: \"\"}\n",
        "kind: ConfigMap\ndata: {a: bW91bnRPcHRpb25zOiBbYmddCg==}\n",
        "description: |\n  Set mountOptions where you need them.\n",
    ] {
        assert_eq!(found(text), None, "{text}");
    }
}

#[test]
fn what_an_alias_brings_counts_where_it_is_read() {
    let paths = |text: &str| -> Option<Vec<String>> {
        let lines = Lines::new(text);
        let tree = trees(text, &lines).next()?.ok()?;
        let found = misplaced(&tree, tree.root()?, Kind::StorageClass);
        Some(found.into_iter().map(|found| found.path.join(".")).collect())
    };
    for (text, places) in [
        ("x: &c {mountOptions: [bg]}\nkind: StorageClass\n<<: *c\n", &[][..]),
        ("x: &o [bg]\nkind: StorageClass\nmountOptions: *o\n", &[]),
        ("x: &c {mountOptions: [bg]}\nkind: StorageClass\n", &["x.mountOptions"]),
        ("x: &c {mountOptions: [bg]}\nkind: StorageClass\ny: {<<: *c}\n", &["y.mountOptions"]),
        ("mountOptions: &o [bg]\nkind: StorageClass\nspec: {mountOptions: *o}\n", &["spec.mountOptions"]),
    ] {
        let places = places.iter().map(ToString::to_string).collect();
        assert_eq!(paths(text), Some(places), "{text}");
    }
}

#[test]
fn commands_that_mount_are_found_in_pods_scripts_and_lists() {
    for (text, at, line) in [
        (
            "spec: {containers: [{command: [sh, -c, mount -t nfs -o bg nas:/a /b]}]}\n",
            "spec.containers[0].command[2]",
            1,
        ),
        ("args: [mount, -t, nfs4, nas:/a, /b, -o, bg]\n", "args[6]", 1),
        ("data:\n  run.sh: |\n    set -e\n    mount.nfs nas:/a /b -o hard\n", "data.run.sh", 3),
        ("data: {auto.home: \"* -fstype=nfs4,bg nas:/home/&\"}\n", "data.auto.home", 1),
        (
            "data:\n  user-data: |\n    #cloud-config\n    mounts:\n    - [nas:/a, /b, nfs, bg]\n",
            "data.user-data",
            3,
        ),
    ] {
        assert_eq!(found(text), Some((at.to_owned(), line)), "{text}");
    }
    for text in
        ["args: [mount, -o, bind, /a, /b]\n", "data: {run.sh: \"umount /b; mount -t nfs nas:/a /b\"}\n"]
    {
        assert_eq!(found(text), None, "{text}");
    }
}

#[test]
fn mounts_that_are_described_field_by_field_are_found_where_they_are_nfs() {
    for (text, at) in [
        (
            "- hosts: all\n  tasks:\n  - ansible.posix.mount: {src: 'nas:/a', path: /b, fstype: nfs, opts: 'hard,rw'}\n",
            Some("0.tasks[0].ansible.posix.mount.opts"),
        ),
        (
            "- ansible.posix.mount: {src: '{{ nas }}', path: /b, fstype: nfs4, opts: bg}\n",
            Some("0.ansible.posix.mount.opts"),
        ),
        ("- mount: {src: 'nas:/a', path: /b, opts: 'rw,soft'}\n", Some("0.mount.opts")),
        ("- mount: src=nas:/a path=/b fstype=nfs opts=hard,bg state=mounted\n", Some("0.mount")),
        ("- ansible.builtin.command: mount -t nfs -o bg nas:/a /b\n", Some("0.ansible.builtin.command")),
        (
            "- ansible.builtin.command: {argv: [mount, -t, nfs, nas:/a, /b, -o, bg]}\n",
            Some("0.ansible.builtin.command.argv[6]"),
        ),
        (
            "volumes: {d: {driver: local, driver_opts: {type: nfs, o: 'addr=10.0.0.1,rw', device: ':/a'}}}\n",
            Some("volumes.d.driver_opts.o"),
        ),
        ("config: {options: {type: nfs4, o: [hard, rw], device: ':/a'}}\n", Some("config.options.o")),
        (
            "/b:\n  mount.mounted:\n  - device: nas:/a\n  - fstype: nfs\n  - opts: rw,hard\n",
            Some("/b.mount.mounted[2]"),
        ),
        ("storage: {type: nfs, server: nas, export: /a, options: 'hard,rw'}\n", Some("storage.options")),
        ("mount_default_fields: [null, null, nfs, 'bg', '0', '2']\n", Some("mount_default_fields[3]")),
        (
            "mounts: [[nas:/a, /b]]\nmount_default_fields: [null, null, auto, 'hard,rw', '0', '2']\n",
            Some("mount_default_fields[3]"),
        ),
        ("mounts: [[nas:/a, /b, null, 'bg', '0', '2']]\n", Some("mounts[0][3]")),
        // Another file system, or none that is certain.
        ("- mount: {src: '//nas/a', path: /b, fstype: cifs, opts: 'soft,rw'}\n", None),
        ("- mount: {src: '//nas/a', path: /b, fstype: cifs, opts: 'hard,retrans=2,bg'}\n", None),
        ("- mount: {src: 'g1:/vol', path: /b, fstype: glusterfs, opts: acl}\n", None),
        ("- mount: {src: /dev/sdb1, path: /b, fstype: ext4, opts: 'rw,noatime'}\n", None),
        ("- mount: {src: '{{ a }}', path: /b, fstype: '{{ b }}', opts: 'rw,noatime'}\n", None),
        ("- mount: {src: 'nas:/a', path: /b, fstype: nfs, opts: defaults}\n", None),
        ("- mount: src=/dev/sdb1 path=/b fstype=xfs opts=rw state=mounted\n", None),
        ("volumes: {d: {driver_opts: {type: cifs, o: 'addr=10.0.0.1,soft,rw', device: '//a/b'}}}\n", None),
        ("volumes: {d: {driver_opts: {type: none, o: bind, device: /a}}}\n", None),
        ("- git: {src: 'git@example.com:/a', opts: rw}\n", None),
        ("service: {type: ClusterIP, options: rw}\n", None),
        (
            "mounts: [[/dev/vdb, /b]]\nmount_default_fields: [null, null, auto, 'noatime,rw', '0', '2']\n",
            None,
        ),
        (
            "mounts: [[nas:/a, /b, nfs, hard]]\nmount_default_fields: [null, null, auto, rw]\n",
            Some("mounts[0][3]"),
        ),
        ("mount_default_fields: [null, null, ext4, 'rw']\n", None),
    ] {
        assert_eq!(found(text).map(|(at, _)| at).as_deref(), at, "{text}");
    }
}

#[test]
fn commands_of_systemd_and_docker_and_units_are_found_where_they_are_nfs() {
    for (text, at) in [
        ("runcmd: ['systemd-mount -t nfs -o bg nas:/a /b']\n", Some("runcmd[0]")),
        ("runcmd: [[systemd-mount, --type=nfs, --options=hard, nas:/a, /b]]\n", Some("runcmd[0][2]")),
        ("runcmd: ['systemd-mount -o hard nas:/a /b']\n", Some("runcmd[0]")),
        (
            "runcmd: [docker volume create --opt type=nfs --opt o=addr=nas,bg --opt device=:/a d]\n",
            Some("runcmd[0]"),
        ),
        ("args: [volume, create, -o, type=nfs, -o, 'o=addr=nas,rw', d]\n", Some("args[5]")),
        (
            "runcmd: ['docker run --mount type=volume,dst=/b,volume-opt=type=nfs,\"volume-opt=o=addr=nas,bg\" i']\n",
            Some("runcmd[0]"),
        ),
        (
            "systemd: {units: [{name: b.mount, contents: \"[Mount]\\nWhat=nas:/a\\nWhere=/b\\nOptions=hard\\n\"}]}\n",
            Some("systemd.units[0].contents"),
        ),
        (
            "write_files:\n- content: |\n    [Mount]\n    What=nas:/a\n    Where=/b\n    Type=nfs4\n    Options=bg\n",
            Some("write_files[0].content"),
        ),
        ("runcmd: ['systemd-mount -t cifs -o soft //nas/a /b']\n", None),
        ("runcmd: ['systemd-mount -o noatime /dev/sdb1 /b']\n", None),
        ("runcmd: [docker volume create --opt type=tmpfs --opt o=size=1m d]\n", None),
        (
            "systemd: {units: [{contents: \"[Mount]\\nWhat=/dev/sdb1\\nWhere=/b\\nOptions=noatime\\n\"}]}\n",
            None,
        ),
        (
            "systemd: {units: [{contents: \"[Mount]\\nWhat=g1:/a\\nWhere=/b\\nType=glusterfs\\nOptions=acl\\n\"}]}\n",
            None,
        ),
    ] {
        assert_eq!(found(text).map(|(at, _)| at).as_deref(), at, "{text}");
    }
}

#[test]
fn what_is_found_as_yaml_is_found_as_json_and_in_a_text() {
    for text in [
        "- mount: {src: 'nas:/a', path: /b, fstype: nfs, opts: 'hard,rw'}\n",
        "- command: systemd-mount -o bg nas:/a /b\n",
        "args: [volume, create, -o, type=nfs, -o, 'o=addr=nas,rw', d]\n",
        "volumes: {d: {driver_opts: {type: nfs, o: 'addr=10.0.0.1,rw', device: ':/a'}}}\n",
        "mount_default_fields: [null, null, nfs, 'bg']\n",
        "u: \"[Mount]\\nWhat=nas:/a\\nOptions=hard\\n\"\n",
    ] {
        let value: serde_json::Value = serde_saphyr::from_str(text).unwrap();
        assert!(may_hold_options(&value.to_string()), "{value}");
        assert!(found(&value.to_string()).is_some(), "{value}");
        let config = serde_json::json!({"kind": "ConfigMap", "data": {"a": text}});
        assert!(found(&config.to_string()).is_some(), "{config}");
    }
}
