//! `isodyne`: a performance lab for sandboxes.

mod arguments;
mod commands;
mod exit;
mod listener;
mod output;
mod parallel;
mod paths;
mod whole_file;

use arguments::{Arguments, Command};
use clap::Parser;
use exit::{Exit, Trouble};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let output = output::Output::new(arguments.color);
    let done = match arguments.command {
        Command::Doctor(options) => commands::doctor::doctor(&options, &output),
        Command::Calibrate(options) => commands::calibrate::calibrate(&options, &output),
        Command::Setup(options) => commands::setup::setup(&options, &output),
        Command::Image(options) => commands::image::image(&options, &output),
        Command::List(options) => commands::list::list(&options, &output),
        Command::Check(options) => commands::check::check(&options, &output),
        Command::Run(options) => commands::run::run(&options, &output),
        Command::Show(options) => commands::show::show(&options, &output),
        Command::Report(options) => commands::report::report(&options, &output),
        Command::Compare(options) => commands::compare::compare(&options, &output),
        Command::Gate(options) => commands::gate::gate(&options, &output),
        Command::Selfcheck(options) => commands::selfcheck::selfcheck(&options, &output),
        Command::Audit(options) => commands::audit::audit(&options, &output),
        Command::Import(options) => commands::import::import(&options, &output),
        Command::History(options) => commands::history::history(&options, &output),
        Command::Trend(options) => commands::trend::trend(&options, &output),
        Command::Merge(options) => commands::merge::merge(&options, &output),
        Command::Export(options) => commands::export::export(&options, &output),
        Command::Inspect(options) => commands::inspect::inspect(&options, &output),
        Command::Shm(options) => commands::shm::shm(&options, &output),
        // The exit code of a command that it ran is passed on: it can be any.
        Command::Monitor(options) => match commands::monitor::monitor(&options, &output) {
            Ok(code) => return ExitCode::from(code),
            Err(trouble) => Err(trouble),
        },
        Command::Sandbox(options) => commands::sandbox::sandbox(&options, &output),
        Command::Checkpoint(options) => commands::checkpoint::checkpoint(&options, &output),
        Command::Restore(options) => commands::restore::restore(&options, &output),
        Command::Completions { shell } => commands::manual::completions(shell, &output),
        Command::Man { directory } => commands::manual::man(&directory, &output),
        Command::Loopback => commands::loopback::loopback(),
        Command::Guardian { scratch } => commands::guardian::guardian(&scratch),
    };
    let exit = done.unwrap_or_else(|trouble: Trouble| {
        output.trouble(&trouble);
        trouble.exit
    });
    exit_code(exit)
}

fn exit_code(exit: Exit) -> ExitCode {
    ExitCode::from(exit as u8)
}
