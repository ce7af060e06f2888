//! Checkpoints in every form, made of the images that CRIU wrote for `isodyne-criu`.

use super::*;
use crate::checkpoint::pack::pack;
use isodyne_core::checkpoint::Compressed;
use isodyne_core::checkpoint::inspection::{Form, PageContent};
use serde_json::json;
use std::fs;
use std::os::unix::fs::symlink;

const FIRST: u32 = 20954;

/// A directory with a copy of the images.
fn images(into: &Path) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../criu/tests/images/process");
    fs::create_dir_all(into).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), into.join(entry.file_name())).unwrap();
    }
}

fn opened(path: &Path) -> Inspection {
    inspect(path, false).unwrap()
}

fn refused(path: &Path) -> String {
    inspect(path, false).unwrap_err().to_string()
}

/// What must be found in whatever form.
fn holds(inspection: &Inspection) {
    let checkpoint = inspection.checkpoint.as_ref().unwrap();
    assert_eq!((checkpoint.processes.len(), checkpoint.processes[0].pid), (4, FIRST));
    assert_eq!(checkpoint.unreadable, []);
    let texts = inspection.texts(true);
    assert_eq!(texts[0].arguments.as_ref().unwrap(), &["./tree", "tcp", "an argument"]);
    assert_eq!(texts[0].environment.as_ref().unwrap().len(), 3);
    assert!(texts[1].unreadable.as_ref().unwrap().contains("pages-2.img"));
    assert_eq!(inspection.found.statistics["criu_frozen_ns"], 50_833e3);
}

#[test]
fn a_directory_of_images_is_read_and_its_pages_are_looked_at() {
    let directory = tempfile::tempdir().unwrap();
    images(directory.path());
    let inspection = opened(directory.path());
    holds(&inspection);
    assert_eq!((inspection.found.form, inspection.found.unreadable.len()), (Form::Images, 0));
    let totals = inspection.found.files;
    assert_eq!((totals.count, totals.memory_bytes), (32, 13 * 4096));
    assert!(totals.allocated_bytes.unwrap() >= totals.memory_bytes);
    let memory = inspection.memory();
    assert_eq!(memory.total.pages, 13);
    let areas = &inspection.checkpoint.as_ref().unwrap().processes[0].memory.as_ref().unwrap().areas;
    let own = areas.iter().position(|area| area.end - area.start == 8 * 4096).unwrap();
    // As `tree.c` has written it: two of zeroes, three alike, one of its own, two not touched.
    assert_eq!(memory.processes[0][own], PageContent { pages: 6, zero: 2, duplicate: 2 });
    let sum = memory.processes[0].iter().map(|content| content.pages).sum::<u64>();
    assert_eq!((sum, memory.unreadable.len(), memory.duplicates_at_least), (13, 2, false));
}

#[test]
fn packed_images_say_the_same() {
    for packing in [Compressed::Zstd, Compressed::Lz4] {
        let directory = tempfile::tempdir().unwrap();
        images(directory.path());
        for name in ["pages-1.img", "files.img"] {
            pack(&directory.path().join(name), packing).unwrap();
        }
        let inspection = opened(directory.path());
        holds(&inspection);
        assert_eq!(inspection.memory().total.pages, 13);
    }
}

#[test]
fn a_directory_of_images_inside_is_found() {
    let directory = tempfile::tempdir().unwrap();
    images(&directory.path().join("checkpoint"));
    fs::write(directory.path().join("config.dump"), r#"{"name": "web", "rootfsImageName": "nginx"}"#).unwrap();
    let inspection = opened(directory.path());
    holds(&inspection);
    assert_eq!(inspection.found.container.unwrap().image.as_deref(), Some("nginx"));
}

#[test]
fn what_podman_exports_is_read_where_it_lies() {
    let directory = tempfile::tempdir().unwrap();
    let from = directory.path().join("from");
    images(&from.join("checkpoint"));
    fs::write(from.join("config.dump"), json!({"id": "12ab", "name": "web", "ociRuntime": "runc"}).to_string())
        .unwrap();
    let spec = json!({"mounts": [{"destination": "/data", "source": "/srv/data"}, {"destination": "/proc"}]});
    fs::write(from.join("spec.dump"), spec.to_string()).unwrap();
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_dir_all(".", &from).unwrap();
    let plain = builder.into_inner().unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, &plain).unwrap();
    let archives = [("plain.tar", &plain), ("packed.tar.gz", &gzip.finish().unwrap())];
    for (name, bytes) in archives {
        let path = directory.path().join(name);
        fs::write(&path, bytes).unwrap();
        let inspection = opened(&path);
        holds(&inspection);
        assert_eq!(inspection.memory().total.zero, opened(&from).memory().total.zero);
        let found = inspection.found;
        assert_eq!((found.form, found.files.allocated_bytes), (Form::PodmanExport, None));
        let container = found.container.unwrap();
        assert_eq!((container.id.as_deref(), container.runtime.as_deref()), (Some("12ab"), Some("runc")));
        assert_eq!(container.mounts[0], ("/srv/data".to_owned(), "/data".to_owned()));
    }
    let path = directory.path().join("packed.tar.zst");
    fs::rename(directory.path().join("plain.tar"), directory.path().join("packed.tar")).unwrap();
    pack(&directory.path().join("packed.tar"), Compressed::Zstd).unwrap();
    holds(&opened(&path));
    fs::write(&path, &plain[..plain.len() / 2]).unwrap();
    assert!(refused(&path).contains("cannot be read"));
}

