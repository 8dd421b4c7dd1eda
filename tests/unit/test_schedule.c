/* test_schedule.c - cron expressions, zones, rules. tests/e2e/test_schedules.py holds them against another implementation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "schedule/schedule.h"

static struct zone *zone(const char *name)
{
    struct zone *z = NULL;
    struct why why = {0};

    if (zone_load(name, &z, &why) != ERR_OK) {
        print_message("%s\n", why.text);
        skip();
    }
    return z;
}

/* ---- cron ---- */

static void test_cron__says_what_is_wrong(void **state)
{
    static const struct {
        const char *text;
        const char *words;
    } rows[] = {
        {"", "has 0 fields"},
        {"* * * *", "has 4 fields"},
        {"* * * * * *", "more than the five fields"},
        {"60 * * * *", "minute '60' is not within 0-59"},
        {"* 24 * * *", "hour '24' is not within 0-23"},
        {"* * 0 * *", "day '0' is not within 1-31"},
        {"* * * 13 *", "month '13' is not within 1-12"},
        {"* * * * 8", "weekday '8' is not within 0-7"},
        {"*/0 * * * *", "the step after /"},
        {"*/99 * * * *", "the step after /"},
        {"5-1 * * * *", "from the smaller to the larger"},
        {"5- * * * *", "is not within"},
        {", * * * *", "no number or name"},
        {"1,,2 * * * *", "no number or name"},
        {"1, * * * *", "no number or name"},
        {"-1 * * * *", "no number or name"},
        {"1x * * * *", "what follows"},
        {"* * * foo *", "no number or name"},
        {"* * * * mo", "no number or name"},
        {"* * L * *", "no number or name"},
        {"99999999999999999999 * * * *", "is not within"},
        {"0 0 30 2 *", "never"},
        {"0 0 31 4,6,9,11 *", "never"},
        {"@reboot", "no number or name"},
        {"@dailyx", "no number or name"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct cron c;
        struct why why = {0};

        assert_int_equal(cron_parse(rows[i].text, &c, &why), ERR_INVALID);
        assert_string_equal(why.field, "cron");
        if (strstr(why.text, rows[i].words) == NULL)
            fail_msg("'%s': %s", rows[i].text, why.text);
    }
}

static void test_cron__the_next_minutes(void **state)
{
    static const struct {
        const char *text;
        const char *from;
        const char *next[3];
    } rows[] = {
        {"* * * * *", "2026-11-24T02:30", {"2026-11-24T02:31", "2026-11-24T02:32", "2026-11-24T02:33"}},
        {"*/15 9-10 * * mon-fri",
         "2026-11-27T10:30",
         {"2026-11-27T10:45", "2026-11-30T09:00", "2026-11-30T09:15"}},
        {"5,10 0 1 * *", "2026-11-24T02:30", {"2026-12-01T00:05", "2026-12-01T00:10", "2027-01-01T00:05"}},
        {"0 0 29 2 *", "2096-03-01T00:00", {"2104-02-29T00:00", "2108-02-29T00:00", "2112-02-29T00:00"}},
        {"0 12 13 * fri", "2026-11-01T00:00", {"2026-11-06T12:00", "2026-11-13T12:00", "2026-11-20T12:00"}},
        {"0 12 */2 * fri", "2026-11-01T00:00", {"2026-11-13T12:00", "2026-11-27T12:00", "2026-12-11T12:00"}},
        {"0 0 * * 7", "2026-11-24T00:00", {"2026-11-29T00:00", "2026-12-06T00:00", "2026-12-13T00:00"}},
        {"0 0 * * SUN", "2026-11-24T00:00", {"2026-11-29T00:00", "2026-12-06T00:00", "2026-12-13T00:00"}},
        {"30/10 5 * JAN,dec *",
         "2026-11-24T00:00",
         {"2026-12-01T05:30", "2026-12-01T05:40", "2026-12-01T05:50"}},
        {"@monthly", "2026-11-24T00:00", {"2026-12-01T00:00", "2027-01-01T00:00", "2027-02-01T00:00"}},
        {"  0\t0 1   1 * ", "2026-11-24T00:00", {"2027-01-01T00:00", "2028-01-01T00:00", "2029-01-01T00:00"}},
    };
    struct zone *utc = zone("UTC");

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rule_text in = {.kind = RULE_CRON, .at = "", .cron = rows[i].text, .until = ""};
        struct rule rule;
        struct wall at;
        struct why why = {0};

        assert_int_equal(rule_make(&in, utc, &rule, &why), ERR_OK);
        assert_int_equal(local_parse("from", rows[i].from, utc, &at, &why), ERR_OK);
        for (int k = 0; k < 3; k++) {
            char text[LOCAL_TEXT_BYTES];

            at = rule_next(&rule, utc, at);
            local_text(utc, at, text);
            text[16] = '\0';
            assert_string_equal(text, rows[i].next[k]);
        }
    }
    zone_free(utc);
}

