//! How fast one thread computes SHA-256, with the implementation that the lab itself proves data with.

use super::trials::{Trials, Window};
use super::{Found, pin, skip};
use crate::lab::Lab;
use isodyne_core::calibration::LimitKind;
use sha2::{Digest, Sha256};
use std::hint::black_box;

const BLOCK_BYTES: usize = 256 << 10;

/// SHA-256 of blocks that a cache holds.
pub(super) fn sha256(lab: &Lab, window: Window) -> Found {
    const NAME: &str = "sha256_bytes_per_s";
    let Some(cpu) = pin::allowed().first().copied() else {
        return vec![skip(NAME, "the host does not tell its processors")];
    };
    let mut block = vec![0_u8; BLOCK_BYTES];
    let trials = pin::on(cpu, || {
        window.trials(5, 20_000, || -> Result<f64, &str> {
            // Each digest goes into the next block, so that none can be left out.
            let begin = lab.clock.now();
            let digest = Sha256::digest(black_box(&block));
            let took = lab.clock.now().ns_since(begin).max(1);
            block[..32].copy_from_slice(&digest);
            Ok(BLOCK_BYTES as f64 * 1e9 / took as f64)
        })
    });
    let method = format!(
        "blocks of {} KiB by one thread on processor {cpu}, with {}; another implementation can be faster or slower",
        BLOCK_BYTES >> 10,
        path()
    );
    vec![Trials::limit(trials, NAME, LimitKind::Ceiling, method)]
}

/// Which of its paths the crate in use takes on this processor.
fn path() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        // The same question that the crate asks.
        if std::arch::is_x86_feature_detected!("sha") && std::arch::is_x86_feature_detected!("sse4.1") {
            return "the processor's SHA-NI instructions";
        }
    }
    #[cfg(target_arch = "aarch64")]
    {
        if std::arch::is_aarch64_feature_detected!("sha2") {
            return "the processor's SHA-2 instructions";
        }
    }
    "portable code (the processor has no instructions for it)"
}
