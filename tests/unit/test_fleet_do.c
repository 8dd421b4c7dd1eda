/* test_fleet_do.c - the DigitalOcean driver in virtual time: every answer that a cloud can give, and none. */
#include "unit/test_fleet_world.h"

#define OPTIONS "{\"image\":\"12345\",\"regions\":[\"fra1\",\"ams3\"]}"
#define NAMED "{\"image\":\"qa-*\",\"regions\":[\"fra1\",\"ams3\"]}"

static int setup(void **state)
{
    *state = world_new("digitalocean", OPTIONS);
    return 0;
}

static int setup_named(void **state)
{
    *state = world_new("digitalocean", NAMED);
    return 0;
}

static int teardown(void **state)
{
    world_free(*state);
    return 0;
}

/* ---- create ---- */

static void test_do__a_created_droplet_carries_the_mark_and_the_host_key(void **state)
{
    struct world *w = *state;
    const struct droplet *d;

    world_create(w, 17, 4711);
    assert_string_equal(world_said(w), ""); /* not from inside of the call */
    world_run(w, 1000);
    assert_string_equal(world_said(w), "created s17 i4711 3164444 fra1\n");
    assert_int_equal(w->n_droplets, 1);
    d = &w->droplets[0];
    assert_string_equal(d->name, "web-17");
    assert_string_equal(d->size, "s-1vcpu-1gb");
    assert_string_equal(d->image, "12345");
    assert_true(droplet_has(d, "wrata"));
    assert_true(droplet_has(d, "wrata:" INSTANCE));
    assert_true(droplet_has(d, "wrata:" INSTANCE ":s17:i4711"));
    assert_true(droplet_has(d, "wrata:until:2026-11-30-0300"));
    assert_int_equal(d->n_tags, 4);
    assert_ptr_equal(strstr(d->user_data, "#cloud-config\n{"), d->user_data);
    assert_non_null(strstr(d->user_data, "\"ed25519_private\":\"-----BEGIN OPENSSH PRIVATE KEY-----\\n"));
    assert_non_null(strstr(d->user_data, "\"ed25519_public\":\"ssh-ed25519 "));
    assert_non_null(strstr(d->user_data, "\"ssh_authorized_keys\":[\"ssh-ed25519 "));
    assert_non_null(strstr(d->user_data, "\"ssh_pwauth\":false"));
}

static void test_do__a_500_after_creating_is_unknown_and_is_not_repeated(void **state)
{
    struct world *w = *state;

    world_fault(w, (struct rule){"POST", "/v2/droplets", STATUS_AFTER, 500, NULL, 1});
    world_create(w, 1, 10);
    world_run(w, 600000);
    assert_string_equal(world_said(w),
                        "create failed s1 i10: unknown: making a machine: DigitalOcean answered 500: a fault "
                        "of the test\n");
    assert_int_equal(w->posts, 1);
    assert_int_equal(w->n_droplets, 1);
    fleet_list(w->f, 1);
    world_run(w, 5000);
    assert_string_equal(world_said(w), "listed 1: 1 3164444(s1 i10 new )\n"); /* and so it is found */
}

static void test_do__a_lost_answer_is_unknown_and_is_not_repeated(void **state)
{
    struct world *w = *state;

    world_fault(w, (struct rule){"POST", "/v2/droplets", LOST_AFTER, 0, NULL, 1});
    world_create(w, 1, 10);
    world_run(w, 600000);
    assert_int_equal(w->n_failed, 1);
    assert_int_equal(w->last_fault, FLEET_FAULT_UNKNOWN);
    assert_int_equal(w->posts, 1);
    assert_int_equal(w->n_droplets, 1);
}

static void test_do__an_answer_that_makes_no_sense_is_unknown(void **state)
{
    static const char *const bodies[] = {"",
                                         "{",
                                         "[]",
                                         "{}",
                                         "{\"droplet\":7}",
                                         "{\"droplet\":{\"id\":\"7\"}}",
                                         "{\"droplet\":{\"id\":-1}}",
                                         "{\"droplet\":{\"id\":0}}",
                                         "null"};
    struct world *w = *state;

    for (uint64_t i = 0; i < ARRAY_LEN(bodies); i++) {
        world_fault(w, (struct rule){"POST", "/v2/droplets", STATUS_AFTER, 202, bodies[i], 1});
        world_create(w, i + 1, i + 1);
        world_run(w, 60000);
        assert_int_equal(w->n_failed, i + 1);
        assert_int_equal(w->last_fault, FLEET_FAULT_UNKNOWN);
        assert_int_equal(w->posts, i + 1);
    }
}

static void test_do__what_was_never_sent_is_tried_again(void **state)
{
    struct world *w = *state;

    world_fault(w, (struct rule){"POST", "/v2/droplets", NOT_SENT, 0, NULL, 3});
    world_create(w, 1, 10);
    world_run(w, 60000);
    assert_string_equal(world_said(w), "created s1 i10 3164444 fra1\n");
    assert_int_equal(w->n_droplets, 1);
}

static void test_do__too_many_requests_means_later_by_the_clouds_word(void **state)
{
    struct world *w = *state;

    world_fault(w, (struct rule){"POST", "/v2/droplets", STATUS, 429, NULL, 1});
    world_create(w, 1, 10);
    world_run(w, 28000);
    assert_int_equal(w->asked, 1); /* Retry-After: 29 */
    world_run(w, 5000);
    assert_string_equal(world_said(w), "created s1 i10 3164444 fra1\n");
    assert_int_equal(w->n_droplets, 1);
}

