#!/bin/sh
# Prints a C file that holds the given rule files as strings: the table of bundled.h. Bytes are
# written as octal escapes where C could read them otherwise; a string is cut at every newline.
set -eu

cat <<'END'
/* Made by scripting/embed.sh from scripting/rules, presets and lexicon.lua; not to be edited. */
#include "scripting/bundled.h"

END

names=
for file in "$@"; do
    name=$(basename "$file" .lua)
    case $name in
    *[!a-z0-9_]*) echo "embed.sh: $file: a pack's name is lower case letters, digits and _" >&2
                  exit 1 ;;
    esac
    case $file in
    */presets/shared.lua|*/lexicon.lua) kind=SHARED ;;
    */presets/*) kind=PRESET ;;
    *) kind=PACK ;;
    esac
    names="$names $kind:$name"
    echo "static const char ${kind}_$name[] ="
    LC_ALL=C od -An -v -tu1 "$file" | LC_ALL=C awk '
        BEGIN { printf "    \"" }
        {
            for (i = 1; i <= NF; i++) {
                byte = $i + 0
                if (byte == 10) printf "\\n\"\n    \""
                else if (byte < 32 || byte > 126 || byte == 34 || byte == 63 || byte == 92)
                    printf "\\%03o", byte
                else printf "%c", byte
            }
        }
        END { print "\";" }'
    echo
done

echo "const BundledRules bundled_rules[] = {"
for name in $names; do
    kind=${name%%:*} name=${name#*:}
    echo "    {BUNDLED_$kind, \"$name\", ${kind}_$name, sizeof ${kind}_$name - 1},"
done
echo "    {0, 0, 0, 0},"
echo "};"
echo "const size_t bundled_rules_count = sizeof bundled_rules / sizeof bundled_rules[0] - 1;"
