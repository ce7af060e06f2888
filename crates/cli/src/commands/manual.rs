//! `isodyne completions` and `isodyne man`: both from the one definition of the command line.

use crate::arguments::Arguments;
use crate::exit::{Exit, Trouble};
use crate::output::Output;
use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;
use std::path::Path;

/// Prints completions for a shell.
pub fn completions(shell: Shell, output: &Output) -> Result<Exit, Trouble> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "isodyne", &mut text);
    output.data(&String::from_utf8_lossy(&text))
}

/// Writes a man page for the program and for every command.
pub fn man(directory: &Path, output: &Output) -> Result<Exit, Trouble> {
    let write = || -> anyhow::Result<()> {
        std::fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        clap_mangen::generate_to(Arguments::command(), directory)
            .with_context(|| format!("cannot write man pages into {}", directory.display()))
    };
    write().map_err(Trouble::unexpected)?;
    output.say(&format!("man pages are in {}", directory.display()));
    Ok(Exit::Ok)
}
