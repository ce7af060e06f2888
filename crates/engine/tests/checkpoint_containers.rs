//! Containers of runc that somebody else has started, kept and brought back.
//!
//! The program inside is the host's shell, which counts into a file of the container's own root and into nothing else: what
//! comes back goes on counting from where it stood.

mod checkpoint_support;

use checkpoint_support::{COUNT, count, counter_of, is_possible, kept, make_root, request, run, wait_for_count};
use isodyne_core::cell::BackendName;
use isodyne_core::checkpoint::{CheckpointClass, Compressed, KeptOptions, LayerForm};
use isodyne_engine::checkpoint::archive;
use isodyne_engine::checkpoint::container::{
    Container, KeepRequest, LayerSource, RestoreRequest, Where, find, keep, remove_orphans, restore,
};
use isodyne_engine::checkpoint::layer::LayerLimits;
use isodyne_engine::clock::Clock;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// A bundle for runc that counts; its pid namespace is its own or the host's.
fn make_bundle(bundle: &Path, volume: &Path, own_pids: bool) {
    let root = bundle.join("rootfs");
    make_root(&root);
    std::fs::create_dir_all(volume).expect("a directory");
    run("runc", &["spec", "--bundle", bundle.to_str().expect("a path")]);
    let path = bundle.join("config.json");
    let mut config: Value = serde_json::from_slice(&std::fs::read(&path).expect("a file")).expect("JSON");
    config["process"]["terminal"] = false.into();
    config["process"]["args"] = json!(["/bin/sh", "-c", COUNT]);
    config["root"]["readonly"] = false.into();
    config["linux"]["cgroupsPath"] = format!("/isodyne-test-{:08x}", fastrand::u32(..)).into();
    let mounts = config["mounts"].as_array_mut().expect("mounts");
    let bind = |destination: &str, source: &Path, way: &str| json!({ "destination": destination, "type": "bind", "source": source, "options": ["rbind", way] });
    mounts.push(bind("/usr", Path::new("/usr"), "ro"));
    mounts.push(bind("/vol", volume, "rw"));
    if !own_pids {
        let namespaces = config["linux"]["namespaces"].as_array_mut().expect("namespaces");
        namespaces.retain(|namespace| namespace["type"] != "pid");
    }
    std::fs::write(path, config.to_string()).expect("written");
}

/// One state directory of runc; what is left in it is removed.
struct Runc {
    directory: tempfile::TempDir,
    place: Where,
}

impl Runc {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path().join("state");
        Self { place: Where { backend: Some(BackendName::Runc), root: Some(root), podman: Vec::new() }, directory }
    }

    fn root(&self) -> &str {
        self.place.root.as_deref().and_then(Path::to_str).expect("a path")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn start(&self, name: &str, own_pids: bool) -> Container {
        let bundle = self.path(name);
        make_bundle(&bundle, &self.path("volume"), own_pids);
        let mut start = Command::new("runc");
        start.args(["--root", self.root(), "run", "--detach", "--bundle"]).arg(&bundle).arg(name);
        let status = start.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        assert!(status.expect("runc starts").success());
        wait_for_count(&bundle.join("rootfs/data/counter"), 3);
        find(name, &self.place).expect("it is found")
    }

    fn names(&self) -> Vec<String> {
        run("runc", &["--root", self.root(), "list", "--quiet"]).lines().map(str::to_owned).collect()
    }
}

impl Drop for Runc {
    fn drop(&mut self) {
        for name in std::fs::read_dir(self.root()).into_iter().flatten().flatten() {
            let _ =
                Command::new("runc").args(["--root", self.root(), "delete", "--force"]).arg(name.file_name()).status();
        }
    }
}

