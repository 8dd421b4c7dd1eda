#include "notify/mime.h"

#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "model/mail.h"
#include "wire/json_out.h"

#define LINE_CHARS 76u /* RFC 2045, 6.7 (5) */
#define WORD_BYTES \
    42u /* of text in one encoded word: 56 characters in base64, 68 with what stands around it */
#define PLAIN_SUBJECT_BYTES 60u /* a longer one is cut into encoded words, which may be folded anywhere */

/* ---- checks ---- */

const char *mime_wrong_address(const char *address)
{
    static const char right[] = "takes one address like qa@example.org";
    static const char atoms[] = "!#$%&'*+-/=?^_`{|}~."; /* RFC 5322, 3.2.3, and the dot between atoms */
    const char *at = strchr(address, '@');

    if (strlen(address) > MAIL_ADDRESS_BYTES_MAX)
        return "takes an address of at most 254 characters";
    if (at == NULL || at == address || at[1] == '\0' || strchr(at + 1, '@') != NULL)
        return right;
    for (const char *p = address; *p != '\0'; p++) {
        bool is_word = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9');

        if (is_word || p == at || (p < at && strchr(atoms, *p) != NULL) ||
            (p > at && strchr("-.:[]", *p) != NULL))
            continue;
        return right;
    }
    return NULL;
}

const char *mime_wrong_subject(const char *subject)
{
    size_t n = strlen(subject);

    if (n == 0 || n > MAIL_SUBJECT_BYTES_MAX)
        return "takes 1 to 500 bytes";
    for (size_t i = 0; i < n;) {
        int len = utf8_next(subject + i, n - i);

        if (len <= 0)
            return "takes valid UTF-8";
        if ((unsigned char)subject[i] < 0x20 || subject[i] == 0x7f)
            return "takes one line without control characters";
        i += (size_t)len;
    }
    return NULL;
}

/* ---- headers ---- */

static void put_base64(struct buf *out, const char *s, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < n; i += 3) {
        uint32_t v = (uint32_t)(unsigned char)s[i] << 16;

        if (i + 1 < n)
            v |= (uint32_t)(unsigned char)s[i + 1] << 8;
        if (i + 2 < n)
            v |= (uint32_t)(unsigned char)s[i + 2];
        buf_putc(out, digits[v >> 18]);
        buf_putc(out, digits[v >> 12 & 63]);
        buf_putc(out, i + 1 < n ? digits[v >> 6 & 63] : '=');
        buf_putc(out, i + 2 < n ? digits[v & 63] : '=');
    }
}

static bool is_plain(const char *s)
{
    for (const char *p = s; *p != '\0'; p++) {
        if ((unsigned char)*p < 0x20 || (unsigned char)*p > 0x7e)
            return false;
    }
    return strlen(s) <= PLAIN_SUBJECT_BYTES && strstr(s, "=?") == NULL && s[0] != ' ';
}

/* RFC 2047: words of whole characters, folded between them. */
static void put_subject(struct buf *out, const char *s)
{
    size_t n = strlen(s);

    buf_puts(out, "Subject: ");
    if (is_plain(s)) {
        buf_printf(out, "%s\r\n", s);
        return;
    }
    for (size_t at = 0; at < n;) {
        size_t len = n - at;

        if (len > WORD_BYTES)
            len = utf8_whole(s + at, WORD_BYTES);
        buf_puts(out, at > 0 ? "\r\n =?UTF-8?B?" : "=?UTF-8?B?");
        put_base64(out, s + at, len);
        buf_puts(out, "?=");
        at += len;
    }
    buf_puts(out, "\r\n");
}

/* RFC 5322, 3.3; not strftime(), whose names follow the locale. */
static void put_date(struct buf *out, struct wall date)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t t = (time_t)(date.ms / 1000);
    struct tm tm;

    (void)gmtime_r(&t, &tm);
    buf_printf(out, "Date: %.3s, %02d %.3s %d %02d:%02d:%02d +0000\r\n", days + 3 * (tm.tm_wday % 7),
               tm.tm_mday, months + 3 * (tm.tm_mon % 12), tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
               tm.tm_sec);
}

/* ---- bodies ---- */

static bool needs_code(const char *s, size_t at_line, size_t i)
{
    unsigned char c = (unsigned char)s[i];

    if (c == ' ' || c == '\t') /* not before a line's end */
        return s[i + 1] == '\n' || s[i + 1] == '\0' || (s[i + 1] == '\r' && s[i + 2] == '\n');
    if (at_line == 0 && (c == '.' || (c == 'F' && strncmp(s + i, "From ", 5) == 0)))
        return true;
    return c < 0x21 || c > 0x7e || c == '=';
}

/* RFC 2045, 6.7. A line ends with LF or CRLF; a CR elsewhere is a byte like another. */
static void put_quoted(struct buf *out, const char *s)
{
    size_t column = 0;

    for (size_t i = 0; s[i] != '\0'; i++) {
        bool code;
        size_t width;

        if (s[i] == '\n' || (s[i] == '\r' && s[i + 1] == '\n')) {
            i += s[i] == '\r';
            buf_puts(out, "\r\n");
            column = 0;
            continue;
        }
        code = needs_code(s, column, i);
        width = code ? 3 : 1;
        if (column + width > LINE_CHARS - 1) { /* the soft end takes one */
            buf_puts(out, "=\r\n");
            column = 0;
            code = code || needs_code(s, 0, i);
            width = code ? 3 : 1;
        }
        if (code)
            buf_printf(out, "=%02X", (unsigned char)s[i]);
        else
            buf_putc(out, s[i]);
        column += width;
    }
    if (column > 0)
        buf_puts(out, "\r\n");
}

static void put_part(struct buf *out, const char *type, const char *body)
{
    buf_printf(out, "Content-Type: %s; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n",
               type);
    put_quoted(out, body);
}

/* "=_" cannot stand in quoted-printable text, so the mark is in no body. */
#define BOUNDARY "=_wrata_part"

void mime_write(const struct mime *m, struct buf *out)
{
    put_date(out, m->date);
    buf_printf(out, "From: %s\r\nTo: %s\r\n", m->from, m->to);
    put_subject(out, m->subject);
    buf_printf(out,
               "Message-ID: <%s>\r\n"
               "Auto-Submitted: auto-generated\r\n" /* RFC 3834: no holiday notice shall answer */
               "MIME-Version: 1.0\r\n",
               m->message_id);
    if (m->html[0] == '\0') {
        put_part(out, "text/plain", m->text);
        return;
    }
    buf_puts(out, "Content-Type: multipart/alternative; boundary=\"" BOUNDARY "\"\r\n\r\n--" BOUNDARY "\r\n");
    put_part(out, "text/plain", m->text);
    buf_puts(out, "--" BOUNDARY "\r\n");
    put_part(out, "text/html", m->html);
    buf_puts(out, "--" BOUNDARY "--\r\n");
}
