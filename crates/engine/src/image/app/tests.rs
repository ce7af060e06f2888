//! Whole images: from every wrapping to everything that is made of them.

use super::store::{Content, Piece, Store};
use super::testing::{Layer, Layout, config, descriptor, docker_save, gzip};
use super::tree::Meta;
use super::*;
use serde_json::json;
use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;

const OCI_TAR: &str = "application/vnd.oci.image.layer.v1.tar";

fn got(cache: &Path, source: &Path) -> Result<AppImage, ImageError> {
    let source = ImageSource::parse(source.to_str().unwrap())?;
    obtain(cache, &source, &ObtainOptions::default(), &mut |_| {})
}

fn error_of(source: &Path) -> ImageError {
    got(tempfile::tempdir().unwrap().path(), source).unwrap_err()
}

/// Two layers with most of what an image can have.
fn layers() -> Vec<Vec<u8>> {
    let owned = |uid, gid, mode| Meta { uid, gid, mtime: 1_700_000_000, ..Meta::plain(mode) };
    let capability = {
        let mut value = vec![1, 0, 0, 2, 0, 4, 0, 0];
        value.resize(20, 0);
        value
    };
    let capable =
        Meta { xattrs: BTreeMap::from([(b"security.capability".to_vec(), capability)]), ..owned(0, 0, 0o755) };
    let lower = Layer::new()
        .directory("srv", 0o755)
        .file_of("srv/index.html", "hello", owned(33, 33, 0o640))
        .file("srv/old", "gone")
        .symlink("www", "srv")
        .hard_link("srv/again", "srv/index.html")
        .file_of("app", "program", capable)
        .file_of("su", "program", owned(0, 42, 0o4755))
        .file_of("far", "owner", owned(1_000_000, 3_000_000_000, 0o600))
        .file(&format!("{}/{}", "d".repeat(200), "f".repeat(250)), "long")
        .file("srv/with \"quotes\" and spaces ünï", "odd")
        .bytes();
    let upper = Layer::new().file("srv/.wh.old", "").directory("tmp", 0o1777).file("srv/new", "new").bytes();
    vec![lower, upper]
}

#[test]
fn the_same_image_in_every_wrapping_is_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let cache = directory.path().join("cache");
    let place = |name: &str| directory.path().join(name);
    let layers = layers();
    Layout::new(&layers).write(&place("layout"));
    Layout::packed(&layers, config(&layers), OCI_TAR, <[u8]>::to_vec).write(&place("plain"));
    std::fs::write(place("layout.tar"), Layout::new(&layers).tar()).unwrap();
    std::fs::write(place("layout.tar.gz"), gzip(&Layout::new(&layers).tar())).unwrap();
    std::fs::write(place("docker.tar"), docker_save(&layers, &config(&layers), "app:1")).unwrap();
    let images: Vec<AppImage> = ["layout", "plain", "layout.tar", "layout.tar.gz", "docker.tar", "layout#app:1"]
        .into_iter()
        .map(|name| got(&cache, &place(name)).unwrap_or_else(|error| panic!("{name}: {error:?}")))
        .collect();
    for image in &images {
        assert_eq!(image.digest(), images[0].digest(), "{}", image.source);
        assert_eq!(image.record.layers.len(), 2);
        assert_eq!(image.config().argv(), ["/app", "serve"]);
    }
    assert_eq!(images[0].record.manifest, images[5].record.manifest);
    assert_eq!((images[4].record.manifest, images[0].record.content_bytes), (None, 5 + 7 + 7 + 5 + 4 + 3 + 3));
    assert_eq!(images[0].tar().metadata().unwrap().mode() & 0o777, 0o444);

    // A plain tar of the same tree has no configuration and is another image, with the same tree.
    std::fs::copy(images[0].tar(), place("tree.tar")).unwrap();
    let plain = got(&cache, &place("tree.tar")).unwrap();
    assert_eq!(plain.record.tree, images[0].record.tree);
    assert_ne!(plain.digest(), images[0].digest());

    // The second time it comes from the cache.
    let mut events = Vec::new();
    let source = ImageSource::parse(place("layout").to_str().unwrap()).unwrap();
    let again = obtain(&cache, &source, &ObtainOptions::default(), &mut |event| events.push(event)).unwrap();
    assert_eq!(events, [ImageEvent::Cached { digest: again.digest() }]);
    assert_eq!(again.record, images[0].record);
    assert!(std::fs::read_dir(cache.join("work")).unwrap().next().is_none());
}