static void test_do__nobody_answers_for_long_and_then_it_is_busy(void **state)
{
    struct world *w = *state;

    world_fault(w, (struct rule){NULL, "/", NOT_SENT, 0, NULL, 1000});
    world_create(w, 1, 10);
    world_run(w, 200000);
    assert_string_equal(world_said(w), "");
    world_run(w, 160000);
    assert_string_equal(world_said(w),
                        "create failed s1 i10: busy: making a machine: DigitalOcean cannot be reached: "
                        "Connection refused\n");
    assert_true(w->asked < 30); /* with waits that grow */
    assert_true(w->asked > 5);
}

static void test_do__a_full_account_is_a_limit_and_costs_one_call(void **state)
{
    struct world *w = *state;

    w->limit = 0;
    world_create(w, 1, 10);
    world_run(w, 600000);
    assert_string_equal(world_said(w),
                        "create failed s1 i10: limit: making a machine: DigitalOcean refuses it: creating "
                        "this/these droplet(s) will exceed your droplet limit\n");
    assert_true(w->retry_after_ms >= 60000);
    assert_int_equal(w->posts, 1);
}

static void test_do__a_region_without_room_sends_it_to_the_next(void **state)
{
    struct world *w = *state;

    w->no_room = "fra1";
    world_create(w, 1, 10);
    world_run(w, 5000);
    assert_string_equal(world_said(w), "created s1 i10 3164444 ams3\n");
    assert_int_equal(w->n_droplets, 1);
}

static void test_do__no_region_with_room_is_busy_and_says_which_was_last(void **state)
{
    struct world *w = *state;

    world_fault(w, (struct rule){"POST", "/v2/droplets", STATUS, 422,
                                 "{\"id\":\"unprocessable_entity\",\"message\":\"Region is not available\"}",
                                 2});
    world_create(w, 1, 10);
    world_run(w, 600000);
    assert_string_equal(
        world_said(w),
        "create failed s1 i10: busy: making a machine: none of the fleet's regions has it: the "
        "last one, ams3: Region is not available\n");
    assert_true(w->retry_after_ms > 0);
    assert_int_equal(w->n_droplets, 0);
}

static void test_do__what_no_region_will_ever_have_is_invalid(void **state)
{
    struct world *w = *state;

    world_fault(w,
                (struct rule){"POST", "/v2/droplets", STATUS, 422,
                              "{\"message\":\"You specified an invalid region for Droplet creation.\"}", 2});
    world_create(w, 1, 10);
    world_run(w, 60000);
    assert_int_equal(w->last_fault, FLEET_FAULT_INVALID);
    fleet_catalog_ask(w->f, false);
    world_run(w, 60000);
    (void)world_said(w);
    for (int i = 0; i < 2; i++) {
        world_fault(w, (struct rule){"POST", "/v2/droplets", STATUS, 422,
                                     "{\"message\":\"Size is not available in this region.\"}", 2});
        world_create_sized(w, 2, 20 + (uint64_t)i, i == 0 ? "s-9vcpu" : "s-3vcpu");
        world_run(w, 60000);
    }
    assert_string_equal(
        world_said(w), "create failed s2 i20: invalid: making a machine: DigitalOcean has no size 's-9vcpu'\n"
                       "create failed s2 i21: invalid: making a machine: the size 's-3vcpu' is to be had in "
                       "nyc3, and in none of the fleet's "
                       "regions\n");
}

static void test_do__what_the_cloud_refuses_is_invalid_and_a_token_auth(void **state)
{
    static const struct {
        int status;
        const char *body;
        enum fleet_fault fault;
    } cases[] = {
        {422, "{\"message\":\"name Only valid hostname characters are allowed.\"}", FLEET_FAULT_INVALID},
        {400, "{\"message\":\"bad\"}", FLEET_FAULT_INVALID},
        {404, "{\"message\":\"gone\"}", FLEET_FAULT_INVALID},
        {401, "{\"message\":\"Unable to authenticate you\"}", FLEET_FAULT_AUTH},
        {403, "{\"message\":\"You do not have access for the attempted action.\"}", FLEET_FAULT_AUTH},
        {408, "", FLEET_FAULT_UNKNOWN},
        {502, "<html>bad gateway</html>", FLEET_FAULT_UNKNOWN},
        {301, "", FLEET_FAULT_UNKNOWN},
    };
    struct world *w = *state;

    for (uint64_t i = 0; i < ARRAY_LEN(cases); i++) {
        world_fault(w, (struct rule){"POST", "/v2/droplets", STATUS, cases[i].status, cases[i].body, 1});
        world_create(w, i + 1, i + 1);
        world_run(w, 120000);
        assert_int_equal(w->n_failed, i + 1);
        if (w->last_fault != cases[i].fault)
            fail_msg("%d: %s", cases[i].status, world_said(w));
    }
    assert_int_equal(w->n_droplets, 0);
}

