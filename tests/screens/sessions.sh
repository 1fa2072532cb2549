#!/bin/bash
# Checkpoints that do not load, mended by nothing but keys: in tmux, from a file with the names of a
# real model to an output. Each output must hold what rules written by hand give, and the session
# that was saved must give it again without the viewer, byte for byte. Speaks TAP.
# Usage: tests/screens/sessions.sh [FOLDER]   (TENON=./tenon; FOLDER keeps the files)
set -u
. "$(dirname "$0")/terminal.sh"
rules=$root/tests/data/rules
[ $# -gt 0 ] && mkdir -p "$1" && { rm -rf "$1"/*; kept=$(cd "$1" && pwd); } || kept=

python3 "$root/tests/screens/sessions.py" "$rules" "$scratch" 02a_essmc2_head 06_timm_vit_to_hf \
    08_mixtral 10_sd_unet 11_lightning_compile || exit 1
# The first and the last lie in a container, as training programs write them.
for name in 02a_essmc2_head 11_lightning_compile; do
    "$tenon" align "$scratch/$name.source.safetensors" --under state_dict \
        -o "$scratch/$name.source.pth" -q || exit 1
done

# Opens source and target; begins with nothing loaded, or with what names alone give.
begin() {   # NAME SUFFIX LOADED
    open_terminal 100 30 &&
        start "'$tenon' '$1.source.$2' '$1.target.safetensors'" && wait_for "● $3 loaded"
}
press() {   # KEY TEXT: and waits for it
    keys "$1" && wait_for "$2"
}
# Searches a key, and marks it.
mark() {   # KEY TEXT
    keys / && typed "$1" && wait_for '1 of ' && keys Enter && press m "$2"
}

# Writes the output, saves the session, leaves; then compares.
finish() {   # NAME SUFFIX
    local out=$1.out.safetensors saved=$1.lua
    keys w && wait_for ':write ' && keys C-u && typed "write $out" && keys Enter &&
        wait_for "written $out" || return 1
    keys K && wait_for ':save-session ' && keys C-u && typed "save-session $saved" && keys Enter &&
        wait_for 'goes on with it' && keys q && wait_for 'status=0' || return 1
    cd "$scratch" || return 1
    "$tenon" align "$1.source.$2" "$1.target.safetensors" -r "$rules/$1.lua" -o "$1.hand.safetensors" \
        -q && "$tenon" diff --values -q "$out" "$1.hand.safetensors" || return 1
    "$tenon" align "$1.source.$2" "$1.target.safetensors" -r "$saved" -o "$1.again.safetensors" -q &&
        cmp "$out" "$1.again.safetensors" || return 1
    "$tenon" align "$saved" -o "$1.third.safetensors" -q && cmp "$out" "$1.third.safetensors"
}
check() {   # WHAT COMMAND...
    local what=$1
    shift
    if "$@"; then passed "$what"; else failed "$what"; fi
}

# DataParallel, and another head: its prefix by the first proposal, the head keeps its own values.
data_parallel() {
    begin 02a_essmc2_head pth 0 && press s '1  strip "module."' && press 1 '66 loaded' &&
        press ] 'head.fc.weight' && press d '1 kept' && press ] 'head.fc.bias' &&
        press d '2 kept' && finish 02a_essmc2_head pth
}
check "DataParallel, and a head of another size" data_parallel

# Lightning, torch.compile and activation checkpointing: three kinds of prefixes.
lightning() {
    begin 11_lightning_compile pth 0 && press s 'would settle 32' && press 1 '32 loaded' &&
        finish 11_lightning_compile pth
}
check "the wrappers of Lightning, torch.compile and checkpointing" lightning

