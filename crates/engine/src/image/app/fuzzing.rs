//! What must hold of everything that reads an image, whatever it is given.

use super::config::ConfigDocument;
use super::digest::Digest;
use super::flat;
use super::layer::Flattening;
use super::limits::Limits;
use super::oci::Document;
use super::path::{clean, split};
use super::reference::Reference;
use super::store::Store;
use super::tree::{Kind, Tree};

/// Between two layers of an input.
pub(crate) const CUT: &[u8] = b"\n#layer\n";
/// A file that is larger is not written out: it would only take time.
const WRITTEN: u64 = 4 << 20;

/// The tree is sound, and its canonical form is read back as the same tree.
pub(crate) fn layers(layers: &[Vec<u8>]) {
    let limits = Limits { entries: 1000, pieces: 1000, content_bytes: WRITTEN, ..Limits::default() };
    let mut flattening = Flattening::new(&limits);
    for layer in layers {
        if let Err(error) = flattening.apply(&Store::memory(layer)) {
            let line = crate::image::chain(&error);
            assert!(line.len() < 2000 && !line.contains(char::is_control), "{line:?}");
            return;
        }
    }
    let tree = flattening.tree;
    sound(&tree);
    // Contents lie inside of the layers, so that they can be read.
    let bytes = flat::write(&tree, Vec::new()).unwrap_or_else(|error| panic!("{error}"));
    let unlimited = Limits::unlimited();
    let mut again = Flattening::new(&unlimited);
    again.apply(&Store::memory(&bytes)).unwrap_or_else(|error| panic!("{error:?}"));
    assert!(flat::write(&again.tree, Vec::new()).is_ok_and(|second| second == bytes));
}

fn sound(tree: &Tree) {
    for (path, _, inode) in tree.iter().skip(1) {
        assert_eq!(clean(path).as_deref(), Ok(path));
        let parent = tree.get(split(path).0).map(|inode| &inode.kind);
        assert!(matches!(parent, Some(Kind::Directory)));
        if let Kind::File(content) = &inode.kind {
            let mut behind = 0;
            for piece in &content.pieces {
                assert!(piece.length > 0 && piece.offset >= behind);
                behind = piece.offset + piece.length;
                assert!(piece.at + piece.length <= content.store.len());
            }
            assert!(behind <= content.size);
        }
    }
}

/// Errors are short; what is taken can be given to a program.
pub(crate) fn documents(bytes: &[u8]) {
    match Document::parse(bytes, "document") {
        Ok(Document::Manifest { config, layers }) => {
            let _ = config.check_config();
            layers.iter().for_each(|layer| drop(layer.packing("layer")));
        }
        Ok(Document::Index(entries)) => {
            assert!(entries.iter().all(|entry| entry.is_document() || !entry.media_type.is_empty()));
        }
        Err(error) => assert!(error.to_string().len() < 1000),
    }
    if let Ok((_, config)) = ConfigDocument::parse(bytes) {
        assert!(config.argv().iter().chain(&config.environment).all(|text| !text.contains('\0')));
        assert!(config.environment.iter().all(|variable| variable.find('=').is_some_and(|at| at > 0)));
    }
}

/// One image is chosen, or it is said why not.
pub(crate) fn archive(bytes: &[u8]) {
    if let Err(error) = super::supply::fuzz_archive(bytes) {
        assert!(error.to_string().len() < 4000, "{error}");
    }
}

/// What is taken is written as it was read, and can stand in a request as it is.
pub(crate) fn references(text: &str) {
    if let Ok(reference) = Reference::parse(text) {
        let written = reference.to_string();
        assert_eq!(Reference::parse(&written).as_ref(), Ok(&reference));
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._/:@[]".contains(c);
        assert!(written.chars().all(plain), "{written}");
        assert!(!reference.repository.split('/').any(|part| part.is_empty() || part == ".."));
    }
    if let Ok(digest) = Digest::parse(text) {
        assert_eq!(digest.to_string(), text);
    }
    super::supply::fuzz_challenge(text);
}
