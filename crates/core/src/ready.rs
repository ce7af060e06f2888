//! When a user's own application counts as ready.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The port of an HTTP condition that names none.
pub const DEFAULT_PORT: u16 = 80;
/// The status of an HTTP condition that names none.
pub const DEFAULT_STATUS: u16 = 200;
/// The longest path or line of a condition, in bytes.
pub const MAX_TEXT_BYTES: usize = 1024;

/// What ready means. Looked at inside the sandbox, over its loopback interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ready {
    /// `GET` of a path is answered with this status, and the whole body arrives.
    Http {
        /// The port.
        port: u16,
        /// The path, which begins with a slash.
        path: String,
        /// The status.
        status: u16,
    },
    /// A connection to this port is accepted.
    Tcp {
        /// The port.
        port: u16,
    },
    /// This text appears in what the application writes.
    Line(String),
    /// This path exists in the application's root.
    File(String),
}

impl Ready {
    /// Whether it has to be looked at again and again: a line announces itself, the others do not.
    pub fn is_polled(&self) -> bool {
        !matches!(self, Self::Line(_))
    }

    /// Checks what no sandbox could be asked for.
    ///
    /// # Errors
    /// What is wrong, and what to do.
    pub fn checked(self) -> Result<Self, NoReady> {
        let wrong = |message: &str, hint: &'static str| Err(NoReady { message: message.to_owned(), hint });
        let texts = match &self {
            Self::Http { port: 0, .. } | Self::Tcp { port: 0 } => {
                return wrong("port 0 is none that anybody listens on", "name a port from 1 to 65535");
            }
            Self::Http { status, .. } if !(100..=599).contains(status) => {
                return wrong(&format!("{status} is no HTTP status"), "name one from 100 to 599, such as 200");
            }
            Self::Http { path, .. } if !path.starts_with('/') => {
                return wrong("the path of `http` does not begin with a slash", "write `http = \"/\"`");
            }
            Self::Http { path, .. } if path.contains(|c: char| !c.is_ascii_graphic()) => {
                return wrong("the path of `http` holds what no request can", "encode it: a space is `%20`");
            }
            Self::File(path) if !path.starts_with('/') => {
                return wrong("the path of `file` does not begin with a slash", "write `file = \"/run/app.pid\"`");
            }
            Self::Http { path, .. } => path,
            Self::Tcp { .. } => return Ok(self),
            Self::Line(text) | Self::File(text) => text,
        };
        if texts.is_empty() || texts.len() > MAX_TEXT_BYTES || texts.chars().any(char::is_control) {
            return wrong("its text is empty, too long, or holds a control character", "write 1 to 1024 bytes");
        }
        Ok(self)
    }
}

impl fmt::Display for Ready {
    /// The canonical form: `http 80 / 200`, `tcp 80`, `line ready`, `file /run/app.pid`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http { port, path, status } => write!(f, "http {port} {path} {status}"),
            Self::Tcp { port } => write!(f, "tcp {port}"),
            Self::Line(text) => write!(f, "line {text}"),
            Self::File(path) => write!(f, "file {path}"),
        }
    }
}

/// Why a text is no condition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct NoReady {
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: &'static str,
}

impl FromStr for Ready {
    type Err = NoReady;

    /// Reads the canonical form; port and status of `http` may be left out (`http /`).
    fn from_str(text: &str) -> Result<Self, NoReady> {
        let hint = "write `http 80 / 200`, `tcp 80`, `line ready` or `file /run/app.pid`";
        let unknown = || NoReady { message: format!("`{}` is no condition", text.escape_debug()), hint };
        let (kind, rest) = text.split_once(' ').ok_or_else(unknown)?;
        let number = |text: &str| text.parse::<u16>().map_err(|_| unknown());
        match kind {
            "tcp" => Self::Tcp { port: number(rest)? }.checked(),
            "line" => Self::Line(rest.to_owned()).checked(),
            "file" => Self::File(rest.to_owned()).checked(),
            "http" => {
                let words: Vec<&str> = rest.split(' ').collect();
                let (port, path, status) = match words.as_slice() {
                    [path] => (DEFAULT_PORT, *path, DEFAULT_STATUS),
                    [port, path] if !port.starts_with('/') => (number(port)?, *path, DEFAULT_STATUS),
                    [port, path, status] => (number(port)?, *path, number(status)?),
                    _ => return Err(unknown()),
                };
                Self::Http { port, path: path.to_owned(), status }.checked()
            }
            _ => Err(unknown()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_left_out_has_defaults() {
        let page = |port| Ready::Http { port, path: "/x".to_owned(), status: 200 };
        assert_eq!("http /x".parse(), Ok(page(80)));
        assert_eq!("http 8080 /x".parse(), Ok(page(8080)));
        assert_eq!("http 8080 /x 200".parse(), Ok(page(8080)));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for text in [
            "",
            "tcp",
            "tcp x",
            "tcp 0",
            "tcp 65536",
            "http x",
            "http 80 / 99",
            "http 80 /a b 200",
            "http 80 / 200 1",
            "line ",
            "line a\nb",
            "file run/x",
            "udp 53",
            "http 80 /\u{e9} 200",
        ] {
            assert!(text.parse::<Ready>().is_err(), "{text:?}");
        }
        assert!(Ready::Line("x".repeat(1025)).checked().is_err());
    }

    proptest! {
        #[test]
        fn the_canonical_form_reads_back(
            port in 1_u16.., status in 100_u16..600, path in "/[!-~]{0,20}", line in "[^\\p{C}]{1,20}",
        ) {
            let http = Ready::Http { port, path: path.clone(), status };
            for ready in [http, Ready::Tcp { port }, Ready::Line(line), Ready::File(path)] {
                prop_assert_eq!(ready.to_string().parse(), Ok(ready));
            }
        }
    }
}
