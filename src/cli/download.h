/* download.h - files from the server to this computer: artifacts, and what is made for it. */
#ifndef WRATA_CLI_DOWNLOAD_H
#define WRATA_CLI_DOWNLOAD_H

#include <stdio.h>

#include "cli/cli_private.h"

/* Whose artifacts: one of the two is set. */
struct download_of {
    int64_t launch;
    int64_t run;
};

/* All of them, as one document: {"items":[…],"next":null}. */
MUST_USE enum err download_list(struct cli *cli, const struct download_of *of, json_t **ret,
                                struct why *reterr);

/* Each file below dir, which is made: those of a run by their paths, those of a launch in a folder for each run, as in a zip. A
 * file has its name only when it is whole; one that is there is replaced. Names that lead out of dir, and links in it, are
 * refused. *ret_files, *ret_bytes: how many there are now. */
MUST_USE enum err download_all(struct cli *cli, const struct download_of *of, const char *dir,
                               int64_t *ret_files, int64_t *ret_bytes, struct why *reterr);

/* As one zip. */
MUST_USE enum err download_zip(struct cli *cli, const struct download_of *of, const char *file,
                               int64_t *ret_bytes, struct why *reterr);

/* What the server answers to GET path: as a file, which has its name only when it is whole, or to a stream. */
MUST_USE enum err download_file(struct cli *cli, const char *path, const char *file, int64_t *ret_bytes,
                                struct why *reterr);
MUST_USE enum err download_stream(struct cli *cli, const char *path, FILE *to, struct why *reterr);

#endif
