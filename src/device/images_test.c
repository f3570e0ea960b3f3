/* Checks that an image whose manifest says a URL comes by HTTP however long that takes within
 * its limits, and from the holder if it does not come: what a web server does never makes an
 * image fail. The clock is the test's; only what libcurl waits for takes time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/jsn.h"
#include "device/fake_out.h"
#include "device/images.h"
#include "io/file.h"
#include "service/log.h"
#include "transfer/get_msg.h"
#include "transfer/manifest.h"
#include "web/fake_server.h"
#include "web/web.h"

#define PART  ((uint32_t)1000)
#define PARTS ((size_t)6)
#define SIZE  (PARTS * PART)

struct world {
    uv_loop_t loop;
    struct fake_server *server;
    struct web *web;
    struct fake_out *out;
    struct images *images;
    struct image *image;
    char folder[64];
    uint8_t bytes[SIZE + 2]; /* the server may give one more */
    struct manifest manifest;
    size_t parts_asked; /* of the holder */
    size_t left;        /* how often the URL was given up */
    bool fetched;       /* the image had all its bytes */
};

static void step(struct world *w)
{
    images_step(w->images);
    if (w->image != NULL)
        w->fetched |= image_state(w->image) == IMAGE_COMPILING;
}

static void on_change(void *owner)
{
    step(owner);
}

static void on_url_left(void *owner, const struct digest *d, const char *reason)
{
    struct world *w = owner;
    assert_true(digest_equal(d, &w->manifest.digest));
    assert_true(strlen(reason) > 10);
    w->left++;
}

/* total_ms: of each get */
static void open_web(struct world *w, uint32_t total_ms)
{
    char prefix[64];
    const char *texts[] = {prefix};
    struct why why = {""};
    (void)snprintf(prefix, sizeof prefix, "http://127.0.0.1:%u/b", fake_server_port(w->server));
    const struct web_settings settings = {.allow = texts, .allow_count = 1, .total_ms = total_ms};
    assert_int_equal(web_new(&w->loop, &settings, &w->web, &why), ST_OK);
}

static void open_images(struct world *w)
{
    struct images_settings settings = {.folder = w->folder,
                                       .runner = "/bin/true", /* compiles nothing */
                                       .space = {{"demo"}, {"fl"}},
                                       .me = {"me"},
                                       .holder = {"manager"},
                                       .web = w->web,
                                       .on_change = on_change,
                                       .on_url_left = on_url_left,
                                       .owner = w};
    assert_int_equal(images_new(&w->loop, &settings, &w->out->out, &w->images), ST_OK);
}

