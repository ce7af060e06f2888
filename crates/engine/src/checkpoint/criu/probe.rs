//! Whether CRIU is here and works on this kernel, asked of itself.

use crate::backend::oci::command;
use crate::host::find_tool;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

/// How long a question may take.
const PATIENCE: Duration = Duration::from_secs(10);

impl CriuState {
    /// In one line: `CRIU 4.1.1 works · no incremental dumps (kernel lacks soft-dirty)`.
    pub fn line(&self) -> String {
        match self {
            Self::Works { version, features, .. } => {
                let missing = features.iter().filter(|feature| !feature.here);
                let missing = missing.map(|feature| format!(" · no {} ({})", feature.means, feature.without));
                format!("CRIU {version} works{}", missing.collect::<String>())
            }
            Self::Unusable { version, reason, .. } => {
                let version = version.as_ref().map_or_else(String::new, |version| format!(" {version}"));
                format!("CRIU{version} does not work: {reason}")
            }
        }
    }

    /// What would help, if something would.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Works { .. } => None,
            Self::Unusable { hint, .. } => Some(hint),
        }
    }
}

/// Something that a kernel has or has not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Feature {
    /// As CRIU names it.
    pub name: &'static str,
    /// Whether this kernel has it.
    pub here: bool,
    /// What it is for.
    pub means: &'static str,
    /// Why not, if not.
    pub without: &'static str,
}

/// What CRIU is on this host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum CriuState {
    /// It works.
    Works {
        /// Where it is.
        path: PathBuf,
        /// `4.1.1`.
        version: String,
        /// What the kernel gives it.
        features: Vec<Feature>,
    },
    /// It does not.
    Unusable {
        /// Its version, if it has one.
        version: Option<String>,
        /// Why not.
        reason: String,
        /// What would help.
        hint: String,
    },
}

/// What is asked for, with what it is for and why it may be missing.
const FEATURES: [(&str, &str, &str); 3] = [
    ("mem_dirty_track", "incremental dumps", "kernel lacks soft-dirty"),
    ("lazy_pages", "lazy restore", "kernel lacks userfaultfd for it"),
    ("network_lock_nftables", "locking connections by nftables", "no nftables support"),
];

const INSTALL: &str = "install CRIU 4.1 or newer: `scripts/criu.sh` does it where the distribution's is too old";

fn ask(path: &Path, arguments: &[&str]) -> Result<(bool, String), String> {
    let mut ask = Command::new(path);
    ask.args(arguments);
    let finished = command::run(ask, PATIENCE).map_err(|error| error.to_string())?;
    if finished.status.is_none() {
        return Err(finished.complaint());
    }
    Ok((finished.is_success(), finished.stdout + &finished.stderr))
}

/// Asks CRIU whether it works here. Takes a tenth of a second; the answer is kept.
pub fn probe() -> &'static CriuState {
    static STATE: LazyLock<CriuState> = LazyLock::new(|| {
        let unusable =
            |version, reason: String, hint: &str| CriuState::Unusable { version, reason, hint: hint.to_owned() };
        let Some(path) = find_tool("criu") else {
            return unusable(None, "there is no program `criu` in PATH".to_owned(), INSTALL);
        };
        let version = match ask(&path, &["--version"]) {
            Ok((_, text)) => version_in(&text),
            Err(reason) => return unusable(None, format!("`criu --version`: {reason}"), INSTALL),
        };
        match ask(&path, &["check"]) {
            Ok((true, _)) => {
                let features = FEATURES
                    .map(|(name, means, without)| Feature { name, here: has(&path, name), means, without })
                    .to_vec();
                CriuState::Works { path, version: version.unwrap_or_else(|| "unknown".to_owned()), features }
            }
            Ok((false, text)) => {
                let line = command::last_line(&text).unwrap_or_else(|| "it does not say why".to_owned());
                let hint = if rustix::process::geteuid().is_root() { INSTALL } else { "run as root: CRIU needs it" };
                unusable(version, format!("`criu check`: {line}"), hint)
            }
            Err(reason) => unusable(version, format!("`criu check`: {reason}"), INSTALL),
        }
    });
    &STATE
}

fn has(path: &Path, feature: &str) -> bool {
    ask(path, &["check", "--feature", feature]).is_ok_and(|(good, _)| good)
}

fn version_in(text: &str) -> Option<String> {
    let line = text.lines().find_map(|line| line.trim().strip_prefix("Version:"))?;
    line.split_whitespace().next().map(|version| version.chars().take(40).collect())
}

/// Whether rounds before the freeze are possible here: the kernel has to tell which pages have changed.
///
/// # Errors
/// Why not, in words.
pub fn incremental() -> Result<(), String> {
    match probe() {
        CriuState::Works { features, .. } => match features.iter().find(|feature| feature.name == "mem_dirty_track") {
            Some(feature) if !feature.here => {
                Err(format!("no rounds before the freeze are possible here: {}", feature.without))
            }
            _ => Ok(()),
        },
        CriuState::Unusable { reason, .. } => Err(reason.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_says_it() {
        let feature =
            |here| Feature { name: "x", here, means: "incremental dumps", without: "kernel lacks soft-dirty" };
        let works =
            |here| CriuState::Works { path: "/c".into(), version: "4.1.1".into(), features: vec![feature(here)] };
        assert_eq!(works(false).line(), "CRIU 4.1.1 works · no incremental dumps (kernel lacks soft-dirty)");
        assert_eq!(works(true).line(), "CRIU 4.1.1 works");
        let none = CriuState::Unusable { version: None, reason: "no program".into(), hint: "install it".into() };
        assert_eq!((none.line().as_str(), none.hint()), ("CRIU does not work: no program", Some("install it")));
    }

    #[test]
    fn the_version_is_read_from_what_criu_prints() {
        assert_eq!(version_in("Version: 4.1.1\nGitID: v4.1.1\n").as_deref(), Some("4.1.1"));
        assert_eq!(version_in("sh: not found"), None);
    }
}
