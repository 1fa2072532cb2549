#!/bin/bash
# Runs test programs that speak TAP, and counts.
#
#   tests/run.sh NAME COMMAND...       one suite; adds "NAME passed failed skipped" to $O/results, and
#                                      "NAME elapsed user system" seconds to $O/seconds
#   tests/run.sh --total               sums $O/results and prints "N passed, N failed[, N skipped]"
#
# A suite that ends with a status other than 0, or runs no test at all, has failed even when
# no line says so.
set -u
O=${O:-build}
mkdir -p "$O/log"
results=$O/results

if [ "${1:-}" = --total ]; then
    awk '{ p += $2; f += $3; s += $4 }
         END { printf "%d passed, %d failed", p, f; if (s) printf ", %d skipped", s; print ""
               exit f > 0 || p == 0 }' "$results"
    exit
fi

name=$1
shift
log=$O/log/${name//\//-}.log
TIMEFORMAT="$name %R %U %S"
{ time CMOCKA_MESSAGE_OUTPUT=TAP "$@" > "$log" 2>&1 < /dev/null; } 2> "$log.time"
status=$?
tail -n 1 "$log.time" >> "$O/seconds"
sed '$d' "$log.time" >> "$log"     # what the shell says of a command that a signal ended
rm -f "$log.time"
read -r passed failed skipped < <(awk '
    /^(not )?ok .*# [Ss][Kk][Ii][Pp]/ { s++; next }   # cmocka says "not ok" of skipped tests
    /^not ok/ { f++; next }
    /^ok/ { p++ }
    END { print p + 0, f + 0, s + 0 }' "$log")
if [ "$failed" -eq 0 ] && { [ $status -ne 0 ] || [ $((passed + skipped)) -eq 0 ]; }; then
    failed=1
    echo "# $name: ended with status $status after $passed tests" >> "$log"
fi
echo "$name $passed $failed $skipped" >> "$results"
note=
[ "$skipped" -gt 0 ] && note=", $skipped skipped"
if [ "$failed" -eq 0 ]; then
    echo "ok    $name: $passed passed$note"
    grep -iE '^(not )?ok.*# skip' "$log" | sed -E 's/^(not )?ok/      skipped/' | head -3
else
    echo "FAIL  $name: $passed passed, $failed failed$note"
    grep -v '^ok' "$log" | tail -60 | sed 's/^/      /'
fi
[ "$failed" -eq 0 ]
