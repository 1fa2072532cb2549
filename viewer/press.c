/* Names of keys, both ways. They are what the key table and the help page are written in, and
 * what test cases press. */
#include "viewer/press.h"

#include <string.h>

#define PRESS_NAME(id, name) name,
static const char *const names[] = {PRESSES(PRESS_NAME)};
#undef PRESS_NAME

bool press_is_cancel(Press press)
{
    return press.kind == PRESS_ESCAPE || (press.kind == PRESS_CTRL && press.code == 'C');
}

/* A capital letter is its own key: "G", not Shift and g. */
void press_name(Press press, Text *out)
{
    if (press.kind == PRESS_CTRL) text_addf(out, "Ctrl-%c", (char)press.code);
    else if (press.kind == PRESS_CHAR && press.code == ' ') text_add(out, "Space");
    else if (press.kind == PRESS_CHAR) utf8_add(out, press.code);
    else if (names[press.kind]) text_add(out, names[press.kind]);
}

/* Named keys come first: "Up" is a key, "U" a character. Whatever is left must be one character,
 * whole: "Upp" is no key. */
bool press_parse(const char *name, Press *press)
{
    *press = (Press){.kind = PRESS_CHAR, .code = ' '};
    if (strcmp(name, "Space") == 0) return true;
    for (size_t i = 0; i < countof(names); i++) {
        if (names[i] && strcmp(names[i], name) == 0) {
            press->kind = (PressKind)i;
            press->code = 0;
            return true;
        }
    }
    if (has_prefix(name, "Ctrl-") && name[5] >= 'A' && name[5] <= 'Z' && !name[6]) {
        *press = (Press){.kind = PRESS_CTRL, .code = (uint32_t)name[5]};
        return true;
    }
    const char *p = name, *end = name + strlen(name);
    if (p == end) return false;
    press->code = utf8_next(&p, end);
    return p == end;
}
