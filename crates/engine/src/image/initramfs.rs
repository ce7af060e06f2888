//! The initramfs: the agent as `/init`, the device nodes it needs at once, and the kernel's modules if any.
//!
//! It is not compressed: unpacking costs the guest time, and loading a megabyte costs the host next to nothing.

use crate::image::cpio::{Archive, CpioError, Node};
use crate::image::modules::Modules;

/// Where the agent looks for modules, as a path in the archive.
const MODULE_DIRECTORY: &str = "lib/isodyne";

/// The bytes of an initramfs. The same agent and modules give the same bytes.
///
/// # Errors
/// [`CpioError`] if something is too large for the format.
pub fn build(agent: &[u8], modules: &Modules, wanted: &[String]) -> Result<Vec<u8>, CpioError> {
    let mut archive = Archive::default();
    // Mount points and the places where commands may write.
    for directory in ["dev", "proc", "sys", "run", "tmp", "etc", "root", "mnt"] {
        archive.add(directory, Node::Directory)?;
    }
    // The kernel opens /dev/console for init before init can mount devtmpfs; the others are for kernels without it.
    for (name, major, minor) in [("console", 5, 1), ("null", 1, 3), ("ttyS0", 4, 64), ("ttyS1", 4, 65)] {
        archive.add(&format!("dev/{name}"), Node::CharacterDevice { major, minor })?;
    }
    archive.add("init", Node::File { contents: agent.to_vec(), executable: true })?;
    for name in wanted {
        if let Some(module) = modules.get(name) {
            let path = format!("{MODULE_DIRECTORY}/{name}.ko");
            archive.add(&path, Node::File { contents: module.clone(), executable: false })?;
        }
    }
    archive.bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_same_from_the_same_input() {
        let modules = Modules::from([("a".to_owned(), vec![1; 9]), ("b".to_owned(), vec![2; 9])]);
        let wanted = ["b".to_owned(), "a".to_owned()];
        let first = build(b"agent", &modules, &wanted).unwrap();
        assert_eq!(first, build(b"agent", &modules, &wanted).unwrap());
        let text = String::from_utf8_lossy(&first);
        assert!(text.contains("lib/isodyne/a.ko") && text.contains("init") && text.contains("dev/ttyS1"));
        assert!(!String::from_utf8_lossy(&build(b"agent", &modules, &[]).unwrap()).contains(".ko"));
    }
}
