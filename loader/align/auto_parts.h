/* What the files of automatic alignment share: names cut into words, units, templates, classes.
 *
 *   tensor    encoder.layer.3.norm1.weight
 *   unit      encoder.layer.3.norm1 with its members weight and bias; paired as one
 *   coarse    encoder.layer.#.norm#        every number out
 *   template  encoder.layer.#.norm1        the units of a coarse name that stand in one row: its
 *             free numbers count them, numbers glued to a word stay when they take few values
 *   class     templates whose units have the same shapes in the same order
 *
 * Everything is an index into an array of its side: a million names are a few such arrays. */
#ifndef LOADER_ALIGN_AUTO_PARTS_H
#define LOADER_ALIGN_AUTO_PARTS_H

#include <string.h>

#include "loader/align/auto.h"
#include "loader/align/auto_table.h"

enum {
    NONE = 0xFFFFFFFFu,
    SLOTS_MAX = 8,           /* numbers of a name that count; later ones are text */
    WORDS_MAX = 40,          /* words of a name that are compared: the last ones */
    VIEW_RANK = 4,           /* axes of a tensor that is seen otherwise than it lies */
    RANKS_MAX = 3,           /* numbers of a name by which it may have siblings */
    UP_MAX = 3,              /* ancestors of a unit that are looked at, the nearest first */
    CLASS_MAX = 128,         /* templates or units of one side that are weighed at once */
    WORK_MAX = 40000000,     /* cubes of class sizes that are weighed in one round, in all */
    REFINE_MAX = 3,          /* times that a template is split */
    MEANINGS = 4,            /* that a phrase may have */
    TELLING_MAX = 8,         /* words that tell candidates apart */
    SEGMENTS_MAX = 2,        /* segments of several words that are compared as a whole */
    RIVALS_MAX = 64,         /* candidates of one class among which such words are looked for */
    OPS_MAX = 12,            /* of one bundle */
    WAYS_MAX = 8,            /* axes of kernels that are looked at for how they lie */
    PARTS_MAX = 8,           /* tensors that lie side by side in a fused one */
    ROUNDS = 4               /* in which found pairs teach words and context */
};

/* A member of a unit says what it is: weight, bias … The number is that of the lexicon's set of
 * roles plus one; or, beyond them, of the word itself. */
enum { ROLE_SELF = 0, ROLE_MAIN = 1 };

/* A word of a name, several that the lexicon knows as one phrase, or a number. */
typedef struct Token {
    uint64_t word;           /* hash of how it is written, in lower case */
    uint32_t meaning[MEANINGS];      /* sets of the lexicon it is in; NONE */
    uint32_t module, layer;  /* what else the phrase says, as two meanings: attention and norm of
                                input_layernorm, which is attention_norm as well; NONE */
    bool is_number;
    uint8_t slot;            /* of a number: which of its name */
    uint8_t length;          /* of what is written; 0: too long to be compared letter by letter */
    const char *text;        /* in its name */
} Token;

typedef struct Coarse {
    uint64_t hash;
    uint8_t slot_count;
    uint8_t glued;           /* bit a slot: the number is glued to a word, norm1 */
    uint8_t few;             /* bit a slot: it takes at most four values */
    uint64_t before[SLOTS_MAX];      /* the word that a slot's number stands behind */
    uint64_t axis[SLOTS_MAX];        /* hash of all that a slot's number stands behind, the numbers
                                        out: names that have it in common count the same blocks */
    int64_t low[SLOTS_MAX], high[SLOTS_MAX];     /* how far all names of its axis count */
    bool numbered;           /* it ends in a number: features.12, layer_with_weights-3 */
} Coarse;

/* What the pair of a unit rests on whose row has no partner. */
typedef enum Rest {
    REST_NONE,
    REST_PLACE,              /* what stands around it */
    REST_SHAPE               /* that no other has its shape */
} Rest;

