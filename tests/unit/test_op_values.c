/* The primitives of the rule language on values, row by row of the catalogue: real conversions on
 * small tensors. A source tensor holds 0, 1, 2 … in order, the next one 100, 101 … */
#include <math.h>

#include "tests/unit/scripts.h"

typedef struct Values {
    Bench bench;
    ByteSource *bytes[32];
    size_t count;
} Values;

/* Gives every tensor of a dict its numbers. */
static void give_values(Values *values, StateDict *dict, double base)
{
    for (uint32_t i = 0; i < dict_count(dict); i++) {
        Tensor *tensor = (Tensor *)(uintptr_t)dict_at(dict, i);
        if (!tensor->dims) continue;
        size_t n = 1, size = dtype_size(tensor->dtype);
        for (unsigned k = 0; k < tensor->rank; k++) n *= (size_t)tensor->dims[k];
        double *numbers = mem_alloc((n + 1) * sizeof *numbers);
        void *stored = mem_alloc(n * size + 1);
        for (size_t k = 0; k < n; k++) numbers[k] = base + 100.0 * i + (double)k;
        assert_true(dtype_convert(DT_F64, numbers, tensor->dtype, stored, n));
        assert_true(values->count < countof(values->bytes));
        ByteSource *source = source_from_memory(stored, n * size, "memory");
        values->bytes[values->count++] = source;
        Storage *storage = arena_alloc(dict_arena(dict), sizeof *storage);
        *storage = (Storage){source, 0, n * size, tensor->dtype, i};
        tensor->storage = storage;
        free(numbers);
        free(stored);
    }
}

static void values_open(Values *values, const char *source, const char *target, const char *rules)
{
    *values = (Values){0};
    values->bench = (Bench){.source = bench_source(source, NULL)};
    give_values(values, (StateDict *)(uintptr_t)checkpoint_container(values->bench.source, 0)->dict,
                0);
    if (target) {
        values->bench.target = dict_new();
        dict_set_ordered(values->bench.target, true);
        bench_fill(values->bench.target, target);
        give_values(values, values->bench.target, -1000);
    }
    values->bench.draft = draft_new(values->bench.source, NULL, values->bench.target, 0);
    values->bench.script = script_new(values->bench.draft, NULL);
    if (!bench_run(&values->bench, rules, "fix.lua")) return;
    bench_finish(&values->bench);
}

static void values_close(Values *values)
{
    bench_close(&values->bench);
    for (size_t i = 0; i < values->count; i++) source_unref(values->bytes[i]);
}

/* "2x3 f32: 0 1 2 3 4 5" of one target; rounded to four digits. */
static void show_values(const Binding *binding, Text *out)
{
    const Expr *e = align_value(binding);
    if (!e) {
        text_addf(out, "%s: %s", bind_word(binding->status), binding->reason);
        return;
    }
    size_t n = 1;
    for (unsigned i = 0; i < e->rank; i++) {
        text_addf(out, "%s%lld", i ? "x" : "", (long long)e->dims[i]);
        n *= (size_t)e->dims[i];
    }
    text_addf(out, " %s:", dtype_name(e->dtype));
    void *stored = mem_alloc(n * dtype_size(e->dtype) + 1);
    double *numbers = mem_alloc((n + 1) * sizeof *numbers);
    Error err;
    if (!expr_fill(e, NULL, NULL, stored, &err)) fail_msg("%s", err.text);
    dtype_to_doubles(e->dtype, stored, numbers, n);
    for (size_t i = 0; i < n; i++)
        text_addf(out, " %.4g", fabs(numbers[i]) < 5e-7 ? 0 : numbers[i]);
    free(stored);
    free(numbers);
}

/* Runs rules, and compares the values of the target (or without one the key) `x`. */
static void gives(const char *source, const char *target, const char *rules, const char *want)
{
    Values values;
    Text got = {0};
    values_open(&values, source, target, rules);
    if (!values.bench.alignment) fail_msg("%s", values.bench.err.text);
    const Binding *binding = align_find(values.bench.alignment, "x");
    if (!binding) fail_msg("there is no x");
    show_values(binding, &got);
    if (strcmp(text_string(&got), want) != 0)
        fail_msg("%s\n gives  %s\n not    %s", rules, text_string(&got), want);
    text_done(&got);
    values_close(&values);
}