#[test]
fn zstd_layers_are_read() {
    let pack = |bytes: &[u8]| {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut file, bytes).unwrap();
        let output = Command::new("zstd").args(["-q", "-c"]).arg(file.path()).output();
        // Two frames with one between them that is to be skipped, as zstd:chunked has it.
        output.ok().filter(|output| output.status.success()).map(|output| output.stdout)
    };
    let directory = tempfile::tempdir().unwrap();
    let layers = layers();
    let (begin, end) = layers[0].split_at(1000);
    let (Some(begin), Some(end)) = (pack(begin), pack(end)) else { return };
    let skipped = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
    let blob = [begin, skipped.clone(), end, skipped].concat();
    let mut layout = Layout::new(&layers[..1]);
    layout.blobs.push((Digest::of(&blob), blob.clone()));
    let layout = layout.with_manifest(|manifest| {
        manifest["layers"] = json!([descriptor(&blob, "application/vnd.oci.image.layer.v1.tar+zstd")]);
    });
    layout.write(directory.path());
    let cache = tempfile::tempdir().unwrap();
    let image = got(cache.path(), directory.path()).unwrap();
    assert_eq!(image.record.layers[0].diff_id, Digest::of(&layers[0]));
}

#[test]
fn each_fault_of_an_image_is_its_own_error() {
    let directory = tempfile::tempdir().unwrap();
    let layers = layers();
    let place = |name: &str| directory.path().join(name);
    let spoilt = |name: &str, layout: Layout| {
        layout.write(&place(name));
        error_of(&place(name))
    };
    let without = |what: usize| {
        let mut layout = Layout::new(&layers);
        layout.blobs.remove(what);
        layout
    };
    assert!(matches!(spoilt("a", without(1)), ImageError::Missing { what, .. } if what == "layer 2 of 2"));
    assert!(matches!(spoilt("b", without(2)), ImageError::Missing { what, .. } if what == "configuration"));
    assert!(matches!(spoilt("c", without(3)), ImageError::Missing { what, .. } if what == "manifest"));

    let mut layout = Layout::new(&layers);
    *layout.blobs[0].1.last_mut().unwrap() ^= 1;
    assert!(matches!(spoilt("d", layout), ImageError::Mismatch { what, .. } if what == "layer 1 of 2"));
    let mut layout = Layout::new(&layers);
    layout.blobs[0].1.push(0);
    assert!(matches!(spoilt("e", layout), ImageError::Length { what, .. } if what == "layer 1 of 2"));
    let mut layout = Layout::new(&layers);
    layout.blobs[0].1.truncate(100);
    assert!(matches!(spoilt("f", layout), ImageError::Length { .. }));
    let mut layout = Layout::new(&layers);
    layout.blobs[2].1[0] = b' ';
    assert!(matches!(spoilt("g", layout), ImageError::Mismatch { what, .. } if what == "configuration"));
    let swapped = Layout::packed(&layers, config(&[layers[1].clone(), layers[0].clone()]), OCI_TAR, <[u8]>::to_vec);
    assert!(matches!(spoilt("h", swapped), ImageError::Mismatch { what, .. } if what == "layer 1 of 2 (unpacked)"));
    let fewer = Layout::packed(&layers, config(&layers[..1]), OCI_TAR, <[u8]>::to_vec);
    assert!(spoilt("i", fewer).to_string().contains("names 1 layers, and there are 2"));
    let lying = Layout::packed(&layers, config(&layers), "application/vnd.oci.image.layer.v1.tar+gzip", <[u8]>::to_vec);
    assert!(matches!(spoilt("j", lying), ImageError::Compression { format: "gzip", .. }));
    let unknown =
        Layout::packed(&layers, config(&layers), "application/vnd.oci.image.layer.v1.tar+lz4", <[u8]>::to_vec);
    assert!(matches!(spoilt("k", unknown), ImageError::MediaType { what, .. } if what == "layer 1 of 2"));
    let artifact = Layout::new(&layers).with_manifest(|manifest| manifest["config"]["mediaType"] = json!("text/plain"));
    assert!(matches!(spoilt("l", artifact), ImageError::MediaType { what, .. } if what == "configuration"));
    let other = Layout::new(&layers).with_manifest(|manifest| manifest["mediaType"] = json!("text/plain"));
    assert!(matches!(spoilt("m", other), ImageError::MediaType { what, .. } if what == "manifest"));
    let both = Layout::new(&layers).with_manifest(|manifest| manifest["manifests"] = json!([]));
    assert!(spoilt("n", both).to_string().contains("at once"));
    let sha512 = Layout::new(&layers).with_manifest(|manifest| manifest["config"]["digest"] = json!("sha512:00"));
    assert!(matches!(spoilt("o", sha512), ImageError::NoDigest { .. }));
    let old = Layout::new(&layers).with_manifest(|manifest| manifest["schemaVersion"] = json!(1));
    assert!(spoilt("p", old).to_string().contains("schema 1"));
    let mut foreign = config(&layers);
    foreign["architecture"] = json!("s390x");
    let foreign = Layout::packed(&layers, foreign, OCI_TAR, <[u8]>::to_vec);
    assert!(matches!(spoilt("q", foreign), ImageError::Platform { found, .. } if found == "linux/s390x"));
    let mut platforms = Layout::new(&layers);
    platforms.index["manifests"][0]["platform"] = json!({"os": "windows", "architecture": "amd64"});
    assert!(matches!(spoilt("r", platforms), ImageError::Platform { found, .. } if found == "windows/amd64"));
    let mut several = Layout::new(&layers);
    several.seal();
    let mut second = several.index["manifests"][0].clone();
    second["digest"] = json!(Digest::of(b"other"));
    second["annotations"]["org.opencontainers.image.ref.name"] = json!("other:2");
    several.index["manifests"].as_array_mut().unwrap().push(second);
    let message = spoilt("s", several).to_string();
    assert!(message.contains("app:1, other:2") && message.contains("#NAME"), "{message}");
    // It is still there under its name.
    let cache = tempfile::tempdir().unwrap();
    assert!(got(cache.path(), &place("s#app:1")).is_ok());
    assert!(matches!(got(cache.path(), &place("s#none")), Err(ImageError::NoImage { .. })));
    let mut damaged = Layout::new(&layers);
    damaged.index = json!([]);
    assert!(matches!(spoilt("t", damaged), ImageError::Document { what, .. } if what == "index"));
}