/// A checkpoint of our own with these images.
fn kept(directory: &Path) {
    images(&directory.join("images"));
    let file = |entry: fs::DirEntry| {
        let bytes = fs::read(entry.path()).unwrap();
        json!({
            "path": format!("images/{}", entry.file_name().to_str().unwrap()), "bytes": bytes.len(),
            "allocated_bytes": 4096, "xxh3_128": format!("{:032x}", twox_hash::XxHash3_128::oneshot(&bytes)),
        })
    };
    let files: Vec<_> = fs::read_dir(directory.join("images")).unwrap().map(|entry| file(entry.unwrap())).collect();
    let manifest = json!({
        "schema": isodyne_core::checkpoint::SCHEMA, "version": 1, "kind": "container", "name": "before",
        "created": "2026-11-22T17:00:00Z", "boot_id": "x",
        "source": { "backend": "runc", "id": "a", "name": "web" },
        "host": { "kernel": "6.18", "architecture": "x86_64", "processor": "p" },
        "options": { "leave_running": true, "tcp_established": true, "file_locks": false, "rounds": 0 },
        "files": files,
    });
    fs::write(directory.join("manifest.json"), manifest.to_string()).unwrap();
}

#[test]
fn a_checkpoint_of_our_own_is_verified() {
    let directory = tempfile::tempdir().unwrap();
    kept(directory.path());
    let inspection = inspect(directory.path(), true).unwrap();
    holds(&inspection);
    assert_eq!(inspection.found.form, Form::Checkpoint);
    let verified = inspection.found.verified.unwrap();
    assert_eq!((verified.files, verified.problems), (32, Vec::new()));
    let pages = directory.path().join("images/pages-1.img");
    let mut bytes = fs::read(&pages).unwrap();
    bytes[5000] ^= 1;
    fs::write(&pages, bytes).unwrap();
    fs::remove_file(directory.path().join("images/seccomp.img")).unwrap();
    fs::write(directory.path().join("images/stats-restore"), "short").unwrap();
    let mut problems = inspect(directory.path(), true).unwrap().found.verified.unwrap().problems;
    problems.sort();
    assert_eq!(
        problems,
        [
            "images/pages-1.img: its digest is another",
            "images/seccomp.img: it is not there",
            "images/stats-restore: it has 5 of 27 bytes",
        ]
    );
    assert!(inspect(directory.path(), false).unwrap().found.verified.is_none());
}

#[test]
fn links_lead_to_a_round_beside_and_nowhere_else() {
    let directory = tempfile::tempdir().unwrap();
    let last = directory.path().join("last");
    images(&last);
    images(&directory.path().join("first"));
    let link = last.join("parent");
    let linked = |target: &str| {
        let _ = fs::remove_file(&link);
        symlink(target, &link).unwrap();
        opened(&last)
    };
    assert_eq!(linked("../first").checkpoint.unwrap().parents, 1);
    for other in ["../../etc", "/etc", "..", "../first/../../etc"] {
        let inspection = linked(other);
        assert_eq!(inspection.checkpoint.unwrap().parents, 0, "{other}");
        assert!(inspection.found.unreadable[0].contains("the link to the round before"), "{other}");
    }
    // A round that leads to itself ends.
    linked("../last");
    fs::remove_file(last.join("pages-1.img")).unwrap();
    symlink("/etc/hostname", last.join("pages-1.img")).unwrap();
    let texts = opened(&last).texts(false);
    assert_eq!(texts[0].unreadable.as_deref(), Some("pages-1.img: it is not there"));
}