typedef struct Unit {
    uint64_t path;           /* hash of its name without the role */
    uint64_t up[UP_MAX];     /* hashes of the paths above */
    uint64_t block;          /* hash of its path as far as the first number that is a segment of
                                its own, or else the first: wav2vec2.layers.3 */
    uint32_t coarse;
    uint32_t first, count;   /* members, in side->members; the main one first */
    uint32_t position;       /* of its first tensor in the file */
    uint32_t numbers;        /* where its slot_count numbers begin in side->numbers */
    uint32_t template;
    uint32_t mate;           /* on the other side; NONE */
    bool fixed;              /* known before: it is in no other pair than this */
    bool doubted;            /* its name may mean another layer on the other side */
    uint8_t rest;            /* Rest: what its pair rests on, when it is no name */
    uint64_t shape;          /* of the main member, with the axes sorted and without ones; and its
                                width, where that is known */
    uint32_t beside;         /* of a target: unit of the source that its main member came from */
    float beside_margin;     /* and how sure that is */
    float margin;            /* of the pair */
} Unit;

/* The place of a template among siblings, those of its class that differ from it in one literal
 * number alone: mlp.0 among mlp.0 and mlp.3. */
typedef struct Rank {
    uint32_t place, count;
    uint8_t slot;            /* of that number */
} Rank;

typedef struct Template {
    uint32_t first, count;   /* units, in side->order */
    uint32_t coarse;
    uint8_t literal;         /* bit a slot: its number is part of the template */
    uint8_t rank;            /* of the main members */
    bool dead;               /* was split, or is part of a group: no candidate */
    bool piece;              /* of one that was split */
    bool in_group;           /* part of one */
    bool known;              /* units of it are fixed; once templates are matched */
    uint32_t group;          /* it stands for the parts of a group: 1 + its index; 0 = none */
    const Token *tokens;     /* [token_count] of its name, literal numbers among them */
    uint8_t token_count;
    uint8_t word_count;      /* of them, without how its role is spelled: kernel */
    uint64_t up[UP_MAX + 1]; /* hashes of the paths above it; 0: none. The last is that of its stem:
                                its own path, or that of the layer it is named after: conv1 of
                                conv1_bn */
    uint64_t segments[SEGMENTS_MAX];     /* hashes of its last segments of several words, without
                                numbers: cross_attn_token_to_image; 0: none */
    uint64_t sequence;       /* hash of its count and shapes: its class */
    uint64_t mirrored;       /* the same of the row whose outer numbers go down */
    uint32_t class;
    uint32_t mate;           /* template of the other side; NONE */
    float margin;
    uint32_t position;       /* rank among the templates in the order of the file */
    Rank ranks[RANKS_MAX];   /* [rank_count] its places among siblings, the last number first */
    uint8_t rank_count;
    Rank letters;            /* its place among those that differ from it in one letter alone, as
                                a, b and c do; count 0: there are none */
    uint32_t lead;           /* of a source: where most of it is walked to; NONE */
    uint32_t abreast;        /* of a source: what stands in its place in a row of one shape; NONE */
    float led;               /* how much of it, 0 … 1; of a target: at most */
    uint32_t kin;            /* those of its class that differ in numbers at all, and itself */
    uint32_t place, alike;   /* of it among those of its class that have as many members, in the
                                order of the file; how many these are */
} Template;

/* A tensor whose heads (or experts) have an axis of their own, seen as the matrix that the other
 * side has: 768×12×64 as 768×768. Axes are put in another order, then two neighbours are joined. */
typedef struct View {
    uint8_t rank;
    bool moves;              /* `order` is another order */
    uint8_t order[VIEW_RANK];
    uint8_t joined;          /* the first of the two, in the new order */
    int64_t dims[VIEW_RANK]; /* [rank] as the file has them */
    int64_t seen[VIEW_RANK]; /* [rank − 1] */
} View;

/* Templates that lie side by side, or one upon the other, in a single one of the other side. */
typedef struct Group {
    uint32_t parts[PARTS_MAX];   /* [count] templates of one side, in the order in which they lie */
    uint8_t count;
    uint8_t side;            /* of the parts */
    int64_t stacked;         /* so many units of each part become one; 0 = they are not stacked */
    uint32_t answer;         /* 1 + the answer that says so; 0 = none */
    int64_t turns;           /* with an answer: in how many turns they lie */
    uint32_t fused;          /* template of the other side */
    uint32_t virtual;        /* template that stands for the parts among the others */
} Group;

