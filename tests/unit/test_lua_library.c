/* The bounded functions are still Lua's: results that its reference manual promises. */
#include "tests/unit/scripts.h"

static void patterns_match_as_in_lua(void **state)
{
    (void)state;
    answers("print(('hello world'):find('o w')) print(('hello'):find('l+'))", "5\t7\n3\t4\n");
    answers("print(('key = value'):match('^(%w+)%s*=%s*(%w+)$'))", "key\tvalue\n");
    answers("print(('hello'):find('')) print((''):find('', 2)) print(('abc'):find('b', -2))",
           "1\t0\nnil\n2\t2\n");
    answers("print(('THE (quick) fox'):find('%((%a+)%)')) print(('f(a(b)c)d'):match('%b()'))",
           "5\t11\tquick\n(a(b)c)\n");
    answers("print(('hello world'):gsub('o', '0')) print(('abc'):gsub('%w', '%0%0', 2))",
           "hell0 w0rld\t2\naabbc\t2\n");
    answers("print(('abc'):gsub('', '-')) print(('$name'):gsub('%$(%w+)', {name = 'x'}))",
           "-a-b-c-\t4\nx\t1\n");
    answers("for k, v in ('a=1, b=2'):gmatch('(%w+)=(%w+)') do print(k, v) end", "a\t1\nb\t2\n");
    answers("print(('THE (quick) fox'):gsub('%f[%a]%a+', string.lower))", "the (quick) fox\t3\n");
    answers("print(('abcabc'):match('(a)(b)c%1%2')) print(('x'):match('()'))", "a\tb\n1\n");
    answers("print(('[]]'):find('[]]')) print(('a-b'):find('[a-]-', 1)) print(('^'):find('[%^x]'))",
           "2\t2\n1\t0\n1\t1\n");
    answers("print(pcall(string.find, 'a', '[a')) print(pcall(string.gsub, 'a', 'a', '%2'))",
           "false\tmalformed pattern (missing ']')\nfalse\tinvalid capture index %2\n");
    answers("print(pcall(string.find, 'a', '%')) print(('a.b'):find('.', 1, true))",
           "false\tmalformed pattern (ends with '%')\n2\t2\n");
    answers("print(('\\0a\\0'):find('a')) print(('x\\0y'):match('%z')) print(#('a'):rep(3, ', '))",
           "2\t2\nnil\n7\n");
    answers("print(string.format('%5.2f|%-4s|%q|%x', 3.14159, 'a', 'q\\n', 255))",
           " 3.14|a   |\"q\\\n\"|ff\n");
}

static void tables_work_as_in_lua(void **state)
{
    (void)state;
    answers("local t = {5, 2, 8, 1} table.sort(t) print(table.concat(t, ' '))", "1 2 5 8\n");
    answers("local t = {'b', 'a'} table.sort(t, function(a, b) return a > b end) "
           "print(table.concat(t))", "ba\n");
    answers("local t = {} for i = 1, 200 do t[i] = (i * 7919) % 211 end table.sort(t) "
           "for i = 2, 200 do assert(t[i - 1] <= t[i]) end print 'sorted'", "sorted\n");
    answers("local t = {1, 2, 3} table.insert(t, 2, 9) print(table.concat(t, ',')) "
            "print(table.remove(t, 1), table.remove(t), table.concat(t, ','))",
            "1,9,2,3\n1\t3\t9,2\n");
    answers("print(table.unpack({1, 2, 3}, 2)) print(table.pack(1, nil).n)", "2\t3\n2\n");
    answers("print(table.concat(table.move({1, 2, 3}, 1, 3, 2), ','))", "1,1,2,3\n");
    answers("print(table.concat(table.move({1, 2, 3}, 2, 3, 1, {}), ','))", "2,3\n");
    answers("print(pcall(table.concat, {1, {}}))",
           "false\tinvalid value (at index 2) in table for 'concat'\n");
    answers("print(pcall(table.insert, {1}, 5, 1))",
           "false\tbad argument #2 to 'table.insert' (position out of bounds)\n");
    answers("print(table.remove({}), table.remove({}, 0), pcall(table.remove, {1}, 7))",
           "nil\tnil\tfalse\tbad argument #2 to 'table.remove' (position out of bounds)\n");
}

static void coroutines_work_as_in_lua(void **state)
{
    (void)state;
    answers(
        "local c = coroutine.create(function(a) local b = coroutine.yield(a + 1) return b * 2 end) "
        "print(coroutine.resume(c, 1)) print(coroutine.resume(c, 10)) "
        "print(coroutine.status(c), coroutine.resume(c))",
        "true\t2\ntrue\t20\ndead\tfalse\tcannot resume dead coroutine\n");
    answers("local f = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end) "
           "print(f(), f(), f())", "1\t2\t3\n");
    answers("print(pcall(coroutine.wrap(function() error('x', 0) end)))", "false\tx\n");
    answers("local c = coroutine.create(print) print(coroutine.status(c), coroutine.close(c), "
           "coroutine.status(c), coroutine.isyieldable(), select(2, coroutine.running()))",
           "suspended\ttrue\tdead\tfalse\ttrue\n");
    answers("print(xpcall(function(x) error(x, 0) end, function(e) return e .. '!' end, 'y'))",
           "false\ty!\n");
    answers(
        "print(coroutine.wrap(function() return pcall(function() coroutine.yield(1) error('z', 0) "
        "end) end)())",
        "1\n");
}

static void metatables_work_as_in_lua(void **state)
{
    (void)state;
    answers(
        "local P = {} P.__index = P P.__add = function(a, b) return a.x + b.x end "
        "function P.new(x) return setmetatable({x = x}, P) end function P.get(s) return s.x end "
        "print(P.new(1) + P.new(2), P.new(5):get(), getmetatable(P.new(1)) == P)",
        "3\t5\ttrue\n");
    answers("local t = setmetatable({}, {__metatable = 'locked'}) "
           "print(getmetatable(t), pcall(setmetatable, t, {}))",
           "locked\tfalse\tcannot change a protected metatable\n");
    answers("local t = setmetatable({}, {__index = {a = 1}}) setmetatable(t, nil) print(t.a)",
            "nil\n");
    answers("print(math.random(1000) == (function() math.randomseed(0) return math.random(1000) "
            "end)())",
            "true\n");
}

#define RUN(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(patterns_match_as_in_lua),
        RUN(tables_work_as_in_lua),
        RUN(coroutines_work_as_in_lua),
        RUN(metatables_work_as_in_lua),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
