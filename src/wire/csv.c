#include "wire/csv.h"

#include <string.h>

void csv_text(struct buf *out, const char *s)
{
    buf_putc(out, '"');
    if (s[0] != '\0' && strchr("=+-@\t\r", s[0]) != NULL)
        buf_putc(out, '\'');
    for (; *s != '\0'; s++) {
        if (*s == '"')
            buf_putc(out, '"');
        buf_putc(out, *s);
    }
    buf_putc(out, '"');
}
