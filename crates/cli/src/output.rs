//! The one place that writes to the terminal: data to standard output, everything else to standard error.

use crate::arguments::Color;
use crate::exit::{Exit, Trouble};
use serde::Serialize;
use std::io::{BufWriter, ErrorKind, IsTerminal, Stdout, Write};

/// Where a command writes.
pub struct Output {
    color: bool,
    color_errors: bool,
}

impl Output {
    /// Colours as asked for; `auto` respects terminals, `NO_COLOR` and `CLICOLOR_FORCE`.
    pub fn new(color: Color) -> Self {
        let choice = match color {
            Color::Always => anstream::ColorChoice::Always,
            Color::Never => anstream::ColorChoice::Never,
            Color::Auto => anstream::ColorChoice::Auto,
        };
        choice.write_global();
        let wanted = |is_terminal: bool| match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                std::env::var_os("CLICOLOR_FORCE").is_some_and(|value| value != "0")
                    || (is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()))
            }
        };
        Self { color: wanted(std::io::stdout().is_terminal()), color_errors: wanted(std::io::stderr().is_terminal()) }
    }

    /// Whether data may carry colours.
    pub fn color(&self) -> bool {
        self.color
    }

    /// The width of the terminal, or 100 columns where there is none.
    pub fn width(&self) -> usize {
        rustix::termios::tcgetwinsize(std::io::stdout())
            .ok()
            .map(|size| usize::from(size.ws_col))
            .filter(|columns| *columns >= 40)
            .or_else(|| std::env::var("COLUMNS").ok()?.parse().ok())
            .unwrap_or(100)
    }

    /// Data for standard output. A closed pipe ends the program quietly.
    pub fn data(&self, text: &str) -> Result<Exit, Trouble> {
        let mut out = std::io::stdout().lock();
        written(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
    }

    /// Data for standard output piece by piece.
    pub fn stream(&self) -> DataStream {
        DataStream { out: BufWriter::with_capacity(64 << 10, std::io::stdout()), trouble: None }
    }

    /// Data as JSON.
    pub fn json(&self, value: &impl Serialize) -> Result<Exit, Trouble> {
        let mut text = serde_json::to_string_pretty(value).map_err(Trouble::unexpected)?;
        text.push('\n');
        self.data(&text)
    }

    /// A remark for standard error.
    pub fn say(&self, text: &str) {
        // Nothing can be done if standard error is closed.
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }

    /// A warning.
    pub fn warn(&self, text: &str) {
        let (on, off) = if self.color_errors { ("\x1b[33m", "\x1b[0m") } else { ("", "") };
        self.say(&format!("{on}warning:{off} {text}"));
    }

    /// An error and its way out.
    pub fn trouble(&self, trouble: &Trouble) {
        let (red, dim, off) = if self.color_errors { ("\x1b[1;31m", "\x1b[36m", "\x1b[0m") } else { ("", "", "") };
        if trouble.message.starts_with("error:") {
            self.say(&trouble.message);
        } else {
            self.say(&format!("{red}error:{off} {}", trouble.message));
        }
        if let Some(hint) = &trouble.hint {
            self.say(&format!("  {dim}hint:{off} {hint}"));
        }
    }
}

/// Data on its way to standard output.
pub struct DataStream {
    out: BufWriter<Stdout>,
    trouble: Option<std::io::Error>,
}

impl DataStream {
    /// Adds a piece. False once nobody takes any more: [`DataStream::end`] says why.
    pub fn write(&mut self, text: &str) -> bool {
        if self.trouble.is_none() {
            self.trouble = self.out.write_all(text.as_bytes()).err();
        }
        self.trouble.is_none()
    }

    /// Writes out what is left. A closed pipe ends the program quietly.
    pub fn end(mut self) -> Result<Exit, Trouble> {
        written(match self.trouble.take() {
            Some(error) => Err(error),
            None => self.out.flush(),
        })
    }
}

/// For writers of their own; after an error [`DataStream::end`] reports it too.
impl Write for DataStream {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.out.write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

fn written(outcome: std::io::Result<()>) -> Result<Exit, Trouble> {
    match outcome {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Trouble::unexpected(anyhow::Error::new(error).context("cannot write to standard output")))
        }
        _ => Ok(Exit::Ok),
    }
}