/* Runs rules that have to fail, or leave x in an open state, for a reason with these words. */
static void refuses(const char *source, const char *target, const char *rules, const char *words)
{
    Values values;
    values_open(&values, source, target, rules);
    const char *text = values.bench.err.text;
    if (values.bench.alignment) {
        const Binding *binding = align_find(values.bench.alignment, "x");
        assert_non_null(binding);
        assert_true(binding->status != BIND_LOADED && binding->status != BIND_FILLED);
        text = binding->reason ? binding->reason : "";
    } else if (!has_prefix(text, "fix.lua:")) {
        fail_msg("'%s' does not say its line", text);
    }
    if (!strstr(text, words)) fail_msg("%s\n '%s' does not say '%s'", rules, text, words);
    values_close(&values);
}

static void moves(void **state)
{
    (void)state;
    /* 17 CLIP's proj.T */
    gives("proj f32 2,3", NULL, "rules [[ proj -> x |> t ]]", "3x2 f32: 0 3 1 4 2 5");
    /* 18 timm's _n2p: HWIO to OIHW */
    gives("kernel f32 1,2,2,3", NULL, "rules [[ kernel -> x |> permute(3,2,0,1) ]]",
          "3x2x1x2 f32: 0 6 3 9 1 7 4 10 2 8 5 11");
    /* 19 convolution of a point to linear, and back */
    gives("w f32 2,3,1,1", NULL, "rules [[ w -> x |> squeeze(3), squeeze(2) ]]",
          "2x3 f32: 0 1 2 3 4 5");
    gives("w f32 2,3", NULL, "rules [[ w -> x |> reshape(-1,2), unsqueeze(0) ]]",
          "1x3x2 f32: 0 1 2 3 4 5");
    /* 21 Pet's rgb2bgr; 22 C2's background class, swap_scale_shift */
    gives("w f32 1,3,2", NULL, "rules [[ w -> x |> pick(1,{2,1,0}) ]]", "1x3x2 f32: 4 5 2 3 0 1");
    gives("w i32 4,1", NULL, "rules [[ w -> x |> roll(0,-1) ]]", "4x1 i32: 1 2 3 0");
    gives("w f32 4,1", NULL, "rules [[ w -> x |> swap_halves(0) ]]", "4x1 f32: 2 3 0 1");
    gives("w f32 1,6", NULL, "rules [[ w -> x |> swap_halves(-1) ]]", "1x6 f32: 3 4 5 0 1 2");
    /* 23 GQA: sizes given; 26 timm's label_offset */
    gives("qkv f32 4,1", NULL, "rules [[ qkv -> q, x, v |> split{2,1,1} ]]", "1x1 f32: 2");
    gives("qkv f32 4,1", "q f32 2,1;x f32 1,1;v f32 1,1", "rules [[ qkv -> q, x, v |> split() ]]",
          "1x1 f32: 2");
    /* in the ratio of the targets, whose axes are others behind what follows */
    gives("k f32 3,2", "y f32 2,2;x f32 2,1", "rules [[ k -> y, x |> split(), T ]]",
          "2x1 f32: 4 5");
    gives("fc f32 3,2", NULL, "rules [[ fc -> x |> slice(0,1) ]]", "2x2 f32: 2 3 4 5");
    gives("p f32 4", NULL, "rules [[ p -> x |> slice(0,1,-1) ]]", "2 f32: 1 2");
    /* 24 q, k, v -> qkv; 25 experts */
    gives("q f32 1,2;k f32 1,2", NULL, "rules [[ q, k -> x |> cat(0) ]]", "2x2 f32: 0 1 100 101");
    gives("e.0.w f32 2;e.1.w f32 2", NULL, "rules [[ e.{i}.w -> x |> stack(0) ]]",
          "2x2 f32: 0 1 100 101");
    gives("_w f32 2,2", NULL, "rules [[ _w -> y, x |> unstack(0) ]]", "2 f32: 2 3");
    /* 28 */
    gives("q f32 4,1", NULL, "rules [[ q -> x |> rope_pairs(1) ]]", "4x1 f32: 0 2 1 3");
    gives("q f32 8,1", NULL, "rules [[ q -> x |> rope_pairs(2), rope_halves(2) ]]",
          "8x1 f32: 0 1 2 3 4 5 6 7");
}

