//! Names that say another thing than what was measured.

use crate::audit::case::Case;
use crate::audit::finding::{Finding, Weight};
use crate::audit::word::{has_word, printable};

/// Names with their own meaning that the file's facts contradict.
pub(super) fn not_what_it_says(case: &Case<'_>) -> Vec<Finding> {
    const MEANINGS: &[(&[&str], &str, Weight)] = &[
        (&["socket"], "it ends when a control socket is there: no guest has run", Weight::Void),
        (&["204", "instancestart"], "it ends when the VMM took the request to start: no guest has run", Weight::Void),
        (&["sleep", "sleeps", "fixed"], "it contains fixed sleeps", Weight::Void),
        (
            &["acknowledged", "acknowledgement", "ack"],
            "it ends at an acknowledgement, not when the work is done",
            Weight::Void,
        ),
        (
            &["dmesg", "entropy", "random", "fast"],
            "it is a stamp in the kernel's log, by the guest's clock",
            Weight::Suspect,
        ),
        (
            &["nc", "port"],
            "it ends when a port accepts, which a forwarder does before the guest is up",
            Weight::Suspect,
        ),
        (&["nothing"], "what it times does not do the work that it is named after", Weight::Void),
        (&["asserted", "estimated", "constant"], "it was stated and not observed", Weight::Void),
        (&["curl", "cli", "sudo", "fork"], "it contains the start of the program that asks", Weight::Suspect),
        (&["life", "lifetime"], "it is a mean over the whole life of a process, not of that moment", Weight::Suspect),
        (&["poll", "polled", "polling"], "it ends at the next poll after the event", Weight::Note),
    ];
    let mut found = Vec::new();
    for (key, value) in case.facts(&["method", "milestone", "measured", "timer", "timed", "ends", "definition"]) {
        for (words, meaning, weight) in MEANINGS {
            if has_word(value, words) {
                let subject = key.rsplit_once(['_', '.']).map_or(key, |(subject, _)| subject);
                let subject = if subject == "timed" { "the timed region" } else { subject };
                let message = format!("`{}` does not mean what its name says: {meaning}", printable(subject));
                found.push(Finding::new(*weight, message).because(format!("{}: {}", printable(key), printable(value))));
            }
        }
    }
    for (key, value) in case.facts(&["estimated", "computed"]) {
        let message = "the file says itself that something in it was computed and not measured";
        found.push(Finding::new(Weight::Suspect, message).because(format!("{}: {}", printable(key), printable(value))));
    }
    for (key, value) in case.facts(&["exit"]).filter(|(_, value)| has_word(value, &["whether", "ignored", "unused"])) {
        let message = "times were written whether what they time succeeded or not";
        found.push(Finding::new(Weight::Void, message).because(format!("{}: {}", printable(key), printable(value))));
    }
    found
}

#[cfg(test)]
mod tests {
    use crate::audit::Weight;
    use crate::audit::testing::Made;

    #[test]
    fn what_a_file_says_of_its_milestones_is_believed() {
        for (value, expected) in [
            ("api socket exists, polled every 100 ms", Some(Weight::Void)),
            ("dmesg", Some(Weight::Suspect)),
            ("first byte of the agent", None),
        ] {
            let mut made = Made::imported();
            made.fact("boot_method", value);
            assert_eq!(made.says("not-what-it-says"), expected, "{value}");
        }
    }
}
