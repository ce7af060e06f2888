//! The client against a server that is a script.

use super::*;
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::thread::JoinHandle;
use std::time::Duration;

/// A server that reads one request after another and answers each with the next script.
fn serve(answers: Vec<&'static [u8]>) -> (tempfile::TempDir, PathBuf, JoinHandle<Vec<String>>) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let socket = directory.path().join("api.sock");
    let listener = UnixListener::bind(&socket).expect("a socket");
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut seen = Vec::new();
        for answer in answers {
            let mut request = Vec::new();
            let mut byte = [0_u8];
            while !request.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
                request.push(byte[0]);
            }
            seen.push(String::from_utf8_lossy(&request).into_owned());
            // In two writes, so that the client sees a reply in pieces.
            let (front, back) = answer.split_at(answer.len() / 2);
            let _ = stream.write_all(front);
            let _ = stream.write_all(back);
        }
        seen
    });
    (directory, socket, thread)
}

fn soon() -> HostInstant {
    Clock.after(Duration::from_secs(5))
}

#[test]
fn replies_follow_each_other_on_one_connection() {
    let (_directory, socket, server) = serve(vec![
        b"HTTP/1.1 201 Created\r\nContent-Length: 12\r\n\r\n{\"Id\":\"abc\"}",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n15\r\n{\"message\":\"no such\"}\r\n0\r\n\r\n",
    ]);
    let mut client = Client::connect(&socket, Clock).expect("connected");
    let first = client.call(&Request::new("POST", "/create"), soon()).expect("a reply");
    assert_eq!((first.status, first.json()["Id"].as_str()), (201, Some("abc")));
    assert!(first.at >= first.asked);
    assert_eq!(client.call(&Request::new("POST", "/start"), soon()).expect("a reply").status, 204);
    let last = client.call(&Request::new("GET", "/gone"), soon()).expect("a reply");
    assert_eq!((last.status, last.message().as_str()), (404, "no such"));
    drop(client);
    let seen = server.join().expect("the server");
    assert_eq!(seen[0], "POST /create HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(seen[2], "GET /gone HTTP/1.1\r\nHost: localhost\r\n\r\n");
}

#[test]
fn an_upgrade_leaves_http_and_keeps_what_came_behind() {
    let (_directory, socket, _server) =
        serve(vec![b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n\x01\0\0\0\0\0\0\x05hello"]);
    let client = Client::connect(&socket, Clock).expect("connected");
    let mut upgraded = client.upgrade(&Request::new("POST", "/attach"), soon()).expect("upgraded");
    upgraded.stream.set_nonblocking(false).expect("a blocking stream");
    let mut rest = upgraded.leftover;
    upgraded.stream.read_to_end(&mut rest).expect("the rest");
    assert_eq!(rest, b"\x01\0\0\0\0\0\0\x05hello");
}

#[test]
fn garbage_silence_and_an_early_end_are_errors_of_their_own() {
    let (_directory, socket, _server) = serve(vec![b"not http at all\r\n\r\n"]);
    let mut client = Client::connect(&socket, Clock).expect("connected");
    assert!(matches!(client.call(&Request::new("GET", "/"), soon()), Err(HttpError::Invalid { .. })));

    let (_directory, socket, _server) = serve(vec![b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n123"]);
    let mut client = Client::connect(&socket, Clock).expect("connected");
    assert!(matches!(client.call(&Request::new("GET", "/"), soon()), Err(HttpError::Closed { .. })));

    let directory = tempfile::tempdir().expect("a temporary directory");
    let socket = directory.path().join("api.sock");
    let _listener = UnixListener::bind(&socket).expect("a socket");
    let mut client = Client::connect(&socket, Clock).expect("connected");
    let deadline = Clock.after(Duration::from_millis(20));
    assert!(matches!(client.call(&Request::new("GET", "/"), deadline), Err(HttpError::Timeout { .. })));
    assert!(matches!(Client::connect(&directory.path().join("none"), Clock), Err(HttpError::Connect { .. })));
}
