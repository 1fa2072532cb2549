# tenon: see README.md.
#
#   make            builds ./tenon
#   make demo       installs what the build needs, builds, does the main job on bundled files
#   make check      installs what the tests need, builds, runs the whole suite
#   make interop    the same against real PyTorch and safetensors (in a virtual environment)
#   make check-asan the suite under AddressSanitizer and UndefinedBehaviorSanitizer
#   make check-big  files of more than 4 GiB (sparse, but see tests/README.md)
#   make fuzz       every fuzz target for FUZZ_SECONDS (30) with libFuzzer
#   make bench      speed and memory, as ratios in one run, and the viewer's first screen and keys
#   make HDF5=no    any of these without libhdf5, which only Keras files need
#   make install    PREFIX=/usr/local DESTDIR=        (and make uninstall)

VERSION = 0.1.0
PREFIX  = /usr/local
CC      = gcc
PYTHON  = python3
# V=1 shows the commands.
Q       = $(if $(V),,@)
# Every flavour (plain, sanitized, fuzzed) has an object folder of its own.
O       = build
FUZZ_SECONDS ?= 30
# What check builds and runs at once, unless make was told with -j.
JOBS   ?= $(shell getconf _NPROCESSORS_ONLN 2> /dev/null || echo 2)
SPREAD  = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(JOBS))

# The first of several names that pkg-config knows: systems differ in how they call Lua.
find    = $(shell for p in $(2); do pkg-config --exists $$p 2>/dev/null && pkg-config $(1) $$p && break; done)
LUA     = lua5.4 lua-5.4 lua54 lua
# libhdf5 is optional: make HDF5=no builds without it, and then Keras files are refused.
HDF5    = $(if $(call find,--libs,hdf5 hdf5-serial),yes,no)
HDF5_C := $(if $(filter no,$(HDF5)),,-DHAVE_HDF5 $(call find,--cflags,hdf5 hdf5-serial))
HDF5_L := $(if $(filter no,$(HDF5)),,$(call find,--libs,hdf5 hdf5-serial))
WARN    = -Wall -Wextra -Wshadow -Wconversion -Werror
OPT     = -O2 -g
SAN     =
PACKAGES_C := $(call find,--cflags,$(LUA)) $(foreach p,libzip libpcre2-8 ncursesw libedit libcrypto libcurl,$(call find,--cflags,$(p)))
PACKAGES_L := $(call find,--libs,$(LUA)) $(foreach p,libzip libpcre2-8 ncursesw libedit libcrypto libcurl zlib,$(call find,--libs,$(p)))
# Products and sums round apart, wherever there is an instruction for both: dequantized numbers
# are to be the same everywhere.
CFLAGS  = -std=c11 -ffp-contract=off -D_GNU_SOURCE -DTENON_VERSION='"$(VERSION)"' -I. $(WARN) $(OPT) $(SAN) $(PACKAGES_C)
# Test programs are many and large with their libraries in them: gold links them in half of the time.
# (clang's sanitizers and it are not quite at one: fuzz targets are linked as the system does it.)
QUICK  := $(if $(shell command -v ld.gold),-fuse-ld=gold)
LDLIBS  = $(PACKAGES_L) $(HDF5_L) -lm -lpthread

FLOORS  = loader/core loader/source loader/tensor loader/format loader/check loader/align \
          loader/export scripting viewer repl
