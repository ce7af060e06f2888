//! Bytes as text, or a clear word on why they are none.

use super::{ImportError, SourceFile};
use std::path::Path;

/// How far [`beginning`] looks.
const BEGINNING_BYTES: usize = 64 << 10;

/// The text of a file, without a byte order mark.
///
/// # Errors
/// If it is UTF-16 or UTF-32, is not UTF-8, or has a null character: with the line.
pub fn utf8(file: &SourceFile) -> Result<&str, ImportError> {
    let bytes = file.bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&file.bytes);
    if bytes.starts_with(b"\xFF\xFE") || bytes.starts_with(b"\xFE\xFF") {
        return Err(ImportError::at(
            &file.name,
            1,
            "it is UTF-16, UTF-8 is needed: `iconv -f UTF-16 -t UTF-8` makes it",
        ));
    }
    if bytes.starts_with(b"\x1F\x8B") {
        return Err(ImportError::at(&file.name, 1, "it is compressed: unpack it with `gunzip`"));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        ImportError::at(&file.name, line_of(bytes, at), format!("byte {} is not UTF-8", at + 1))
    })?;
    match bytes.iter().position(|byte| *byte == 0) {
        Some(at) => {
            let hint = if at == 1 { ": is it UTF-16 without a mark?" } else { "" };
            let message = format!("byte {} is a null character, which no text has{hint}", at + 1);
            Err(ImportError::at(&file.name, line_of(bytes, at), message))
        }
        None => Ok(text),
    }
}

/// The line of a place in bytes, from 1.
fn line_of(bytes: &[u8], at: usize) -> u64 {
    1 + bytes.iter().take(at).filter(|byte| **byte == b'\n').count() as u64
}

/// The beginning of a file as text, for recognising it: what is no text is replaced.
pub fn beginning(file: &SourceFile) -> String {
    let bytes = file.bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&file.bytes);
    String::from_utf8_lossy(&bytes[..bytes.len().min(BEGINNING_BYTES)]).into_owned()
}

/// The first line of a file, trimmed, for recognising it.
pub fn first_line(file: &SourceFile) -> String {
    beginning(file).lines().next().unwrap_or_default().trim().to_owned()
}

/// Whether a file looks like a JSON object (or an array of them) that has all these keys near its beginning.
pub fn is_json_with(file: &SourceFile, keys: &[&str]) -> bool {
    let text = beginning(file);
    text.trim_start().starts_with(['{', '[']) && keys.iter().all(|key| text.contains(&format!("\"{key}\"")))
}

/// The last part of a file's name.
pub fn base_name(file: &SourceFile) -> &str {
    Path::new(&file.name).file_name().and_then(|name| name.to_str()).unwrap_or(&file.name)
}

/// The last part of a file's name without its ending.
pub fn stem(file: &SourceFile) -> &str {
    Path::new(&file.name).file_stem().and_then(|name| name.to_str()).unwrap_or(&file.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(bytes: &[u8]) -> SourceFile {
        SourceFile { name: "x".to_owned(), bytes: bytes.to_vec() }
    }

    #[test]
    fn what_is_no_text_is_said_with_its_line() {
        assert_eq!(utf8(&file(b"\xEF\xBB\xBFa\r\n")), Ok("a\r\n"));
        let message = |bytes: &[u8]| utf8(&file(bytes)).unwrap_err().to_string();
        assert_eq!(message(b"\xFF\xFEa\0"), "x:1: it is UTF-16, UTF-8 is needed: `iconv -f UTF-16 -t UTF-8` makes it");
        assert_eq!(message(b"a\nb\xFFc"), "x:2: byte 4 is not UTF-8");
        assert_eq!(message(b"a\nb\n\0"), "x:3: byte 5 is a null character, which no text has");
        assert!(message(b"{\0\"\0").ends_with("is it UTF-16 without a mark?"));
        assert!(message(b"\x1F\x8B\x08").contains("gunzip"));
    }

    #[test]
    fn keys_are_seen() {
        assert!(is_json_with(&file(b" {\"a\": 1, \"b\":2}"), &["a", "b"]));
        assert!(!is_json_with(&file(b"a,\"b\""), &["b"]));
    }
}
