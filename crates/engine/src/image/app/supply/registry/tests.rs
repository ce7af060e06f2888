//! Pulling: from a registry made here, which can misbehave, and from Debian's `docker-registry` where it is there.

use super::*;
use crate::image::app::testing::{Layer, Layout};
use crate::image::app::{AppImage, ImageEvent, ImageSource, obtain};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;

const TOKEN: &str = "a-token";

/// What the registry of the test answers: status, headers and body for each path.
type Answers = HashMap<String, (u16, String, Vec<u8>)>;

fn layout() -> Layout {
    Layout::new(&[Layer::new().file("a", "text").directory("d", 0o755).bytes()])
}

fn answers(layout: &Layout) -> Answers {
    let blob =
        |kind: &str, name: &str, bytes: &[u8]| (format!("/v2/app/{kind}/{name}"), (200, String::new(), bytes.to_vec()));
    let mut answers: Answers =
        layout.blobs.iter().map(|(digest, bytes)| blob("blobs", &digest.to_string(), bytes)).collect();
    let (digest, manifest) = layout.blobs.last().unwrap();
    answers.extend([blob("manifests", "1", manifest), blob("manifests", &digest.to_string(), manifest)]);
    answers
}

/// Serves until the test ends. With `guarded` it wants a token first.
fn serve(answers: Answers, guarded: bool) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let answers = Arc::new(answers);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let answers = Arc::clone(&answers);
            std::thread::spawn(move || answer(&stream, &answers, guarded, port));
        }
    });
    port
}

fn answer(stream: &TcpStream, answers: &Answers, guarded: bool, port: u16) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    while let Some(request) = lines.next() {
        let headers: Vec<String> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
        let path = request.split(' ').nth(1).unwrap_or_default();
        let authorised = headers.iter().any(|line| line.to_lowercase() == format!("authorization: bearer {TOKEN}"));
        let (status, extra, body) = if path.starts_with("/token?") {
            assert!(
                path.contains("scope=repository%3Aapp%3Apull") || path.contains("scope=repository:app:pull"),
                "{path}"
            );
            (200, String::new(), format!("{{\"token\":\"{TOKEN}\"}}").into_bytes())
        } else if guarded && !authorised {
            let realm = format!("Bearer realm=\"http://127.0.0.1:{port}/token\",service=\"test\"");
            (401, format!("WWW-Authenticate: {realm}\r\n"), Vec::new())
        } else {
            let none = (404, String::new(), br#"{"errors":[{"message":"nothing here"}]}"#.to_vec());
            answers.get(path).cloned().unwrap_or(none)
        };
        let head = format!("HTTP/1.1 {status} X\r\n{extra}Content-Length: {}\r\n\r\n", body.len());
        let mut to = stream;
        if to.write_all(head.as_bytes()).and_then(|()| to.write_all(&body)).is_err() {
            break;
        }
    }
}

fn pull(cache: &Path, port: u16, name: &str) -> Result<AppImage, ImageError> {
    let source = ImageSource::parse(&format!("127.0.0.1:{port}/{name}")).unwrap();
    let options = ObtainOptions { deadline: Duration::from_secs(20), ..ObtainOptions::default() };
    obtain(cache, &source, &options, &mut |_: ImageEvent| {})
}

fn refusal(port: u16, name: &str) -> ImageError {
    pull(tempfile::tempdir().unwrap().path(), port, name).unwrap_err()
}

#[test]
fn an_image_is_pulled_with_and_without_a_token() {
    let directory = tempfile::tempdir().unwrap();
    let layout = layout();
    layout.write(&directory.path().join("layout"));
    let source = ImageSource::parse(directory.path().join("layout").to_str().unwrap()).unwrap();
    let local = obtain(&directory.path().join("1"), &source, &ObtainOptions::default(), &mut |_| {}).unwrap();
    for guarded in [false, true] {
        let port = serve(answers(&layout), guarded);
        let cache = directory.path().join(format!("cache-{guarded}"));
        let image = pull(&cache, port, "app:1").unwrap();
        assert_eq!((image.digest(), image.record.manifest), (local.digest(), local.record.manifest));
        let digest = image.record.manifest.unwrap();
        assert_eq!(pull(&cache, port, &format!("app@{digest}")).unwrap().digest(), local.digest());
    }
}

