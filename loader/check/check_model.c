/* Whole models: torch.save(model) instead of its state dict. The tensors come out all the same, but
 * a reader of weights alone refuses the file, and any other runs what the class in it says. */
#include "loader/check/checks.h"
#include "loader/core/text.h"
#include "loader/format/graph.h"
#include "loader/format/torch.h"

void check_model(const Audit *audit)
{
    const Container *chosen = audit->parts[0].container;
    const Object *model = path_find(checkpoint_root(audit->checkpoint), chosen->path);
    if (!model || !torch_is_module(model)) return;
    Text class = {0};
    object_show(model, &class);
    check_report_add(audit->report, FINDING_NOTE, "whole-model", NULL, NULL,
                     audit_command(audit, "to keep the weights alone", ""),
                     "a model was pickled, not its state dict: %s; torch.load(weights_only=True) "
                     "refuses it", text_string(&class));
    text_done(&class);
}