static void ein(void **state)
{
    (void)state;
    /* 20 NeoX: rows (heads, 3, size) become three blocks */
    gives("qkv f32 12,1", NULL,
          "rules [[ qkv -> x |> ein('(h c d) k -> (c h d) k', {h=2,c=3}) ]]",
          "12x1 f32: 0 1 6 7 2 3 8 9 4 5 10 11");
    gives("qkv f32 12,1", NULL, "rules [[ qkv -> x |> ein('(h c d) k->(c h d) k', {d=2,c=3}) ]]",
          "12x1 f32: 0 1 6 7 2 3 8 9 4 5 10 11");
    gives("qkv i8 12", NULL,
          "rules [[ qkv -> x |> ein('(h c d) -> (c h d)', {d=2,h=2,c=3}) ]]",
          "12 i8: 0 1 6 7 2 3 8 9 4 5 10 11");
    /* pixel shuffle: (o r s) i h w with r=s=2 */
    gives("w f32 4,2", NULL, "rules [[ w -> x |> ein('(o r s) i -> o (i r) s', {r=2,s=2}) ]]",
          "1x4x2 f32: 0 2 4 6 1 3 5 7");
    gives("w f32 2,3", NULL, "rules [[ w -> x |> ein 'a b -> b a' ]]", "3x2 f32: 0 3 1 4 2 5");
    gives("w f32 1,3", NULL, "rules [[ w -> x |> ein('1 b -> b 1 1') ]]", "3x1x1 f32: 0 1 2");
    gives("w f32 2,2", NULL, "rules [[ w -> x |> ein('a b -> (a 1 b)') ]]", "4 f32: 0 1 2 3");
    gives("w f32 2,2", NULL, "rules [[ w -> x |> ein('a b -> () (b a)') ]]", "1x4 f32: 0 2 1 3");
    gives("w f32", NULL, "rules [[ w -> x |> ein(' -> 1') ]]", "1 f32: 0");
    gives("w f32 0,2", NULL, "rules [[ w -> x |> ein('a b -> b a') ]]", "2x0 f32:");
    static const struct { const char *op, *words; } wrong[] = {
        {"ein('(h c d) k -> (c h d) k', {h=2})", "two unknown sizes in dim 0: 'c' and 'd'"},
        {"ein('(h c) k -> (c h) k', {h=5})", "12×4: dim 0 has 12, not divisible by 5"},
        {"ein('(h c) k -> (c h) k', {h=2,c=5})", "dim 0 has 12, and the sizes make 10"},
        {"ein('a b c -> c b a')", "12×4 has 2 dimensions, the left side 3"},
        {"ein('a a -> a a')", "'a' stands twice on one side"},
        {"ein('a b -> a')", "'b' stands on the left side only"},
        {"ein('a b -> a b c')", "'c' stands on the right side only"},
        {"ein('a b -> b a', {c=2})", "there is no 'c' in the text"},
        {"ein('a b -> b a', {a=0})", "a=0 is no size"},
        {"ein('a b')", "a '->' between the two sides is missing"},
        {"ein('(a b -> a b')", "a ')' is missing"},
        {"ein('a) b -> a b')", "')' is not understood"},
        {"ein('((a) b) c -> a b c')", "'(' is not understood"},
        {"ein('(a 3) b -> a b 3')", "only 1 can be written as a number"},
        {"ein('a ... -> ... a')", "'.' is not understood"},
        {"ein('1 b -> b')", "dim 0 has 12, and the sizes make 1"},
        {"ein(3)", "ein: expected text such as"},
        {"ein('a b -> b a', 3)", "ein: expected sizes {h=16}, got a number"},
        {"ein('a b -> b a', {3})", "sizes are {name=number"},
        {"ein('a b -> b a', {a=1.5})", "sizes are {name=number"},
        {"ein()", "takes 1 to 2 arguments, got 0"},
        {"ein('(h c) k -> (c h) k', {h=9007199254740993,c=4611686018427387904})", "too large"},
    };
    for (size_t i = 0; i < countof(wrong); i++) {
        char rules[200];
        snprintf(rules, sizeof rules, "\nrules [[ w -> x |> %s ]]", wrong[i].op);
        refuses("w f32 12,4", NULL, rules, wrong[i].words);
    }
}

