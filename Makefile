# The ways to use this project. `make demo` and `make test` install, build and
# start all that they need; the others say what they do in `make help`.
.DEFAULT_GOAL := help
.PHONY: help setup build demo test sim torture bench fuzz format check-format clean

# A released Wasmtime C API instead of our own build: FML_WASMTIME_ROOT=DIR make ...
CONFIGURE := $(if $(FML_WASMTIME_ROOT),-DFML_WASMTIME_ROOT=$(FML_WASMTIME_ROOT))
SOURCES := $(shell git ls-files -co --exclude-standard '*.c' '*.h')
FUZZ_SECONDS ?= 60
TORTURE_KILLS ?= 1000
SIM_ARGS ?= --rounds 100000

help:
	@echo "make demo     ten devices train MNIST together, on this machine (DEMO_ARGS=\"--devices 5 --rounds 3\")"
	@echo "make test     everything is built with sanitizers and tested"
	@echo "make sim      100,000 rounds of simulated fleets, with crashes (SIM_ARGS=\"--seed 7 --rounds 1\")"
	@echo "make bench    seconds per round, and guest against native speed"
	@echo "make torture  a real fleet under TORTURE_KILLS=$(TORTURE_KILLS) times kill -9; every account is checked"
	@echo "make build    the programs, in build/release/bin"
	@echo "make fuzz     each fuzz target for FUZZ_SECONDS=$(FUZZ_SECONDS)"
	@echo "make format   clang-format-14 over all sources; check-format only looks"
	@echo "make setup    installs what is missing (demo and test do it by themselves)"
	@echo "make clean    removes build/"

setup:
	tools/setup

build: setup
	cmake --preset release $(CONFIGURE)
	cmake --build --preset release

demo: build
	tools/fetch-mnist >/dev/null
	build/release/bin/fml demo $(DEMO_ARGS)

test:
	tools/setup --test
	FML_PYTHON=$$(tools/test-python) cmake --preset dev $(CONFIGURE)
	cmake --build --preset dev
	ctest --test-dir build/dev --output-on-failure -j 2 $(TEST_ARGS)

sim: setup
	cmake --preset release $(CONFIGURE)
	cmake --build --preset release --target sim
	build/release/tests/sim/sim $(SIM_ARGS)

bench: build
	tools/fetch-mnist >/dev/null
	bash -o pipefail -c 'bench/run build/release | bench/table.py'

torture: build
	tools/setup --test
	FML_BUILD=$(CURDIR)/build/release $$(tools/test-python) tests/torture/torture.py \
		--kills $(TORTURE_KILLS) $(TORTURE_ARGS)

fuzz:
	tools/setup --fuzz
	cmake --preset fuzz $(CONFIGURE)
	cmake --build --preset fuzz --target fuzzers
	fuzz/run build/fuzz $(FUZZ_SECONDS)

format:
	clang-format-14 -i $(SOURCES)

check-format:
	clang-format-14 --dry-run -Werror $(SOURCES)

clean:
	rm -rf build
