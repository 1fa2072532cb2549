/* A word is read as the first of the kinds that it can be, in the order of the header's table;
 * quotes make it a text. */
#include "viewer/row_filter.h"

#include <stdlib.h>
#include <string.h>

#include "viewer/state.h"

const FilterWord row_filter_words[FILTER_WORDS] = {
    {"shape missing", "states, any of them; also problems, loaded, guessed"},
    {"f16 bf16", "dtypes, any of them"},
    {"1d 2d", "ranks, any of them"},
    {">1MB <=64kB", "bytes of the values"},
    {"<90%", "how certain a pair that was found is"},
    {"norm *.bias /re/", "text of a key, a glob of whole segments, a regular expression; "
     "\"norm\" is always a text"},
    {"!exact !bias", "not that"},
};

/* "1.5MB": a number with or without a unit of bytes, decimal or (KiB) binary. */
static bool read_bytes(const char *word, uint64_t *bytes)
{
    static const struct { const char *unit; double factor; } units[] = {
        {"", 1}, {"B", 1}, {"kB", 1e3}, {"KB", 1e3}, {"k", 1e3}, {"MB", 1e6}, {"M", 1e6},
        {"GB", 1e9}, {"G", 1e9}, {"TB", 1e12}, {"KiB", 1024.0}, {"MiB", 1048576.0},
        {"GiB", 1073741824.0}, {"TiB", 1099511627776.0},
    };
    char *rest;
    if (!is_digit(*word)) return false;
    double number = strtod(word, &rest);
    for (size_t i = 0; i < countof(units); i++) {
        if (strcmp(rest, units[i].unit) != 0) continue;
        double value = number * units[i].factor;
        *bytes = value < 9e18 ? (uint64_t)value : (uint64_t)9e18;
        return true;
    }
    return false;
}

/* "90%" of a confidence. */
static bool read_percent(const char *word, float *part)
{
    char *rest;
    if (!is_digit(*word)) return false;
    *part = strtof(word, &rest) / 100;
    return strcmp(rest, "%") == 0;
}

/* ">1MB", "<=64kB", "<90%": narrows what was said before. */
static bool read_bound(RowFilter *filter, const char *word, bool *is_bound, Error *err)
{
    *is_bound = *word == '<' || *word == '>';
    if (!*is_bound) return true;
    bool above = *word == '>', equal = word[1] == '=';
    const char *number = word + 1 + equal;
    uint64_t bytes;
    float part;
    if (read_percent(number, &part)) {
        const float least = 1e-6f;   /* less than any difference that is shown */
        filter->sure = true;
        if (above) filter->sure_from = equal ? part : part + least;
        else filter->sure_to = equal ? part : part - least;
    } else if (read_bytes(number, &bytes)) {
        if (above) filter->least = bytes + !equal;
        else filter->most = equal ? bytes : bytes ? bytes - 1 : 0;
    } else {
        return error_set(err, ERR_USAGE, "'%s' is no size: >1MB, <=64kB, or a confidence, <90%%",
                         word);
    }
    return true;
}

/* Whatever is no other kind is looked for in keys. */
static bool read_name(RowFilter *filter, const char *word, bool not, Error *err)
{
    if (filter->name_count == FILTER_NAMES_MAX)
        return error_set(err, ERR_LIMIT, "a filter looks for %d texts at most", FILTER_NAMES_MAX);
    NameTest *test = &filter->names[filter->name_count];
    size_t n = strlen(word);
    bool ok, quoted = n > 1 && *word == '"' && word[n - 1] == '"';
    if (quoted) {
        char *text = mem_strdup(word + 1);
        text[n - 2] = '\0';
        ok = name_test_init(test, text, err);
        free(text);
    } else {
        ok = name_test_init(test, word, err);
    }
    if (!ok) return error_prefix(err, "%s", word);
    filter->name_not[filter->name_count] = not;
    filter->name_count += test->text != NULL;   /* "/" and "" look for nothing */
    return true;
}

/* "2d". */
static bool read_rank(const char *word, unsigned *rank)
{
    uint64_t number;
    size_t n = strlen(word);
    if (n < 2 || word[n - 1] != 'd' || !parse_digits(word, n - 1, &number)) return false;
    *rank = (unsigned)number;
    return number < TENSOR_RANK_MAX;
}

static bool read_word(RowFilter *filter, const char *word, Error *err)
{
    bool bound, not = *word == '!' && word[1];
    if (not) word++;
    unsigned rank, states = state_mask_of(word);
    DType dtype = dtype_from_name(word);
    if (!read_bound(filter, word, &bound, err)) return false;
    if (bound) return !not || error_set(err, ERR_USAGE, "say < for what is not >");
    if (states && not) filter->not_states |= states;
    else if (states && filter->states == STATE_ALL) filter->states = states;
    else if (states) filter->states |= states;
    else if (dtype != DT_UNKNOWN && not) filter->not_dtypes[dtype] = true;
    else if (dtype != DT_UNKNOWN) filter->dtypes[dtype] = filter->has_dtypes = true;
    else if (!not && read_rank(word, &rank)) filter->ranks |= 1u << rank;
    else return read_name(filter, word, not, err);
    return true;
}

bool row_filter_parse(RowFilter *filter, const char *text, Error *err)
{
    *filter = (RowFilter){.states = STATE_ALL, .most = UINT64_MAX, .sure_to = 1};
    while (*text == ' ') text++;
    if (!*text || strcmp(text, "all") == 0) return true;
    filter->text = mem_strdup(text);
    char *copy = mem_strdup(text), *rest = copy;
    bool ok = true;
    for (char *word; ok && (word = strtok_r(rest, " ", &rest));)
        ok = read_word(filter, word, err);
    free(copy);
    if (!ok) row_filter_done(filter);
    return ok;
}

void row_filter_done(RowFilter *filter)
{
    for (size_t i = 0; i < filter->name_count; i++) name_test_done(&filter->names[i]);
    free(filter->text);
    *filter = (RowFilter){.states = STATE_ALL, .most = UINT64_MAX, .sure_to = 1};
}

/* What may not be is a question to each tensor: a module has a state and lacks it at once. */
bool row_filter_is_states(const RowFilter *filter)
{
    static const bool none[DTYPE_COUNT];
    return !filter->not_states && !filter->has_dtypes && !filter->ranks && !filter->least &&
           filter->most == UINT64_MAX && !filter->sure && !filter->name_count &&
           memcmp(filter->not_dtypes, none, sizeof none) == 0;
}

bool row_filter_fits(const RowFilter *filter, const RowFacts *facts)
{
    if (!(facts->states & filter->states) || facts->states & filter->not_states) return false;
    if (filter->has_dtypes && !filter->dtypes[facts->dtype]) return false;
    if (filter->not_dtypes[facts->dtype]) return false;
    if (filter->ranks && (facts->rank < 0 || !(filter->ranks & 1u << facts->rank))) return false;
    if (facts->bytes < filter->least || facts->bytes > filter->most) return false;
    return !filter->sure ||
           (facts->sure >= filter->sure_from && facts->sure <= filter->sure_to);
}
