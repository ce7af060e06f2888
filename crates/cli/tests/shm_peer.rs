//! `isodyne shm peer` with a file that its other side cuts short: an error and its exit code, never the kernel's end.

use std::fs::File;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

fn side(name: &str, file: &Path, more: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_isodyne"));
    command.args(["shm", "peer", name, "--timeout", "600s", "--patience", "10s", "--frame", "1MiB", "--file"]);
    command.arg(file).args(more).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Its exit code and what it complained of; killed if it does not end.
fn end(mut child: Child) -> (Option<i32>, String) {
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if Instant::now() > deadline => {
                child.kill().unwrap();
                child.wait().unwrap();
                panic!("it does not end");
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    assert_eq!(status.signal(), None);
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    (status.code(), said)
}

/// Whether the sides have met: who asks has let the session go (`layout::ASK_GO`).
fn have_met(path: &Path) -> bool {
    let word = |offset: u64| {
        use std::os::unix::fs::FileExt;
        let mut word = [0; 8];
        File::open(path).and_then(|file| file.read_exact_at(&mut word, offset)).map(|()| u64::from_le_bytes(word)).ok()
    };
    word(isodyne_shm::layout::ASK_GO as u64).is_some_and(|go| go != 0)
}

#[test]
fn a_file_that_is_cut_in_the_middle_ends_both_sides_with_words() {
    // Among round trips and among frames; all of the file, and all but its first page.
    for (more, left) in [
        (&["--round-trips", "1000000000"][..], 0),
        (&["--round-trips", "1000000000", "--waiting", "futex"], 0),
        (&["--round-trips", "10", "--frames", "1000000000"], 0),
        (&["--round-trips", "10", "--frames", "1000000000"], 4096),
    ] {
        let directory = tempfile::tempdir_in("/dev/shm").unwrap();
        let path = directory.path().join("region");
        let (asking, answering) = (side("ask", &path, more), side("answer", &path, more));
        until("the sides do not meet", || have_met(&path));
        std::thread::sleep(Duration::from_millis(50));
        File::options().write(true).open(&path).unwrap().set_len(left).unwrap();
        let ends = [end(asking), end(answering)];
        assert!(ends.iter().all(|(code, _)| *code == Some(5)), "{more:?} {left}: {ends:?}");
        let say_it = ends.iter().filter(|(_, said)| said.contains("cut short") && said.contains("--socket")).count();
        // Of who looks at the page that is left only, the other side's end is all that is seen.
        assert!(say_it == 2 || left > 0 && say_it == 1, "{more:?} {left}: {ends:?}");
    }
}

#[test]
fn a_file_that_is_cut_before_anybody_comes_ends_who_waits() {
    let directory = tempfile::tempdir_in("/dev/shm").unwrap();
    let path = directory.path().join("region");
    let asking = side("ask", &path, &["--frames", "3"]);
    until("no file", || std::fs::metadata(&path).is_ok_and(|metadata| metadata.len() > 1 << 20));
    std::thread::sleep(Duration::from_millis(200));
    File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
    let (code, said) = end(asking);
    assert!(code == Some(5) && said.contains("cut short"), "{code:?} {said}");
}
