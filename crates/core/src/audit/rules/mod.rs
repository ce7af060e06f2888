//! The table of rules.

mod ceiling;
mod cells;
mod claims;
mod clocks;
mod grid;
mod label;
mod meaning;
mod order;
mod origin;
mod physics;
mod proof;
mod reading;
mod size;
mod steadiness;
mod stopping;
mod units;

use super::Rule;

/// All rules: first what voids a number, then what makes it suspect, then how it is to be read.
pub const RULES: &[Rule] = &[
    Rule {
        name: "beyond-ceiling",
        summary: "a byte rate above what this host can copy or hash",
        why: "nothing moves bytes faster than the host's own copy; the timer missed the work",
        check: ceiling::beyond_ceiling,
    },
    Rule {
        name: "below-floor",
        summary: "a time below this host's fastest fork and exec, fsync or round trip",
        why: "what takes less than its smallest part was not done",
        check: ceiling::below_floor,
    },
    Rule {
        name: "beyond-physics",
        summary: "a value that no machine can reach, without a calibration",
        why: "a unit is wrong, or the timer missed the work",
        check: physics::beyond_physics,
    },
    Rule {
        name: "integrity",
        summary: "data that came back different, in however few samples",
        why: "a protocol that loses data once loses it unseen as well",
        check: proof::integrity,
    },
    Rule {
        name: "failure-counted",
        summary: "samples that count although their status says they failed, or that have no value",
        why: "a refused request is fast",
        check: proof::failure_counted,
    },
    Rule {
        name: "stopped-unlike-declared",
        summary: "looks that the plan's rule does not have, or that the samples contradict",
        why: "who chooses the moment to stop chooses the result",
        check: stopping::stopped_unlike_declared,
    },
    Rule {
        name: "failures-averaged-in",
        summary: "a stated mean or median that needs the failed samples",
        why: "a failure has no time; as a fast one or a zero it flatters",
        check: claims::failures_averaged_in,
    },
    Rule {
        name: "no-proof",
        summary: "valid samples of our own without a proof",
        why: "a time without proof is the time of anything",
        check: proof::no_proof,
    },
    Rule {
        name: "simulated",
        summary: "scripted samples, and files that say they were made up",
        why: "sleeps and constants are not measurements",
        check: origin::simulated,
    },
    Rule {
        name: "not-what-it-says",
        summary: "facts of the file that contradict a metric's name",
        why: "a time to a socket is no boot time",
        check: meaning::not_what_it_says,
    },
    Rule {
        name: "guest-clock",
        summary: "negative times, and times by a guest's clock",
        why: "clocks of guest and host have different beginnings and rates",
        check: clocks::guest_clock,
    },
    Rule {
        name: "wrapping-subsecond",
        summary: "a field within the second taken for the whole time",
        why: "whole seconds are dropped",
        check: clocks::wrapping_subsecond,
    },
    Rule {
        name: "mixed-units",
        summary: "size, time and rate that disagree by the factor between two units",
        why: "MB, MiB and Mbit differ by 5 % to 8 times",
        check: units::mixed_units,
    },
    Rule {
        name: "acknowledged-before-work",
        summary: "only the first transfer of each size takes its time",
        why: "the clock stops at an acknowledgement that is sent before the work",
        check: size::acknowledged_before_work,
    },
    Rule {
        name: "size-does-not-matter",
        summary: "times that do not grow, or rates that grow, with the amount of work",
        why: "the work is not in the number",
        check: size::size_does_not_matter,
    },
    Rule {
        name: "free-concurrency",
        summary: "many at once that take no longer than one",
        why: "only sleeps run at once for free",
        check: size::free_concurrency,
    },
    Rule {
        name: "poll-grid",
        summary: "times on multiples of a round step, or all on one",
        why: "the period of a poll was measured",
        check: grid::poll_grid,
    },
    Rule {
        name: "sleep-grid",
        summary: "a least value glued to a round number, with a tiny spread",
        why: "the length of a sleep was measured",
        check: grid::sleep_grid,
    },
    Rule {
        name: "retry-timer",
        summary: "first replies right above 1 s, 3 s or 7 s",
        why: "a network's retry was measured",
        check: grid::retry_timer,
    },
    Rule {
        name: "too-steady",
        summary: "a spread below what a scheduler allows",
        why: "nothing real repeats itself to the microsecond",
        check: steadiness::too_steady,
    },
    Rule {
        name: "constant-metric",
        summary: "a metric with one value in all samples",
        why: "a constant was written down, not observed",
        check: steadiness::constant_metric,
    },
    Rule {
        name: "missing-as-zero",
        summary: "exact zeros among values that are never 0",
        why: "a missing value written as 0 is averaged as the best of all",
        check: steadiness::missing_as_zero,
    },
    Rule {
        name: "met-by-nonsense",
        summary: "a target that is met by an impossible value",
        why: "a bound on one side accepts any mistake on the other",
        check: proof::met_by_nonsense,
    },
    Rule {
        name: "hot-equals-cold",
        summary: "hot and cold, first and second, that are the same",
        why: "nothing is cached, or nothing was cold",
        check: cells::hot_equals_cold,
    },
    Rule {
        name: "identical-across-backends",
        summary: "different backends with one distribution",
        why: "the client or the work is the bottleneck",
        check: cells::identical_across_backends,
    },
    Rule {
        name: "label-contamination",
        summary: "the same samples in several cells",
        why: "a label took in what belongs to another",
        check: label::label_contamination,
    },
    Rule {
        name: "derived-not-measured",
        summary: "two metrics with a fixed ratio in every sample",
        why: "one of them was computed, or carries the wrong unit",
        check: cells::derived_not_measured,
    },
    Rule {
        name: "mixed-kinds",
        summary: "accuracy classes or origins mixed in one cell",
        why: "emulated and hardware times have no common figure",
        check: cells::mixed_kinds,
    },
    Rule {
        name: "baseline-elsewhere",
        summary: "machines mixed in one comparison, or none named",
        why: "what differs is the machine",
        check: cells::baseline_elsewhere,
    },
    Rule {
        name: "order-confounded",
        summary: "cells taken one after the other",
        why: "a drift over the run looks like a difference between cells",
        check: order::order_confounded,
    },
    Rule {
        name: "drift",
        summary: "values that change over the run",
        why: "the figures depend on when they were taken",
        check: order::drift,
    },
    Rule {
        name: "cold-start-counted",
        summary: "a first sample that is far from the others, in all cells",
        why: "a warm-up belongs declared, not averaged in",
        check: order::cold_start_counted,
    },
    Rule {
        name: "p99-is-max",
        summary: "a high quantile that is the largest value",
        why: "so few samples bound no such quantile",
        check: claims::p99_is_max,
    },
    Rule {
        name: "trimmed-quantiles",
        summary: "a stated quantile or maximum below what the samples give",
        why: "the worst were cut off before the quantile of the worst",
        check: claims::trimmed_quantiles,
    },
    Rule {
        name: "population-stddev",
        summary: "a deviation divided by n",
        why: "it is too small, by 11 % at n = 5",
        check: claims::population_stddev,
    },
    Rule {
        name: "means-of-ratios",
        summary: "a mean of rates",
        why: "it counts fast work twice; bytes over time do not",
        check: claims::means_of_ratios,
    },
    Rule {
        name: "upper-median",
        summary: "the upper one of two middle values",
        why: "it is not the median",
        check: claims::upper_median,
    },
    Rule {
        name: "impossible-figures",
        summary: "figures that contradict one another or no samples can give",
        why: "at least one of them is wrong",
        check: claims::impossible_figures,
    },
    Rule {
        name: "survivorship",
        summary: "samples that are missing or failed, and figures of the rest",
        why: "the slow ones fail first",
        check: proof::survivorship,
    },
    Rule {
        name: "small-n",
        summary: "figures that so few samples cannot carry",
        why: "they would come out differently the next time",
        check: origin::small_n,
    },
    Rule {
        name: "no-raw-samples",
        summary: "figures without samples",
        why: "nothing about them can be checked",
        check: origin::no_raw_samples,
    },
    Rule {
        name: "within-one-period",
        summary: "times within one period of what watched for them",
        why: "the period was measured",
        check: reading::within_one_period,
    },
    Rule {
        name: "below-resolution",
        summary: "times under 20 steps of the clock",
        why: "the clock was measured",
        check: reading::below_resolution,
    },
    Rule {
        name: "rounded",
        summary: "times written in steps that are coarse against their spread",
        why: "differences below the step are invisible",
        check: reading::rounded,
    },
    Rule {
        name: "cache-cliff",
        summary: "a rate that falls to half or less for larger work",
        why: "small work ends in a cache, large work on a disk",
        check: size::cache_cliff,
    },
    Rule {
        name: "two-modes",
        summary: "two clusters with nothing between",
        why: "two different things stand under one name",
        check: reading::two_modes,
    },
    Rule {
        name: "mean-of-a-tail",
        summary: "a deviation larger than its mean",
        why: "a few values carry the mean",
        check: reading::mean_of_a_tail,
    },
    Rule {
        name: "stalls",
        summary: "samples beyond ten times the median",
        why: "a mean hides them and a median does not know them",
        check: reading::stalls,
    },
    Rule {
        name: "contamination",
        summary: "samples with much steal, pressure or throttling",
        why: "others used the host at that time",
        check: reading::contamination,
    },
];
