//! `setup` without a network. One test only: it changes the environment of the process, which tests share.

#![allow(clippy::print_stderr, reason = "a test that is skipped says why")]

use isodyne_engine::host::find_tool;
use isodyne_engine::image::{SetupError, SetupOptions, setup};

#[test]
fn without_a_network_setup_says_what_to_do() {
    if ["apt-get", "apt-cache", "dpkg-deb"].iter().any(|tool| find_tool(tool).is_none()) {
        eprintln!("skipped: this host has no apt");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    // No lists, and a source that is not there.
    let configuration = format!(
        "Dir::State::lists \"{}\";\nDir::Cache \"{}\";\nDir::Etc::sourcelist \"{}\";\nDir::Etc::sourceparts \"-\";\n",
        at("lists").display(),
        at("apt-cache").display(),
        at("sources.list").display()
    );
    for name in ["lists/partial", "apt-cache/archives/partial"] {
        std::fs::create_dir_all(at(name)).unwrap();
    }
    std::fs::write(at("apt.conf"), configuration).unwrap();
    std::fs::write(at("sources.list"), format!("deb file:{} none main\n", at("nonexistent").display())).unwrap();
    // SAFETY: this is the only test of this program, and nothing else reads the environment at the same time.
    unsafe { std::env::set_var("APT_CONFIG", at("apt.conf")) };

    let options = SetupOptions { skip_installed: true, ..SetupOptions::default() };
    let error = setup(&at("cache"), &options, &mut |_| {}).unwrap_err();
    assert!(matches!(error, SetupError::Offline { .. } | SetupError::NoKernelPackage { .. }), "{error:?}");
    assert!(error.to_string().contains("isodyne setup --kernel FILE"), "{error}");
    assert!(!at("cache/download").exists());
    assert!(!at("cache/guest.json").exists());
}
