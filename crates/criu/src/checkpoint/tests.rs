//! The images that CRIU made (`tests/images/README.md`), held against what `crit` says of them.

use super::*;
use crate::image::{self, Kind};
use crate::source::InMemory;
use crate::wire::{self, Value};
use serde_json::Value as Json;
use std::collections::BTreeMap;

macro_rules! images {
    ($($name:literal)*) => {
        &[$( ($name, include_bytes!(concat!("../../tests/images/process/", $name)) as &[u8]), )*]
    };
}

pub(crate) const IMAGES: &[(&str, &[u8])] = images! {
    "core-20954.img" "core-20956.img" "core-20957.img" "core-20958.img" "core-20959.img" "fdinfo-2.img" "fdinfo-3.img"
    "fdinfo-4.img" "files.img" "fs-20954.img" "fs-20957.img" "fs-20959.img" "ids-20954.img" "ids-20957.img"
    "ids-20959.img" "inventory.img" "memfd.img" "mm-20954.img" "mm-20957.img" "mm-20959.img" "pagemap-20954.img"
    "pagemap-20957.img" "pagemap-20959.img" "pages-1.img" "pipes-data.img" "pstree.img" "stats-dump"
    "tcp-stream-6c5d01.img" "tcp-stream-6c5d02.img"
};

/// Of a container.
pub(crate) const CONTAINER: &[(&str, &[u8])] = &[
    ("core-1.img", include_bytes!("../../tests/images/container/core-1.img")),
    ("ids-1.img", include_bytes!("../../tests/images/container/ids-1.img")),
    ("inventory.img", include_bytes!("../../tests/images/container/inventory.img")),
    ("mountpoints-13.img", include_bytes!("../../tests/images/container/mountpoints-13.img")),
    ("pstree.img", include_bytes!("../../tests/images/container/pstree.img")),
    ("utsns-12.img", include_bytes!("../../tests/images/container/utsns-12.img")),
];

pub(crate) fn fixture() -> InMemory {
    let files = IMAGES.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())).collect();
    InMemory { files, parent: None }
}

fn read() -> Checkpoint {
    Checkpoint::read(&fixture()).unwrap()
}

fn crit() -> BTreeMap<String, Json> {
    serde_json::from_str(include_str!("../../tests/images/process.crit.json")).unwrap()
}

#[test]
fn processes_are_those_that_crit_says() {
    let checkpoint = read();
    assert_eq!(checkpoint.unreadable, []);
    let tree = crit()["pstree.img"].clone();
    for (process, entry) in checkpoint.processes.iter().zip(tree.as_array().unwrap()) {
        assert_eq!(
            [process.pid, process.parent, process.group, process.session].map(Json::from),
            ["pid", "ppid", "pgid", "sid"].map(|key| entry[key].clone())
        );
        let core = &crit()[&format!("core-{}.img", process.pid)][0];
        assert_eq!(process.name.as_deref(), core["tc"]["comm"].as_str());
    }
    let shown: Vec<_> = checkpoint
        .processes
        .iter()
        .map(|process| (process.name.as_deref().unwrap(), process.state.unwrap(), process.exit_code))
        .collect();
    assert_eq!(
        shown,
        [
            ("tree", State::Alive, None),
            ("child", State::Alive, None),
            ("grand child", State::Alive, None),
            ("gone", State::Dead, Some(7)),
        ]
    );
    let first = &checkpoint.processes[0];
    let threads: Vec<_> = first.threads.iter().map(|thread| (thread.id, thread.name.as_deref().unwrap())).collect();
    assert_eq!(threads, [(20954, "tree"), (20956, "second")]);
    assert_eq!(first.program.as_deref(), Some("/srv/app/tree"));
    assert_eq!(first.working_directory.as_deref(), Some("/srv/app"));
    assert_eq!(first.root_directory.as_deref(), Some("/"));
    assert_eq!((first.mask, checkpoint.processes[1].mask), (Some(0o022), Some(0o077)));
    assert_eq!(first.architecture, Some("x86_64"));
    let credentials = first.credentials.as_ref().unwrap();
    assert_eq!((credentials.uid, credentials.effective_capabilities), (0, 0x1ff_feff_ffff));
    assert!(checkpoint.processes[3].threads.is_empty() && checkpoint.processes[3].memory.is_none());
}

