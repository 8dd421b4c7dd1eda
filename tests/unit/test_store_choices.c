/* test_store_choices.c - locations, browsers and languages: what is there from the start, edits, places, what was used. */
#include "unit/test_store_world.h"

#define T0 INT64_C(1800000000000)

/* ---- doing ---- */

static uint64_t last_id;
static bool last_archived;

static const struct choice_edit nothing = {
    .kind = CHOICE_LOCATION, .is_preset = -1, .is_archived = -1, .at = {T0}};

static enum err edit(struct world *w, struct choice_edit e)
{
    struct why why = {0};
    enum err err = choice_edit_check(&e, &why);

    if (err != ERR_OK)
        return err;
    w->pending++;
    store_choice_put(w->st, &e, &last_id, on_done, w);
    settle(w);
    return w->last_err;
}

static uint64_t add(struct world *w, const char *name, uint32_t position)
{
    struct choice_edit e = nothing;

    e.name = name;
    e.position = position;
    assert_int_equal(edit(w, e), ERR_OK);
    return last_id;
}

static enum err move(struct world *w, uint64_t id, uint32_t position)
{
    struct choice_edit e = nothing;

    e.id = id;
    e.position = position;
    return edit(w, e);
}

static enum err set_archived(struct world *w, uint64_t id, bool archived)
{
    struct choice_edit e = nothing;

    e.id = id;
    e.is_archived = archived;
    return edit(w, e);
}

static enum err set_preset(struct world *w, uint64_t id)
{
    struct choice_edit e = nothing;

    e.id = id;
    e.is_preset = 1;
    return edit(w, e);
}

static enum err delete (struct world *w, uint64_t id) {
    w->pending++;
    store_choice_delete(w->st, CHOICE_LOCATION, id, (struct wall){T0 + 1}, &last_archived, on_done, w);
    settle(w);
    return w->last_err;
}

static void use(struct world *w, uint64_t user, uint64_t id, const char *own, int64_t at)
{
    const struct choices_used used = {
        .user = {user}, .ids = &id, .n_ids = id != 0, .own_location = own, .at = {at}};

    w->pending++;
    store_choices_used(w->st, &used, on_done, w);
    settle(w);
    assert_int_equal(w->last_err, ERR_OK);
}

/* ---- looking ---- */

enum look_kind { LOOK_ALL, LOOK_ONE, LOOK_NAMED, LOOK_PRESET, LOOK_OWN };

struct look {
    struct world *w;
    enum look_kind what;
    enum choice_kind kind;
    bool archived;
    uint64_t id;
    const char *name;
    enum err err;
    uint32_t n;
    uint32_t first_position;
    uint64_t preset;
    char names[2048]; /* separated by '|' */
};

static void note(struct look *l, const char *name)
{
    size_t at = strlen(l->names);

    (void)snprintf(l->names + at, sizeof(l->names) - at, "%s%s", at > 0 ? "|" : "", name);
}

static void each(void *ctx, const struct choice_row *row)
{
    struct look *l = ctx;

    assert_int_equal(row->kind, l->kind);
    if (l->what == LOOK_ALL && row->position != 0)
        assert_int_equal(row->position, l->n + 1); /* 1.. without a gap */
    if (l->n++ == 0)
        l->first_position = row->position;
    if (row->is_preset) {
        assert_int_equal(l->preset, 0);
        l->preset = row->id;
    }
    note(l, row->name);
}

static void each_own(void *ctx, const struct own_location_row *row)
{
    struct look *l = ctx;

    l->n++;
    note(l, row->url);
}

static void look_job(struct reader *r, void *arg)
{
    struct look *l = arg;
    struct why why;

    switch (l->what) {
    case LOOK_ALL:
        l->err = read_choices(r, l->kind, l->archived, each, l, &why);
        break;
    case LOOK_ONE:
        l->err = read_choice(r, l->kind, l->id, each, l, &why);
        break;
    case LOOK_NAMED:
        l->err = read_choice_named(r, l->kind, l->name, each, l, &why);
        break;
    case LOOK_PRESET:
        l->err = read_choice_preset(r, l->kind, each, l, &why);
        break;
    case LOOK_OWN:
    default:
        l->err = read_own_locations(r, (struct user_id){l->id}, each_own, l, &why);
        break;
    }
}