static void sizes(void **state)
{
    (void)state;
    /* 27 a vocabulary grown by the mean, by zeros, a constant, the target's own rows */
    gives("w f32 2,2", NULL, "rules [[ w -> x |> pad(0, 4, mean) ]]", "4x2 f32: 0 1 2 3 1 2 1 2");
    gives("w f32 2,2", NULL, "rules [[ w -> x |> pad(1,3,zeros) ]]", "2x3 f32: 0 1 0 2 3 0");
    gives("w f32 2,2", NULL, "rules [[ w -> x |> pad(-1,3) ]]", "2x3 f32: 0 1 0 2 3 0");
    gives("w i64 2", NULL, "rules [[ w -> x |> pad(0,4,const(-1)) ]]", "4 i64: 0 1 -1 -1");
    gives("w f32 2", "x f32 3", "rules [[ w -> x |> pad(0,3,target) ]]", "3 f32: 0 1 -998");
    gives("w f32 2", "y.x f32 3;x f32 1", "rules [[ w -> x |> pad(0,3) ]] prefix 'y.' "
          "policy{missing='keep'}", "1 f32: -900");
    gives("w f32 2", NULL, "rules [[ w -> x |> pad(0,2,mean) ]]", "2 f32: 0 1");
    gives("w f32 2", "x f32 3", "rules [[ w -> x |> fit(0, const(7)) ]]", "3 f32: 0 1 7");
    refuses("w f32 2,2", NULL, "rules [[ w -> x |> pad(0,1) ]]",
            "pad(0,1): dim 0 of 2×2 f32 is larger already; slice cuts");
    refuses("w f32 2,2", NULL, "rules [[ w -> x |> pad(2,9) ]]", "there is no axis 2 in 2×2");
    refuses("w i64 2", NULL, "rules [[ w -> x |> pad(0,3,mean) ]]", "no arithmetic on i64");
    refuses("w f32 2", "x f32 4", "rules [[ w -> x |> pad(0,3,target) ]]",
            "pad(0,3): 2 f32 cannot grow to the target's 4 in dim 0");
    refuses("w f32 2", NULL, "rules [[ w -> x |> pad(0,3,normal) ]]", "expected target, zeros");
    refuses("w f32 2", NULL, "rules [[ w -> x |> pad(0) ]]", "pad: takes 2 to 3 arguments, got 1");
    /* 31 */
    gives("w f32 1,2,2", NULL, "rules [[ w -> x |> tile(1,2) ]]", "1x4x2 f32: 0 1 2 3 0 1 2 3");
    gives("w f32 2,2", NULL, "rules [[ w -> x |> tile(1,1) ]]", "2x2 f32: 0 1 2 3");
    gives("w f32 2,2", NULL, "rules [[ w -> x |> sum(1) ]]", "2x1 f32: 1 5");
    gives("w f32 2,2", NULL, "rules [[ w -> x |> mean(0) ]]", "1x2 f32: 1 2");
    gives("w f32 2,2", NULL, "rules [[ w -> x |> norm(0) ]]", "2x1 f32: 1 3.606");
    gives("w f32 2,2", NULL, "rules [[ w -> x |> norm ]]", "1x1 f32: 3.742");
    gives("w f32 1,3,1,2", NULL, "rules [[ w -> x |> in_chans(1) ]]", "1x1x1x2 f32: 6 9");
    gives("w f32 1,3,1,1", NULL, "rules [[ w -> x |> in_chans(4) ]]",
          "1x4x1x1 f32: 0 0.75 1.5 0");
    gives("w f32 1,3,1,1", NULL, "rules [[ w -> x |> in_chans(2) ]]", "1x2x1x1 f32: 0 1.5");
    gives("w f32 1,3,1,1", NULL, "rules [[ w -> x |> in_chans(3) ]]", "1x3x1x1 f32: 0 1 2");
    gives("w f32 1,6,1,1", NULL, "rules [[ w -> x |> in_chans(1) ]]", "1x2x1x1 f32: 3 12");
    gives("w f32 1,2,1,1", NULL, "rules [[ w -> x |> in_chans(1) ]]", "1x1x1x1 f32: 1");
    refuses("w f32 1,9,1,1", NULL, "rules [[ w -> x |> in_chans(4) ]]",
            "in_chans(4): 1×9×1×1: only 3 input channels can become other than 1 (timm: Weight "
            "format not supported by conversion)");
    refuses("w f32 1,4,1,1", NULL, "rules [[ w -> x |> in_chans(1) ]]", "no groups of 3");
    refuses("w f32 3,3", NULL, "rules [[ w -> x |> in_chans(1) ]]", "a kernel has 4 dimensions");
    refuses("w f32 3,3", NULL, "rules [[ w -> x |> in_chans(0) ]]", "there is 1 channel at least");
    refuses("w f32 3,3", NULL, "rules [[ w -> x |> tile(1,0) ]]", "tile(1,0): 3×3: at least one");
    refuses("w f32 3,3", NULL, "rules [[ w -> x |> tile(2,2) ]]", "tile(2,2): 3×3: there is no");
    refuses("w f32 3,3", NULL, "rules [[ w -> x |> tile(1,4611686018427387904) ]]", "too large");
    refuses("w f32 3,3", NULL, "rules [[ w -> x |> swap_halves(0) ]]",
            "'w' 3×3: swap_halves(0): 3×3: that axis has no two halves");
    refuses("w f32 3,3", NULL, "rules [[ w -> x |> sum(2) ]]", "sum: there is no axis 2 in 3×3");
    refuses("w i32 3,3", NULL, "rules [[ w -> x |> sum(0) ]]", "sum: no arithmetic on i32");
    /* 30 Gemma's norm */
    gives("w bf16 2", NULL, "rules [[ w -> x |> add(1) ]]", "2 bf16: 1 2");
    gives("w f32 3", NULL, "rules [[ w -> x |> mul(0.5), sqrt ]]", "3 f32: 0 0.7071 1");
    gives("b f32 2,1;a f32 1,2", NULL, "rules [[ b, a -> x |> matmul ]]",
          "2x2 f32: 0 0 100 101");
    refuses("b f32 2,1;a f32 2,2", NULL, "rules [[ b, a -> x |> matmul ]]",
            "matmul: 2×1 f32 and 2×2 f32 have no products");
}

