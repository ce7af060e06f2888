#!/bin/sh
# Everything that must hold: format, lints, layers, and all tests, the real sandboxes included.
set -eu
cd "$(dirname "$0")/.."
export CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-auto}"

make lint
# A Docker daemon of the test's own, when none runs; tests that need one skip with the reason otherwise.
if cargo nextest --version >/dev/null 2>&1; then
    exec tests/with-dockerd.sh cargo nextest run --workspace --locked --no-fail-fast
else
    # One at a time: without a process for each test, one would reap the children of another.
    exec tests/with-dockerd.sh cargo test --workspace --locked --no-fail-fast -- --test-threads=1
fi
