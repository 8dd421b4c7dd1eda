/* fuzz_artifacts.c - any bytes on a channel of artifacts, in pieces: no crash, bounds are kept, and no name leads astray. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "wire/agent_artifacts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct artifact_limits limits = {.file_bytes = 200, .run_bytes = 500, .files = 5};
    size_t piece = size > 0 ? (size_t)data[0] + 1 : 1;
    uint64_t bytes = 0;
    uint64_t promised = 0;
    bool has_ended = false;
    struct artifact_reader r;

    artifact_reader_init(&r, &limits);
    for (size_t at = 1; at < size; at += piece) {
        struct slice in = {(const char *)data + at, size - at < piece ? size - at : piece};
        enum artifact_step step;

        while ((step = artifact_read(&r, &in)) != ARTIFACT_MORE && step != ARTIFACT_BAD) {
            CHECK(!has_ended);
            if (step == ARTIFACT_FILE) {
                CHECK(bytes == promised);
                CHECK(artifact_path_check(slice_of(r.path), NULL) == ERR_OK);
                CHECK(r.path[0] != '/');
                CHECK(strncmp(r.path, "../", 3) != 0 && strstr(r.path, "/../") == NULL);
                promised += r.size;
            } else if (step == ARTIFACT_BYTES) {
                CHECK(r.bytes.len > 0);
                bytes += r.bytes.len;
            } else {
                has_ended = true;
                CHECK(bytes == promised);
            }
        }
        if (step == ARTIFACT_BAD) {
            CHECK(r.why.text[0] != '\0');
            break;
        }
        CHECK(in.len == 0);
    }
    CHECK(r.n_files <= limits.files);
    CHECK(bytes <= promised && promised <= limits.run_bytes);
    return 0;
}
