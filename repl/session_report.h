/* What reports say of a session's files. */
#ifndef REPL_SESSION_REPORT_H
#define REPL_SESSION_REPORT_H

#include "loader/align/report.h"
#include "repl/session.h"

/* The report as it is before anything was written. Everything is borrowed from the session. */
void session_report(const Session *session, ReportOptions *options);

#endif