static void grids(void **state)
{
    (void)state;
    /* 32 to 34: what timm 1.0.31 gives with PyTorch 2.13 */
    gives("w f32 1,5,1", "x f32 1,17,1", "rules [[ w -> x |> pos_embed() ]]",
          "1x17x1 f32: 0 0.7353 1.031 1.616 1.912 1.326 1.621 2.207 2.503 2.497 2.793 "
          "3.379 3.674 3.088 3.384 3.969 4.265");
    gives("w f32 1,6,1", NULL,
          "rules [[ w -> x |> pos_embed{prefix=0,old={2,3},new={2,2}} ]]",
          "1x4x1 f32: 0.3098 1.69 3.31 4.69");
    gives("w f32 1,1,2,2", "x f32 1,1,3,3", "rules [[ w -> x |> patch_embed() ]]",
          "1x1x3x3 f32: -0.2171 0.07752 0.3721 0.3721 0.6667 0.9612 0.9612 1.256 1.55");
    gives("w f32 1,1,4,4", NULL, "rules [[ w -> x |> patch_embed{new=2} ]]",
          "1x1x2x2 f32: 3.865 13.75 43.4 53.28");
    gives("w f32 25,1", "x f32 9,1", "rules [[ w -> x |> rel_pos_bias{mode='linear'} ]]",
          "9x1 f32: 6 7 8 11 12 13 16 17 18");
    gives("w f32 25,1", NULL, "rules [[ w -> x |> rel_pos_bias{mode='linear',new={4,4}} ]]",
          "49x1 f32: 0 0.3333 1 2 3 3.667 4 1.667 2 2.667 3.667 4.667 5.333 5.667 5 "
          "5.333 6 7 8 8.667 9 10 10.33 11 12 13 13.67 14 15 15.33 16 17 18 18.67 19 "
          "18.33 18.67 19.33 20.33 21.33 22 22.33 20 20.33 21 22 23 23.67 24");
    /* heads first; and with the rows of a class token behind the table */
    gives("w f32 1,5,5", "x f32 1,3,3", "rules [[ w -> x |> rel_pos_bias{mode='linear'} ]]",
          "1x3x3 f32: 6 7 8 11 12 13 16 17 18");
    gives("w f32 28,1", "x f32 12,1", "rules [[ w -> x |> rel_pos_bias{mode='linear'} ]]",
          "12x1 f32: 6 7 8 11 12 13 16 17 18 25 26 27");
    /* 25: the spline of a plane is the plane */
    gives("w f32 25,1", "x f32 9,1", "rules [[ w -> x |> rel_pos_bias() ]]",
          "9x1 f32: 6 7 8 11 12 13 16 17 18");
    /* nothing to do */
    gives("w i8 1,5,1", "x i8 1,5,1", "rules [[ w -> x |> pos_embed() ]]", "1x5x1 i8: 0 1 2 3 4");
    gives("w f32 1,1,2,2", "x f32 1,1,2,2", "rules [[ w -> x |> patch_embed() ]]",
          "1x1x2x2 f32: 0 1 2 3");
    /* the target's dtype comes after the resampling; the name may still change */
    gives("w f16 1,5,1", "b.x f32 1,2;x f32 1,2,1", "rules [[ w -> b.w |> pos_embed() ]] "
          "keep 'b' rules [[ w -> x ]]", "1x2x1 f32: 0 2.5");
}

