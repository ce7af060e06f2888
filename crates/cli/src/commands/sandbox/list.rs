//! `isodyne sandbox list`.

use super::refused;
use crate::arguments::SandboxListOptions;
use crate::exit::{Exit, Trouble};
use crate::output::Output;
use isodyne_engine::clock::Clock;
use isodyne_engine::live::{Live, directory, live};
use serde_json::json;

const SCHEMA: &str = "isodyne-sandboxes";
const VERSION: u32 = 1;

/// Shows every sandbox that has an owner.
pub fn list(options: &SandboxListOptions, output: &Output) -> Result<Exit, Trouble> {
    let directory = directory().map_err(|error| refused("", &error))?;
    let found = live(&directory, Clock).map_err(|error| refused("", &error))?;
    if options.json {
        let one = |(name, said): &Live| match said {
            Ok(description) => json!({ "name": name, "sandbox": description }),
            Err(error) => json!({ "name": name, "trouble": error.to_string() }),
        };
        let sandboxes: Vec<_> = found.iter().map(one).collect();
        return output.json(&json!({ "schema": SCHEMA, "version": VERSION, "sandboxes": sandboxes }));
    }
    if found.is_empty() {
        output.say("there is no sandbox; isodyne sandbox start --on BACKEND --name NAME starts one");
        return Ok(Exit::Ok);
    }
    let mut text = format!("{:<24}{:<18}{:>8}  {}\n", "name", "backend", "owner", "began");
    for (name, said) in &found {
        text.push_str(&match said {
            Ok(found) => {
                let backend = found.cell.backend.to_string();
                format!("{name:<24}{backend:<18}{:>8}  {}\n", found.owner, found.began)
            }
            Err(error) => format!("{name:<24}{error}\n"),
        });
    }
    output.data(&text)
}