/* ---- zones ---- */

static void test_zone__bad_names_and_bad_files_are_refused(void **state)
{
    static const char *const names[] = {"",
                                        "/etc/passwd",
                                        "../../../etc/passwd",
                                        "Europe/../Europe/Berlin",
                                        "Europe",
                                        "Europe/",
                                        "Europe//Berlin",
                                        "Nope/Zone",
                                        "europe/berlin\n",
                                        "tzdata.zi",
                                        "zone.tab",
                                        "UTC+2;",
                                        "Aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    struct zone *z = zone("Europe/Berlin");
    struct why why;

    (void)state;
    zone_free(z);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_int_equal(zone_load(names[i], &z, &why), ERR_INVALID);
        assert_null(z);
        assert_string_equal(why.field, "zone");
    }
    assert_int_equal(zone_parse("TZif", 4, &z, &why), ERR_INVALID);
    assert_int_equal(zone_parse("", 0, &z, &why), ERR_INVALID);
}

/* However a file is cut or one of its bytes is changed, it is refused or answers. */
static void test_zone__a_damaged_file(void **state)
{
    FILE *f = fopen("/usr/share/zoneinfo/Australia/Lord_Howe", "rb");
    char bytes[8192];
    char copy[8192];
    size_t n;
    struct zone *z;
    struct why why;

    (void)state;
    if (f == NULL)
        skip();
    n = fread(bytes, 1, sizeof(bytes), f);
    (void)fclose(f);
    for (size_t cut = 0; cut < n; cut++) {
        char *exact = malloc(cut + 1); /* so that a byte too many is seen */

        memcpy(exact, bytes, cut);
        assert_int_equal(zone_parse(exact, cut, &z, &why), ERR_INVALID);
        free(exact);
    }
    for (size_t i = 0; i < n; i++) {
        for (int bit = 0; bit < 8; bit += 3) {
            memcpy(copy, bytes, n);
            copy[i] = (char)(copy[i] ^ 1 << bit);
            if (zone_parse(copy, n, &z, &why) == ERR_OK) {
                (void)zone_offset(z, INT64_C(1800000000));
                (void)zone_utc(z, INT64_C(4800000000));
                zone_free(z);
            }
        }
    }
}

struct moment {
    const char *zone;
    const char *local;
    const char *moment; /* in UTC */
};

static void test_zone__gaps_and_double_hours(void **state)
{
    static const struct moment rows[] = {
        {"UTC", "2026-03-29T02:30", "2026-03-29T02:30:00+00:00"},
        {"Europe/Berlin", "2026-03-29T01:59", "2026-03-29T00:59:00+00:00"},
        {"Europe/Berlin", "2026-03-29T02:00", "2026-03-29T01:00:00+00:00"}, /* the gap: its end */
        {"Europe/Berlin", "2026-03-29T02:30", "2026-03-29T01:00:00+00:00"},
        {"Europe/Berlin", "2026-03-29T03:00", "2026-03-29T01:00:00+00:00"},
        {"Europe/Berlin", "2026-10-25T02:30", "2026-10-25T00:30:00+00:00"}, /* the first of two */
        {"Europe/Berlin", "2026-10-25T03:00", "2026-10-25T02:00:00+00:00"},
        {"Europe/Berlin", "2060-07-01T12:00", "2060-07-01T10:00:00+00:00"},       /* by the footer */
        {"Australia/Lord_Howe", "2026-10-04T02:15", "2026-10-03T15:30:00+00:00"}, /* half an hour */
        {"Australia/Lord_Howe", "2026-04-05T01:45", "2026-04-04T14:45:00+00:00"},
        {"America/Santiago", "2026-09-06T00:30", "2026-09-06T04:00:00+00:00"}, /* no midnight */
        {"Europe/Dublin", "2060-01-01T12:00", "2060-01-01T12:00:00+00:00"},    /* winter is the exception */
        {"Europe/Dublin", "2060-07-01T12:00", "2060-07-01T11:00:00+00:00"},
        {"Asia/Kolkata", "2026-07-01T12:00", "2026-07-01T06:30:00+00:00"},
    };
    struct zone *utc = zone("UTC");

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct zone *z = zone(rows[i].zone);
        char text[LOCAL_TEXT_BYTES];
        struct wall at;
        struct why why;

        assert_int_equal(local_parse("at", rows[i].local, z, &at, &why), ERR_OK);
        local_text(utc, at, text);
        assert_string_equal(text, rows[i].moment);
        zone_free(z);
    }
    zone_free(utc);
}

