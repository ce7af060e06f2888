//! Variants: what they make of a plan, and what is said of bad ones.

use super::*;

const PLAN: &str = r#"
[boot]
on = ["runc", "qemu"]
[backend.qemu]
machine = ["q35", "microvm"]
cmdline = "nokaslr"
[[variant]]
name = "quiet"
set = { "backend.qemu.cmdline" = "+quiet", "backend.qemu.memory" = "256 MiB" }
[[variant]]
name = "slow start"
set.boot.timeout = "90 s"
"#;

fn plan(text: &str, overrides: &[Override]) -> Plan {
    Plan::parse("plan.toml", text, overrides).unwrap_or_else(|diagnostics| panic!("{}", render(&diagnostics)))
}

fn variants(texts: &[&str]) -> Vec<Override> {
    texts.iter().map(|text| Override::variant(text).unwrap()).collect()
}

fn ids(plan: &Plan) -> Vec<String> {
    plan.cells().iter().map(|cell| cell.id.to_string()).collect()
}

#[test]
fn a_variant_makes_a_cell_for_each_cell_that_it_changes() {
    let plan = plan(PLAN, &[]);
    assert_eq!(
        ids(&plan),
        [
            "boot/runc",
            "boot/runc~slow start",
            "boot/qemu[cmdline=nokaslr,machine=q35]",
            "boot/qemu[cmdline=nokaslr,machine=q35]~quiet",
            "boot/qemu[cmdline=nokaslr,machine=q35]~slow start",
            "boot/qemu[cmdline=nokaslr,machine=microvm]",
            "boot/qemu[cmdline=nokaslr,machine=microvm]~quiet",
            "boot/qemu[cmdline=nokaslr,machine=microvm]~slow start",
        ]
    );
    let cells = plan.cells();
    let quiet = &cells[3];
    assert_eq!(quiet.variant.as_deref(), Some("quiet"));
    assert_eq!((quiet.base_id(), quiet.id.base()), (cells[2].id.as_str(), cells[2].id.as_str()));
    assert_eq!(quiet.factors["cmdline"].as_text(), Some("nokaslr quiet"));
    assert_eq!(quiet.factors["memory"], FactorValue::Bytes(256 << 20));
    assert_eq!(quiet.factors["timeout"], cells[2].factors["timeout"]);
    assert_eq!(cells[1].factors["timeout"], FactorValue::DurationNs(90_000_000_000));
    assert_eq!(cells[2].variant, None);
}

#[test]
fn an_addition_follows_what_is_stated_and_stands_alone_where_nothing_is() {
    let cmdlines = |set: &str| -> Vec<Option<String>> {
        let text = format!(
            "[boot]\non = \"qemu\"\n{set}\n[[variant]]\nname = \"x\"\nset = {{ \"backend.qemu.cpu\" = \"+,+svm\", \"backend.qemu.cmdline\" = \"+a b\" }}\n"
        );
        let cells = plan(&text, &[]).cells();
        let text = |key: &str| cells[1].factors[key].as_text().map(str::to_owned);
        vec![text("cmdline"), text("cpu")]
    };
    let expected = |a: &str, b: &str| vec![Some(a.to_owned()), Some(b.to_owned())];
    assert_eq!(cmdlines(""), expected("a b", "+svm"));
    assert_eq!(cmdlines("[backend.qemu]\ncmdline = \"x\"\ncpu = \"EPYC\""), expected("x a b", "EPYC,+svm"));
}

#[test]
fn arguments_make_and_change_variants() {
    let set =
        variants(&["new: backend.runc.lifecycle=split", "quiet: backend.qemu.memory=96MiB", "new:boot.timeout = 5s"]);
    let plan = plan(PLAN, &set);
    let names: Vec<&str> = plan.variants.iter().map(|variant| variant.name.as_str()).collect();
    assert_eq!(names, ["quiet", "slow start", "new"]);
    assert_eq!(plan.variants[0].backends[&BackendName::Qemu]["memory"], FactorValue::Bytes(96 << 20));
    assert_eq!(plan.variants[2].backends[&BackendName::Runc]["lifecycle"].as_text(), Some("split"));
    let overrides: Vec<Override> =
        [Override::on("runc")].into_iter().chain(variants(&["a: backend.runc.lifecycle=split"])).collect();
    let plain = Plan::from_arguments("boot", &overrides).unwrap();
    assert_eq!(ids(&plain), ["boot/runc", "boot/runc~a"]);
    // The plan of a run is read back from its record.
    let again: Plan = serde_json::from_str(&serde_json::to_string(&plain).unwrap()).unwrap();
    assert_eq!(again.cells(), plain.cells());
}

#[test]
fn on_leaves_variants_of_other_backends_aside() {
    assert_eq!(ids(&plan(PLAN, &[Override::on("runc")])), ["boot/runc", "boot/runc~slow start"]);
}

