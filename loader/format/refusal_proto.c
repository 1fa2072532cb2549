/* Messages that are told by the set of fields at their top. All of it must parse, so that hardly
 * any other file passes for one. */
#include "loader/format/refusal_proto.h"

#include <stdint.h>
#include <string.h>

#include "loader/core/text.h"
#include "loader/format/fault.h"
#include "loader/format/protobuf.h"

/* Fixed: what is refused needs only to be recognized. */
enum { FIELDS_MAX = 1 << 20, NUMBER_MAX = 31 };

/* Which fields the top of a message has, as bits by number. */
typedef struct Outline {
    uint32_t numbers, bytes, others;     /* varints; lengths; everything else */
    unsigned first_bytes;                /* how many fields 1 with bytes */
    ProtoField text;                     /* the last field 2 */
} Outline;

static uint32_t bit(unsigned number)
{
    return (uint32_t)1 << number;
}

/* False for what is no message, or has fields that none of those known here has. */
static bool read_outline(ProtoReader *reader, Outline *outline)
{
    ProtoSpan span = proto_whole(reader);
    ProtoField field;
    *outline = (Outline){0};
    for (unsigned fields = 0; span.at < span.end; fields++) {
        if (fields == FIELDS_MAX || !proto_next(reader, &span, &field)) return false;
        if (field.number > NUMBER_MAX) return false;
        uint32_t *set = field.type == PROTO_VARINT  ? &outline->numbers
                        : field.type == PROTO_BYTES ? &outline->bytes
                                                    : &outline->others;
        *set |= bit(field.number);
        outline->first_bytes += proto_is(&field, 1, PROTO_BYTES);
        if (field.number == 2) outline->text = field;
    }
    return true;
}

/* Only the fields of `allowed`, and all of `needed`. */
static bool is_set(uint32_t set, uint32_t allowed, uint32_t needed)
{
    return (set & ~allowed) == 0 && (set & needed) == needed;
}

/* SolverState {iter 1, learned_net 2, history 3, current_step 4}: shows which model it is of. */
static bool explain_solver(ProtoReader *reader, const Outline *outline, const char *file,
                           Error *err)
{
    if (!is_set(outline->numbers, bit(1) | bit(4), bit(1)) ||
        !is_set(outline->bytes, bit(2) | bit(3), bit(3)) || outline->others)
        return false;
    char net[256] = "";
    Text shown = {0};
    if (outline->bytes & bit(2)) proto_word(reader, &outline->text, net, sizeof net);
    fault_quote(net, strlen(net), 120, &shown);
    fault_file(err, ERR_UNSUPPORTED, file, "the state of a Caffe solver (.solverstate), not a "
               "model; the weights are in '%s'", shown.length ? text_string(&shown)
                                                              : "its .caffemodel");
    text_done(&shown);
    return true;
}

bool refusal_explain_proto(ByteSource *source, Error *err)
{
    ProtoReader reader;
    Outline outline;
    proto_init(&reader, source, NULL);
    const char *what = NULL;
    bool explained = false;
    if (source->size && read_outline(&reader, &outline)) {
        explained = explain_solver(&reader, &outline, source->name, err);
        uint32_t sizes = bit(1) | bit(2) | bit(3) | bit(4);
        if (is_set(outline.numbers, sizes, sizes) && is_set(outline.bytes, bit(5), bit(5)))
            what = "a single Caffe blob (.binaryproto, a mean image?), not a model";
        else if (outline.numbers == bit(1) && outline.bytes == bit(2) && !outline.others)
            what = "the graph of a TensorFlow SavedModel; its weights are in variables/ beside it: "
                   "open the folder";
        else if (!outline.others && outline.first_bytes > 1 &&
                 is_set(outline.numbers, bit(3), 0) &&
                 is_set(outline.bytes, bit(1) | bit(2) | bit(4) | bit(5), bit(1) | bit(4)))
            what = "a TensorFlow graph (GraphDef); not supported: save its weights as a "
                   "checkpoint, or convert it to ONNX";
    }
    proto_done(&reader);
    if (what && !explained)
        explained = !fault_file(err, ERR_UNSUPPORTED, source->name, "%s", what);
    return explained;
}

/* A line that begins a layer of a Caffe network. */
static bool begins_layer(const char *line, const char *end)
{
    static const char *const words[] = {"layer", "layers"};
    for (size_t i = 0; i < countof(words); i++) {
        size_t n = strlen(words[i]);
        if ((size_t)(end - line) <= n || memcmp(line, words[i], n) != 0) continue;
        const char *p = line + n;
        while (p < end && *p == ' ') p++;
        if (p < end && *p == '{') return true;
    }
    return false;
}

/* A .prototxt: lines that begin "layer {" in a text. */
bool refusal_explain_text_proto(ByteSource *source, const unsigned char *head, size_t n, Error *err)
{
    const char *text = (const char *)head, *end = text + n;
    if (memchr(text, '\0', n)) return false;
    for (const char *line = text; line < end;) {
        if (begins_layer(line, end)) {
            fault_file(err, ERR_UNSUPPORTED, source->name,
                       "the topology of a Caffe network (.prototxt), not its weights; open the "
                       ".caffemodel that belongs to it");
            return true;
        }
        const char *next = memchr(line, '\n', (size_t)(end - line));
        line = next ? next + 1 : end;
    }
    return false;
}