static void test_do__without_a_token_nothing_is_asked(void **state)
{
    struct world *w = *state;

    fleets_set_token(w->all, (struct slice){NULL, 0});
    world_create(w, 1, 10);
    fleet_list(w->f, 1);
    world_run(w, 5000);
    assert_int_equal(w->asked, 0);
    assert_int_equal(w->n_failed, 2);
    assert_int_equal(w->last_fault, FLEET_FAULT_AUTH);
    assert_non_null(strstr(world_said(w), "cloud_token is missing in the credentials"));
    fleets_set_token(w->all, SLICE("other"));
    world_create(w, 1, 11);
    world_run(w, 5000);
    assert_int_equal(w->n_created, 1);
}

/* ---- images ---- */

#define IMAGE(id, name, regions, at, status)                                                    \
    "{\"id\":" #id ",\"name\":\"" name "\",\"slug\":null,\"public\":false,\"regions\":" regions \
    ",\"created_at\":\"" at "\",\"status\":\"" status "\"}"

static void test_do__the_newest_snapshot_that_matches_is_taken(void **state)
{
    struct world *w = *state;

    w->images = "[" IMAGE(7, "qa-1", "[\"fra1\"]", "2026-01-01T00:00:00Z", "available") "," IMAGE(
        8, "qa-2", "[\"fra1\"]", "2026-03-01T00:00:00Z",
        "available") "," IMAGE(9, "qa-3", "[\"fra1\"]", "2026-04-01T00:00:00Z",
                               "pending") "," IMAGE(10, "other", "[\"fra1\"]", "2026-05-01T00:00:00Z",
                                                    "available") "]";
    for (uint64_t i = 1; i <= 5; i++)
        world_create(w, i, i);
    world_run(w, 5000);
    assert_int_equal(w->n_created, 5);
    assert_string_equal(w->droplets[0].image, "8");
    assert_int_equal(w->asked, 6); /* it is looked up once for all */
}

static void test_do__an_image_decides_which_regions_are_asked(void **state)
{
    struct world *w = *state;

    w->images = "[" IMAGE(7, "qa-1", "[\"nyc3\",\"ams3\"]", "2026-01-01T00:00:00Z", "available") "]";
    world_create(w, 1, 1);
    world_run(w, 5000);
    assert_string_equal(world_said(w), "created s1 i1 3164444 ams3\n");
    assert_int_equal(w->posts, 1);
    w->images = "[" IMAGE(7, "qa-1", "[\"nyc3\",\"sfo2\"]", "2026-01-01T00:00:00Z", "available") "]";
    world_run(w, 700000); /* what was looked up is old by now */
    world_create(w, 2, 2);
    world_run(w, 5000);
    assert_string_equal(
        world_said(w),
        "create failed s2 i2: invalid: making a machine: the image 'qa-*' is in nyc3, sfo2, and "
        "in none of the fleet's regions\n");
}

static void test_do__no_snapshot_that_matches_is_invalid(void **state)
{
    struct world *w = *state;

    world_create(w, 1, 1);
    world_create(w, 2, 2);
    world_run(w, 5000);
    assert_string_equal(
        world_said(w),
        "create failed s1 i1: invalid: looking up the image: no snapshot of the account matches 'qa-*'\n"
        "create failed s2 i2: invalid: looking up the image: no snapshot of the account matches 'qa-*'\n");
    assert_int_equal(w->posts, 0);
}

static void test_do__an_image_that_was_replaced_is_looked_up_again(void **state)
{
    struct world *w = *state;

    w->images = "[" IMAGE(7, "qa-1", "[\"fra1\"]", "2026-01-01T00:00:00Z", "available") "]";
    world_create(w, 1, 1);
    world_run(w, 5000);
    w->images = "[" IMAGE(8, "qa-2", "[\"fra1\"]", "2026-02-01T00:00:00Z", "available") "]";
    world_fault(w,
                (struct rule){"POST", "/v2/droplets", STATUS, 422,
                              "{\"message\":\"You specified an invalid image for Droplet creation.\"}", 1});
    world_create(w, 2, 2);
    world_run(w, 5000);
    assert_int_equal(w->n_created, 2);
    assert_string_equal(w->droplets[1].image, "8");
}

static void test_do__an_image_may_be_a_number(void **state)
{
    struct world *w = world_new("digitalocean", "{\"image\":9102,\"regions\":[\"fra1\"]}");

    (void)state;
    world_create(w, 1, 1);
    world_run(w, 5000);
    assert_string_equal(w->droplets[0].image, "9102");
    assert_int_equal(w->asked, 1); /* nothing is looked up */
    world_free(w);
}

static void test_do__a_name_that_no_snapshot_has_is_a_slug(void **state)
{
    struct world *w = world_new("digitalocean", "{\"image\":\"debian-12-x64\",\"regions\":[\"fra1\"]}");

    (void)state;
    world_create(w, 1, 1);
    world_run(w, 5000);
    assert_string_equal(w->droplets[0].image, "debian-12-x64");
    world_free(w);
}

/* ---- destroy ---- */

