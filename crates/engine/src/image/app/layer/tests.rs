//! Layers against bad input, and against a model: the same layers put on a directory of the host, naively.

use super::*;
use crate::image::app::testing::Layer;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;

fn flattened(layers: &[Vec<u8>]) -> Result<Tree, TarError> {
    let limits = Limits::default();
    let mut flattening = Flattening::new(&limits);
    for layer in layers {
        flattening.apply(&Store::memory(layer))?;
    }
    Ok(flattening.tree)
}

fn problem(layers: &[Vec<u8>]) -> EntryProblem {
    match flattened(layers) {
        Err(TarError::Entry { problem, .. }) => problem,
        other => panic!("{other:?}"),
    }
}

fn paths(tree: &Tree) -> Vec<String> {
    tree.iter().skip(1).map(|(path, ..)| String::from_utf8_lossy(path).into_owned()).collect()
}

#[test]
fn whiteouts_hide_what_lower_layers_have_and_nothing_of_their_own() {
    let lower = Layer::new().directory("a", 0o750).file("a/x", "1").file("a/y", "1").file("b", "1").bytes();
    // The whiteout comes after what it must not hide.
    let upper = Layer::new().file("a/x", "2").file("a/.wh.x", "").file("a/.wh.y", "").file(".wh.b", "").bytes();
    let tree = flattened(&[lower.clone(), upper]).unwrap();
    assert_eq!(paths(&tree), ["a", "a/x"]);
    assert_eq!(tree.get(b"a").unwrap().meta.mode, 0o750);

    let opaque = Layer::new().file("a/new", "2").file("a/.wh..wh..opq", "").file("a/.wh..wh.plnk", "").bytes();
    assert_eq!(paths(&flattened(&[lower.clone(), opaque]).unwrap()), ["a", "a/new", "b"]);
    let all = Layer::new().file(".wh..wh..opq", "").file("c", "").bytes();
    assert_eq!(paths(&flattened(&[lower, all]).unwrap()), ["c"]);
}

#[test]
fn a_whiteout_of_nothing_or_below_a_link_hides_nothing() {
    let lower = Layer::new().directory("usr", 0o755).file("usr/x", "").symlink("lib", "usr").bytes();
    let upper = Layer::new().file("lib/.wh.x", "").file("no/.wh.x", "").bytes();
    assert_eq!(paths(&flattened(&[lower, upper]).unwrap()), ["lib", "usr", "usr/x"]);
}

#[test]
fn a_change_of_type_replaces_and_a_directory_keeps_what_is_in_it() {
    let lower = Layer::new().file("d/x", "").file("f", "").symlink("l", "d").bytes();
    let upper = Layer::new().directory("d", 0o700).directory("l", 0o711).file("f/inner", "").bytes();
    assert_eq!(problem(&[lower.clone(), upper]), through("f", "a file"));
    let upper = Layer::new().directory("d", 0o700).directory("l", 0o711).file("l/y", "").file("d/x/.wh.z", "").bytes();
    let tree = flattened(&[lower.clone(), upper]).unwrap();
    assert_eq!(paths(&tree), ["d", "d/x", "f", "l", "l/y"]);
    assert_eq!(tree.get(b"d").unwrap().meta.mode, 0o700);
    let upper = Layer::new().file("d", "now a file").bytes();
    assert_eq!(paths(&flattened(&[lower, upper]).unwrap()), ["d", "f", "l"]);
}

fn through(path: &str, what: &'static str) -> EntryProblem {
    EntryProblem::Through { through: path.to_owned(), what }
}

#[test]
fn nothing_leaves_the_image() {
    let one = |layer: Layer| problem(&[layer.bytes()]);
    assert_eq!(one(Layer::new().file("../x", "")), EntryProblem::Escape);
    assert_eq!(one(Layer::new().file("a/../../x", "")), EntryProblem::Escape);
    assert_eq!(one(Layer::new().file("/etc/passwd", "")), EntryProblem::Absolute);
    assert_eq!(one(Layer::new().file("a/.wh...", "")), EntryProblem::Escape);
    assert_eq!(one(Layer::new().file("a/.wh.", "")), EntryProblem::Empty);
    assert_eq!(one(Layer::new().file("a/.wh.b/c", "")), EntryProblem::Reserved);
    assert_eq!(one(Layer::new().file("x", "").hard_link("y", "../x")), EntryProblem::Escape);
    assert_eq!(one(Layer::new().file("x", "").hard_link("y", "/x")), EntryProblem::Absolute);
    // Through a link of the same layer, and of an earlier one; to the outside, and to the inside.
    assert_eq!(one(Layer::new().symlink("l", "/etc").file("l/passwd", "")), through("l", "a symbolic link"));
    let lower = Layer::new().directory("d", 0o755).file("d/x", "").symlink("l", "d").bytes();
    let upper = Layer::new().file("l/deep/er", "").bytes();
    assert_eq!(problem(&[lower.clone(), upper]), through("l", "a symbolic link"));
    let upper = Layer::new().hard_link("y", "l/x").bytes();
    assert_eq!(problem(&[lower, upper]), through("l", "a symbolic link"));
    assert_eq!(one(Layer::new().symlink(".", "/etc")), EntryProblem::Root);
}

