#!/bin/bash
# The real program in a real terminal: drives ./tenon in tmux and looks at what is on screen.
# Speaks TAP. Usage: tests/screens/tmux.sh   (TENON=./tenon)
set -u
. "$(dirname "$0")/terminal.sh"

# The demo's whole job by hand: rules typed, their effect awaited, the file written.
round_trip() {   # COLUMNS ROWS OUT [NAME=VALUE]...
    local columns=$1 rows=$2 out=$3
    shift 3
    open_terminal "$columns" "$rows" "$@" || return 1
    start "'$tenon' '$demo/pretrain.pth' '$demo/net.pth'"
    wait_for '? help' && wait_for '● 0 loaded' || return 1
    line 'strip "module."'
    wait_for 'would load' && keys Enter && wait_for 'applied (load' || return 1
    wait_for ! '● 0 loaded' || return 1
    keys ']'
    line 'rules [[ head.fc.* -> head.fc.* |> fit(0, zeros) ]]'
    wait_for 'would load' && keys Enter && wait_for ' 0 open' || return 1
    keys w
    wait_for ':write aligned.pth' || return 1
    keys C-u
    typed "write $out"
    keys Enter
    wait_for "written $out" || return 1
    keys q
    wait_for 'not saved' && keys y && wait_for 'status=0' || return 1
    [ -s "$scratch/$out" ]
}

for size in "80 24" "200 60"; do
    for colour in TENON_TEST=colour NO_COLOR=1; do
        out="out-${size% *}-${colour%=*}.pth"
        what="round trip at ${size/ /×}, $colour"
        # shellcheck disable=SC2086
        if round_trip $size "$out" $colour; then passed "$what"; else failed "$what"; fi
    done
done

listing() {
    (cd "$scratch" && mv "$1" out.pth && "$tenon" ls out.pth && mv out.pth "$1")
}
if a=$(listing out-80-TENON_TEST.pth) && b=$(listing out-200-NO_COLOR.pth) &&
   [ "$a" = "$b" ] && grep -q head.fc.weight <<< "$a"; then
    passed "what was written is a checkpoint, the same each time"
else
    failed "what was written is a checkpoint, the same each time"
fi

open_demo() {   # COLUMNS ROWS [NAME=VALUE]...
    open_terminal "$@" && start "'$tenon' '$demo/pretrain.pth' '$demo/net.pth' -r '$demo/fix.lua'" &&
        wait_for '? help'
}
colours() {   # how many colour changes are on screen
    terminal capture-pane -e -p -t main | grep -cE $'\x1b\\[([0-9;]*;)?(3[0-7]|9[0-7]|38;5;[0-9]+)m'
}

if open_demo 80 24 && [ "$(colours)" -gt 0 ]; then passed "colours"; else failed "colours"; fi
if open_demo 80 24 NO_COLOR=1 && [ "$(colours)" -eq 0 ]; then
    passed "no colours with NO_COLOR"
else
    failed "no colours with NO_COLOR"
fi
if open_demo 80 24 TERM=vt100 && [ "$(colours)" -eq 0 ]; then
    passed "a terminal without colours"
else
    failed "a terminal without colours"
fi

ascii_only() {
    open_terminal 80 24 LC_ALL=C &&
        start "'$tenon' '$demo/pretrain.pth' '$demo/net.pth'" && wait_for '? help' &&
        wait_for '+ source ---' && ! screen | LC_ALL=C grep -q $'[\x80-\xff]'
}
if ascii_only; then passed "ASCII where the locale is not UTF-8"
else failed "ASCII where the locale is not UTF-8"; fi

resized() {
    open_demo 80 24 || return 1
    terminal resize-window -t main -x 120 -y 40
    wait_for "$(printf '─%.0s' {1..50})" || return 1
    terminal resize-window -t main -x 30 -y 8
    wait_for 'tenon needs 40' || return 1
    terminal resize-window -t main -x 60 -y 20
    wait_for '? help' && keys q && wait_for 'status=0'
}
if resized; then passed "resizing"; else failed "resizing"; fi

stopped() {
    open_demo 80 24 || return 1
    keys C-z
    wait_for 'Stopped' || return 1
    typed 'echo "back in the ""shell"; fg; echo fg=$?'
    keys Enter
    wait_for '? help' || return 1
    keys j j q
    wait_for 'fg=0' && wait_for 'back in the shell'
}
if stopped; then passed "Ctrl-Z and fg"; else failed "Ctrl-Z and fg"; fi