static void grids_are_refused(void **state)
{
    (void)state;
    refuses("w f32 1,197,2", "x f32 1,200,2", "rules [[ w -> x |> pos_embed() ]]",
            "pos_embed: 1×197×2 f32: the target's 199 rows behind the first 1 are no square grid");
    refuses("w f32 1,196,2", "x f32 1,577,2", "rules [[ w -> x |> pos_embed() ]]",
            "195 rows behind the first 1 are no square grid; say prefix= or old=");
    refuses("w f32 1,197,2", "x f32 1,577,3", "rules [[ w -> x |> pos_embed() ]]",
            "fix.lua:1: pos_embed: 1×197×2 f32 becomes 1×577×2 f32, the target is 1×577×3");
    refuses("w f32 1,197,2", "a.x f32 1,200,2;x f32 1", "\nrules [[ w -> x |> pos_embed() ]]\n"
            "prefix 'a.' rules [[ a.x -> x ]]", "fix.lua:2: pos_embed: ");
    refuses("w f32 1,197,2", "x f32 577,2", "rules [[ w -> x |> pos_embed() ]]",
            "the target has another number of dimensions");
    refuses("w f32 1,197,2", "x f32 ?", "rules [[ w -> x |> pos_embed() ]]",
            "pos_embed: the shape of the target is not known; say new={height, width}");
    refuses("w f32 1,197,2", NULL, "rules [[ w -> x |> pos_embed() ]]", "pos_embed needs a target");
    refuses("w f32 1,7,2", NULL, "rules [[ w -> x |> pos_embed{old={2,2},new={3,3}} ]]",
            "6 rows behind the first 1 are not old=");
    refuses("w f32 7", NULL, "rules [[ w -> x |> pos_embed{new=3} ]]", "positions have 2, 3 or 4");
    refuses("w i64 1,5,2", NULL, "rules [[ w -> x |> pos_embed{new=3} ]]", "no arithmetic on i64");
    refuses("w f32 1,5,2", "x f32 1,10,2", "rules [[ w -> x |> pos_embed(), mul(2) ]]",
            "pos_embed: must be the last step, its shape is the target's; or say new=");
    static const struct { const char *op, *words; } wrong[] = {
        {"pos_embed{size=3}", "pos_embed: there is no option 'size'; it takes prefix, old, new"},
        {"pos_embed{prefix=-1}", "pos_embed: prefix is a number of rows"},
        {"pos_embed{prefix='a'}", "pos_embed: prefix is a number of rows"},
        {"pos_embed{new={3}}", "pos_embed: new is {height, width}"},
        {"pos_embed{new={3,4,5}}", "pos_embed: new is {height, width}"},
        {"pos_embed{new={3,0}}", "pos_embed: new is {height, width}"},
        {"pos_embed{new={3,513}}", "pos_embed: new is {height, width}, of 1 to 512"},
        {"pos_embed{old={3,2^60}}", "pos_embed: old is {height, width}"},
        {"pos_embed(3)", "pos_embed: expected {option=…}, got a number"},
        {"patch_embed{old={3,3}}", "patch_embed: there is no option 'old'; it takes new"},
        {"rel_pos_bias{mode='x'}", "rel_pos_bias: mode is \"cubic\""},
    };
    for (size_t i = 0; i < countof(wrong); i++) {
        char rules[200];
        snprintf(rules, sizeof rules, "\nrules [[ w -> x |> %s ]]", wrong[i].op);
        refuses("w f32 1,5,2", NULL, rules, wrong[i].words);
    }
    refuses("w f32 4,4", "x f32 3,3", "rules [[ w -> x |> patch_embed() ]]",
            "patch_embed: 4×4 f32: a kernel has 4 dimensions");
    refuses("w f32 1,2,4,4", "x f32 1,3,3,3", "rules [[ w -> x |> patch_embed() ]]",
            "patch_embed: 1×2×4×4 f32 becomes 1×2×3×3 f32, the target is 1×3×3×3");
    refuses("w f32 1,2,4,4", "x f32 1,3,3", "rules [[ w -> x |> patch_embed() ]]",
            "the target's patch is not known");
    refuses("w f32 1,1,600,2", "x f32 1,1,4,4", "rules [[ w -> x |> patch_embed() ]]",
            "sides of 1 to 512 can be resampled, not 600 to 4");
    refuses("w f32 50,2", "x f32 81,2", "rules [[ w -> x |> rel_pos_bias() ]]",
            "its rows are no square table of odd sides, with 0 or 3 rows behind");
    refuses("w f32 49,2", "x f32 80,2", "rules [[ w -> x |> rel_pos_bias() ]]",
            "the target's rows are no square table of odd sides; say new=");
    refuses("w f32 49,2", "x f32 84,2", "rules [[ w -> x |> rel_pos_bias() ]]", "no square table");
    refuses("w f32 9,2", "x f32 81,2", "rules [[ w -> x |> rel_pos_bias() ]]",
            "a cubic spline needs a side of 5 or more, not 3");
    refuses("w f32 2,4,4", "x f32 2,5,5", "rules [[ w -> x |> rel_pos_bias() ]]", "are odd, not 4");
    refuses("w f32 2", "x f32 2", "rules [[ w -> x |> rel_pos_bias{new=3} ]]",
            "a table is offsets×heads or heads×height×width");
}

