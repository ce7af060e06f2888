//! Tables and notes for a terminal or a log. Everything is returned as text; nothing is printed.

mod audit;
mod calibration;
pub(crate) mod comparison;
mod doctor;
pub(crate) mod gate;
mod grid;
mod imported;
mod inspection;
mod kept;
mod list;
pub(crate) mod notes;
mod open_loop;
mod phases;
mod run;
pub(crate) mod trend;

pub(crate) use audit::subject;
pub use audit::{audit_table, rules_table};
pub use calibration::calibration_table;
pub use comparison::comparison_table;
pub use doctor::doctor_table;
pub use gate::gate_table;
pub use inspection::{inspection_text, inspection_tree};
pub use list::{ListedRun, list_table, runs_table};
pub use run::run_table;
pub use trend::{trend_markdown, trend_text};

use anstyle::{AnsiColor, Effects};

/// How text may look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Whether ANSI styles may be used; the caller knows about NO_COLOR and terminals.
    pub color: bool,
    /// How many columns there are; never taken as fewer than 60.
    pub width: usize,
}

impl Default for Style {
    fn default() -> Self {
        Self { color: false, width: 100 }
    }
}

impl Style {
    fn columns(self) -> usize {
        self.width.max(60)
    }
    fn paint(self, style: anstyle::Style, text: &str) -> String {
        if self.color && !text.is_empty() { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
    fn strong(self, text: &str) -> String {
        self.paint(anstyle::Style::new().effects(Effects::BOLD), text)
    }
    fn quiet(self, text: &str) -> String {
        self.paint(anstyle::Style::new().effects(Effects::DIMMED), text)
    }
    fn warning(self, text: &str) -> String {
        self.paint(AnsiColor::Yellow.on_default(), text)
    }
    fn bad(self, text: &str) -> String {
        self.paint(AnsiColor::Red.on_default(), text)
    }
}

/// Breaks text at spaces into lines of at most `width` characters; a longer word is broken where it must be.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(10);
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let mut word: Vec<char> = word.chars().collect();
        while !word.is_empty() {
            let used = line.chars().count();
            let gap = usize::from(used > 0);
            if used + gap + word.len() <= width {
                line.extend(std::iter::repeat_n(' ', gap).chain(word.drain(..)));
            } else if used > 0 {
                lines.push(std::mem::take(&mut line));
            } else {
                lines.push(word.drain(..width).collect());
            }
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// Puts items into lines of at most `width` characters and breaks only between items; a longer item has its own line.
fn wrap_items(items: &[String], separator: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for item in items {
        match lines.last_mut() {
            Some(line) if line.chars().count() + separator.chars().count() + item.chars().count() <= width => {
                line.push_str(separator);
                line.push_str(item);
            }
            _ => lines.push(item.clone()),
        }
    }
    lines
}

/// A wrapped paragraph, its first line after `first`, the others below the text of the first.
fn paragraph(first: &str, text: &str, width: usize) -> Vec<String> {
    let indent = first.chars().count();
    wrap(text, width.saturating_sub(indent))
        .into_iter()
        .enumerate()
        .map(|(index, line)| if index == 0 { format!("{first}{line}") } else { format!("{:indent$}{line}", "") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_never_exceed_their_width() {
        assert_eq!(wrap("one two three four", 10), ["one two", "three four"]);
        assert_eq!(wrap("abcdefghijklmno p", 10), ["abcdefghij", "klmno p"]);
        assert!(wrap("   ", 10).is_empty());
    }

    #[test]
    fn without_colour_there_are_no_escapes() {
        assert_eq!(Style::default().bad("x"), "x");
        assert!(Style { color: true, width: 80 }.bad("x").starts_with('\u{1b}'));
    }
}
