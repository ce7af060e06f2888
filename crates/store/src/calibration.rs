//! A host's calibration, kept in the cache: one file a kind of host, by what of its fingerprint changes speed.

use crate::error::StoreError;
use crate::file::{open_regular, replace_by};
use isodyne_core::calibration::{CALIBRATION_SCHEMA, CALIBRATION_VERSION, Calibration};
use isodyne_core::fingerprint::Fingerprint;
use rustix::fs::OFlags;
use serde::Deserialize;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// No calibration is longer.
const LIMIT_BYTES: u64 = 1 << 20;

/// Where the calibration of such a host is kept in a directory.
pub fn calibration_path(directory: &Path, host: &Fingerprint) -> PathBuf {
    directory.join(format!("calibration-{}.json", host.id()))
}

/// Keeps a calibration; an older one of such a host is replaced, whole. Several programs may do so at once.
///
/// # Errors
/// If it cannot be written.
pub fn save_calibration(directory: &Path, calibration: &Calibration) -> Result<PathBuf, StoreError> {
    let path = calibration_path(directory, &calibration.fingerprint);
    let refuse = |error: serde_json::Error| StoreError::NotStorable {
        what: "the calibration".to_owned(),
        message: error.to_string(),
    };
    let mut text = serde_json::to_vec_pretty(calibration).map_err(refuse)?;
    // What cannot be read back (a number that is none) is noticed now.
    serde_json::from_slice::<Calibration>(&text).map_err(refuse)?;
    text.push(b'\n');
    std::fs::create_dir_all(directory).map_err(|error| StoreError::io("create directory", directory, error))?;
    replace_by(&path, &path.with_extension(format!("{}.new", std::process::id())), &text)?;
    Ok(path)
}

/// What of the file every version has.
#[derive(Deserialize)]
struct Header {
    schema: Option<String>,
    version: Option<u64>,
}

/// The calibration of such a host, if one is kept. Its age is for the caller to judge.
///
/// # Errors
/// If there is a file that cannot be read, that a newer program wrote, or that is of another host.
pub fn load_calibration(directory: &Path, host: &Fingerprint) -> Result<Option<Calibration>, StoreError> {
    let path = calibration_path(directory, host);
    let file = match open_regular(&path, OFlags::RDONLY) {
        Ok(file) => file,
        Err(StoreError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut text = Vec::new();
    file.take(LIMIT_BYTES + 1).read_to_end(&mut text).map_err(|error| StoreError::io("read", &path, error))?;
    let wrong = |line: usize, column: usize, what: String| StoreError::Corrupt {
        path: path.clone(),
        line: line.max(1) as u64,
        column: column.max(1) as u64,
        message: format!("{what}: `isodyne calibrate` makes a new one"),
    };
    if text.len() as u64 > LIMIT_BYTES {
        return Err(wrong(1, 1, format!("it is longer than {LIMIT_BYTES} B, which no calibration is")));
    }
    let unreadable = |error: serde_json::Error| {
        let message = error.to_string().chars().take(300).collect::<String>().escape_debug().to_string();
        wrong(error.line(), error.column(), message)
    };
    let header: Header = serde_json::from_slice(&text).map_err(unreadable)?;
    if header.schema.as_deref() != Some(CALIBRATION_SCHEMA) {
        return Err(wrong(1, 1, format!("it has no schema `{CALIBRATION_SCHEMA}`")));
    }
    if let Some(found) = header.version.filter(|found| *found > u64::from(CALIBRATION_VERSION)) {
        return Err(StoreError::Version { path, found, known: CALIBRATION_VERSION });
    }
    let calibration: Calibration = serde_json::from_slice(&text).map_err(unreadable)?;
    match calibration.fingerprint.differences(host).first() {
        Some(difference) => Err(wrong(1, 1, format!("it is of another host ({difference})"))),
        None => Ok(Some(calibration)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use isodyne_core::calibration::{Limit, LimitKind};

    fn calibration(best: f64) -> Calibration {
        Calibration {
            schema: CALIBRATION_SCHEMA.to_owned(),
            version: CALIBRATION_VERSION,
            measured_at: "2026-11-22T04:12:33Z".to_owned(),
            fingerprint: Fingerprint { kernel: Some("6.18".into()), ..Fingerprint::default() },
            limits: vec![Limit {
                name: "stamp_ns".into(),
                kind: LimitKind::Cost,
                typical: 0.1 + 0.2,
                best,
                n: 3,
                method: "tried".into(),
            }],
            skipped: Vec::new(),
        }
    }

    #[test]
    fn a_calibration_comes_back_for_its_host_only() {
        let directory = tempfile::tempdir().unwrap();
        let cache = directory.path().join("cache");
        let kept = calibration(22.0);
        let host = kept.fingerprint.clone();
        assert_eq!(load_calibration(&cache, &host).unwrap(), None);
        let path = save_calibration(&cache, &kept).unwrap();
        assert_eq!(load_calibration(&cache, &host).unwrap(), Some(kept.clone()));
        assert_eq!(load_calibration(&cache, &Fingerprint::default()).unwrap(), None);
        save_calibration(&cache, &calibration(21.0)).unwrap();
        assert_eq!(load_calibration(&cache, &host).unwrap().unwrap().limits[0].best, 21.0);
        assert_eq!(std::fs::read_dir(&cache).unwrap().count(), 1);
        // A file of another host under this one's name.
        let mut foreign = kept;
        foreign.fingerprint.governor = Some("powersave".into());
        std::fs::write(&path, serde_json::to_vec(&foreign).unwrap()).unwrap();
        let error = load_calibration(&cache, &host).unwrap_err().to_string();
        assert!(error.contains("another host") && error.contains("isodyne calibrate"), "{error}");
    }

    #[test]
    fn hostile_files_are_refused_in_words() {
        let directory = tempfile::tempdir().unwrap();
        let host = Fingerprint::default();
        let path = calibration_path(directory.path(), &host);
        let nested = format!("{{\"schema\":{}", "[".repeat(100_000));
        let huge = format!("{{\"schema\":\"{CALIBRATION_SCHEMA}\",\"version\":1,\"measured_at\":1e999}}");
        let newer = format!("{{\"schema\":\"{CALIBRATION_SCHEMA}\",\"version\":99}}");
        let long = " ".repeat((LIMIT_BYTES + 5) as usize);
        for text in ["", "{", "[]", "{\"schema\":\"x\"}", "{\"schema\":\"a\0\u{1b}\"}", &nested, &huge, &newer, &long] {
            std::fs::write(&path, text).unwrap();
            let error = load_calibration(directory.path(), &host).unwrap_err().to_string();
            assert!(!error.contains('\u{1b}') && !error.contains('\0') && error.len() < 1000, "{error}");
        }
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        assert!(load_calibration(directory.path(), &host).is_err());
        assert!(save_calibration(directory.path(), &calibration(f64::NAN)).is_err());
    }
}
