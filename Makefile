# Two commands do everything on a fresh Debian or Ubuntu machine with Rust:
#   make quickstart   installs what is missing, builds, boots real sandboxes, leaves a report
#   make test         installs what is missing, checks and tests everything
.PHONY: quickstart test nested lint parquet install build clean

# Few jobs at a time: linking many crates at once needs a lot of memory.
CARGO ?= cargo

quickstart: install
	$(CARGO) build --release --locked --bin isodyne
	scripts/quickstart.sh

test: install
	scripts/test.sh

# The microVMs for real, in a guest whose KVM is emulated: too slow for `make test` (docs/nested.md).
nested:
	scripts/nested.sh

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(CARGO) run --quiet --locked -p xtask -- layers
	$(CARGO) run --quiet --locked -p xtask -- schemas --check
	$(CARGO) run --quiet --locked -p xtask -- dependencies
	$(CARGO) run --quiet --locked -p xtask -- fuzz

# The export to Parquet, which no other build has: a heavy dependency, so it is checked by itself.
parquet:
	$(CARGO) clippy --locked -p isodyne-store --features parquet --all-targets -- -D warnings
	$(CARGO) test --locked -p isodyne-store --features parquet --lib parquet

install:
	scripts/install.sh

build:
	$(CARGO) build --release --locked

clean:
	$(CARGO) clean
	rm -rf runs
