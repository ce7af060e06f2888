//! The calibration of a host, which lies in the cache.

use crate::{calibration_path, load_calibration, save_calibration};
use isodyne_core::calibration::Calibration;
use std::path::Path;

/// A file in the place of the calibration of the host that it names (or of none): it is taken for that host and stays
/// what it is when it is saved, or it is refused in a short line.
///
/// # Panics
/// If that does not hold.
pub fn calibration(place: &Path, input: &[u8]) {
    let host = serde_json::from_slice::<Calibration>(input).map(|named| named.fingerprint).unwrap_or_default();
    let path = calibration_path(place, &host);
    assert_eq!(path.parent(), Some(place), "no host is a path");
    std::fs::write(&path, input).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    match load_calibration(place, &host) {
        Ok(Some(taken)) => {
            assert!(taken.fingerprint.differences(&host).is_empty());
            save_calibration(place, &taken).unwrap_or_else(|error| panic!("what was read can be written: {error}"));
            let again = load_calibration(place, &host);
            assert!(matches!(&again, Ok(Some(again)) if *again == taken), "{again:?} is not {taken:?}");
        }
        Ok(None) => panic!("it is there"),
        Err(error) => super::short(&error),
    }
    let _ = std::fs::remove_file(path);
}
