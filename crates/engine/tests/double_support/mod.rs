//! A monitor's control API, played in the test's own process.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

/// What a double answers: a status, and a body for everything but 204. 0 closes the connection instead.
pub type Answer = (u16, Value);
/// Decides on a request: its method, its target, its body.
pub type Mind = Box<dyn FnMut(&str, &str, &Value) -> Answer + Send>;

/// Answers one request after the other, as Firecracker's and Cloud Hypervisor's own server does: the status line of a 204
/// ends with a blank, and there is no length of a body that is not there.
pub fn serve(socket: &Path, mut mind: Mind) {
    let listener = UnixListener::bind(socket).unwrap();
    std::thread::spawn(move || {
        let Ok((stream, _)) = listener.accept() else { return };
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        while let Some((method, target, body)) = request(&mut reader) {
            let (status, answer) = mind(&method, &target, &body);
            if status == 0 {
                return;
            }
            let head = format!("HTTP/1.1 {status} \r\nServer: a double\r\nConnection: keep-alive\r\n");
            let rest = match status {
                204 => "\r\n".to_owned(),
                _ => {
                    let text = answer.to_string();
                    format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{text}", text.len())
                }
            };
            if (&stream).write_all((head + &rest).as_bytes()).is_err() {
                return;
            }
        }
    });
}

fn request(reader: &mut BufReader<UnixStream>) -> Option<(String, String, Value)> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, target) = (words.next()?, words.next()?);
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        match header.trim().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.parse().ok()?,
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((method, target, serde_json::from_slice(&body).unwrap_or(Value::Null)))
}
