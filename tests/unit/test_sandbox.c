/* The sandbox holds: every known way round an instruction hook ends in an error, soon, and
 * without a crash. One named test a way. */
#include <signal.h>
#include <sys/time.h>
#include <time.h>

#include "tests/unit/scripts.h"

static double processor_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

enum { BUDGET = 2000000, SECONDS = 20 };   /* far above what is needed, for valgrind's sake */

/* Runs a hostile text; it has to fail, with `code`, in time. Returns the message. */
static const char *attack(const char *text, ErrorCode code)
{
    static Error err;
    const ScriptOptions options = {.instructions = BUDGET, .memory = 64 << 20};
    Bench bench;
    const double start = processor_seconds();
    bench_open(&bench, "a f32 2\nb f32 3", "a f32 2", &options);
    const bool ok = bench_run(&bench, text, "bad.lua");
    err = bench.err;
    bench_close(&bench);
    assert_false(ok);
    if (err.code != code) print_error("got: %s\n", err.text);
    assert_int_equal(err.code, code);
    assert_true(processor_seconds() - start < SECONDS);
    return err.text;
}

#define LIMIT(name, text)                                                                      \
    static void name(void **state)                                                             \
    {                                                                                          \
        (void)state;                                                                           \
        attack(text, ERR_LIMIT);                                                               \
    }
#define REFUSED(name, text, message)                                                           \
    static void name(void **state)                                                             \
    {                                                                                          \
        (void)state;                                                                           \
        const char *got = attack(text, ERR_RULE);                                              \
        if (!strstr(got, message)) print_error("got: %s\n", got);                              \
        assert_non_null(strstr(got, message));                                                 \
    }

static void an_endless_loop_names_its_line(void **state)
{
    (void)state;
    const char *got = attack("local x = 1\n\nwhile true do end", ERR_LIMIT);
    assert_true(has_prefix(got, "bad.lua:3: "));
    assert_non_null(strstr(got, "limit of 2000000 instructions"));
}

/* Catching the error. */
LIMIT(pcall_cannot_hold, "while true do pcall(function() while true do end end) end")
LIMIT(nested_pcall_cannot_hold,
      "local function f() while true do pcall(f) end end f()")
LIMIT(xpcall_handler_cannot_hold,
      "xpcall(function() while true do end end, function() while true do end end)")
LIMIT(xpcall_handler_of_handler_cannot_hold,
      "local function h(e) xpcall(error, h) while true do end end xpcall(error, h)")
LIMIT(pcall_of_pcall_cannot_hold, "while true do pcall(pcall, pcall, function() error'x' end) end")
LIMIT(error_in_a_loop, "while true do pcall(error, {}) end")
LIMIT(goto_loops, "::a:: pcall(error) goto a")
LIMIT(repeat_loops, "repeat until false")
LIMIT(empty_for_loops, "for i = 1, math.huge do end")
LIMIT(huge_integer_loops, "for i = 1, 1 << 62 do end")

/* Coroutines. */
LIMIT(a_coroutine_that_loops, "coroutine.wrap(function() while true do end end)()")
LIMIT(coroutines_share_one_budget,
      "while true do coroutine.wrap(function() for i = 1, 40 do end end)() end")
LIMIT(coroutines_that_breed,
      "local function f() while true do pcall(coroutine.wrap(f)) end end f()")
LIMIT(coroutines_that_yield, "local c = coroutine.wrap(function() while true do "
                             "coroutine.yield() end end) while true do c() end")
LIMIT(pcall_in_a_coroutine, "local c = coroutine.create(function() while true do pcall(function() "
                            "while true do end end) end end) while true do coroutine.resume(c) end")
LIMIT(resumed_error_cannot_hold, "while true do coroutine.resume(coroutine.create(function() "
                                 "while true do end end)) end")
LIMIT(coroutine_close_cannot_hold, "while true do local c = coroutine.create(function() "
                                   "coroutine.yield() end) coroutine.resume(c) "
                                   "coroutine.close(c) end")