static void test_local__what_is_no_time(void **state)
{
    static const char *const bad[] = {"",
                                      "2026-11-24",
                                      "2026-11-24T25:00",
                                      "2026-11-24T23:60",
                                      "2026-13-24T02:30",
                                      "2026-02-29T02:30",
                                      "2026-00-10T02:30",
                                      "2026-11-00T02:30",
                                      "0000-11-10T02:30",
                                      "2026-11-24T02:30+01:00",
                                      "2026-11-24T02:3x",
                                      "24.11.2026 02:30"};
    static const char *const bad_day[] = {"",    "2",        "24:00", "02:60", "0230",
                                          "2:3", "02:30:00", "-1:00", "ab:cd"};
    struct zone *z = zone("UTC");
    struct wall at;
    struct why why;
    int minute;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(local_parse("at", bad[i], z, &at, &why), ERR_INVALID);
    for (size_t i = 0; i < sizeof(bad_day) / sizeof(bad_day[0]); i++)
        assert_int_equal(day_time_parse("at", bad_day[i], &minute, &why), ERR_INVALID);
    assert_int_equal(day_time_parse("at", "2:30", &minute, &why), ERR_OK);
    assert_int_equal(minute, 150);
    zone_free(z);
}

/* ---- rules ---- */

static struct rule make(const struct rule_text *in, const struct zone *z)
{
    struct rule r;
    struct why why = {0};

    if (rule_make(in, z, &r, &why) != ERR_OK)
        fail_msg("%s", why.text);
    return r;
}

static void test_rule__refuses_by_field(void **state)
{
    static const struct {
        struct rule_text in;
        const char *field;
    } rows[] = {
        {{.kind = RULE_EVERY, .at = "", .cron = "", .until = ""}, "minutes"}, /* period 0 */
        {{.kind = RULE_EVERY, .at = "", .cron = "", .until = "", .every_minutes = -5}, "minutes"},
        {{.kind = RULE_EVERY, .at = "", .cron = "", .until = "", .every_minutes = EVERY_MINUTES_MAX + 1},
         "minutes"},
        {{.kind = RULE_EVERY, .at = "yesterday", .cron = "", .until = "", .every_minutes = 5}, "at"},
        {{.kind = RULE_ONCE, .at = "", .cron = "", .until = ""}, "at"},
        {{.kind = RULE_DAILY, .at = "", .cron = "", .until = ""}, "at"},
        {{.kind = RULE_DAILY, .at = "25:00", .cron = "", .until = ""}, "at"},
        {{.kind = RULE_DAILY, .at = "02:00", .cron = "", .until = "soon"}, "until"},
        {{.kind = RULE_DAILY, .at = "02:00", .cron = "", .until = "", .weekdays = 2}, "days"},
        {{.kind = RULE_DAILY, .at = "02:00", .cron = "", .until = "", .every_minutes = 2}, "minutes"},
        {{.kind = RULE_WEEKLY, .at = "02:00", .cron = "", .until = ""}, "days"},
        {{.kind = RULE_WEEKLY, .at = "02:00", .cron = "* * * * *", .until = "", .weekdays = 2}, "cron"},
        {{.kind = RULE_CRON, .at = "02:00", .cron = "* * * * *", .until = ""}, "at"},
        {{.kind = RULE_CRON, .at = "", .cron = "", .until = ""}, "cron"},
    };
    struct zone *z = zone("UTC");

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rule r;
        struct why why = {0};

        assert_int_equal(rule_make(&rows[i].in, z, &r, &why), ERR_INVALID);
        assert_string_equal(why.field, rows[i].field);
    }
    zone_free(z);
}

