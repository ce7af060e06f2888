//! The list of what is wrong with one plan, with places turned into lines and columns.

use crate::diagnostic::Diagnostic;

/// So many diagnostics are shown; a file with more is another kind of file.
const MOST_SHOWN: usize = 50;

/// Where something stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// The plan as a whole.
    Whole,
    /// At this byte of the plan's text.
    Text(usize),
    /// On the command line; the text names the argument (`--set boot.timeout`).
    Argument(String),
}

/// One thing that is wrong, its place not yet turned into line and column.
#[derive(PartialEq, Eq)]
struct Finding {
    at: Place,
    key: String,
    message: String,
    hint: Option<String>,
}

/// What is wrong, as it is found.
pub(super) struct Findings<'a> {
    file: &'a str,
    text: &'a str,
    line_starts: Vec<usize>,
    list: Vec<Finding>,
}

impl<'a> Findings<'a> {
    /// An empty list for a plan's text.
    pub(super) fn new(file: &'a str, text: &'a str) -> Self {
        let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { file, text, line_starts, list: Vec::new() }
    }

    /// Whether nothing is wrong so far.
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Adds one.
    pub(super) fn add(&mut self, at: &Place, key: &str, message: impl Into<String>, hint: Option<String>) {
        self.list.push(Finding { at: at.clone(), key: key.to_owned(), message: message.into(), hint });
    }

    /// All of them: the whole plan first, then in the order of the text, then the arguments.
    pub(super) fn into_diagnostics(mut self) -> Vec<Diagnostic> {
        let mut list = std::mem::take(&mut self.list);
        list.sort_by(|one, other| one.at.cmp(&other.at));
        list.dedup();
        let hidden = list.len().saturating_sub(MOST_SHOWN);
        // Places are worked out for what is shown only: a hostile plan can hold very many errors on one long line.
        let mut shown: Vec<Diagnostic> =
            list.into_iter().take(MOST_SHOWN).map(|finding| self.diagnostic(finding)).collect();
        if hidden > 0 {
            let message = format!("{hidden} more errors are not shown");
            shown.push(self.diagnostic(Finding { at: Place::Whole, key: String::new(), message, hint: None }));
        }
        shown
    }

    fn diagnostic(&self, finding: Finding) -> Diagnostic {
        let (file, position) = match &finding.at {
            Place::Whole => (self.file, None),
            Place::Text(offset) => (self.file, Some(self.position(*offset))),
            Place::Argument(argument) => (argument.as_str(), None),
        };
        Diagnostic {
            file: file.to_owned(),
            line: position.map(|(line, _)| line),
            column: position.map(|(_, column)| column),
            key: finding.key,
            message: finding.message,
            hint: finding.hint,
        }
    }

    /// Line and column of a byte, both from 1; columns count characters.
    fn position(&self, offset: usize) -> (u32, u32) {
        let line = self.line_starts.partition_point(|start| *start <= offset).saturating_sub(1);
        let mut end = offset.min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        let before = self.text.get(self.line_starts[line]..end).unwrap_or_default();
        let column = before.chars().filter(|c| *c != '\u{feff}').count() + 1;
        (u32::try_from(line + 1).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_lines_count_from_one() {
        let findings = Findings::new("plan.toml", "a\n\u{e4}\u{e4}x\n");
        assert_eq!(findings.position(0), (1, 1));
        assert_eq!(findings.position(2), (2, 1));
        assert_eq!(findings.position(6), (2, 3));
        assert_eq!(findings.position(3), (2, 1));
        assert_eq!(findings.position(999), (3, 1));
    }
}
