/* ids.h - one-member structs, so that the compiler refuses a mix-up. 0 is "none". */
#ifndef WRATA_MODEL_IDS_H
#define WRATA_MODEL_IDS_H

#include <stdint.h>

struct user_id {
    uint64_t v;
};
struct server_id {
    uint64_t v;
};
struct fleet_id {
    uint64_t v;
};
struct project_id {
    uint64_t v;
};
struct launch_id {
    uint64_t v;
};
struct test_id {
    uint64_t v;
};
struct run_id {
    uint64_t v;
};
/* What one operation took out of a queue, and can be put back. */
struct undo_id {
    uint64_t v;
};
/* A request that waits for a reply; it may have died meanwhile, then the reply is dropped. */
struct ticket {
    uint64_t v;
};

#endif