static void look_done(void *arg)
{
    ((struct look *)arg)->w->pending--;
}

static struct look look(struct world *w, struct look l)
{
    l.w = w;
    w->pending++;
    store_read(w->st, look_job, look_done, &l);
    settle(w);
    return l;
}

static struct look locations(struct world *w)
{
    return look(w, (struct look){.what = LOOK_ALL, .kind = CHOICE_LOCATION});
}

#define SEEDED "info us|info eu|info sg|com us|com eu|com sg|com org|default"

/* ---- claims ---- */

static void test_store_choices__a_new_installation_has_the_usual_ones(void **state)
{
    struct world *w = *state;
    struct look l = locations(w);

    assert_string_equal(l.names, SEEDED);
    assert_int_equal(l.preset, 8);
    l = look(w, (struct look){.kind = CHOICE_BROWSER});
    assert_string_equal(l.names, "default|chrome|firefox");
    l = look(w, (struct look){.kind = CHOICE_LANGUAGE});
    assert_string_equal(l.names, "cs-CZ|de-DE|en-US|es-ES|fr-FR|it-IT|pt-BR|ru-RU");
    l = look(w, (struct look){.what = LOOK_PRESET, .kind = CHOICE_LANGUAGE});
    assert_string_equal(l.names, "en-US");
    l = look(w, (struct look){.what = LOOK_NAMED, .kind = CHOICE_LOCATION, .name = "com org"});
    assert_string_equal(l.names, "com org");
    /* a name of another kind is none */
    assert_int_equal(
        look(w, (struct look){.what = LOOK_NAMED, .kind = CHOICE_BROWSER, .name = "com org"}).err,
        ERR_NOTFOUND);
    assert_int_equal(look(w, (struct look){.what = LOOK_ONE, .kind = CHOICE_BROWSER, .id = 1}).err,
                     ERR_NOTFOUND);
}

static void test_store_choices__places_have_no_gaps_wherever_one_goes(void **state)
{
    struct world *w = *state;
    uint64_t id = add(w, "staging", 0);

    assert_true(id > 19); /* ids of the first ones are not given again */
    assert_string_equal(locations(w).names, SEEDED "|staging");
    assert_int_equal(move(w, id, 1), ERR_OK);
    assert_string_equal(locations(w).names, "staging|" SEEDED);
    assert_int_equal(move(w, id, 3), ERR_OK);
    assert_string_equal(locations(w).names,
                        "info us|info eu|staging|info sg|com us|com eu|com sg|com org|default");
    assert_int_equal(move(w, id, 4), ERR_OK);
    assert_int_equal(move(w, id, 1000), ERR_OK);
    assert_string_equal(locations(w).names, SEEDED "|staging");
    world_reopen(w);
    assert_string_equal(locations(w).names, SEEDED "|staging");
    (void)add(w, "second", 2);
    assert_int_equal(delete (w, 1), ERR_OK);
    assert_string_equal(locations(w).names,
                        "second|info eu|info sg|com us|com eu|com sg|com org|default|staging");
}

static void test_store_choices__a_name_is_there_once(void **state)
{
    struct world *w = *state;
    struct choice_edit e = nothing;

    e.name = "com us";
    assert_int_equal(edit(w, e), ERR_CONFLICT);
    assert_string_equal(w->last_why.field, "name");
    e.id = 1;
    assert_int_equal(edit(w, e), ERR_CONFLICT);
    e.id = 4; /* its own */
    assert_int_equal(edit(w, e), ERR_OK);
    e.id = 0;
    e.kind = CHOICE_BROWSER;
    e.name = "com";
    assert_int_equal(edit(w, e), ERR_OK);
    e.id = 99;
    assert_int_equal(edit(w, e), ERR_NOTFOUND);
    e.id = 1; /* a location */
    assert_int_equal(edit(w, e), ERR_NOTFOUND);
}