#[test]
fn devices_are_refused_and_named() {
    let one = |kind, major, minor| problem(&[Layer::new().device("dev/x", kind, major, minor).bytes()]);
    assert_eq!(one(tar::EntryType::Char, 1, 3), EntryProblem::Device { kind: "character", major: 1, minor: 3 });
    assert_eq!(one(tar::EntryType::Block, 8, 0), EntryProblem::Device { kind: "block", major: 8, minor: 0 });
    assert_eq!(one(tar::EntryType::Char, 0, 0), EntryProblem::OverlayWhiteout);
}

#[test]
fn hard_links_are_one_file_whatever_happens_to_the_first_name() {
    let lower = Layer::new().file("a", "text").hard_link("b", "a").symlink("s", "a").hard_link("t", "s").bytes();
    let upper = Layer::new().file(".wh.a", "").hard_link("c", "b").bytes();
    let tree = flattened(&[lower, upper]).unwrap();
    let numbers: Vec<usize> = tree.iter().skip(1).map(|(_, number, _)| number).collect();
    assert_eq!(paths(&tree), ["b", "c", "s", "t"]);
    assert!(numbers[0] == numbers[1] && numbers[2] == numbers[3] && numbers[0] != numbers[2]);
    let gone = Layer::new().hard_link("x", "nowhere").bytes();
    assert_eq!(problem(&[gone]), EntryProblem::LinkTarget("nowhere".to_owned()));
    let directory = Layer::new().directory("d", 0o755).hard_link("x", "d").bytes();
    assert_eq!(problem(&[directory]), EntryProblem::LinkToDirectory("d".to_owned()));
}

#[test]
fn owners_attributes_and_limits() {
    let meta = |name: &str, size| Meta {
        xattrs: BTreeMap::from([(name.as_bytes().to_vec(), vec![1; size])]),
        ..Meta::plain(0o644)
    };
    let layer = Layer::new().file_of("a", "", meta("security.capability", 20)).bytes();
    assert_eq!(flattened(&[layer]).unwrap().get(b"a").unwrap().meta.xattrs.len(), 1);
    // Labels and the book-keeping of overlayfs belong to the host that the layer was made on.
    let layer = Layer::new().file_of("a", "", meta("security.selinux", 20)).bytes();
    assert!(flattened(&[layer]).unwrap().get(b"a").unwrap().meta.xattrs.is_empty());
    assert_eq!(problem(&[Layer::new().file_of("a", "", meta("user.x", 5000)).bytes()]), EntryProblem::Xattrs(5006));
    let nobody = Meta { uid: u32::MAX, ..Meta::plain(0o644) };
    assert_eq!(problem(&[Layer::new().file_of("a", "", nobody).bytes()]), EntryProblem::Owner(u32::MAX.into()));

    let layer = Store::memory(&Layer::new().file("a", "12345").file("b", "").file("c", "").bytes());
    for (limits, what) in [
        (Limits { entries: 2, ..Limits::default() }, "entries"),
        (Limits { names_bytes: 2, ..Limits::default() }, "bytes of names and attributes"),
        (Limits { content_bytes: 4, ..Limits::default() }, "bytes in its files, holes included"),
    ] {
        match Flattening::new(&limits).apply(&layer) {
            Err(TarError::Limit { what: found, .. }) => assert_eq!(found, what),
            other => panic!("{what}: {other:?}"),
        }
    }
}

/// A change that a layer makes.
#[derive(Clone, Debug)]
enum Change {
    File(String, u8),
    Directory(String),
    Symlink(String),
    Hide(String),
    Clear(String),
}

fn change() -> impl Strategy<Value = Change> {
    let path = || proptest::collection::vec("[ab-]", 1..4).prop_map(|names| names.join("/"));
    prop_oneof![
        4 => (path(), any::<u8>()).prop_map(|(path, content)| Change::File(path, content)),
        2 => path().prop_map(Change::Directory),
        1 => path().prop_map(Change::Symlink),
        2 => path().prop_map(Change::Hide),
        1 => path().prop_map(Change::Clear),
    ]
}

fn to_layer(changes: &[Change]) -> Vec<u8> {
    let mut layer = Layer::new();
    for change in changes {
        layer = match change {
            Change::File(path, content) => layer.file(path, &content.to_string()),
            Change::Directory(path) => layer.directory(path, 0o755),
            Change::Symlink(path) => layer.symlink(path, "b"),
            Change::Hide(path) => {
                let (directory, name) = path.rsplit_once('/').map_or(("", path.as_str()), |parts| parts);
                layer.file(format!("{directory}/.wh.{name}").trim_start_matches('/'), "")
            }
            Change::Clear(path) => layer.file(&format!("{path}/.wh..wh..opq"), ""),
        };
    }
    layer.bytes()
}

