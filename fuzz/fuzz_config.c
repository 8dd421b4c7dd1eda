/* fuzz_config.c - bytes as config.yml: reading ends, what is refused is explained with its place, and what is
 * accepted reads the same when it is written down again as `wrata config show` does. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_again(const struct config *c)
{
    struct config again;
    struct buf text;
    struct buf problems;

    buf_init(&text, MIB(1));
    buf_init(&problems, CONFIG_PROBLEMS_BYTES);
    for (int i = 0; i < N_SETTINGS; i++) {
        char value[PATH_MAX];

        buf_printf(&text, "%s: \"", setting_rows[i].name);
        for (const char *p = config_text(c, (enum setting_id)i, value, sizeof(value)); *p != '\0'; p++)
            buf_printf(&text, "%s%c", *p == '"' || *p == '\\' ? "\\" : "", *p);
        buf_puts(&text, "\"\n");
    }
    CHECK(config_parse("/again.yml", buf_slice(&text), &again, &problems) == ERR_OK);
    CHECK(problems.len == 0);
    for (int i = 0; i < N_SETTINGS; i++)
        CHECK(config_is_equal(c, &again, (enum setting_id)i));
    config_done(&again);
    buf_done(&text);
    buf_done(&problems);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config c;
    struct buf problems;
    enum err err;

    buf_init(&problems, CONFIG_PROBLEMS_BYTES);
    err = config_parse("/f.yml", (struct slice){(const char *)data, size}, &c, &problems);
    CHECK((err == ERR_OK) == (problems.len == 0));
    if (err == ERR_OK)
        check_again(&c);
    config_done(&c);
    buf_done(&problems);
    return 0;
}