typedef struct Side {
    const AutoSide *given;   /* tensors as they are seen */
    const View **views;      /* [tensors] NULL: as it lies; NULL: there is no view at all */
    Arena *arena;            /* working memory, freed when all is done */
    bool is_source;
    bool ordered;            /* the order of the file is evidence */
    bool shapeless;          /* its shapes are not known */
    size_t wrapped;          /* names that a wrapper stood before */
    bool *bound;             /* [tensors] others have bound it: in no bundle */
    bool *taken;             /* [tensors] they are in a bundle */
    uint32_t *unit_of;       /* [tensors] */
    uint16_t *role_of;       /* [tensors] */
    Coarse *coarse;          /* owned, like the units, the numbers and the templates */
    uint32_t coarse_count;
    Unit *units;
    uint32_t unit_count;
    uint32_t *members;       /* [tensors] those of each unit in a row */
    int64_t *numbers;
    Template *templates;
    size_t template_count, template_room;
    uint32_t *order;         /* [units] the units of each template, by their numbers */
    Table paths;             /* hash of a path -> its unit */
    Table word_counts;       /* word -> in how many templates it stands */
} Side;

/* A unit whose name says nothing, with all those among which its partner is. */
typedef struct InDoubt {
    uint32_t question;       /* the same number for all of them */
    uint32_t unit;
    uint8_t side;
} InDoubt;

typedef struct Drift Drift;

/* How kernels of the target lie to those of the source. */
typedef enum Way { WAY_OPEN, WAY_STRAIGHT, WAY_TURNED } Way;

/* One alignment in the making. */
typedef struct Auto {
    Arena *arena, *out;      /* working memory; where the result goes */
    const AutoOptions *options;
    Side side[2];            /* source, target */
    struct Words *words;
    struct Learned *learned;
    Table parts[2];          /* words that are parts of a whole, q of qkv, on a side */
    Table endings[2];        /* words that names end in on a side */
    struct Layouts *layouts;
    Way ways[WAYS_MAX];      /* by the axes of a kernel: how most of them lie (auto_way.c) */
    Group *groups;           /* [group_count] owned */
    size_t group_count, group_room;
    uint32_t class_count;
    uint32_t *walked;        /* [units of the source] where walking leads; NONE */
    uint32_t *abreast;       /* [units of the source] its counterpart among several of one shape */
    bool *agreed;            /* [units of the source] its two neighbours are led along */
    bool in_step;            /* most of what both files have as often stands in one order in both */
    struct Drift *drift;     /* by how much numbers differ (auto_check.c) */
    InDoubt *renamed;        /* [renamed_count] owned, growing (auto_known.c) */
    size_t renamed_count, renamed_room;
    Table moved;             /* rows of blocks that do not hold (auto_blocks.c) */
    bool *withheld;          /* [tensors of the target] their own names must not bind either */
    size_t withheld_count;
    AutoTie *asked;          /* [asked_count] questions about them */
    size_t asked_count;
    AutoTie *unsettled;      /* [unsettled_count] owned, growing: how parts lie in one tensor */
    size_t unsettled_count, unsettled_room;
    size_t turned, open;     /* kernels that are transposed; that may be or not */
    bool stopped;            /* the user asked for it */
} Auto;

/* Asks whether to go on. */
static inline void auto_pause(Auto *a)
{
    const AutoOptions *options = a->options;
    if (!a->stopped && options->cancelled) a->stopped = options->cancelled(options->context);
}

static inline const AutoTensor *main_tensor(const Side *side, const Unit *unit)
{
    return &side->given->tensors[side->members[unit->first]];
}

/* ---- auto_words.c: what the lexicon says ---- */
typedef struct Words Words;
Words *words_new(Arena *arena, const Lexicon *lexicon, bool no_lexicon);
/* Which numbers of a name are words, and where they begin to count. */
typedef struct Numbering {
    uint8_t literal;         /* bit a slot, as name_number sees them: the number is a word */
    const int64_t *low, *high;       /* [slots] how far they count there; NULL: not known */
} Numbering;
/* Cuts a name into tokens, the last `room` of them. Numbers that are no words are places where a
 * phrase ends, and no tokens. */