static void functions(void **state)
{
    (void)state;
    /* 35 DINOv2: the class token takes its position in */
    gives("a f32 1,1,2;b f32 1,3,2", NULL,
          "rules [[ a, &b -> x |> function(a,b) return a + b:slice(1,0,1) end ; b -> b |> slice(1,1) "
          "]]", "1x1x2 f32: 100 102");
    gives("a f32 1,1,2;b f32 1,3,2", "x f32 1,1,2;b f32 1,2,2",
          "rules [[\n a, &b -> x |> function(a, b) return a + b:slice(1,0,1) end\n"
          " b -> b |> slice(1,1)\n]]", "1x1x2 f32: 100 102");
    gives("x f32 2", "x f32 2", "rules [[ {p:x|y} -> {p} |> function(t, m) "
          "return t * 2 + #m.p + #m.key + m.target.shape[1] end ]]", "2 f32: 4 6");
    gives("a f32 2;b f32 2", NULL, "rules [[ a, b -> x |> function(a,b) return a / b * b - a end ]]",
          "2 f32: 0 0");
    gives("a f32 2", NULL, "rules [[ a -> x |> function(t) return 1 / (t + 1) - t / 3 end ]]",
          "2 f32: 1 0.1667");
    gives("a f32 2", NULL, "rules [[ a -> x |> function(t) return -(2 - t) * t end ]]",
          "2 f32: 0 -1");
    gives("a f32 2,2", NULL, "rules [[ a -> x |> function(t) return t:cat(0, t:slice(0,0,1):zeros(), "
          "t:slice(0,1):const(9)) end ]]", "4x2 f32: 0 1 2 3 0 0 9 9");
    gives("a f32 2,2", NULL, "rules [[ a -> x |> function(t) return t:matmul(t:T(), t) end ]]",
          "2x2 f32: 6 10 26 42");
    gives("a f32 4,1", NULL, "rules [[ a -> x |> function(t) return t:ein('(a b) c -> (b a) c', "
          "{a=2}):swap_halves(0):tile(1,2):sum(1) end ]]", "4x1 f32: 2 6 0 4");
    gives("a f32 2", "x f32 3", "rules [[ a -> x |> function(t) return t:fit(0, zeros) end ]]",
          "3 f32: 0 1 0");
    gives("a f32 1,3,1,1", NULL, "each(function(k, t) return 'x', t:in_chans(1):pad(0,2) end)",
          "2x1x1x1 f32: 3 0");
    refuses("a f32 2;b f32 3", NULL, "rules [[ a, b -> x |> function(a,b) return a * b end ]]",
            "product: 2 f32 and 3 f32 differ");
    refuses("a f32 2", NULL, "rules [[ a -> x |> function(t) return t:normal(1) end ]]",
            "normal: random numbers go by the name of a target");
    refuses("a f32 2", NULL, "rules [[ a -> x |> function(t) return t:copy() end ]]",
            "tensors have no field or method 'copy'");
}