/// The same on a directory of the host; `None` if a path would go through something that is no directory.
fn on_the_host(root: &Path, changes: &[Change]) -> Option<()> {
    let kind = |path: &Path| path.symlink_metadata().ok().map(|status| status.file_type());
    let is_directory = |path: &Path| kind(path).is_some_and(|kind| kind.is_dir());
    // Never through a link: the parents of what is hidden must be directories themselves.
    let reached = |path: &str| {
        let mut at = root.to_owned();
        path.split('/').all(|name| {
            let inside = is_directory(&at);
            at.push(name);
            inside
        })
    };
    let remove = |path: &Path| match kind(path) {
        Some(kind) if kind.is_dir() => std::fs::remove_dir_all(path).unwrap(),
        Some(_) => std::fs::remove_file(path).unwrap(),
        None => {}
    };
    for change in changes {
        match change {
            Change::Hide(path) if reached(path) => remove(&root.join(path)),
            Change::Clear(path) if reached(path) && is_directory(&root.join(path)) => {
                for entry in std::fs::read_dir(root.join(path)).unwrap() {
                    remove(&entry.unwrap().path());
                }
            }
            _ => {}
        }
    }
    for change in changes {
        let path = match change {
            Change::File(path, _) | Change::Directory(path) | Change::Symlink(path) => path,
            _ => continue,
        };
        let mut at = root.to_owned();
        let names: Vec<&str> = path.split('/').collect();
        for name in &names[..names.len() - 1] {
            at.push(name);
            match kind(&at) {
                None => std::fs::create_dir(&at).unwrap(),
                Some(kind) if kind.is_dir() => {}
                Some(_) => return None,
            }
        }
        at.push(names[names.len() - 1]);
        if matches!(change, Change::Directory(_)) && is_directory(&at) {
            continue;
        }
        remove(&at);
        match change {
            Change::File(_, content) => std::fs::write(&at, content.to_string()).unwrap(),
            Change::Directory(_) => std::fs::create_dir(&at).unwrap(),
            _ => std::os::unix::fs::symlink("b", &at).unwrap(),
        }
    }
    Some(())
}

/// Everything below a directory: `d`, `l` or the text of a file.
fn listing(root: &Path) -> BTreeMap<String, String> {
    let (mut found, mut waiting) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(directory) = waiting.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let name = entry.path().strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            let kind = entry.file_type().unwrap();
            let text = if kind.is_dir() {
                waiting.push(entry.path());
                "d".to_owned()
            } else if kind.is_symlink() {
                "l".to_owned()
            } else {
                std::fs::read_to_string(entry.path()).unwrap()
            };
            found.insert(name, text);
        }
    }
    found
}

fn listing_of(tree: &Tree) -> BTreeMap<String, String> {
    let entry = |(path, _, inode): (&[u8], usize, &Inode)| {
        let text = match &inode.kind {
            Kind::Directory => "d".to_owned(),
            Kind::Symlink(_) => "l".to_owned(),
            Kind::Fifo => "p".to_owned(),
            Kind::File(content) => {
                let mut text = Vec::new();
                content
                    .data(|_, run| {
                        text.extend_from_slice(run);
                        Ok(())
                    })
                    .unwrap();
                String::from_utf8(text).unwrap()
            }
        };
        (String::from_utf8(path.to_vec()).unwrap(), text)
    };
    tree.iter().skip(1).map(entry).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn layers_do_to_a_tree_what_they_do_to_a_directory(
        layers in proptest::collection::vec(proptest::collection::vec(change(), 0..8), 1..4),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let model: Option<()> = layers.iter().try_for_each(|changes| on_the_host(directory.path(), changes));
        let packed: Vec<Vec<u8>> = layers.iter().map(|changes| to_layer(changes)).collect();
        match (flattened(&packed), model) {
            (Ok(tree), Some(())) => {
                prop_assert_eq!(listing_of(&tree), listing(directory.path()));
                // And the canonical form is read back as the same.
                let bytes = crate::image::app::flat::write(&tree, Vec::new()).unwrap();
                let again = flattened(std::slice::from_ref(&bytes)).unwrap();
                prop_assert_eq!(listing_of(&again), listing_of(&tree));
                prop_assert_eq!(crate::image::app::flat::write(&again, Vec::new()).unwrap(), bytes);
            }
            (Err(TarError::Entry { problem: EntryProblem::Through { .. }, .. }), None) => {}
            (found, model) => prop_assert!(false, "{:?} and {:?}", found.map(|tree| listing_of(&tree)), model),
        }
    }
}