size_t words_cut(const Words *words, const char *text, size_t n, Numbering numbering, Token *out,
                 size_t room);
/* The token of a phrase by itself; false: it has none. */
static inline bool words_token(const Words *words, const char *phrase, Token *out)
{
    return words_cut(words, phrase, strlen(phrase), (Numbering){.literal = 0xFF}, out, 1) == 1;
}
/* Where the path of a name begins and ends, and what role the rest says. */
typedef struct NameParts {
    const char *path, *role_text;
    size_t path_length, role_length;
    uint16_t role;
    bool wrapped;            /* a wrapper stood before it */
    bool plain;              /* the role is spelled as the lexicon's first phrase for it */
} NameParts;
NameParts words_parts(const Words *words, const char *name);
/* Before that, all names are seen for what their last letters say. */
void words_see_letter(Words *words, const char *name);
/* The meanings that a fused phrase is made of, in order: "qkv" is q, k, v. Found by the first
 * phrase of its set. Returns how many, 0 = it is none. */
size_t words_parts_of(const Words *words, const Token *token, Token *out, size_t room);
/* What the lexicon knows of a fused tensor by the end of its path: the lines with the longest
 * phrase. Returns how many. */
size_t words_fused(const Words *words, const char *path, size_t n, const LexiconFused **out,
                   size_t room);
/* The number that begins at `at`, as templates count them: its digits, 0 when it is text. */
size_t name_number(const char *at, const char *end, int64_t *value);
static inline bool is_separator(char c)
{
    return c == '.' || c == '/';
}

/* ---- auto_units.c ---- */
/* Matrices whose shape no other unit of the side has: 1 + the unit; 0 where several have it. */
Table units_alone(const Auto *a, const Side *side);
uint64_t path_hash(const char *path, size_t n);
/* What stands in `up` where a path has nothing above it. */
uint64_t path_root(void);
void side_read(Auto *a, Side *side, const AutoSide *given);
void side_done(Side *side);
/* With templates: whether the order of the file is evidence. */
void side_see_order(Auto *a, Side *side);

/* Ops of a bundle in the making. */
typedef struct OpList {
    Op items[OPS_MAX];       /* [count] */
    size_t count;
} OpList;

/* ---- auto_view.c ---- */
/* When both sides are read: sees tensors as matrices where the other side has these. */
void views_find(Auto *a);
/* Ops that make of tensors what is seen of them, and back. False: they have no ops in common. */
bool view_enter(Auto *a, int side, const uint32_t *tensors, size_t n, OpList *ops);
bool view_leave(Auto *a, int side, const uint32_t *tensors, size_t n, OpList *ops);

/* ---- auto_known.c ---- */
/* Anchors and equal names: units that have their mates before anything is weighed. */
void known_take(Auto *a);

/* ---- auto_shape.c ---- */
/* Without order of axes and ones. */
uint64_t shape_canonical(const AutoTensor *tensor);
bool shape_same(const AutoTensor *a, const AutoTensor *b);
/* Where all kernels of a shape have a bias, on both sides, its size becomes part of the shape: up
 * and down of a feed-forward are two, however kernels lie. When both sides are read. */
void shapes_tell_width(Auto *a);
/* How many units of each shape either side has. */
void shapes_count(const Auto *a, Arena *arena, Table counts[2]);
/* The axis of the last two that stands where `axis` does in a matrix, or a row of them, turned. */
unsigned shape_turned(unsigned rank, unsigned axis);
/* The axis along which parts, as they are or turned, make a whole; −1: none. sizes [n] receives
 * theirs along it. A whole of a stack has one axis more, in front, which is left out. */
int shape_joins(const int64_t *whole, unsigned rank, const AutoTensor *const *parts, size_t n,
                bool turned, int64_t *sizes);
/* Sizes without ones. */
unsigned shape_dense(const AutoTensor *tensor, int64_t out[8]);
/* Whether what a unit is of has two axes or more that are not 1. */
bool unit_is_matrix(const Side *side, const Unit *unit);