LIMIT(a_million_coroutines, "local t = {} for i = 1, 1e9 do t[i] = coroutine.create(print) end")

/* Metamethods. */
REFUSED(setmetatable_refuses_gc, "setmetatable({}, {__gc = function() while true do end end})",
        "bad.lua:1: setmetatable: '__gc' is not available")
REFUSED(setmetatable_refuses_close, "setmetatable({}, {__close = print})", "'__close'")
REFUSED(setmetatable_refuses_weak_tables, "setmetatable({}, {__mode = 'k'})", "'__mode'")
REFUSED(setmetatable_refuses_false_gc, "setmetatable({}, {__gc = false})", "'__gc'")
REFUSED(a_close_added_later_does_not_count,
        "local m = {} local v = setmetatable({}, m) m.__close = function() while true do end end\n"
        "local x <close> = v", "bad.lua:2: variable 'x' got a non-closable value")
REFUSED(rawset_cannot_add_a_close_either,
        "local m = {} local v = setmetatable({}, m) rawset(getmetatable(v), '__close', print)\n"
        "local x <close> = v", "non-closable")
REFUSED(a_for_loop_has_no_closing_value,
        "local m = {} local v = setmetatable({}, m) m.__close = print\n"
        "for k in pairs, {}, nil, v do break end", "non-closable")
REFUSED(a_call_metamethod_must_be_a_function,
        "local t = {} setmetatable(t, {__call = t}) t()", "'__call' must be a function")
REFUSED(a_call_that_calls_itself,
        "local m = {} local t = setmetatable({}, m) m.__call = t t()", "attempt to call a table")
REFUSED(the_metatable_of_text_is_hidden, "getmetatable('').__index = nil",
        "attempt to index a string")
REFUSED(the_metatable_of_text_is_fixed, "setmetatable('', {})", "table expected")
REFUSED(
    an_index_that_never_ends,
    "local t = setmetatable({}, {}) getmetatable(t).__index = t setmetatable(t, getmetatable(t)) "
    "return t.x",
    "'__index' chain too long")
LIMIT(a_tostring_that_loops, "tostring(setmetatable({}, {__tostring = function() while true do end "
                             "end}))")
LIMIT(an_error_whose_tostring_loops,
      "error(setmetatable({}, {__tostring = function() while true do end end}))")
LIMIT(a_length_that_lies, "table.insert(setmetatable({}, {__len = function() return 1 << 60 end}), "
                          "1, 1)")
LIMIT(an_index_function_that_loops,
      "local t = setmetatable({}, {__index = function(t, k) return t[k + 1] end}) "
      "while true do pcall(function() return t[1] end) end")
LIMIT(a_comparison_that_loops,
      "local m = {__lt = function() while true do end end} "
      "table.sort({setmetatable({}, m), setmetatable({}, m)})")

/* Text. */
REFUSED(rep_is_bounded, "return ('a'):rep(1e9)",
        "bad.lua:1: string.rep: the result would be longer")
REFUSED(rep_with_a_separator_is_bounded, "return ('a'):rep(1 << 40, 'b')", "string.rep")
LIMIT(rep_in_a_loop, "while true do local s = ('a'):rep(1 << 20) end")
LIMIT(find_backtracking, "string.find(('a'):rep(1e5), ('.-'):rep(50) .. 'b')")
LIMIT(find_as_a_method, "(('a'):rep(1e5)):find(('a*'):rep(50) .. 'b')")
LIMIT(match_backtracking, "string.match(('a'):rep(1e5), ('a?'):rep(100) .. ('a'):rep(100) .. 'b')")
LIMIT(gmatch_backtracking, "for x in string.gmatch(('a'):rep(1e5), '(.-)(.-)(.-)(.-)b') do end")
LIMIT(gsub_backtracking, "string.gsub(('a'):rep(1e5), '.-.-.-b', '')")
LIMIT(balanced_matching, "local s = ('('):rep(1e5) string.find(s, '%b()')")
LIMIT(a_set_as_long_as_the_text, "string.find(('a'):rep(1e5), '[' .. ('b'):rep(1e5) .. ']')")
LIMIT(a_back_reference, "string.find(('a'):rep(1e5), '(.+)%1b')")
LIMIT(gsub_that_grows, "local s = 'aa' while true do s = s:gsub('a', '%0%0') end")
LIMIT(gsub_with_a_function,
      "string.gsub(('a'):rep(1 << 20), '.', function() while true do end end)")
