//! The reference of all keys as Markdown, made from the tables.

use super::app::APP_KEYS;
use super::budget::BUDGET_KEYS;
use super::build::BUILD_KEYS;
use super::key::{BYTE_UNITS, Key, Kind, TIME_UNITS};
use super::quick::QUICK_KEYS;
use super::stop::STOP_KEYS;
use super::table::{CONFLICTS, PLAN_KEYS, backend_keys, benchmark_keys};
use crate::cell::{BackendName, BenchmarkName};

/// The line in front of the generated part of `docs/plans.md`.
pub const BEGIN: &str = "<!-- keys: made by `cargo xtask schemas`, do not edit -->";
/// The line behind it.
pub const END: &str = "<!-- keys: end -->";

/// The reference of all keys.
pub fn markdown() -> String {
    let mut text = format!("Units of memory: {}. Units of time: {}.\n\n", BYTE_UNITS.join(", "), TIME_UNITS.join(", "));
    text.push_str(&table("At the top of the plan", "", PLAN_KEYS));
    for benchmark in BenchmarkName::ALL {
        text.push_str(&table(&format!("`[{benchmark}]`"), "", benchmark_keys(*benchmark)));
    }
    for backend in BackendName::ALL {
        let note = match backend {
            BackendName::Scripted => "For tests of the machinery: nothing is measured, and every sample says so.\n\n",
            _ => "",
        };
        text.push_str(&table(&format!("`[backend.{backend}]`"), note, backend_keys(*backend)));
    }
    text.push_str(&table(
        "`[app]`",
        "With it, `boot` starts the application instead of the first command.\n\n",
        APP_KEYS,
    ));
    text.push_str(VARIANT);
    text.push_str(&table("`[stop]`", "Either `precision` or `decide` must be stated.\n\n", STOP_KEYS));
    text.push_str(&table("`[quick]`", "For a plan whose samples take long.\n\n", QUICK_KEYS));
    text.push_str(&table("`[[build]]`", "", BUILD_KEYS));
    text.push_str("### `[[budget]]`\n\n| key | |\n| --- | --- |\n");
    for (key, doc) in BUDGET_KEYS {
        text.push_str(&format!("| `{key}` | {doc} |\n"));
    }
    text.push('\n');
    text.push_str("### Impossible combinations\n\n");
    for conflict in CONFLICTS {
        let ((one, one_word), (other, other_word)) = (conflict.one, conflict.other);
        text.push_str(&format!(
            "- `[backend.{}]`: `{one} = \"{one_word}\"` with `{other} = \"{other_word}\"`: {}.\n",
            conflict.backend, conflict.reason
        ));
    }
    text
}

/// The text of `docs/plans.md` with its generated part made anew; `None` if the marks are missing.
pub fn refreshed(document: &str) -> Option<String> {
    let (before, rest) = document.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{}\n{END}{after}", markdown()))
}

const VARIANT: &str = "\
### `[[variant]]`

| key | holds | if not stated | factor | |
| --- | --- | --- | --- | --- |
| `name` | 1 to 40 of letters, digits, spaces and `._+-` | must be stated |  | The cells of the variant end in `~name`; `base` is taken. |
| `set` | keys of benchmarks and backends by their paths, each with one value | must be stated |  | What is other than the \
plan states; `+more` adds to a text. |

";

fn table(title: &str, note: &str, keys: &[Key]) -> String {
    let mut text = format!("### {title}\n\n{note}");
    if keys.is_empty() {
        text.push_str("No keys in this version.\n\n");
        return text;
    }
    text.push_str("| key | holds | if not stated | factor | |\n| --- | --- | --- | --- | --- |\n");
    for key in keys {
        let factor = if key.factor { "yes" } else { "" };
        let (holds, default) = (holds(key.kind), key.default.words());
        text.push_str(&format!("| `{}` | {holds} | {default} | {factor} | {} |\n", key.name, key.doc));
    }
    text.push('\n');
    text
}

/// What a key holds, for a cell of the table.
fn holds(kind: Kind) -> String {
    match kind {
        Kind::Choice(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
        Kind::Text | Kind::Path | Kind::Flag => kind.noun().to_owned(),
        Kind::Count { .. } | Kind::Bytes { .. } | Kind::Duration { .. } => {
            format!("{} {}", kind.noun(), kind.range().unwrap_or_default())
        }
        _ => format!("{}, such as `{}`", kind.noun(), kind.example()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_in_the_documentation_is_true() {
        let document = include_str!("../../../../docs/plans.md");
        let refreshed = refreshed(document).expect("docs/plans.md has lost its marks");
        assert!(refreshed == document, "docs/plans.md is not up to date: run `cargo xtask schemas`");
    }
}
