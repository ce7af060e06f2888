//! What the real agent does with commands, and how it ends.

mod agent_support;

use agent_support::{greeted, in_ms, on_socketpair, request, shell, soon};
use isodyne_core::failure::FailureClass;
use isodyne_engine::channel::{ExecRequest, Outcome};
use isodyne_engine::clock::Clock;
use std::path::Path;
use std::time::Duration;

#[test]
fn commands_end_in_the_outcome_that_they_had() {
    let (_agent, mut channel) = greeted();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("not-executable");
    std::fs::write(&file, "x").unwrap();
    let file = file.to_str().unwrap();
    let cases = [
        (request(&["true"]), Outcome::Exited(0)),
        (shell("exit 7"), Outcome::Exited(7)),
        (shell("kill -9 $$"), Outcome::Signalled(9)),
        (request(&["no-such-program"]), Outcome::NotFound),
        (request(&["/no/such/program"]), Outcome::NotFound),
        (request(&[file]), Outcome::NotPermitted),
        (request(&["/"]), Outcome::NotPermitted),
        (request(&[""]), Outcome::NotFound),
    ];
    for (request, expected) in cases {
        let executed = channel.exec(&request, soon()).unwrap();
        // An empty name is refused before anything is started.
        let expected = if request.argv[0].is_empty() { Outcome::Error(2) } else { expected };
        assert_eq!(executed.reply.outcome, expected, "{:?}", request.argv);
        let class = executed.succeeded().err().map(|failure| failure.class);
        assert_eq!(class, (expected != Outcome::Exited(0)).then_some(FailureClass::Exec));
    }
}

#[test]
fn a_failure_shows_what_the_command_said() {
    let (_agent, mut channel) = greeted();
    let executed = channel.exec(&shell("echo no luck >&2; exit 3"), soon()).unwrap();
    let failure = executed.succeeded().unwrap_err();
    assert_eq!(failure.message, "the command inside: exited with code 3; it says: no luck");
}

#[test]
fn output_beyond_the_limit_is_read_and_dropped() {
    let (_agent, mut channel) = greeted();
    let limited = ExecRequest {
        output_limit: 1000,
        ..shell("i=0; while [ $i -lt 20000 ]; do echo 0123456789; i=$((i+1)); done; echo short >&2")
    };
    let reply = channel.exec(&limited, soon()).unwrap().reply;
    assert_eq!((reply.outcome, reply.stdout.len()), (Outcome::Exited(0), 1000));
    assert!(reply.stdout_truncated && !reply.stderr_truncated);
    assert_eq!(reply.stderr, b"short\n");
    let most = ExecRequest { output_limit: u32::MAX, ..request(&["head", "-c", "3000000", "/dev/zero"]) };
    let reply = channel.exec(&most, soon()).unwrap().reply;
    assert_eq!(reply.stdout.len(), isodyne_proto::MAX_OUTPUT);
    assert!(reply.stdout_truncated);
}

#[test]
fn standard_input_and_environment_are_as_asked() {
    let (_agent, mut channel) = greeted();
    let stdin: Vec<u8> = (0..300_000_u32).map(|number| number as u8).collect();
    let cat = ExecRequest { stdin: stdin.clone(), output_limit: 400_000, ..request(&["/proc/self/exe", "cat"]) };
    let reply = channel.exec(&cat, soon()).unwrap().reply;
    assert!(reply.stdout == stdin, "{:?}, {} bytes", reply.outcome, reply.stdout.len());
    // A command that does not read is none the worse for it.
    let deaf = ExecRequest { stdin, ..request(&["true"]) };
    assert_eq!(channel.exec(&deaf, soon()).unwrap().reply.outcome, Outcome::Exited(0));
    let environment = ExecRequest {
        env: vec![b"ONE=1".to_vec(), b"HOME=/elsewhere".to_vec()],
        ..shell("echo $ONE $HOME; env | grep -c ^HOME=; cat")
    };
    assert_eq!(channel.exec(&environment, soon()).unwrap().reply.stdout, b"1 /elsewhere\n1\n");
}

