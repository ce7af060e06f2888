//! A command that is run to be monitored: it has an owner like everything that the lab starts.

use crate::exit::{Exit, Trouble};
use crate::output::Output;
use crate::paths;
use isodyne_core::unit::{DisplayBytes, DisplayNs, HostInstant};
use isodyne_engine::clock::Clock;
use isodyne_engine::lab::{Lab, LabOptions};
use isodyne_engine::ownership::{ExitReport, OwnedProcess};
use isodyne_engine::schedule::Interrupt;
use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::Duration;

/// How long a command may take to end that is asked to because the time is over.
const PATIENCE: Duration = Duration::from_secs(5);

/// A command.
pub struct Child {
    lab: Lab,
    argv: Vec<String>,
    process: Option<OwnedProcess>,
    report: Option<ExitReport>,
}

/// How a command ended.
pub struct Ended {
    /// The command.
    pub argv: Vec<String>,
    /// What is known of its end; nothing if it could not be waited for.
    pub report: Option<ExitReport>,
}

impl Child {
    /// Makes everything ready that a command needs to be owned.
    pub fn prepare(argv: &[String], interrupt: &Interrupt) -> Result<Self, Trouble> {
        let cache = paths::cache();
        let guardian = std::env::current_exe().ok().map(|program| {
            let mut command = Command::new(program);
            command.arg("guardian");
            command
        });
        let run_id = format!("{:08x}", std::process::id());
        let lab = Lab::open(LabOptions { run_id: &run_id, session: 0, logs: &cache, cache: &cache, guardian })
            .map_err(Trouble::unexpected)?;
        interrupt.ends(lab.owner.clone());
        Ok(Self { lab, argv: argv.to_vec(), process: None, report: None })
    }

    /// Starts it. With `output_aside`, what it prints goes to standard error.
    pub fn start(&mut self, output_aside: bool) -> Result<(), Trouble> {
        let [program, arguments @ ..] = self.argv.as_slice() else {
            return Err(Trouble::usage("there is no command", "give one behind `--`"));
        };
        let mut command = Command::new(program);
        command.args(arguments);
        if std::io::stdin().is_terminal() {
            // A process group in the background that reads from its terminal is stopped.
            command.stdin(Stdio::null());
        }
        if output_aside {
            let aside = std::io::stderr().as_fd().try_clone_to_owned().map_err(Trouble::unexpected)?;
            command.stdout(aside);
        }
        let hint = "the command behind `--` is a program and its arguments; a shell's words need `sh -c`";
        let spawned = self.lab.owner.spawn(command);
        self.process = Some(
            spawned
                .map_err(|error| Trouble::new(Exit::Unexpected, format!("{:#}", anyhow::Error::new(error)), hint))?,
        );
        Ok(())
    }

    /// Waits for its end until `deadline`; whether it has ended.
    pub fn wait(&mut self, deadline: HostInstant) -> bool {
        self.report = self.process.as_mut().and_then(|process| process.wait(deadline));
        self.report.is_some()
    }

    /// Ends it if it still runs, and everything that it has left behind.
    pub fn end(mut self, output: &Output) -> Ended {
        if let Some(mut process) = self.process.take() {
            if self.report.is_none() {
                process.signal(rustix::process::Signal::TERM);
                self.report = process.wait(Clock.after(PATIENCE)).or_else(|| process.kill());
            }
            if let Err(survivor) = process.end_group() {
                output.warn(&survivor);
            }
        }
        for survivor in self.lab.close() {
            output.warn(&format!("something survived: {survivor}"));
        }
        Ended { argv: self.argv, report: self.report }
    }
}

impl Ended {
    /// For people: how it ended, and what the kernel says that it and all that were waited for have used.
    pub fn words(&self) -> String {
        let Some(report) = self.report else { return "its end was not seen".to_owned() };
        let peak =
            report.peak_rss_bytes.map(|bytes| format!(", at most {} in one process", DisplayBytes(bytes as f64)));
        let used = DisplayNs((report.user_ns + report.system_ns) as f64);
        format!("{}; with those waited for it used {used}{}", report.status, peak.unwrap_or_default())
    }

    /// Its exit code, as a shell tells it.
    pub fn code(&self) -> u8 {
        let status = self.report.map(|report| report.status);
        let code = status.and_then(|status| status.code().or_else(|| status.signal().map(|signal| 128 + signal)));
        code.and_then(|code| u8::try_from(code).ok()).unwrap_or(Exit::Unexpected as u8)
    }
}