#[test]
fn descriptors_are_those_that_crit_says() {
    let checkpoint = read();
    let crit = crit();
    for (process, table) in checkpoint.processes.iter().zip(["fdinfo-2.img", "fdinfo-3.img", "fdinfo-4.img"]) {
        let entries = crit[table].as_array().unwrap();
        assert_eq!(process.descriptors.len(), entries.len());
        for (descriptor, entry) in process.descriptors.iter().zip(entries) {
            assert_eq!(Json::from(descriptor.number), entry["fd"]);
            assert_eq!(Json::from(checkpoint.files[descriptor.file.unwrap()].id), entry["id"]);
            assert_eq!(Json::from(u32::from(descriptor.close_on_exec)), entry["flags"]);
        }
    }
}

fn kinds(checkpoint: &Checkpoint) -> Vec<&FileKind> {
    let open = &checkpoint.processes[0].descriptors;
    open.iter().map(|descriptor| &checkpoint.files[descriptor.file.unwrap()].kind).collect()
}

#[test]
fn every_kind_of_file_is_what_the_process_had_opened() {
    let checkpoint = read();
    let kinds = kinds(&checkpoint);
    assert!(matches!(kinds[0], FileKind::Regular { path, .. } if path == "/dev/null"));
    assert!(
        matches!(kinds[3], FileKind::Regular { path, offset: 7, size_bytes: Some(7), .. } if path == "/srv/app/kept.txt")
    );
    let kept = checkpoint.processes[0].descriptors[3].file.unwrap();
    assert_eq!(checkpoint.files[kept].flags, ["read-write", "append"]);
    assert!(
        matches!((kinds[4], kinds[5]), (FileKind::Pipe { pipe: a, buffered_bytes: 11 }, FileKind::Pipe { pipe: b, .. }) if a == b)
    );
    let end = |address: &str, port| Some(SocketAddress { address: address.to_owned(), port });
    let FileKind::Internet {
        family: "ipv4",
        protocol: "tcp",
        state: "listening",
        source,
        destination,
        backlog,
        tcp,
        ..
    } = kinds[6]
    else {
        panic!("{:?}", kinds[6]);
    };
    assert_eq!((source, destination, *backlog, *tcp), (&end("127.0.0.1", 20406), &None, Some(7), None));
    let FileKind::Internet { state: "established", source: from, destination: to, .. } = kinds[7] else {
        panic!("{:?}", kinds[7]);
    };
    let FileKind::Internet { state: "established", source, destination, tcp, .. } = kinds[8] else {
        panic!("{:?}", kinds[8]);
    };
    assert_eq!((source, destination), (to, from));
    assert_eq!(*source, end("127.0.0.1", 20406));
    assert_eq!(*tcp, Some(TcpQueues { received_bytes: 12, sending_bytes: 0, unsent_bytes: Some(0) }));
    assert!(matches!(kinds[9], FileKind::Internet { family: "ipv6", source, .. } if *source == end("::1", 20407)));
    assert!(
        matches!(kinds[10], FileKind::Internet { protocol: "udp", source, .. } if *source == end("127.0.0.1", 20408))
    );
    assert!(matches!(kinds[11], FileKind::Unix { address, state: "listening", backlog: Some(5), .. }
            if address.as_deref() == Some("@isodyne-fixture")));
    let (FileKind::Unix { inode: a, peer: to_b, .. }, FileKind::Unix { inode: b, peer: to_a, .. }) =
        (kinds[12], kinds[13])
    else {
        panic!("{:?}", kinds[12]);
    };
    assert_eq!((Some(*b), Some(*a)), (*to_b, *to_a));
    assert_eq!(*kinds[14], FileKind::EventCounter { counter: 3 });
    assert_eq!(*kinds[15], FileKind::EventPoll { watched: vec![14] });
    assert!(matches!(kinds[16], FileKind::Timer { time: Clock { clock: "monotonic", value_ns: 1.., interval_ns: 0 } }));
    assert_eq!(*kinds[17], FileKind::Signals { signals: vec![10] });
    assert!(
        matches!(kinds[18], FileKind::MemoryFile { name: Some(name), size_bytes: Some(0), .. } if name == "nameless")
    );
}