static void test_do__a_droplet_is_looked_at_before_it_is_destroyed(void **state)
{
    struct world *w = *state;

    world_create(w, 1, 10);
    world_run(w, 1000);
    fleet_list(w->f, 1);
    world_run(w, 5000);
    (void)world_said(w);
    w->paths[0] = '\0';
    fleet_destroy(w->f, "3164444");
    world_run(w, 5000);
    assert_string_equal(world_said(w), "destroyed 3164444\n");
    assert_string_equal(w->paths, "GET /v2/droplets/3164444\nDELETE /v2/droplets/3164444\n");
    assert_int_equal(w->n_droplets, 0);
    fleet_destroy(w->f, "3164444"); /* again: it is gone already */
    world_run(w, 5000);
    assert_string_equal(world_said(w), "destroyed 3164444\n");
}

static void test_do__a_droplet_without_our_mark_is_never_touched(void **state)
{
    static const char *const tags[] = {"wrata", "wrata:ffffffffffffffff", "wrata:" INSTANCE ":s1:i1",
                                       "wrata:until:2020-01-01-0000", "wrata:" INSTANCE "0"};
    struct world *w = *state;
    struct droplet *d = world_add(w, "somebody-elses");
    char id[32];

    for (size_t i = 0; i < ARRAY_LEN(tags); i++)
        droplet_tag(w, d, tags[i]);
    (void)snprintf(id, sizeof(id), "%llu", (unsigned long long)d->id);
    fleet_destroy(w->f, id);
    world_run(w, 60000);
    assert_string_equal(world_said(w),
                        "destroy failed: invalid: droplet 3164444 does not carry the tag wrata:" INSTANCE
                        "; it "
                        "is left alone\n");
    fleet_renew(w->f, id, (struct wall){w->wall.ms + 3600000});
    world_run(w, 60000);
    assert_string_equal(
        world_said(w), "renew failed: invalid: droplet 3164444 does not carry the tag wrata:" INSTANCE "; it "
                       "is left alone\n");
    fleet_list(w->f, 1);
    world_run(w, 60000);
    assert_string_equal(world_said(w), "listed 1: 0\n");
    assert_int_equal(w->deletes, 0);
    assert_int_equal(d->n_tags, 5);
}

static void test_do__what_is_no_number_is_no_droplet(void **state)
{
    static const char *const ids[] = {"", "1/../2", "1?x", "0", "-1", "12345678901234567890", "1 2", "abc"};
    struct world *w = *state;

    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        fleet_destroy(w->f, ids[i]);
        fleet_renew(w->f, ids[i], (struct wall){w->wall.ms + 3600000});
    }
    world_run(w, 60000);
    assert_int_equal(w->n_failed, 2 * ARRAY_LEN(ids));
    assert_int_equal(w->last_fault, FLEET_FAULT_INVALID);
    assert_int_equal(w->asked, 0);
}

static void test_do__a_delete_is_repeated_until_it_is_certain(void **state)
{
    struct world *w = *state;

    world_create(w, 1, 10);
    world_run(w, 1000);
    world_fault(w, (struct rule){"DELETE", "/v2/droplets/", STATUS, 500, NULL, 2});
    world_fault(w, (struct rule){"DELETE", "/v2/droplets/", LOST_AFTER, 0, NULL, 1});
    (void)world_said(w);
    fleet_destroy(w->f, "3164444");
    world_run(w, 60000);
    assert_string_equal(world_said(w), "destroyed 3164444\n"); /* by the 404 of the last try */
    assert_int_equal(w->deletes, 1);
}

static void test_do__a_locked_droplet_is_busy(void **state)
{
    struct world *w = *state;

    world_create(w, 1, 10);
    world_run(w, 1000);
    world_fault(
        w, (struct rule){
               "DELETE", "/v2/droplets/", STATUS, 422,
               "{\"id\":\"unprocessable_entity\",\"message\":\"Droplet already has a pending event.\"}", 1});
    (void)world_said(w);
    fleet_destroy(w->f, "3164444");
    world_run(w, 60000);
    assert_string_equal(
        world_said(w), "destroy failed: busy: destroying a machine: DigitalOcean refuses it: Droplet already "
                       "has a pending event.\n");
    assert_true(w->retry_after_ms > 0);
}

/* ---- list ---- */

static void add_ours(struct world *w, uint64_t server)
{
    char name[32];
    char tag[DO_TAG_BYTES];
    struct droplet *d;

    (void)snprintf(name, sizeof(name), "web-%llu", (unsigned long long)server);
    d = world_add(w, name);
    d->status = "active";
    d->address = "192.0.2.7";
    droplet_tag(w, d, "wrata");
    droplet_tag(w, d, do_tag_instance(INSTANCE, tag));
    droplet_tag(w, d, do_tag_intent(INSTANCE, server, server + 100, tag));
}

static void test_do__a_list_has_all_pages_and_each_machine_once(void **state)
{
    struct world *w = *state;

    w->per_page_max = 3;
    for (uint64_t i = 1; i <= 7; i++)
        add_ours(w, i);
    fleet_list(w->f, 5);
    world_run(w, 5000);
    assert_int_equal(w->listed_n, 7);
    assert_int_equal(w->last_ask, 5);
    assert_non_null(strstr(world_said(w), "3164445(s2 i102 active 192.0.2.7)"));
}

