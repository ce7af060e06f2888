//! Tests of the check itself, and the check of this workspace.

use super::*;

fn named(text: &str) -> Vec<&'static str> {
    impurities(text).into_iter().map(|(_, what)| what).collect()
}

#[test]
fn the_layers_of_this_workspace_hold() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    assert_eq!(check(root).unwrap(), Vec::<String>::new());
}

#[test]
fn impure_parts_are_seen_in_every_spelling() {
    assert_eq!(named("use std::fs;"), ["std::fs"]);
    assert_eq!(named("let text = std::fs::read(path);"), ["std::fs"]);
    assert_eq!(named("use std::{collections::BTreeMap, net::{IpAddr, TcpStream}};"), ["std::net"]);
    assert_eq!(
        named("use std::{\n    fmt,\n    env,\n    time::{Duration, Instant},\n};"),
        ["std::env", "std::time::Instant"]
    );
    assert_eq!(named("use std::time::{self, SystemTime};"), ["std::time::SystemTime"]);
    assert_eq!(named("pub use ::std::process::Command as C;"), ["std::process"]);
    assert_eq!(impurities("\n\nuse std::io::Write;"), [(3, "std::io")]);
}

#[test]
fn pure_parts_and_comments_are_left_alone() {
    for pure in
        ["use std::fmt;", "use std::time::Duration;", "// std::fs", "use std::{fmt, str::FromStr};", "my_std::fs()"]
    {
        assert_eq!(named(pure), Vec::<&str>::new(), "{pure}");
    }
}

#[test]
fn side_doors_are_seen() {
    assert_eq!(side_doors("#[path = \"../../engine/src/lib.rs\"]\nmod engine;", 1).len(), 1);
    assert_eq!(side_doors("#[path = \"../engine/src/lib.rs\"]\nmod engine;", 0).len(), 1);
    assert_eq!(side_doors("#[path = \"../tests/specimen/mod.rs\"]\nmod specimen;", 1).len(), 0);
    assert_eq!(side_doors("#[path = \"own.rs\"]\ninclude_str!(\"../../../plans/boot.toml\");", 1).len(), 0);
}

#[test]
fn dependencies_are_seen_in_every_table_and_under_every_name() {
    let manifest: Table = "[dependencies]\nisodyne-core.workspace = true\nserde = \"1\"\n\
         [dev-dependencies]\nother = { package = \"isodyne-store\", path = \"../store\" }\n\
         [target.'cfg(unix)'.build-dependencies]\nshort.workspace = true\n"
        .parse()
        .unwrap();
    let shared: Table = "short = { package = \"isodyne-report\", path = \"crates/report\" }".parse().unwrap();
    assert_eq!(dependencies(&manifest, Some(&shared)), ["core", "report", "store"]);
}

#[test]
fn a_workspace_that_breaks_the_rules_is_told_so() {
    let root = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("Cargo.toml", "[workspace]\nmembers = [\"crates/*\"]\n");
    write("crates/report/Cargo.toml", "[dependencies]\nisodyne-engine.workspace = true\n");
    write("crates/core/Cargo.toml", "");
    write("crates/core/src/lib.rs", "//! Pure.\nuse std::fs;\n");
    write("crates/extra/Cargo.toml", "");
    let problems = check(root.path()).unwrap();
    assert_eq!(
        problems,
        [
            "crates/core/src/lib.rs:2: core may not use std::fs",
            "crates/extra is not in the table of xtask/src/layers.rs",
            "crates/report/Cargo.toml: may not use isodyne-engine (allowed: core, criu)",
        ]
    );
    assert!(run(root.path()).unwrap_err().to_string().starts_with("the layers do not hold:\n  crates/core"));
}
