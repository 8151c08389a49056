# What there is to type. Run as root: block devices are root's.

.DEFAULT_GOAL := help
.PHONY: help packages tools kernels demo test test-host test-bed bed-itself bed-crashes bed-rest lint bench bench-check bench-built shell

# All tests are built once, with these features.
FEATURES := test-bed,rstest

# What the tests on LVM need outside of the bed: the test programs, built here.
BED_ARCHIVE := $(CURDIR)/target/bed.tar.zst
IN_BED = KDEV_BED_ARCHIVE=$(BED_ARCHIVE) tests/bed/run --mem=4G --disk=8G --timeout=3000 -- \
	cargo-nextest nextest run --archive-file $(BED_ARCHIVE) --no-fail-fast

help:
	@echo 'make demo    run an annotated suite on loop devices, and show which test got which device'
	@echo 'make test    lint, and all tests: here, and on real LVM in the test bed'
	@echo 'make lint    formatting, clippy, documentation, without a warning'
	@echo 'make bench   what volumes cost, beside the naive way and the targets; writes benches/results.json and the README'
	@echo 'make bench-check  the same, fails if a ratio or a count misses its target, and writes nothing'
	@echo 'make shell   a root shell in the test bed: a kernel with device-mapper, a blank disk, and `kdev`'

# Debian packages, where they are missing. No target upgrades or removes one.
packages:
	@tests/bed/install

tools: packages
	@cargo nextest --version >/dev/null 2>&1 || cargo install --locked cargo-nextest

# Kernels of Debian's for the virtual machines of the tests: there is no network in the bed.
kernels: tools
	@examples/fstests_vm/tests/kernel target/kernels >/dev/null
	@examples/fstests_vm/tests/kernel target/kernels full >/dev/null

# The demo installs what it lacks itself, and that is much less.
demo:
	@examples/annotated-suite/demo

# What waits most runs beside what computes.
test: lint
	$(MAKE) --no-print-directory --jobs=2 test-host bed-itself
	$(MAKE) --no-print-directory test-bed

# Many tests wait for a virtual machine, so there are more of them than processors.
test-host: kernels
	cargo nextest run --workspace --features $(FEATURES) --no-fail-fast --test-threads 4 \
		-E 'not (kind(test) & test(/^lvm::/))'
	# Under plain cargo test too, where each annotated test starts a process of its own.
	cargo test --workspace --features $(FEATURES) --test devices --test filesystems --quiet
	# Without the job server of make, which does not reach it.
	env --unset=MAKEFLAGS --unset=MFLAGS cargo test --workspace --features $(FEATURES) --doc --quiet

# A guest has one processor, so there are two at once; what each says comes when it has ended.
test-bed: kernels
	cargo nextest archive --workspace --features $(FEATURES) --archive-file $(BED_ARCHIVE) \
		-E 'binary(system) | binary(lvm) | package(annotated-suite) | package(shapes)'
	$(MAKE) --no-print-directory --jobs=2 --output-sync=target bed-crashes bed-rest

bed-itself: packages
	tests/bed/selftest

bed-crashes:
	$(IN_BED) -E 'test(/^lvm::(matrix|torture|queue|several|thin|setup|volumes|busy)::/)' --success-output=final

# Tests on loop devices have run outside, where they are faster; in here is the udev that looks at them.
bed-rest:
	$(IN_BED) -E 'kind(test) & test(/^(lvm|embedded)::/) & !test(/(matrix|torture|queue|several|thin|setup|volumes|busy)::/)'

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --all-features -- -D warnings
	# As a test suite has it, without what only the command needs.
	cargo clippy --package kdev-volumes --lib -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --document-private-items --features cli,rstest

# With programs that nothing but the figures needs.
bench-built: tools
	@tests/bed/install benches/packages
	cargo build --release --features cli --bin kdev --bench sessions
	cargo build --tests -p shapes

bench: bench-built
	benches/run

bench-check: bench-built
	benches/run --check

shell: packages
	cargo build --features cli
	PATH="$(CURDIR)/target/debug:$$PATH" tests/bed/run --shell
