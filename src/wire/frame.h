/* frame.h - the agent link's frames: structs, encode, decode. Generated from frames.def.
 *
 * On the wire a frame is: u32 body length, u32 frame number, body; all little-endian (docs/protocol.md).
 * Decoding never trusts a length, a count or a text; what does not fit its maximum is ERR_PROTO.
 * No I/O, no clock. Shared by `wrata` and `wrata-agent`. */
#ifndef WRATA_WIRE_FRAME_H
#define WRATA_WIRE_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/mem.h"

#define WRATA_PROTOCOL 6
#define PROTOCOL_WITH_SECRETS 2 /* below it, RUN_SPEC.secrets would be passed over in silence */
#define PROTOCOL_WITH_SETUP 3   /* below it, RUN_SPEC.setup would be */
#define PROTOCOL_WITH_SUBMODULES 4
#define PROTOCOL_WITH_IMAGE 5 /* below it, `image=` of a setup would be */
#define PROTOCOL_WITH_LFS 6   /* below it, files of Git LFS would be their pointers */
#define FRAME_HEADER_BYTES 8
#define FRAME_BODY_MAX MIB(4)

#define STREAM_LOG 0
#define STREAM_RESULTS 1
#define STREAM_COUNT 2

/* What the controller wants with a run that it lists in goals. */
enum goal_want {
    WANT_RUN = 0,  /* hold it, start it when a slot is free, in the order listed */
    WANT_STOP = 1, /* stop it: TERM, then KILL after its grace; not yet started: finish it as stopped */
    WANT_BACK = 2, /* forget it if it has not started; else go on */
};

/* How far a run is on its server. */
enum held_state {
    HELD_WAITING = 0,   /* received, no slot yet */
    HELD_PREPARING = 1, /* its slot is getting the code */
    HELD_RUNNING = 2,
    HELD_STOPPING = 3, /* told to end */
    HELD_FINISHED = 4, /* FINISHED is on disk here, not yet acknowledged */
};

/* clang-format off */

/* How a run ended, as the agent saw it. The rows feed model/outcome.c and docs/outcomes.md. */
#define FINISH_HOW_MAP(X)                                                          \
    /* name          number  sentence */                                           \
    X(EXITED,        0, "the process exited")                                      \
    X(SIGNALLED,     1, "a signal that wrata did not send ended the process")      \
    X(STOPPED,       2, "it was stopped")                                          \
    X(TIME_LIMIT,    3, "it ran longer than its time limit")                       \
    X(SILENCE_LIMIT, 4, "it wrote nothing for longer than its silence limit")      \
    X(LEASE_ENDED,   5, "the server heard nothing from wrata until the lease ended") \
    X(NOT_STARTED,   6, "the command could not be started")                        \
    X(NO_CODE,       7, "the code could not be brought to the server")             \
    X(AGENT_DIED,    8, "the agent was killed while the script ran")               \
    X(NO_DISK,       9, "the disk of the server is full")                          \
    X(MEMORY_LIMIT, 10, "it used more memory than its limit")                      \
    X(DISK_LOST,    11, "the disk of the server lost what the run wrote")          \
    /* not of an agent: the controller says it to itself */                        \
    X(NO_SECRET,    12, "a secret of its user could not be given to it")          \
    /* of an agent again */                                                        \
    X(NOT_PREPARED, 13, "the machine could not be prepared for it")

enum finish_how {
#define X(name, number, text) FINISH_##name = number,
    FINISH_HOW_MAP(X)
#undef X
    FINISH_HOW_COUNT
};

const char *finish_how_sentence(enum finish_how how);

/* ---- structs generated from the schema ----
 * Texts and bytes are slices: of the caller's memory before encoding, of the frame's buffer (which must
 * outlive them) after decoding. Lists live in the arena given to frame_decode(). */
#define STRUCT(name) struct wire_##name {
#define END_STRUCT(name) };
#define FRAME(NAME, name, number) struct frame_##name {
#define END_FRAME(NAME, name) };
#define U32(f) uint32_t f;
#define U64(f) uint64_t f;
#define I64(f) int64_t f;
#define STR(f, max) struct slice f;
#define BYTES(f, max) struct slice f;
#define LIST(f, type, max)   \
    struct wire_##type *f;   \
    uint32_t n_##f;
#include "wire/frames.def"
#undef STRUCT
#undef END_STRUCT
#undef FRAME
#undef END_FRAME
#undef U32
#undef U64
#undef I64
#undef STR
#undef BYTES
#undef LIST

enum frame_type {
#define FRAME(NAME, name, number) FRAME_##NAME = number,
#define END_FRAME(NAME, name)
#define U32(f)
#define U64(f)
#define I64(f)
#define STR(f, max)
#define BYTES(f, max)
#define LIST(f, type, max)
#include "wire/frames.def"
#undef FRAME
#undef END_FRAME
};

/* Any frame. */
struct frame {
    enum frame_type type;
    union {
#define FRAME(NAME, name, number) struct frame_##name name;
#define END_FRAME(NAME, name)
#include "wire/frames.def"
#undef FRAME
#undef END_FRAME
    };
};
#undef U32
#undef U64
#undef I64
#undef STR
#undef BYTES
#undef LIST

/* clang-format on */

/* "HELLO"; "?" for a number that is not in the schema. */
const char *frame_name(uint32_t type);

/* Append the frame, header and all, to out. What is encoded must fit its own limits (CHECKed: it is ours);
 * passing out's maximum is a bug as well. */
void frame_encode(const struct frame *f, struct buf *out);

/* Look for one whole frame at the start of data[0..len).
 * returns ERR_OK and *retused > 0: one frame was decoded into *ret;
 *         ERR_OK and *retused == 0: more bytes are needed;
 *         ERR_PROTO with reterr: the peer broke the protocol, the link must be closed.
 * A frame number that is not in the schema is skipped (a newer peer): *retused > 0 and ret->type == 0.
 * ret borrows from data and from `lists`. */
MUST_USE enum err frame_decode(const char *data, size_t len, struct arena *lists, struct frame *ret,
                               size_t *retused, struct why *reterr);

#endif