static void test_do__a_list_with_a_hole_is_read_again(void **state)
{
    struct world *w = *state;

    w->per_page_max = 3;
    for (uint64_t i = 1; i <= 7; i++)
        add_ours(w, i);
    w->list_lies = 1;
    fleet_list(w->f, 1);
    world_run(w, 30000);
    assert_int_equal(w->n_failed, 0);
    assert_int_equal(w->listed_n, 7);
    w->list_lies = 1000;
    fleet_list(w->f, 2);
    world_run(w, 120000);
    assert_int_equal(w->n_listed, 1); /* one whole list or none */
    assert_int_equal(w->last_fault, FLEET_FAULT_BUSY);
    assert_non_null(
        strstr(world_said(w),
               "list failed: busy: listing machines: DigitalOcean says that there are 7 and shows 6"));
}

static void test_do__a_page_that_fails_is_asked_again_and_fails_the_list_in_the_end(void **state)
{
    struct world *w = *state;

    w->per_page_max = 3;
    for (uint64_t i = 1; i <= 7; i++)
        add_ours(w, i);
    world_fault(w, (struct rule){"GET", "/v2/droplets?per_page=200&page=2", STATUS, 503, NULL, 2});
    fleet_list(w->f, 1);
    world_run(w, 60000);
    assert_int_equal(w->listed_n, 7);
    world_fault(w, (struct rule){"GET", "/v2/droplets?per_page=200&page=2", STATUS, 503, NULL, 1000});
    fleet_list(w->f, 2);
    world_run(w, 300000);
    assert_int_equal(w->n_listed, 1);
    assert_int_equal(w->n_failed, 1);
    assert_int_equal(w->last_fault, FLEET_FAULT_BUSY);
}

static void test_do__asks_while_a_list_is_read_are_answered_by_one_that_began_later(void **state)
{
    struct world *w = *state;

    add_ours(w, 1);
    fleet_list(w->f, 1);
    world_run(w, 10);
    fleet_list(w->f, 2);
    fleet_list(w->f, 3);
    world_run(w, 10000);
    assert_string_equal(world_said(w), "listed 1: 1 3164444(s1 i101 active 192.0.2.7)\n"
                                       "listed 3: 1 3164444(s1 i101 active 192.0.2.7)\n");
}

static void test_do__machines_with_a_gpu_are_found_although_no_tag_selects_them(void **state)
{
    struct world *w = *state;

    add_ours(w, 1);
    add_ours(w, 2);
    w->droplets[1].is_gpu = true;
    world_add(w, "somebody-elses")->is_gpu = true;
    fleet_list(w->f, 1);
    world_run(w, 10000);
    assert_int_equal(w->listed_n, 2);
    world_fault(w, (struct rule){"GET", "/v2/droplets?per_page=200&page=1&type=gpus", STATUS, 400, NULL, 1});
    fleet_list(w->f, 2); /* an account that knows no such thing */
    world_run(w, 10000);
    assert_int_equal(w->listed_n, 1);
    assert_int_equal(w->n_failed, 0);
}

static void test_do__a_refusal_to_list_those_with_a_gpu_is_no_list(void **state)
{
    static const int refusals[] = {403, 404, 408};
    struct world *w = *state;

    add_ours(w, 1);
    w->droplets[0].is_gpu = true;
    for (uint32_t i = 0; i < ARRAY_LEN(refusals); i++) {
        world_fault(w, (struct rule){"GET", "/v2/droplets?per_page=200&page=1&type=gpus", STATUS, refusals[i],
                                     NULL, 1});
        fleet_list(w->f, i + 1);
        world_run(w, 10000);
        assert_int_equal(w->n_failed, i + 1);
        assert_int_equal(w->n_listed, 0);
    }
}

static void test_do__a_young_machine_that_lists_do_not_show_is_asked_for_by_its_id(void **state)
{
    struct world *w = *state;

    world_create(w, 1, 10);
    world_run(w, 1000);
    w->droplets[0].is_hidden = true;
    (void)world_said(w);
    fleet_list(w->f, 1);
    world_run(w, 5000);
    assert_string_equal(world_said(w), "listed 1: 1 3164444(s1 i10 new )\n");
    fleet_list(w->f, 2);
    world_run(w, 5000);
    assert_string_equal(world_said(w), "listed 2: 1 3164444(s1 i10 new )\n"); /* as long as it takes */
    w->n_droplets = 0; /* somebody destroyed it in the panel */
    fleet_list(w->f, 3);
    world_run(w, 5000);
    assert_string_equal(world_said(w), "listed 3: 0\n");
}

static void test_do__a_machine_whose_tags_never_came_gets_them_again(void **state)
{
    struct world *w = *state;

    w->tags_come_late = true;
    world_create(w, 1, 10);
    world_run(w, 1000);
    (void)world_said(w);
    fleet_list(w->f, 1);
    world_run(w, 5000);
    assert_string_equal(world_said(w), "listed 1: 1 3164444(s1 i10 new )\n");
    assert_int_equal(w->droplets[0].n_tags, 0);
    world_run(w, 60000);
    fleet_list(w->f, 2);
    world_run(w, 10000);
    assert_int_equal(w->droplets[0].n_tags, 4);
    assert_true(droplet_has(&w->droplets[0], "wrata:" INSTANCE));
    assert_true(droplet_has(&w->droplets[0], "wrata:" INSTANCE ":s1:i10"));
    (void)world_said(w);
    fleet_list(w->f, 3);
    world_run(w, 5000);
    assert_string_equal(world_said(w), "listed 3: 1 3164444(s1 i10 new )\n");
}

