//! Layers written and put back.

use super::*;
use isodyne_core::checkpoint::{CheckpointClass, LayerForm};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

fn tar_of(source: &Path, form: LayerForm, target: &Path) -> LayerSummary {
    write(source, form, &LayerLimits::default(), None, std::fs::File::create(target).unwrap()).unwrap()
}

fn fill(root: &Path) {
    std::fs::create_dir_all(root.join("etc/deep")).unwrap();
    std::fs::write(root.join("etc/one"), "one").unwrap();
    std::fs::hard_link(root.join("etc/one"), root.join("etc/two")).unwrap();
    std::os::unix::fs::symlink("../one", root.join("etc/deep/link")).unwrap();
    std::fs::set_permissions(root.join("etc/one"), PermissionsExt::from_mode(0o4751)).unwrap();
    std::fs::write(root.join("etc/deep").join("n".repeat(200)), vec![9; 100_000]).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(root.join("etc/socket")).unwrap();
}

#[test]
fn a_whole_root_comes_back_and_replaces_what_was_there() {
    let directory = tempfile::tempdir().unwrap();
    let (from, to, tar) = (directory.path().join("a"), directory.path().join("b"), directory.path().join("t"));
    std::fs::create_dir_all(to.join("etc/old")).unwrap();
    fill(&from);
    let summary = tar_of(&from, LayerForm::Whole, &tar);
    assert_eq!((summary.entries, summary.bytes, summary.changed_since), (6, 100_003, 0));
    apply(&tar, &to, LayerForm::Whole, Whiteouts::Remove).unwrap();
    assert!(!to.join("etc/old").exists() && !to.join("etc/socket").exists());
    let (one, two) = (to.join("etc/one").metadata().unwrap(), to.join("etc/two").metadata().unwrap());
    assert_eq!((one.ino(), one.mode() & 0o7777), (two.ino(), 0o4751));
    assert_eq!(std::fs::read_link(to.join("etc/deep/link")).unwrap(), Path::new("../one"));
    assert_eq!(one.mtime(), from.join("etc/one").metadata().unwrap().mtime());
    assert_eq!(to.join("etc").metadata().unwrap().mtime(), from.join("etc").metadata().unwrap().mtime());
    let again = directory.path().join("t2");
    tar_of(&to, LayerForm::Whole, &again);
    assert!(std::fs::read(&tar).unwrap() == std::fs::read(&again).unwrap(), "the same tree gives the same bytes");
}

#[test]
fn whiteouts_become_names_and_devices_again() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let (upper, tar) = (directory.path().join("upper"), directory.path().join("t"));
    std::fs::create_dir_all(upper.join("etc")).unwrap();
    std::fs::create_dir_all(upper.join("var")).unwrap();
    let device = rustix::fs::makedev(0, 0);
    let (mode, kind) = (rustix::fs::Mode::empty(), rustix::fs::FileType::CharacterDevice);
    rustix::fs::mknodat(rustix::fs::CWD, upper.join("etc/passwd"), kind, mode, device).unwrap();
    std::fs::write(upper.join("var/new"), "new").unwrap();
    attributes::set(&upper.join("var"), OVERLAY_OPAQUE, b"y").unwrap();
    let summary = tar_of(&upper, LayerForm::Changes, &tar);
    assert_eq!(summary.entries, 4);

    let merged = directory.path().join("merged");
    std::fs::create_dir_all(merged.join("etc")).unwrap();
    std::fs::create_dir_all(merged.join("var/old")).unwrap();
    std::fs::write(merged.join("etc/passwd"), "x").unwrap();
    std::fs::write(merged.join("etc/hosts"), "x").unwrap();
    apply(&tar, &merged, LayerForm::Changes, Whiteouts::Remove).unwrap();
    assert!(!merged.join("etc/passwd").exists() && merged.join("etc/hosts").exists());
    assert!(!merged.join("var/old").exists() && merged.join("var/new").exists());

    let again = directory.path().join("again");
    std::fs::create_dir(&again).unwrap();
    apply(&tar, &again, LayerForm::Changes, Whiteouts::Overlay).unwrap();
    assert_eq!(again.join("etc/passwd").symlink_metadata().unwrap().rdev(), 0);
    assert_eq!(attributes::value(&again.join("var"), OVERLAY_OPAQUE).as_deref(), Some(b"y".as_slice()));
}