LIMIT(plain_find_in_a_loop, "local s = ('a'):rep(1 << 22) .. 'b' "
                            "while true do s:find(('a'):rep(4096) .. 'c', 1, true) end")
REFUSED(pattern_recursion, "return string.find(('a'):rep(300), ('(a'):rep(300))", "too ")
REFUSED(pattern_recursion_without_captures,
        "return string.find(('a'):rep(300), ('a?'):rep(300) .. 'b')", "pattern too complex")
REFUSED(format_width, "return string.format('%99999d', 1)", "bad.lua:1: ")
REFUSED(format_precision, "return ('%.99999f'):format(1)", "invalid conversion")
LIMIT(format_in_a_loop,
      "local s = ('a'):rep(1 << 20) while true do string.format('%s%s', s, s) end")
LIMIT(concatenation_in_a_loop, "local s = 'a' while true do s = s .. s end")
LIMIT(concatenation_of_long_texts,
      "local s = ('a'):rep(1 << 22) while true do local t = s .. 'b' end")
LIMIT(comparing_long_texts,
      "local a = ('a'):rep(1 << 23) .. 'b' local b = ('a'):rep(1 << 23) .. 'c' "
      "while true do local c = a == b or a < b end")
LIMIT(comparing_texts_of_nuls, "local a = ('\\0'):rep(1 << 22) local b = a .. 'x' a = a .. 'y' "
                               "while true do local c = a < b end")
LIMIT(numbers_from_long_texts, "local s = ('1'):rep(1 << 22) while true do local x = s + 1 end")
LIMIT(upper_in_a_loop, "local s = ('a'):rep(1 << 22) while true do s:upper() s:reverse() end")
LIMIT(byte_and_char, "local s = ('a'):rep(1e5) while true do string.char(s:byte(1, -1)) end")
LIMIT(utf8_in_a_loop, "local s = ('é'):rep(1 << 20) while true do utf8.len(s) end")
LIMIT(utf8_codes, "while true do for p, c in utf8.codes(('é'):rep(1000)) do end end")
LIMIT(utf8_char,
      "while true do utf8.char(table.unpack(table.pack(('a'):rep(1e4):byte(1, -1)))) end")
LIMIT(pack_of_padding, "while true do string.pack('c16000000', '') end")

/* Tables. */
LIMIT(concat_of_a_huge_range,
      "table.concat(setmetatable({}, {__index = tostring}), '', 1, 1 << 62)")
LIMIT(move_of_a_huge_range, "table.move({}, 1, 1 << 62, 2)")
REFUSED(unpack_of_a_huge_range, "table.unpack({}, 1, 1 << 62)", "too many results to unpack")
LIMIT(unpack_in_a_loop, "local t = {} while true do select('#', table.unpack(t, 1, 200000)) end")
LIMIT(remove_of_a_huge_table, "table.remove(setmetatable({}, {__len = function() return 1 << 60 "
                              "end}), 1)")
LIMIT(sort_of_a_huge_table, "table.sort(setmetatable({}, {__len = function() return 1 << 30 end}), "
                            "rawequal)")
LIMIT(sort_with_a_hostile_comparison,
      "local t = {} for i = 1, 1e4 do t[i] = i end while true do table.sort(t, function(a, b) "
      "return true end) end")
LIMIT(sort_with_a_comparison_that_loops, "table.sort({1, 2, 3}, function() while true do end end)")
LIMIT(next_over_a_hollow_table, "local t = {} for i = 1, 1e5 do t['k' .. i] = i end "
                                "for i = 1, 1e5 do t['k' .. i] = nil end while true do next(t) end")