# A ViT: qkv in three and a norm are paired by hand; what follows from them is induced.
vit() {
    local attention=vit.encoder.layer.0.attention.attention
    begin 06_timm_vit_to_hf safetensors 0 && mark "$attention.query.weight" 'marked 1 in the target' &&
        mark "$attention.key.weight" 'marked 2' && mark "$attention.value.weight" 'marked 3' &&
        mark blocks.0.attn.qkv.weight '● 3 loaded' &&
        mark blocks.1.norm1.weight 'marked 1 in the source' &&
        mark layer.1.layernorm_before.weight '● 4 loaded' || return 1
    press i 'what 2 pairs come to' && press Enter 'induced: 16 targets' && press u 'undone' &&
        press C-r '● 16 loaded' && press a '● 40 loaded' && finish 06_timm_vit_to_hf safetensors
}
check "a ViT of timm for Hugging Face, by two pairs" vit

unet() {
    begin 10_sd_unet safetensors 0 && press s '1  preset "sd_unet_ldm_to_diffusers"' &&
        press 1 '108 loaded' && finish 10_sd_unet safetensors
}
check "a UNet of Stable Diffusion, by its pack" unet

# Experts are joined by marking them, one after the other; the rest is found.
join_experts() {   # LAYER LOADED
    local experts=layers.$1.block_sparse_moe.experts
    mark "$experts.0.w2" 'marked 1 in the source' && mark "$experts.1.w2" 'marked 2' &&
        mark "$experts.2.w2" 'marked 3' && mark "layers.$1.mlp.experts.down_proj" '|> stack(0)' &&
        wait_for "● $2 loaded"
}
experts() {
    begin 08_mixtral safetensors 15 && join_experts 0 16 && join_experts 1 17 &&
        press a '● 21 loaded' && finish 08_mixtral safetensors
}
check "a mixture of experts, stacked" experts

# A session is gone on with where it was left.
resumed() {
    open_terminal 80 24 && start "'$tenon' 06_timm_vit_to_hf.lua" && wait_for '● 40 loaded' &&
        press r 'auto{}' && keys q q && wait_for 'status=0'
}
check "a saved session is gone on with" resumed

# Everything that a session holds but rules is changed in it: the target is opened there, replaced, and
# another dict of the source is chosen; all of it is taken back, done again, cut short by a hang-up and
# gone on with.
makeshift() {
    local kinds=$root/tests/data/kinds program
    cp "$kinds/rivals.pth" "$kinds/listing.txt" "$scratch" || return 1
    sed 's/^/body./' "$scratch/listing.txt" > "$scratch/body.txt"
    open_terminal 100 30 && start "'$tenon' rivals.pth" && wait_for '9 tensors' &&
        keys '>' && wait_for ':open-target' && typed 'listing.txt' && keys Enter &&
        wait_for '● 9 loaded' && keys '>' && wait_for ':open-target' && typed 'body.txt' &&
        keys Enter && wait_for '○ 9 missing' && keys c && wait_for 'dicts of tensors' &&
        keys j j Enter && wait_for 'rivals.pth ▸ ema' && line 'prefix "body."' && keys Enter &&
        wait_for '● 9 loaded' || return 1
    keys u u u u && wait_for '43 values' && wait_for 'rivals.pth ▸ model' && keys C-r C-r C-r C-r &&
        wait_for 'rivals.pth ▸ ema' && wait_for '● 9 loaded' || return 1
    program=$(pgrep -P "$(terminal list-panes -t main -F '#{pane_pid}')")
    kill -HUP "$program" && wait_for 'status=129' || return 1
    open_terminal 80 24 && start "'$tenon' kept/tenon/unsaved-*.lua" && wait_for '● 9 loaded' &&
        keys w && wait_for ':write ' && keys C-u && typed 'write rivals.out.pth' && keys Enter &&
        wait_for 'written rivals.out.pth' && keys q && wait_for 'status=0' || return 1
    cd "$scratch" && mkdir hand && "$tenon" align rivals.pth::ema body.txt -q -e 'prefix "body."' \
        -o hand/rivals.out.pth && cmp rivals.out.pth hand/rivals.out.pth
}
check "a session of which everything is changed, cut short and gone on with" makeshift

[ -n "$kept" ] && cp "$scratch"/*.safetensors "$scratch"/*.pth "$scratch"/*.lua "$kept"
echo "1..$number"
[ $failures -eq 0 ]
