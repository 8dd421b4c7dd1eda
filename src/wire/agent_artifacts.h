/* agent_artifacts.h - the files that a run leaves to be kept, as they go over a channel of kind `artifacts`.
 *
 *     file SIZE MTIME_MS PATH_BYTES\n  path  SIZE bytes        for each file, in ascending order of the paths' bytes
 *     end SKIPPED\n
 *
 * No I/O, no clock, no memory but the struct. Shared by `wrata` and `wrata-agent`. */
#ifndef WRATA_WIRE_AGENT_ARTIFACTS_H
#define WRATA_WIRE_AGENT_ARTIFACTS_H

#include "base/buf.h"
#include "base/err.h"
#include "wire/agent_setup.h"

#define ARTIFACT_LINE_BYTES 64u
#define ARTIFACT_MTIME_MAX INT64_C(253402300799999) /* the end of the year 9999 */

/* May a file of this name be kept? Relative, of 1 to ARTIFACT_NAME_BYTES_MAX bytes of UTF-8, no empty part, no `.` or `..`,
 * nothing that controls a terminal. ERR_INVALID says what is wrong, without the name. */
MUST_USE enum err artifact_path_check(struct slice path, struct why *reterr);

/* What the reader found next. */
enum artifact_step {
    ARTIFACT_MORE,  /* nothing: all is read, and more is to come */
    ARTIFACT_FILE,  /* a file begins: path, size, mtime_ms */
    ARTIFACT_BYTES, /* of it: bytes, borrowed from what was read */
    ARTIFACT_END,   /* that was all; skipped. What comes after it is a fault */
    ARTIFACT_BAD, /* why: ERR_PROTO it is no such stream, ERR_LIMIT it is more than may be kept. It stays so */
};

struct artifact_limits {
    uint64_t file_bytes; /* of one file */
    uint64_t run_bytes;  /* of all */
    uint32_t files;
};

struct artifact_reader {
    struct artifact_limits limits;
    enum { ARTIFACT_AT_LINE, ARTIFACT_AT_PATH, ARTIFACT_AT_BYTES, ARTIFACT_AT_END, ARTIFACT_AT_FAULT } at;
    char path[ARTIFACT_NAME_BYTES_MAX + 1];
    uint32_t path_len;
    uint64_t size;
    int64_t mtime_ms; /* 0 to ARTIFACT_MTIME_MAX */
    struct slice bytes;
    uint32_t skipped;
    struct why why;
    uint32_t n_files; /* begun so far */
    uint64_t n_bytes; /* their sizes */
    /* the reader's own */
    char line[ARTIFACT_LINE_BYTES];
    uint32_t line_len;
    uint64_t left; /* of the path or of the file's bytes */
    char before[ARTIFACT_NAME_BYTES_MAX + 1];
};

void artifact_reader_init(struct artifact_reader *r, const struct artifact_limits *limits);
/* Take the next step from the begin of *in, which moves on. Call again until ARTIFACT_MORE, ARTIFACT_BAD, or ARTIFACT_END with
 * nothing left. */
enum artifact_step artifact_read(struct artifact_reader *r, struct slice *in);

#endif