fn said_of(variant: &str) -> String {
    said(&format!("[boot]\non = [\"runc\", \"qemu\"]\n[[variant]]\n{variant}\n"))
}

#[test]
fn bad_variants() {
    insta::assert_snapshot!(said_of("nam = \"x\"\n[[variant]]\nname = \"base\"\nset = {}\n[[variant]]\nname = \"a~b\""), @r#"
        error: plan.toml:3:1: the variant has no `name`
          hint: add `name = "quiet"`
        error: plan.toml:4:1: unknown key `nam` in [[variant]]
          hint: did you mean `name`?
        error: plan.toml:6:8: no variant can be named `base`
          hint: it is the name of what the plan states outside its variants: choose another
        error: plan.toml:9:8: `a~b` cannot be the name of a variant
          hint: 1 to 40 of letters, digits, spaces within, and `.`, `_`, `+`, `-`
    "#);
    insta::assert_snapshot!(said_of("name = \"x\"\nset = { \"backend.qemu.memroy\" = \"1 GiB\", \"backend.runk.x\" = 1, samples = 3, \"boot.on\" = \"runc\", \"backend.docker.memory\" = \"1 GiB\" }"), @r#"
        error: plan.toml:5:9: unknown key `memroy` in [backend.qemu]
          hint: did you mean `memory`?
        error: plan.toml:5:42: unknown backend `runk`
          hint: did you mean `runc`?
        error: plan.toml:5:64: a variant cannot change `samples`
          hint: it holds for the whole plan
        error: plan.toml:5:77: a variant cannot change `boot.on`
          hint: its cells run where those of the plan do
        error: plan.toml:5:97: variant `x` sets `backend.docker.memory`, but no benchmark runs on `docker`
          hint: add "docker" to `on`, or remove the key
    "#);
    insta::assert_snapshot!(said_of("name = \"x\"\nset = { \"backend.qemu.memory\" = 3, \"backend.qemu.machine\" = [\"q35\"], backend.qemu.cmdline = \"+\", backend.qemu.console = \"loud\", x.y.z.a = 1 }"), @r#"
        error: plan.toml:5:33: `memory` has no unit: `3` is a bare number
          hint: write `memory = "3 MiB"`
        error: plan.toml:5:61: `machine` takes one value, not a list
          hint: write `machine = "q35"`
        error: plan.toml:5:93: `cmdline` is empty
          hint: remove the key, or say something
        error: plan.toml:5:121: `console` cannot be `loud`
          hint: known: phases, full, off
        error: plan.toml:5:133: `x.y.z` is not the path of a key
          hint: name a key of a benchmark or a backend by its path: `set = { "backend.qemu.cmdline" = "+quiet" }`
    "#);
    insta::assert_snapshot!(said_of("name = \"x\"\nset = 3\n[[variant]]\nname = \"x\"\n[[variant]]\nname = \"y\"\nset.boot.timeout = \"1 s\"\nset.\"boot.timeout\" = \"2 s\""), @r#"
        error: plan.toml:5:7: `set` needs keys with values, not a whole number
          hint: write `set = { "backend.qemu.cmdline" = "+quiet" }`
        error: plan.toml:6:1: there are two variants `x`
          hint: give each a name of its own
        error: plan.toml:11:5: the variant sets `boot.timeout` twice
          hint: remove one of them
    "#);
    insta::assert_snapshot!(said_of("name = \"x\"\nset = { \"backend.docker.memory\" = \"1 GiB\" }"), @r#"
        error: plan.toml:5:9: variant `x` sets `backend.docker.memory`, but no benchmark runs on `docker`
          hint: add "docker" to `on`, or remove the key
    "#);
    insta::assert_snapshot!(said_of("name = \"x\"\nset = { \"backend.qemu.machine\" = \"microvm\", \"backend.qemu.channel\" = \"virtio-serial\" }"), @r#"
        error: plan.toml:5:9: in variant `x`, `machine = "microvm"` and `channel = "virtio-serial"` cannot be together: without ACPI a stock kernel cannot find the virtio devices of a microvm
          hint: leave `channel` at "auto" or "serial", or put the machines into plans of their own
    "#);
    insta::assert_snapshot!(said("variant = 3\n[boot]\non = \"runc\""), @r#"
        error: plan.toml:1:1: `variant` needs [[variant]] sections, not a whole number
          hint: write [[variant]] and its keys below it
    "#);
    insta::assert_snapshot!(said("[variant]\nname = \"x\"\n[boot]\non = \"runc\""), @r#"
        error: plan.toml:1:2: `variant` needs [[variant]] sections, not a section
          hint: write [[variant]] and its keys below it
    "#);
}

#[test]
fn bad_arguments() {
    let said = |texts: &[&str]| match Plan::parse("plan.toml", "[boot]\non = \"runc\"\n", &variants(texts)) {
        Ok(plan) => format!("{plan:#?}"),
        Err(diagnostics) => render(&diagnostics),
    };
    insta::assert_snapshot!(said(&["x: backend.qemu.memory=1GiB", "y/z: boot.timeout=1s", "b: boot.timeout=1", "c: =3"]), @r#"
        error: --variant b: `timeout` has no unit: `1` is a bare number
          hint: write `timeout = "1 s"`
        error: --variant c: `` is not the path of a key
          hint: name a key of a benchmark or a backend by its path: `set = { "backend.qemu.cmdline" = "+quiet" }`
        error: --variant x: variant `x` sets `backend.qemu.memory`, but no benchmark runs on `qemu`
          hint: add "qemu" to `on`, or remove the key
        error: --variant y/z: `y/z` cannot be the name of a variant
          hint: 1 to 40 of letters, digits, spaces within, and `.`, `_`, `+`, `-`
    "#);
    insta::assert_snapshot!(Override::variant("new backend.runc.program=x").unwrap_err(), @r#"
        error: --variant: `new backend.runc.program=x` is not a variant
          hint: write `--variant 'NAME: KEY=VALUE'`, such as `--variant 'new: backend.runc.program=./runc'`
    "#);
}

#[test]
fn variants_count_as_cells() {
    let mut text = "[boot]\non = \"qemu\"\n[backend.qemu]\n".to_owned();
    text.push_str("cpus = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]\n");
    for number in 0..1_000 {
        text.push_str(&format!("[[variant]]\nname = \"v{number}\"\nset.boot.timeout = \"1 s\"\n"));
    }
    insta::assert_snapshot!(said(&text), @r#"
        error: plan.toml:1:2: the plan has 10010 cells, more than 10000
          hint: shorten the lists or drop variants: cells are the product of all lists, and once more for each variant
    "#);
}

#[test]
fn values_name_builds_of_the_plan() {
    let build = "[[build]]\nname = \"fix\"\nrepository = \"../runc\"\ncommand = [\"make\"]\noutput = \"bin/runc\"\n";
    let text = format!(
        "[boot]\non = \"runc\"\n{build}[[variant]]\nname = \"new\"\nset.backend.runc.program = \"build:fix\"\n"
    );
    let good = plan(&text, &[]);
    assert_eq!((good.builds[0].revision.as_str(), good.builds[0].commit.as_deref()), ("HEAD", None));
    assert_eq!(good.builds[0].timeout_ns, 3_600_000_000_000);
    insta::assert_snapshot!(said(&text.replace("build:fix", "build:fxi")), @r#"
        error: plan.toml:10:18: the plan has no build `fxi`
          hint: did you mean `build:fix`?
    "#);
    insta::assert_snapshot!(said("[boot]\non = \"qemu\"\n[backend.qemu]\nkernel = [\"a\", \"build:k\"]\ncmdline = \"build:x\"\n"), @r#"
        error: plan.toml:4:16: the plan has no build `k`
          hint: add [[build]] with `name = "k"`; a file of that name is `./build:k`
    "#);
    insta::assert_snapshot!(said("[boot]\non = \"runc\"\n[[build]]\nname = \"a b\"\nrepository = \"--upload-pack=x\"\nrevision = \"-q\"\noutput = \"../x\"\nbranch = \"x\"\n[[build]]\nname = 3\ntimeout = 5\n"), @r#"
        error: plan.toml:3:1: the build has no `command`
          hint: add `command = ["echo", "hi"]`
        error: plan.toml:4:8: `a b` cannot be the name of a build
          hint: 1 to 40 of letters, digits, and `.`, `_`, `+`, `-`
        error: plan.toml:5:14: `repository` cannot be `--upload-pack=x`
          hint: do not begin it with `-`, and leave control characters out
        error: plan.toml:6:12: `revision` cannot be `-q`
          hint: do not begin it with `-`, and leave control characters out
        error: plan.toml:7:10: `output` is `../x`, which leads out of the work tree
          hint: name a file by its path within the work tree, such as `bin/runc`
        error: plan.toml:8:1: unknown key `branch` in [[build]]
          hint: known: name, repository, revision, command, output, timeout
        error: plan.toml:9:1: the build has no `repository`
          hint: add `repository = "text"`
        error: plan.toml:9:1: the build has no `command`
          hint: add `command = ["echo", "hi"]`
        error: plan.toml:9:1: the build has no `output`
          hint: add `output = "path/to/file"`
        error: plan.toml:10:8: `name` needs text, not a whole number
          hint: write `name = "text"`
        error: plan.toml:11:11: `timeout` has no unit: `5` is a bare number
          hint: write `timeout = "5 s"`
    "#);
}
