//! What the real agent does with an application: start, readiness, end, and what it keeps in memory.

mod agent_support;

use agent_support::{greeted, shell, soon};
use isodyne_engine::channel::{
    AgentChannel, AwaitOutcome, AwaitReply, AwaitRequest, Condition, Outcome, StartOutcome, StartRequest,
};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

fn application(script: &str) -> StartRequest {
    StartRequest {
        argv: ["sh", "-c", script].map(|word| word.as_bytes().to_vec()).to_vec(),
        env: vec![b"PATH=/usr/local/bin:/usr/bin:/bin".to_vec(), b"GREETING=hello".to_vec()],
        ..StartRequest::default()
    }
}

fn start(channel: &mut AgentChannel, request: &StartRequest) -> StartOutcome {
    channel.start_app(request, soon()).unwrap().reply.outcome
}

fn wait(channel: &mut AgentChannel, condition: Condition, timeout_ms: u32) -> AwaitReply {
    let request = AwaitRequest { id: 0, condition, timeout_ms, period_us: 1_000 };
    channel.await_app(&request, soon()).unwrap().reply
}

/// Serves so many answers on loopback, the first of them after a delay.
fn service(answers: Vec<&'static str>, delay: Duration) -> (u16, std::thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = std::thread::spawn(move || {
        std::thread::sleep(delay);
        let serve = |answer: &str| {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 4096];
            let length = stream.read(&mut request).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        };
        answers.into_iter().map(serve).collect()
    });
    (port, serving)
}

#[test]
fn an_application_runs_beside_commands_and_ends_by_the_signal_it_is_given() {
    let (_agent, mut channel) = greeted();
    let script = "trap 'echo bye; exit 3' TERM; echo $GREETING; echo oops >&2; while :; do sleep 0.05; done";
    assert!(matches!(start(&mut channel, &application(script)), StartOutcome::Started(_)));
    let ready = wait(&mut channel, Condition::Line(b"hell".to_vec()), 5_000);
    assert_eq!((ready.outcome, ready.text.as_slice()), (AwaitOutcome::Met, b"hello".as_slice()));
    // Commands go on as ever, and a second application is refused.
    assert_eq!(channel.exec(&shell("exit 4"), soon()).unwrap().reply.outcome, Outcome::Exited(4));
    assert!(matches!(start(&mut channel, &application("true")), StartOutcome::Error(_)));
    let end = channel.end_app(15, 5_000, soon()).unwrap().reply;
    assert_eq!((end.outcome, end.killed), (Some(Outcome::Exited(3)), false));
    assert_eq!((end.stdout.as_slice(), end.stderr.as_slice()), (b"hello\nbye\n".as_slice(), b"oops\n".as_slice()));
    assert!(end.peak_rss_bytes > 0);
    assert_eq!(channel.end_app(15, 10, soon()).unwrap().reply.outcome, None, "there is none any more");
}

#[test]
fn an_application_that_does_not_end_is_killed() {
    let (_agent, mut channel) = greeted();
    start(&mut channel, &application("trap '' TERM; echo up; while :; do sleep 0.05; done"));
    assert_eq!(wait(&mut channel, Condition::Line(b"up".to_vec()), 5_000).outcome, AwaitOutcome::Met);
    let end = channel.end_app(15, 100, soon()).unwrap().reply;
    assert_eq!((end.outcome, end.killed), (Some(Outcome::Signalled(9)), true));
}

#[test]
fn what_cannot_start_says_why() {
    let (_agent, mut channel) = greeted();
    let missing = StartRequest { argv: vec![b"/no/such/program".to_vec()], ..application("") };
    assert_eq!(start(&mut channel, &missing), StartOutcome::NotFound);
    let directory = StartRequest { argv: vec![b"/".to_vec()], ..application("") };
    assert_eq!(start(&mut channel, &directory), StartOutcome::NotPermitted);
    let nowhere = StartRequest { working_directory: b"/no/such/directory".to_vec(), ..application("true") };
    assert_eq!(start(&mut channel, &nowhere), StartOutcome::NotFound);
    assert_eq!(wait(&mut channel, Condition::Tcp(1), 100).outcome, AwaitOutcome::NoApplication);
}

#[test]
fn an_application_that_ends_early_is_not_waited_for() {
    let (_agent, mut channel) = greeted();
    start(&mut channel, &application("echo cannot bind >&2; exit 98"));
    let reply = wait(&mut channel, Condition::Tcp(1), 10_000);
    assert_eq!(reply.outcome, AwaitOutcome::Ended(Outcome::Exited(98)));
    assert!(reply.elapsed_ns < 5_000_000_000);
    assert_eq!(channel.end_app(15, 100, soon()).unwrap().reply.stderr, b"cannot bind\n");
}

#[test]
fn an_answer_counts_when_its_status_is_right_and_its_body_whole() {
    let (_agent, mut channel) = greeted();
    start(&mut channel, &application("sleep 60"));
    let answers = vec![
        "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\ncut",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    ];
    let (port, serving) = service(answers, Duration::from_millis(30));
    let reply = wait(&mut channel, Condition::Http { port, path: b"/page".to_vec(), status: 200 }, 10_000);
    assert_eq!((reply.outcome, reply.status, reply.body_bytes), (AwaitOutcome::Met, 200, 5));
    assert_eq!(reply.text, b"hello");
    assert_eq!(reply.attempts, 3);
    let requests = serving.join().unwrap();
    assert!(requests.iter().all(|request| request.starts_with("GET /page HTTP/1.1\r\n")), "{requests:?}");
}

#[test]
fn a_port_is_ready_when_it_accepts_and_a_file_when_it_is_there() {
    let (_agent, mut channel) = greeted();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ready");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    start(&mut channel, &application(&format!("sleep 0.1; touch {}; sleep 60", file.display())));
    let path = Condition::File(file.to_str().unwrap().as_bytes().to_vec());
    let reply = wait(&mut channel, path, 10_000);
    assert_eq!(reply.outcome, AwaitOutcome::Met);
    assert!(reply.attempts > 1, "it was not there at the first look");
    assert_eq!(wait(&mut channel, Condition::Tcp(port), 10_000).outcome, AwaitOutcome::Met);
    drop(listener);
    let reply = wait(&mut channel, Condition::Tcp(port), 100);
    assert_eq!(reply.outcome, AwaitOutcome::TimedOut);
    assert!(reply.attempts > 5 && reply.elapsed_ns >= 100_000_000, "{reply:?}");
}

#[test]
fn the_agent_remembers_and_counts() {
    let (_agent, mut channel) = greeted();
    let memory = channel.recall(soon()).unwrap().reply;
    assert_eq!((memory.bytes.as_slice(), memory.recalls), (b"".as_slice(), 0));
    assert_eq!(channel.remember(b"nonce", soon()).unwrap().reply.recalls, 1);
    let memory = channel.recall(soon()).unwrap().reply;
    assert_eq!((memory.bytes.as_slice(), memory.recalls), (b"nonce".as_slice(), 2));
}

#[test]
fn an_application_that_writes_much_is_not_held_up() {
    let (_agent, mut channel) = greeted();
    start(&mut channel, &application("head -c 3000000 /dev/zero; echo; echo written >&2; sleep 60"));
    assert_eq!(wait(&mut channel, Condition::Line(b"written".to_vec()), 10_000).outcome, AwaitOutcome::Met);
}