LIMIT(pairs_in_a_loop, "while true do for k in pairs(_G) do end end")
LIMIT(colliding_keys, "local t, m = {}, (1 << 16) - 1 for i = 1, 60000 do t[i * m] = i end "
                      "while true do for i = 1, 60000 do local x = t[i * m] end end")
LIMIT(colliding_keys_that_are_moved,
      "local t, m = {}, (1 << 20) - 1 for i = 1, 1e6 do t[i * m] = i end")
LIMIT(colliding_keys_within_the_limit,
      "while true do local t, m = {}, (1 << 14) - 1 for i = 1, 16000 do t[i * m] = i end end")
LIMIT(a_table_that_grows, "local t = {} for i = 1, 1e12 do t[i] = {} end")
LIMIT(memory_refused_again_and_again,
      "local t = {} for i = 1, 100000 do t[i] = {i} end "
      "while true do pcall(string.rep, 'x', 1 << 24) pcall(string.pack, 'c90000000', '') end")
LIMIT(ten_million_values, "local t = {n = {}} while true do t = {t, t, t} end")

/* Depth and length. */
LIMIT(endless_recursion_caught, "local function f() pcall(f) return f() end f()")
REFUSED(gsub_that_calls_itself, "local function f() return ('a'):gsub('a', f) end f()",
        "C stack overflow")
LIMIT(tail_calls, "local function f() return f() end f()")

/* What a script can make outside Lua's heap counts as well. */
LIMIT(tensors_without_end, "local t = file.a while true do t:slice(0, 0, 1) end")
LIMIT(prefixes_without_end, "while true do prefix 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' end")
LIMIT(rules_without_end, "while true do rules [[ ** -> ** ]] end")
LIMIT(fills_without_end, "while true do fill('x', zeros) end")
LIMIT(notes_without_end, "while true do strip 'nothing.' end")
LIMIT(an_expression_that_loops,
      "function f() while true do end end rules [[ a -> {f()} ]]")
LIMIT(an_op_that_loops, "rules [[ a -> a |> function(t) while true do end end ]]")
LIMIT(ops_text_that_loops, "rules [[ a -> a |> (function() while true do end end)() ]]")
LIMIT(each_that_loops, "pcall(each, function() while true do end end)")
REFUSED(patterns_have_no_way_to_blow_up,
        "rules [[ **a**a**a**a**a**a**a**a**b -> x ]] error('done')", "bad.lua:1: done")

static void absent_functions_are_absent(void **state)
{
    (void)state;
    answers(
        "for _, name in ipairs{'io', 'os', 'require', 'package', 'debug', 'load', 'loadstring', "
        "'loadfile', 'dofile', 'warn', 'module'} do if _G[name] then print(name) end end "
        "print(string.dump, string.rep ~= nil)",
        "nil\ttrue\n");
}

static void bytecode_is_refused(void **state)
{
    (void)state;
    Bench bench;
    bench_open(&bench, "a", NULL, NULL);
    assert_false(script_run(bench.script, "\x1bLua\x54\0\x19\x93", 8, "bad.luac", &bench.err));
    assert_int_equal(bench.err.code, ERR_RULE);
    assert_non_null(strstr(bench.err.text, "binary chunk"));
    bench_close(&bench);
}

static void the_collector_is_not_for_scripts(void **state)
{
    (void)state;
    answers("print(collectgarbage() > 0, pcall(collectgarbage, 'stop'))",
           "true\tfalse\tbad argument #1 to 'collectgarbage' (invalid option 'stop')\n");
}

static void endless_recursion(void **state)
{
    (void)state;
    const ScriptOptions options = {.instructions = 1ull << 40};
    Bench bench;
    bench_open(&bench, "a", NULL, &options);
    assert_false(bench_run(&bench, "local function f() return 1 + f() end\nf()", "bad.lua"));
    assert_true(has_prefix(bench.err.text, "bad.lua:1: stack overflow"));
    bench_close(&bench);
}

