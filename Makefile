# What there is to type. Run as root: block devices are root's.

.DEFAULT_GOAL := help
.PHONY: help packages tools kernels tree demo test test-host test-bed test-debian13 test-rust archive bed-itself bed-crashes bed-rest \
	bed-debian13 bed-systemd test-systemd test-smp debian13-crashes debian13-rest debian13-sudo-rs lint bench bench-check bench-built shell

# All tests are built once, with these features.
FEATURES := test-bed,rstest

# What the tests on LVM need outside of the bed: the test programs, built here.
BED_ARCHIVE := $(CURDIR)/target/bed.tar.zst
BED = KDEV_BED_ARCHIVE=$(BED_ARCHIVE) tests/bed/run --mem=4G --disk=8G --timeout=3000
NEXTEST = cargo-nextest nextest run --archive-file $(BED_ARCHIVE) --no-fail-fast
IN_BED = $(BED) -- $(NEXTEST)
IN_DEBIAN13 = $(BED) --system=debian13 -- $(NEXTEST)
IN_DEBIAN13_SUDO_RS = $(BED) --system=debian13 -- tests/bed/with-sudo-rs $(NEXTEST)

# The tests on LVM in two halves, which take about as long as each other.
CRASHES := test(/^lvm::(matrix|torture|queue|several|thin|setup|volumes|busy)::/)
# Tests on loop devices have run outside, where they are faster; in a guest is the udev that looks at them.
REST := kind(test) & test(/^(lvm|embedded)::/) & !($(CRASHES))
# A tenth of them, of what another lvm2, udev or kernel may do otherwise, and of what another sudo may.
DEBIAN13 := test(=embedded::eight_processes_at_once_lose_nothing) \
	+ test(/^lvm::suite::/) \
	+ test(/^lvm::crash::(an_lvcreate_that_outlives|a_thin_pool_that_a_kill_has_wedged|without_records)/) \
	+ test(/^lvm::watchdog::(it_gives_back_what_a_killed_test_held|nextest_sees_no_leak)/) \
	+ test(/^lvm::keep::a_kept_volume_stays_until/) \
	+ test(/^lvm::thin::(a_pool_is_woken|a_pool_whose_lvm_is_killed|a_test_that_fills)/) \
	+ test(/^lvm::ordinary::own::(an_ordinary_user_runs|a_volume_is_its_users_alone)/) \
	+ test(/^lvm::setup::(a_disk_that_udev_looks_at|a_pool_that_is_taken_down)/) \
	+ test(/^lvm::busy::(a_tower_of_devices|what_somebody_uses)/) \
	+ test(/^lvm::udev::(udev_looks_into_no_volume|a_removal_waits)/)
SUDO_RS := test(/^lvm::ordinary::(install|own::(an_ordinary_user_runs|who_dies)|hostile::what_is_not_ones_own)/)

help:
	@echo 'make demo    run an annotated suite on loop devices, and show which test got which device'
	@echo 'make test    lint, and all tests: here, and on real LVM in the test bed'
	@echo 'make test-debian13  all tests on LVM on Debian 13; `make test` runs a tenth of them there'
	@echo 'make test-systemd  those of them that need systemd and a reboot'
	@echo 'make test-smp  the tests on LVM in which many processes meet, on two processors'
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

# The files of Debian 13.
tree: packages
	@tests/bed/tree debian13 >/dev/null

# The demo installs what it lacks itself, and that is much less.
demo:
	@examples/annotated-suite/demo

# What waits, for the network or for machines, runs beside what computes.
test:
	$(MAKE) --no-print-directory --jobs=2 lint tree
	$(MAKE) --no-print-directory --jobs=2 test-host bed-itself
	$(MAKE) --no-print-directory test-bed

# Many tests wait for a virtual machine, so there are more of them than processors.
test-host: kernels
	cargo nextest run --workspace --features $(FEATURES) --no-fail-fast --test-threads 4 \
		-E 'not (kind(test) & test(/^(lvm|systemd)::/))'
	# Under plain cargo test too, where each annotated test starts a process of its own.
	cargo test --workspace --features $(FEATURES) --test devices --test filesystems --quiet
	# Without the job server of make, which does not reach it.
	env --unset=MAKEFLAGS --unset=MFLAGS cargo test --workspace --features $(FEATURES) --doc --quiet

# A guest has one processor, so there are two at once; what each says comes when it has ended.
test-bed: archive
	$(MAKE) --no-print-directory --jobs=2 --output-sync=target bed-crashes bed-rest bed-debian13 bed-systemd test-rust

test-debian13: archive tree
	$(MAKE) --no-print-directory --jobs=2 --output-sync=target debian13-crashes debian13-rest debian13-sudo-rs

# A whole system with systemd, before and after a reboot.
test-systemd: archive bed-systemd

archive: kernels
	cargo nextest archive --workspace --features $(FEATURES) --archive-file $(BED_ARCHIVE) \
		-E 'binary(system) | binary(lvm) | package(annotated-suite) | package(shapes)'

bed-itself: tree
	tests/bed/selftest

bed-crashes:
	$(IN_BED) -E '$(CRASHES)' --success-output=final

bed-rest:
	$(IN_BED) -E '$(REST)'

# A tenth of the tests on LVM, of what another lvm2, udev, kernel or sudo may do otherwise.
bed-debian13: tree
	$(IN_DEBIAN13) -E '$(DEBIAN13)'
	$(IN_DEBIAN13_SUDO_RS) -E '$(SUDO_RS)'

debian13-crashes:
	$(IN_DEBIAN13) -E '$(CRASHES)'

debian13-rest:
	$(IN_DEBIAN13) -E '$(REST)'

debian13-sudo-rs:
	$(IN_DEBIAN13_SUDO_RS) -E 'test(/^lvm::ordinary::/)'

# Library, macros and commands, with the Rust of Debian 13.
test-rust: tree
	tests/bed/rust

bed-systemd: tree
	KDEV_BED_ARCHIVE=$(BED_ARCHIVE) tests/bed/run --init=systemd --mem=2G --disk=1G --timeout=900 -- tests/bed/phases

# On two processors, which no guest of User-Mode Linux has: Debian 13 in QEMU. Without KVM a command takes ten times
# as long as in the bed, so `make test` does without.
test-smp: archive
	tests/bed/selftest --machine=qemu
	KDEV_BED_ARCHIVE=$(BED_ARCHIVE) tests/bed/run --machine=qemu --mem=4G --disk=8G --timeout=7200 -- \
		$(NEXTEST) --test-threads 4 --success-output=final -E 'test(/^lvm::(torture|suite|runners|crash|queue|several)::/)'

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
