//! What must hold of the store's own files, whoever wrote them: one function per fuzz target of `fuzz/`. Those of imports
//! are in [`crate::import::fuzzing`].
//!
//! Only compiled for tests and fuzzers. Each function works in an empty directory of its own, best in memory, and may
//! leave files there.

mod calibration;
mod history;
mod merge;

pub use calibration::calibration;
pub use history::history;
pub use merge::merge;

use std::fmt::Display;

/// An error, or a note, is short and drives no terminal.
fn short(message: &dyn Display) {
    let text = message.to_string();
    assert!(!text.chars().any(char::is_control), "{text:?}");
    assert!(text.chars().count() < 8_000, "{text}");
}

#[cfg(test)]
mod tests;
