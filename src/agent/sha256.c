#include "agent/sha256.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const uint32_t k[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t ror(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

static void block(uint32_t h[8], const unsigned char *p)
{
    uint32_t w[64];
    uint32_t v[8];

    for (int i = 0; i < 16; i++, p += 4)
        w[i] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    for (int i = 16; i < 64; i++) {
        uint32_t a = ror(w[i - 15], 7) ^ ror(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t b = ror(w[i - 2], 17) ^ ror(w[i - 2], 19) ^ w[i - 2] >> 10;

        w[i] = w[i - 16] + a + w[i - 7] + b;
    }
    memcpy(v, h, sizeof(v));
    for (int i = 0; i < 64; i++) {
        uint32_t s1 = ror(v[4], 6) ^ ror(v[4], 11) ^ ror(v[4], 25);
        uint32_t t1 = v[7] + s1 + ((v[4] & v[5]) ^ (~v[4] & v[6])) + k[i] + w[i];
        uint32_t s0 = ror(v[0], 2) ^ ror(v[0], 13) ^ ror(v[0], 22);
        uint32_t t2 = s0 + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));

        memmove(v + 1, v, 7 * sizeof(v[0]));
        v[4] += t1;
        v[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++)
        h[i] += v[i];
}

void sha256_begin(struct sha256 *s)
{
    static const uint32_t begin[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

    memcpy(s->h, begin, sizeof(begin));
    s->n_rest = 0;
    s->total = 0;
}

void sha256_add(struct sha256 *s, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;

    s->total += n;
    while (n > 0) {
        size_t take = sizeof(s->rest) - s->n_rest;

        if (s->n_rest == 0 && n >= sizeof(s->rest)) {
            block(s->h, p);
            p += sizeof(s->rest);
            n -= sizeof(s->rest);
            continue;
        }
        take = take < n ? take : n;
        memcpy(s->rest + s->n_rest, p, take);
        s->n_rest += take;
        p += take;
        n -= take;
        if (s->n_rest == sizeof(s->rest)) {
            block(s->h, s->rest);
            s->n_rest = 0;
        }
    }
}

void sha256_end(struct sha256 *s, char ret[65])
{
    static const unsigned char pad[64] = {0x80};
    uint64_t bits = s->total * 8;
    unsigned char len[8];

    sha256_add(s, pad, s->n_rest < 56 ? 56 - s->n_rest : 120 - s->n_rest);
    for (int i = 0; i < 8; i++)
        len[i] = (unsigned char)(bits >> (8 * (7 - i)));
    sha256_add(s, len, sizeof(len));
    for (int i = 0; i < 8; i++)
        (void)snprintf(ret + 8 * i, 9, "%08x", s->h[i]);
}

enum err sha256_file(const char *path, char ret[65])
{
    unsigned char data[8192];
    struct sha256 s;
    ssize_t n;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return ERR_IO;
    sha256_begin(&s);
    while ((n = read(fd, data, sizeof(data))) > 0)
        sha256_add(&s, data, (size_t)n);
    (void)close(fd);
    if (n < 0)
        return ERR_IO;
    sha256_end(&s, ret);
    return ERR_OK;
}
