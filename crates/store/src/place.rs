//! Where a run goes when nobody says.

use std::path::{Path, PathBuf};

const WORD_LIMIT: usize = 40;
const ID_LIMIT: usize = 8;

/// `runs/2026-11-22T04-12-33-boot-1a2b`: when it began, what it is, and a part of its name. `now` is RFC 3339 in UTC, and
/// `word` the benchmark or the plan's title.
pub fn default_location(runs: &Path, word: &str, run_id: &str, now: &str) -> PathBuf {
    // Seconds are enough, and colons are trouble in paths.
    let time: String = now.chars().take(19).map(|character| if character == ':' { '-' } else { character }).collect();
    let parts = [plain(&time, 19, true), plain(word, WORD_LIMIT, false), plain(run_id, ID_LIMIT, false)];
    let name: Vec<&str> = parts.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
    runs.join(if name.is_empty() { "run".to_owned() } else { name.join("-") })
}

/// Only letters, digits and single hyphens, so that the name is one component and needs no quoting.
fn plain(text: &str, limit: usize, keep_case: bool) -> String {
    let mut out = String::new();
    for character in text.chars() {
        if character.is_ascii_alphanumeric() {
            out.push(if keep_case { character } else { character.to_ascii_lowercase() });
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
        if out.len() >= limit {
            break;
        }
    }
    out.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_says_when_and_what() {
        let place = |word, id, now| default_location(Path::new("runs"), word, id, now);
        assert_eq!(
            place("boot", "1a2b", "2026-11-22T04:12:33.123456Z"),
            Path::new("runs/2026-11-22T04-12-33-boot-1a2b")
        );
        assert_eq!(
            place("Boot, everywhere it works!", "1a2b3c4d5e6f", "2026-11-22T04:12:33Z"),
            Path::new("runs/2026-11-22T04-12-33-boot-everywhere-it-works-1a2b3c4d")
        );
        assert_eq!(place("../../etc", "/x", "../now"), Path::new("runs/now-etc-x"));
        assert_eq!(place("", "", ""), Path::new("runs/run"));
    }
}
