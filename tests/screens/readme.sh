#!/bin/bash
# The screens that README.md shows are the real program's. Each stands in a fenced block behind a line
#
#   <!-- screen NAME COLUMNS×ROWS -->
#
# and screen_NAME below brings it about. Speaks TAP. Usage: tests/screens/readme.sh [--write]
set -u
. "$(dirname "$0")/terminal.sh"
readme=$root/README.md

# The demo with its wrapper stripped, while the rule for its head is typed.
screen_rule() {
    cp "$demo"/pretrain.pth "$demo"/net.pth "$scratch"
    start "'$tenon' pretrain.pth net.pth" && wait_for '? help' && wait_for '● 0 loaded' &&
        line 'strip "module."' && wait_for 'would load' && keys Enter && wait_for '● 56 loaded' &&
        keys ']' && wait_for '3 keep_target' && line 'rules [[ head.fc.* -> head.fc.* |> fit(0) ]]' &&
        wait_for 'would load 2'
}

# The block behind the line of that name, without its fences.
block_of() {
    awk -v name="$1" '$1 == "<!--" && $2 == "screen" && $3 == name { on = 1; next }
        on && /^```/ { if (inside) exit; inside = 1; next }
        on && inside' "$readme"
}

replace_block() {   # NAME FILE
    awk -v name="$1" -v file="$2" '$1 == "<!--" && $2 == "screen" && $3 == name { on = 1 }
        on && /^```/ && inside { while ((getline line < file) > 0) print line; on = inside = 0 }
        !inside
        on && /^```/ { inside = 1 }' "$readme" > "$readme.new" && mv "$readme.new" "$readme"
}

while read -r _ _ name size _; do
    open_terminal "${size%×*}" "${size#*×}" NO_COLOR=1 && "screen_$name" || {
        failed "README.md shows the screen '$name'"
        continue
    }
    screen | sed 's/ *$//' > "$scratch/got"
    [ "${1:-}" = --write ] && replace_block "$name" "$scratch/got"
    if block_of "$name" | diff -u --label README.md - --label screen "$scratch/got" > "$scratch/diff"; then
        passed "README.md shows the screen '$name'"
    else
        failed "README.md shows the screen '$name'"
        sed 's/^/# /' "$scratch/diff"
    fi
done < <(grep '^<!-- screen ' "$readme")

# Without a screen there would be nothing to be right.
if [ "$number" -gt 0 ]; then passed "README.md shows screens"; else failed "README.md shows screens"; fi
echo "1..$number"
[ $failures -eq 0 ]
