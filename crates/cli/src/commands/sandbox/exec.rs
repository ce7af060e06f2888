//! `isodyne sandbox exec`: a command inside, with its output and its exit code.

use super::{refused, request, unexpected};
use crate::arguments::SandboxExecOptions;
use crate::exit::{Exit, Trouble};
use crate::output::Output;
use isodyne_engine::live::{Bytes, ExecDone, LiveError, Reply, Request};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

/// What a command gets on its standard input at most: what fits in one request to the agent, with its arguments.
const STDIN_LIMIT: u64 = 512 << 10;
/// What the owner and the agent take beside the command itself.
const BESIDE: Duration = Duration::from_secs(15);

/// Runs a command. What is returned is for troubles only: the command's own code ends the program.
pub fn exec(options: &SandboxExecOptions, output: &Output) -> Result<Exit, Trouble> {
    let timeout_ms = u32::try_from(options.timeout / 1_000_000).unwrap_or(u32::MAX).max(1);
    let asked = Request::Exec {
        argv: options.command.iter().map(|word| Bytes(word.as_bytes().to_vec())).collect(),
        stdin: Bytes(if options.stdin { stdin()? } else { Vec::new() }),
        timeout_ms,
    };
    match request(&options.name, &asked, Duration::from_millis(timeout_ms.into()) + BESIDE)? {
        Reply::Executed(done) => {
            show(&done, output).map_err(|error| refused(&options.name, &LiveError::Io(error)))?;
            std::process::exit(done.shell_code.into())
        }
        other => Err(unexpected(&options.name, &other)),
    }
}

fn stdin() -> Result<Vec<u8>, Trouble> {
    let mut bytes = Vec::new();
    std::io::stdin().lock().take(STDIN_LIMIT + 1).read_to_end(&mut bytes).map_err(Trouble::unexpected)?;
    if bytes.len() as u64 > STDIN_LIMIT {
        let message = format!("standard input has more than {STDIN_LIMIT} bytes");
        return Err(Trouble::usage(message, "give the command less at a time"));
    }
    Ok(bytes)
}

fn show(done: &ExecDone, output: &Output) -> std::io::Result<()> {
    let (mut out, mut error) = (std::io::stdout().lock(), std::io::stderr().lock());
    out.write_all(&done.stdout.0)?;
    out.flush()?;
    error.write_all(&done.stderr.0)?;
    drop(error);
    if !done.by_itself {
        output.say(&format!("the command: {}", done.how));
    }
    if done.truncated {
        output.warn("there was more output than is kept");
    }
    Ok(())
}
