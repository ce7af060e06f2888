//! `[app]`: what it takes, what it makes of cells, and what is wrong with it.

use super::*;

const APP: &str =
    "[boot]\non = [\"runc\", \"qemu\"]\n[app]\nimage = \"app.tar\"\nready = { http = \"/x\", status = 204 }\n";

fn plan(text: &str, overrides: &[&str]) -> Plan {
    let overrides: Vec<Override> = overrides.iter().map(|text| Override::set(text).unwrap()).collect();
    Plan::parse("plan.toml", text, &overrides).unwrap_or_else(|diagnostics| panic!("{}", render(&diagnostics)))
}

fn said(text: &str) -> String {
    render(&Plan::parse("plan.toml", text, &[]).unwrap_err())
}

#[test]
fn its_keys_are_factors_of_boot_alone() {
    let with_network = format!("{APP}[network]\non = \"runc\"\n[backend.runc]\nnetwork = \"own\"\n");
    let cells = plan(&with_network, &[]).cells();
    assert_eq!(cells[0].id.as_str(), "boot/runc[app.image=app.tar,app.ready=\"http 80 /x 204\",network=own]");
    assert_eq!(cells[1].factors["app.period"], FactorValue::DurationNs(1_000_000));
    assert!(!cells[1].factors.contains_key("app.user"));
    assert_eq!(cells[2].benchmark, BenchmarkName::Network);
    assert!(cells[2].factors.keys().all(|key| !key.starts_with("app.")));
    let read: Plan = serde_json::from_str(&serde_json::to_string(&plan(APP, &[])).unwrap()).unwrap();
    assert_eq!(read, plan(APP, &[]));
}

#[test]
fn conditions_are_read_in_both_forms_and_from_arguments() {
    let ready = |overrides: &[&str]| {
        let from_arguments = [&["app.image=app.tar", "boot.on=runc"], overrides].concat();
        plan("[boot]\non = \"runc\"\n", &from_arguments).cells()[0].factors["app.ready"].to_string()
    };
    assert_eq!(ready(&["app.ready.tcp=8080"]), "\"tcp 8080\"");
    assert_eq!(ready(&["app.ready=http /"]), "\"http 80 / 200\"");
    assert_eq!(ready(&["app.ready={ line = \"it, is up\" }"]), "\"line it, is up\"");
    assert_eq!(ready(&["app.ready.http=/", "app.ready.port=81"]), "\"http 81 / 200\"");
    assert_eq!(ready(&["app.ready.file=/run/x.pid"]), "\"file /run/x.pid\"");
}

#[test]
fn images_can_be_factors_and_variants_can_change_anything_of_it() {
    let lists = APP.replace("\"app.tar\"", "[\"a.tar\", \"b.tar\"]");
    let variant = "[[variant]]\nname = \"tcp\"\nset = { app.ready = { tcp = 80 }, \"app.user\" = \"www\" }\n";
    let cells = plan(&format!("{lists}{variant}"), &[]).cells();
    assert_eq!(cells.len(), 8);
    let changed = cells.iter().find(|cell| cell.variant.is_some()).unwrap();
    assert_eq!(changed.factors["app.ready"], FactorValue::Text("tcp 80".to_owned()));
    assert_eq!(changed.factors["app.user"], FactorValue::Text("www".to_owned()));
}

#[test]
fn what_is_wrong_has_its_place_and_a_way_out() {
    insta::assert_snapshot!(said(
        "[boot]\non = \"runc\"\ncommand = [\"x\"]\n[app]\nimage = 3\nready = { http = \"x\", prot = 80 }\nenv = [\"A\"]\n\
         stop_signal = \"TERM\"\nworking_directory = \"srv\"\nuesr = \"x\"\ndisk = \"1 kB\"\n"
    ), @r#"
    error: plan.toml:3:11: `boot.command` and [app] cannot be together
      hint: remove it: `command` of [app] says what is started
    error: plan.toml:5:9: `image` needs text, not a whole number
      hint: write `image = "text"`
    error: plan.toml:6:23: unknown key `prot` in `ready`
      hint: did you mean `port`?
    error: plan.toml:7:7: `env` holds `A`, which is no variable
      hint: write `env = ["NAME=VALUE"]`
    error: plan.toml:8:15: `stop_signal` cannot be `TERM`
      hint: known: SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGKILL, SIGUSR1, SIGUSR2, SIGWINCH, SIGRTMIN+3
    error: plan.toml:9:21: `working_directory` does not begin with a slash
      hint: write `working_directory = "/srv"`
    error: plan.toml:10:1: unknown key `uesr` in [app]
      hint: did you mean `user`?
    error: plan.toml:11:8: `disk` is 1 kB, out of range
      hint: write it from 1 MiB to 1024 GiB
    "#);
    insta::assert_snapshot!(said("[boot]\non = \"runc\"\ncommand = [\"x\"]\n[app]\nimage = \"a\"\nready = \"tcp 80\"\n"), @r#"
    error: plan.toml:3:11: `boot.command` and [app] cannot be together
      hint: remove it: `command` of [app] says what is started
    "#);
    insta::assert_snapshot!(said(
        "[network]\non = \"runc\"\n[app]\nimage = \"a\"\nready = { tcp = 80, line = \"x\" }\n\
         [[variant]]\nname = \"v\"\nset = { \"app.ready\" = 5 }\n"
    ), @r#"
    error: plan.toml:3:2: [app] is stated, but the plan does not measure `boot` or `checkpoint`
      hint: add [boot] with `on = ["runc"]`, or remove [app]
    error: plan.toml:5:9: `ready` holds several conditions: tcp, line
      hint: leave one of them
    error: plan.toml:8:23: `ready` needs a condition, not a whole number
      hint: write `ready = { http = "/", port = 80, status = 200 }`, `{ tcp = 80 }`, `{ line = "ready" }` or `{ file = "/run/app.pid" }`
    "#);
    insta::assert_snapshot!(said("[network]\non = \"runc\"\n[app]\nimage = \"a\"\nready = { tcp = 80 }\n"), @r#"
    error: plan.toml:3:2: [app] is stated, but the plan does not measure `boot` or `checkpoint`
      hint: add [boot] with `on = ["runc"]`, or remove [app]
    "#);
    for ready in [
        "{}",
        "{ port = 80 }",
        "{ http = \"/\", port = 0 }",
        "{ tcp = 70000 }",
        "{ tcp = \"80\" }",
        "{ line = 1 }",
        "5",
    ] {
        let text = APP.replace("{ http = \"/x\", status = 204 }", ready);
        assert!(said(&text).contains("plan.toml:5:"), "{ready}: {}", said(&text));
    }
}
