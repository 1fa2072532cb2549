/* Presets: what other systems do to a checkpoint when they load it, as Lua files of
 * scripting/presets. preset.c runs them; preset_api.c is what they are given beside
 * the language. */
#ifndef SCRIPTING_PRESET_H
#define SCRIPTING_PRESET_H

#include "scripting/script_state.h"

/* Pushes the table of functions for a preset of that name; a dry one only says what its system
 * would have said, and changes nothing. */
void preset_push_api(lua_State *L, const char *name, bool dry);

/* preset_lookup.c: adds the functions that look things up to the table at the top. */
void preset_push_lookups(lua_State *L);
/* A list of held names. */
void preset_push_list(lua_State *L, const char *const *list, size_t n);
/* How much room to make for that many elements, where a table can have them. */
int preset_table_size(size_t count);

#endif
