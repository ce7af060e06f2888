//! References to images in registries: `HOST[:PORT]/NAME[:TAG][@DIGEST]`.

use super::digest::Digest;
use std::fmt;

/// A reference to an image in a registry. The registry is always named: a name without one would mean whichever
/// registry somebody has configured, and a mistyped path would be looked for in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Host and port, as written.
    pub registry: String,
    /// The path in the registry.
    pub repository: String,
    /// The tag; `latest` unless said, and `None` if there is only a digest.
    pub tag: Option<String>,
    /// The digest, which is then what is fetched.
    pub digest: Option<Digest>,
}

impl Reference {
    /// Reads a reference.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > 1024 {
            return Err("it is longer than 1024 bytes".to_owned());
        }
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(Digest::parse(digest).map_err(|error| error.to_string())?)),
            None => (text, None),
        };
        let (registry, rest) = name
            .split_once('/')
            .filter(|(host, _)| is_host(host))
            .ok_or("it does not begin with a registry; write HOST/NAME:TAG, or ./NAME for a file")?;
        // Names of hosts have at most 253 bytes; with the limits of the other parts, what is written can be read again.
        if registry.len() > 300 {
            return Err("its registry is longer than 300 bytes".to_owned());
        }
        let (repository, tag) = match rest.rsplit_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (rest, None),
        };
        if repository.len() > 255 || !repository.split('/').all(is_component) {
            return Err(format!(
                "`{repository}` is no name of an image: lower-case letters and digits, between them `.`, `_`, `-`, `/`"
            ));
        }
        if let Some(tag) = tag.filter(|tag| !is_tag(tag)) {
            return Err(format!("`{tag}` is no tag: at most 128 of letters, digits, `_`, `.` and `-`"));
        }
        let tag = tag.or(digest.is_none().then_some("latest")).map(str::to_owned);
        Ok(Self { registry: registry.to_owned(), repository: repository.to_owned(), tag, digest })
    }

    /// What stands for the manifest in a request: the digest if there is one, else the tag.
    pub(super) fn manifest(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.clone(),
            (None, None) => "latest".to_owned(),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        self.digest.iter().try_for_each(|digest| write!(f, "@{digest}"))
    }
}

/// A host has a dot or a port in it, or is this one; else it is the first part of a name.
fn is_host(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        Some((host, port)) => {
            if host.parse::<std::net::Ipv6Addr>().is_err() {
                return false;
            }
            (None, port.strip_prefix(':').or((!port.is_empty()).then_some("")))
        }
        None => match text.split_once(':') {
            Some((host, port)) => (Some(host), Some(port)),
            None => (Some(text), None),
        },
    };
    let is_port = port.is_none_or(|port| {
        port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    let label = |label: &str| {
        let middle = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        middle && !label.is_empty() && !label.starts_with('-') && !label.ends_with('-')
    };
    let is_name = host
        .is_none_or(|host| host.split('.').all(label) && (host.contains('.') || port.is_some() || host == "localhost"));
    is_port && is_name
}

/// Lower-case letters and digits, with single separators between them (`__` and any number of `-` too).
fn is_component(text: &str) -> bool {
    let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let separator = |run: &str| matches!(run, "." | "_" | "__") || run.bytes().all(|byte| byte == b'-');
    edge(text.bytes().next())
        && edge(text.bytes().next_back())
        && text
            .split(|character: char| character.is_ascii_lowercase() || character.is_ascii_digit())
            .all(|run| run.is_empty() || separator(run))
}

fn is_tag(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    (1..=128).contains(&text.len()) && text.bytes().all(inner) && !text.starts_with(['.', '-'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_written_as_they_are_read() {
        let digest = Digest::of(b"x");
        for text in [
            "registry.example/team/app:1.0",
            "localhost:5000/app:latest",
            "127.0.0.1:5000/a/b/c:v_1.2-x",
            "[::1]:5000/a:1",
            "registry.example/a__b/c--d.e:1",
            &format!("registry.example/app@{digest}"),
            &format!("registry.example/app:1@{digest}"),
        ] {
            assert_eq!(Reference::parse(text).map(|reference| reference.to_string()).as_deref(), Ok(text));
        }
        assert_eq!(Reference::parse("localhost/app").unwrap().manifest(), "latest");
        assert_eq!(Reference::parse(&format!("r.example/app:1@{digest}")).unwrap().manifest(), digest.to_string());
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        for text in [
            "",
            "nginx",
            "nginx:1.27",
            "library/nginx",
            "nginx.tar",
            "dir/image.tar",
            "-x.example/app",
            "r.example/",
            "r.example/App",
            "r.example/a//b",
            "r.example/../b",
            "r.example/a:",
            "r.example/a:.x",
            "r.example/a b",
            "r.example/a@sha256:12",
            "r.example:0/a",
            "r.example:99999/a",
            "r.example:/a",
            "r.example/a?b",
            "[x]/a",
            "[::1]x/a",
            "user@r.example/a",
            "r.example/a._b",
            "r.example/a#b",
            "r.example/%2e%2e/a",
        ] {
            assert!(Reference::parse(text).is_err(), "{text}");
        }
    }
}
