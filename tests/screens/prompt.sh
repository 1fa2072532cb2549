#!/bin/bash
# The prompt in a real terminal: keys, completion, several lines, Ctrl-C, history, pages, the end.
# Speaks TAP. Usage: tests/screens/prompt.sh   (TENON=./tenon)
set -u
. "$(dirname "$0")/terminal.sh"

state="$scratch/state"
open_prompt() {   # [NAME=VALUE]...
    open_terminal 100 30 "XDG_STATE_HOME=$state" "$@" &&
        start "'$tenon' repl '$demo/pretrain.pth' '$demo/net.pth'" && next_line
}
# Waits for the prompt of a next line. The last one's stood in the same place if nothing was typed.
next_line() {
    wait_until 'tenon>' takes_keys 'tenon>'
}
# What came of a line, and the next one's prompt.
answers() {   # TEXT
    wait_for "$1" && next_line
}
answers_line() {   # TEXT: a line of its own
    wait_until "$1" has_line "$1" && next_line
}
has_line() {
    screen | grep -qxF -- "$1"
}
enter() {
    typed "$1"
    keys Enter
}
is() {   # NAME COMMAND...: one test
    local name=$1
    shift
    if "$@"; then passed "$name"; else failed "$name"; fi
}

shows_values() {
    open_prompt && enter '6 * 7' && answers_line 42 && enter 'report().summary.missing' && answers_line 58
}
completes() {
    typed 'str' && keys Tab && wait_for 'cuts a prefix off' && typed ' "mod' && keys Tab &&
        wait_for 'tenon> strip "module.' && enter '"' && answers 'applied (load 56, break 0'
}
takes_several_lines() {
    enter 'for i = 1, 2 do' && wait_for ' ..' && enter 'print("row", i * 111)' && enter 'end' &&
        answers '222'
}
interrupts() {
    enter 'while true do end' && wait_until 'a line that runs' is_cooked && keys C-c &&
        answers 'interrupted' && enter '"still " .. "here"' && answers 'still here'
}
drops_a_line() {
    typed 'not finished(' && wait_for 'not finished(' && keys C-c &&
        enter '"next " .. "one"' && answers 'next one'
}
# One write: the key is there before the program has seen the signal.
takes_next() {
    typed 'never finished(' && wait_for 'never finished(' &&
        keys C-c 1 1 1 Space '*' Space 7 Enter && answers_line 777
}
stops_and_goes_on() {
    typed '"and " ..' && wait_for '"and " ..' && keys C-z && wait_for 'status=148' &&
        enter 'clear; fg; echo status=$?' &&
        wait_for 'tenon> "and " ..' && typed '"on"' && keys Enter && answers 'and on'
}
# The line stands once, and the prompt knows how wide it is now.
follows_size() {
    typed '"wide"' && wait_for '"wide"' && terminal resize-window -t main -x 120 -y 30 &&
        typed ' .. "r"' && wait_for 'tenon> "wide" .. "r"' && keys Enter && answers 'wider' &&
        [ "$(screen | grep -c '"wide"')" = 1 ] && terminal resize-window -t main -x 100 -y 30
}
pages() {
    enter 'src' && wait_for 'Space goes on' && keys q && wait_for ! 'Space goes on' &&
        enter '"after " .. "pages"' && answers 'after pages'
}
recalls() {
    keys C-l && wait_for ! 'after' && keys Up && wait_for 'tenon> "after " .. "pages"' && keys C-c &&
        next_line
}
ends() {
    keys C-d && wait_for 'were not saved; they are in' && wait_for 'status=0'
}
recalls_later() {
    open_prompt && keys Up Up Up Up Up Up && wait_for 'tenon> "next " .. "one"' && keys C-c &&
        next_line
}
is "values are shown" shows_values
is "words and keys are completed" completes
is "an input may have several lines" takes_several_lines
is "Ctrl-C interrupts a script" interrupts
is "Ctrl-C drops what was typed" drops_a_line
is "what is typed right behind Ctrl-C is the next line's" takes_next
is "Ctrl-Z and fg, in the middle of a line" stops_and_goes_on
is "a line follows the terminal's size" follows_size
is "long output comes in pages" pages
is "the arrows bring entries back" recalls
is "lines that were not saved are told at the end" ends
is "the next prompt knows the entries" recalls_later