static void test_store_choices__what_was_used_is_archived_what_was_not_is_deleted(void **state)
{
    struct world *w = *state;
    struct look l;

    use(w, 1, 1, NULL, T0);
    assert_int_equal(delete (w, 1), ERR_OK);
    assert_true(last_archived);
    assert_int_equal(delete (w, 2), ERR_OK);
    assert_false(last_archived);
    assert_int_equal(delete (w, 2), ERR_NOTFOUND);
    assert_string_equal(locations(w).names, "info sg|com us|com eu|com sg|com org|default");
    l = look(w, (struct look){.kind = CHOICE_LOCATION, .archived = true});
    assert_string_equal(l.names, "info sg|com us|com eu|com sg|com org|default|info us");
    assert_int_equal(
        look(w, (struct look){.what = LOOK_NAMED, .kind = CHOICE_LOCATION, .name = "info us"}).err,
        ERR_NOTFOUND);
    assert_int_equal(look(w, (struct look){.what = LOOK_ONE, .kind = CHOICE_LOCATION, .id = 1}).err, ERR_OK);
    assert_int_equal(set_archived(w, 1, false), ERR_OK); /* back, as the last one */
    assert_string_equal(locations(w).names, "info sg|com us|com eu|com sg|com org|default|info us");
}

static void test_store_choices__there_is_always_one_preset(void **state)
{
    struct world *w = *state;
    struct choice_edit e = nothing;

    assert_int_equal(delete (w, 8), ERR_CONFLICT);
    assert_int_equal(set_archived(w, 8, true), ERR_CONFLICT);
    e.id = 8;
    e.is_preset = 0;
    assert_int_equal(edit(w, e), ERR_CONFLICT);
    assert_int_equal(set_archived(w, 4, true), ERR_OK);
    assert_int_equal(set_preset(w, 4), ERR_CONFLICT);
    assert_int_equal(set_preset(w, 5), ERR_OK);
    assert_int_equal(locations(w).preset, 5);
    assert_int_equal(delete (w, 8), ERR_OK);
    assert_int_equal(look(w, (struct look){.kind = CHOICE_BROWSER}).preset, 9);
}

static void test_store_choices__so_many_of_a_kind_and_no_more(void **state)
{
    struct world *w = *state;
    struct choice_edit e = nothing;
    char name[32];

    for (unsigned i = 8; i < CHOICES_MAX; i++) {
        (void)snprintf(name, sizeof(name), "more %u", i);
        (void)add(w, name, i % 7 + 1);
    }
    e.name = "one more";
    assert_int_equal(edit(w, e), ERR_LIMIT);
    assert_int_equal(look(w, (struct look){.kind = CHOICE_LOCATION}).n, CHOICES_MAX);
}

static void test_store_choices__the_last_own_locations_of_each_user_are_kept(void **state)
{
    struct world *w = *state;
    struct look l;
    char url[64];

    for (int i = 0; i < 25; i++) {
        (void)snprintf(url, sizeof(url), "https://t%d.example.org", i);
        use(w, 7, 0, url, T0 + i / 2); /* two at the same instant */
    }
    use(w, 8, 0, "https://other.example.org", T0);
    use(w, 7, 0, "https://t10.example.org", T0 + 100);
    l = look(w, (struct look){.what = LOOK_OWN, .id = 7});
    assert_int_equal(l.n, OWN_LOCATIONS_MAX);
    assert_ptr_equal(strstr(l.names, "https://t10.example.org|"), l.names);
    assert_non_null(strstr(l.names, "https://t24.example.org"));
    assert_null(strstr(l.names, "https://t0.example.org"));
    assert_string_equal(look(w, (struct look){.what = LOOK_OWN, .id = 8}).names, "https://other.example.org");
    w->pending++;
    store_own_location_forget(w->st, (struct user_id){7}, "https://t10.example.org", on_done, w);
    settle(w);
    assert_int_equal(w->last_err, ERR_OK);
    assert_int_equal(look(w, (struct look){.what = LOOK_OWN, .id = 7}).n, OWN_LOCATIONS_MAX - 1);
    w->pending++;
    store_own_location_forget(w->st, (struct user_id){8}, "https://t10.example.org", on_done, w);
    settle(w);
    assert_int_equal(w->last_err, ERR_NOTFOUND);
}