static void test_do__a_young_machine_without_tags_can_be_destroyed(void **state)
{
    struct world *w = *state;

    w->tags_come_late = true;
    world_create(w, 1, 10);
    world_run(w, 1000);
    fleet_destroy(w->f, "3164444");
    world_run(w, 5000);
    assert_int_equal(w->n_destroyed, 1);
    assert_int_equal(w->n_droplets, 0);
}

static void test_do__a_token_that_may_not_read_tags_shows_no_list(void **state)
{
    struct world *w = *state;

    world_fault(
        w, (struct rule){
               "GET", "/v2/droplets?", STATUS, 200,
               "{\"droplets\":[{\"id\":7,\"name\":\"a\",\"status\":\"active\"}],\"meta\":{\"total\":1}}", 1});
    fleet_list(w->f, 1);
    world_run(w, 5000);
    assert_int_equal(w->last_fault, FLEET_FAULT_AUTH);
    assert_non_null(strstr(world_said(w), "scope tag:read"));
}

/* ---- leases ---- */

static void test_do__leases_of_many_are_renewed_together(void **state)
{
    struct world *w = *state;
    struct wall until;
    char tag[DO_TAG_BYTES];
    unsigned before;

    for (uint64_t i = 1; i <= 150; i++)
        world_create(w, i, i);
    world_run(w, 60000);
    assert_int_equal(w->n_created, 150);
    fleet_list(w->f, 1);
    world_run(w, 5000);
    (void)world_said(w);
    before = w->asked;
    until.ms = w->wall.ms + 7200000;
    for (unsigned i = 0; i < 150; i++) {
        char id[32];

        (void)snprintf(id, sizeof(id), "%llu", (unsigned long long)w->droplets[i].id);
        fleet_renew(w->f, id, until);
    }
    world_run(w, 60000);
    for (unsigned i = 0; i < 150; i++) {
        assert_true(droplet_has(&w->droplets[i], do_tag_until(until, tag)));
        assert_int_equal(w->droplets[i].n_tags, 4); /* the old one is off */
    }
    assert_true(w->asked - before <= 8);
    print_message("leases of 150 machines were renewed by %u calls\n", w->asked - before);
    assert_non_null(strstr(world_said(w), "renewed 3164444 "));
}

static void test_do__one_that_is_gone_does_not_keep_the_others_from_a_new_lease(void **state)
{
    struct world *w = *state;
    struct wall until = {w->wall.ms + 14400000};

    for (uint64_t i = 1; i <= 3; i++)
        world_create(w, i, i);
    world_run(w, 5000);
    fleet_list(w->f, 1);
    world_run(w, 5000);
    (void)world_said(w);
    w->droplets[1] = w->droplets[2];
    w->n_droplets = 2; /* the second went in the panel */
    fleet_renew(w->f, "3164444", until);
    fleet_renew(w->f, "3164445", until);
    fleet_renew(w->f, "3164446", until);
    world_run(w, 60000);
    assert_string_equal(world_said(w),
                        "renewed 3164444 wrata:until:2026-11-30-0500\n"
                        "renew failed: gone: renewing the lease of a machine: DigitalOcean: The resource you "
                        "were accessing could not be found.\n"
                        "renewed 3164446 wrata:until:2026-11-30-0500\n");
}

static void test_do__a_machine_that_no_list_showed_is_looked_at_before_its_lease_is_renewed(void **state)
{
    struct world *w = *state;

    add_ours(w, 1);
    fleet_renew(w->f, "3164444", (struct wall){w->wall.ms + 3600000});
    world_run(w, 5000);
    assert_string_equal(world_said(w), "renewed 3164444 wrata:until:2026-11-30-0200\n");
    assert_ptr_equal(strstr(w->paths, "GET /v2/droplets/3164444\n"), w->paths);
}

static void test_do__tags_that_nothing_carries_are_taken_away_after_an_hour(void **state)
{
    struct world *w = *state;

    world_create(w, 1, 10);
    world_run(w, 5000);
    world_tag_made(w, "somebody-elses");
    world_tag_made(w, "wrata:ffff:s1:i1");
    fleet_destroy(w->f, w->last_id);
    for (uint64_t ask = 1; ask <= 300; ask++) {
        fleet_list(w->f, ask);
        world_run(w, 60000);
    }
    assert_int_equal(w->n_tags, 4);
    for (unsigned i = 0; i < w->n_tags; i++)
        assert_true(strcmp(w->tags[i], "wrata") == 0 || strcmp(w->tags[i], "wrata:" INSTANCE) == 0 ||
                    strcmp(w->tags[i], "somebody-elses") == 0 || strcmp(w->tags[i], "wrata:ffff:s1:i1") == 0);
}

/* ---- catalog, way ---- */

