//! Diagnostics: what is wrong with a text that a user wrote, where, and what to do about it.

use serde::Serialize;
use std::fmt;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// The file's name as the user gave it, or the argument (`--set boot.timeout`); empty if there is neither.
    pub file: String,
    /// The line, from 1; `None` for arguments and for what concerns the whole file.
    pub line: Option<u32>,
    /// The column in characters, from 1.
    pub column: Option<u32>,
    /// The path of the key it is about (`backend.qemu.memory`); empty for the whole plan.
    pub key: String,
    /// What is wrong, as a lowercase fragment.
    pub message: String,
    /// What to do, as a lowercase fragment.
    pub hint: Option<String>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("error: ")?;
        if !self.file.is_empty() {
            write!(f, "{}", printable(&self.file))?;
            if let (Some(line), Some(column)) = (self.line, self.column) {
                write!(f, ":{line}:{column}")?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&printable(&self.message))?;
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {}", printable(hint))?;
        }
        Ok(())
    }
}

/// All diagnostics as one text, in the order given.
pub fn render(diagnostics: &[Diagnostic]) -> String {
    diagnostics.iter().map(Diagnostic::to_string).collect::<Vec<_>>().join("\n")
}

/// The text without control characters: a foreign plan must not drive the user's terminal.
fn printable(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

/// A user's word in backquotes, shortened if it is long.
pub fn quoted(word: &str) -> String {
    const LONGEST: usize = 60;
    match word.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("`{}…`", &word[..end]),
        None => format!("`{word}`"),
    }
}

/// The known word that was probably meant; `None` if none is close.
///
/// Close is: at most one slip (a letter wrong, missing, too many, or two swapped) for every three letters.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const LONGEST: usize = 64;
    if word.is_empty() || word.len() > LONGEST {
        return None;
    }
    let lowered = word.to_lowercase();
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&lowered, &candidate.to_lowercase()), candidate))
        .filter(|(slips, candidate)| *slips <= (word.chars().count().min(candidate.chars().count()) / 3).max(1))
        .filter(|(slips, candidate)| *slips < candidate.chars().count())
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, candidate)| candidate)
}

/// The hint for an unknown word: the one that was probably meant, or all that there are.
pub fn hint_for<'a>(word: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    match did_you_mean(word, known.clone()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("known: {}", known.into_iter().collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_close_words_are_suggested() {
        let known = ["process", "runc", "crun", "runsc", "qemu", "firecracker"];
        assert_eq!(did_you_mean("qmeu", known), Some("qemu"));
        assert_eq!(did_you_mean("QEMU", known), Some("qemu"));
        assert_eq!(did_you_mean("runs", known), Some("runc"));
        assert_eq!(did_you_mean("fire-cracker", known), Some("firecracker"));
        assert_eq!(did_you_mean("xen", known), None);
        assert_eq!(did_you_mean("", known), None);
        assert_eq!(did_you_mean("x", ["y"]), None);
        assert_eq!(did_you_mean(&"runc".repeat(100), known), None);
    }

    #[test]
    fn rendering_names_the_place_and_the_way_out() {
        let mut diagnostic = Diagnostic {
            file: "plan.toml".to_owned(),
            line: Some(14),
            column: Some(3),
            key: "boot.sampels".to_owned(),
            message: "unknown key `sampels` in [boot]".to_owned(),
            hint: Some("did you mean `samples`?".to_owned()),
        };
        assert_eq!(
            diagnostic.to_string(),
            "error: plan.toml:14:3: unknown key `sampels` in [boot]\n  hint: did you mean `samples`?"
        );
        (diagnostic.line, diagnostic.column, diagnostic.hint) = (None, None, None);
        diagnostic.message = "unknown key `\u{1b}[31m`".to_owned();
        assert_eq!(diagnostic.to_string(), "error: plan.toml: unknown key `\\u{1b}[31m`");
    }

    #[test]
    fn long_words_are_shortened() {
        assert_eq!(quoted("short"), "`short`");
        assert_eq!(quoted(&"ä".repeat(100)), format!("`{}…`", "ä".repeat(60)));
    }
}
