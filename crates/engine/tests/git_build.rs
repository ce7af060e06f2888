//! Builds from real git repositories: made once, kept, refused where they must be.

use isodyne_core::plan::build::Build;
use isodyne_engine::build::{BuildError, resolve};
use isodyne_engine::lab::{Lab, LabOptions};
use std::path::Path;
use std::process::Command;

fn git(directory: &Path, words: &[&str]) -> String {
    let identity = ["-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false"];
    let output = Command::new("git").current_dir(directory).args(identity).args(words).output().expect("git");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A repository with a script that makes a program.
fn repository(directory: &Path) -> std::path::PathBuf {
    let path = directory.join("repository");
    std::fs::create_dir(&path).unwrap();
    git(&path, &["init", "--quiet", "."]);
    commit(&path, "mkdir bin && printf '#!/bin/sh\\necho one\\n' > bin/tool && chmod +x bin/tool && date +%s%N > when");
    path
}

fn commit(path: &Path, script: &str) {
    std::fs::write(path.join("build.sh"), script).unwrap();
    git(path, &["add", "build.sh"]);
    git(path, &["commit", "--quiet", "--message", "change"]);
}

fn build(repository: &str) -> Build {
    Build {
        name: "tool".to_owned(),
        repository: repository.to_owned(),
        revision: "HEAD".to_owned(),
        command: ["sh", "-e", "build.sh"].map(str::to_owned).to_vec(),
        output: "bin/tool".to_owned(),
        timeout_ns: 20_000_000_000,
        commit: None,
    }
}

fn lab(directory: &Path) -> Lab {
    let run_id = format!("{:08x}", fastrand::u32(..));
    let (logs, cache) = (directory.join("logs"), directory.join("cache"));
    Lab::open(LabOptions { run_id: &run_id, session: 0, logs: &logs, cache: &cache, guardian: None }).unwrap()
}

#[test]
fn a_build_is_made_once_from_a_clean_tree_and_again_when_it_was_changed() {
    let directory = tempfile::tempdir().unwrap();
    let path = repository(directory.path());
    // Neither of these is in the commit.
    std::fs::write(path.join("build.sh"), "exit 1").unwrap();
    std::fs::create_dir(path.join("bin")).unwrap();
    let lab = lab(directory.path());
    let build = build(path.to_str().unwrap());
    let resolved = resolve(&build, &lab).unwrap();
    assert_eq!(resolved.commit, git(&path, &["rev-parse", "HEAD"]));
    assert!(resolved.cached().is_none());
    let made = resolved.make(&lab).unwrap();
    assert_eq!(Command::new(&made.path).output().unwrap().stdout, b"one\n");
    assert!(made.asset.name.contains(&resolved.commit));
    let again = resolve(&build, &lab).unwrap().cached().expect("in the cache");
    assert_eq!((again.path.clone(), again.asset.clone()), (made.path, made.asset));
    std::fs::write(&again.path, "another").unwrap();
    assert!(resolve(&build, &lab).unwrap().cached().is_none());
    assert!(resolve(&build, &lab).unwrap().make(&lab).is_ok());
    assert_eq!(lab.close(), Vec::<String>::new());
}

#[test]
fn a_url_is_fetched_and_a_run_keeps_to_its_commit() {
    let directory = tempfile::tempdir().unwrap();
    let path = repository(directory.path());
    let lab = lab(directory.path());
    let mut build = build(&format!("file://{}", path.display()));
    let first = resolve(&build, &lab).unwrap().commit;
    commit(&path, "mkdir bin && echo two > bin/tool");
    let second = resolve(&build, &lab).unwrap().commit;
    assert_ne!(first, second);
    assert_eq!(second, git(&path, &["rev-parse", "HEAD"]));
    build.commit = Some(first.clone());
    // What is in the cache needs no repository.
    std::fs::remove_dir_all(&path).unwrap();
    let resolved = resolve(&build, &lab).unwrap();
    assert_eq!(resolved.commit, first);
    assert!(resolved.make(&lab).is_ok());
    assert_eq!(lab.close(), Vec::<String>::new());
}

#[test]
fn what_cannot_be_built_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let path = repository(directory.path());
    let lab = lab(directory.path());
    let good = build(path.to_str().unwrap());
    let fails = |change: &dyn Fn(&mut Build)| {
        let mut build = good.clone();
        change(&mut build);
        match resolve(&build, &lab) {
            Ok(resolved) => {
                let error = resolved.make(&lab).unwrap_err();
                assert!(resolved.cached().is_none());
                error
            }
            Err(error) => error,
        }
    };
    let error =
        fails(&|build| build.command = ["sh", "-c", "echo no compiler >&2; exit 3"].map(str::to_owned).to_vec());
    assert!(error.to_string().contains("exit status: 3: no compiler; see "), "{error}");
    let error = fails(&|build| build.output = "bin/other".to_owned());
    assert!(matches!(error, BuildError::Output { .. }), "{error}");
    let error =
        fails(&|build| build.command = ["sh", "-c", "mkdir bin; ln -s /bin/sh bin/tool"].map(str::to_owned).to_vec());
    assert!(error.to_string().contains("leads out of the work tree"), "{error}");
    let error = fails(&|build| build.revision = "no-such-branch".to_owned());
    assert!(error.to_string().contains("no-such-branch"), "{error}");
    assert!(matches!(fails(&|build| build.repository = "/no/such/place".to_owned()), BuildError::Io { .. }));
    let error = fails(&|build| {
        build.command = ["sh", "-c", "sleep 60 & sleep 60"].map(str::to_owned).to_vec();
        build.timeout_ns = 300_000_000;
    });
    assert!(error.to_string().contains("did not end within"), "{error}");
    assert_eq!(lab.close(), Vec::<String>::new());
}