static void test_do__the_catalog_is_kept_for_an_hour_and_shown_with_its_age(void **state)
{
    struct world *w = *state;
    unsigned before;
    struct wall at;

    fleet_catalog_ask(w->f, false);
    fleet_catalog_ask(w->f, false); /* shares the answer */
    world_run(w, 5000);
    assert_string_equal(
        world_said(w),
        "catalog: s-1vcpu-1gb=8930 s-2vcpu-2gb=26790 s-3vcpu=50000; 1 regions, 1 images, at most 3000\n");
    before = w->asked;
    at = w->catalog_at;
    world_run(w, 1800000);
    fleet_catalog_ask(w->f, false);
    world_run(w, 5000);
    assert_int_equal(w->asked, before);
    assert_int_equal(w->catalog_at.ms, at.ms);
    world_fault(w, (struct rule){"GET", "/v2/regions", STATUS, 404, NULL, 1});
    fleet_catalog_ask(w->f, true);
    world_run(w, 5000);
    assert_int_equal(w->catalog_at.ms, at.ms); /* the old one, and why it is not newer */
    assert_non_null(strstr(world_said(w), "; reading what can be had: DigitalOcean: a fault of the test"));
    world_run(w, 3600000);
    fleet_catalog_ask(w->f, false);
    world_run(w, 5000);
    assert_true(w->catalog_at.ms > at.ms);
}

static void test_do__without_a_first_answer_the_catalog_fails(void **state)
{
    struct world *w = *state;

    world_fault(w, (struct rule){"GET", "/v2/sizes", STATUS, 200, "{\"sizes\":{}}", 1});
    fleet_catalog_ask(w->f, false);
    world_run(w, 5000);
    assert_string_equal(
        world_said(w),
        "catalog failed: busy: reading what can be had: the cloud's answer makes no sense: there "
        "is no list of sizes\n");
}

static void test_do__the_way_is_ssh_to_its_address(void **state)
{
    struct world *w = *state;

    fleet_connect(w->f, &(struct machine){.id = "7", .address = "192.0.2.1"}, "");
    fleet_connect(w->f, &(struct machine){.id = "8", .address = "192.0.2.2"}, "qa");
    world_run(w, 10);
    assert_string_equal(world_said(w), "way 7: root@192.0.2.1\nway 8: qa@192.0.2.2\n");
}

/* ---- the budget ---- */

static void test_do__two_hundred_at_once_stay_under_the_budget(void **state)
{
    struct world *w = *state;
    unsigned most = 0;

    for (uint64_t i = 1; i <= 200; i++)
        world_create(w, i, i);
    for (unsigned minute = 0; minute < 10; minute++) {
        fleet_list(w->f, minute + 1);
        for (unsigned s = 0; s < 60; s++) {
            unsigned n;

            world_run(w, 1000);
            n = world_asked_in(w, 60000);
            most = n > most ? n : most;
        }
    }
    assert_int_equal(w->n_created, 200);
    assert_int_equal(w->listed_n, 200);
    assert_int_equal(w->limited, 0);
    print_message("200 machines were made by %u calls, at most %u in a minute\n", w->asked, most);
    for (unsigned i = 0; i < 200; i++) {
        char id[32];

        (void)snprintf(id, sizeof(id), "%llu", (unsigned long long)w->droplets[i].id);
        fleet_destroy(w->f, id);
    }
    for (unsigned s = 0; s < 600; s++) {
        unsigned n;

        world_run(w, 1000);
        n = world_asked_in(w, 60000);
        most = n > most ? n : most;
    }
    assert_int_equal(w->n_destroyed, 200);
    assert_int_equal(w->n_droplets, 0);
    assert_int_equal(w->limited, 0);
    assert_true(most <= CLOUD_MINUTE_CALLS);
    print_message("and destroyed: %u calls together, at most %u in a minute\n", w->asked, most);
}

static void test_do__an_hour_has_a_limit_as_well_and_destroying_goes_first(void **state)
{
    struct world *w = *state;
    uint64_t made = 0;

    for (unsigned minute = 0; minute < 60; minute++) {
        for (unsigned i = 0; i < 150 && made < 2900; i++) {
            made++;
            world_create(w, made, made);
        }
        fleet_list(w->f, minute + 1);
        world_run(w, 60000);
    }
    assert_int_equal(w->limited, 0);
    assert_true(w->asked <= 5000);
    fleet_destroy(w->f, w->last_id);
    world_run(w, 60000);
    assert_int_equal(w->n_destroyed, 1);
}

static void test_do__closing_a_fleet_ends_all_that_is_under_way(void **state)
{
    struct world *w = *state;

    for (uint64_t i = 1; i <= 20; i++)
        world_create(w, i, i);
    fleet_list(w->f, 1);
    fleet_catalog_ask(w->f, false);
    fleet_destroy(w->f, "77");
    fleet_renew(w->f, "78", (struct wall){w->wall.ms + 3600000});
    fleet_connect(w->f, &(struct machine){.id = "7", .address = "192.0.2.1"}, "");
    for (int ms = 0; ms < 130; ms += 13) {
        world_run(w, 13);
    }
    fleet_close(w->f);
    (void)world_said(w);
    world_run(w, 600000);
    assert_string_equal(world_said(w), "");
}

static void test_do__options_can_change_at_any_moment(void **state)
{
    static const char *const all[] = {"{\"image\":\"7\",\"regions\":[\"ams3\"]}", NAMED,
                                      "{\"image\":\"other\",\"regions\":[\"fra1\",\"ams3\",\"nyc3\"]}"};
    struct why why;

    (void)state;
    for (int ms = 0; ms < 800; ms += 20) {
        struct world *w = world_new("digitalocean", NAMED);

        w->images = "[" IMAGE(7, "qa-1", "[\"fra1\",\"ams3\"]", "2026-01-01T00:00:00Z", "available") "]";
        w->no_room = "fra1";
        for (uint64_t i = 1; i <= 12; i++)
            world_create(w, i, i);
        for (size_t i = 0; i < ARRAY_LEN(all); i++) {
            world_run(w, ms);
            assert_int_equal(fleet_change(w->f, all[i], strlen(all[i]), &why), ERR_OK);
        }
        world_run(w, 60000);
        assert_int_equal(w->n_created + w->n_failed, 12); /* each is answered */
        assert_int_equal(w->n_created, w->n_droplets);
        world_free(w);
    }
}