#[test]
fn states_of_machines_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let state = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/tests/machine/qemu-7.2.state");
    fs::copy(state, directory.path().join("state")).unwrap();
    let inspection = opened(directory.path());
    assert!(inspection.checkpoint.is_none() && inspection.texts(true).is_empty());
    let machine = inspection.found.machine.unwrap();
    assert_eq!((machine.monitor.as_str(), machine.memory_bytes), ("qemu", Some(64 << 20)));
    let mut state = 0x0710_1984_8664_0000_u64.to_le_bytes().to_vec();
    state.extend(5_u64.to_le_bytes());
    state.extend(b"4.0.0");
    fs::write(directory.path().join("state"), state).unwrap();
    fs::write(directory.path().join("memory"), vec![0; 8192]).unwrap();
    let found = opened(directory.path()).found;
    let machine = found.machine.unwrap();
    assert_eq!((machine.format.as_deref(), machine.memory_bytes), (Some("4.0.0"), Some(8192)));
    assert_eq!((found.form, found.files.memory_bytes), (Form::Machine, 8192));
    fs::write(directory.path().join("state"), "something").unwrap();
    assert!(refused(directory.path()).contains("no state of QEMU"));
}

#[test]
fn what_is_no_checkpoint_is_said_to_be_none() {
    let directory = tempfile::tempdir().unwrap();
    assert!(refused(directory.path()).contains("no manifest, no inventory"));
    let file = directory.path().join("file");
    fs::write(&file, vec![0; 2048]).unwrap();
    assert!(refused(&file).contains("no directory `checkpoint`"));
    assert!(matches!(inspect(&directory.path().join("absent"), false), Err(InspectError::Host { .. })));
    fs::write(directory.path().join("manifest.json"), "{}").unwrap();
    assert!(refused(directory.path()).contains("manifest.json cannot be read"));
}

/// Why there is no CRIU to make images with.
fn no_criu() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("only root may dump a process".to_owned());
    }
    match std::process::Command::new("criu").arg("check").output() {
        Err(error) => Some(format!("criu does not start: {error}")),
        Ok(output) if !output.status.success() => Some(String::from_utf8_lossy(&output.stderr).into_owned()),
        Ok(_) => None,
    }
}

#[test]
#[allow(clippy::print_stderr, reason = "a test that is skipped says why")]
fn what_this_hosts_criu_writes_is_read() {
    use std::process::{Command, Stdio};
    if let Some(reason) = no_criu() {
        eprintln!("skipped: {reason}");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("words"), "one\ntwo\n").unwrap();
    let mut child = Command::new("setsid")
        .args(["sh", "-c", "exec 7<\"$0\"; read word <&7; trap : USR1; kill -STOP $$", "words"])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("ISODYNE_MARK", "two words")
        .current_dir(directory.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let pid = child.id();
    // The shell stops itself, which its parent is told.
    let raw = rustix::process::Pid::from_child(&child);
    let stopped = rustix::process::waitpid(Some(raw), rustix::process::WaitOptions::UNTRACED).unwrap().unwrap().1;
    assert!(stopped.stopped());
    let images = directory.path().join("images");
    fs::create_dir(&images).unwrap();
    let dump =
        Command::new("criu").args(["dump", "-t", &pid.to_string(), "-o", "dump.log", "-D"]).arg(&images).output();
    let _ = child.kill();
    let _ = child.wait();
    let log = fs::read_to_string(images.join("dump.log")).unwrap_or_default();
    assert!(dump.unwrap().status.success(), "{log}");
    let inspection = opened(&images);
    assert_eq!(inspection.found.unreadable, Vec::<String>::new());
    let checkpoint = inspection.checkpoint.as_ref().unwrap();
    assert_eq!(checkpoint.unreadable, []);
    let process = &checkpoint.processes[0];
    assert_eq!((process.pid, process.parent, process.state), (pid, 0, Some(isodyne_criu::State::Stopped)));
    let canonical = directory.path().canonicalize().unwrap();
    assert_eq!(process.working_directory.as_deref(), canonical.to_str());
    let open: Vec<u32> = process.descriptors.iter().map(|descriptor| descriptor.number).collect();
    assert!([0, 1, 2, 7].iter().all(|number| open.contains(number)), "{open:?}");
    let texts = inspection.texts(true).remove(0);
    assert_eq!(texts.arguments.unwrap()[0], "sh");
    assert!(texts.environment.unwrap().contains(&"ISODYNE_MARK=two words".to_owned()));
    let (memory, total) = (inspection.memory(), process.memory.as_ref().unwrap().total.unwrap());
    assert_eq!(memory.unreadable, Vec::<String>::new());
    assert_eq!(memory.total.pages, total.present_pages);
    // CRIU counts what it has written itself.
    assert_eq!(inspection.found.statistics["criu_pages_written_count"], total.present_pages as f64);
    assert!(process.program.is_some());
}