#[test]
fn a_command_beyond_its_time_is_killed_with_its_group() {
    let (_agent, mut channel) = greeted();
    let slow = ExecRequest { timeout_ms: 100, ..shell("sleep 100 & echo $!; sleep 100") };
    let executed = channel.exec(&slow, soon()).unwrap();
    assert_eq!(executed.reply.outcome, Outcome::TimedOut);
    assert_eq!(executed.succeeded().unwrap_err().class, FailureClass::Timeout);
    assert!((100_000_000..5_000_000_000).contains(&executed.reply.elapsed_ns), "{}", executed.reply.elapsed_ns);
    assert_gone(&executed.reply.stdout);
    // What a command leaves in its group goes as well.
    let reply = channel.exec(&shell("sleep 100 & echo $!"), soon()).unwrap().reply;
    assert_eq!(reply.outcome, Outcome::Exited(0));
    assert_gone(&reply.stdout);
}

/// The process with this number ends, or is dead already and waits for whoever inherits it.
fn assert_gone(pid: &[u8]) {
    let pid = String::from_utf8_lossy(pid).trim().to_owned();
    let deadline = soon();
    while std::fs::read_to_string(Path::new("/proc").join(&pid).join("stat")).is_ok_and(|stat| !stat.contains(") Z ")) {
        assert!(Clock.now() < deadline, "process {pid} goes on");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn what_a_command_used_is_plausible() {
    let (_agent, mut channel) = greeted();
    let busy = shell("i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done");
    let reply = channel.exec(&busy, soon()).unwrap().reply;
    let cpu_ns = (reply.user_us + reply.system_us) * 1000;
    assert!(cpu_ns > 1_000_000 && cpu_ns <= reply.elapsed_ns + 20_000_000, "{cpu_ns} of {} ns", reply.elapsed_ns);
    assert!((100 << 10..1 << 30).contains(&reply.peak_rss_bytes), "{}", reply.peak_rss_bytes);
}

#[test]
fn a_request_that_does_not_fit_spoils_nothing() {
    let (_agent, mut channel) = greeted();
    let large = ExecRequest { stdin: vec![0; 2 << 20], ..request(&["cat"]) };
    assert_eq!(channel.exec(&large, soon()).unwrap_err().class, FailureClass::Exec);
    channel.exec(&request(&["true"]), soon()).unwrap().succeeded().unwrap();
}

#[test]
fn it_ends_when_the_channel_closes_also_during_a_command() {
    let (mut agent, channel) = greeted();
    drop(channel);
    assert!(agent.end().success());

    let (mut agent, mut channel) = greeted();
    let failure = channel.exec(&request(&["sleep", "100"]), in_ms(200)).unwrap_err();
    assert_eq!(failure.class, FailureClass::Timeout);
    // A channel that failed stays failed.
    assert_eq!(channel.ping(soon()).unwrap_err(), failure);
    drop(channel);
    assert!(agent.end().success());
}

#[test]
fn it_ends_when_nobody_asks_and_when_it_is_told_by_a_signal() {
    let (mut agent, mut channel) = on_socketpair(1);
    channel.hello(soon()).unwrap();
    assert_eq!(agent.end().code(), Some(1));
    let failure = channel.ping(soon()).unwrap_err();
    assert_eq!(failure.message, "the agent gave up: no request within 1 s");

    let (mut agent, _channel) = greeted();
    let pid = rustix::process::Pid::from_child(&agent.0);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(agent.end().code(), Some(1));
}

#[test]
fn a_host_that_sends_garbage_is_told_so() {
    use std::io::{Read, Write};
    let (mut ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let mut command = agent_support::serve("stdio", 5);
    command.stdin(std::os::fd::OwnedFd::from(theirs.try_clone().unwrap())).stdout(std::os::fd::OwnedFd::from(theirs));
    let mut agent = agent_support::Agent::start(&mut command);
    drop(command);
    ours.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    assert_eq!(agent.end().code(), Some(1));
    let mut said = Vec::new();
    ours.read_to_end(&mut said).unwrap();
    assert!(String::from_utf8_lossy(&said).contains("a frame of unknown kind 47"), "{}", said.escape_ascii());
}