/* ---- auto_template.c ---- */
void templates_make(Auto *a, Side *side);
void template_hash(const Auto *a, Side *side, Template *template);
/* Its units with the outer numbers going down, the inner ones up: out [count]. */
void template_mirror(const Side *side, const Template *template, uint32_t *out);
void classes_make(Auto *a);
Template *template_add(Side *side, uint32_t first, uint32_t count, uint8_t literal);

/* ---- auto_count.c ---- */
typedef struct Counting {
    uint64_t hash;           /* of how far the numbers reach, slot by slot */
    int64_t low[SLOTS_MAX];  /* [count] the smallest */
    uint8_t slot[SLOTS_MAX]; /* [count] slots that are free and take several values */
    uint8_t count;
} Counting;
Counting counting_of(const Side *side, const Template *t);
/* A unit's numbers, each less what is in `low`. */
uint64_t counting_key(const Counting *counting, const Side *side, const Unit *unit);
/* Of where the numbers begin, slot by slot. */
uint64_t counting_base(const Counting *counting);
/* Whether the k-th unit of one row has the number of the k-th of the other, throughout. */
bool counting_same(const Side *x, const Template *s, const Counting *p, const Side *y,
                   const Template *t, const Counting *q);

/* ---- auto_rows.c ---- */
/* Pairs the units of paired templates. */
void match_units(Auto *a);

/* ---- auto_groups.c ---- */
/* Finds what is split, joined, stacked or taken apart, and lets a template stand for the parts. */
void groups_find(Auto *a);

/* Whether parts fit their whole and its blocks; a group that does then stands for the parts. */
bool group_fits(const Auto *a, const Group *group);
bool group_try(Auto *a, Group *group);
/* One whole of a row and its parts. In a stack, a whole has one axis more, in front. */
bool group_joins(const AutoTensor *whole, const AutoTensor *const *parts, const Group *group);
/* Whether the last free number of a row counts what is stacked, whole runs of `stacked` units. */
bool group_counts(const Side *side, const Template *t, int64_t stacked);

/* ---- auto_holes.c ---- */
/* Whether most of a row has its parts in rows of another length, and they fit it. */
bool group_has_holes(const Auto *a, const Group *group);
/* Then: makes rows of the same length of them. */
void group_carve(Auto *a, Group *group);

/* ---- auto_stacks.c ---- */
/* Groups of rows that are single tensors on the other side, by their shapes. */
void stacks_find(Auto *a);

/* ---- auto_glue.c: how parts lie in one tensor ---- */
/* One side of an answer: "A+B+C", or "16*(A+B+C)". */
typedef struct Sum {
    int64_t turns;
    size_t count;
    const char *parts[PARTS_MAX];        /* [count] in the arena */
} Sum;
/* False when the text is no sum. */
bool sum_read(Arena *arena, const char *text, Sum *out);
/* Groups that answers say. */
void glue_hear(Auto *a);
/* What the lexicon knows of a whole. Returns how many lines. */
size_t glue_known(const Auto *a, const Side *side, const Template *whole, const LexiconFused **out,
                  size_t room);
/* In how many turns the parts of a group lie along an axis, and puts these in order: sizes are
 * theirs along it, `last` says whether it is the last one. 0: nothing says it. */
int64_t glue_turns(Auto *a, Group *group, const int64_t *sizes, bool last);
void glue_ask(Auto *a, const Group *group, const int64_t *sizes);
/* What no name says: a whole, and what adds up to it. When all is matched. */
void glue_propose(Auto *a);

/* ---- auto_walk.c ---- */
/* Walks both files side by side, as far as their order says anything: `lead` and `led`. */
void walk_sides(Auto *a);
/* Pairs units whose rows have no partner: those that walking leads to each other, and those whose
 * shape no other has. */
void walk_units(Auto *a);

/* ---- auto_tokens.c ---- */
/* The words of a template and the paths above it, as it is now. */
void template_words(Auto *a, Side *side, Template *t);

