/* The header of a .safetensors file, put together; safetensors_writer.c has the layout. */
#ifndef LOADER_EXPORT_SAFETENSORS_HEADER_H
#define LOADER_EXPORT_SAFETENSORS_HEADER_H

#include "loader/export/plan.h"

enum { SAFETENSORS_LENGTH = 8 };     /* bytes before the JSON, which say how long it is */

/* {"__metadata__":{…}: the beginning, which is never empty: the plan has at least a format. */
void safetensors_put_metadata(const Plan *plan, Text *out);
/* ,"name":{…}: an entry whose values begin at that offset. */
void safetensors_put_entry(const PlanEntry *entry, uint64_t begin, Text *out);
/* The length of the JSON text; refuses a header that nobody reads. */
bool safetensors_put_length(uint64_t length, char bytes[SAFETENSORS_LENGTH], Error *err);
/* Pads `out`, which begins with SAFETENSORS_LENGTH bytes, with blanks to `whole` bytes and sets the
 * length. */
bool safetensors_close_header(Text *out, size_t whole, Error *err);

#endif
