#include "accounts/throttle.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define uthash_malloc(n) xmalloc(n)
#define uthash_free(p, n) free(p)
#include <uthash.h>
#include <utlist.h>

#define ADDRESS_FREE_TRIES (THROTTLE_FREE_TRIES * 10)
#define WAIT_FIRST_MS INT64_C(1000)
#define WAIT_MAX_MS (INT64_C(15) * 60 * 1000)
#define FORGET_MS (INT64_C(60) * 60 * 1000)
#define FAILS_MAX 1000u /* waits stop growing long before */

/* One longer than any login or address of a user: what is cut cannot be mistaken for somebody's. */
#define KEY_BYTES_MAX 256u

struct key {
    UT_hash_handle hh;
    struct key *prev, *next; /* the one that failed longest ago first */
    uint32_t fails;
    uint32_t n_free;
    struct mono last;   /* the last failure */
    struct mono before; /* the one before it, for a try that is given back */
    char text[];
};

struct throttle {
    struct key *keys;
    struct key *oldest;
};

struct throttle *throttle_new(void)
{
    return xcalloc(1, sizeof(struct throttle));
}

static void forget(struct throttle *t, struct key *k)
{
    HASH_DEL(t->keys, k);
    DL_DELETE(t->oldest, k);
    free(k);
}

void throttle_free(struct throttle *t)
{
    if (t == NULL)
        return;
    while (t->oldest != NULL)
        forget(t, t->oldest);
    free(t);
}

static void login_key(const char *login, char out[KEY_BYTES_MAX])
{
    size_t i;

    out[0] = 'u';
    for (i = 0; login[i] != '\0' && i < KEY_BYTES_MAX - 2; i++)
        out[i + 1] = login[i] >= 'A' && login[i] <= 'Z' ? (char)(login[i] - 'A' + 'a') : login[i];
    out[i + 1] = '\0';
}

/* Whoever has one IPv6 address has its whole /64: that is what counts there. */
static void address_key(const char *address, char out[KEY_BYTES_MAX])
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff}; /* ::ffff:192.0.2.1 */
    unsigned char at[16];

    if (inet_pton(AF_INET6, address, at) != 1)
        (void)snprintf(out, KEY_BYTES_MAX, "a%s", address);
    else if (memcmp(at, mapped, sizeof(mapped)) == 0)
        (void)snprintf(out, KEY_BYTES_MAX, "a%u.%u.%u.%u", at[12], at[13], at[14], at[15]);
    else
        (void)snprintf(out, KEY_BYTES_MAX, "a%02x%02x:%02x%02x:%02x%02x:%02x%02x::/64", at[0], at[1], at[2],
                       at[3], at[4], at[5], at[6], at[7]);
}

static struct key *find(const struct throttle *t, const char *text)
{
    struct key *k;

    HASH_FIND(hh, t->keys, text, strlen(text), k);
    return k;
}

static int64_t wait_after(const struct key *k)
{
    uint32_t over = k->fails - k->n_free;

    if (k->fails < k->n_free)
        return 0;
    return over >= 10 || WAIT_FIRST_MS << over > WAIT_MAX_MS ? WAIT_MAX_MS : WAIT_FIRST_MS << over;
}

/* In ms, rounded up: who comes back after it may try. */
static int64_t wait_left(const struct key *k, struct mono now)
{
    struct mono until;

    if (k == NULL)
        return 0;
    until = mono_add_ms(k->last, wait_after(k));
    return mono_before(now, until) ? (until.us - now.us + 999) / 1000 : 0;
}

static void fail(struct throttle *t, struct mono now, const char *text, uint32_t n_free)
{
    struct key *k = find(t, text);
    size_t n = strlen(text);

    if (k == NULL) {
        if (HASH_COUNT(t->keys) >= THROTTLE_KEYS_MAX)
            forget(t, t->oldest);
        k = xcalloc(1, sizeof(*k) + n + 1);
        memcpy(k->text, text, n + 1);
        k->n_free = n_free;
        k->last = now;
        HASH_ADD_KEYPTR(hh, t->keys, k->text, n, k);
    } else {
        DL_DELETE(t->oldest, k);
    }
    DL_APPEND(t->oldest, k);
    k->before = k->last;
    k->last = now;
    if (k->fails < FAILS_MAX)
        k->fails++;
}

/* The try did not happen, or was right. */
static void give_back(struct throttle *t, const char *text)
{
    struct key *k = find(t, text);

    if (k == NULL) /* forgotten meanwhile */
        return;
    k->fails--;
    k->last = k->before;
    if (k->fails == 0)
        forget(t, k);
}

int64_t throttle_try(struct throttle *t, struct mono now, const char *login, const char *address)
{
    char user[KEY_BYTES_MAX] = "";
    char from[KEY_BYTES_MAX] = "";
    int64_t user_ms;
    int64_t from_ms = 0;

    while (t->oldest != NULL && mono_ms_between(t->oldest->last, now) >= FORGET_MS)
        forget(t, t->oldest);
    login_key(login, user);
    user_ms = wait_left(find(t, user), now);
    if (address != NULL) {
        address_key(address, from);
        from_ms = wait_left(find(t, from), now);
    }
    if (user_ms > 0 || from_ms > 0)
        return user_ms > from_ms ? user_ms : from_ms;
    fail(t, now, user, THROTTLE_FREE_TRIES);
    if (address != NULL)
        fail(t, now, from, ADDRESS_FREE_TRIES);
    return 0;
}

void throttle_right(struct throttle *t, const char *login, const char *address)
{
    char text[KEY_BYTES_MAX] = "";
    struct key *k;

    login_key(login, text);
    k = find(t, text);
    if (k != NULL)
        forget(t, k);
    address_key(address, text);
    give_back(t, text);
}

void throttle_undo(struct throttle *t, const char *login, const char *address)
{
    char text[KEY_BYTES_MAX] = "";

    login_key(login, text);
    give_back(t, text);
    address_key(address, text);
    give_back(t, text);
}