#[test]
fn faults_of_archives_and_files_are_said() {
    let directory = tempfile::tempdir().unwrap();
    let layers = layers();
    let spoilt = |name: &str, bytes: &[u8]| {
        std::fs::write(directory.path().join(name), bytes).unwrap();
        error_of(&directory.path().join(name))
    };
    assert!(matches!(spoilt("empty", b""), ImageError::NoImage { .. }));
    assert!(matches!(spoilt("text", "no tar ".repeat(200).as_bytes()), ImageError::Layer { .. }));
    assert!(matches!(spoilt("nothing.tar", &[0; 1024]), ImageError::NoImage { .. }));
    assert!(matches!(spoilt("cut.tar.gz", &gzip(&layers[0])[..200]), ImageError::Compression { .. }));
    let text = config(&layers).to_string();
    let manifest =
        |config: &str, layer: &str| json!([{"Config": config, "RepoTags": null, "Layers": [layer, layer]}]).to_string();
    let archive = |manifest: &str| Layer::new().file("c.json", &text).file("manifest.json", manifest).bytes();
    assert!(
        matches!(spoilt("1", &archive(&manifest("none.json", "l"))), ImageError::Missing { what, .. } if what == "configuration")
    );
    assert!(
        matches!(spoilt("2", &archive(&manifest("c.json", "l"))), ImageError::Missing { what, .. } if what == "layer 1 of 2")
    );
    assert!(matches!(spoilt("3", &archive(&manifest("c.json", "../../l"))), ImageError::Missing { .. }));
    assert!(matches!(spoilt("4", &archive(&manifest("../c.json", "l"))), ImageError::Missing { .. }));
    assert!(matches!(spoilt("5", &archive("[]")), ImageError::NoImage { .. }));
    assert!(matches!(spoilt("6", &archive("{}")), ImageError::Document { .. }));
    let named = Layer::new()
        .file(&format!("{}.json", "0".repeat(64)), &text)
        .file("manifest.json", &manifest(&format!("{}.json", "0".repeat(64)), "l"))
        .bytes();
    assert!(matches!(spoilt("7", &named), ImageError::Mismatch { what, .. } if what == "configuration"));
    // Docker wrote a link for a layer that it had written already.
    let linked = Layer::new()
        .directory("x", 0o755)
        .content("x/layer.tar", &Content::memory(&layers[1]))
        .symlink("y/layer.tar", "../x/layer.tar")
        .file("c.json", &config(&[layers[1].clone(), layers[1].clone()]).to_string())
        .file("manifest.json", &json!([{"Config": "c.json", "Layers": ["x/layer.tar", "y/layer.tar"]}]).to_string());
    std::fs::write(directory.path().join("linked.tar"), linked.bytes()).unwrap();
    let cache = tempfile::tempdir().unwrap();
    assert!(got(cache.path(), &directory.path().join("linked.tar")).is_ok());
}

