//! `isodyne shm serve`, from its socket to its report.

use serde_json::Value;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[test]
fn a_server_greets_and_ends_at_a_signal_with_a_report() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("ivshmem");
    let mut child = Command::new(env!("CARGO_BIN_EXE_isodyne"))
        .args(["shm", "serve", "--size", "1MiB", "--vectors", "2", "--json"])
        .arg(&socket)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut peer = loop {
        match UnixStream::connect(&socket) {
            Ok(peer) => break peer,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    peer.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut greeting = [0; 16];
    peer.read_exact(&mut greeting).unwrap();
    assert_eq!(greeting, [0; 16]);
    let pid = rustix::process::Pid::from_raw(child.id().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let (mut output, mut said) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut output).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    let report: Value = serde_json::from_str(&output).unwrap();
    assert_eq!((&report["schema"], &report["joined"]), (&"isodyne-shm-serve".into(), &1.into()));
    assert!(said.contains("ivshmem-doorbell,chardev=shm,vectors=2"), "{said}");
    assert!(!socket.exists());
}

#[test]
fn what_cannot_be_served_is_refused() {
    for words in [&["--size", "3MiB"][..], &["--vectors", "0"], &["--peers", "0"]] {
        let run = Command::new(env!("CARGO_BIN_EXE_isodyne")).args(["shm", "serve", "x"]).args(words).output().unwrap();
        assert_eq!(run.status.code(), Some(2), "{words:?}");
    }
}
