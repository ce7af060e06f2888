//! Containers that count, for tests of keeping containers that somebody else has started.

use isodyne_core::checkpoint::KeptOptions;
use isodyne_engine::checkpoint::CheckpointError;
use isodyne_engine::checkpoint::container::{Container, KeepRequest, Kept, RestoreRequest, Restored, Where, keep};
use isodyne_engine::checkpoint::criu::{self, CriuState};
use isodyne_engine::checkpoint::layer::LayerLimits;
use isodyne_engine::clock::Clock;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

pub const COUNT: &str = "i=0; while :; do i=$((i+1)); echo $i > /data/counter; sleep 0.05; done";

#[allow(clippy::print_stderr, reason = "a skipped test has to say so")]
pub fn skip(test: &str, reason: &str) {
    eprintln!("SKIPPED {test}: {reason}");
}

/// Whether CRIU works here and a program is here.
pub fn is_possible(test: &str, program: &str) -> bool {
    if let CriuState::Unusable { reason, .. } = criu::probe() {
        skip(test, reason);
        return false;
    }
    let here = Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
    if !here {
        skip(test, &format!("there is no {program}"));
    }
    here
}

pub fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A root that has nothing of its own: programs come from the host's /usr, mounted from outside.
pub fn make_root(root: &Path) {
    for directory in ["usr", "proc", "dev", "sys", "tmp", "data", "vol", "etc", "run"] {
        std::fs::create_dir_all(root.join(directory)).expect("a directory");
    }
    for name in ["bin", "sbin", "lib", "lib64"] {
        std::os::unix::fs::symlink(format!("usr/{name}"), root.join(name)).expect("a link");
    }
}

pub fn count(path: &Path) -> u64 {
    std::fs::read_to_string(path).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

/// Waits until the container has counted to `wanted`.
pub fn wait_for_count(path: &Path, wanted: u64) -> u64 {
    let deadline = Instant::now() + Duration::from_secs(60);
    while count(path) < wanted {
        assert!(Instant::now() < deadline, "{} stands at {}", path.display(), count(path));
        std::thread::sleep(Duration::from_millis(20));
    }
    count(path)
}

pub fn kept(container: &Container, output: &Path, name: &str, options: KeptOptions) -> Result<Kept, CheckpointError> {
    keep(
        container,
        &KeepRequest {
            output,
            name,
            options,
            layer: true,
            whole: LayerLimits::default(),
            patience: Duration::from_secs(60),
            asked: Clock.now(),
            interrupted: &|| false,
        },
    )
}

pub fn request<'a>(from: &'a Path, place: &'a Where, new_name: Option<&'a str>) -> RestoreRequest<'a> {
    RestoreRequest {
        from,
        new_name,
        fix_mounts: false,
        skip_mounts: &[],
        verify: true,
        place,
        bundle: None,
        program: None,
        patience: Duration::from_secs(60),
        asked: Clock.now(),
        interrupted: &|| false,
    }
}

/// The one root of a container of runc's that is back.
pub fn counter_of(restored: &Restored) -> PathBuf {
    PathBuf::from(format!("/proc/{}/root/data/counter", restored.pid))
}
