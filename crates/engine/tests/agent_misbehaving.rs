//! Guests that do not do what they should: each ends in the right class, before its deadline, with what was received.

mod agent_support;

use agent_support::{channel_on, in_ms, request, soon};
use isodyne_core::failure::Failure;
use isodyne_engine::channel::{AgentChannel, FdTransport, Hello};
use isodyne_engine::clock::Clock;
use isodyne_proto::{ExecReply, Message, Outcome, VERSION_NEWEST};
use std::io::Write;
use std::os::unix::net::UnixStream;

fn hello() -> Hello {
    Hello {
        newest: VERSION_NEWEST,
        oldest: 1,
        agent_version: "0.0.0".to_owned(),
        pid: 1,
        is_init: true,
        kernel_release: "6.1".to_owned(),
        machine: "x86_64".to_owned(),
        uptime_ns: 1,
        prepared_ns: 1,
    }
}

fn frame(message: &Message) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.encode(&mut bytes).unwrap();
    bytes
}

/// The failure of a hello when the guest has sent these bytes and goes on to say nothing, or closes.
fn hello_after(bytes: &[u8], close: bool) -> (Failure, u64) {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    theirs.write_all(bytes).unwrap();
    let theirs = (!close).then_some(theirs);
    let begin = Clock.now();
    let failure = channel_on(ours).hello(in_ms(100)).unwrap_err();
    drop(theirs);
    (failure, Clock.now().ns_since(begin) / 1_000_000)
}

/// The failure of an exec when the guest has said hello and then these bytes.
fn exec_after(bytes: &[u8], close: bool) -> (Failure, u64) {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    theirs.write_all(&frame(&Message::Hello(hello()))).unwrap();
    theirs.write_all(bytes).unwrap();
    let mut channel = channel_on(ours);
    channel.hello(soon()).unwrap();
    let theirs = (!close).then_some(theirs);
    let begin = Clock.now();
    let failure = channel.exec(&request(&["true"]), in_ms(100)).unwrap_err();
    drop(theirs);
    (failure, Clock.now().ns_since(begin) / 1_000_000)
}

#[track_caller]
fn assert_failure((failure, ms): (Failure, u64), class: &str, message: &str) {
    assert_eq!((failure.class.as_str(), failure.message.as_str()), (class, message));
    assert!(ms < 5_000, "{ms} ms after a deadline of 100 ms");
}

#[test]
fn a_guest_that_says_nothing_is_a_timeout() {
    let (failure, ms) = hello_after(b"", false);
    assert!(ms >= 100);
    assert_failure((failure, ms), "timeout", "no hello from the agent in time; nothing was received");
}

#[test]
fn a_guest_that_stops_in_the_middle_is_a_timeout() {
    let bytes = frame(&Message::Hello(hello()));
    let expected = "no hello from the agent in time; received 12 bytes: 89 49 53 4f 44 0d 0a 1a 33 00 00 00 \
                    \"\\x89ISOD\\r\\n\\x1a3\\x00\\x00\\x00\"";
    assert_failure(hello_after(&bytes[..12], false), "timeout", expected);
}

#[test]
fn a_guest_that_dies_is_a_crash() {
    let expected = "the channel closed while waiting for the agent's hello; nothing was received";
    assert_failure(hello_after(b"", true), "crash", expected);
    let expected =
        "the channel closed while waiting for the agent's hello; received 5 bytes: 89 49 53 4f 44 \"\\x89ISOD\"";
    assert_failure(hello_after(b"\x89ISOD", true), "crash", expected);
    let (failure, ms) = exec_after(&[9, 0, 0, 0, 4, 1], true);
    assert!(failure.message.starts_with("the channel closed while waiting for the agent's reply to exec"), "{failure}");
    assert_failure((failure.clone(), ms), "crash", &failure.message);
}

#[test]
fn garbage_is_a_breach_of_the_protocol() {
    let expected = "the agent broke the protocol: the stream does not open with a hello but with 4b 65 72 6e 65 6c 20 70; received 35 \
                    bytes, the first: 4b 65 72 6e 65 6c 20 70 61 6e 69 63 20 2d 20 6e 6f 74 20 73 79 6e 63 69 6e 67 3a \
                    20 61 74 74 65 \"Kernel panic - not syncing: atte\"";
    assert_failure(hello_after(b"Kernel panic - not syncing: attempt", false), "protocol", expected);
}

#[test]
fn endless_noise_in_front_of_the_hello_has_a_limit() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let writer = std::thread::spawn(move || while theirs.write_all(&[b'.'; 1000]).is_ok() {});
    let transport = FdTransport::from_socket(ours.into(), Clock).unwrap();
    let mut channel = AgentChannel::after_stray_bytes(Box::new(transport), Clock, 100_000);
    let failure = channel.hello(soon()).unwrap_err();
    assert_eq!(failure.class.as_str(), "protocol");
    assert!(failure.message.contains("no hello among the first 100000 bytes"), "{failure}");
    drop(channel);
    writer.join().unwrap();
}

#[test]
fn a_guest_that_babbles_does_not_keep_the_host_past_its_deadline() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let writer = std::thread::spawn(move || while theirs.write_all(&[b'.'; 10]).is_ok() {});
    let transport = FdTransport::from_socket(ours.into(), Clock).unwrap();
    let mut channel = AgentChannel::after_stray_bytes(Box::new(transport), Clock, usize::MAX);
    let begin = Clock.now();
    assert_eq!(channel.hello(in_ms(100)).unwrap_err().class.as_str(), "timeout");
    assert!(Clock.now().ns_since(begin) < 5_000_000_000);
    drop(channel);
    writer.join().unwrap();
}

#[test]
fn an_oversized_frame_is_a_breach_of_the_protocol() {
    let (failure, ms) = exec_after(&[0xff, 0xff, 0xff, 0xff, 4], false);
    assert!(
        failure.message.contains("kind `exec reply` states 4294967295 bytes, more than its limit of 1048576"),
        "{failure}"
    );
    assert_failure((failure.clone(), ms), "protocol", &failure.message);
}

#[test]
fn strangers_versions_are_a_breach_of_the_protocol() {
    let stranger = Message::Hello(Hello { newest: 9, oldest: 8, ..hello() });
    let (failure, ms) = hello_after(&frame(&stranger), false);
    assert!(
        failure.message.contains("the other side speaks versions 8 to 9 of the protocol, this build 2 to 2"),
        "{failure}"
    );
    assert_failure((failure.clone(), ms), "protocol", &failure.message);
}

#[test]
fn the_wrong_answer_is_a_breach_of_the_protocol() {
    let reply = ExecReply {
        id: 77,
        outcome: Outcome::Exited(0),
        stdout: Vec::new(),
        stderr: Vec::new(),
        stdout_truncated: false,
        stderr_truncated: false,
        user_us: 0,
        system_us: 0,
        peak_rss_bytes: 0,
        elapsed_ns: 0,
    };
    let expected = "waiting for the agent's reply to exec, got the answer to request 77 instead of 1";
    assert_failure(exec_after(&frame(&Message::ExecReply(reply)), false), "protocol", expected);
    let expected = "waiting for the agent's reply to exec, got a message of kind `pong`";
    assert_failure(exec_after(&frame(&Message::Pong { id: 1 }), false), "protocol", expected);
    let given_up = Message::Error { text: "no memory\n".repeat(100) };
    let (failure, _) = exec_after(&frame(&given_up), false);
    assert!(failure.message.starts_with("the agent gave up: no memory\\n") && failure.message.len() < 300, "{failure}");
}
