//! What a file is about, by its name.

use crate::import::{SourceFile, text, text_factor};
use isodyne_core::cell::BackendName;
use isodyne_core::factor::{FactorValue, Factors};
use isodyne_core::sample::Accuracy;

/// `<engine>-<address>-<number>[-tag][-xN]`.
pub(super) struct Label {
    pub backend: BackendName,
    pub accuracy: Accuracy,
    pub factors: Factors,
}

impl Label {
    pub fn of(file: &SourceFile) -> Self {
        let mut words: Vec<&str> = text::stem(file).split('-').filter(|word| !word.is_empty()).collect();
        let mut factors = Factors::new();
        // Firecracker has no other way than KVM; QEMU may have had one.
        let (backend, accuracy) = match words.first().map(|word| word.to_ascii_lowercase()).as_deref() {
            Some("firecracker" | "fc") => (BackendName::Firecracker, Accuracy::Kvm),
            Some("qemu") => (BackendName::Qemu, Accuracy::Process),
            _ => (BackendName::Imported, Accuracy::Process),
        };
        if backend != BackendName::Imported {
            words.remove(0);
        }
        if let Some(count) = words.last().and_then(|word| word.strip_prefix('x')?.parse().ok()) {
            factors.insert("concurrent".to_owned(), FactorValue::Count(count));
            words.pop();
        }
        words.retain(|word| !is_address(word));
        // The number of the repetition is no dimension; a tag is whatever else there is.
        if let Some(place) = words.iter().position(|word| word.bytes().all(|byte| byte.is_ascii_digit())) {
            words.remove(place);
        }
        let tag = words.join("-");
        if !tag.is_empty() {
            factors.insert("tag".to_owned(), text_factor(&tag));
        }
        Self { backend, accuracy, factors }
    }

    /// The label with what was done, for files in which more than one thing was.
    pub fn with(&self, key: &str, value: &str) -> Factors {
        let mut factors = self.factors.clone();
        factors.insert(key.to_owned(), text_factor(value));
        factors
    }
}

fn is_address(word: &str) -> bool {
    word.split('.').count() == 4 && word.split('.').all(|part| part.parse::<u8>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(name: &str) -> String {
        let label = Label::of(&SourceFile { name: name.to_owned(), bytes: Vec::new() });
        let factors: Vec<String> = label.factors.iter().map(|(key, value)| format!("{key}={value}")).collect();
        format!("{}[{}]", label.backend, factors.join(","))
    }

    #[test]
    fn names_are_taken_by_exact_fields() {
        assert_eq!(label("logs/firecracker-10.10.10.2-3-T2-x10.log"), "firecracker[concurrent=10,tag=T2]");
        assert_eq!(label("qemu-10.10.10.2-1.log"), "qemu[]");
        // Not the template T2, although its name is a part of this one.
        assert_eq!(label("firecracker-10.0.1.2-1-T2-default-kernel.log"), "firecracker[tag=T2-default-kernel]");
        assert_eq!(label("notes.txt"), "imported[tag=notes]");
    }
}
