//! The host, as far as it decides whether a checkpoint can come back here.

use super::CheckpointError;
use isodyne_core::checkpoint::{CheckpointClass, KeptHost};

/// What this host is.
pub(crate) fn this() -> KeptHost {
    let uname = rustix::system::uname();
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let of = |key: &str| {
        let line = cpuinfo.lines().find(|line| line.starts_with(key))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    KeptHost {
        kernel: uname.release().to_string_lossy().into_owned(),
        architecture: uname.machine().to_string_lossy().into_owned(),
        processor: of("model name").unwrap_or_default(),
        processor_flags: of("flags").map(|flags| flags.split(' ').map(str::to_owned).collect()).unwrap_or_default(),
    }
}

/// The boot of this host.
pub(crate) fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// Extensions whose registers are in the images, or whose instructions a program that has found them goes on using.
fn matters(flag: &str) -> bool {
    ["sse", "ssse", "avx", "xsave", "amx", "fma", "bmi", "aes", "sha_ni", "pku", "popcnt", "adx", "vaes", "gfni"]
        .iter()
        .any(|prefix| flag.starts_with(prefix))
}

fn series(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.split(|letter: char| !letter.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Whether processes that were kept on `kept` can come back on `here`; what is worth a remark, if so.
///
/// An older kernel may lack what the images tell of; a newer one is what updates of a host bring.
pub(crate) fn check(kept: &KeptHost, here: &KeptHost) -> Result<Vec<String>, CheckpointError> {
    let other = |message: String| Err(CheckpointError::new(CheckpointClass::OtherHost, message));
    if kept.architecture != here.architecture {
        return other(format!("it was made on {}, and this host is {}", kept.architecture, here.architecture));
    }
    if series(&here.kernel) < series(&kept.kernel) {
        return other(format!("it was made on Linux {}, and this host's {} is older", kept.kernel, here.kernel));
    }
    let missing: Vec<&str> = kept
        .processor_flags
        .iter()
        .map(String::as_str)
        .filter(|flag| matters(flag) && !here.processor_flags.iter().any(|known| known == flag))
        .collect();
    if !missing.is_empty() {
        let (was, flags) = (&kept.processor, missing.join(", "));
        return other(format!("it was made on {was}, and this processor lacks {flags}"));
    }
    let newer = kept.kernel != here.kernel;
    Ok(newer
        .then(|| format!("it was made on Linux {}, and this is {}", kept.kernel, here.kernel))
        .into_iter()
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(kernel: &str, flags: &[&str]) -> KeptHost {
        KeptHost {
            kernel: kernel.into(),
            architecture: "x86_64".into(),
            processor: "p".into(),
            processor_flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
        }
    }

    #[test]
    fn what_a_host_lacks_is_named() {
        let kept = host("6.1.0-30-amd64", &["fpu", "avx2", "ht"]);
        assert_eq!(check(&kept, &kept).unwrap(), Vec::<String>::new());
        assert_eq!(check(&kept, &host("6.12.1", &["avx2"])).unwrap().len(), 1);
        let refused = |here: KeptHost| check(&kept, &here).unwrap_err();
        assert!(refused(host("5.10.0", &["avx2"])).message.contains("older"));
        assert!(refused(host("6.1.0-30-amd64", &["fpu"])).message.contains("lacks avx2"));
        let arm = KeptHost { architecture: "aarch64".into(), ..kept.clone() };
        assert_eq!(refused(arm).class, CheckpointClass::OtherHost);
        assert!(!this().kernel.is_empty() && !boot_id().is_empty());
    }
}
