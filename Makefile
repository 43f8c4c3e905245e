# The front door.  Meson does the building; this file only knows the usual words.
#
#   make            build everything into build/
#   make run        the first demonstration: curl through naru
#   make test       all tests; the last line is the summary
#   make test-long  the long ones: gigabytes, loss, stalls
#   make lint       every checker, no finding allowed
#   make bench      figures, each with its limit (also make bench-NAME for one row)
#   make bench-doc  the same into docs/performance.md, with profiles; some minutes
#   make fuzz       all fuzzers, FUZZ_SECONDS each
#   make install    PREFIX=/usr/local DESTDIR=
#   make clean
BUILD ?= build
PREFIX ?= /usr/local
FUZZ_SECONDS ?= 60
MAKEFLAGS += --no-print-directory

.PHONY: all configure deps run test test-long lint bench bench-doc fuzz install clean

all: configure
	@ninja -C $(BUILD)

deps:
	@tools/deps build

configure: deps
	@test -f $(BUILD)/build.ninja || tools/configure $(BUILD) --prefix=$(PREFIX)

run: all
	@tools/deps run
	@tools/demo $(BUILD)

test:
	@tools/deps build test
	@tools/test $(if $(ONLY),--only $(ONLY)) $(BUILD)

test-long:
	@tools/deps build test
	@tools/test --long $(if $(ONLY),--only $(ONLY)) $(BUILD)

lint:
	@tools/deps build lint
	@tools/lint

bench: all
	@tools/bench $(BUILD)

bench-doc: all
	@tools/deps build test
	@tools/performance $(BUILD)
	@tests/house/memory.py --write

bench-%: all
	@tools/bench $(BUILD) $*

fuzz:
	@tools/deps build fuzz
	@tools/fuzz $(FUZZ_SECONDS)

install: all
	@meson install -C $(BUILD) --no-rebuild

clean:
	@rm -rf build build-asan build-clang build-fuzz