# What a hang-up cuts short is saved, and told of once. It comes twice: from the system, and from
# the shell whose terminal it was.
hang_up() {
    local program
    program=$(pgrep -P "$(terminal list-panes -t main -F '#{pane_pid}')")
    kill -HUP "$program" && for _ in 1 2 3 4 5 6; do kill -HUP "$program" 2> /dev/null; done
    wait_for 'status=129'
}
hangs_up() {
    enter 'strip "module."' && wait_for 'applied' && hang_up
}
tells_once() {
    open_prompt && wait_for 'a session was cut short' && keys C-d && wait_for 'status=0' &&
        open_prompt && wait_for ! 'was cut short'
}
goes_on() {
    local file
    file=$(ls -t "$state"/tenon/session-*.lua | head -n 1)
    [ "$(stat -c %a "$state/tenon")" = 700 ] && [ "$(stat -c %a "$state/tenon/history")" = 600 ] &&
        "$tenon" -q "$file" > /dev/null; "$tenon" "$file" | grep -q '56 of 58 tensors loaded'
}
is "SIGHUP saves the session" hangs_up
is "the next start tells of it once" tells_once
is "what was saved can be gone on with" goes_on

# The same functions after ":" of the viewer, and the same file of entries.
view() {
    open_terminal 100 30 "XDG_STATE_HOME=$state" &&
        start "'$tenon' '$demo/pretrain.pth' '$demo/net.pth'" && wait_for '● 0 loaded'
}
asks() {
    view && line 'r = report()' && wait_for ':r =' && keys Enter && wait_for ! ':r =' &&
        line 'r.summary.missing * 1000' && keys Enter && wait_for '58000'
}
applies() {
    line 'apply("strip [[module.]]")' && keys Enter && wait_for '● 56 loaded' &&
        line 'undo()' && keys Enter && wait_for '● 0 loaded' &&
        line 'redo()' && keys Enter && wait_for '● 56 loaded'
}
runs_verbs() {
    line 'verb "goto head.fc.bias"' && keys Enter && wait_for "head.fc.bias ──" &&
        line 'values "head.fc.bias"' && keys Enter && wait_for 'nan  inf  zeros'
}
shows_pages() {
    line 'report()' && keys Enter && wait_for 'Shape differs (2)' && keys q &&
        wait_for ! 'Shape differs (2)'
}
recalls_in_viewer() {
    keys : && keys Up Up Up && wait_for ':verb "goto' && keys Escape
}
hangs_up_viewing() {
    hang_up && wait_for 'the lines of this session are in'
}
tells_in_viewer() {
    view && wait_for 'was cut short' && keys q && wait_for 'status=0' && view &&
        wait_for ! 'was cut short'
}
is "the viewer: variables and values" asks
is "the viewer: lines and undo by function" applies
is "the viewer: verbs from Lua" runs_verbs
is "the viewer: long output is a page" shows_pages
is "the viewer: entries come back" recalls_in_viewer
is "the viewer: SIGHUP saves the session" hangs_up_viewing
is "the viewer tells of it once" tells_in_viewer

# A paste is no keys, neither in the list nor in a line, and after Ctrl-Z no less.
paste() {
    terminal set-buffer -- "$1" && terminal paste-buffer -p -t main
}
pastes_in_list() {
    view && paste $'q\nq\ny\n' && wait_for 'what is pasted runs no keys'
}
pastes_in_line() {
    keys : && paste $'strip "module."\n' && wait_for ':strip "module."' && wait_for 'would load 56' &&
        wait_for ! '● 56 loaded' && keys Enter && wait_for '● 56 loaded'
}
pastes_lines() {
    keys : && paste $'n = 6\nprint(n * 7000)' && wait_for 'n = 6\nprint' && keys Enter &&
        wait_for '42000'
}
pastes_in_search() {
    keys / && paste $'head.fc.bias\nq\n' && wait_for '/head.fc.bias' && keys Enter &&
        wait_for ! '/head.fc.bias'
}
pastes_after_stop() {
    keys C-z && wait_for 'Stopped' && keys C-l && wait_for ! 'Stopped' && typed 'fg' && keys Enter &&
        wait_for '● 56 loaded' && paste $'q\ny\n' && wait_for 'what is pasted runs no keys' &&
        keys q && wait_for 'not saved' && keys y && wait_for ! '56 loaded' && wait_for 'ready>'
}
is "a paste runs no keys in the list" pastes_in_list
is "a paste goes into a line and is not entered" pastes_in_line
is "a paste of several lines is one input" pastes_lines
is "a paste is searched for" pastes_in_search
is "a paste is one after Ctrl-Z" pastes_after_stop

echo "1..$number"
[ $failures -eq 0 ]
