//! What an image says about how its application is started.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The configuration of an image, as OCI has it. All of it is empty for a directory or a plain tar.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// The program and its first arguments.
    pub entrypoint: Vec<String>,
    /// What follows them unless the user says otherwise; the program itself if there is no entry point.
    pub command: Vec<String>,
    /// Variables, `NAME=VALUE`.
    pub environment: Vec<String>,
    /// Where it starts; `None` is `/`.
    pub working_directory: Option<String>,
    /// Whom it runs as: a name or a number, with a group behind a colon; `None` is root.
    pub user: Option<String>,
    /// The ports it listens on, `80/tcp`, sorted.
    pub exposed_ports: Vec<String>,
    /// The signal that ends it; `None` is SIGTERM.
    pub stop_signal: Option<String>,
}

impl ImageConfig {
    /// Program and arguments; empty if the image names none.
    pub fn argv(&self) -> Vec<String> {
        self.entrypoint.iter().chain(&self.command).cloned().collect()
    }
}

/// The document itself, with what a reader of images needs of it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct ConfigDocument {
    pub(super) architecture: Option<String>,
    pub(super) os: Option<String>,
    config: Option<Section>,
    pub(super) rootfs: Option<Rootfs>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Rootfs {
    pub(super) diff_ids: Option<Vec<String>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Section {
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    env: Option<Vec<String>>,
    working_dir: Option<String>,
    user: Option<String>,
    exposed_ports: Option<BTreeMap<String, serde_json::Value>>,
    stop_signal: Option<String>,
}

impl ConfigDocument {
    /// Reads it; the error says what is wrong.
    pub(super) fn parse(bytes: &[u8]) -> Result<(Self, ImageConfig), String> {
        let document: Self = serde_json::from_slice(bytes).map_err(|error| super::error::short(&error))?;
        let section = document.config.clone().unwrap_or_default();
        let said = |text: Option<String>| text.filter(|text| !text.is_empty());
        let config = ImageConfig {
            entrypoint: section.entrypoint.unwrap_or_default(),
            command: section.cmd.unwrap_or_default(),
            environment: section.env.unwrap_or_default(),
            working_directory: said(section.working_dir),
            user: said(section.user),
            exposed_ports: section.exposed_ports.unwrap_or_default().into_keys().collect(),
            stop_signal: said(section.stop_signal),
        };
        let texts = config.entrypoint.iter().chain(&config.command).chain(&config.environment);
        let texts = texts.chain(&config.working_directory).chain(&config.user).chain(&config.stop_signal);
        if texts.chain(&config.exposed_ports).any(|text| text.contains('\0')) {
            return Err("a text in it holds a zero byte, which no argument can".to_owned());
        }
        if let Some(variable) = config.environment.iter().find(|variable| variable.find('=').is_none_or(|at| at == 0)) {
            return Err(format!("the variable {variable:.100?} is not of the form NAME=VALUE"));
        }
        Ok((document, config))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_needed_and_null_is_nothing() {
        let (_, config) = ConfigDocument::parse(br#"{"config":{"Cmd":null,"User":"","Env":null}}"#).unwrap();
        assert_eq!(config, ImageConfig::default());
        assert_eq!(ConfigDocument::parse(b"{}").unwrap().1, ImageConfig::default());
    }

    #[test]
    fn the_program_comes_before_its_arguments() {
        let text = br#"{"os":"linux","config":{"Entrypoint":["/e","-x"],"Cmd":["y"],"Env":["A=b=c"],
            "ExposedPorts":{"80/tcp":{},"443/tcp":{}},"WorkingDir":"/srv","StopSignal":"SIGQUIT"}}"#;
        let (_, config) = ConfigDocument::parse(text).unwrap();
        assert_eq!(config.argv(), ["/e", "-x", "y"]);
        assert_eq!(config.exposed_ports, ["443/tcp", "80/tcp"]);
        assert_eq!((config.working_directory.as_deref(), config.user), (Some("/srv"), None));
    }

    #[test]
    fn what_no_program_could_be_given_is_refused() {
        for text in [
            &br#"{"config":{"Cmd":["a\u0000b"]}}"#[..],
            br#"{"config":{"Env":["A"]}}"#,
            br#"{"config":{"Env":["=b"]}}"#,
            br#"{"config":{"Cmd":"sh"}}"#,
            b"[",
            b"",
        ] {
            assert!(ConfigDocument::parse(text).is_err(), "{}", String::from_utf8_lossy(text));
        }
    }
}
