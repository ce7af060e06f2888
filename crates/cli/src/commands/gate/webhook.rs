//! Telling a webhook: one POST of JSON with a deadline, by `curl`.
//!
//! Only `https` matters in practice, and a TLS stack would be a fifth of this program; `curl` is on every CI machine.

use crate::exit::Trouble;
use isodyne_core::gate::GateResult;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The longest that it may take, in seconds.
const DEADLINE_S: &str = "10";

/// An address that is sound.
pub struct Webhook(String);

impl Webhook {
    /// Only `http` and `https` with a host, without characters that have no place in a URL.
    pub fn parse(text: &str) -> Result<Self, Trouble> {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let sound = text.len() <= 2048 && text.chars().all(|c| c.is_ascii_graphic() && !"\"\\<>{}|^`".contains(c));
        if sound && rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/')) {
            return Ok(Self(text.to_owned()));
        }
        Err(Trouble::usage("--webhook needs a URL", "write it as https://example.org/path"))
    }

    /// Sends the result. The error says what went wrong, without the address: it may hold a secret.
    pub fn post(&self, result: &GateResult) -> Result<(), String> {
        let body = serde_json::to_vec(result).map_err(|error| error.to_string())?;
        // The address goes by a configuration on standard input, where no list of processes shows it; the body by a
        // file, because a line of a configuration has a limit.
        let file = Body::write(&body)?;
        let config = format!(
            "url = \"{}\"\nrequest = POST\nheader = \"Content-Type: application/json\"\ndata-binary = \"@{}\"\n",
            self.0,
            file.0.display().to_string().replace('\\', "\\\\").replace('"', "\\\"")
        );
        let mut child = Command::new("curl")
            .args(["--silent", "--show-error", "--fail", "--max-time", DEADLINE_S, "--proto", "=http,https"])
            .args(["--globoff", "--output", "/dev/null", "--config", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| match error.kind() {
                std::io::ErrorKind::NotFound => "there is no `curl` on PATH; install it".to_owned(),
                _ => format!("curl does not start: {error}"),
            })?;
        if let Some(mut stdin) = child.stdin.take() {
            // If curl has ended before, its status says why.
            let _ = stdin.write_all(config.as_bytes());
        }
        let done = child.wait_with_output().map_err(|error| error.to_string())?;
        if done.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&done.stderr);
        let line = said.lines().next().unwrap_or("curl says nothing");
        Err(line.chars().filter(|c| !c.is_control()).take(300).collect::<String>().replace(&self.0, "…"))
    }
}

/// The body on disk, removed with this value.
struct Body(PathBuf);

impl Body {
    fn write(body: &[u8]) -> Result<Self, String> {
        let path = std::env::temp_dir().join(format!("isodyne-webhook-{}.json", std::process::id()));
        // A file that somebody has put there before is not written through.
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let mut file = made.map_err(|error| format!("cannot make {}: {error}", path.display()))?;
        let own = Self(path);
        file.write_all(body).map_err(|error| format!("cannot write {}: {error}", own.0.display()))?;
        Ok(own)
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        // It is a few kilobytes in the place for temporary files.
        let _ = std::fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_are_addresses() {
        assert!(Webhook::parse("https://hooks.example.org/a?b=c").is_ok());
        for wrong in ["", "file:///etc/passwd", "https://", "http:///x", "https://a\"\nurl = \"b", "https://a b"] {
            assert!(Webhook::parse(wrong).is_err(), "{wrong}");
        }
    }
}
