//! The command that repeats a run.

use crate::RunView;
use crate::escape::plain;

/// The seed as commands and tables write it: hexadecimal without a prefix.
pub fn seed_text(seed: u64) -> String {
    format!("{seed:x}")
}

/// What is said of the seed of a run's order: `, seed 1f`; nothing where there is no single one (other tools' files have
/// none, merged parts have one each).
pub(crate) fn seed_words(record: &isodyne_core::record::RunRecord) -> String {
    if has_one_order(record) { format!(", seed {}", seed_text(record.seed)) } else { String::new() }
}

/// Whether all samples of a run were taken in one order that its seed makes again.
pub(crate) fn has_one_order(record: &isodyne_core::record::RunRecord) -> bool {
    record.merged_from.is_empty() && record.imported.is_none()
}

/// The command line that repeats the run in the same order: the one that began it, with its seed and without the
/// place of its results.
pub fn again(view: &RunView<'_>) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut given = view.record.command.iter().enumerate();
    let mut has_seed = false;
    while let Some((index, word)) = given.next() {
        match word.as_str() {
            // The results of the repetition must not fall into the directory of the first.
            "--out" | "-o" => {
                given.next();
            }
            "--resume" => {}
            word if word.starts_with("--out=") => {}
            _ => {
                has_seed |= word == "--seed" || word.starts_with("--seed=");
                // The program was perhaps called by a path of this machine.
                let name = if index == 0 { word.rsplit('/').next().unwrap_or(word) } else { word };
                words.push(quote(&plain(name)));
            }
        }
    }
    // The order of a merged run was drawn in its parts; what was imported is the same each time.
    if !has_seed && has_one_order(view.record) {
        words.push("--seed".to_owned());
        words.push(seed_text(view.record.seed));
    }
    words.join(" ")
}

/// Quotes a word for a POSIX shell where it needs it.
pub(crate) fn quote(word: &str) -> String {
    let safe = |character: char| character.is_ascii_alphanumeric() || "-_=+.,/:@%".contains(character);
    if !word.is_empty() && word.chars().all(safe) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_would_act_on_them() {
        assert_eq!(quote("process,runc"), "process,runc");
        assert_eq!(quote("$(reboot)"), "'$(reboot)'");
        assert_eq!(quote("it's"), r"'it'\''s'");
        assert_eq!(quote(""), "''");
    }
}
