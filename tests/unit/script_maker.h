/* For tests: TorchScript archives assembled by hand on top of torch_maker.h. */
#ifndef TESTS_UNIT_SCRIPT_MAKER_H
#define TESTS_UNIT_SCRIPT_MAKER_H

#include "tests/unit/torch_maker.h"

static const float eight[8] = {0, 1, 2, 3, 4, 5, 6, 7};

/* The parts of an archive; what is NULL has a plain meaning. */
typedef struct Script {
    const Text *pickle;          /* of data.pkl, without STOP */
    const Text *constants;       /* of constants.pkl, without STOP; an empty tuple when NULL */
    const char *source;          /* of code/__torch__.py; no such record when NULL */
    const Record *more;
    size_t more_count;
} Script;

static inline void make_script(Text *file, const Script *script)
{
    Text p = {0}, c = {0};
    text_addn(&p, script->pickle->bytes, script->pickle->length);
    if (script->constants) text_addn(&c, script->constants->bytes, script->constants->length);
    else text_addc(&c, ')');
    text_addc(&p, '.');
    text_addc(&c, '.');
    Record records[16];
    size_t n = 0;
    records[n++] = (Record){"m/data.pkl", p.bytes, p.length};
    records[n++] = (Record){"m/data/0", eight, sizeof eight};
    records[n++] = (Record){"m/constants.pkl", c.bytes, c.length};
    records[n++] = (Record){"m/version", BYTES("3\n")};
    if (script->source)
        records[n++] = (Record){"m/code/__torch__.py", script->source, strlen(script->source)};
    for (size_t i = 0; i < script->more_count; i++) records[n++] = script->more[i];
    make_zip(file, records, n);
    text_done(&p);
    text_done(&c);
}

static inline Checkpoint *try_script(const Script *script, Error *err)
{
    Text file = {0};
    make_script(&file, script);
    Checkpoint *checkpoint = open_bytes(&file, err);
    text_done(&file);
    return checkpoint;
}

/* Opens it; the pickles are done with. */
static inline Checkpoint *open_script(Text *pickle, const char *source)
{
    Error err = {0};
    Checkpoint *checkpoint = try_script(&(Script){.pickle = pickle, .source = source}, &err);
    if (!checkpoint) fail_msg("%s", err.text);
    text_done(pickle);
    return checkpoint;
}

/* An object of class __torch__.NAME, whose attributes follow, up to put_end. */
static inline void put_object(Text *p, const char *name)
{
    text_addf(p, "c__torch__\n%s\n)\x81}(", name);
}

static inline void put_end(Text *p)
{
    text_add(p, "ub");
}

/* An attribute: a tensor of n floats of storage "0". */
static inline void put_floats_at(Text *p, const char *name, int64_t n, bool grad)
{
    put_text(p, name);
    put_tensor(p, &(Made){.numel = 8, .dims = {n}, .strides = {1}, .rank = 1, .grad = grad});
}

#endif