/* ---- auto_score.c ---- */
typedef struct Learned Learned;
void score_start(Auto *a);
uint64_t token_key(const Token *token);
bool token_same(const Token *a, const Token *b);
/* Whether one word is another cut short: offset and offsets, attn and attention. */
bool words_alike(const Token *a, const Token *b);
/* The last word of its name that is no number and no role; NULL. */
const Token *template_last_word(const Template *t);
void score_learn(Auto *a);           /* from what is paired */
/* How alike the names of two templates sound, about −0.5 … 1. */
double score_names(const Auto *a, const Template *s, const Template *t, double weight);
/* Whether both names say something that the other contradicts: query and key. */
bool score_conflicts(const Auto *a, const Template *s, const Template *t);
/* How much the words of a name weigh: two names that are weighed against others are measured by
 * the mean of all, or a short name would look more alike than a long one. */
double score_weight(const Auto *a, int side, const Template *t);
/* What the candidates of one class have in common. */
typedef struct Scale {
    double unique;           /* 0 … 1: how much it says that the shapes are the same */
    double order;            /* 0 … 1: how much the order says; little where one side has more */
    double weight;           /* of the names, on average */
    bool even;               /* as many on either side, and all of one shape */
    const Token *telling[TELLING_MAX];   /* words that tell them apart: some have them, as many on
                                            either side, and others do not */
    size_t telling_count;
    uint64_t segments[TELLING_MAX];      /* segments that do; words alone may be the same there */
    size_t segment_count;
    Way way;                 /* how the target's kernels lie, where that can be seen */
} Scale;
bool template_has_segment(const Template *t, uint64_t segment);
/* Whether a name has the word, or one that means the same; and whether it stands there by itself,
 * and does not run into another: enc of enc.blk, not of EncDecAttention. */
bool template_has(const Template *t, const Token *word);
bool template_tells(const Template *t, const Token *word);
bool token_stands_alone(const Token *token);
/* What it takes from a pair that words or segments which tell the candidates apart stand in one of
 * its names only. */
double score_told(const Template *s, const Template *t, const Scale *scale);
/* All evidence. */
double score_templates(const Auto *a, const Template *s, const Template *t, const Scale *scale);

/* ---- auto_assign.c ---- */
/* The best one-to-one assignment of rows to columns, where leaving out counts 0, and the least
 * loss without each of its pairs. scores [rows × columns]; mate [rows] receives the column or
 * NONE, margin [rows]. */
void assign_best(const double *scores, size_t rows, size_t columns, uint32_t *mate,
                 double *margin);

/* ---- auto_match.c ---- */
/* Pairs templates of the same class, in rounds. What is sure enough to be likely has a mate. */
void match_templates(Auto *a);

/* Templates of each class in a row: [first[class] … first[class + 1]). */
typedef struct ClassList {
    uint32_t *first, *templates;
} ClassList;
ClassList classes_list(Auto *a, const Side *side);

/* ---- auto_way.c ---- */
/* How most kernels lie, once there are classes: `ways`. */
void ways_count(Auto *a, const ClassList *source, const ClassList *target);
Way way_of_class(const Auto *a, const uint32_t *s, size_t rows, const uint32_t *t, size_t columns);
/* Whether two kernels lie otherwise than that. */
bool way_differs(const Auto *a, const Template *s, const Template *t, Way way);

/* Scores of templates of one class, row by row; returns the highest. */
double match_scores(Auto *a, const uint32_t *s, size_t rows, const uint32_t *t, size_t columns,
                    double *scores);

/* ---- auto_ties.c ---- */
/* What the answers say of a pair: 1 = it is one, −1 = it is none, 0 = nothing. */
int answer_of(const Auto *a, const Template *s, const Template *t);
/* Whether a name holds a text as whole words; dots and slashes are the same. */
bool name_holds(const char *name, const char *text);
void ties_collect(Auto *a, AutoResult *result);
/* A template as people read it, and its last segments, no more than tell it from others. */
const char *question_text(Auto *a, const Side *side, const Template *t);
const char *question_tell(Auto *a, const Side *side, const uint32_t *list, size_t n, size_t i);
/* Target keys that an answer about these templates settles. */
void question_keys(Auto *a, const uint32_t *t, size_t n, AutoTie *tie);
/* Whether its name, in the first and the last of its row, holds a text. */
bool template_holds(const Side *side, const Template *t, const char *text);

/* ---- auto_notes.c ---- */
bool notes_another_size(const Auto *a);
void notes_collect(Auto *a, AutoResult *result);

