#!/bin/bash
# tests/HOSTILE.md keeps up with the tests: each that it names exists, and is in its file's list.
set -u
cd "$(dirname "$0")/../.." || exit 1
count=0
absent=

# "FILE TEST" for every test of a table's middle column: FILE: TEST, TEST; FILE: TEST
named() {
    awk -F'|' '/^\|.*test_/ {
        n = split($3, groups, ";")
        for (i = 1; i <= n; i++) {
            split(groups[i], parts, ":")
            m = split(parts[2], tests, ",")
            gsub(/ /, "", parts[1])
            for (j = 1; j <= m; j++) { gsub(/ /, "", tests[j]); print parts[1], tests[j] }
        }
    }' tests/HOSTILE.md
}

while read -r file name; do
    count=$((count + 1))
    grep -qE "^static void $name\(void \*\*" "tests/unit/$file.c" 2>/dev/null &&
        grep -qE "^ +[^;]*\($name[,)]|^ +$name,|, $name[,)]" "tests/unit/$file.c" ||
        absent+="# $file: $name"$'\n'
done < <(named)
for script in $(grep -oE '`tests/[a-z/_]+\.sh`' tests/HOSTILE.md | tr -d '`'); do
    [ -x "$script" ] || absent+="# $script"$'\n'
done
[ $count -gt 100 ] || absent+="# only $count tests were found in it"$'\n'
if [ -z "$absent" ]; then
    echo "ok 1 - $count tests that HOSTILE.md names are there"
else
    echo "not ok 1 - tests that HOSTILE.md names are there"
    printf %s "$absent"
fi
echo 1..1
[ -z "$absent" ]
