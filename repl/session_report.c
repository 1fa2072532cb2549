#include "repl/session_report.h"

void session_report(const Session *session, ReportOptions *options)
{
    Checkpoint *target = session_target_checkpoint(session);
    *options = (ReportOptions){.source_path = session_source_path(session),
                               .target_path = session_target_path(session),
                               .target_format = target ? checkpoint_format(target) : NULL,
                               .target_container = session_target_container(session)};
    options->rule_count = session_rule_files(session, &options->rule_files);
}