static void test_store_choices__a_deleted_user_leaves_no_own_locations(void **state)
{
    struct world *w = *state;
    struct account_change c = {.kind = ACCOUNT_USER_PUT,
                               .user = {.id = {7},
                                        .login = "mira",
                                        .email = "",
                                        .first_name = "",
                                        .last_name = "",
                                        .position = "",
                                        .zone = "Europe/Berlin",
                                        .password = ""}};

    use(w, 7, 0, "https://a.example.org", T0);
    w->pending++;
    store_account_changes(w->st, &c, 1, on_done, w);
    settle(w);
    assert_int_equal(look(w, (struct look){.what = LOOK_OWN, .id = 7}).n, 1);
    c.user.deleted_at.ms = T0 + 1;
    w->pending++;
    store_account_changes(w->st, &c, 1, on_done, w);
    settle(w);
    assert_int_equal(w->last_err, ERR_OK);
    assert_int_equal(look(w, (struct look){.what = LOOK_OWN, .id = 7}).n, 0);
}

/* ---- what names and urls must keep to ---- */

static void test_store_choices__names_that_would_be_misread_are_refused(void **state)
{
    static const char *const bad[] = {"",
                                      "custom",
                                      "-x",
                                      "a  b",
                                      " a",
                                      "a ",
                                      "a,b",
                                      "http://x",
                                      "a\x1b",
                                      "\xff",
                                      "0123456789012345678901234567890123456789"
                                      "01234567890123456789012345678901234567890"};
    struct choice_edit e = nothing;
    struct why why;

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        e.name = bad[i];
        assert_int_equal(choice_edit_check(&e, &why), ERR_INVALID);
        assert_string_equal(why.field, "name");
    }
    e.name = "Köln am Rhein";
    assert_int_equal(choice_edit_check(&e, &why), ERR_OK);
    e.kind = CHOICE_LANGUAGE;
    assert_int_equal(choice_edit_check(&e, &why), ERR_INVALID); /* one word */
    e.name = "custom";                                          /* nothing special for a language */
    assert_int_equal(choice_edit_check(&e, &why), ERR_OK);
    e.url = "ftp://example.org";
    assert_int_equal(choice_edit_check(&e, &why), ERR_INVALID);
    assert_string_equal(why.field, "url");
}

static void test_store_choices__urls_of_locations(void **state)
{
    static const struct {
        const char *url, *host; /* host NULL: refused */
    } rows[] = {
        {"http://example.org", "example.org"},
        {"https://10.0.0.1:8443/a?b=c#d", "10.0.0.1"},
        {"http://[::1]:80/", "::1"},
        {"http://localhost:3000?x", "localhost"},
        {"HTTP://example.org", NULL},
        {"http://", NULL},
        {"http:///x", NULL},
        {"https://user:pass@example.org/", NULL},
        {"https://example.org/@x", "example.org"},
        {"http://example.org:0", NULL},
        {"http://example.org:65536", NULL},
        {"http://example.org:", NULL},
        {"http://example.org:80x/", NULL},
        {"http://exa mple.org", NULL},
        {"http://example.org/$(id)", "example.org"},
        {"http://example.org`id`", NULL},
        {"http://b\xc3\xbc"
         "cher.de/",
         NULL},
        {"http://-x/", NULL},
        {"http://[::1", NULL},
        {"example.org", NULL},
        {"file:///etc/passwd", NULL},
        {"http://a\nb", NULL},
    };
    struct why why;
    char host[256];

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        enum err err = http_url_check("url", rows[i].url, &why);

        if ((err == ERR_OK) != (rows[i].host != NULL))
            fail_msg("%s: %s", rows[i].url, err == ERR_OK ? "taken" : why.text);
        if (rows[i].host == NULL)
            continue;
        http_url_host(rows[i].url, host, sizeof(host));
        assert_string_equal(host, rows[i].host);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_store_choices__##name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_installation_has_the_usual_ones),
        TEST(places_have_no_gaps_wherever_one_goes),
        TEST(a_name_is_there_once),
        TEST(what_was_used_is_archived_what_was_not_is_deleted),
        TEST(there_is_always_one_preset),
        TEST(so_many_of_a_kind_and_no_more),
        TEST(the_last_own_locations_of_each_user_are_kept),
        TEST(a_deleted_user_leaves_no_own_locations),
        TEST(names_that_would_be_misread_are_refused),
        TEST(urls_of_locations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
