/* doctor_private.h - what the files of `wrata doctor` share: what was found so far.
 *
 *   cmd_doctor.c    the command; folder, TLS, server, database, machines, programs, clock
 *   doctor_outer.c  accounts, and the token of the cloud */
#ifndef WRATA_CLI_DOCTOR_PRIVATE_H
#define WRATA_CLI_DOCTOR_PRIVATE_H

#include <limits.h>

#include "cli/cli_private.h"

#define FINDINGS_MAX 1024

enum level { LEVEL_OK, LEVEL_WARN, LEVEL_WRONG };

struct finding {
    const char *check; /* static */
    enum level level;
    char text[300];
    char mend[PATH_MAX + 200]; /* the command; "": none is needed, or none is known */
};

struct doctor {
    struct cli *cli;
    struct finding *all;
    size_t n;
    bool has_data;   /* the folder is there and can be entered */
    bool is_served;  /* a server answered */
    bool has_local;  /* something runs on this machine, or nothing is known yet */
    bool has_looked; /* into the database */
    bool has_admin;  /* in the database: somebody with a password */
    unsigned n_servers;
};

struct finding *doctor_find(struct doctor *d, const char *check, enum level level, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
void doctor_mend(struct finding *f, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* After the server and the database were looked at. */
void doctor_check_outer(struct doctor *d);

#endif
