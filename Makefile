# SPDX-License-Identifier: MIT
# A thin front for Meson: everything here is one or two commands that can also be typed.
#
#   make           build build/kiln            make lint      the project's own linter
#   make run       see it work                 make format    let clang-format lay out the code
#   make full      build with Kiln's flasher   make fuzz      fuzz every parser (FUZZ_SECONDS=30 each)
#   make test      run every test
#   make bench     measure against the peers   make install   install what was built

BUILD ?= build
FUZZ_BUILD ?= build-fuzz
FUZZ_SECONDS ?= 30
PYTHON ?= $(firstword $(wildcard /usr/bin/python3) python3)
C_FILES = git ls-files '*.c' '*.h' ':!tests/lint'

.PHONY: all full run test bench lint tidy fuzz format check-format clean install

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD) --quiet

# Set-up looks first and installs only what is missing; it runs again when its list has changed.
$(BUILD)/build.ninja: tools/setup
	tools/setup build
	@if [ -f $@ ]; then touch $@; else meson setup $(BUILD); fi

# Kiln's own flasher runs on the chips: 350 MB of cross compilers, for `kiln flash --loader kiln` alone.
full:
	tools/setup full
	@if [ ! -f $(BUILD)/build.ninja ]; then meson setup $(BUILD) -Dflasher=enabled; \
	elif ! grep -qsx 'flasher = enabled' $(BUILD)/meson-private/cmd_line.txt; then \
	meson setup --reconfigure $(BUILD) -Dflasher=enabled; fi
	@$(MAKE) --no-print-directory all

run: all
	tools/setup run
	tools/demo $(BUILD)

test: full
	tools/setup test
	meson test -C $(BUILD) --no-rebuild --print-errorlogs

bench: full
	tools/setup test
	$(PYTHON) bench/bench.py --kiln $(BUILD)/kiln

lint:
	$(PYTHON) tools/lint.py

tidy: all
	tools/setup check
	tools/tidy $(BUILD)

fuzz:
	tools/setup check
	tools/fuzz $(FUZZ_BUILD) $(FUZZ_SECONDS)

format:
	tools/setup check
	$(C_FILES) | xargs clang-format -i

check-format:
	tools/setup check
	$(C_FILES) | xargs clang-format --dry-run --Werror

install: all
	meson install -C $(BUILD) --no-rebuild

clean:
	rm -rf $(BUILD) $(FUZZ_BUILD)