SOURCES := $(foreach floor,$(FLOORS),$(wildcard $(floor)/*.c))
LIBRARY := $(filter-out $(O)/repl/main.o,$(SOURCES:%.c=$(O)/%.o)) $(O)/scripting/bundled.o
UNIT    := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_*.c))
FUZZ    := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
BIN     := $(if $(filter build,$(O)),tenon,$(O)/tenon)

all: $(BIN)

$(BIN): $(O)/repl/main.o $(O)/libtenon.a
	@echo '  LINK $@'
	$(Q)$(CC) $(SAN) -o $@ $^ $(LDLIBS)

$(O)/libtenon.a: $(LIBRARY)
	@rm -f $@
	$(Q)ar rcs $@ $^

$(O)/%.o: %.c
	@mkdir -p $(@D)
	@echo '  CC   $<'
	$(Q)$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

# The files that know libhdf5; their folder of objects remembers whether it was there.
$(O)/hdf5-$(if $(HDF5_C),yes,no):
	@mkdir -p $(@D)
	@rm -f $(O)/hdf5-yes $(O)/hdf5-no
	@touch $@
HDF5_O = $(O)/loader/format/hdf5_child.o $(O)/loader/format/hdf5_child_attributes.o
$(HDF5_O): CFLAGS += $(HDF5_C)
$(HDF5_O): $(O)/hdf5-$(if $(HDF5_C),yes,no)

# A tenon that was built without libhdf5, for a test of what it says then.
$(O)/tenon-without-hdf5: loader/format/hdf5_child.c $(O)/repl/main.o $(O)/libtenon.a
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(PACKAGES_L) -lm -lpthread

# The bundled rule packs, presets and words for automatic alignment, as one C table inside the binary.
PACKS := $(sort $(wildcard scripting/rules/*.lua))
PRESETS := $(sort $(wildcard scripting/presets/*.lua))
$(O)/scripting/bundled.c: $(PACKS) $(PRESETS) scripting/lexicon.lua scripting/embed.sh
	@mkdir -p $(@D)
	$(Q)sh scripting/embed.sh $(PACKS) $(PRESETS) scripting/lexicon.lua > $@
$(O)/scripting/bundled.o: $(O)/scripting/bundled.c
	$(Q)$(CC) $(CFLAGS) -c -o $@ $<

$(O)/tests/test_%: tests/unit/test_%.c $(O)/libtenon.a
	@mkdir -p $(@D)
	@echo '  CC   $<'
	$(Q)$(CC) $(CFLAGS) $(QUICK) -MMD -MP -o $@ $< $(O)/libtenon.a $(LDLIBS) -lcmocka

# What JSON, and headers that are JSON, say: for their oracles.
$(O)/tests/json_%: tests/json/%.c $(O)/libtenon.a
	@mkdir -p $(@D)
	@echo '  CC   $<'
	$(Q)$(CC) $(CFLAGS) $(QUICK) -MMD -MP -o $@ $< $(O)/libtenon.a $(LDLIBS)

# A fuzz target as an ordinary program that replays its corpus, and mutations of it.
$(O)/tests/fuzz_%: tests/fuzz/fuzz_%.c tests/fuzz/replay.c $(O)/libtenon.a
	@mkdir -p $(@D)
	@echo '  CC   $<'
	$(Q)$(CC) $(CFLAGS) $(QUICK) -MMD -MP -o $@ $(filter %.c,$^) $(O)/libtenon.a $(LDLIBS)

-include $(shell find $(O) -name '*.d' 2>/dev/null)

demo:
	@.ci/packages build
	@$(MAKE) --no-print-directory all
	@sh tests/demo.sh

check:
	@.ci/packages check
	@rm -f $(O)/results $(O)/seconds
	@$(MAKE) --no-print-directory suite
	@O=$(O) tests/run.sh --total

# Every test of this flavour, as many suites at once as there are processors: none shares a file, a
# port or a terminal with another. What takes a second without a byte for silence has the machine
# for itself. Goes on after a failure, and the total says so.
suite:
	@$(MAKE) --no-print-directory $(SPREAD) $(BIN) $(O)/tenon-without-hdf5 $(O)/tests/json_events $(O)/tests/json_headers $(UNIT:%=$(O)/tests/%) $(FUZZ:%=$(O)/tests/%)
	@$(MAKE) --no-print-directory $(SPREAD) --output-sync suites
	@$(MAKE) --no-print-directory suite-remote

# Those that take longest (see $(O)/seconds) begin first, so that all end at about the same time.
SUITES = auto cases valgrind power-loss faults in-place shards peak-memory veto emit passes \
         tmux sessions prompt readme-screens real limits hostile bombs pairs glue clones hdf5 \
         json headers floors readme manual
RUN_floors         = tests/floors.sh
RUN_hdf5           = tests/hdf5.sh
RUN_json           = $(PYTHON) tests/json/oracle.py
RUN_headers        = $(PYTHON) tests/json/headers.py
RUN_cases          = tests/cases/run.sh $(sort $(wildcard tests/cases/*.case))
RUN_readme         = tests/cases/run.sh README.md
RUN_manual         = tests/cases/manual.sh
RUN_shards         = $(PYTHON) tests/export/shards.py
RUN_passes         = $(PYTHON) tests/export/passes.py
RUN_peak-memory    = $(PYTHON) tests/export/memory.py
RUN_faults         = $(PYTHON) tests/export/faults.py
RUN_power-loss     = $(PYTHON) tests/export/power.py
RUN_clones         = $(PYTHON) tests/export/clones.py
RUN_in-place       = $(PYTHON) tests/export/in_place.py
RUN_bombs          = tests/cases/bombs.sh
RUN_hostile        = tests/cases/hostile.sh
RUN_limits         = tests/cases/limits.sh
RUN_real           = $(PYTHON) tests/real/run.py
RUN_pairs          = $(PYTHON) tests/real/pairs.py
RUN_auto           = $(PYTHON) tests/pairs/run.py $(if $(SAN),,--all)
RUN_glue           = $(PYTHON) tests/pairs/glue.py
RUN_emit           = $(PYTHON) tests/pairs/emit.py
RUN_veto           = $(PYTHON) tests/pairs/values.py
RUN_remote         = $(PYTHON) tests/remote/run.py
RUN_tmux           = tests/screens/tmux.sh
RUN_prompt         = tests/screens/prompt.sh
RUN_sessions       = tests/screens/sessions.sh
RUN_readme-screens = tests/screens/readme.sh
RUN_valgrind       = tests/valgrind.sh

SUITE   = O=$(O) TENON=$(BIN) tests/run.sh
SUITED := $(addprefix suite-,$(if $(SAN),$(filter-out valgrind,$(SUITES)),$(SUITES)))
.PHONY: suite suites suite-remote $(SUITED) $(UNIT) $(FUZZ)
suites: $(SUITED) $(UNIT) $(FUZZ)
$(SUITED) suite-remote: suite-%: $(BIN)
	-@$(SUITE) $* $(RUN_$*)
$(UNIT): %: $(O)/tests/%
	-@$(SUITE) $@ $(O)/tests/$@
$(FUZZ): %: $(O)/tests/%
	-@$(SUITE) $@ $(O)/tests/$@ tests/fuzz/corpus/$(@:fuzz_%=%)

check-asan:
	@.ci/packages check
	@rm -f build-asan/results build-asan/seconds
	@ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1 \
	  $(MAKE) --no-print-directory O=build-asan OPT='-O1 -g1 -fno-omit-frame-pointer' \
	  SAN='-fsanitize=address,undefined -fno-sanitize-recover=all' suite
	@O=build-asan tests/run.sh --total

check-big: all
	@rm -f build/big/results
	@O=build/big TENON=tenon tests/run.sh big $(PYTHON) tests/big/zips.py
	@O=build/big TENON=tenon tests/run.sh memory $(PYTHON) tests/big/memory.py
	@O=build/big tests/run.sh --total

interop:
	@.ci/packages interop
	@$(MAKE) --no-print-directory all
	@tests/interop/run.sh

fuzz:
	@.ci/packages fuzz
	@FUZZ_SECONDS=$(FUZZ_SECONDS) tests/fuzz/run.sh $(FUZZ)

# One fuzz target with libFuzzer's own main.
$(O)/libfuzzer/fuzz_%: tests/fuzz/fuzz_%.c tests/fuzz/no_child.c $(O)/libtenon.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -fsanitize=fuzzer -Wl,--wrap=hdf5_list -o $@ $^ $(LDLIBS)

bench: all $(O)/tests/bench_viewer
	@tests/bench/run.sh

# Keys of the viewer until their frames are out.
$(O)/tests/bench_viewer: tests/bench/viewer.c $(O)/libtenon.a
	@mkdir -p $(@D)
	@echo '  CC   $<'
	$(Q)$(CC) $(CFLAGS) -MMD -MP -o $@ $< $(O)/libtenon.a $(LDLIBS)

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/tenon/rules \
	  $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/man/man5
	install -m 755 tenon $(DESTDIR)$(PREFIX)/bin/tenon
	install -m 644 $(PACKS) $(DESTDIR)$(PREFIX)/share/tenon/rules
	install -m 644 repl/tenon.1 $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 644 scripting/tenon-rules.5 $(DESTDIR)$(PREFIX)/share/man/man5

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/tenon $(DESTDIR)$(PREFIX)/share/man/man1/tenon.1 \
	  $(DESTDIR)$(PREFIX)/share/man/man5/tenon-rules.5
	rm -rf $(DESTDIR)$(PREFIX)/share/tenon

clean:
	rm -rf build build-asan build-fuzz build-fuzz-fast tenon

.PHONY: all demo check check-asan check-big interop fuzz bench install uninstall clean
.SECONDARY:
