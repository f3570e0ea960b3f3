/* Checks that blobs come by HTTP where their manifest says so, with the same checks, and over
 * the broker as soon as that does not work: each byte once, nothing lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <limits.h>
#include <unistd.h>

#include "exchange/by_web.h"
#include "exchange/exchange.h"
#include "exchange/file_manifest.h"
#include "io/file.h"
#include "web/fake_server.h"
#include "web/web.h"

#define PART      ((uint32_t)4096)
#define SIZE      ((size_t)10 * PART + 100) /* 11 parts */
#define PARTS     11
#define QUEUE_MAX 64

struct mail {
    char topic[256];
    struct bytes payload;
};

struct world {
    uv_loop_t loop;
    struct fake_server *server;
    struct web *web;
    char folder[64], source[128], target[128], base[64];
    uint8_t bytes[SIZE + 2];
    struct digest digest;
    struct exchange *holder, *receiver;
    struct fetch *fetch;
    struct mail queue[QUEUE_MAX];
    size_t queued;
    size_t asked_of_holder;
    size_t came, left;
    char reason[256];
    uint64_t now_ms;
};

/* ---- the broker ---- */

static enum status publish(void *owner, const struct mqtt_message *m)
{
    struct world *w = owner;
    assert_true(w->queued < QUEUE_MAX);
    struct mail *mail = &w->queue[w->queued++];
    *mail = (struct mail){0};
    (void)snprintf(mail->topic, sizeof mail->topic, "%s", m->topic);
    assert_int_equal(bytes_copy(&mail->payload, m->payload), ST_OK);
    w->asked_of_holder += strncmp(m->topic, "fl/parts/get/", 13) == 0;
    return ST_OK;
}

static size_t unacknowledged(void *owner)
{
    (void)owner;
    return 0;
}

static void step(struct world *w)
{
    while (exchange_step(w->receiver, w->now_ms))
        ;
    (void)exchange_step(w->holder, w->now_ms);
}

static void deliver(struct world *w)
{
    for (step(w); w->queued > 0; step(w)) {
        struct mail mail = w->queue[0];
        memmove(w->queue, w->queue + 1, --w->queued * sizeof w->queue[0]);
        const struct mqtt_message m = {.topic = mail.topic, .payload = bytes_view(&mail.payload)};
        assert_true(exchange_message(w->holder, &m, w->now_ms));
        assert_true(exchange_message(w->receiver, &m, w->now_ms));
        bytes_done(&mail.payload);
    }
}

/* ---- the web ---- */

static void on_came(void *owner)
{
    struct world *w = owner;
    w->came++;
    step(w);
}

static void on_left(void *owner, const struct digest *d, const char *reason)
{
    struct world *w = owner;
    assert_true(digest_equal(d, &w->digest));
    (void)snprintf(w->reason, sizeof w->reason, "%s", reason);
    w->left++;
}

static void use_web(struct world *w, const char *below)
{
    char prefix[96];
    const char *texts[] = {prefix};
    struct why why = {""};
    (void)snprintf(prefix, sizeof prefix, "http://127.0.0.1:%u%s", fake_server_port(w->server),
                   below);
    const struct web_settings settings = {
        .allow = texts, .allow_count = 1, .slow_s = 1, .total_ms = 20000};
    assert_int_equal(web_new(&w->loop, &settings, &w->web, &why), ST_OK);
    exchange_set_web(w->receiver, &(struct exchange_web){w->web, on_came, on_left, w});
}

/* ---- a world ---- */

static struct exchange *party(struct world *w, const char *name)
{
    struct exchange *x;
    struct id id;
    const struct exchange_out out = {publish, unacknowledged, w};
    assert_int_equal(id_from(name, &id), ST_OK);
    assert_int_equal(exchange_new(&id, &out, &x), ST_OK);
    return x;
}

static void make_source(struct world *w)
{
    struct manifest m;
    for (size_t i = 0; i < sizeof w->bytes; i++)
        w->bytes[i] = (uint8_t)(i * 7 + i / 251);
    (void)snprintf(w->source, sizeof w->source, "%s/source", w->folder);
    (void)snprintf(w->target, sizeof w->target, "%s/target", w->folder);
    assert_int_equal(file_write(w->source, view_of(w->bytes, SIZE)), ST_OK);
    assert_int_equal(manifest_of(view_of(w->bytes, SIZE), PART, &m), ST_OK);
    w->digest = m.digest;
    assert_int_equal(exchange_offer(w->holder, &m, w->source), ST_OK);
    manifest_done(&m);
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->now_ms = 1000000;
    (void)strcpy(w->folder, "/tmp/fml-by-web-XXXXXX");
    assert_non_null(mkdtemp(w->folder));
    assert_int_equal(uv_loop_init(&w->loop), 0);
    w->holder = party(w, "holder");
    w->receiver = party(w, "receiver");
    make_source(w);
    w->server = fake_server_new(&w->loop, view_of(w->bytes, SIZE));
    (void)snprintf(w->base, sizeof w->base, "http://127.0.0.1:%u/b/", fake_server_port(w->server));
    exchange_set_url_base(w->holder, w->base);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    w->fetch = fetch_release(w->fetch, false);
    exchange_free(w->holder);
    exchange_free(w->receiver);
    web_close(w->web);
    fake_server_close(w->server);
    assert_int_equal(uv_run(&w->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    for (size_t i = 0; i < w->queued; i++)
        bytes_done(&w->queue[i].payload);
    assert_int_equal(file_remove_tree(w->folder), ST_OK);
    free(w);
    return 0;
}

static void begin(struct world *w)
{
    char *text;
    struct reference ref;
    assert_int_equal(exchange_refer(w->holder, &w->digest, &text), ST_OK);
    assert_int_equal(reference_decode(view_text(text), UINT32_MAX, &ref, NULL), ST_OK);
    free(text);
    assert_int_equal(exchange_fetch(w->receiver, &ref, w->target, &w->fetch), ST_OK);
    reference_done(&ref);
    step(w);
}

/* Until it is whole, by whatever way; a wait that a plan has passes at once. */
static void finish(struct world *w)
{
    for (int turn = 0; fetch_state(w->fetch) == FETCH_GOING; turn++) {
        assert_true(turn < 10000);
        deliver(w);
        if (fetch_state(w->fetch) != FETCH_GOING)
            break;
        if (w->web == NULL || web_count(w->web) == 0)
            w->now_ms += 1000;
        else
            assert_int_not_equal(uv_run(&w->loop, UV_RUN_ONCE), 0);
    }
    assert_int_equal(fetch_state(w->fetch), FETCH_COMPLETE);
    struct bytes bytes = {0};
    assert_int_equal(file_read(w->target, SIZE + 1, &bytes), ST_OK);
    assert_true(view_equal(bytes_view(&bytes), view_of(w->bytes, SIZE)));
    bytes_done(&bytes);
}

/* ---- the claims ---- */

static void all_parts_come_by_http_and_none_through_the_broker(void **state)
{
    struct world *w = *state;
    use_web(w, "/b");
    begin(w);
    finish(w);
    assert_int_equal(w->asked_of_holder, 0);
    assert_int_equal(w->left, 0);
    assert_int_equal(fake_server_requests(w->server), PARTS);
    assert_true(fake_server_connections(w->server) <= WEB_GETS_MAX);
    assert_true(w->came >= PARTS);
}

static void where_nothing_is_allowed_the_holder_is_asked(void **state)
{
    struct world *w = *state;
    begin(w);
    finish(w);
    assert_int_equal(w->asked_of_holder, PARTS);
    assert_int_equal(fake_server_requests(w->server), 0);
}

static void a_url_that_is_not_allowed_is_named_and_never_asked(void **state)
{
    struct world *w = *state;
    use_web(w, "/other");
    begin(w);
    assert_int_equal(w->left, 1);
    assert_non_null(strstr(w->reason, "not"));
    finish(w);
    assert_int_equal(w->asked_of_holder, PARTS);
    assert_int_equal(fake_server_requests(w->server), 0);
    assert_int_equal(w->left, 1);
}

static void without_a_url_the_holder_is_asked_and_nothing_is_said(void **state)
{
    struct world *w = *state;
    use_web(w, "/b");
    exchange_set_url_base(w->holder, NULL);
    begin(w);
    finish(w);
    assert_int_equal(w->left, 0);
    assert_int_equal(w->asked_of_holder, PARTS);
}

static void whatever_goes_wrong_the_rest_comes_from_the_holder(void **state)
{
    (void)state;
    static const enum fake_answer wrong[] = {
        FAKE_FLIPPED,     FAKE_SHORT,       FAKE_BROKEN_OFF, FAKE_LONG,     FAKE_LONG_CHUNKS,
        FAKE_OTHER_RANGE, FAKE_OTHER_TOTAL, FAKE_NO_RANGE,   FAKE_WHOLE,    FAKE_MISSING,
        FAKE_BUSY,        FAKE_ELSEWHERE,   FAKE_SILENT,     FAKE_HANGS_UP, FAKE_NOISE};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        void *one = NULL;
        assert_int_equal(setup(&one), 0);
        struct world *w = one;
        fake_server_elsewhere(w->server, "http://127.0.0.1:1/");
        fake_server_answer(w->server, wrong[i], 5); /* five parts are right before that */
        use_web(w, "/b");
        begin(w);
        finish(w);
        assert_int_equal(w->left, 1);
        assert_true(strlen(w->reason) > 10);
        /* What had come is not asked for again; what was on its way may be. */
        assert_true(w->asked_of_holder >= PARTS - 5 - WEB_GETS_MAX);
        assert_true(w->asked_of_holder <= PARTS);
        assert_int_equal(web_count(w->web), 0);
        assert_int_equal(teardown(&one), 0);
    }
}

/* Each of the four that are under way meets it, which is one failure and not four. */
static void a_moment_of_a_busy_server_does_not_end_it(void **state)
{
    struct world *w = *state;
    fake_server_answer(w->server, FAKE_BUSY, 0);
    use_web(w, "/b");
    begin(w);
    assert_int_equal(web_count(w->web), WEB_GETS_MAX);
    while (web_count(w->web) > 0)
        assert_int_not_equal(uv_run(&w->loop, UV_RUN_ONCE), 0);
    assert_int_equal(w->left, 0);
    fake_server_answer(w->server, FAKE_RIGHT, 0);
    finish(w);
    assert_int_equal(w->left, 0);
    assert_int_equal(w->asked_of_holder, 0);
}

static void what_is_there_is_not_asked_for_again_after_a_restart(void **state)
{
    struct world *w = *state;
    use_web(w, "/b");
    begin(w);
    while (fetch_bytes_there(w->fetch) < (uint64_t)4 * PART)
        assert_int_not_equal(uv_run(&w->loop, UV_RUN_ONCE), 0);
    size_t there = (size_t)fetch_bytes_there(w->fetch) / PART;
    w->fetch = fetch_release(w->fetch, false);
    assert_int_equal(web_count(w->web), 0);
    size_t before = fake_server_requests(w->server);
    begin(w);
    finish(w);
    assert_int_equal(w->asked_of_holder, 0);
    assert_true(fake_server_requests(w->server) - before <= PARTS - there + WEB_GETS_MAX);
    assert_true(fake_server_requests(w->server) - before >= PARTS - there - WEB_GETS_MAX);
}

static void without_the_web_it_goes_on_over_the_broker(void **state)
{
    struct world *w = *state;
    use_web(w, "/b");
    begin(w);
    while (fetch_bytes_there(w->fetch) < (uint64_t)4 * PART)
        assert_int_not_equal(uv_run(&w->loop, UV_RUN_ONCE), 0);
    exchange_set_web(w->receiver, NULL);
    assert_int_equal(web_count(w->web), 0);
    finish(w);
    assert_true(w->asked_of_holder > 0 && w->asked_of_holder <= PARTS - 4);
}

static void two_blobs_share_what_may_be_under_way(void **state)
{
    struct world *w = *state;
    use_web(w, "/b");
    begin(w);
    struct fetch *first = w->fetch;
    (void)strcat(w->target, "-2");
    begin(w);
    assert_int_equal(web_count(w->web), (size_t)2 * WEB_GETS_MAX); /* the second ones wait */
    finish(w);
    struct fetch *second = w->fetch;
    w->fetch = first;
    w->target[strlen(w->target) - 2] = '\0';
    finish(w);
    w->fetch = fetch_release(first, false);
    fetch_release(second, false);
    assert_int_equal(w->asked_of_holder, 0);
    assert_int_equal(fake_server_requests(w->server), 2 * PARTS);
    assert_true(fake_server_connections(w->server) <= WEB_GETS_MAX);
}

/* ---- two owners that do not know of each other ---- */

struct owner {
    struct by_web *by_web;
    struct plan *plan;
    uint32_t parts; /* that came */
};

static bool take_part(void *owner, uint32_t part, struct view bytes)
{
    struct owner *o = owner;
    (void)bytes;
    plan_there(o->plan, part);
    o->parts++;
    return true;
}

/* As the exchange and the images do: at once, and for all that it may have. */
static void ask_on(void *owner, const char *reason)
{
    struct owner *o = owner;
    assert_null(reason);
    while (by_web_ask(o->by_web, o->plan, 0))
        ;
}

static void owner_begin(struct world *w, const struct manifest *m, struct owner *o)
{
    struct why why = {""};
    const struct by_web_owner owner = {take_part, ask_on, o};
    assert_int_equal(plan_new(m->part_count, PARTS_IN_FLIGHT, &o->plan), ST_OK);
    assert_int_equal(by_web_new(w->web, m, &owner, &o->by_web, &why), ST_OK);
    ask_on(o, NULL);
}

static void a_large_blob_does_not_keep_a_small_one_waiting(void **state)
{
    struct world *w = *state;
    struct manifest large, small;
    struct owner first = {0}, second = {0};
    char url[128];
    use_web(w, "/b");
    (void)snprintf(url, sizeof url, "%s1", w->base);
    assert_int_equal(manifest_of(view_of(w->bytes, SIZE), 100, &large), ST_OK);
    assert_int_equal(manifest_of(view_of(w->bytes, SIZE), SIZE / 8 + 1, &small), ST_OK);
    assert_int_equal(manifest_set_url(&large, url), ST_OK);
    assert_int_equal(manifest_set_url(&small, url), ST_OK);
    owner_begin(w, &large, &first);
    owner_begin(w, &small, &second);
    while (second.parts < small.part_count && first.parts < large.part_count)
        assert_int_not_equal(uv_run(&w->loop, UV_RUN_ONCE), 0);
    assert_int_equal(second.parts, small.part_count);
    assert_true(first.parts <= small.part_count + 3 * WEB_GETS_MAX);
    struct owner *owners[] = {&first, &second};
    for (size_t i = 0; i < 2; i++) {
        by_web_free(owners[i]->by_web);
        plan_free(owners[i]->plan);
    }
    assert_int_equal(web_count(w->web), 0);
    manifest_done(&large);
    manifest_done(&small);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(all_parts_come_by_http_and_none_through_the_broker),
        TEST(where_nothing_is_allowed_the_holder_is_asked),
        TEST(a_url_that_is_not_allowed_is_named_and_never_asked),
        TEST(without_a_url_the_holder_is_asked_and_nothing_is_said),
        cmocka_unit_test(whatever_goes_wrong_the_rest_comes_from_the_holder),
        TEST(a_moment_of_a_busy_server_does_not_end_it),
        TEST(what_is_there_is_not_asked_for_again_after_a_restart),
        TEST(without_the_web_it_goes_on_over_the_broker),
        TEST(two_blobs_share_what_may_be_under_way),
        TEST(a_large_blob_does_not_keep_a_small_one_waiting),
    };
    return cmocka_run_group_tests_name("exchange/by_web", tests, NULL, NULL);
}