#[test]
fn a_container_of_runc_is_kept_whole_and_goes_on_counting() {
    let test = "a_container_of_runc_is_kept_whole_and_goes_on_counting";
    if !is_possible(test, "runc") {
        return;
    }
    let runc = Runc::new();
    let container = runc.start("counts", true);
    let output = runc.path("kept");
    let options = KeptOptions { compression: Some(Compressed::Lz4), ..KeptOptions::default() };
    let one = kept(&container, &output, "one", options).expect("kept");
    let stood_at = count(&runc.path("counts").join("rootfs/data/counter"));
    assert!(one.total_ns > 0 && one.manifest.layer.form == LayerForm::Whole, "{:?}", one.manifest.layer);
    assert!(one.manifest.mounts.iter().any(|mount| mount.destination == "/vol" && mount.external));
    assert!(one.manifest.engine["criu_total_ns"] > 0.0);
    assert!(one.manifest.files.iter().any(|file| file.path.ends_with(".lz4") && file.unpacked_bytes.is_some()));
    assert_eq!(runc.names(), Vec::<String>::new(), "it has ended");
    assert_eq!(kept(&container, &output, "one", KeptOptions::default()).unwrap_err().class, CheckpointClass::NameInUse);
    let hidden = std::fs::read_dir(&output).expect("a directory").count();
    assert_eq!(hidden, 1, "nothing but the checkpoint");

    let bundle = runc.path("bundle");
    let back =
        restore(&RestoreRequest { bundle: Some(&bundle), ..request(&one.directory, &runc.place, Some("goes-on")) });
    let back = back.expect("restored");
    assert_eq!((back.backend, back.name.as_str()), (BackendName::Runc, "goes-on"));
    assert!(back.verified.as_ref().is_some_and(|seen| seen.running >= 1 && seen.descriptors >= 3) && back.total_ns > 0);
    assert_eq!(runc.names(), ["goes-on"]);
    assert!(wait_for_count(&counter_of(&back), stood_at + 3) > stood_at);
    // It has a root of its own: the first one stands still.
    assert_eq!(count(&runc.path("counts").join("rootfs/data/counter")), stood_at);
    let again = restore(&request(&one.directory, &runc.place, Some("goes-on"))).unwrap_err();
    assert_eq!(again.class, CheckpointClass::NameInUse, "{again}");

    // What came back can be found and kept like any other.
    let again = find("goes-on", &runc.place).expect("it is found");
    let two = kept(&again, &output, "two", KeptOptions { leave_running: true, ..KeptOptions::default() });
    assert!(two.is_ok() || two.is_err_and(|error| error.class == CheckpointClass::Refused));
}

#[test]
fn a_bundle_that_nobody_named_goes_with_its_container() {
    let test = "a_bundle_that_nobody_named_goes_with_its_container";
    if !is_possible(test, "runc") {
        return;
    }
    let runc = Runc::new();
    let name = format!("isodyne-test-{:08x}", fastrand::u32(..));
    let container = runc.start(&name, true);
    let one = kept(&container, &runc.path("kept"), "one", KeptOptions::default()).expect("kept");
    let skipped = ["/vol".to_owned()];
    let asked = || RestoreRequest { skip_mounts: &skipped, ..request(&one.directory, &runc.place, None) };
    let back = restore(&asked()).expect("restored");
    let bundle = back.bundle.expect("a bundle");
    assert_eq!(bundle.file_name().and_then(|name| name.to_str()), Some(name.as_str()));
    let stand_ins = bundle.with_file_name(format!("{name}.stand-ins"));
    assert!(!remove_orphans().contains(&bundle) && bundle.is_dir() && stand_ins.is_dir());
    // Another runc may have a container of this name, and then the place is taken.
    let other = Where { root: Some(runc.path("other")), ..runc.place.clone() };
    let error = restore(&RestoreRequest { place: &other, ..asked() }).expect_err("the place is taken");
    assert!(error.class == CheckpointClass::NameInUse && error.message.contains("is the bundle of"), "{error}");
    assert!(stand_ins.is_dir(), "what the first one uses stays");
    run("runc", &["--root", runc.root(), "delete", "--force", &name]);
    // Others may look at the same time: whoever removed it, it is gone.
    remove_orphans();
    assert!(!bundle.exists() && !stand_ins.exists());
}