#[test]
fn a_sparse_file_of_10_gb_fills_neither_memory_nor_disk() {
    let directory = tempfile::tempdir().unwrap();
    let pieces = vec![Piece { offset: 9_000_000_000, length: 4, at: 0 }];
    let content = Content { store: Store::memory(b"data"), size: 10_000_000_000, pieces };
    let layer = Layer::new().content("sparse", &content).file("x", "").bytes();
    assert!(layer.len() < 16 << 10);
    Layout::new(&[layer]).write(&directory.path().join("layout"));
    let cache = directory.path().join("cache");
    let image = got(&cache, &directory.path().join("layout")).unwrap();
    assert_eq!(image.record.content_bytes, 10_000_000_000);
    assert!(image.record.tree.size_bytes < 64 << 10);
    let root = directory.path().join("root");
    image.unpack_to(&root).unwrap();
    let status = root.join("sparse").metadata().unwrap();
    assert_eq!(status.len(), 10_000_000_000);
    assert!(status.blocks() * 512 < 1 << 20);
    // As a directory it is the same tree, but for what a directory has no owner for.
    std::fs::remove_file(root.join("isodyne-agent")).unwrap();
    assert_eq!(got(&cache, &root).unwrap().record.content_bytes, 10_000_000_000);
    if let Ok(disk) = image.disk(DiskFormat::Ext4, None) {
        assert!(disk.path.metadata().unwrap().blocks() * 512 < 32 << 20);
    }
    let options =
        ObtainOptions { limits: Limits { content_bytes: 1 << 30, ..Limits::default() }, ..Default::default() };
    let source = ImageSource::parse(directory.path().join("layout").to_str().unwrap()).unwrap();
    let error = obtain(&directory.path().join("other"), &source, &options, &mut |_| {}).unwrap_err();
    assert!(crate::image::chain(&error).contains("holes included"), "{error:?}");
}