#[test]
fn areas_and_pages_are_those_that_crit_says() {
    let checkpoint = read();
    let crit = crit();
    for process in &checkpoint.processes[..3] {
        let memory = process.memory.as_ref().unwrap();
        let entries = crit[&format!("mm-{}.img", process.pid)][0]["vmas"].as_array().unwrap();
        assert_eq!(memory.areas.len(), entries.len());
        for (area, entry) in memory.areas.iter().zip(entries) {
            assert_eq!(
                [area.start, area.end, area.offset].map(Json::from),
                ["start", "end", "pgoff"].map(|key| entry[key].clone())
            );
        }
        let runs = &crit[&format!("pagemap-{}.img", process.pid)].as_array().unwrap()[1..];
        let pages: u64 = runs.iter().map(|run| run["compat_nr_pages"].as_u64().unwrap()).sum();
        assert_eq!(memory.total.unwrap().present_pages, pages);
        let in_areas: u64 = memory.areas.iter().map(|area| area.pages.present_pages).sum();
        assert_eq!(in_areas, pages);
    }
    let memory = checkpoint.processes[0].memory.as_ref().unwrap();
    assert_eq!((memory.page_bytes, memory.pages_file.as_deref()), (4096, Some("pages-1.img")));
    // Eight pages, of which six were touched.
    let own = memory.areas.iter().find(|area| area.end - area.start == 8 * 4096).unwrap();
    assert_eq!((own.kind, own.pages.present_pages, own.protection.as_str()), (AreaKind::Anonymous, 6, "rw-"));
    let kinds: Vec<AreaKind> = memory.areas.iter().map(|area| area.kind).collect();
    assert!(
        [AreaKind::Stack, AreaKind::Vdso, AreaKind::Vvar, AreaKind::Vsyscall].iter().all(|kind| kinds.contains(kind))
    );
    let mapped = memory.areas.iter().filter_map(|area| area.file.as_deref());
    assert_eq!(mapped.collect::<Vec<_>>(), [&["/srv/app/tree"; 4][..], &["/srv/app/kept.txt"]].concat());
}

#[test]
fn arguments_and_environment_come_from_the_pages() {
    let (images, checkpoint) = (fixture(), read());
    let arguments = checkpoint.arguments(&images, &checkpoint.processes[0]).unwrap();
    assert_eq!(arguments, ["./tree", "tcp", "an argument"]);
    let environment = checkpoint.environment(&images, &checkpoint.processes[0]).unwrap();
    assert_eq!(environment, ["LANG=C.UTF-8", "ISODYNE_FIXTURE=a b=c", "EMPTY="]);
    // The pages of the children have been left out of the fixture.
    let missing = checkpoint.arguments(&images, &checkpoint.processes[1]).unwrap_err();
    assert_eq!(missing, "pages-2.img: it is not there");
    assert!(checkpoint.environment(&images, &checkpoint.processes[3]).unwrap_err().contains("no memory"));
}

/// The same files as versions before `files.img` wrote them: each kind in an image of its own.
fn apart(images: &InMemory) -> InMemory {
    let mut images = images.clone();
    let files = images.files.remove("files.img").unwrap();
    let places = [
        (3, "reg-files.img", Kind::RegularFiles),
        (4, "inetsk.img", Kind::InternetSockets),
        (8, "eventfd.img", Kind::EventCounters),
        (9, "eventpoll.img", Kind::EventPolls),
        (10, "signalfd.img", Kind::SignalFiles),
        (12, "timerfd.img", Kind::TimerFiles),
        (16, "unixsk.img", Kind::UnixSockets),
        (18, "pipes.img", Kind::Pipes),
    ];
    for entry in image::entries(&files, Kind::Files).unwrap() {
        for field in wire::fields(entry.unwrap()) {
            let (number, Value::Bytes(inner)) = field.unwrap() else { continue };
            let Some((_, name, kind)) = places.iter().find(|(field, ..)| *field == number) else { continue };
            let image = images.files.entry((*name).to_owned()).or_insert_with(|| kind.magic().to_le_bytes().to_vec());
            image.extend((inner.len() as u32).to_le_bytes());
            image.extend(inner);
        }
    }
    images
}