#[test]
fn what_a_registry_does_wrong_is_said() {
    let layout = layout();
    let port = serve(answers(&layout), false);
    let message = refusal(port, "app:none").to_string();
    assert!(message.contains("there is no image") && message.contains("app:none"), "{message}");
    let other = Digest::of(b"other");
    assert!(matches!(refusal(port, &format!("app@{other}")), ImageError::Registry { .. }));

    let spoilt = |path: String, answer: (u16, String, Vec<u8>)| {
        let mut answers = answers(&layout);
        assert!(answers.insert(path, answer).is_some());
        refusal(serve(answers, false), "app:1")
    };
    let layer = layout.blobs[0].0;
    let blob = format!("/v2/app/blobs/{layer}");
    let error = spoilt(blob.clone(), (404, String::new(), Vec::new()));
    assert!(matches!(error, ImageError::Missing { ref what, .. } if what == "layer 1 of 1"), "{error:?}");
    let mut damaged = layout.blobs[0].1.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let error = spoilt(blob.clone(), (200, String::new(), damaged));
    assert!(matches!(error, ImageError::Mismatch { .. }), "{error:?}");
    let error = spoilt(blob.clone(), (200, String::new(), vec![0; 100_000]));
    assert!(matches!(error, ImageError::Length { .. }), "{error:?}");
    let denied = br#"{"errors":[{"message":"not \u001b[31mtoday"}]}"#.to_vec();
    let message = spoilt(blob.clone(), (403, String::new(), denied)).to_string();
    assert!(message.contains("HTTP 403") && message.contains("today") && !message.contains('\u{1b}'), "{message}");
    let message = spoilt(blob, (429, String::new(), Vec::new())).to_string();
    assert!(message.contains("too often"), "{message}");
    let basic = "WWW-Authenticate: Basic realm=\"x\"\r\n".to_owned();
    let message = spoilt("/v2/app/manifests/1".to_owned(), (401, basic, Vec::new())).to_string();
    assert!(message.contains("credentials"), "{message}");
    let error = spoilt("/v2/app/manifests/1".to_owned(), (200, String::new(), b"<html>".to_vec()));
    assert!(matches!(error, ImageError::Document { ref what, .. } if what == "manifest"), "{error:?}");
    // By digest, another manifest is not taken.
    let manifest = layout.blobs.last().unwrap().0;
    let mut answers = answers(&layout);
    answers.insert(format!("/v2/app/manifests/{manifest}"), (200, String::new(), b"{}".to_vec()));
    let error = refusal(serve(answers, false), &format!("app@{manifest}"));
    assert!(matches!(error, ImageError::Mismatch { ref what, .. } if what == "manifest"), "{error:?}");
}

#[test]
fn a_registry_that_says_nothing_has_a_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let source = ImageSource::parse(&format!("{}/app:1", listener.local_addr().unwrap())).unwrap();
    let options = ObtainOptions { deadline: Duration::from_millis(200), ..ObtainOptions::default() };
    let cache = tempfile::tempdir().unwrap();
    let error = obtain(cache.path(), &source, &options, &mut |_| {}).unwrap_err();
    assert!(matches!(error, ImageError::Registry { .. }), "{error:?}");
    assert!(error.to_string().contains("timeout"), "{error}");
}

/// A registry that is removed with its process.
struct Registry(std::process::Child);

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[allow(clippy::print_stderr, reason = "a test that is skipped says why")]
fn an_image_is_pulled_from_a_real_registry() {
    let Some(program) = crate::host::find_tool("docker-registry") else {
        eprintln!("skipped: there is no docker-registry (package `docker-registry`)");
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = format!(
        "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:{port}\n",
        directory.path().join("storage").display()
    );
    std::fs::write(directory.path().join("config.yml"), config).unwrap();
    let mut command = std::process::Command::new(program);
    command.arg("serve").arg(directory.path().join("config.yml"));
    let quiet = std::process::Stdio::null;
    let _registry = Registry(command.stdout(quiet()).stderr(quiet()).spawn().unwrap());
    let connect = || TcpStream::connect(("127.0.0.1", port));
    let deadline = Clock.after(Duration::from_secs(60));
    while connect().is_err() {
        assert!(!Clock.until(deadline).is_zero(), "the registry does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }

    let layout = layout();
    let base = format!("http://127.0.0.1:{port}/v2/team/app");
    for (digest, bytes) in &layout.blobs {
        let started = ureq::post(format!("{base}/blobs/uploads/")).send_empty().unwrap();
        let location = started.headers()["location"].to_str().unwrap().to_owned();
        let done = ureq::put(&location).query("digest", digest.to_string()).send(bytes.as_slice()).unwrap();
        assert_eq!(done.status().as_u16(), 201);
    }
    let (digest, manifest) = layout.blobs.last().unwrap();
    let put = ureq::put(format!("{base}/manifests/1.0"));
    put.header("Content-Type", "application/vnd.oci.image.manifest.v1+json").send(manifest.as_slice()).unwrap();

    let cache = directory.path().join("cache");
    let image = pull(&cache, port, "team/app:1.0").unwrap();
    assert_eq!((image.record.manifest, image.record.entries), (Some(*digest), 3));
    let message = refusal(port, "team/app:2.0").to_string();
    assert!(message.contains("there is no image"), "{message}");
}

#[test]
fn only_this_host_is_spoken_to_without_tls() {
    for host in ["localhost", "localhost:5000", "127.0.0.1:80", "127.9.9.9", "[::1]:5000"] {
        assert!(is_loopback(host), "{host}");
    }
    for host in ["localhost.example", "10.0.0.1:5000", "127.0.0.1.example", "[::2]:1", "1270.0.0.1"] {
        assert!(!is_loopback(host), "{host}");
    }
}

#[test]
fn the_first_message_of_a_registry_is_taken() {
    let text = br#"{"errors":[{"code":"DENIED","message":"no"},{"message":"x"}]}"#;
    assert_eq!(message_of(text).as_deref(), Some("no"));
    assert_eq!(message_of(b"<html>"), None);
}

#[test]
fn dockers_registry_has_two_names() {
    let client = |text| Client::new(&Reference::parse(text).unwrap(), &ObtainOptions::default());
    assert!(client("docker.io/nginx").base.ends_with("/v2/library/nginx"));
    assert!(client("docker.io/a/b").base.ends_with("/v2/a/b"));
    assert_eq!(client("localhost:5000/a").base, "http://localhost:5000/v2/a");
    assert_eq!(client("r.example/a").base, "https://r.example/v2/a");
}
