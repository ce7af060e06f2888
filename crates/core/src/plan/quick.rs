//! `[quick]`: what `--quick` means for a plan whose samples take long.

use super::key::{DefaultValue, Key, Kind};
use super::tree::{Entry, Node, Raw};

/// The keys of `[quick]`.
pub const QUICK_KEYS: &[Key] = &[
    key(
        "samples",
        Kind::Count { min: 1, max: 1_000_000 },
        DefaultValue::Count(3),
        "As `samples` at the top, with `--quick`.",
    ),
    key(
        "warmup",
        Kind::Count { min: 0, max: 10_000 },
        DefaultValue::Count(1),
        "As `warmup` at the top, with `--quick`.",
    ),
];

const fn key(name: &'static str, kind: Kind, default: DefaultValue, doc: &'static str) -> Key {
    Key { name, kind, default, factor: false, doc }
}

/// What a plan says for one of the keys. Whether it may say so is checked where the section stands.
pub(super) fn stated<'t>(root: &'t [Entry], key: &str) -> Option<&'t Node> {
    let section = root.iter().find(|entry| entry.key == "quick")?;
    let Raw::Section(entries) = &section.node.raw else { return None };
    entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node)
}

#[cfg(test)]
mod tests {
    use crate::plan::{Override, Plan};

    const PLAN: &str = "samples = 50\n[boot]\non = [\"scripted\"]\n";

    fn counts(text: &str, overrides: &[Override]) -> (u32, u32) {
        let plan = Plan::parse("plan.toml", text, overrides).unwrap();
        (plan.samples, plan.warmup)
    }

    #[test]
    fn a_plan_may_say_what_quick_is() {
        let own = format!("{PLAN}[quick]\nsamples = 2\nwarmup = 0\n");
        assert_eq!(counts(&own, &Override::quick()), (2, 0));
        assert_eq!(counts(&own, &[]), (50, 2));
        assert_eq!(counts(PLAN, &Override::quick()), (3, 1));
        assert_eq!(counts(&format!("{PLAN}[quick]\nsamples = 9\n"), &Override::quick()), (9, 1));
        // What is stated on the command line behind it wins.
        let overrides: Vec<Override> = Override::quick().into_iter().chain([Override::samples("7")]).collect();
        assert_eq!(counts(&own, &overrides), (7, 0));
    }

    #[test]
    fn what_it_cannot_say_is_an_error_with_and_without_quick() {
        for section in ["samples = 0", "samples = \"many\"", "frames = 2"] {
            let text = format!("{PLAN}[quick]\n{section}\n");
            for overrides in [&[][..], &Override::quick()] {
                let wrong = Plan::parse("plan.toml", &text, overrides).unwrap_err();
                assert!(wrong.iter().any(|one| one.key.starts_with("quick.")), "{section}: {wrong:?}");
            }
        }
    }
}
