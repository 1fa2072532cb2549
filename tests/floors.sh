#!/bin/bash
# Holds the architecture: a floor includes only floors below it, modules have no cycles, each
# boundary library has one file, and no file or function outgrows its budget.
set -u
cd "$(dirname "$0")/.." || exit 1
floors="loader/core loader/source loader/tensor loader/format loader/check loader/align loader/export scripting viewer repl"
number=0
failures=0

check() {   # NAME OFFENCES: none is a pass
    local offences=$2
    number=$((number + 1))
    if [ -z "$offences" ]; then
        echo "ok $number - $1"
    else
        failures=$((failures + 1))
        echo "not ok $number - $1"
        echo "$offences" | sed 's/^/# /'
    fi
}

sources=$(for floor in $floors; do ls "$floor"/*.[ch] 2>/dev/null; done)

# "file floor-rank included-floor-rank include" for every include of ours
includes() {
    awk -v floors="$floors" '
        function rank(path,   i, best) {
            best = 0
            for (i in floor) if (index(path, floor[i] "/") == 1) best = i
            return best
        }
        BEGIN { n = split(floors, floor, " ") }
        match($0, /^#include "[^"]+"/) {
            inc = substr($0, 11, RLENGTH - 11)
            print FILENAME, rank(FILENAME), rank(inc), inc
        }' $sources
}

check "includes are written from the root" \
    "$(includes | awk '$3 == 0 { print $1 " includes " $4 ", which is on no floor" }')"
check "no include climbs a floor" "$(includes | awk '$3 > $2 { print $1 " includes " $4 }')"
check "viewer and scripting do not know each other" \
    "$(includes | awk '$1 ~ /^viewer\// && $4 ~ /^scripting\// { print $1 " includes " $4 }')"

# A module is a .c with its .h; a header without a .c belongs to the file it is named after
# (draft_parts.h to draft.c). A cycle among modules is a knot.
check "no cycle among modules" "$(includes |
    awk -v files="$sources" '
        BEGIN { for (n = split(files, list, /[ \n]+/); n; n--) there[list[n]] = 1 }
        function module(path,   stem) {
            stem = path
            sub(/\.[ch]$/, "", stem)
            while (!((stem ".c") in there) && match(stem, /_[^\/_]*$/)) sub(/_[^\/_]*$/, "", stem)
            if ((stem ".c") in there) return stem
            sub(/\.[ch]$/, "", path)
            return path
        }
        { a = module($1); b = module($4); if (a != b) print a, b }' |
    sort -u | tsort 2>&1 > /dev/null | grep -v 'input contains a loop' | sed 's/^tsort: //')"

one_file() {   # HEADER (a regular expression), WHERE (likewise), WHAT
    local users
    users=$(grep -lE "^#include <$1>" $sources)
    check "$3 stays behind one file" \
        "$(grep -vE "$2" <<< "$users"; [ "$(wc -w <<< "$users")" -le 1 ] || echo "$users")"
}
one_file 'n?curses[^>]*' '^viewer/terminal|^$' curses
one_file 'histedit\.h' '^repl/line_reader|^$' libedit
one_file 'zip\.h' '^loader/source/zip|^$' libzip
one_file 'hdf5\.h' '^loader/format/hdf5_child|^$' libhdf5
one_file 'pcre2\.h' '^loader/align/regex|^$' PCRE2
one_file 'sys/mman\.h' '^loader/(core/memory\.c|source/)|^$' mmap
one_file 'curl/curl\.h' '^loader/source/|^$' curl
check "libcrypto stays in loader/source" \
    "$(grep -l '^#include <openssl/' $sources | grep -v '^loader/source/')"
check "Lua stays in scripting" \
    "$(grep -lE '^#include <(lua|lualib|lauxlib)\.h>' $sources | grep -v '^scripting/')"

check "no file over 600 lines" \
    "$(wc -l $sources | awk '$2 != "total" && $1 > 600 { print $2 " has " $1 " lines" }')"
# A function of more than 80 lines must be one switch over a closed set.
check "no function over 80 lines" "$(awk '
    FNR == 1 { start = 0 }
    /^\{/ { start = FNR; switches = 0; name = before }
    /^    switch \(/ { switches = 1 }
    /^\}/ {
        if (start && FNR - start > 81 && !switches)
            print FILENAME ":" start " " FNR - start - 1 " lines: " name
        start = 0
    }
    { before = $0 }' $sources)"
check "no tabs, no trailing blanks" "$(grep -nP '\t| +$' $sources | head -20)"
check "lines of 100 columns" "$(awk '
    !/^ *X\(/ {
        line = $0
        gsub(/[\200-\277]/, "", line)
        if (length(line) > 100) print FILENAME ":" FNR " " length(line) " columns"
    }' $sources | head -40)"

echo "1..$number"
[ $failures -eq 0 ]
