//! What a Firecracker of some version can do.

use std::fmt;

/// A version as the program says it: `Firecracker v1.13.1`, `Firecracker v1.17.0-dev`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Before the first point.
    pub major: u32,
    /// Behind it.
    pub minor: u32,
}

impl Version {
    /// The oldest that is driven.
    pub const OLDEST: Self = Self { major: 1, minor: 7 };

    /// Reads what `firecracker --version` prints; `None` if it is no such line.
    pub fn parse(line: &str) -> Option<Self> {
        let number = line.split_whitespace().find_map(|word| word.strip_prefix('v'))?;
        let mut parts = number.split(['.', '-', '+']);
        Some(Self { major: parts.next()?.parse().ok()?, minor: parts.next()?.parse().ok()? })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// Something that not every version has. Source: Firecracker's own CHANGELOG.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// Devices on PCI (`--enable-pci`).
    Pci,
    /// A file for the serial port's output (`PUT /serial`).
    SerialFile,
    /// Devices begin at 3 GiB of the guest's memory and not at 3.25 GiB.
    DevicesAtThreeGibibytes,
    /// Guest memory in transparent huge pages.
    TransparentHugePages,
    /// A kernel as a bzImage.
    BzImage,
}

impl Feature {
    /// The first version that has it.
    pub fn since(self) -> Version {
        let minor = match self {
            Self::Pci | Self::DevicesAtThreeGibibytes => 13,
            Self::SerialFile => 14,
            Self::TransparentHugePages | Self::BzImage => 17,
        };
        Version { major: 1, minor }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_ordered() {
        let version = |line| Version::parse(line).unwrap();
        assert_eq!(version("Firecracker v1.7.0"), Version::OLDEST);
        assert_eq!(version("Firecracker v1.17.0-dev"), Version { major: 1, minor: 17 });
        assert!(version("Firecracker v1.10.1") > version("Firecracker v1.9.1"));
        assert!(Feature::Pci.since() <= version("Firecracker v2.0.0"));
        assert_eq!(Version::parse("QEMU emulator version 7.2"), None);
        assert_eq!(Version::parse("Firecracker v1"), None);
    }
}
