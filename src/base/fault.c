/* fault.c - the table of armed fault points. */
#include "base/fault.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"

#define FAULTS_MAX 16
#define FAULT_NAME_MAX 48

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_int n_armed;
static struct {
    char name[FAULT_NAME_MAX];
    uint32_t left; /* 0: free */
} faults[FAULTS_MAX];

void fault_arm(const char *name, uint32_t countdown)
{
    int slot = -1;
    int i;

    CHECK(strlen(name) < FAULT_NAME_MAX);
    (void)pthread_mutex_lock(&lock);
    for (i = 0; i < FAULTS_MAX; i++) {
        if (faults[i].left != 0 && strcmp(faults[i].name, name) == 0) {
            faults[i].left = 0;
            (void)atomic_fetch_sub(&n_armed, 1);
        }
        if (faults[i].left == 0)
            slot = i;
    }
    if (countdown != 0) {
        CHECK(slot >= 0);
        memcpy(faults[slot].name, name, strlen(name) + 1);
        faults[slot].left = countdown;
        (void)atomic_fetch_add(&n_armed, 1);
    }
    (void)pthread_mutex_unlock(&lock);
}

void fault_disarm_all(void)
{
    int i;

    (void)pthread_mutex_lock(&lock);
    for (i = 0; i < FAULTS_MAX; i++)
        faults[i].left = 0;
    atomic_store(&n_armed, 0);
    (void)pthread_mutex_unlock(&lock);
}

#ifdef WRATA_CHECK_SLOW
static void arm_from_environment(void)
{
    const char *s = getenv("WRATA_FAULTS");

    while (s != NULL && *s != '\0') {
        char name[FAULT_NAME_MAX];
        size_t n = strcspn(s, "=,");

        if (s[n] != '=' || n >= sizeof(name))
            return;
        memcpy(name, s, n);
        name[n] = '\0';
        fault_arm(name, (uint32_t)strtoul(s + n + 1, NULL, 10));
        s = strchr(s, ',');
        if (s != NULL)
            s++;
    }
}
#endif

bool fault_hit(const char *name)
{
    bool hit = false;
    int i;
#ifdef WRATA_CHECK_SLOW
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void)pthread_once(&once, arm_from_environment);
#endif
    if (atomic_load_explicit(&n_armed, memory_order_relaxed) == 0)
        return false;
    (void)pthread_mutex_lock(&lock);
    for (i = 0; i < FAULTS_MAX; i++) {
        if (faults[i].left == 0 || strcmp(faults[i].name, name) != 0)
            continue;
        if (--faults[i].left == 0) {
            hit = true;
            (void)atomic_fetch_sub(&n_armed, 1);
        }
        break;
    }
    (void)pthread_mutex_unlock(&lock);
    return hit;
}

void fault_crash(const char *name)
{
    if (fault_hit(name))
        _exit(137);
}