#[test]
fn every_way_to_fail_has_its_class_and_starts_nothing() {
    let test = "every_way_to_fail_has_its_class_and_starts_nothing";
    if !is_possible(test, "runc") {
        return;
    }
    let runc = Runc::new();
    let container = runc.start("fails", true);
    let output = runc.path("kept");
    let one = kept(&container, &output, "one", KeptOptions::default()).expect("kept").directory;
    let bundle = runc.path("bundle");
    let class = |from: &Path| {
        let error = restore(&RestoreRequest { bundle: Some(&bundle), ..request(from, &runc.place, None) });
        let error = error.expect_err("nothing comes back");
        assert_eq!(runc.names(), Vec::<String>::new(), "{error}");
        assert!(!bundle.exists(), "{error}: the bundle stays");
        error.class
    };
    assert_eq!(class(&output.join("another")), CheckpointClass::WrongPath);
    assert_eq!(class(&runc.path("fails")), CheckpointClass::WrongPath);

    let pages = one.join("images/pages-1.img");
    let good = std::fs::read(&pages).expect("pages");
    let mut bad = good.clone();
    bad[good.len() / 2] ^= 1;
    std::fs::write(&pages, &bad).expect("written");
    assert_eq!(class(&one), CheckpointClass::Altered);
    std::fs::write(&pages, &good[1..]).expect("written");
    assert_eq!(class(&one), CheckpointClass::Altered);
    std::fs::remove_file(&pages).expect("removed");
    assert_eq!(class(&one), CheckpointClass::MissingFile);
    std::fs::write(&pages, &good).expect("written");

    let manifest = one.join(archive::MANIFEST);
    let text = std::fs::read(&manifest).expect("a manifest");
    let mut other: Value = serde_json::from_slice(&text).expect("JSON");
    other["host"]["kernel"] = "99.0.0".into();
    std::fs::write(&manifest, other.to_string()).expect("written");
    assert_eq!(class(&one), CheckpointClass::OtherHost);
    std::fs::remove_file(&manifest).expect("removed");
    assert_eq!(class(&one), CheckpointClass::MissingFile);
    std::fs::write(&manifest, &text).expect("written");
    let podman = Where { backend: Some(BackendName::Podman), ..runc.place.clone() };
    assert_eq!(restore(&request(&one, &podman, None)).unwrap_err().class, CheckpointClass::OtherRuntime);
    let interrupted =
        RestoreRequest { bundle: Some(&bundle), interrupted: &|| true, ..request(&one, &runc.place, None) };
    assert_eq!(restore(&interrupted).unwrap_err().class, CheckpointClass::Interrupted);

    let volume = runc.path("volume");
    std::fs::remove_dir(&volume).expect("removed");
    assert_eq!(class(&one), CheckpointClass::MissingMount);
    let skipped = ["/vol".to_owned()];
    let skip =
        RestoreRequest { bundle: Some(&bundle), skip_mounts: &skipped, ..request(&one, &runc.place, Some("skips")) };
    let back = restore(&skip).expect("restored without it");
    assert!(back.notes.iter().any(|note| note.contains("left out as asked")), "{:?}", back.notes);
    assert!(!volume.exists());
    run("runc", &["--root", runc.root(), "delete", "--force", "skips"]);
    let bundle = runc.path("bundle-2");
    let fix = RestoreRequest { bundle: Some(&bundle), fix_mounts: true, ..request(&one, &runc.place, Some("fixes")) };
    let back = restore(&fix).expect("restored with it");
    assert!(volume.is_dir() && back.notes.iter().any(|note| note.contains("empty directory")), "{:?}", back.notes);
    assert_eq!(runc.names(), ["fixes"]);
}