/* Source texts that make the compiler work hard on little. */
static void attack_source(const char *before, const char *piece, size_t times, const char *after,
                          bool *ok, Error *err)
{
    Text text = {0};
    Bench bench;
    const ScriptOptions options = {.instructions = BUDGET, .memory = 64 << 20};
    const double start = processor_seconds();
    text_add(&text, before);
    for (size_t i = 0; i < times; i++) text_add(&text, piece);
    text_add(&text, after);
    bench_open(&bench, "a", NULL, &options);
    *ok = script_run(bench.script, text_string(&text), text.length, "long.lua", err);
    bench_close(&bench);
    text_done(&text);
    assert_true(processor_seconds() - start < SECONDS);
}

static void nested_parentheses_end(void **state)
{
    (void)state;
    bool ok;
    Error err;
    attack_source("return ", "(", 100000, "", &ok, &err);
    assert_false(ok);
    assert_non_null(strstr(err.text, "overflow"));
    attack_source("return ", "{", 100000, "", &ok, &err);
    assert_false(ok);
    attack_source("", "if x then ", 100000, "", &ok, &err);
    assert_false(ok);
    attack_source("return ", "not ", 100000, "1", &ok, &err);
    assert_false(ok);
    attack_source("return ", "'a' .. ", 100000, "'b'", &ok, &err);
    assert_false(ok);
    attack_source("x = ", "function() ", 100000, "", &ok, &err);
    assert_false(ok);
}

static void very_long_texts_end(void **state)
{
    (void)state;
    bool ok;
    Error err;
    attack_source("--", "a", 30 << 20, "", &ok, &err);
    assert_false(ok);
    assert_int_equal(err.code, ERR_LIMIT);
    attack_source("if x then ", "elseif x then ", 1 << 17, "end", &ok, &err);
    assert_false(ok);
    assert_int_equal(err.code, ERR_LIMIT);
}

static void long_texts_that_are_harmless_pass(void **state)
{
    (void)state;
    Bench bench;
    Text text = {0};
    text_add(&text, "s = '");
    for (int i = 0; i < 1 << 20; i++) text_addc(&text, 'a');
    text_add(&text, "' print(#s)");
    bench_open(&bench, "a", NULL, NULL);
    assert_true(script_run(bench.script, text_string(&text), text.length, "long.lua", &bench.err));
    assert_string_equal(script_output(bench.script), "1048576\n");
    bench_close(&bench);
    text_done(&text);
}

/* A limit that was hit ends the script for good: no later chunk begins. */
static void later_chunks_do_not_begin(void **state)
{
    (void)state;
    const ScriptOptions options = {.instructions = 100000};
    Bench bench;
    bench_open(&bench, "a", NULL, &options);
    assert_false(bench_run(&bench, "while true do end", "one.lua"));
    assert_int_equal(bench.err.code, ERR_LIMIT);
    assert_false(bench_run(&bench, "x = 1", "two.lua"));
    assert_int_equal(bench.err.code, ERR_LIMIT);
    assert_true(has_prefix(bench.err.text, "two.lua:1: "));
    bench_close(&bench);
}

static void all_chunks_share_one_budget(void **state)
{
    (void)state;
    const ScriptOptions options = {.instructions = 100000};
    Bench bench;
    bench_open(&bench, "a", NULL, &options);
    bool ok = true;
    int runs = 0;
    while (ok && runs++ < 100) ok = bench_run(&bench, "for i = 1, 10000 do end", "part.lua");
    assert_false(ok);
    assert_in_range(runs, 1, 20);   /* slow machines count by the clock */
    bench_close(&bench);
}

static atomic_bool interrupt;

static void set_interrupt(int number)
{
    (void)number;
    interrupt = true;
}