/* An image of parts of this size is needed, and a web server has it. */
static void need(struct world *w, uint32_t part_size, uint32_t total_ms)
{
    char url[64];
    open_web(w, total_ms);
    open_images(w);
    assert_int_equal(manifest_of(view_of(w->bytes, SIZE), part_size, &w->manifest), ST_OK);
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/b/1", fake_server_port(w->server));
    assert_int_equal(manifest_set_url(&w->manifest, url), ST_OK);
    assert_int_equal(images_hold(w->images, &w->manifest.digest, SIZE, &w->image), ST_OK);
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    for (size_t i = 0; i < sizeof w->bytes; i++)
        w->bytes[i] = (uint8_t)(i * 7 + i / 251);
    (void)strcpy(w->folder, "/tmp/fml-images-test-XXXXXX");
    assert_non_null(mkdtemp(w->folder));
    assert_int_equal(uv_loop_init(&w->loop), 0);
    w->server = fake_server_new(&w->loop, view_of(w->bytes, SIZE));
    w->out = fake_out_new();
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    images_stop(w->images);
    while (images_busy(w->images))
        assert_int_not_equal(uv_run(&w->loop, UV_RUN_ONCE), 0);
    w->image = image_release(w->image);
    w->images = images_free(w->images);
    web_close(w->web);
    fake_server_close(w->server);
    assert_int_equal(uv_run(&w->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    manifest_done(&w->manifest);
    fake_out_free(w->out);
    assert_int_equal(file_remove_tree(w->folder), ST_OK);
    free(w);
    return 0;
}

/* ---- the holder ---- */

static void give_manifest(struct world *w)
{
    json_t *object = manifest_encode(&w->manifest);
    char *text = jsn_text(object);
    json_decref(object);
    images_manifest(w->images, view_text(text));
    free(text);
}

static void give_part(struct world *w, uint32_t part)
{
    char hex[DIGEST_HEX_SIZE], number[16];
    digest_hex(&w->manifest.digest, hex);
    (void)snprintf(number, sizeof number, "%u", part);
    images_part(w->images, view_text(hex), view_text(number),
                manifest_part(&w->manifest, view_of(w->bytes, SIZE), part));
    w->parts_asked++;
}

static size_t take_requests(struct world *w, struct get_msg ret[FAKE_PUBLISHED_MAX])
{
    size_t count = w->out->published_count;
    for (size_t i = 0; i < count; i++)
        assert_int_equal(get_msg_decode(bytes_view(&w->out->published[i].payload), &ret[i], NULL),
                         ST_OK);
    fake_out_clear(w->out);
    return count;
}

/* Answers what was asked, until nothing more is. */
static void serve(struct world *w)
{
    struct get_msg asked[FAKE_PUBLISHED_MAX];
    for (step(w); w->out->published_count > 0; step(w)) {
        size_t count = take_requests(w, asked);
        for (size_t i = 0; i < count; i++)
            if (asked[i].wants_part)
                give_part(w, asked[i].part);
            else
                give_manifest(w);
    }
}

/* So much time passes, a second at a time, and nothing comes from the web server. */
static void pass(struct world *w, uint32_t seconds)
{
    for (uint32_t i = 0; i < seconds; i++) {
        w->out->now_ms += 1000;
        serve(w);
        if (image_state(w->image) != IMAGE_FETCHING)
            fail_msg("after %u s: %s", i + 1, image_detail(w->image));
    }
}

/* ---- the claims ---- */

static void a_slow_server_is_waited_for(void **state)
{
    struct world *w = *state;
    fake_server_answer(w->server, FAKE_HELD, 0);
    need(w, SIZE, 0);
    serve(w);
    while (fake_server_requests(w->server) == 0)
        assert_int_not_equal(uv_run(&w->loop, UV_RUN_ONCE), 0);
    pass(w, WEB_TOTAL_MS / 1000);
    fake_server_release(w->server, 1);
    while (!w->fetched)
        assert_int_not_equal(uv_run(&w->loop, UV_RUN_ONCE), 0);
    assert_int_equal(fake_server_requests(w->server), 1);
    assert_int_equal(w->parts_asked, 0);
    assert_int_equal(w->left, 0);
}

/* Each get may take all the time that it has, and there are several. */
static void after_a_silent_server_the_holder_is_asked(void **state)
{
    struct world *w = *state;
    fake_server_answer(w->server, FAKE_SILENT, 0);
    need(w, SIZE, 50);
    serve(w);
    while (w->left == 0) {
        if (web_count(w->web) > 0)
            pass(w, WEB_TOTAL_MS / 1000);
        while (web_count(w->web) > 0)
            assert_int_not_equal(uv_run(&w->loop, UV_RUN_ONCE), 0);
        if (w->left == 0)
            pass(w, 1);
    }
    assert_int_equal(w->parts_asked, 0);
    serve(w);
    assert_true(w->fetched);
    assert_int_equal(w->parts_asked, 1);
}

static void wrong_parts_are_had_from_the_holder(void **state)
{
    struct world *w = *state;
    fake_server_answer(w->server, FAKE_FLIPPED, 2);
    need(w, PART, 0);
    serve(w);
    while (w->left == 0)
        assert_int_not_equal(uv_run(&w->loop, UV_RUN_ONCE), 0);
    serve(w);
    assert_true(w->fetched);
    assert_true(w->parts_asked >= PARTS - 2 && w->parts_asked <= PARTS);
}

int main(void)
{
    log_level_set(LOG_ERROR);
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_slow_server_is_waited_for),
        TEST(after_a_silent_server_the_holder_is_asked),
        TEST(wrong_parts_are_had_from_the_holder),
    };
    return cmocka_run_group_tests_name("device/images", tests, NULL, NULL);
}
