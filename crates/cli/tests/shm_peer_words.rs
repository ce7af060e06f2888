//! `isodyne shm peer` as a user meets it: two peers on a server, and what can go wrong, with its exit code and the way out.

use serde_json::Value;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

fn isodyne(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_isodyne"));
    command.arg("shm").args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn ended(child: Child) -> Output {
    child.wait_with_output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Serves until dropped.
struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn serve(socket: &Path) -> Served {
    let served = Served(isodyne(&["serve", socket.to_str().unwrap(), "--size", "1MiB"]).spawn().unwrap());
    let deadline = Instant::now() + Duration::from_secs(20);
    while !socket.exists() {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(5));
    }
    served
}

#[test]
fn two_peers_of_a_server_sleep_until_they_are_rung_at_a_rate() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("srv");
    let _served = serve(&socket);
    let path = socket.to_str().unwrap();
    let both = ["--ivshmem", path, "--waiting", "doorbell", "--round-trips", "300", "--json"];
    let answering = isodyne(&[&["peer", "answer"][..], &both].concat()).spawn().unwrap();
    let asked = isodyne(&[&["peer", "ask", "--rate", "1000"][..], &both].concat()).output().unwrap();
    assert!(asked.status.success(), "{}", stderr(&asked));
    let answered = ended(answering);
    assert!(answered.status.success(), "{}", stderr(&answered));
    let [asked, answered]: [Value; 2] = [asked, answered].map(|side| serde_json::from_slice(&side.stdout).unwrap());
    let value = |side: &Value, metric: &str| side["metrics"][metric]["value"].as_f64().unwrap();
    // 300, a tenth more, and one train, each a millisecond after the one before.
    let buckets = asked["open_loop_histogram_ns"].as_array().unwrap();
    let count: u64 = buckets.iter().map(|bucket| bucket[2].as_u64().unwrap()).sum();
    assert_eq!(count, 300 + 30 + 64);
    assert!(value(&asked, "open_loop_answers_per_s") <= 1_010.0, "{asked}");
    assert!(value(&asked, "open_loop_answer_p50_ns") <= value(&asked, "open_loop_max_ns"));
    // Asleep most of the time: a side that looks takes as much as goes by.
    assert!(value(&answered, "answer_cpu_ratio") < 0.9, "{answered}");
}

#[test]
fn what_cannot_be_names_the_flag_and_the_way_out() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (missing, ordinary) = (path("missing"), path("ordinary"));
    std::fs::write(&ordinary, "x").unwrap();
    let deep = path("none/file");
    let cases: &[(i32, &[&str], &str, &str)] = &[
        (2, &["ask"], "--file", "--ivshmem"),
        (2, &["ask", "--file", &deep], "--file", "directory"),
        (2, &["ask", "--file", "/dev"], "--file", "ordinary file"),
        (5, &["answer", "--file", &missing], "--file", "who asks makes the file"),
        (5, &["answer", "--file", &ordinary], "takes 4096 B", "same task"),
        (2, &["ask", "--socket", &ordinary], "--socket", "where nothing is"),
        (2, &["ask", "--socket", &deep], "--socket", "directory"),
        (5, &["ask", "--socket", &missing], "nobody came", "`answer`"),
        (5, &["answer", "--socket", &missing], "--socket", "`ask`"),
        (2, &["ask", "--ivshmem", &missing], "--ivshmem", "shm serve"),
        (2, &["ask", "--file", &missing, "--waiting", "doorbell"], "doorbell", "--ivshmem"),
        (2, &["ask", "--file", &missing, "--waiting", "eventfd"], "event counters", "--socket"),
        (2, &["ask", "--file", &missing, "--cpu", "1000"], "--cpu 1000", "it may use"),
        (2, &["answer", "--file", &missing, "--rate", "5"], "rate", "--rate"),
        (2, &["ask", "--file", &missing, "--frame", "2GiB"], "--frame", "takes bytes"),
        (5, &["ask", "--file", &path("alone")], "the other side to come", "--timeout"),
    ];
    for (code, words, told, way_out) in cases {
        let run = isodyne(&[&["peer"][..], words, &["--timeout", "200ms"]].concat()).output().unwrap();
        let said = stderr(&run);
        assert_eq!(run.status.code(), Some(*code), "{words:?}: {said}");
        assert!(said.contains(told) && said.contains(way_out) && run.stdout.is_empty(), "{words:?}: {said}");
    }
}

#[test]
fn a_peer_that_is_killed_is_told_by_the_other_in_time() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("region");
    let both = ["--file", file.to_str().unwrap(), "--round-trips", "1000000000"];
    let mut answering = isodyne(&[&["peer", "answer", "--waiting", "yield"][..], &both].concat()).spawn().unwrap();
    let asking =
        isodyne(&[&["peer", "ask", "--waiting", "yield", "--patience", "1s"][..], &both].concat()).spawn().unwrap();
    // Not before they have met: the first word of the memory's question.
    let deadline = Instant::now() + Duration::from_secs(20);
    while std::fs::read(&file).ok().and_then(|bytes| bytes.get(516).copied()).unwrap_or_default() == 0 {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(5));
    }
    answering.kill().unwrap();
    answering.wait().unwrap();
    let asked = ended(asking);
    let said = stderr(&asked);
    assert_eq!(asked.status.code(), Some(5), "{said}");
    assert!(said.contains("waited in vain for answer") && said.contains("--patience"), "{said}");
}
