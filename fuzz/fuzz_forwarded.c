/* fuzz_forwarded.c - what proxies and strangers say about the client. Input: lines, in this order: the trusted, the peer,
 * X-Forwarded-For, X-Forwarded-Proto. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "net/address.h"
#include "net/forwarded.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_client(const struct forwarded *trusted, const char *peer, const char *xff, const char *xfp)
{
    char out[64];
    char again[64];
    struct address a;
    bool https;
    bool still;

    forwarded_client(trusted, peer, xff, xfp, out, &https);
    CHECK(strlen(out) < sizeof(out));
    if (!address_read(slice_of(peer), &a)) {
        CHECK(strncmp(out, peer, strlen(out)) == 0 && !https);
        return;
    }
    /* Whatever was sent: it is an address, in its one form. */
    CHECK(address_read(slice_of(out), &a));
    address_write(&a, again);
    CHECK(strcmp(out, again) == 0);
    /* Nobody believes a stranger: asked once more, with the client as the peer, a stranger stays who he is. */
    forwarded_client(NULL, peer, xff, xfp, again, &still);
    CHECK(!still);
    if (https || strcmp(out, again) != 0)
        CHECK(trusted != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct forwarded *trusted;
    struct why why = {0};
    char *line[4];
    char *text;
    char *p;

    if (size > 16384)
        return 0;
    p = text = xmalloc(size + 1);
    memcpy(text, data, size);
    text[size] = '\0';
    for (int i = 0; i < 4; i++) {
        line[i] = p;
        p += strcspn(p, "\n");
        if (*p == '\n')
            *p++ = '\0';
    }
    if (forwarded_parse(line[0], &trusted, &why) != ERR_OK)
        CHECK(strlen(why.text) > 0 && trusted == NULL);
    try_client(trusted, line[1], line[2], line[3]);
    try_client(NULL, line[1], line[2], line[3]);
    forwarded_free(trusted);
    free(text);
    return 0;
}
