#!/bin/bash
# Runs transcripts: what was typed, and what tenon answered.
#
#   $ ./tenon ls tests/data/kinds/zip.pth       a command, run by bash
#   …                                           what it prints (both streams), to the letter
#   [...]                                       stands for any number of lines
#   ? 1                                         its exit status, when that is not 0
#   # text                                      a comment
#
# Each file runs in a scratch folder of its own, where ./tenon is the program and ./tests the
# repository's tests. In a Markdown file only the blocks fenced with ```console count.
# Usage: tests/cases/run.sh FILE...     (TENON=./tenon)
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
tenon=$(cd "$(dirname "${TENON:-$root/tenon}")" && pwd)/$(basename "${TENON:-tenon}")
export LC_ALL=C.UTF-8 NO_COLOR=1 TERM=xterm
unset XDG_CONFIG_HOME
export XDG_STATE_HOME=/dev/null/state   # nothing is kept of what is typed
number=0
failures=0

# Whether $1 (a file of expected lines) fits $2 (what came), with [...] for any lines.
fits() {
    awk 'NR == FNR { want[++n] = $0; next } { got[++m] = $0 }
         function fit(i, j,   k) {
             for (; i <= n; i++) {
                 if (want[i] == "[...]") {
                     for (k = j; k <= m + 1; k++) if (fit(i + 1, k)) return 1
                     return 0
                 }
                 if (j > m || want[i] != got[j++]) return 0
             }
             return j == m + 1
         }
         END { exit !fit(1, 1) }' "$1" "$2"
}

run_case() {
    number=$((number + 1))
    (cd "$scratch" && bash -c "$command") > "$scratch/.got" 2>&1 < /dev/null
    local got=$?
    if [ "$got" -eq "$status" ] && fits "$scratch/.want" "$scratch/.got"; then
        echo "ok $number - $file:$line $command"
        return
    fi
    failures=$((failures + 1))
    echo "not ok $number - $file:$line $command"
    [ "$got" -eq "$status" ] || echo "# exit status $got instead of $status"
    diff -u --label expected --label got "$scratch/.want" "$scratch/.got" | sed 's/^/# /'
}

for file in "$@"; do
    scratch=$(mktemp -d)
    ln -s "$tenon" "$scratch/tenon"
    ln -s "$root/tests" "$scratch/tests"
    command=
    status=0
    line=0
    at=0
    case $file in *.md) inside=0 ;; *) inside=1 ;; esac
    while IFS= read -r text || [ -n "$text" ]; do
        at=$((at + 1))
        case $file in *.md)
            case $text in
            '```console') inside=1; continue ;;
            '```'*) [ -n "$command" ] && run_case; command=; inside=0; continue ;;
            esac ;;
        esac
        [ "$inside" = 1 ] || continue
        case $text in
        '$ '*) [ -n "$command" ] && run_case
               command=${text#\$ } status=0 line=$at
               : > "$scratch/.want" ;;
        '? '[0-9]*) status=${text#\? } ;;
        '#'*) ;;
        *) [ -n "$command" ] && printf '%s\n' "$text" >> "$scratch/.want" ;;
        esac
    done < "$file"
    [ -n "$command" ] && run_case
    rm -rf "$scratch"
done
echo "1..$number"
[ $failures -eq 0 ]