#[test]
fn nothing_is_put_outside() {
    let directory = tempfile::tempdir().unwrap();
    let (root, outside, tar) =
        (directory.path().join("root"), directory.path().join("outside"), directory.path().join("t"));
    std::fs::create_dir(&root).unwrap();
    std::fs::create_dir(&outside).unwrap();
    let mut builder = tar::Builder::new(std::fs::File::create(&tar).unwrap());
    let mut link = tar::Header::new_gnu();
    link.set_entry_type(tar::EntryType::Symlink);
    link.set_size(0);
    builder.append_link(&mut link, "way", &outside).unwrap();
    let mut file = tar::Header::new_gnu();
    file.set_size(1);
    file.set_mode(0o644);
    builder.append_data(&mut file, "way/file", b"x".as_slice()).unwrap();
    builder.finish().unwrap();
    let error = apply(&tar, &root, LayerForm::Changes, Whiteouts::Remove).unwrap_err();
    assert_eq!(error.class, CheckpointClass::Altered, "{error}");
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
    std::fs::write(&tar, "no tar").unwrap();
    assert_eq!(apply(&tar, &root, LayerForm::Changes, Whiteouts::Remove).unwrap_err().class, CheckpointClass::Altered);
}

#[test]
fn a_root_beyond_the_limits_is_refused_and_later_changes_are_counted() {
    let directory = tempfile::tempdir().unwrap();
    fill(&directory.path().join("a"));
    let limits = LayerLimits { entries: 3, ..LayerLimits::default() };
    let error = write(&directory.path().join("a"), LayerForm::Whole, &limits, None, std::io::sink()).unwrap_err();
    assert!(error.class == CheckpointClass::Refused && error.hint.is_some(), "{error}");
    let limits = LayerLimits { bytes: 99_999, ..LayerLimits::default() };
    assert!(write(&directory.path().join("a"), LayerForm::Whole, &limits, None, std::io::sink()).is_err());
    let past = Freeze { at: std::time::SystemTime::UNIX_EPOCH, lengths: &std::collections::BTreeMap::new };
    let limits = LayerLimits::default();
    let summary = write(&directory.path().join("a"), LayerForm::Whole, &limits, Some(&past), std::io::sink()).unwrap();
    assert_eq!(summary.changed_since, 4);
}

#[test]
fn a_root_that_is_too_large_is_refused_before_it_is_written() {
    let directory = tempfile::tempdir().unwrap();
    fill(directory.path());
    let summary = tar_of(directory.path(), LayerForm::Whole, Path::new("/dev/null"));
    let exact = LayerLimits { entries: summary.entries, bytes: summary.bytes, ..LayerLimits::default() };
    fits(directory.path(), &exact).unwrap();
    for limits in [LayerLimits { bytes: exact.bytes - 1, ..exact }, LayerLimits { entries: exact.entries - 1, ..exact }]
    {
        let error = fits(directory.path(), &limits).unwrap_err();
        assert_eq!(error.class, CheckpointClass::Refused);
        assert!(error.hint.is_some_and(|hint| hint.contains("--largest-root")));
    }
}

#[test]
fn what_was_appended_after_the_freeze_is_left_out() {
    let directory = tempfile::tempdir().unwrap();
    let (root, tar) = (directory.path().join("root"), directory.path().join("t"));
    std::fs::create_dir_all(root.join("var")).unwrap();
    for name in ["var/log", "var/other", "var/shorter"] {
        std::fs::write(root.join(name), "before, after").unwrap();
    }
    let lengths = || [("var/log".into(), 6), ("var/shorter".into(), 99)].into();
    let written = |at| {
        let out = std::fs::File::create(&tar).unwrap();
        write(&root, LayerForm::Whole, &LayerLimits::default(), Some(&Freeze { at, lengths: &lengths }), out).unwrap()
    };
    let summary = written(std::time::SystemTime::UNIX_EPOCH);
    assert_eq!((summary.changed_since, summary.cut, summary.bytes), (3, 1, 6 + 13 + 13));
    let back = directory.path().join("back");
    std::fs::create_dir(&back).unwrap();
    apply(&tar, &back, LayerForm::Whole, Whiteouts::Remove).unwrap();
    assert_eq!(std::fs::read(back.join("var/log")).unwrap(), b"before");
    assert_eq!(std::fs::read(back.join("var/shorter")).unwrap(), b"before, after");
    // What was not touched since is whole.
    let summary = written(std::time::SystemTime::now() + std::time::Duration::from_secs(60));
    assert_eq!((summary.changed_since, summary.cut, summary.bytes), (0, 0, 39));
}