#[test]
fn what_unpacks_to_more_than_the_limit_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let layer = Layer::new().file("large", &"x".repeat(4 << 20)).bytes();
    Layout::new(&[layer]).write(directory.path());
    let limits = Limits { unpacked_bytes: 1 << 20, ..Limits::default() };
    let options = ObtainOptions { limits, ..Default::default() };
    let source = ImageSource::parse(directory.path().to_str().unwrap()).unwrap();
    let cache = tempfile::tempdir().unwrap();
    let error = obtain(cache.path(), &source, &options, &mut |_| {}).unwrap_err();
    assert!(matches!(error, ImageError::Limit { limit: 1_048_576, .. }), "{error}");
}

#[test]
fn a_directory_is_an_image_and_device_nodes_in_it_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("tree");
    std::fs::create_dir_all(place.join("sub")).unwrap();
    std::fs::write(place.join("sub/a"), "text").unwrap();
    std::fs::hard_link(place.join("sub/a"), place.join("b")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", place.join("link")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(place.join("socket")).unwrap();
    let image = got(&directory.path().join("cache"), &place).unwrap();
    let tree = flat::read(&image.tar()).unwrap();
    let paths: Vec<_> = tree.iter().map(|(path, ..)| String::from_utf8_lossy(path).into_owned()).collect();
    assert_eq!(paths, ["", "b", "link", "sub", "sub/a"]);
    let meta = &tree.get(b"b").unwrap().meta;
    assert_eq!((meta.uid, meta.gid, tree.get(b"").unwrap().meta.mode), (0, 0, 0o755));
    assert_eq!(image.record.content_bytes, 4);
    let error = error_of(Path::new("/dev/disk-that-is-not-there"));
    assert!(matches!(error, ImageError::Reference { .. }));
    if Path::new("/dev/shm").is_dir() && rustix::process::geteuid().is_root() {
        let node = rustix::fs::mknodat(
            rustix::fs::CWD,
            place.join("node"),
            rustix::fs::FileType::CharacterDevice,
            rustix::fs::Mode::RUSR,
            rustix::fs::makedev(1, 3),
        );
        if node.is_ok() {
            assert!(crate::image::chain(&error_of(&place)).contains("`node` is a character device (1:3)"));
        }
    }
}

#[test]
fn the_unpacked_tree_has_the_agent_and_what_a_sandbox_mounts_on() {
    let directory = tempfile::tempdir().unwrap();
    Layout::new(&layers()).write(&directory.path().join("layout"));
    let cache = directory.path().join("cache");
    let image = got(&cache, &directory.path().join("layout")).unwrap();
    let root = image.root_directory().unwrap();
    assert_eq!(root, image.root_directory().unwrap());
    assert_eq!(std::fs::read(root.join("isodyne-agent")).unwrap(), crate::channel::agent_binary());
    assert_eq!(std::fs::read_to_string(root.join("www/index.html")).unwrap(), "hello");
    assert_eq!(root.join("srv/again").metadata().unwrap().nlink(), 2);
    assert!(!root.join("srv/old").exists() && root.join("proc").is_dir() && root.join("etc/hosts").is_file());
    assert_eq!(root.join("tmp").metadata().unwrap().permissions().mode() & 0o7777, 0o1777);
    assert_eq!(root.join("srv/index.html").metadata().unwrap().mtime(), 1_700_000_000);
    let status = root.join("far").metadata().unwrap();
    if rustix::process::geteuid().is_root() {
        assert_eq!((status.uid(), status.gid()), (1_000_000, 3_000_000_000));
        assert_eq!(root.join("su").metadata().unwrap().mode() & 0o7777, 0o4755);
    }
    let taken = Layer::new().directory("isodyne-agent", 0o755).bytes();
    std::fs::write(directory.path().join("taken.tar"), taken).unwrap();
    let image = got(&cache, &directory.path().join("taken.tar")).unwrap();
    assert!(crate::image::chain(&image.root_directory().unwrap_err()).contains("where the agent is put"));
}

