/* check.h - assertions that stay on in release, and the small macros every file uses.
 *
 * CHECK is for what must hold whatever a peer does: a wrong control plane is worse than a
 * restarted one, so a failed CHECK stops the process and the supervisor starts it again from the
 * store. It is never for input from outside: that is an `enum err`. */
#ifndef WRATA_BASE_CHECK_H
#define WRATA_BASE_CHECK_H

#include <stddef.h>

/* Prints the failed condition with its place to standard error and aborts. Any thread. */
_Noreturn void check_failed(const char *cond, const char *file, int line, const char *func);

#define CHECK(x) ((x) ? (void)0 : check_failed(#x, __FILE__, __LINE__, __func__))

/* Walks whole structures; only in test, fuzz and simulation builds. */
#ifdef WRATA_CHECK_SLOW
#define CHECK_SLOW(x) CHECK(x)
#else
#define CHECK_SLOW(x) ((void)0)
#endif

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, first) __attribute__((format(printf, fmt, first)))

/* What happens to a pointer, said at the declaration. BORROWED is the default and may be left out. */
#define OWNED
#define TAKES
#define BORROWED

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define KIB(n) ((size_t)(n)*1024u)
#define MIB(n) ((size_t)(n)*1024u * 1024u)

#endif
