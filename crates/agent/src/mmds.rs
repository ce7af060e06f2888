//! `mmds`: reads the whole document of Firecracker's metadata service (version 2) and writes it to standard output.
//!
//! Two requests, each on a connection of its own: `PUT /latest/api/token` gives a token, and `GET /` with the token gives
//! the document.

use crate::app::probe::{content_length, status_of};
use crate::complain;
use crate::sys::poll::{CLOSING, Moment, READABLE, WRITABLE, interest, wait};
use crate::sys::socket::{self, Address};
use crate::sys::{Errno, Result, file, process};
use alloc::format;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, SocketAddr};

/// How long both requests may take.
const PATIENCE_MS: u64 = 20_000;
/// The longest answer that is read: Firecracker keeps at most 50 KiB unless it is told otherwise.
const ANSWER_LIMIT: usize = 256 << 10;

/// Reads the document from `ADDRESS` or `ADDRESS:PORT`.
pub(crate) fn run(arguments: &[&[u8]]) -> u8 {
    let Some(address) = arguments.first().and_then(|text| parse(text)) else {
        complain("usage: isodyne-agent mmds ADDRESS[:PORT]");
        return 2;
    };
    process::survive_broken_pipes();
    match read(address, Moment::after_ms(PATIENCE_MS)).and_then(|document| file::write_all(1, &document)) {
        Ok(()) => 0,
        Err(errno) => {
            complain(&format!("no metadata from {address}: {errno}"));
            1
        }
    }
}

fn parse(text: &[u8]) -> Option<SocketAddr> {
    let text = core::str::from_utf8(text).ok()?;
    let plain = |text: &str| Some(SocketAddr::from((text.parse::<Ipv4Addr>().ok()?, 80)));
    text.parse().ok().or_else(|| plain(text))
}

fn read(address: SocketAddr, until: Moment) -> Result<Vec<u8>> {
    let token = ask(address, b"PUT /latest/api/token HTTP/1.1\r\nX-metadata-token-ttl-seconds: 60\r\n\r\n", until)?;
    // It goes into a header as it is.
    if token.is_empty() || !token.iter().all(u8::is_ascii_graphic) {
        return Err(PROTOCOL);
    }
    let request = [b"GET / HTTP/1.1\r\nAccept: application/json\r\nX-metadata-token: ", token.as_slice(), b"\r\n\r\n"];
    ask(address, &request.concat(), until)
}

const PROTOCOL: Errno = Errno(linux_raw_sys::errno::EPROTO);

/// Sends one request and takes the body of its answer, which must be a success of stated length.
fn ask(address: SocketAddr, mut request: &[u8], until: Moment) -> Result<Vec<u8>> {
    let socket = socket::begin_connect(&Address::Tcp(address))?;
    let ready = |events| match wait(&mut [interest(&socket, events | CLOSING)], until)? {
        true => Ok(()),
        false => Err(Errno::TIMEDOUT),
    };
    ready(WRITABLE)?;
    if !socket::connected(&socket)? {
        return Err(PROTOCOL);
    }
    while !request.is_empty() {
        match socket.write(request) {
            Ok(written) => request = request.get(written..).unwrap_or_default(),
            Err(Errno::AGAIN) => ready(WRITABLE)?,
            Err(errno) => return Err(errno),
        }
    }
    let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        if let Some(body) = body(&answer)? {
            return Ok(body.to_vec());
        }
        match socket.read(&mut buffer) {
            Ok(0) => return Err(PROTOCOL),
            Ok(length) if answer.len() + length <= ANSWER_LIMIT => {
                answer.extend_from_slice(buffer.get(..length).unwrap_or_default());
            }
            Ok(_) => return Err(PROTOCOL),
            Err(Errno::AGAIN) => ready(READABLE)?,
            Err(errno) => return Err(errno),
        }
    }
}

/// The body of an answer, once it is whole.
fn body(answer: &[u8]) -> Result<Option<&[u8]>> {
    let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let (head, body) = answer.split_at(end + 4);
    if status_of(head) != Some(200) {
        return Err(PROTOCOL);
    }
    let length = content_length(head).and_then(|length| usize::try_from(length).ok()).ok_or(PROTOCOL)?;
    Ok(body.get(..length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;

    /// Answers one request a connection with these texts, and gives the requests.
    fn serve(answers: Vec<&'static str>) -> (SocketAddr, std::thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let thread = std::thread::spawn(move || {
            let mut requests = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let head: Vec<String> = lines.map(|line| line.unwrap()).take_while(|line| !line.is_empty()).collect();
                requests.push(head.join("|"));
                stream.write_all(answer.as_bytes()).unwrap();
            }
            requests
        });
        (address, thread)
    }

    #[test]
    fn the_token_of_the_first_answer_opens_the_document() {
        let (address, server) = serve(alloc::vec![
            "HTTP/1.1 200 \r\nConnection: keep-alive\r\nContent-Length: 4\r\n\r\nT=k/",
            "HTTP/1.1 200 \r\nContent-Length: 9\r\n\r\n{\"a\": 1}\n"
        ]);
        assert_eq!(read(address, Moment::after_ms(20_000)).unwrap(), b"{\"a\": 1}\n");
        assert_eq!(
            server.join().unwrap(),
            [
                "PUT /latest/api/token HTTP/1.1|X-metadata-token-ttl-seconds: 60",
                "GET / HTTP/1.1|Accept: application/json|X-metadata-token: T=k/"
            ]
        );
    }

    #[test]
    fn an_answer_that_is_no_success_or_not_whole_is_an_error() {
        for wrong in [
            "HTTP/1.1 401 \r\nContent-Length: 2\r\n\r\nno",
            "HTTP/1.1 200 \r\n\r\n",
            "HTTP/1.1 200 \r\nContent-Length: 9\r\n\r\nT",
            "HTTP/1.1 200 \r\nContent-Length: 4\r\n\r\na\r\nb",
            "SSH-2.0\r\n\r\n",
        ] {
            let (address, server) = serve(alloc::vec![wrong]);
            assert_eq!(read(address, Moment::after_ms(20_000)), Err(PROTOCOL), "{wrong}");
            server.join().unwrap();
        }
    }

    #[test]
    fn addresses_have_a_port_or_the_usual_one() {
        assert_eq!(parse(b"169.254.169.254"), Some("169.254.169.254:80".parse().unwrap()));
        assert_eq!(parse(b"127.0.0.1:8080"), Some("127.0.0.1:8080".parse().unwrap()));
        assert!(parse(b"metadata").is_none() && parse(b"").is_none());
    }
}
