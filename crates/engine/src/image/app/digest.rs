//! Digests as OCI documents state them: `sha256:` and 64 hexadecimal digits.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// A SHA-256, shown as `sha256:…`. No other algorithm is taken.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

/// Why a text is no digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// An algorithm that is registered, but that nobody here computes.
    #[error("digests by `{0}` are not taken, only sha256")]
    Algorithm(String),
    /// Neither.
    #[error("`{0}` is no digest (sha256: and 64 lower-case hexadecimal digits)")]
    Malformed(String),
}

impl Digest {
    /// The digest of bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// What a hash has come to.
    pub(super) fn finish(hash: Sha256) -> Self {
        Self(hash.finalize().into())
    }

    /// Reads `sha256:…`.
    ///
    /// # Errors
    /// [`DigestError`] for another algorithm and for what is no digest.
    pub fn parse(text: &str) -> Result<Self, DigestError> {
        let malformed = || DigestError::Malformed(text.chars().take(100).collect());
        let (algorithm, digits) = text.split_once(':').ok_or_else(malformed)?;
        if algorithm == "sha512" || algorithm == "blake3" {
            return Err(DigestError::Algorithm(algorithm.to_owned()));
        }
        if algorithm == "sha256" { Self::from_hex(digits).ok_or_else(malformed) } else { Err(malformed()) }
    }

    /// Reads the 64 digits alone.
    pub fn from_hex(digits: &str) -> Option<Self> {
        let digits = digits.as_bytes();
        if digits.len() != 64 {
            return None;
        }
        let value = |digit: u8| match digit {
            b'0'..=b'9' => Some(digit - b'0'),
            b'a'..=b'f' => Some(digit - b'a' + 10),
            _ => None,
        };
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = value(pair[0])? << 4 | value(pair[1])?;
        }
        Some(Self(bytes))
    }

    /// The 64 digits alone.
    pub fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// An identifier for a file system that follows from the digest: version 8 of RFC 9562, which is for such uses.
    pub(super) fn uuid(&self) -> String {
        let mut bytes = self.0;
        bytes[6] = bytes[6] & 0x0f | 0x80;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let hex = Self(bytes).hex();
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..32])
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for Digest {
    type Error = DigestError;

    fn try_from(text: String) -> Result<Self, DigestError> {
        Self::parse(&text)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_written_as_it_is_read() {
        // `printf hello | sha256sum` (GNU coreutils 9.1).
        let text = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
        assert_eq!(Digest::parse(text), Ok(Digest::of(b"hello")));
        assert_eq!(Digest::of(b"hello").to_string(), text);
        assert_eq!(Digest::of(b"hello").uuid(), "2cf24dba-5fb0-830e-a6e8-3b2ac5b9e29e");
    }

    #[test]
    fn what_is_no_digest_is_said() {
        assert_eq!(Digest::parse("sha512:00"), Err(DigestError::Algorithm("sha512".to_owned())));
        for text in ["", "sha256", "sha256:", "sha256:2CF2", "../../x", &format!("sha256:{}", "g".repeat(64))] {
            assert!(matches!(Digest::parse(text), Err(DigestError::Malformed(_))), "{text}");
        }
    }
}