static void fills(void **state)
{
    (void)state;
    gives("a f32 2", "x f32 2", "rules [[ -> x |> prior_bias(0.01) ]]", "2 f32: -4.595 -4.595");
    gives("a f32 2", "x f32 2", "rules [[ -> x |> const(0.1) ]]", "2 f32: 0.1 0.1");
    refuses("a f32 2", "x f32 2,2", "rules [[ -> x |> conv_msra() ]]",
            "conv_msra: only kernels of convolutions have a height and a width");
    refuses("a f32 2", "x f32 2", "rules [[ -> x |> prior_bias(1) ]]", "between 0 and 1");
    refuses("a f32 2", "x f32 2", "rules [[ -> x |> prior_bias(0) ]]", "between 0 and 1");
    refuses("a f32 2", "x f32 2", "rules [[ -> x |> kaiming{nonlinearity='gelu'} ]]",
            "there is no nonlinearity \"gelu\"");
    refuses("a f32 2", "x f32 2", "rules [[ -> x |> kaiming{a='x'} ]]", "kaiming: a is a number");
    refuses("a f32 2", "x f32 2", "rules [[ a -> x |> prior_bias(.5) ]]", "makes values up");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moves), cmocka_unit_test(ein), cmocka_unit_test(sizes),
        cmocka_unit_test(grids), cmocka_unit_test(grids_are_refused), cmocka_unit_test(functions),
        cmocka_unit_test(fills),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