static void test_do__a_fleet_can_be_closed_at_any_moment(void **state)
{
    (void)state;
    for (int ms = 0; ms < 2500; ms += 60) {
        struct world *w = world_new("digitalocean", NAMED);

        w->images = "[" IMAGE(7, "qa-1", "[\"fra1\"]", "2026-01-01T00:00:00Z", "available") "]";
        w->tags_come_late = true;
        for (uint64_t i = 1; i <= 3; i++)
            world_create(w, i, i);
        world_run(w, 62000);
        fleet_list(w->f, 1);
        fleet_catalog_ask(w->f, false);
        fleet_destroy(w->f, "3164444");
        fleet_renew(w->f, "3164445", (struct wall){w->wall.ms + 9000000});
        fleet_renew(w->f, "99", (struct wall){w->wall.ms + 9000000});
        world_create(w, 9, 9);
        world_run(w, ms);
        world_free(w);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_NAMED(name) cmocka_unit_test_setup_teardown(name, setup_named, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_do__a_created_droplet_carries_the_mark_and_the_host_key),
        TEST(test_do__a_500_after_creating_is_unknown_and_is_not_repeated),
        TEST(test_do__a_lost_answer_is_unknown_and_is_not_repeated),
        TEST(test_do__an_answer_that_makes_no_sense_is_unknown),
        TEST(test_do__what_was_never_sent_is_tried_again),
        TEST(test_do__too_many_requests_means_later_by_the_clouds_word),
        TEST(test_do__nobody_answers_for_long_and_then_it_is_busy),
        TEST(test_do__a_full_account_is_a_limit_and_costs_one_call),
        TEST(test_do__a_region_without_room_sends_it_to_the_next),
        TEST(test_do__no_region_with_room_is_busy_and_says_which_was_last),
        TEST(test_do__what_no_region_will_ever_have_is_invalid),
        TEST(test_do__what_the_cloud_refuses_is_invalid_and_a_token_auth),
        TEST(test_do__without_a_token_nothing_is_asked),
        TEST_NAMED(test_do__the_newest_snapshot_that_matches_is_taken),
        TEST_NAMED(test_do__an_image_decides_which_regions_are_asked),
        TEST_NAMED(test_do__no_snapshot_that_matches_is_invalid),
        TEST_NAMED(test_do__an_image_that_was_replaced_is_looked_up_again),
        cmocka_unit_test(test_do__an_image_may_be_a_number),
        cmocka_unit_test(test_do__a_name_that_no_snapshot_has_is_a_slug),
        TEST(test_do__a_droplet_is_looked_at_before_it_is_destroyed),
        TEST(test_do__a_droplet_without_our_mark_is_never_touched),
        TEST(test_do__what_is_no_number_is_no_droplet),
        TEST(test_do__a_delete_is_repeated_until_it_is_certain),
        TEST(test_do__a_locked_droplet_is_busy),
        TEST(test_do__a_list_has_all_pages_and_each_machine_once),
        TEST(test_do__a_list_with_a_hole_is_read_again),
        TEST(test_do__a_page_that_fails_is_asked_again_and_fails_the_list_in_the_end),
        TEST(test_do__asks_while_a_list_is_read_are_answered_by_one_that_began_later),
        TEST(test_do__machines_with_a_gpu_are_found_although_no_tag_selects_them),
        TEST(test_do__a_refusal_to_list_those_with_a_gpu_is_no_list),
        TEST(test_do__a_young_machine_that_lists_do_not_show_is_asked_for_by_its_id),
        TEST(test_do__a_machine_whose_tags_never_came_gets_them_again),
        TEST(test_do__a_young_machine_without_tags_can_be_destroyed),
        TEST(test_do__a_token_that_may_not_read_tags_shows_no_list),
        TEST(test_do__leases_of_many_are_renewed_together),
        TEST(test_do__one_that_is_gone_does_not_keep_the_others_from_a_new_lease),
        TEST(test_do__a_machine_that_no_list_showed_is_looked_at_before_its_lease_is_renewed),
        TEST(test_do__tags_that_nothing_carries_are_taken_away_after_an_hour),
        TEST(test_do__the_catalog_is_kept_for_an_hour_and_shown_with_its_age),
        TEST(test_do__without_a_first_answer_the_catalog_fails),
        TEST(test_do__the_way_is_ssh_to_its_address),
        TEST(test_do__two_hundred_at_once_stay_under_the_budget),
        TEST(test_do__an_hour_has_a_limit_as_well_and_destroying_goes_first),
        TEST(test_do__closing_a_fleet_ends_all_that_is_under_way),
        cmocka_unit_test(test_do__options_can_change_at_any_moment),
        cmocka_unit_test(test_do__a_fleet_can_be_closed_at_any_moment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
