//! Kernel modules: which ones a wish needs, and in which order they are loaded.
//!
//! The order comes from the modules themselves (`depends=` in their `.modinfo`): packages do not carry a `modules.dep`.

use std::collections::BTreeMap;

/// Modules by name (with `_`), unpacked.
pub type Modules = BTreeMap<String, Vec<u8>>;

/// Why modules cannot be ordered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModuleError {
    /// A module is needed that is neither there nor built in.
    #[error("kernel module `{needed}` is missing (needed by `{by}`)")]
    Missing {
        /// The missing one.
        needed: String,
        /// Who needs it.
        by: String,
    },
    /// Modules that need each other.
    #[error("kernel module `{0}` needs itself")]
    Circle(String),
}

/// The module's name by its file's (`kernel/drivers/virtio/virtio-rng.ko.xz` → `virtio_rng`); `None` if it is none.
pub fn name_of_file(path: &str) -> Option<String> {
    let file = path.rsplit('/').next()?;
    let stem = [".ko", ".ko.xz", ".ko.zst", ".ko.gz"].iter().find_map(|suffix| file.strip_suffix(suffix))?;
    (!stem.is_empty()).then(|| stem.replace('-', "_"))
}

/// What a module depends on, as its `.modinfo` says.
pub fn depends_of(module: &[u8]) -> Vec<String> {
    // `.modinfo` is a row of `key=value` texts that end in null bytes; the key stands behind another text's end.
    let needle = b"\0depends=";
    let start = module.windows(needle.len()).position(|window| window == needle);
    let Some(value) = start.map(|at| &module[at + needle.len()..]) else { return Vec::new() };
    let end = value.iter().take(4096).position(|byte| *byte == 0).unwrap_or(0);
    String::from_utf8_lossy(&value[..end])
        .split(',')
        .filter(|name| !name.is_empty())
        .map(|name| name.replace('-', "_"))
        .collect()
}

/// Puts what is wanted and what that needs in the order of loading. Wishes that are built in are left out.
///
/// # Errors
/// [`ModuleError`] if something needed is missing or needs itself.
pub fn order(
    wanted: &[&str],
    available: &Modules,
    built_in: &dyn Fn(&str) -> bool,
) -> Result<Vec<String>, ModuleError> {
    let mut done = Vec::new();
    for name in wanted {
        visit(name, "the guest", available, built_in, &mut Vec::new(), &mut done)?;
    }
    Ok(done)
}

fn visit(
    name: &str,
    by: &str,
    available: &Modules,
    built_in: &dyn Fn(&str) -> bool,
    path: &mut Vec<String>,
    done: &mut Vec<String>,
) -> Result<(), ModuleError> {
    if done.iter().any(|known| known == name) || built_in(name) {
        return Ok(());
    }
    if path.iter().any(|above| above == name) {
        return Err(ModuleError::Circle(name.to_owned()));
    }
    let Some(module) = available.get(name) else {
        return Err(ModuleError::Missing { needed: name.to_owned(), by: by.to_owned() });
    };
    path.push(name.to_owned());
    let mut needs = depends_of(module);
    needs.sort();
    for needed in needs {
        visit(&needed, name, available, built_in, path, done)?;
    }
    path.pop();
    done.push(name.to_owned());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(depends: &str) -> Vec<u8> {
        format!("\x7fELF...\0license=GPL\0depends={depends}\0name=x\0").into_bytes()
    }

    const WANTED: &[&str] = &["virtio_pci", "virtio_console"];

    #[test]
    fn dependencies_come_first_and_once() {
        let available = Modules::from([
            ("virtio".to_owned(), module("virtio_ring")),
            ("virtio_ring".to_owned(), module("")),
            ("virtio_pci".to_owned(), module("virtio_pci_modern_dev,virtio,virtio_ring")),
            ("virtio_pci_modern_dev".to_owned(), module("")),
            ("virtio_console".to_owned(), module("virtio,virtio_ring,hvc_console")),
        ]);
        let ordered = order(WANTED, &available, &|name| name == "hvc_console").unwrap();
        assert_eq!(ordered, ["virtio_ring", "virtio", "virtio_pci_modern_dev", "virtio_pci", "virtio_console"]);
        assert_eq!(
            order(WANTED, &available, &|_| false),
            Err(ModuleError::Missing { needed: "hvc_console".to_owned(), by: "virtio_console".to_owned() })
        );
    }

    #[test]
    fn circles_are_found() {
        let available = Modules::from([("a".to_owned(), module("b")), ("b".to_owned(), module("a"))]);
        assert_eq!(order(&["a"], &available, &|_| false), Err(ModuleError::Circle("a".to_owned())));
    }

    #[test]
    fn names_come_from_files() {
        assert_eq!(name_of_file("lib/modules/6/kernel/virtio-rng.ko.zst").as_deref(), Some("virtio_rng"));
        assert_eq!(name_of_file("a/virtio.ko").as_deref(), Some("virtio"));
        assert_eq!(name_of_file("a/modules.dep"), None);
        assert_eq!(depends_of(b"nothing here"), Vec::<String>::new());
    }
}
