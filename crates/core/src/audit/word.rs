//! Words in names: `vm_spawn_ns` has the words `vm`, `spawn` and `ns`.

/// The words of a name or a text, in lower case.
pub(super) fn words(name: &str) -> impl Iterator<Item = String> + '_ {
    name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase)
}

/// Whether the name has one of these words.
pub(super) fn has_word(name: &str, wanted: &[&str]) -> bool {
    words(name).any(|word| wanted.contains(&word.as_str()))
}

/// Whether a name is that of a time there and back.
pub(super) fn is_round_trip(name: &str) -> bool {
    has_word(name, &["roundtrip", "rtt"]) || name.contains("round_trip")
}

/// A short text of a file as it may be printed: one line, no control characters, not too long.
pub(super) fn printable(text: &str) -> String {
    let safe: String = text.chars().take(120).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(120).is_some() { format!("{safe}…") } else { safe }
}

/// A share in percent for people.
pub(super) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent.abs() >= 10.0 { format!("{percent:.0} %") } else { format!("{percent:.2} %") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_split_into_words() {
        assert!(has_word("vm_spawn_ns", &["spawn"]));
        assert!(!has_word("respawned_ns", &["spawn"]));
        assert_eq!(printable("a\u{1b}[31m\nb"), "a [31m b");
        assert_eq!(percent(0.933), "93 %");
    }
}