#[test]
fn images_of_older_versions_say_the_same() {
    let (newer, older) = (read(), Checkpoint::read(&apart(&fixture())).unwrap());
    // There were no nameless files in memory yet.
    assert_eq!(older.unreadable.len(), 3);
    assert!(older.unreadable[0].reason.contains("descriptor 18"));
    assert_eq!(kinds(&newer)[..18], {
        let open = &older.processes[0].descriptors[..18];
        open.iter().map(|descriptor| &older.files[descriptor.file.unwrap()].kind).collect::<Vec<_>>()
    });
    assert_eq!(newer.processes[0].memory, older.processes[0].memory);
    assert_eq!(newer.processes[0].working_directory, older.processes[0].working_directory);
}

#[test]
fn what_is_missing_or_damaged_is_said_and_the_rest_is_read() {
    let mut images = fixture();
    images.files.remove("core-20957.img");
    images.files.get_mut("mm-20954.img").unwrap().truncate(100);
    images.files.remove("files.img");
    let checkpoint = Checkpoint::read(&images).unwrap();
    let said: Vec<&str> = checkpoint.unreadable.iter().map(|unreadable| unreadable.file.as_str()).collect();
    for name in ["core-20957.img", "mm-20954.img", "fdinfo-2.img"] {
        assert!(said.contains(&name), "{said:?}");
    }
    assert_eq!((checkpoint.processes[1].name.clone(), checkpoint.processes[1].state), (None, None));
    assert!(checkpoint.processes[0].memory.is_none() && checkpoint.processes[0].program.is_none());
    for essential in ["inventory.img", "pstree.img"] {
        let mut images = fixture();
        images.files.remove(essential);
        assert_eq!(Checkpoint::read(&images).unwrap_err().to_string(), format!("{essential}: it is not there"));
    }
    let mut images = fixture();
    images.files.insert("inventory.img".to_owned(), images.files["pstree.img"].clone());
    assert!(Checkpoint::read(&images).unwrap_err().reason.contains("no INVENTORY image"));
}

#[test]
fn mounts_and_names_of_a_container_are_read() {
    let files = CONTAINER.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())).collect();
    let checkpoint = Checkpoint::read(&InMemory { files, parent: None }).unwrap();
    assert_eq!(checkpoint.host_names, ["runc"]);
    assert_eq!((checkpoint.mounts.len(), checkpoint.mounts[0].id), (1, 13));
    assert_eq!(checkpoint.processes[0].mount_namespace, Some(13));
    let mounts = &checkpoint.mounts[0].mounts;
    assert_eq!(mounts.len(), 25);
    let at = |place: &str| mounts.iter().find(|mount| mount.place == place).unwrap();
    assert_eq!((at("/proc").kind.as_str(), at("/dev/shm").source.as_str()), ("proc", "shm"));
    assert_eq!(at("/sys").flags, ["ro", "nosuid", "nodev", "noexec", "relatime"]);
    assert_eq!((at("/proc/keys").external, at("/proc/keys").external_key.as_deref()), (true, Some("/dev/null")));
    // CRIU does not keep the type of a root that it does not know.
    assert_eq!((at("/").kind.as_str(), at("/").root.as_str()), ("unknown", "/srv/app/bundle/rootfs"));
    // The images of the other two processes have been left out of the fixture.
    let missing: Vec<&str> = checkpoint.unreadable.iter().map(|unreadable| unreadable.file.as_str()).collect();
    assert_eq!(missing, ["core-6.img", "core-7.img"]);
}