static void the_user_can_interrupt(void **state)
{
    (void)state;
    const ScriptOptions options = {.interrupt = &interrupt};
    const struct itimerval soon = {.it_value.tv_usec = 50000};
    signal(SIGALRM, set_interrupt);
    setitimer(ITIMER_REAL, &soon, NULL);
    Bench bench;
    bench_open(&bench, "a", NULL, &options);
    assert_false(bench_run(&bench, "\nwhile true do pcall(function() while true do end end) end",
                           "fix.lua"));
    assert_int_equal(bench.err.code, ERR_CANCELLED);
    assert_string_equal(bench.err.text, "fix.lua:2: interrupted");
    interrupt = false;
    assert_true(bench_run(&bench, "print(1)", "fix.lua"));   /* the prompt goes on */
    assert_string_equal(script_output(bench.script), "1\n");
    bench_close(&bench);
}

static void memory_is_bounded(void **state)
{
    (void)state;
    const char *got = attack("local t = {}\nfor i = 1, 1e9 do\n  t[i] = ('x'):rep(1000) .. i\nend",
                             ERR_LIMIT);
    assert_true(has_prefix(got, "bad.lua:3: ") || has_prefix(got, "bad.lua:2: "));
}

/* One statement, two hundred names of 16 kB: it ends at the limit, not behind it. */
static void memory_of_names_is_bounded(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "sub(('{x:*} -> {x}{x} ; '):rep(14) .. ('{x:*} -> {x} ; '):rep(200))",
        "local t = {} for i = 1, 214 do t[i] = {'^', i > 14 and 'x' or '\\\\g<0>'} end "
        "t[1] = {'a', ('x'):rep(16000)} resub(t)"};
    for (size_t i = 0; i < countof(texts); i++) {
        const ScriptOptions options = {.memory = 1 << 20};
        Bench bench;
        bench_open(&bench, "a f32 2", NULL, &options);
        assert_false(bench_run(&bench, texts[i], "bad.lua"));
        assert_int_equal(bench.err.code, ERR_LIMIT);
        assert_non_null(strstr(bench.err.text, "memory"));
        assert_true(arena_bytes(draft_arena(bench.draft)) < 3 << 19);
        bench_close(&bench);
    }
}

static void memory_below_what_lua_needs(void **state)
{
    (void)state;
    const ScriptOptions options = {.memory = 1000};
    Bench bench;
    bench_open(&bench, "a", NULL, &options);
    assert_false(bench_run(&bench, "x = 1", "fix.lua"));
    assert_int_equal(bench.err.code, ERR_LIMIT);
    bench_close(&bench);
}

/* Text that an error holds cannot disturb a terminal, and is one line. */
static void messages_are_harmless(void **state)
{
    (void)state;
    assert_string_equal(attack("error('\\27[2J\\nx')", ERR_RULE), "bad.lua:1: \\x1b[2J\\nx");
    assert_non_null(
        strstr(attack("error({})", ERR_RULE), "bad.lua:1: the error is no text: table"));
    assert_non_null(strstr(attack("error()", ERR_RULE), "nil"));
    assert_string_equal(
        attack("error(setmetatable({}, {__tostring = function() return 'mine' end}))", ERR_RULE),
        "bad.lua:1: the error is no text: mine");
    attack("error(setmetatable({}, {__tostring = function() return 1 end}))", ERR_RULE);
    attack("error(('x'):rep(1 << 20))", ERR_RULE);
}

