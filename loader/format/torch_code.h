/* TorchCode: what the class sources of a TorchScript archive say of their attributes. They are
 * Python that PyTorch printed; three kinds of lines are looked for, nothing is parsed or run.
 *
 *   archive/code/__torch__/torch/nn/linear.py has the class __torch__.torch.nn.linear.Linear:
 *
 *   class Linear(Module):
 *     __parameters__ = ["weight", "bias", ]
 *     __buffers__ = []
 *     weight : Tensor                                                          … */
#ifndef LOADER_FORMAT_TORCH_CODE_H
#define LOADER_FORMAT_TORCH_CODE_H

#include "loader/format/torch_archive.h"

typedef enum CodeRole {
    ROLE_UNKNOWN,        /* no source, or it does not say (PyTorch before 1.4) */
    ROLE_PARAMETER,
    ROLE_BUFFER,
    ROLE_ATTRIBUTE       /* a tensor that the class keeps, but that is no part of its state dict */
} CodeRole;

typedef struct CodeClass CodeClass;

typedef struct TorchCode {
    const TorchArchive *archive;     /* borrowed */
    Arena *arena;                    /* names and classes; owned */
    NameMap index;                   /* "__torch__.Net" → index of classes; sources read */
    CodeClass **classes;             /* owned array */
    size_t count, room;
    size_t unknown;                  /* classes without a source */
} TorchCode;

void torch_code_init(TorchCode *code, const TorchArchive *archive);
void torch_code_done(TorchCode *code);
/* A class by its GLOBAL, reading its source at the first time; *found stays NULL when no source has
 * it. False: the source is there and cannot be read. */
bool torch_code_class(TorchCode *code, const Object *global, const CodeClass **found, Error *err);
CodeRole code_class_role(const CodeClass *class, const char *attribute);

/* Where the tensors of a module tree go. */
typedef struct ScriptLists {
    TorchFile *file;                 /* its allowance pays; borrowed */
    TorchCode *code;                 /* NULL: no classes are known; borrowed */
    StateDict *state, *attributes;   /* filled; borrowed */
} ScriptLists;

/* Lists the tensors of a node, in the order of state_dict(): of an object and the objects in it, or
 * of a sequence, names joined by '.' behind `prefix` ("" = none). `role` says what tensors are that
 * lie in no object. */
bool script_list(const ScriptLists *lists, const Object *node, const char *prefix, CodeRole role,
                 Error *err);

#endif
