/* artifact.h - a file that a run left to be kept: the row, as the store keeps it. Its bytes lie in a pack (store/pack.h). */
#ifndef WRATA_MODEL_ARTIFACT_H
#define WRATA_MODEL_ARTIFACT_H

#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "model/ids.h"

#define ARTIFACTS_OF_RUN_MAX 100000u /* whatever the settings say */
#define ARTIFACT_PACK_BYTES 64u      /* of a pack's name, its NUL included */
#define ARTIFACT_PATH_BYTES 1025u    /* of a path, its NUL included */

/* The folder of a run's artifacts among those of its launch, in a zip and on disk: "345-a_spec.rb", of the path of its test. */
#define ARTIFACT_FOLDER_BYTES 160u
void artifact_folder(struct run_id run, const char *path, char *out, size_t size);

struct artifact_row {
    uint64_t id; /* 0: not stored yet */
    struct run_id run;
    struct launch_id launch;
    const char *path; /* as seen from the work tree; what wire/agent_artifacts.h lets through */
    uint64_t bytes;
    int64_t mtime_ms;
    uint64_t offset; /* where it begins in the pack of its run */
    uint32_t crc;    /* CRC-32 of the bytes, as zip wants it */
    int64_t example; /* the seq of the example it belongs to; -1 none */
    const char *pack;
};

/* The pack of a run. */
struct artifact_pack_row {
    struct run_id run;
    struct launch_id launch;
    const char *name;
    struct wall created_at;
    uint32_t files; /* that are still there */
    uint64_t bytes; /* of them */
};

#endif
