//! Making foreign text harmless for the medium it goes to.

/// The longest foreign text that is shown; what is longer ends in `…` and is whole in the JSON.
const LONGEST: usize = 600;

/// Text for a terminal or another plain medium: one line, no control characters, no bidirectional overrides, at most
/// 600 characters.
///
/// A guest's message may hold escape sequences that would recolour or rewrite the reader's terminal.
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(LONGEST));
    for (index, character) in text.trim().chars().enumerate() {
        if index == LONGEST {
            out.push('…');
            break;
        }
        out.push(match character {
            '\n' | '\r' | '\t' => ' ',
            // Bidirectional controls reorder what follows them; zero-width ones hide.
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' => '\u{fffd}',
            other if other.is_control() => '\u{fffd}',
            other => other,
        });
    }
    out
}

/// Text for HTML and SVG, in an element or in a quoted attribute.
pub fn html_escape(text: &str) -> String {
    let text = plain(text);
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // XML 1.0 has no place for these two, even escaped.
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out
}

/// Text of our own for HTML, of any length; a sentence that is too long because of what is foreign in it is shortened.
pub(crate) fn html_sentences(text: &str) -> String {
    text.split(". ").map(html_escape).collect::<Vec<_>>().join(". ")
}

/// At most `longest` characters, with `…` where something is missing.
pub(crate) fn shorten(text: &str, longest: usize) -> String {
    if text.chars().count() <= longest {
        return text.to_owned();
    }
    let mut out: String = text.chars().take(longest.saturating_sub(1)).collect();
    out.push('…');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_do_not_reach_a_terminal() {
        assert_eq!(plain("a\u{1b}[31mred\nline\u{202e}x"), "a\u{fffd}[31mred line\u{fffd}x");
        assert_eq!(plain(&"x".repeat(700)).chars().count(), 601);
    }

    #[test]
    fn markup_is_text() {
        assert_eq!(html_escape("<img src=x onerror='a'>&\""), "&lt;img src=x onerror=&#39;a&#39;&gt;&amp;&quot;");
    }

    #[test]
    fn shortening_counts_characters() {
        assert_eq!(shorten("µµµµ", 3), "µµ…");
        assert_eq!(shorten("µµµ", 3), "µµµ");
    }
}
