# Bulkhead from a fresh clone: `make run` or `make test` does all it takes. `make` is the menu.
#
# Python packages go to .venv, everything else that is downloaded or built to the user's cache
# folder (BULKHEAD_CACHE moves it), results to build/. ARGS passes options on:
# `make test ARGS="-k uf2"`, `make run ARGS=--help`.

.DEFAULT_GOAL := menu
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
# Some containers set it: each program that a test starts would compile all that it imports again,
# three quarters of a second of each `bulkhead`.
unexport PYTHONDONTWRITEBYTECODE

BIN := .venv/bin
READY := .venv/.ready
PYTEST := $(BIN)/python -m pytest
UV := uv==0.13.9
FARMS := labgrid==26.0.1 jumpstarter==0.9.0 jumpstarter-driver-composite==0.9.0 \
	jumpstarter-driver-power==0.9.0 jumpstarter-driver-pyserial==0.9.0 \
	jumpstarter-driver-opendal==0.9.0
TOOLS := rshell==0.0.36 mpfshell==0.9.3
THONNY := thonny==5.0.1
MUTATION := cosmic-ray==8.7.0
# What runs in that environment finds this one's packages too.
MUTATING := PYTHONPATH="$(CURDIR)/tests:$(CURDIR)/host_tools:$$($(BIN)/python -c \
	'import sysconfig; print(sysconfig.get_path("purelib"))')" build/mutation/bin/python

# A clone that was moved, or whose Python has gone, is set up again.
ifneq ($(shell test -x $(BIN)/python && cat $(READY) 2>/dev/null),$(CURDIR))
.PHONY: $(READY)
endif

.PHONY: menu
menu: ## Show this menu.
	@echo 'Bulkhead: a microkernel for microcontrollers, in MicroPython.'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

.PHONY: run
run: $(READY) ## Boot Bulkhead on an emulated Pico, crash a service, see it come back.
	@$(BIN)/bulkhead run $(ARGS)

.PHONY: test
test: check ## Run `make check`, then the tests of all five rings, on all cores.
	@$(PYTEST) -n auto --dist loadfile --max-worker-restart 0 $(ARGS)

.PHONY: test-long
test-long: $(READY) ## Run the tests that take minutes each, which `make test` leaves out.
	@BULKHEAD_LONG_TESTS=1 $(PYTEST) $(ARGS)

.PHONY: test-kernel
test-kernel: $(READY) ## Test the kernel case by case, a line each: sim, unix, emulated Pico.
	@$(PYTEST) -v -k test_case tests/sim tests/unix tests/device $(ARGS)

.PHONY: test-model test-sim test-unix test-host test-device
test-model: ## Visit every state of small worlds of the kernel.
test-sim: ## Test the kernel under CPython, on simulated time.
test-unix: ## Test the kernel under MicroPython's unix port.
test-host: ## Test the host tools.
test-device: ## Test images on the emulated Pico.
test-model test-sim test-unix test-host test-device: test-%: $(READY)
	@$(PYTEST) tests/$* $(ARGS)

.PHONY: test-qemu
test-qemu: $(READY) ## Test the kernel on a Cortex-M3 and on RV32, under QEMU: minutes.
	@BULKHEAD_LONG_TESTS=1 $(PYTEST) tests/device/processors $(ARGS)

.PHONY: test-farms
test-farms: $(READY) build/farms ## Test the drivers for labgrid and jumpstarter against these.
	@$(subst build/mutation,build/farms,$(MUTATING)) -m pytest \
		-p no:cacheprovider -p no:unraisableexception tests/device/farms $(ARGS)

build/farms: Makefile
	@python3 -m venv $@ && $@/bin/pip install --quiet $(FARMS) && touch $@

.PHONY: test-desk
test-desk: $(READY) build/desk ## Flash, interrupt and copy for hours, beside services that fail.
	@PATH="$(CURDIR)/build/desk/bin:$$PATH" BULKHEAD_FLASHES=$${BULKHEAD_FLASHES:-20} \
		BULKHEAD_CTRL_C=$${BULKHEAD_CTRL_C:-4000} BULKHEAD_COPIES=$${BULKHEAD_COPIES:-50} \
		BULKHEAD_SESSIONS=$${BULKHEAD_SESSIONS:-300} \
		BULKHEAD_TOOLS="$${BULKHEAD_TOOLS-pyboard rshell mpfshell thonny}" $(PYTEST) \
		-s -o faulthandler_timeout=0 tests/device/test_flash_running.py \
		tests/device/test_ctrl_c.py tests/device/test_sessions.py \
		tests/device/test_tools_beside_a_log.py $(ARGS)

# Thonny's back end takes none of what its windows do.
build/desk: Makefile
	@python3 -m venv $@ && $@/bin/pip install --quiet $(TOOLS) && \
		$@/bin/pip install --quiet --no-deps $(THONNY) && touch $@