#[test]
fn the_archive_for_engines_is_the_image_with_the_agent() {
    let directory = tempfile::tempdir().unwrap();
    Layout::new(&layers()).write(&directory.path().join("layout"));
    let made: Vec<Vec<u8>> = ["one", "two"]
        .map(|cache| {
            let image = got(&directory.path().join(cache), &directory.path().join("layout")).unwrap();
            std::fs::read(image.docker_archive("isodyne-app:test").unwrap()).unwrap()
        })
        .into();
    assert!(made[0] == made[1]);
    std::fs::write(directory.path().join("docker.tar"), &made[0]).unwrap();
    let cache = directory.path().join("one");
    let image = got(&cache, &directory.path().join("layout")).unwrap();
    let again = got(&cache, &directory.path().join("docker.tar#isodyne-app:test")).unwrap();
    assert_eq!(again.config(), image.config());
    let tree = flat::read(&again.tar()).unwrap();
    assert!(tree.get(b"isodyne-agent").is_some() && tree.get(b"srv/new").is_some());
    assert_eq!(tree.get(b"far").unwrap().meta.gid, 3_000_000_000);
}

/// The digest of the ext4 disk of the test's image, made in a fresh cache.
fn ext4_digest(source: &Path, cache: &Path) -> Option<Disk> {
    let image = got(cache, source).unwrap();
    match image.disk(DiskFormat::Ext4, Some(32 << 20)) {
        Ok(disk) => Some(disk),
        Err(error @ ImageError::NoTool { .. }) => {
            skip(&error.to_string());
            None
        }
        Err(error) => panic!("{error:?}"),
    }
}

#[allow(clippy::print_stderr, reason = "a test that is skipped says why")]
fn skip(reason: &str) {
    eprintln!("skipped: {reason}");
}

/// Set for the same test when it is run by another user.
const EXPECTED: &str = "ISODYNE_TEST_EXPECTED_DISK";

#[test]
fn root_and_everyone_else_make_the_same_ext4() {
    let directory = tempfile::tempdir().unwrap();
    Layout::new(&layers()).write(&directory.path().join("layout"));
    let source = directory.path().join("layout");
    let Some(disk) = ext4_digest(&source, &directory.path().join("one")) else { return };
    let second = ext4_digest(&source, &directory.path().join("two, with space")).unwrap();
    assert_eq!(disk.stored, second.stored);
    assert_eq!((disk.stored.size_bytes, disk.path.metadata().unwrap().mode() & 0o777), (32 << 20, 0o444));
    if let Ok(expected) = std::env::var(EXPECTED) {
        assert_eq!(disk.stored.sha256, expected);
        return;
    }
    check_ext4(&disk);
    if !rustix::process::geteuid().is_root() || crate::host::find_tool("setpriv").is_none() {
        return skip("only root can become somebody else, with setpriv");
    }
    let open = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    open(directory.path(), 0o777);
    let program = directory.path().join("tests");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    open(&program, 0o755);
    let output = Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--"])
        .arg(&program)
        .args(["--exact", "image::app::tests::root_and_everyone_else_make_the_same_ext4"])
        .env(EXPECTED, &disk.stored.sha256)
        .env("TMPDIR", directory.path())
        .current_dir(directory.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}{}", String::from_utf8_lossy(&output.stderr));
}

