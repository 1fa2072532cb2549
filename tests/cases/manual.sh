#!/bin/bash
# The manual keeps up with the program: every command, option and key of the tables stands in it,
# and both pages are free of formatting errors.
set -u
cd "$(dirname "$0")/../.." || exit 1
tenon=./${TENON:-tenon}
number=0
failures=0

check() {   # NAME OFFENCES
    number=$((number + 1))
    if [ -z "$2" ]; then
        echo "ok $number - $1"
    else
        failures=$((failures + 1))
        echo "not ok $number - $1"
        sed 's/^/# /' <<< "$2"
    fi
}

page=$(cat repl/tenon.1)
absent=
for option in $($tenon help | grep -oE '(^|[ ,])--[a-z0-9-]+' | tr -d ' ,' | sort -u); do
    grep -qE "Fl -${option#--}( |$|,)" <<< "$page" || absent+="$option is not in tenon(1)"$'\n'
done
check "every option is in the manual" "$absent"

absent=
for command in $($tenon help | awk '$1 == "tenon" && $2 ~ /^[a-z]+$/ { print $2 }' | sort -u); do
    case $command in fits) continue ;; esac
    grep -q "Cm $command" <<< "$page" || absent+="$command is not in tenon(1)"$'\n'
done
check "every command is in the manual" "$absent"

absent=
while IFS='"' read -r _ name rest; do
    number_of=$(grep -oE '[0-9]+' <<< "$rest" | head -1)
    for unit in G:1000000000 M:1000000 k:1000; do
        [ $((number_of % ${unit#*:})) -eq 0 ] && number_of=$((number_of / ${unit#*:}))${unit%%:*} && break
    done
    grep -qE "^\.It $name Ta $number_of Ta " <<< "$page" || absent+="$name $number_of is not in tenon(1)"$'\n'
done < <(grep -E '^    X\(LIMIT_' loader/core/limits.h)
check "every limit is in the manual" "$absent"

absent=
for name in $(grep -oE '^    X\([a-z_]+' repl/call_list.h | cut -d'(' -f2); do
    grep -q "^\.It Ic $name Li " <<< "$page" || absent+="$name() is not in tenon(1)"$'\n'
done
check "every function of the prompt is in the manual" "$absent"

for file in repl/tenon.1 scripting/tenon-rules.5; do
    check "$file formats" "$(LC_ALL=C.UTF-8 MANWIDTH=100 man --warnings -E UTF-8 -l $file 2>&1 > /dev/null | head -5)"
done

echo "1..$number"
[ $failures -eq 0 ]
