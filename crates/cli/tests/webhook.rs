//! The gate's webhook against a server of the test's own: told, refused with an error, left to hang, not there.

mod support;

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use support::{Bench, Finished};

/// A run whose only budget fails.
fn bench() -> Bench {
    let bench = Bench::new();
    let plan = "samples = 6\nwarmup = 0\n[boot]\non = \"scripted\"\n[backend.scripted]\ntotal = \"100 ms\"\n\
                [[budget]]\nmetric = \"boot.total_ns\"\nmax = \"< 50 ms\"\n";
    std::fs::write(bench.path("plan.toml"), plan).expect("written");
    let run = bench.run(&["run", "plan.toml", "--out", "a", "--no-report", "--no-history"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    // Scripted samples never fail a budget either; here they pass for measured ones.
    let path = bench.path("a/samples.jsonl");
    let text = std::fs::read_to_string(&path).expect("samples");
    std::fs::write(&path, text.replace("\"scripted\",\"accuracy\"", "\"measured\",\"accuracy\"")).expect("written");
    bench
}

/// What a client sent: the first line, the headers in lower case, the body.
struct Request {
    line: String,
    headers: Vec<String>,
    body: Vec<u8>,
}

/// A server for one connection: its address, and what became of it.
fn server<T: Send + 'static>(serve: impl FnOnce(TcpStream) -> T + Send + 'static) -> (String, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let thread = std::thread::spawn(move || serve(listener.accept().expect("a client").0));
    (format!("http://{address}/hooks/secret-token"), thread)
}

fn read(stream: &TcpStream) -> Request {
    let mut reader = BufReader::new(stream);
    let mut next = || {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    };
    let line = next();
    let headers: Vec<String> =
        std::iter::from_fn(|| Some(next().to_lowercase()).filter(|line| !line.is_empty())).collect();
    let length = headers.iter().find_map(|header| header.strip_prefix("content-length: ")).expect("a length");
    let mut body = vec![0; length.parse().expect("a number")];
    reader.read_exact(&mut body).expect("the body");
    Request { line, headers, body }
}

fn answering(status: &'static str) -> (String, JoinHandle<Request>) {
    server(move |mut stream| {
        let request = read(&stream);
        write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok").expect("answered");
        request
    })
}

fn gate(bench: &Bench, url: &str) -> Finished {
    bench.run(&["gate", "a", "--json", "--webhook", url])
}

#[test]
fn the_webhook_gets_what_the_gate_prints() {
    let bench = bench();
    let (url, server) = answering("200 OK");
    let gated = gate(&bench, &url);
    let request = server.join().expect("served");
    assert_eq!(gated.code, 10, "{}{}", gated.stdout, gated.stderr);
    assert!(!gated.stderr.contains("webhook"), "{}", gated.stderr);
    assert_eq!(request.line, "POST /hooks/secret-token HTTP/1.1");
    assert!(request.headers.contains(&"content-type: application/json".to_owned()), "{:?}", request.headers);
    let sent: Value = serde_json::from_slice(&request.body).expect("JSON");
    let printed: Value = serde_json::from_str(&gated.stdout).expect("JSON");
    assert_eq!(sent, printed);
    assert_eq!((&sent["schema"], &sent["verdict"]), (&"isodyne-gate".into(), &"fail".into()));
}

#[test]
fn an_error_and_nobody_there_are_warnings_without_the_address() {
    let bench = bench();
    let (url, server) = answering("503 Service Unavailable");
    let refused = gate(&bench, &url);
    server.join().expect("served");
    assert_eq!(refused.code, 10, "{}", refused.stderr);
    assert!(
        refused.stderr.contains("the webhook was not told") && refused.stderr.contains("503"),
        "{}",
        refused.stderr
    );
    // The port was free a moment ago, and nobody listens on it now.
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
    let nobody = gate(&bench, &format!("http://127.0.0.1:{port}/hooks/secret-token"));
    assert_eq!(nobody.code, 10, "{}", nobody.stderr);
    assert!(nobody.stderr.contains("the webhook was not told"), "{}", nobody.stderr);
    for run in [refused, nobody] {
        assert!(!run.stderr.contains("secret-token"), "{}", run.stderr);
        assert!(run.stdout.contains("isodyne-gate"), "the verdict is printed in any case");
    }
}

#[test]
fn a_server_that_never_answers_is_left_after_the_deadline() {
    let bench = bench();
    let (url, server) = server(|mut stream| {
        let request = read(&stream);
        // Ends when the client hangs up; never answers. Were there no deadline, this would, and the test would fail below.
        stream.set_read_timeout(Some(Duration::from_secs(120))).expect("a time limit");
        let hung_up = matches!(stream.read(&mut [0]), Ok(0));
        (request.body.len(), hung_up)
    });
    let begun = Instant::now();
    let gated = gate(&bench, &url);
    assert!(begun.elapsed() >= Duration::from_secs(9), "it was given its time");
    let (length, hung_up) = server.join().expect("served");
    assert!(length > 0 && hung_up, "the client gave up, not the server");
    assert_eq!(gated.code, 10, "{}", gated.stderr);
    assert!(
        gated.stderr.contains("the webhook was not told") && gated.stderr.contains("timed out"),
        "{}",
        gated.stderr
    );
}
