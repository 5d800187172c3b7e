//! The tokenizer: whatever is split joins to the same text, every piece lies
//! where it says, and an option is its keyword and value.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nfs_mount_guard::nfs::mount::judge;
use nfs_mount_guard::nfs::option::{MountOption, split};

fuzz_target!(|text: &str| {
    let pieces: Vec<_> = split(text).collect();
    let joined: Vec<&str> = pieces.iter().map(|piece| piece.text).collect();
    assert_eq!(joined.join(","), text);
    for piece in &pieces {
        assert_eq!(text.get(piece.range.clone()), Some(piece.text));
        let option = MountOption::new(piece.text);
        match option.value() {
            Some(value) => assert_eq!(format!("{}={value}", option.keyword()), piece.text),
            None => assert_eq!(option.keyword(), piece.text),
        }
        let _ = judge(&option);
    }
});