#[test]
fn a_state_that_could_be_lost_is_not() {
    let test = "a_state_that_could_be_lost_is_not";
    if !is_possible(test, "runc") {
        return;
    }
    let runc = Runc::new();
    let container = runc.start("stays", true);
    let output = runc.path("kept");
    let asked = |container: &Container, name: &str, leave_running: bool, bytes: u64, interrupted: bool| {
        let options = KeptOptions { leave_running, ..KeptOptions::default() };
        let whole = LayerLimits { bytes, ..LayerLimits::default() };
        let (patience, asked) = (Duration::from_secs(60), Clock.now());
        let interrupted = &|| interrupted;
        keep(
            container,
            &KeepRequest { output: &output, name, options, layer: true, whole, patience, asked, interrupted },
        )
    };
    let there = || {
        let entries = std::fs::read_dir(&output).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect::<Vec<_>>()
    };
    // What could not be kept whole is known before it is ended.
    let too_large = asked(&container, "one", false, 1, false).unwrap_err();
    assert!(too_large.class == CheckpointClass::Refused && too_large.message.contains("more than 1 bytes"));
    let removed = Container { auto_remove: true, ..container.clone() };
    let removed = asked(&removed, "one", false, u64::MAX, false).unwrap_err();
    assert!(
        removed.class == CheckpointClass::Refused && removed.hint.is_some_and(|hint| hint.contains("--leave-running"))
    );
    assert_eq!(asked(&container, "one", true, u64::MAX, true).unwrap_err().class, CheckpointClass::Interrupted);
    assert_eq!((runc.names(), there()), (vec!["stays".to_owned()], Vec::new()), "it runs, and nothing is left");
    // Once it has ended, an interrupt comes too late: its state would be gone.
    let kept = asked(&container, "one", false, u64::MAX, true).expect("it is kept");
    assert!(kept.notes.iter().any(|note| note.contains("interrupted")), "{:?}", kept.notes);
    assert_eq!((runc.names(), there()), (Vec::new(), vec!["one".to_owned()]));
    // Nobody here could hold a terminal: that is told before anything is started.
    let config = output.join("one").join(archive::CONFIG);
    let manifest = output.join("one").join(archive::MANIFEST);
    let text =
        std::fs::read_to_string(&config).expect("a configuration").replace("\"terminal\":false", "\"terminal\":true");
    std::fs::write(&config, text).expect("written");
    let (bytes, digest) = archive::digest_of(&config).expect("a digest");
    let mut said: Value = serde_json::from_slice(&std::fs::read(&manifest).expect("a manifest")).expect("JSON");
    for file in said["files"].as_array_mut().expect("files") {
        if file["path"] == archive::CONFIG {
            (file["bytes"], file["xxh3_128"]) = (bytes.into(), digest.clone().into());
        }
    }
    std::fs::write(&manifest, said.to_string()).expect("written");
    let terminal = restore(&request(&output.join("one"), &runc.place, None)).unwrap_err();
    assert!(terminal.message.contains("a terminal of its own") && runc.names().is_empty(), "{terminal}");
    // And what cannot be finished stays.
    let container = runc.start("ends", true);
    let lost = Container { layer: LayerSource::Changes(runc.path("nowhere")), ..container };
    let error = asked(&lost, "two", false, u64::MAX, false).unwrap_err();
    let partial = there().into_iter().find(|name| name.starts_with(".two.partial-")).expect("it stays");
    assert!(error.message.contains(&partial) && error.message.contains("has ended"), "{error}");
    assert!(output.join(&partial).join("images/pstree.img").is_file());
    assert_eq!(
        restore(&request(&output.join(partial), &runc.place, None)).unwrap_err().class,
        CheckpointClass::MissingFile
    );
}

#[test]
fn a_process_id_of_the_host_that_is_taken_is_told() {
    let test = "a_process_id_of_the_host_that_is_taken_is_told";
    if !is_possible(test, "runc") {
        return;
    }
    let runc = Runc::new();
    let container = runc.start("host-pids", false);
    let output = runc.path("kept");
    let one = kept(&container, &output, "one", KeptOptions { leave_running: true, ..KeptOptions::default() });
    let one = one.expect("kept");
    let bundle = runc.path("bundle");
    let again = RestoreRequest { bundle: Some(&bundle), ..request(&one.directory, &runc.place, Some("second")) };
    let error = restore(&again).expect_err("its process id is taken");
    assert_eq!(error.class, CheckpointClass::PidInUse, "{error}");
    assert_eq!(runc.names(), ["host-pids"], "the first one runs on");
}

#[test]
fn names_that_nobody_has_are_refused_with_a_way_out() {
    let runc = Runc::new();
    let error = find("nobody-has-this-name", &runc.place).unwrap_err();
    assert!(error.class == CheckpointClass::NotFound && error.hint.is_some_and(|hint| hint.contains("runc list")));
    if !is_possible("names_that_nobody_has_are_refused_with_a_way_out", "runc") {
        return;
    }
    runc.start("twin-1", true);
    runc.start("twin-2", true);
    let error = find("twin", &runc.place).unwrap_err();
    assert!(error.class == CheckpointClass::Ambiguous && error.message.contains("twin-2"), "{error}");
    assert_eq!(find("twin-1", &runc.place).expect("exact").name, "twin-1");
}