/* ---- auto_check.c ---- */
/* Takes pairs of units back that belong elsewhere than the rest of their row. */
void check_rows(Auto *a);
/* Takes back what stands under another number than nearly all that is numbered alike. */
void check_numbers(Auto *a);
/* Takes back pairs of stages whose direction only their numbers say. */
void check_stages(Auto *a);
/* Takes back the only pair of two layers that have others, all without partner. */
void check_heads(Auto *a);
/* Whether two units would drift. */
bool drifts(const Auto *a, uint32_t source, uint32_t target);
void drift_done(Auto *a);

/* ---- auto_beside.c ---- */
/* Takes back vectors that do not go where the kernels beside them go. */
void check_beside(Auto *a);
/* Gives each other a norm and the norm of its layer's mate. */
void check_couples(Auto *a);

/* ---- auto_cross.c ---- */
/* Turns round pairs within a block whose numbers go up on one side and down on the other. */
void check_crossed(Auto *a);
/* Two vectors, norm1 and norm2, each right behind a kernel on both sides, the one behind the mate
 * of the other's: they change places, and are asked about, since their names say otherwise. */
void check_behind(Auto *a);

/* ---- auto_confirm.c ---- */
/* Gives the margin of a sure pair to those that nothing else could be. */
void confirm_units(Auto *a);

/* ---- auto_blocks.c ---- */
/* Takes back the pairs of rows whose blocks are others than their numbers say. */
void check_blocks(Auto *a);
/* Whether two units stand in such rows. */
bool blocks_moved(const Auto *a, uint32_t source, uint32_t target);

/* ---- auto_layout.c ---- */
typedef struct Layouts Layouts;
struct TensorPair;
typedef enum Turn {
    TURN_NONE,               /* as it is */
    TURN_RESHAPE,            /* only ones differ */
    TURN_T, TURN_PERMUTE,    /* another order of axes */
    TURN_OPEN,               /* square, and nothing says which way */
    TURN_NEVER               /* the shapes do not fit */
} Turn;
/* Ops that bring a tensor of the source into the target's shape, as far as that is known. */
typedef struct Fitting {
    Turn turn;
    const int64_t *permute;  /* PERMUTE: [rank] */
} Fitting;
/* A kernel of the source that fits one way round alone; its rank without the axis of a stack. */
void auto_layout_count(Auto *a, uint32_t source, unsigned rank, bool turned);
/* Whether two tensors have their role in the same letters: kernel and kernel, not weight. */
bool same_role_text(const Auto *a, uint32_t source, uint32_t target);
/* Decides for each pair of tensors. */
void auto_layout_decide(Auto *a, struct TensorPair *pairs, size_t count);
void auto_layout_done(Auto *a);
/* After that: what a square tensor of the source follows on its way to the target, its rank
 * without the axis of a stack. NONE, T or OPEN. */
Turn auto_layout_follow(const Auto *a, uint32_t source, uint32_t target, unsigned rank);

/* ---- auto_result.c ---- */
typedef struct TensorPair {
    uint32_t source, target;
    float margin;
    uint8_t rest;            /* Rest of the target's unit */
    Fitting fitting;
} TensorPair;
/* The sides are done with then. */
AutoResult *result_make(Auto *a);

/* ---- auto_fused.c ---- */
/* A bundle of several tensors. */
typedef struct Collected {
    Bundle bundle;
    float margin;
    uint32_t first;          /* index of its first target: bundles are given in their order */
} Collected;
typedef struct Collection {
    Collected *items;        /* [count] owned, growing */
    size_t count, room;
    TensorPair *pairs;       /* [pair_count] owned, growing: one tensor that becomes another */
    size_t pair_count, pair_room;
} Collection;
void collection_add(Collection *all, const Bundle *bundle, float margin, uint32_t first);
void collection_add_pair(Collection *all, const TensorPair *pair);
/* Bundles of the groups that found their partner. */
void fused_collect(Auto *a, Collection *all);
/* What groups show of how kernels lie, before it is decided of pairs. */
void fused_tally(Auto *a);

/* ---- auto_stray.c ---- */
/* Vectors that follow a kernel of another name; when all else is collected. */
void strays_collect(Auto *a, Collection *all);

#endif