.PHONY: explore
explore: $(READY) ## Explore worlds of the kernel by name, or replay a trace.
	@cd tests && ../$(BIN)/python -m model.explore $(ARGS)

.PHONY: seeded
seeded: $(READY) ## Put bugs into the kernel, and see what finds each.
	@cd tests && ../$(BIN)/python -m model.seeded $(ARGS)

.PHONY: campaign
campaign: $(READY) ## Have millions of faults in services, or in the kernel's words: ARGS=--help.
	@cd tests && ../$(BIN)/python -m campaign $(ARGS)

.PHONY: soak
soak: $(READY) ## Have emulated boards live for days, time come round, and see what grows.
	@cd tests && ../$(BIN)/python -m soak $(ARGS)

.PHONY: test-peers
test-peers: $(READY) ## Run MicroPython's own tests with Bulkhead and without, side by side.
	@cd tests && ../$(BIN)/python -m peers $(ARGS)

.PHONY: walk
walk: $(READY) ## Walk through all that a service reaches on the emulated board: minutes.
	@cd tests && ../$(BIN)/python -m walk_board $(ARGS)

.PHONY: mutate
mutate: $(READY) build/mutation ## Change the kernel at places drawn by a seed; judge each change.
	@$(MUTATING) -m model.mutate $(ARGS)

.PHONY: coverage
coverage: $(READY) ## Show what of the firmware the worlds and tests/sim run, and what not.
	@cd tests && ../$(BIN)/python -m model.covered $(ARGS)

build/mutation: Makefile
	@python3 -m venv $@ && $@/bin/pip install --quiet $(MUTATION) && touch $@

.PHONY: verify
verify: $(READY) ## Verify the kill protocol between instructions, with spin.
	@cd tests && ../$(BIN)/python -m model.verify $(ARGS)

.PHONY: check
check: $(READY) ## Check format, lint, types, layers and style.
	@$(BIN)/python -m bulkhead_host.checks

.PHONY: bench
bench: $(READY) ## Measure on the emulated Pico, beside asyncio; writes build/bench/.
	@$(BIN)/python -m bulkhead_host.bench $(ARGS)

.PHONY: bench-qemu
bench-qemu: $(READY) ## Count instructions of the kernel on other processors, under QEMU.
	@$(BIN)/python -m bulkhead_host.qualify.counts $(ARGS)

.PHONY: docs
docs: $(READY) build/docs/.ready ## Make the site of the documents in build/docs/html.
	@cd host_tools && $(CURDIR)/build/docs/env/bin/python -m docs $(ARGS)

build/docs/.ready: host_tools/docs.lock
	@python3 -m venv build/docs/env
	@build/docs/env/bin/pip install --quiet --no-input --require-hashes -r $< && touch $@

.PHONY: release
release: $(READY) ## Make every artefact of this version in build/release, with checksums.
	@rm -rf build/release && $(BIN)/python -m bulkhead_host.image.release $(ARGS)

.PHONY: pictures
pictures: $(READY) ## Take pictures of the views of the greenhouse: build/pictures.
	@cd tests && ../$(BIN)/python -m pictures $(ARGS)

.PHONY: grade
grade: $(READY) ## Grade a lab of the course: make grade ARGS=lab1.
	@cd tests && PYTHONPATH=../firmware/port/cpython:../firmware ../$(BIN)/python \
		-m course.grade $(ARGS)

.PHONY: format
format: $(READY) ## Format the tree, and mend what ruff can mend by itself.
	@$(BIN)/ruff check --quiet --fix-only . && $(BIN)/ruff format .

.PHONY: setup
setup: $(READY) ## Make .venv, as every other target does when it is missing.

$(READY): pyproject.toml host_tools/requirements.lock host_tools/stubs.lock host_tools/setup.sh
	@sh host_tools/setup.sh

.PHONY: lock
lock: ## Pin with hashes what pyproject.toml asks for; ARGS=--upgrade takes the newest of all.
	@python3 -m venv build/lock && build/lock/bin/pip install --quiet $(UV)
	@build/lock/bin/uv pip compile --quiet --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --custom-compile-command 'make lock' $(ARGS) \
		--extra development pyproject.toml --output-file host_tools/requirements.lock
	@build/lock/bin/uv pip compile --quiet --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --custom-compile-command 'make lock' $(ARGS) \
		--constraint host_tools/requirements.lock --extra docs pyproject.toml \
		--output-file host_tools/docs.lock

.PHONY: clean
clean: ## Remove build/, .venv and tool caches; the user's cache folder stays.
	@rm -rf build .venv .pytest_cache .mypy_cache .ruff_cache host_tools/*.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
