//! What a registry asks for when it wants a token.

/// The parts of a `Bearer` challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Challenge {
    /// Where a token is to be had.
    pub(super) realm: String,
    pub(super) service: Option<String>,
}

impl Challenge {
    /// Reads the header; `None` if it asks for something else than a token.
    pub(super) fn parse(header: &str) -> Option<Self> {
        let (scheme, rest) = header.trim().split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("bearer") || header.len() > 4096 {
            return None;
        }
        let (mut realm, mut service) = (None, None);
        let mut rest = rest.trim_start();
        while let Some((key, value)) = rest.split_once('=') {
            let (value, behind) = match value.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"')?,
                None => value
                    .split_once(',')
                    .map_or((value, ""), |(value, _)| (value, &rest[key.len() + 1 + value.len()..])),
            };
            match key.trim().to_ascii_lowercase().as_str() {
                "realm" => realm = Some(value.to_owned()),
                "service" => service = Some(value.to_owned()),
                _ => {}
            }
            rest = behind.trim_start_matches([',', ' ']);
        }
        Some(Self { realm: realm.filter(|realm| !realm.is_empty())?, service })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_for_tokens_is_found() {
        let header = r#"Bearer realm="https://auth.example/token",service="r.example",scope="repository:a:pull,push""#;
        let challenge = Challenge::parse(header).unwrap();
        assert_eq!(challenge.realm, "https://auth.example/token");
        assert_eq!(challenge.service.as_deref(), Some("r.example"));
        let challenge = Challenge::parse("bearer service=x, realm=https://a.example").unwrap();
        assert_eq!((challenge.realm.as_str(), challenge.service.as_deref()), ("https://a.example", Some("x")));
    }

    #[test]
    fn what_asks_for_something_else_is_none() {
        for header in ["", "Basic realm=\"x\"", "Bearer", "Bearer service=x", "Bearer realm=\"x", "Bearer realm="] {
            assert_eq!(Challenge::parse(header), None, "{header}");
        }
    }
}
