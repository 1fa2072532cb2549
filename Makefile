# tenon: make, make demo, make check; see README.md.
#
#   make            builds ./tenon
#   make demo       installs what the build needs, builds, does the main job on bundled files
#   make check      installs what the tests need, builds, runs the whole suite
#   make interop    the same against real PyTorch and safetensors (virtual environment)
#   make check-asan the suite under AddressSanitizer and UndefinedBehaviorSanitizer
#   make fuzz       every fuzz target for FUZZ_SECONDS (default 30) each, with libFuzzer
#   make bench      speed and memory, as ratios in one run
#   make install    PREFIX=/usr/local DESTDIR=

VERSION = 0.1.0
PREFIX  = /usr/local
CC      = gcc
O       = build

CSTD    = -std=c11 -D_GNU_SOURCE -DTENON_VERSION='"$(VERSION)"' -I.
WARN    = -Wall -Wextra -Wshadow -Wconversion -Werror
OPT     = -O2 -g
SAN     =
# Lua and ncurses under the names that Debian, Homebrew and others give them.
PKG     = $(shell for p in $(1); do pkg-config --exists $$p && pkg-config $(2) $$p && break; done)
LUA     = lua5.4 lua-5.4 lua54 lua
CFLAGS  = $(CSTD) $(WARN) $(OPT) $(SAN) $(call PKG,$(LUA),--cflags) $(call PKG,libzip,--cflags) \
          $(call PKG,yajl,--cflags) $(call PKG,ncursesw,--cflags)
LDLIBS  = $(call PKG,$(LUA),--libs) $(or $(call PKG,libzip,--libs),-lzip) \
          $(or $(call PKG,yajl,--libs),-lyajl) $(or $(call PKG,ncursesw,--libs),-lncursesw) \
          $(or $(call PKG,libcrypto,--libs),-lcrypto) $(or $(call PKG,zlib,--libs),-lz) -lm -lpthread

FLOORS  = loader/core loader/source loader/tensor loader/format loader/align loader/export \
          scripting viewer repl
SOURCES = $(foreach floor,$(FLOORS),$(wildcard $(floor)/*.c))
LIBRARY = $(filter-out $(O)/repl/main.o,$(SOURCES:%.c=$(O)/%.o)) $(O)/scripting/bundled.o
UNIT    = $(patsubst tests/unit/%.c,$(O)/tests/%,$(wildcard tests/unit/test_*.c))
FUZZ    = $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))

all: tenon

tenon: $(O)/repl/main.o $(O)/libtenon.a
	$(CC) $(SAN) -o $@ $^ $(LDLIBS)

$(O)/libtenon.a: $(LIBRARY)
	@rm -f $@
	ar rcs $@ $^

$(O)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

# The bundled rule packs, as one C table inside the binary.
$(O)/scripting/bundled.c: $(wildcard scripting/rules/*.lua) scripting/embed.sh
	@mkdir -p $(@D)
	sh scripting/embed.sh $(sort $(wildcard scripting/rules/*.lua)) > $@
$(O)/scripting/bundled.o: $(O)/scripting/bundled.c
	$(CC) $(CFLAGS) -c -o $@ $<

-include $(shell find $(O) -name '*.d' 2>/dev/null)

$(O)/tests/%: tests/unit/%.c $(O)/libtenon.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -MMD -MP -Itests/unit -o $@ $< $(O)/libtenon.a $(LDLIBS) -lcmocka

.PHONY: all demo check check-asan interop fuzz bench install uninstall clean format unit
unit: $(UNIT)
