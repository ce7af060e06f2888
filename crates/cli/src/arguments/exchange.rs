//! Options of what comes from other tools and goes to them.

use clap::Args;
use std::path::PathBuf;

/// Options of `import`.
#[derive(Debug, Args)]
pub struct ImportOptions {
    /// The file or directory (`-` for standard input)
    #[arg(required_unless_present = "list")]
    pub source: Option<PathBuf>,
    /// The format, instead of recognising it (see --list)
    #[arg(long, value_name = "NAME")]
    pub format: Option<String>,
    /// What the columns of a CSV file are (`total_ns=col:duration_ms*1e6,cell=col:name`), or a TOML file that says so
    #[arg(long, value_name = "MAPPING")]
    pub map: Vec<String>,
    /// The run directory [default: runs/<time>-<format>]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// List the formats
    #[arg(long, conflicts_with_all = ["source", "format", "map", "out"])]
    pub list: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `export`.
#[derive(Debug, Args)]
pub struct ExportOptions {
    /// The run directory
    #[arg(required_unless_present = "list")]
    pub run: Option<PathBuf>,
    /// The format (see --list)
    #[arg(long, value_name = "NAME", required_unless_present = "list")]
    pub format: Option<String>,
    /// The file [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Only this metric (`total_ns`)
    #[arg(long, value_name = "METRIC")]
    pub metric: Option<String>,
    /// Only cells whose id has this text in it
    #[arg(long, value_name = "TEXT")]
    pub cell: Option<String>,
    /// List the formats
    #[arg(long, conflicts_with_all = ["run", "format", "output", "metric", "cell"])]
    pub list: bool,
    /// Print the list as JSON
    #[arg(long, requires = "list")]
    pub json: bool,
}
