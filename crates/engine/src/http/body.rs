//! Bodies of replies: by length, in chunks, or up to the end of the connection.

/// How the end of a body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyKind {
    /// After so many bytes.
    Length(usize),
    /// After the last chunk.
    Chunked,
    /// When the connection closes.
    UntilClose,
}

impl BodyKind {
    pub(super) fn of(status: u16, headers: &[httparse::Header<'_>]) -> Result<Self, String> {
        if (100..200).contains(&status) || status == 204 || status == 304 {
            return Ok(Self::Length(0));
        }
        let value = |name: &str| {
            headers
                .iter()
                .find(|header| header.name.eq_ignore_ascii_case(name))
                .map(|header| String::from_utf8_lossy(header.value).trim().to_owned())
        };
        if value("transfer-encoding").is_some_and(|encoding| encoding.eq_ignore_ascii_case("chunked")) {
            return Ok(Self::Chunked);
        }
        match value("content-length") {
            Some(length) => length.parse().map(Self::Length).map_err(|_| format!("content-length `{length}`")),
            None => Ok(Self::UntilClose),
        }
    }
}

/// Decodes a body from the bytes so far: the body and how many bytes it took, or `None` if it is not complete.
pub(crate) fn decode(
    kind: BodyKind,
    bytes: &[u8],
    limit: usize,
    closed: bool,
) -> Result<Option<(Vec<u8>, usize)>, String> {
    let too_large = || format!("its body is larger than {limit} bytes");
    match kind {
        BodyKind::Length(length) if length > limit => Err(too_large()),
        BodyKind::Length(length) => Ok(bytes.get(..length).map(|body| (body.to_vec(), length))),
        BodyKind::Chunked => chunks(bytes, limit),
        BodyKind::UntilClose if bytes.len() > limit => Err(too_large()),
        BodyKind::UntilClose => Ok(closed.then(|| (bytes.to_vec(), bytes.len()))),
    }
}

fn chunks(bytes: &[u8], limit: usize) -> Result<Option<(Vec<u8>, usize)>, String> {
    let (mut body, mut offset) = (Vec::new(), 0);
    loop {
        let rest = &bytes[offset..];
        let (line, size) = match httparse::parse_chunk_size(rest) {
            Ok(httparse::Status::Complete(parsed)) => parsed,
            Ok(httparse::Status::Partial) if rest.len() > 1024 => return Err("a chunk's size has no end".to_owned()),
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err("a chunk's size cannot be read".to_owned()),
        };
        let size = usize::try_from(size).ok().filter(|size| body.len().saturating_add(*size) <= limit);
        let size = size.ok_or_else(|| format!("its body is larger than {limit} bytes"))?;
        // Behind the chunk comes an empty line; trailers are not used by the APIs we speak to.
        let Some(chunk) = rest.get(line..line + size + 2) else { return Ok(None) };
        if &chunk[size..] != b"\r\n" {
            return Err("a chunk is longer than it says".to_owned());
        }
        body.extend_from_slice(&chunk[..size]);
        offset += line + size + 2;
        if size == 0 {
            return Ok(Some((body, offset)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_joined_and_the_rest_is_left() {
        let bytes = b"4\r\nWiki\r\n5;x=y\r\npedia\r\n0\r\n\r\nHTTP/1.1";
        assert_eq!(decode(BodyKind::Chunked, bytes, 100, false), Ok(Some((b"Wikipedia".to_vec(), 28))));
        for end in 0..28 {
            assert_eq!(decode(BodyKind::Chunked, &bytes[..end], 100, false), Ok(None), "cut at {end}");
        }
    }

    #[test]
    fn what_is_too_large_is_refused_before_it_is_read() {
        assert!(decode(BodyKind::Chunked, b"ffffffff\r\n", 100, false).is_err());
        assert!(decode(BodyKind::Chunked, b"ffffffffffffffffff\r\n", 100, false).is_err());
        assert!(decode(BodyKind::Length(101), b"", 100, false).is_err());
        assert!(decode(BodyKind::UntilClose, &[0; 101], 100, false).is_err());
        assert!(decode(BodyKind::Chunked, b"2\r\nabc\r\n", 100, false).is_err());
    }
}
