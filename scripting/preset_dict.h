/* PresetDict: a dict as Python sees it, its names in their order, kept outside of Lua: there may be
 * a million of them, and most are only passed on. To Lua a dict is a userdata, whose methods are
 * preset_dict.c's (one entry) and preset_bulk.c's (all of them at once), and an entry a handle. */
#ifndef SCRIPTING_PRESET_DICT_H
#define SCRIPTING_PRESET_DICT_H

#include "loader/align/load.h"
#include "scripting/script_state.h"

/* One entry. Dicts share them: what a preset changes in one, it changes in all. */
typedef struct PresetEntry {
    const char *name;            /* held, like all texts here; in the dict that took it last */
    const char *from;            /* the name that suffixes() matched; NULL: none */
    const char *class, *key_class;   /* what Python calls the value's type, and the key's; NULL: a
                                        tensor, a text. Of an array of NumPy's, which is no tensor
                                        to most systems, the rest shows when `class` is gone */
    const int64_t *dims;         /* [rank]; NULL: not known */
    unsigned rank;
    DType dtype;                 /* DT_UNKNOWN: not known */
    size_t key;                  /* of the draft, counted from 1; 0: none */
    int64_t storage;             /* of a target's tensor; -1: none */
    const Expr *value;           /* what the preset made of the key's value; NULL: nothing */
    const char *ops;             /* by what; NULL */
} PresetEntry;

typedef struct PresetDict {
    PresetEntry **list;          /* [count] owned; entries lie in the draft's arena */
    size_t count, room;
    NameMap index;               /* name → place in the list, once somebody has asked */
    bool indexed;
} PresetDict;

/* Pushes an empty one, which stays valid as long as Lua does or it is reachable there. */
PresetDict *preset_dict_push(lua_State *L);
/* The dict at `index`; raises when it is none. */
PresetDict *preset_dict_check(lua_State *L, int index);
void preset_entry_push(lua_State *L, PresetEntry *entry);

/* A copy of an entry, in the draft's arena. */
PresetEntry *preset_entry_copy(lua_State *L, const PresetEntry *entry);

/* Behind the others; the name must not be there. */
void preset_dict_add(PresetDict *dict, PresetEntry *entry);
/* As Python does: in the place of the one that has the name, which is returned, else behind the
 * others. Gives the entry that name. */
PresetEntry *preset_dict_set(PresetDict *dict, const char *name, PresetEntry *entry);
PresetEntry *preset_dict_find(PresetDict *dict, const char *name);   /* NULL: none */
uint32_t preset_dict_place(PresetDict *dict, const char *name);      /* MAP_NONE: none */
const NameMap *preset_dict_names(PresetDict *dict);                  /* name → place */
/* Whether the entry is a tensor. */
bool preset_entry_is_tensor(const PresetEntry *entry);
/* Equal, as far as both are known. */
bool preset_entry_same_shape(const PresetEntry *a, const PresetEntry *b);

/* A name as the draft holds it, from a Lua string; one to look up lives as long as the string. */
const char *preset_hold(lua_State *L, int index);
const char *preset_look(lua_State *L, int index);

/* Adds dict(), copy() and tensor() to the table at the top. */
void preset_push_dicts(lua_State *L);
/* Adds the methods that are about all entries of a dict. */
void preset_push_bulk(lua_State *L);

#endif
