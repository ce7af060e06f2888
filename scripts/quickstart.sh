#!/bin/sh
# The main job on real sandboxes: boot everything that works here, and leave a report.
set -eu
isodyne=${CARGO_TARGET_DIR:-target}/release/isodyne

$isodyne doctor
$isodyne setup
# `process`, containers and VMs; what cannot run here is skipped with its reason.
$isodyne run plans/quickstart.toml "$@"
