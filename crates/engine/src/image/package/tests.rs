use super::*;

fn tarball(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, contents) in files {
        let mut header = tar::Header::new_gnu();
        // Written by hand: the builder refuses the paths that this is about.
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_size(contents.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append(&header, *contents).unwrap();
    }
    builder.into_inner().unwrap()
}

const FILES: &[(&str, &[u8])] = &[
    ("./boot/vmlinuz-6.1.0-9", b"kernel"),
    ("./lib/modules/6.1.0-9/modules.builtin", b"kernel/drivers/tty/hvc/hvc-console.ko\n"),
    ("./lib/modules/6.1.0-9/kernel/drivers/virtio/virtio.ko", b"\x7fELF 1"),
    ("./usr/lib/modules/6.1.0-9/kernel/drivers/char/virtio_console.ko", b"\x7fELF 2"),
    ("./lib/modules/6.1.0-9/kernel/drivers/net/other.ko", b"\x7fELF 3"),
    ("../../boot/vmlinuz-evil", b"evil"),
    ("/boot/vmlinuz-evil", b"evil"),
];

fn check(files: &KernelFiles) {
    assert_eq!((files.release.as_str(), files.kernel.as_slice()), ("6.1.0-9", b"kernel".as_slice()));
    assert_eq!(files.modules.keys().collect::<Vec<_>>(), ["virtio", "virtio_console"]);
    assert!(files.built_in.contains("hvc_console"));
}

#[test]
fn only_what_a_guest_needs_is_taken_out() {
    let mut files = KernelFiles::default();
    read_archive(tarball(FILES).as_slice(), &mut files).unwrap();
    check(&files);
}

#[test]
#[allow(clippy::print_stderr, reason = "a test that is skipped says why")]
fn a_package_is_opened_without_installing_it() {
    // A .deb is an ar archive of three members.
    let members = [
        ("debian-binary", b"2.0\n".to_vec()),
        ("control.tar", tarball(&[("./control", b"Package: x\nVersion: 1\n")])),
        ("data.tar", tarball(&FILES[..5])),
    ];
    let mut deb = b"!<arch>\n".to_vec();
    for (name, contents) in members {
        deb.extend_from_slice(
            format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, 100_644, contents.len()).as_bytes(),
        );
        deb.extend_from_slice(&contents);
        deb.resize(deb.len().next_multiple_of(2), b'\n');
    }
    if crate::host::find_tool("dpkg-deb").is_none() {
        eprintln!("skipped: there is no dpkg-deb");
        return;
    }
    let mut files = KernelFiles::default();
    open(&deb, &mut files).unwrap();
    check(&files);
    assert!(matches!(open(b"not a package", &mut files), Err(SetupError::Archive { .. })));
}

#[test]
fn records_of_apt_are_read() {
    let text = "Package: linux-image-cloud-amd64\nVersion: 6.1.192-2\nDepends: linux-image-6.1.0-56-cloud-amd64 (= 6.1.192-2), \
                kmod | x\nSize: 1504\nSHA256: 2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\n\nPackage: other\n";
    let record = parse_record(text).unwrap();
    assert_eq!(record.full_name(), "linux-image-cloud-amd64 6.1.192-2");
    assert_eq!(record.depends, ["linux-image-6.1.0-56-cloud-amd64", "kmod", "x"]);
    assert!(is_versioned_image(&record.depends[0]));
    assert!(!is_versioned_image("linux-image-amd64") && !is_versioned_image("linux-image-6.1-amd64-dbg"));
    assert_eq!(parse_record(""), None);
    assert_eq!(parse_record(&text.replace("linux-image-cloud", "-o")), None);
    assert_eq!(parse_record(&text.replace("2cf2", "2c")), None);
}
