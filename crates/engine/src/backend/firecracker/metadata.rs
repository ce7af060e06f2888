//! Firecracker's metadata service (MMDS): a document that the guest reads over its network card, and that Firecracker
//! answers for by itself. Version 2: a read takes a token.

use super::config::Config;
use crate::backend::PrepareError;
use crate::backend::vmm::api::ApiCall;
use crate::channel::{AgentChannel, ExecRequest};
use crate::clock::Clock;
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::record::Asset;
use isodyne_core::unit::HostInstant;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Where the guest asks, which is Firecracker's default.
pub const ADDRESS: &str = "169.254.169.254";
/// The card that the guest asks on.
pub const CARD: &str = "net";
/// Firecracker takes no longer request, and keeps no larger document, unless it is told otherwise.
const MOST_BYTES: u64 = 51_200;
/// Room for the document as Firecracker writes it, which may be with other spaces.
const OUTPUT_LIMIT: u32 = 64 << 10;

/// Reads the document that `path` names.
///
/// # Errors
/// [`PrepareError::Invalid`] for a file that is none, is no JSON object, or is larger than Firecracker takes.
pub fn read(path: &Path) -> Result<(Value, Asset), PrepareError> {
    let invalid = |message: String| PrepareError::Invalid {
        key: "backend.firecracker.mmds".to_owned(),
        message: format!("{}: {message}", path.display()),
        hint: format!("name a file with one JSON object of at most {MOST_BYTES} bytes"),
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| invalid(error.to_string()))?;
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(|error| invalid(error.to_string()))?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(invalid("it is too large".to_owned()));
    }
    let document: Value = serde_json::from_slice(&bytes).map_err(|error| invalid(error.to_string()))?;
    if !document.is_object() {
        return Err(invalid("it is no JSON object".to_owned()));
    }
    let asset = Asset {
        role: "metadata".to_owned(),
        name: path.display().to_string(),
        sha256: Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect(),
        size_bytes: bytes.len() as u64,
    };
    Ok((document, asset))
}

/// The section that says how the guest asks, if there is a document.
pub fn section(config: &Config) -> Option<Value> {
    let service = json!({ "version": "V2", "network_interfaces": [CARD], "ipv4_address": ADDRESS });
    config.metadata.as_ref().map(|_| service)
}

/// The request that gives Firecracker the document.
pub fn put(document: &Value) -> ApiCall {
    ApiCall::put("/mmds", document.clone())
}

/// Lets the guest read the document over its card, and compares it with what was given.
///
/// # Errors
/// Class `integrity` if it is another, and as the agent's errors.
pub fn prove(document: &Value, agent: &mut AgentChannel, deadline: HostInstant) -> Result<Vec<String>, Failure> {
    let request = ExecRequest {
        id: 2,
        argv: ["/proc/self/exe", "mmds", ADDRESS].map(|word| word.as_bytes().to_vec()).to_vec(),
        env: Vec::new(),
        stdin: Vec::new(),
        timeout_ms: u32::try_from(Clock.until(deadline).as_millis()).unwrap_or(u32::MAX),
        output_limit: OUTPUT_LIMIT,
    };
    let executed = agent.exec(&request, deadline)?;
    executed.succeeded().map_err(|failure| Failure {
        message: format!("the guest cannot read its metadata: {}", failure.message),
        ..failure
    })?;
    let read: Option<Value> = serde_json::from_slice(&executed.reply.stdout).ok();
    if read.as_ref() != Some(document) {
        let message = "the guest has read other metadata than Firecracker was given";
        return Err(Failure::new(FailureClass::Integrity, message));
    }
    let bytes = executed.reply.stdout.len();
    Ok(vec![format!("metadata of {bytes} bytes read back from {ADDRESS} by the guest")])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_json_object_that_fits_is_a_document() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("document");
        let given = |text: &str| {
            std::fs::write(&path, text).unwrap();
            read(&path)
        };
        let (document, asset) = given("{ \"a\": [1, \"b\"] }").unwrap();
        assert_eq!(document, json!({ "a": [1, "b"] }));
        assert_eq!((asset.size_bytes, asset.sha256.len()), (17, 64));
        for wrong in ["", "[]", "{} {}", &format!("{{\"a\":\"{}\"}}", "x".repeat(51_200))] {
            let PrepareError::Invalid { key, hint, .. } = given(wrong).unwrap_err() else { panic!("{wrong}") };
            assert!(key == "backend.firecracker.mmds" && hint.contains("51200"), "{key}: {hint}");
        }
        assert!(read(Path::new("/no/such")).is_err());
    }
}
