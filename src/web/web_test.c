/* Checks gets against a server that answers rightly, or misbehaves on purpose. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "web/fake_server.h"
#include "web/web.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define SIZE         ((size_t)300000)
#define OFFSET       100000
#define RANGE        50000

struct world {
    uv_loop_t loop;
    struct fake_server *server;
    struct web *web;
    char url[64];
    uint8_t bytes[SIZE + 2]; /* the server may give one more */
};

struct got {
    size_t times;
    enum web_failure failure;
    bool passing, equal;
    char detail[256];
    struct world *world;
    struct web_get *cancels; /* when it is done; NULL: none */
    struct got *begins;      /* when it is done, if nobody has; NULL: none */
};

static void open_web(struct world *w, const char *below, const char *ca_file)
{
    char prefix[80];
    const char *texts[] = {prefix};
    struct why why = {0};
    (void)snprintf(prefix, sizeof prefix, "http://127.0.0.1:%u%s", fake_server_port(w->server),
                   below);
    const struct web_settings settings = {
        .allow = texts, .allow_count = 1, .ca_file = ca_file, .slow_s = 1, .total_ms = 20000};
    assert_int_equal(web_new(&w->loop, &settings, &w->web, &why), ST_OK);
    assert_non_null(w->web);
    (void)snprintf(w->url, sizeof w->url, "http://127.0.0.1:%u/b/1", fake_server_port(w->server));
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    for (size_t i = 0; i < sizeof w->bytes; i++)
        w->bytes[i] = (uint8_t)(i * 7 + i / 251);
    assert_int_equal(uv_loop_init(&w->loop), 0);
    w->server = fake_server_new(&w->loop, view_of(w->bytes, SIZE));
    open_web(w, "", NULL);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    web_close(w->web);
    fake_server_close(w->server);
    assert_int_equal(uv_run(&w->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    free(w);
    return 0;
}

static struct web_get *begin(struct world *w, const char *url, struct got *got);

static void on_done(void *owner, const struct web_get *get, const struct web_result *r)
{
    struct got *got = owner;
    (void)get;
    got->times++;
    got->failure = r->failure;
    got->passing = r->passing;
    got->equal = view_equal(r->bytes, view_of(got->world->bytes + OFFSET, RANGE));
    (void)snprintf(got->detail, sizeof got->detail, "%s", r->detail);
    web_cancel(got->cancels);
    if (got->begins != NULL && got->begins->world == NULL)
        begin(got->world, got->world->url, got->begins);
}

static struct web_get *begin(struct world *w, const char *url, struct got *got)
{
    struct web_get *get;
    const struct web_range range = {.url = url, .offset = OFFSET, .size = RANGE, .total = SIZE};
    got->world = w;
    assert_int_equal(web_get(w->web, &range, on_done, got, &get), ST_OK);
    return get;
}

static void await(struct world *w, const struct got *got)
{
    while (got->times == 0)
        assert_int_not_equal(uv_run(&w->loop, UV_RUN_ONCE), 0);
}

static struct got fetch(struct world *w, const char *url)
{
    struct got got = {0};
    begin(w, url, &got);
    await(w, &got);
    assert_int_equal(got.times, 1);
    assert_int_equal(web_count(w->web), 0);
    return got;
}

static void gives_exactly_the_range(void **state)
{
    struct world *w = *state;
    struct got got = fetch(w, w->url);
    assert_int_equal(got.failure, WEB_OK);
    assert_true(got.equal);
    got = fetch(w, w->url);
    assert_int_equal(got.failure, WEB_OK);
    assert_int_equal(fake_server_requests(w->server), 2);
    assert_int_equal(fake_server_connections(w->server), 1); /* it is kept */
}

static void each_misbehaviour_is_a_named_failure(void **state)
{
    struct world *w = *state;
    static const struct {
        enum fake_answer answer;
        enum web_failure failure;
        bool passing;
        const char *name, *word;
    } cases[] = {
        {FAKE_SHORT, WEB_TOO_SHORT, true, "too_short", "25000 of 50000"},
        {FAKE_BROKEN_OFF, WEB_TOO_SHORT, true, "too_short", "of 50000"},
        {FAKE_LONG, WEB_TOO_LONG, false, "too_long", "more than the 50000"},
        {FAKE_LONG_CHUNKS, WEB_TOO_LONG, false, "too_long", "more than the 50000"},
        {FAKE_OTHER_RANGE, WEB_WRONG_RANGE, false, "wrong_range", "another range"},
        {FAKE_OTHER_TOTAL, WEB_WRONG_RANGE, false, "wrong_range", "another file"},
        {FAKE_NO_RANGE, WEB_WRONG_RANGE, false, "wrong_range", "another range"},
        {FAKE_WHOLE, WEB_NO_RANGES, false, "no_ranges", "does not give ranges"},
        {FAKE_MISSING, WEB_REFUSED, false, "refused", "404"},
        {FAKE_BUSY, WEB_REFUSED, true, "refused", "503"},
        {FAKE_SILENT, WEB_STALLED, true, "stalled", ""},
        {FAKE_HANGS_UP, WEB_UNREACHABLE, true, "unreachable", ""},
        {FAKE_NOISE, WEB_BROKEN, false, "broken", ""},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        fake_server_answer(w->server, cases[i].answer, 0);
        struct got got = fetch(w, w->url);
        if (got.failure != cases[i].failure)
            fail_msg("%s and not %s: %s", web_failure_name(got.failure), cases[i].name, got.detail);
        assert_int_equal(got.passing, cases[i].passing);
        assert_string_equal(web_failure_name(got.failure), cases[i].name);
        if (strstr(got.detail, cases[i].word) == NULL)
            fail_msg("%s: %s", cases[i].name, got.detail);
        assert_true(got.detail[0] != '\0');
        /* and nothing of it is left for the next one */
        fake_server_answer(w->server, FAKE_RIGHT, 0);
        got = fetch(w, w->url);
        assert_int_equal(got.failure, WEB_OK);
        assert_true(got.equal);
    }
}

static void bytes_that_are_wrong_are_for_the_caller_to_find(void **state)
{
    struct world *w = *state;
    fake_server_answer(w->server, FAKE_FLIPPED, 0);
    struct got got = fetch(w, w->url);
    assert_int_equal(got.failure, WEB_OK);
    assert_false(got.equal);
}

static void nobody_listens_is_a_named_failure(void **state)
{
    struct world *w = *state;
    struct got got = {0};
    fake_server_close(w->server);
    (void)uv_run(&w->loop, UV_RUN_NOWAIT);
    w->server = fake_server_new(&w->loop, view_of(w->bytes, SIZE)); /* on another port */
    begin(w, w->url, &got);
    await(w, &got);
    assert_int_equal(got.failure, WEB_UNREACHABLE);
    assert_true(got.passing);
}

static void a_redirect_is_followed_to_allowed_urls_only(void **state)
{
    struct world *w = *state;
    char url[80];
    web_close(w->web);
    open_web(w, "/b", NULL);
    fake_server_answer(w->server, FAKE_ELSEWHERE, 0);

    fake_server_elsewhere(w->server, "/b/moved");
    struct got got = fetch(w, w->url);
    assert_int_equal(got.failure, WEB_OK);
    assert_true(got.equal);
    assert_int_equal(fake_server_requests(w->server), 2);

    static const char *const elsewhere[] = {"/moved",
                                            "http://localhost:1/b/1",
                                            "file:///etc/passwd",
                                            "http://user:word@127.0.0.1/b/1",
                                            "../moved",
                                            "https://127.0.0.1/b/1"};
    for (size_t i = 0; i < COUNT(elsewhere); i++) {
        size_t before = fake_server_requests(w->server);
        fake_server_elsewhere(w->server, elsewhere[i]);
        got = fetch(w, w->url);
        assert_int_equal(got.failure, WEB_REDIRECTED);
        assert_false(got.passing);
        assert_non_null(strstr(got.detail, "elsewhere"));
        assert_int_equal(fake_server_requests(w->server), before + 1); /* it was not asked */
    }

    size_t before = fake_server_requests(w->server);
    (void)snprintf(url, sizeof url, "%s/on/and/on", w->url);
    fake_server_elsewhere(w->server, url); /* to itself, for ever */
    got = fetch(w, w->url);
    assert_int_equal(got.failure, WEB_REDIRECTED);
    assert_int_equal(fake_server_requests(w->server), before + 1 + WEB_REDIRECTS_MAX);
}

/* A part may be smaller than what a server says beside a redirect. */
static void a_redirect_may_say_more_than_the_range_has(void **state)
{
    struct world *w = *state;
    struct got got = {.world = w};
    struct web_get *get;
    const struct web_range range = {.url = w->url, .offset = SIZE - 1, .size = 1, .total = SIZE};
    fake_server_answer(w->server, FAKE_ELSEWHERE, 0);
    fake_server_elsewhere(w->server, "/moved");
    assert_int_equal(web_get(w->web, &range, on_done, &got, &get), ST_OK);
    await(w, &got);
    if (got.failure != WEB_OK)
        fail_msg("%s: %s", web_failure_name(got.failure), got.detail);
    assert_int_equal(fake_server_requests(w->server), 2);
}

static void what_is_not_allowed_is_never_asked_for(void **state)
{
    struct world *w = *state;
    struct web_get *get = NULL;
    struct got got = {.world = w};
    struct why why = {0};
    static const char *const urls[] = {"http://localhost/b/1", "file:///etc/passwd", ""};
    for (size_t i = 0; i < COUNT(urls); i++) {
        const struct web_range range = {.url = urls[i], .size = 1, .total = 1};
        assert_false(web_allows(w->web, urls[i], &why));
        assert_int_equal(web_get(w->web, &range, on_done, &got, &get), ST_INVALID);
    }
    assert_null(get);
    assert_int_equal(web_count(w->web), 0);
    assert_true(web_allows(w->web, w->url, &why));
}

static void a_few_at_once_and_the_others_wait(void **state)
{
    struct world *w = *state;
    struct got got[WEB_GETS_MAX + WEB_WAITING_MAX] = {0};
    struct web_get *get = NULL;
    for (size_t i = 0; i < COUNT(got); i++)
        begin(w, w->url, &got[i]);
    const struct web_range range = {.url = w->url, .size = 1, .total = SIZE};
    assert_int_equal(web_get(w->web, &range, on_done, &got[0], &get), ST_LIMIT);
    assert_null(get);
    for (size_t i = 0; i < COUNT(got); i++) {
        await(w, &got[i]);
        assert_int_equal(got[i].failure, WEB_OK);
        assert_true(got[i].equal);
    }
    assert_int_equal(web_count(w->web), 0);
    assert_int_equal(fake_server_requests(w->server), COUNT(got));
    assert_true(fake_server_connections(w->server) <= WEB_GETS_MAX);
}

/* Who asks for the next range as soon as one is here does not keep others waiting. */
static void who_waits_has_his_turn(void **state)
{
    struct world *w = *state;
    struct got many[WEB_GETS_MAX + 1] = {0}, one = {0}, cancelled = {0};
    char url[80];
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/moved", fake_server_port(w->server));
    fake_server_answer(w->server, FAKE_HELD, 0); /* but for this one */
    for (size_t i = 0; i < WEB_GETS_MAX; i++)
        begin(w, w->url, &many[i]);
    for (size_t i = 0; i < WEB_GETS_MAX; i++)
        many[i].begins = &many[WEB_GETS_MAX];
    struct web_get *waits = begin(w, w->url, &cancelled);
    begin(w, url, &one);
    while (fake_server_requests(w->server) < WEB_GETS_MAX)
        assert_int_not_equal(uv_run(&w->loop, UV_RUN_ONCE), 0);
    web_cancel(waits);
    assert_int_equal(web_count(w->web), WEB_GETS_MAX + 1);

    fake_server_release(w->server, 1);
    await(w, &one); /* and not the one that was asked for when there was a place again */
    assert_non_null(many[WEB_GETS_MAX].world);
    assert_int_equal(many[WEB_GETS_MAX].times + cancelled.times, 0);
    fake_server_answer(w->server, FAKE_RIGHT, 0);
    while (web_count(w->web) > 0) {
        fake_server_release(w->server, WEB_GETS_MAX);
        assert_int_not_equal(uv_run(&w->loop, UV_RUN_ONCE), 0);
    }
    assert_int_equal(cancelled.times, 0);
}

static void who_is_cancelled_hears_nothing(void **state)
{
    struct world *w = *state;
    struct got first = {0}, second = {0}, third = {0};
    web_cancel(NULL);
    web_cancel(begin(w, w->url, &first));
    fake_server_answer(w->server, FAKE_SILENT, 1);
    begin(w, w->url, &second);
    while (fake_server_requests(w->server) == 0)
        (void)uv_run(&w->loop, UV_RUN_ONCE);
    second.cancels = begin(w, w->url, &third); /* from inside of done */
    await(w, &second);
    assert_int_equal(web_count(w->web), 0);
    (void)uv_run(&w->loop, UV_RUN_NOWAIT);
    assert_int_equal(first.times + third.times, 0);
    assert_int_equal(second.times, 1);
}

static void what_is_under_way_at_the_end_is_told(void **state)
{
    struct world *w = *state;
    struct got got[2] = {0};
    fake_server_answer(w->server, FAKE_SILENT, 0);
    begin(w, w->url, &got[0]);
    while (fake_server_requests(w->server) == 0)
        (void)uv_run(&w->loop, UV_RUN_ONCE);
    begin(w, w->url, &got[1]);
    w->web = web_close(w->web);
    for (size_t i = 0; i < COUNT(got); i++) {
        assert_int_equal(got[i].times, 1);
        assert_int_equal(got[i].failure, WEB_CLOSED);
    }
}

static void bad_settings_are_refused_by_name(void **state)
{
    struct world *w = *state;
    const char *good = "https://host", *bad = "host";
    struct web *web = w->web;
    struct why why = {0};
    struct web_settings settings = {.allow = &bad, .allow_count = 1};
    assert_int_equal(web_new(&w->loop, &settings, &web, &why), ST_INVALID);
    assert_non_null(strstr(why.text, "host cannot be"));
    settings =
        (struct web_settings){.allow = &good, .allow_count = 1, .ca_file = "/nowhere/ca.pem"};
    assert_int_equal(web_new(&w->loop, &settings, &web, &why), ST_NOT_FOUND);
    assert_non_null(strstr(why.text, "/nowhere/ca.pem"));
    assert_ptr_equal(web, w->web);
    settings = (struct web_settings){.ca_file = "/nowhere/ca.pem"}; /* nothing is allowed */
    assert_int_equal(web_new(&w->loop, &settings, &web, &why), ST_OK);
    assert_null(web);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(gives_exactly_the_range),
        CASE(each_misbehaviour_is_a_named_failure),
        CASE(bytes_that_are_wrong_are_for_the_caller_to_find),
        CASE(nobody_listens_is_a_named_failure),
        CASE(a_redirect_is_followed_to_allowed_urls_only),
        CASE(a_redirect_may_say_more_than_the_range_has),
        CASE(what_is_not_allowed_is_never_asked_for),
        CASE(a_few_at_once_and_the_others_wait),
        CASE(who_waits_has_his_turn),
        CASE(who_is_cancelled_hears_nothing),
        CASE(what_is_under_way_at_the_end_is_told),
        CASE(bad_settings_are_refused_by_name),
    };
    return cmocka_run_group_tests_name("web/web", tests, NULL, NULL);
}
