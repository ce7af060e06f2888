//! `isodyne merge`: shards of one plan, or parts of one run, into one run.

use crate::arguments::MergeOptions;
use crate::exit::{Exit, Trouble};
use crate::output::Output;
use isodyne_store::merge;

/// Merges, and says what is to be known of the result.
pub fn merge(options: &MergeOptions, output: &Output) -> Result<Exit, Trouble> {
    let run_id = super::run::fresh_run_id();
    let merged = merge::merge(&options.parts, &options.out, &run_id, std::env::args().collect());
    let merged = merged.map_err(|error| match error {
        merge::MergeError::Store(error) => Trouble::unexpected(error),
        refused => {
            let hint = refused.way_out();
            Trouble::new(Exit::Usage, refused, hint)
        }
    })?;
    for note in &merged.notes {
        output.warn(note);
    }
    output.say(&format!(
        "merged  {} samples of {} parts into {}: isodyne show {}",
        merged.samples,
        options.parts.len(),
        options.out.display(),
        options.out.display()
    ));
    Ok(Exit::Ok)
}