#define RUN(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(an_endless_loop_names_its_line),
        RUN(pcall_cannot_hold),
        RUN(nested_pcall_cannot_hold),
        RUN(xpcall_handler_cannot_hold),
        RUN(xpcall_handler_of_handler_cannot_hold),
        RUN(pcall_of_pcall_cannot_hold),
        RUN(error_in_a_loop),
        RUN(goto_loops),
        RUN(repeat_loops),
        RUN(empty_for_loops),
        RUN(huge_integer_loops),
        RUN(a_coroutine_that_loops),
        RUN(coroutines_share_one_budget),
        RUN(coroutines_that_breed),
        RUN(coroutines_that_yield),
        RUN(pcall_in_a_coroutine),
        RUN(resumed_error_cannot_hold),
        RUN(coroutine_close_cannot_hold),
        RUN(a_million_coroutines),
        RUN(setmetatable_refuses_gc),
        RUN(setmetatable_refuses_close),
        RUN(setmetatable_refuses_weak_tables),
        RUN(setmetatable_refuses_false_gc),
        RUN(a_close_added_later_does_not_count),
        RUN(rawset_cannot_add_a_close_either),
        RUN(a_for_loop_has_no_closing_value),
        RUN(a_call_metamethod_must_be_a_function),
        RUN(a_call_that_calls_itself),
        RUN(the_metatable_of_text_is_hidden),
        RUN(the_metatable_of_text_is_fixed),
        RUN(an_index_that_never_ends),
        RUN(a_tostring_that_loops),
        RUN(an_error_whose_tostring_loops),
        RUN(a_length_that_lies),
        RUN(an_index_function_that_loops),
        RUN(a_comparison_that_loops),
        RUN(rep_is_bounded),
        RUN(rep_with_a_separator_is_bounded),
        RUN(rep_in_a_loop),
        RUN(find_backtracking),
        RUN(find_as_a_method),
        RUN(match_backtracking),
        RUN(gmatch_backtracking),
        RUN(gsub_backtracking),
        RUN(balanced_matching),
        RUN(a_set_as_long_as_the_text),
        RUN(a_back_reference),
        RUN(gsub_that_grows),
        RUN(gsub_with_a_function),
        RUN(plain_find_in_a_loop),
        RUN(pattern_recursion),
        RUN(pattern_recursion_without_captures),
        RUN(format_width),
        RUN(format_precision),
        RUN(format_in_a_loop),
        RUN(concatenation_in_a_loop),
        RUN(concatenation_of_long_texts),
        RUN(comparing_long_texts),
        RUN(comparing_texts_of_nuls),
        RUN(numbers_from_long_texts),
        RUN(upper_in_a_loop),
        RUN(byte_and_char),
        RUN(utf8_in_a_loop),
        RUN(utf8_codes),
        RUN(utf8_char),
        RUN(pack_of_padding),
        RUN(concat_of_a_huge_range),
        RUN(move_of_a_huge_range),
        RUN(unpack_of_a_huge_range),
        RUN(unpack_in_a_loop),
        RUN(remove_of_a_huge_table),
        RUN(sort_of_a_huge_table),
        RUN(sort_with_a_hostile_comparison),
        RUN(sort_with_a_comparison_that_loops),
        RUN(next_over_a_hollow_table),
        RUN(pairs_in_a_loop),
        RUN(colliding_keys),
        RUN(colliding_keys_that_are_moved),
        RUN(colliding_keys_within_the_limit),
        RUN(a_table_that_grows),
        RUN(memory_refused_again_and_again),
        RUN(ten_million_values),
        RUN(endless_recursion),
        RUN(endless_recursion_caught),
        RUN(gsub_that_calls_itself),
        RUN(tail_calls),
        RUN(tensors_without_end),
        RUN(prefixes_without_end),
        RUN(rules_without_end),
        RUN(fills_without_end),
        RUN(notes_without_end),
        RUN(an_expression_that_loops),
        RUN(an_op_that_loops),
        RUN(ops_text_that_loops),
        RUN(each_that_loops),
        RUN(patterns_have_no_way_to_blow_up),
        RUN(absent_functions_are_absent),
        RUN(bytecode_is_refused),
        RUN(the_collector_is_not_for_scripts),
        RUN(nested_parentheses_end),
        RUN(very_long_texts_end),
        RUN(long_texts_that_are_harmless_pass),
        RUN(later_chunks_do_not_begin),
        RUN(all_chunks_share_one_budget),
        RUN(the_user_can_interrupt),
        RUN(memory_is_bounded),
        RUN(memory_of_names_is_bounded),
        RUN(memory_below_what_lua_needs),
        RUN(messages_are_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
