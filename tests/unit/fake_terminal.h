/* A terminal for tests: keys come from a list, and what was flushed last can be read. */
#ifndef TESTS_UNIT_FAKE_TERMINAL_H
#define TESTS_UNIT_FAKE_TERMINAL_H

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "viewer/terminal_ops.h"

/* How long a key waits for its ledger, so that all machines show the same; how long the loop waits
 * while something is under way, and how often that is borne. */
enum { FAKE_MOMENT_MS = 120000, FAKE_BUSY_MS = 5, FAKE_BUSY_MAX = 120000 };

typedef enum StepKind { STEP_PRESS, STEP_WAIT, STEP_SHOWS, STEP_LACKS, STEP_RUN } StepKind;

typedef struct FakeStep {
    StepKind kind;
    Press press;
    char *text;                  /* SHOWS, LACKS: what the screen must (not) hold; owned */
    void (*run)(void *context);  /* RUN: something happens outside */
} FakeStep;

typedef struct FakeTerminal {
    Terminal terminal;
    int columns, rows;
    FakeStep *steps;             /* owned */
    size_t count, room, next;
    Text shown;                  /* the screen as flushed last */
    int reversed_y, reversed_from, reversed_to;   /* the first reversed cells; -1 none */
    unsigned flushes;
    unsigned busy;               /* waits in a row while values were read */
    char *failure;               /* owned: the first expectation that failed */
    void *context;               /* for RUN */
} FakeTerminal;

static inline void fake_check(FakeTerminal *fake, const FakeStep *step)
{
    bool there = strstr(text_string(&fake->shown), step->text) != NULL;
    if (there == (step->kind == STEP_SHOWS) || fake->failure) return;
    Text text = {0};
    text_addf(&text, "%s: '%s' in\n%s", there ? "unwanted" : "missing", step->text,
              text_string(&fake->shown));
    fake->failure = text.bytes;
}

/* The steps that are no keys happen while nobody waits for a key: what was typed has then been
 * drawn, and values that are being read (the loop then waits FAKE_BUSY_MS) are there. The terminal goes away at the end. */
static inline bool fake_read(void *state, int timeout_ms, Press *press)
{
    FakeTerminal *fake = state;
    const FakeStep *step = fake->next < fake->count ? &fake->steps[fake->next] : NULL;
    if (step && step->kind == STEP_PRESS) {
        *press = step->press;
        fake->next++;
        return true;
    }
    if (timeout_ms == 0) return false;
    if (timeout_ms == FAKE_BUSY_MS && fake->busy++ < FAKE_BUSY_MAX) {
        const struct timespec moment = {.tv_nsec = 1000000};
        nanosleep(&moment, NULL);
        return false;
    }
    fake->busy = 0;
    *press = (Press){.kind = PRESS_CLOSE};
    if (!step) return true;
    fake->next++;
    if (step->kind == STEP_RUN) step->run(fake->context);
    if (step->kind == STEP_SHOWS || step->kind == STEP_LACKS) fake_check(fake, step);
    if (step->kind == STEP_WAIT || step->kind == STEP_RUN) return false;
    return fake_read(state, timeout_ms, press);
}

static inline void fake_size(void *state, int *columns, int *rows)
{
    const FakeTerminal *fake = state;
    *columns = fake->columns;
    *rows = fake->rows;
}

static inline void fake_flush(void *state, const Screen *screen)
{
    FakeTerminal *fake = state;
    fake->flushes++;
    text_clear(&fake->shown);
    screen_dump(screen, &fake->shown);
    fake->reversed_y = -1;
    for (int y = 0; y < screen->rows && fake->reversed_y < 0; y++) {
        for (int x = 0; x < screen->columns; x++) {
            if (!(screen_at(screen, x, y)->style & STYLE_REVERSED)) continue;
            if (fake->reversed_y < 0) fake->reversed_y = y, fake->reversed_from = x;
            fake->reversed_to = x;
        }
    }
}

static inline void fake_nothing(void *state)
{
    (void)state;
}

static inline void fake_init(FakeTerminal *fake, int columns, int rows, bool ascii)
{
    static const TerminalOps ops = {.read = fake_read, .size = fake_size, .flush = fake_flush,
                                    .repaint = fake_nothing, .suspend = fake_nothing,
                                    .resume = fake_nothing};
    *fake = (FakeTerminal){.columns = columns, .rows = rows};
    fake->terminal = (Terminal){&ops, fake, ascii};
}

static inline FakeStep *fake_add(FakeTerminal *fake, StepKind kind)
{
    fake->steps = mem_grow(fake->steps, &fake->room, fake->count + 1, sizeof *fake->steps);
    FakeStep *step = &fake->steps[fake->count++];
    *step = (FakeStep){.kind = kind};
    return step;
}

static inline void fake_type(FakeTerminal *fake, const char *text)
{
    for (const char *p = text, *end = p + strlen(p); p < end;)
        fake_add(fake, STEP_PRESS)->press = (Press){.kind = PRESS_CHAR, .code = utf8_next(&p, end)};
}

/* Names of keys as the key table spells them, blanks between; false for an unknown one. */
static inline bool fake_press(FakeTerminal *fake, const char *names)
{
    char *copy = mem_strdup(names), *rest = copy;
    bool ok = true;
    for (char *name; ok && (name = strtok_r(rest, " ", &rest));)
        ok = press_parse(name, &fake_add(fake, STEP_PRESS)->press);
    free(copy);
    return ok;
}

static inline void fake_expect(FakeTerminal *fake, StepKind kind, const char *text)
{
    fake_add(fake, STEP_WAIT);
    fake_add(fake, kind)->text = mem_strdup(text);
}

static inline void fake_done(FakeTerminal *fake)
{
    for (size_t i = 0; i < fake->count; i++) free(fake->steps[i].text);
    free(fake->steps);
    free(fake->failure);
    text_done(&fake->shown);
}

#endif
