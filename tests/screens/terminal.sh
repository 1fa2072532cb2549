# What tests in tmux share; to be sourced. The program runs in a terminal "main" of a tmux of its own.
# Nothing sleeps for a fixed time: every step waits until what it expects is there, or says after
# a deadline what was there instead.
root=$(cd "$(dirname "$0")/../.." && pwd)
tenon=$(cd "$(dirname "${TENON:-$root/tenon}")" && pwd)/$(basename "${TENON:-tenon}")
demo=$root/tests/data/demo
deadline=${DEADLINE:-120}   # seconds, which only a test that fails takes: a slow machine is none
number=0
failures=0

if ! command -v tmux > /dev/null; then
    echo "ok 1 - the viewer in tmux # SKIP tmux is not installed"
    echo "1..1"
    exit 0
fi

scratch=$(mktemp -d "${TMPDIR:-/tmp}/tenon-tmux.XXXXXX") || exit 1
terminal() {
    tmux -S "$scratch/socket" -f /dev/null "$@"
}
# Ends what a terminal runs before the terminal is closed. A program that is hung up while a sanitizer
# looks for leaks at its end can wait for itself for ever: the hang-up wakes what the sanitizer stops.
end_programs() {
    local leader file line fields
    for leader in $(terminal list-panes -s -t main -F '#{pane_pid}' 2> /dev/null); do
        for file in /proc/[0-9]*/stat; do
            { read -r line < "$file"; } 2> /dev/null || continue
            read -ra fields <<< "${line##*) }"      # behind the name: state, parent, group, session
            [ "${fields[3]}" = "$leader" ] && kill -9 "${line%% *}" 2> /dev/null
        done
    done
}
trap 'end_programs; terminal kill-server 2> /dev/null; rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM
# The server would end with its last session, and race with the next one.
terminal new-session -d -s hold

passed() {
    number=$((number + 1))
    echo "ok $number - $*"
}
failed() {
    number=$((number + 1))
    failures=$((failures + 1))
    echo "not ok $number - $*"
    terminal capture-pane -p -t main 2>&1 | grep . | sed 's/^/# /'
}

screen() {
    terminal capture-pane -p -t main 2> /dev/null
}
# Waits until a command succeeds; says what it was waited for.
wait_until() {   # WHAT COMMAND...
    local end=$((SECONDS + deadline)) what=$1
    shift
    while [ $SECONDS -lt $end ]; do
        "$@" && return 0
        sleep 0.03
    done
    echo "# waited for: $what"
    return 1
}
holds() {
    screen | grep -qF -- "$1"
}
lacks() {
    ! holds "$1"
}
# Waits until the screen holds a text (or, after "!", does not).
wait_for() {
    if [ "$1" = "!" ]; then wait_until "! $2" lacks "$2"; else wait_until "$1" holds "$1"; fi
}
# Whether lines are the terminal's own, as they are while a command runs.
is_cooked() {
    stty -a -F "$(terminal display-message -p -t main '#{pane_tty}')" | grep -q ' icanon'
}
# A prompt stands in the last line, with nothing behind it, and keys are read one by one. Before that,
# though the prompt may be seen already, Ctrl-D and Tab are the terminal's.
takes_keys() {   # PROMPT
    [ "$(screen | grep . | tail -n 1)" = "$1" ] && ! is_cooked
}
keys() {
    terminal send-keys -t main "$@"
}
typed() {
    terminal send-keys -t main -l -- "$1"
}
# A shell in a new terminal of some size, with settings of its own.
open_terminal() {   # COLUMNS ROWS [NAME=VALUE]...
    local columns=$1 rows=$2
    shift 2
    end_programs
    terminal kill-session -t main 2> /dev/null
    terminal new-session -d -s main -x "$columns" -y "$rows" \
        env -u NO_COLOR -u PAGER "XDG_STATE_HOME=$scratch/kept" LC_ALL=C.UTF-8 TERM=screen-256color PS1='ready> ' "$@" \
        bash --norc --noprofile -i
    typed "cd '$scratch' && clear"
    keys Enter
    wait_for 'ready>'
}
start() {   # what is typed at the shell
    typed "$1; echo status=\$?"
    keys Enter
}
line() {
    typed ":"
    typed "$1"
}