# The terminal is sane afterwards: it echoes, and the shell gets what is typed.
killed() {   # SIGNAL STATUS
    open_terminal 80 24 || return 1
    start "sh -c 'echo \$\$ > pid; exec \"\$@\"' sh '$tenon' '$demo/pretrain.pth' '$demo/net.pth'"
    wait_for '? help' || return 1
    kill -"$1" "$(cat "$scratch/pid")" || return 1
    wait_for "status=$2" || return 1
    typed 'case $(stty -a) in *" -echo "*) echo si""lent ;; *) echo ech""oes ;; esac'
    keys Enter
    wait_for 'echoes'
}
if killed TERM 143; then passed "SIGTERM leaves the terminal sane"
else failed "SIGTERM leaves the terminal sane"; fi

# A terminal that is closed takes the viewer with it. Leaks are looked for elsewhere: see end_programs.
hung_up() {
    open_terminal 80 24 "ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0" || return 1
    start "sh -c 'echo \$\$ > pid; exec \"\$@\"' sh '$tenon' '$demo/pretrain.pth' '$demo/net.pth'"
    wait_for '? help' || return 1
    terminal kill-session -t main
    wait_until 'its end' is_over "$(cat "$scratch/pid")"
}
is_over() {   # PROCESS
    ! kill -0 "$1" 2> /dev/null
}
if hung_up; then passed "a closed terminal ends the viewer"
else failed "a closed terminal ends the viewer"; fi

editor() {
    cp "$demo/fix.lua" "$scratch/edit.lua"
    printf '#!/bin/sh\necho "editing $1" > "%s/edited"\necho "-- done" >> "$1"\n' "$scratch" \
        > "$scratch/editor"
    chmod +x "$scratch/editor"
    open_terminal 80 24 EDITOR="$scratch/editor" &&
        start "'$tenon' '$demo/pretrain.pth' '$demo/net.pth' -r edit.lua" && wait_for '? help' &&
        keys e && wait_for 'rules read again' && [ -s "$scratch/edited" ] &&
        echo 'nonsense(' >> "$scratch/edit.lua" && wait_for 'error in the rules' && keys q &&
        wait_for 'status=0'
}
if editor; then passed "the editor, and rules that change outside"
else failed "the editor, and rules that change outside"; fi

# A click goes there, a second one opens; the wheel turns three rows; the divider is dragged. What a
# terminal sends for them (xterm's SGR mode).
mouse() {   # BUTTON COLUMN ROW M|m
    typed "$(printf '\033[<%s;%s;%s%s' "$@")"
}
pointed() {
    open_terminal 80 24 TERM=xterm-256color &&
        start "'$tenon' '$demo/pretrain.pth' '$demo/net.pth'" && wait_for '? help' || return 1
    mouse 0 10 5 M && mouse 0 10 5 m && wait_for '├ module.backbone ─' && wait_for '▸ backbone' &&
        mouse 0 10 5 M && mouse 0 10 5 m && wait_for '▾ backbone                     54' &&
        mouse 65 10 6 M && wait_for '├ module.backbone.layer1' && mouse 64 10 6 M &&
        wait_for '├ module.backbone ─' || return 1
    mouse 0 38 8 M && mouse 32 45 8 M && mouse 32 52 8 M && mouse 0 52 8 m &&
        wait_for "┌ source $(printf '─%.0s' {1..42})┬───┬ target" && keys q && wait_for 'status=0'
}
if pointed; then passed "clicks, the wheel, and the divider dragged"
else failed "clicks, the wheel, and the divider dragged"; fi

dumb() {
    open_terminal 80 24 TERM=dumb &&
        start "'$tenon' '$demo/pretrain.pth' '$demo/net.pth'" && wait_for 'status=2' &&
        wait_for 'move its cursor' && wait_for '--linear'
}
if dumb; then passed "TERM=dumb is refused kindly"; else failed "TERM=dumb is refused kindly"; fi

# Keys that hold escape sequences must not reach the terminal: its title stays.
hostile() {
    open_terminal 80 24 && terminal select-pane -t main -T untouched &&
        start "'$tenon' '$root/tests/screens/files/hostile.json'" && wait_for '\x1b]0;owned\x07' &&
        wait_for '\x9b31m' && keys j j j q && wait_for 'status=0' &&
        [ "$(terminal display-message -p -t main '#{pane_title}')" = untouched ]
}
if hostile; then passed "escape sequences in keys are shown, not sent"
else failed "escape sequences in keys are shown, not sent"; fi

echo "1..$number"
[ $failures -eq 0 ]