/// What the file system's own tools say of the disk.
fn check_ext4(disk: &Disk) {
    let check = Command::new(crate::host::find_tool("e2fsck").unwrap()).args(["-f", "-n"]).arg(&disk.path).output();
    let check = check.unwrap();
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stdout));
    let stat = |path: &str| {
        let mut command = Command::new(crate::host::find_tool("debugfs").unwrap());
        let output = command.arg("-R").arg(format!("stat \"{path}\"")).arg(&disk.path).output().unwrap();
        String::from_utf8_lossy(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ")
    };
    // The tool shows 3000000000 with a sign.
    let far = stat("/far");
    assert!(far.contains("Mode: 0600") && far.contains("User: 1000000 Group: -1294967296"), "{far}");
    let page = stat("/srv/index.html");
    assert!(page.contains("Links: 2") && page.contains("User: 33") && page.contains("mtime: 0x6553f100"), "{page}");
    assert!(stat("/su").contains("Mode: 04755"), "{}", stat("/su"));
    assert!(stat("/app").contains("security.capability (20) = 01 00 00 02 00 04"), "{}", stat("/app"));
    assert!(stat("/www").contains("Fast link dest: \"srv\""), "{}", stat("/www"));
    assert!(stat("/srv/with \"\"quotes\"\" and spaces ünï").contains("Size: 3"));
    assert!(stat("/isodyne-agent").contains("Mode: 0755"));
}

#[test]
fn a_disk_that_is_too_small_says_what_it_needs() {
    let directory = tempfile::tempdir().unwrap();
    let mut random = fastrand::Rng::with_seed(4);
    let data: Vec<u8> = (0..5 << 20).map(|_| random.u8(..)).collect();
    let mut layer = Layer::new().content("data", &Content::memory(&data));
    for number in 0..1000 {
        layer = layer.file(&format!("many/{number:0>100}"), "x");
    }
    std::fs::write(directory.path().join("x.tar"), layer.bytes()).unwrap();
    let image = got(&directory.path().join("cache"), &directory.path().join("x.tar")).unwrap();
    match image.disk(DiskFormat::Ext4, Some(8 << 20)) {
        Err(ImageError::TooSmall { stated_bytes, needed_bytes }) => {
            assert_eq!(stated_bytes, 8 << 20);
            assert!((9 << 20..20 << 20).contains(&needed_bytes), "{needed_bytes}");
            // What it says is enough, and not a block less than what is checked.
            let disk = image.disk(DiskFormat::Ext4, Some(needed_bytes)).unwrap();
            check_whole(&disk);
            assert!(image.disk(DiskFormat::Ext4, Some(needed_bytes - 1)).is_err());
        }
        Err(error @ ImageError::NoTool { .. }) => skip(&error.to_string()),
        other => panic!("{other:?}"),
    }
}

fn check_whole(disk: &Disk) {
    let check = Command::new(crate::host::find_tool("e2fsck").unwrap()).args(["-f", "-n"]).arg(&disk.path).output();
    assert!(check.unwrap().status.success());
}

#[test]
fn squashfs_and_erofs_are_the_same_twice() {
    let directory = tempfile::tempdir().unwrap();
    Layout::new(&layers()).write(&directory.path().join("layout"));
    for (format, magic, at) in [(DiskFormat::Squashfs, &b"hsqs"[..], 0), (DiskFormat::Erofs, b"\xe2\xe1\xf5\xe0", 1024)]
    {
        let make = |cache: &str, size| {
            let image = got(&directory.path().join(cache), &directory.path().join("layout")).unwrap();
            image.disk(format, size)
        };
        if let Some(reason) = format.unavailable() {
            assert!(matches!(reason, ImageError::NoTool { .. }), "{reason:?}");
            skip(&reason.to_string());
            continue;
        }
        let (one, two) = (make("one", None).unwrap(), make("two", None).unwrap());
        assert_eq!(one.stored, two.stored, "{format:?}");
        let bytes = std::fs::read(&one.path).unwrap();
        assert_eq!(&bytes[at..at + 4], magic);
        assert!(matches!(make("one", Some(512)), Err(ImageError::TooSmall { stated_bytes: 512, .. })));
        if let (DiskFormat::Squashfs, Some(tool)) = (format, crate::host::find_tool("unsquashfs")) {
            let list = Command::new(tool).args(["-lln"]).arg(&one.path).output().unwrap();
            let list = String::from_utf8_lossy(&list.stdout).into_owned();
            assert!(list.contains("-rw------- 1000000/3000000000"), "{list}");
            assert!(list.contains("-rwsr-xr-x 0/42"), "{list}");
        }
    }
}
