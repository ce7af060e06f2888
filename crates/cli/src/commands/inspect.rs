//! `isodyne inspect`: what a checkpoint holds.

use crate::arguments::{InspectFormat, InspectOptions};
use crate::exit::{Exit, Trouble};
use crate::output::Output;
use isodyne_engine::inspect::{self, InspectError};
use isodyne_report::{InspectionParts, InspectionView, Style, inspection_json, inspection_text, inspection_tree};

/// Looks into a checkpoint and shows what is asked for.
pub fn inspect(options: &InspectOptions, output: &Output) -> Result<Exit, Trouble> {
    let inspection = inspect::inspect(&options.checkpoint, options.verify).map_err(trouble)?;
    let verified = inspection.found.verified.as_ref();
    if options.verify && verified.is_none() {
        return Err(Trouble::usage(
            "only a checkpoint with a manifest can be verified",
            "leave `--verify` out: CRIU, podman and the monitors keep no digests",
        ));
    }
    let altered = verified.is_some_and(|verified| !verified.problems.is_empty());
    let format = if options.json { InspectFormat::Json } else { options.format };
    let texts = inspection.texts(options.env);
    let memory = options.memory.then(|| inspection.memory());
    let path = options.checkpoint.display().to_string();
    let view = InspectionView {
        path: &path,
        found: &inspection.found,
        checkpoint: inspection.checkpoint.as_ref(),
        texts: &texts,
        memory: memory.as_ref(),
    };
    let style = Style { color: output.color(), width: output.width() };
    match format {
        InspectFormat::Json => output.json(&inspection_json(&view))?,
        InspectFormat::Tree => output.data(&inspection_tree(&view, parts(options), style))?,
        InspectFormat::Text => output.data(&inspection_text(&view, parts(options), style))?,
    };
    Ok(if altered { Exit::CellsFailed } else { Exit::Ok })
}

/// Without a wish, the summary and the processes.
fn parts(options: &InspectOptions) -> InspectionParts {
    let parts = InspectionParts {
        summary: options.summary,
        process_tree: options.process_tree,
        environment: options.env,
        files: options.files,
        sockets: options.sockets,
        mounts: options.mounts,
        memory: options.memory,
    };
    if parts == InspectionParts::default() {
        return InspectionParts { summary: true, process_tree: true, ..parts };
    }
    parts
}

fn trouble(error: InspectError) -> Trouble {
    match error {
        InspectError::NotOne { .. } => Trouble::usage(
            error,
            "name a directory with a manifest, with CRIU's images or with a machine's state, or an archive of podman's",
        ),
        InspectError::Host { path, source } if source.kind() == std::io::ErrorKind::NotFound => {
            let message = format!("there is nothing at {}", path.display());
            Trouble::usage(message, "it is DIR/NAME, as `isodyne checkpoint -o DIR --name NAME` has made it")
        }
        error => Trouble::unexpected(error),
    }
}