static void test_rule__every_counts_elapsed_time(void **state)
{
    struct rule_text in = {
        .kind = RULE_EVERY, .at = "2026-03-28T12:00", .cron = "", .until = "", .every_minutes = 24 * 60};
    struct zone *z = zone("Europe/Berlin");
    struct rule r = make(&in, z);
    struct wall at = r.first;
    char text[LOCAL_TEXT_BYTES];

    (void)state;
    at = rule_next(&r, z, at);
    local_text(z, at, text);
    assert_string_equal(text, "2026-03-29T13:00:00+02:00"); /* 24 hours later, not the same time of the day */
    assert_int_equal(at.ms - r.first.ms, INT64_C(86400000));
    in = (struct rule_text){.kind = RULE_EVERY,
                            .at = "",
                            .cron = "",
                            .until = "",
                            .every_minutes = 90,
                            .start = {INT64_C(1800000012345)}};
    r = make(&in, z);
    assert_int_equal(r.first.ms, INT64_C(1800000000000) + 90 * 60000);
    zone_free(z);
}

static void test_rule__once_and_until(void **state)
{
    struct zone *z = zone("UTC");
    struct rule once =
        make(&(struct rule_text){.kind = RULE_ONCE, .at = "2026-11-24T02:30", .cron = "", .until = ""}, z);
    struct rule daily = make(
        &(struct rule_text){.kind = RULE_DAILY, .at = "02:30", .cron = "", .until = "2026-11-25T02:30"}, z);
    struct wall at;

    (void)state;
    assert_int_equal(rule_next(&once, z, (struct wall){once.first.ms - 1}).ms, once.first.ms);
    assert_int_equal(rule_next(&once, z, once.first).ms, 0);
    at = rule_next(&daily, z, (struct wall){once.first.ms - 1});
    assert_int_equal(at.ms, once.first.ms);
    at = rule_next(&daily, z, at);
    assert_int_equal(at.ms, daily.until.ms); /* the end itself still counts */
    assert_int_equal(rule_next(&daily, z, at).ms, 0);
    zone_free(z);
}

/* Of what was missed in ten years, the last: as found by walking, and without walking. */
static void test_rule__the_last_one_missed(void **state)
{
    static const char *const crons[] = {"* * * * *", "30 2 * * *", "0 0 29 2 *", "*/7 3 1,15 * sun"};
    struct zone *z = zone("Europe/Berlin");
    struct wall after = {INT64_C(1800000000000)};

    (void)state;
    for (size_t i = 0; i < sizeof(crons) / sizeof(crons[0]); i++) {
        struct rule r =
            make(&(struct rule_text){.kind = RULE_CRON, .at = "", .cron = crons[i], .until = ""}, z);

        for (int64_t hours = 1; hours < 24 * 3650; hours = hours * 3 + 1) {
            struct wall now = {after.ms + hours * 3600000 + 1234};
            struct wall last = rule_last(&r, z, after, now);
            struct wall next = rule_next(&r, z, last.ms != 0 ? last : after);

            assert_true(last.ms == 0 || (last.ms > after.ms && last.ms <= now.ms));
            assert_true(next.ms > now.ms); /* nothing between */
        }
    }
    zone_free(z);
}

/* In no zone, at no step, does time stand still or run backwards, and no two minutes of the hour that comes twice start
 * twice. */
static void test_rule__moves_on_through_every_change(void **state)
{
    static const char *const zones[] = {"Europe/Berlin",    "America/New_York",  "Australia/Lord_Howe",
                                        "America/Santiago", "Africa/Casablanca", "Asia/Kolkata"};

    (void)state;
    for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++) {
        struct zone *z = zone(zones[i]);
        struct rule r =
            make(&(struct rule_text){.kind = RULE_CRON, .at = "", .cron = "*/15 * * * *", .until = ""}, z);
        struct wall at = {INT64_C(1767225600000)};
        struct wall end = {at.ms + INT64_C(366) * 86400000};

        while (at.ms < end.ms) {
            struct wall next = rule_next(&r, z, at);
            int64_t gap = next.ms - at.ms;

            assert_true(gap > 0 && gap <= INT64_C(75) * 60000);
            at = next;
        }
        zone_free(z);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cron__says_what_is_wrong),
        cmocka_unit_test(test_cron__the_next_minutes),
        cmocka_unit_test(test_zone__bad_names_and_bad_files_are_refused),
        cmocka_unit_test(test_zone__a_damaged_file),
        cmocka_unit_test(test_zone__gaps_and_double_hours),
        cmocka_unit_test(test_local__what_is_no_time),
        cmocka_unit_test(test_rule__refuses_by_field),
        cmocka_unit_test(test_rule__every_counts_elapsed_time),
        cmocka_unit_test(test_rule__once_and_until),
        cmocka_unit_test(test_rule__the_last_one_missed),
        cmocka_unit_test(test_rule__moves_on_through_every_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
