/* Checks the exchange over a link that loses, doubles and reorders messages, with
 * holders and receivers that die in between. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/rand.h"
#include "exchange/exchange.h"
#include "exchange/file_manifest.h"
#include "io/file.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define PART         1000u
#define PARTIES_MAX  40
#define QUEUE_MAX    1024

struct mail {
    char topic[256];
    struct bytes payload;
};

/* Parties that hear all that is said. */
struct world {
    char folder[64];
    uint64_t now_ms;
    struct exchange *parties[PARTIES_MAX];
    size_t party_count;
    struct mail queue[QUEUE_MAX];
    size_t queue_count;
    size_t parts_said, parts_waiting_max;
    size_t unacknowledged;
    bool refuses_parts;
};

static bool is_part(const char *topic)
{
    return strncmp(topic, "fl/parts/part/", 14) == 0;
}

static size_t parts_waiting(const struct world *w)
{
    size_t count = 0;
    for (size_t i = 0; i < w->queue_count; i++)
        count += is_part(w->queue[i].topic);
    return count;
}

static enum status publish(void *owner, const struct mqtt_message *m)
{
    struct world *w = owner;
    assert_true(w->queue_count < QUEUE_MAX);
    if (is_part(m->topic) && w->refuses_parts)
        return ST_TOO_LARGE;
    struct mail *mail = &w->queue[w->queue_count++];
    *mail = (struct mail){0};
    (void)snprintf(mail->topic, sizeof mail->topic, "%s", m->topic);
    assert_int_equal(bytes_copy(&mail->payload, m->payload), ST_OK);
    if (is_part(m->topic)) {
        w->parts_said++;
        size_t waiting = parts_waiting(w);
        w->parts_waiting_max = waiting > w->parts_waiting_max ? waiting : w->parts_waiting_max;
    }
    return ST_OK;
}

static size_t unacknowledged(void *owner)
{
    return ((struct world *)owner)->unacknowledged;
}

static struct exchange *party(struct world *w, const char *name)
{
    struct id id;
    struct exchange *x;
    assert_int_equal(id_from(name, &id), ST_OK);
    const struct exchange_out out = {publish, unacknowledged, w};
    assert_int_equal(exchange_new(&id, &out, &x), ST_OK);
    return x;
}

static struct exchange *join(struct world *w, const char *name)
{
    assert_true(w->party_count < PARTIES_MAX);
    return w->parties[w->party_count++] = party(w, name);
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->now_ms = 1000000;
    (void)strcpy(w->folder, "/tmp/fml-exchange-XXXXXX");
    assert_non_null(mkdtemp(w->folder));
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < w->party_count; i++)
        exchange_free(w->parties[i]);
    for (size_t i = 0; i < w->queue_count; i++)
        bytes_done(&w->queue[i].payload);
    assert_int_equal(file_remove_tree(w->folder), ST_OK);
    free(w);
    return 0;
}

static void path_in(const struct world *w, const char *name, char ret[128])
{
    (void)snprintf(ret, 128, "%s/%s", w->folder, name);
}

/* A file of random bytes. gives: its manifest, to be ended */
static void make_file(const struct world *w, const char *name, size_t size, struct manifest *ret)
{
    char path[128];
    struct bytes bytes = {0};
    struct rand rand = {size};
    path_in(w, name, path);
    assert_int_equal(bytes_resize(&bytes, size), ST_OK);
    for (size_t i = 0; i < size; i++)
        bytes.data[i] = (uint8_t)rand_u64(&rand);
    assert_int_equal(file_write(path, bytes_view(&bytes)), ST_OK);
    assert_int_equal(manifest_of(bytes_view(&bytes), PART, ret), ST_OK);
    bytes_done(&bytes);
}

static void offer_file(const struct world *w, struct exchange *x, const char *name,
                       const struct manifest *m)
{
    char path[128];
    path_in(w, name, path);
    assert_int_equal(exchange_offer(x, m, path), ST_OK);
}

/* gives: a fetch of what `holder` says it offers */
static struct fetch *fetch_file(const struct world *w, struct exchange *x,
                                const struct exchange *holder, const struct digest *d,
                                const char *name)
{
    char path[128], *text;
    struct reference ref;
    struct fetch *f;
    path_in(w, name, path);
    assert_int_equal(exchange_refer(holder, d, &text), ST_OK);
    assert_int_equal(reference_decode(view_text(text), UINT32_MAX, &ref, NULL), ST_OK);
    free(text);
    assert_int_equal(exchange_fetch(x, &ref, path, &f), ST_OK);
    reference_done(&ref);
    return f;
}

static void same_files(const struct world *w, const char *a, const char *b)
{
    char path[128];
    struct bytes bytes_a = {0}, bytes_b = {0};
    path_in(w, a, path);
    assert_int_equal(file_read(path, SIZE_MAX, &bytes_a), ST_OK);
    path_in(w, b, path);
    assert_int_equal(file_read(path, SIZE_MAX, &bytes_b), ST_OK);
    assert_true(view_equal(bytes_view(&bytes_a), bytes_view(&bytes_b)));
    bytes_done(&bytes_a);
    bytes_done(&bytes_b);
}

static void step_all(struct world *w)
{
    for (size_t i = 0; i < w->party_count; i++)
        while (exchange_step(w->parties[i], w->now_ms))
            ;
}

static void deliver(struct world *w, size_t index, bool lost)
{
    struct mail mail = w->queue[index];
    w->queue_count--;
    memmove(&w->queue[index], &w->queue[index + 1], (w->queue_count - index) * sizeof w->queue[0]);
    for (size_t i = 0; i < w->party_count && !lost; i++)
        assert_true(exchange_message(
            w->parties[i],
            &(struct mqtt_message){.topic = mail.topic, .payload = bytes_view(&mail.payload)},
            w->now_ms));
    bytes_done(&mail.payload);
}

/* Until nothing more is said and nothing is on its way. */
static void settle(struct world *w)
{
    step_all(w);
    while (w->queue_count > 0) {
        deliver(w, 0, false);
        step_all(w);
    }
}

static void a_file_travels_in_bounded_parts(void **state)
{
    struct world *w = *state;
    struct manifest m;
    struct exchange *server = join(w, "server"), *device = join(w, "device");
    make_file(w, "a", 20500, &m);
    offer_file(w, server, "a", &m);
    struct fetch *f = fetch_file(w, device, server, &m.digest, "b");
    assert_int_equal(fetch_bytes(f), 20500);
    assert_int_equal(exchange_asked_ms(server, &m.digest), 0);
    settle(w);
    assert_int_equal(fetch_state(f), FETCH_COMPLETE);
    assert_int_equal(fetch_bytes_there(f), 20500);
    assert_int_equal(w->parts_said, 21); /* each once */
    assert_int_equal(exchange_asked_ms(server, &m.digest), w->now_ms);
    assert_int_equal(exchange_asked_ms(device, &m.digest), 0);
    assert_true(w->parts_waiting_max <= EXCHANGE_WINDOW);
    same_files(w, "a", "b");
    assert_null(fetch_release(f, true)); /* a whole one stays */
    same_files(w, "a", "b");

    f = fetch_file(w, device, server, &m.digest, "b");
    settle(w);
    assert_int_equal(fetch_state(f), FETCH_COMPLETE);
    assert_int_equal(w->parts_said, 21); /* what is there does not travel */
    fetch_release(f, false);
    manifest_done(&m);
}

static void what_is_not_offered_is_refused_by_name(void **state)
{
    struct world *w = *state;
    struct manifest m;
    struct exchange *server = join(w, "server"), *device = join(w, "device");
    make_file(w, "a", 1500, &m);
    offer_file(w, server, "a", &m);
    offer_file(w, server, "a", &m); /* twice, so it takes two to end it */
    struct fetch *f = fetch_file(w, device, server, &m.digest, "b");
    exchange_withdraw(server, &m.digest);
    settle(w);
    assert_int_equal(fetch_state(f), FETCH_COMPLETE);
    fetch_release(f, false);

    f = fetch_file(w, device, server, &m.digest, "c");
    exchange_withdraw(server, &m.digest);
    exchange_withdraw(server, &m.digest);
    settle(w);
    assert_int_equal(fetch_state(f), FETCH_REFUSED);
    assert_non_null(strstr(fetch_detail(f), "server says unknown"));
    fetch_release(f, true);
    char path[128], *text = NULL;
    path_in(w, "c.part", path);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(exchange_refer(server, &m.digest, &text), ST_NOT_FOUND);
    manifest_done(&m);
}

/* A packet holds the part, and at most 320 bytes of topic and lengths. */
static void parts_fit_into_what_the_broker_takes(void **state)
{
    struct world *w = *state;
    static const struct {
        size_t packet_max;
        uint32_t part_size;
    } cases[] = {
        {268435455, 1 << 20},
        {(1 << 20) + 320, 1 << 20},
        {(1 << 20) + 319, 1 << 19},
        {1 << 20, 1 << 19},
        {300000, 1 << 18},
        {(4 << 10) + 320, 4 << 10},
        {100, EXCHANGE_PART_SIZE_MIN}, /* then no part fits, and that is told */
    };
    struct exchange *x = join(w, "x");
    assert_int_equal(exchange_part_size(x), 1 << 20);
    for (size_t i = 0; i < COUNT(cases); i++) {
        exchange_set_packet_max(x, cases[i].packet_max);
        assert_int_equal(exchange_part_size(x), cases[i].part_size);
    }
    char path[128], *text;
    struct manifest m;
    struct reference r;
    make_file(w, "a", 100000, &m);
    path_in(w, "a", path);
    exchange_set_packet_max(x, 17000);
    assert_int_equal(exchange_offer_file(x, &m.digest, path, UINT32_MAX, &text), ST_OK);
    assert_int_equal(reference_decode(view_text(text), UINT32_MAX, &r, NULL), ST_OK);
    assert_int_equal(r.manifest.part_size, 1 << 14);
    assert_int_equal(r.manifest.part_count, 7); /* 6 * 16384 + 1696 */
    reference_done(&r);
    free(text);
    manifest_done(&m);
}

static void parts_beyond_the_broker_are_refused_by_name(void **state)
{
    struct world *w = *state;
    struct manifest m;
    struct exchange *server = join(w, "server"), *device = join(w, "device");
    make_file(w, "a", 1500, &m);
    offer_file(w, server, "a", &m);
    w->refuses_parts = true;
    struct fetch *f = fetch_file(w, device, server, &m.digest, "b");
    settle(w);
    assert_int_equal(fetch_state(f), FETCH_REFUSED);
    assert_non_null(strstr(fetch_detail(f), "too_large"));
    fetch_release(f, true);
    manifest_done(&m);
}

static void a_holder_that_lost_its_file_says_so(void **state)
{
    struct world *w = *state;
    struct manifest m;
    char path[128];
    struct exchange *server = join(w, "server"), *device = join(w, "device");
    make_file(w, "a", 1500, &m);
    offer_file(w, server, "a", &m);
    path_in(w, "a", path);
    assert_int_equal(truncate(path, 100), 0);
    struct fetch *f = fetch_file(w, device, server, &m.digest, "b");
    settle(w);
    assert_int_equal(fetch_state(f), FETCH_REFUSED);
    assert_non_null(strstr(fetch_detail(f), "unreadable"));
    fetch_release(f, true);
    assert_int_equal(exchange_offer(device, &m, path), ST_INVALID); /* another size */
    assert_int_equal(unlink(path), 0);
    assert_int_equal(exchange_offer(device, &m, path), ST_NOT_FOUND);
    manifest_done(&m);
}

static void a_small_file_does_not_wait_for_a_large_one(void **state)
{
    struct world *w = *state;
    struct manifest large, small;
    struct exchange *server = join(w, "server"), *device = join(w, "device");
    make_file(w, "large", 100000, &large);
    make_file(w, "small", 3000, &small);
    offer_file(w, server, "large", &large);
    offer_file(w, server, "small", &small);
    struct fetch *f = fetch_file(w, device, server, &large.digest, "l");
    struct fetch *g = fetch_file(w, device, server, &small.digest, "s");
    step_all(w);
    while (fetch_state(g) == FETCH_GOING) {
        deliver(w, 0, false);
        step_all(w);
        assert_true(w->parts_said < 20);
    }
    assert_int_equal(fetch_state(g), FETCH_COMPLETE);
    settle(w);
    assert_int_equal(fetch_state(f), FETCH_COMPLETE);
    assert_int_equal(w->parts_said, 103);
    fetch_release(f, false);
    fetch_release(g, false);
    manifest_done(&large);
    manifest_done(&small);
}

static void a_holder_that_is_away_holds_up_nobody(void **state)
{
    struct world *w = *state;
    struct manifest gone, there;
    struct exchange *server = join(w, "server"), *device = join(w, "device");
    struct exchange *ghost = party(w, "ghost");
    struct fetch *waiting[2 * EXCHANGE_WINDOW];
    make_file(w, "gone", 5000, &gone);
    make_file(w, "there", 20000, &there);
    offer_file(w, ghost, "gone", &gone);
    offer_file(w, server, "there", &there);
    for (size_t i = 0; i < COUNT(waiting); i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "gone-%zu", i);
        waiting[i] = fetch_file(w, device, ghost, &gone.digest, name);
    }
    struct fetch *f = fetch_file(w, device, server, &there.digest, "f");
    settle(w);
    assert_int_equal(fetch_state(f), FETCH_COMPLETE);
    for (size_t i = 0; i < 10; i++, w->now_ms += 5000) {
        settle(w);
        assert_int_equal(fetch_state(waiting[0]), FETCH_GOING);
    }
    w->parties[w->party_count++] = ghost; /* it is back */
    w->now_ms += 5000;
    settle(w);
    for (size_t i = 0; i < COUNT(waiting); i++) {
        assert_int_equal(fetch_state(waiting[i]), FETCH_COMPLETE);
        fetch_release(waiting[i], false);
    }
    fetch_release(f, false);
    manifest_done(&gone);
    manifest_done(&there);
}

/* The broker holds what few receivers have under way, whoever else waits. */
static void many_receivers_are_served_a_few_at_a_time(void **state)
{
    struct world *w = *state;
    struct manifest m;
    struct exchange *server = join(w, "server");
    struct fetch *fetches[2 * EXCHANGE_CLIENTS_MAX];
    make_file(w, "a", 30000, &m);
    offer_file(w, server, "a", &m);
    for (size_t i = 0; i < COUNT(fetches); i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "d%zu", i);
        fetches[i] = fetch_file(w, join(w, name), server, &m.digest, name);
    }
    bool going = true;
    for (size_t turns = 0; going; turns++, w->now_ms += EXCHANGE_CLIENT_IDLE_MS) {
        assert_true(turns < 100);
        settle(w);
        going = false;
        for (size_t i = 0; i < COUNT(fetches); i++)
            going |= fetch_state(fetches[i]) == FETCH_GOING;
    }
    assert_true(w->parts_waiting_max <= EXCHANGE_CLIENTS_MAX * EXCHANGE_WINDOW);
    assert_int_equal(w->parts_said, COUNT(fetches) * 30);
    for (size_t i = 0; i < COUNT(fetches); i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "d%zu", i);
        assert_int_equal(fetch_state(fetches[i]), FETCH_COMPLETE);
        same_files(w, "a", name);
        fetch_release(fetches[i], false);
    }
    manifest_done(&m);
}

static void nothing_is_sent_while_the_broker_has_enough(void **state)
{
    struct world *w = *state;
    struct manifest m;
    struct exchange *server = join(w, "server"), *device = join(w, "device");
    make_file(w, "a", 3000, &m);
    offer_file(w, server, "a", &m);
    struct fetch *f = fetch_file(w, device, server, &m.digest, "b");
    w->unacknowledged = EXCHANGE_SENDING_MAX;
    settle(w);
    assert_int_equal(w->parts_said, 0);
    w->unacknowledged = EXCHANGE_SENDING_MAX - 1;
    settle(w);
    assert_int_equal(fetch_state(f), FETCH_COMPLETE);
    fetch_release(f, false);
    manifest_done(&m);
}

static void what_nobody_asked_for_changes_nothing(void **state)
{
    struct world *w = *state;
    struct manifest m;
    struct exchange *server = join(w, "server"), *device = join(w, "device");
    make_file(w, "a", 3000, &m);
    offer_file(w, server, "a", &m);
    struct fetch *f = fetch_file(w, device, server, &m.digest, "b");
    static const char hex[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    char part_topic[256], refusal[256], digest[DIGEST_TEXT_SIZE];
    digest_text(&m.digest, digest);
    (void)snprintf(part_topic, sizeof part_topic, "fl/parts/part/device/%s/0", digest + 7);
    (void)snprintf(refusal, sizeof refusal,
                   "{\"holder\":\"mallory\",\"digest\":\"%s\",\"code\":\"unknown\"}", digest);
    char stray_topic[256];
    (void)snprintf(stray_topic, sizeof stray_topic, "fl/parts/part/device/%s/0", hex);
    const struct mqtt_message strange[] = {
        {.topic = part_topic, .payload = view_text("not the part")},
        {.topic = stray_topic, .payload = view_text("abc")},
        {.topic = "fl/parts/refused/device", .payload = view_text(refusal)},
        {.topic = "fl/parts/refused/device", .payload = view_text("{")},
        {.topic = "fl/parts/get/server", .payload = view_text("[]")},
        {.topic = "fl/parts/get/server", .payload = view_text("{\"client_id\":\"+\"}")},
        {.topic = "fl/parts/what", .payload = view_text("")},
        {.topic = "fl/parts/refused/device", .payload = view_text("{}"), .retain = true},
    };
    for (size_t i = 0; i < COUNT(strange); i++)
        for (size_t j = 0; j < w->party_count; j++)
            assert_true(exchange_message(w->parties[j], &strange[i], w->now_ms));
    assert_false(exchange_message(device, &(struct mqtt_message){.topic = "fl/models/index"}, 0));
    assert_int_equal(w->queue_count, 0);
    assert_int_equal(fetch_state(f), FETCH_GOING);
    assert_int_equal(fetch_bytes_there(f), 0);
    settle(w);
    assert_int_equal(fetch_state(f), FETCH_COMPLETE);
    fetch_release(f, false);
    manifest_done(&m);
}

/* ---- over any link that is not dead ---- */

static void shuffle_and_lose(struct world *w, struct rand *rand)
{
    size_t index = (size_t)rand_below(rand, w->queue_count);
    bool loses = rand_below(rand, 10) == 0;
    if (rand_below(rand, 10) == 0 && w->queue_count < QUEUE_MAX) { /* comes twice */
        struct mail *twice = &w->queue[w->queue_count++];
        *twice = w->queue[index];
        twice->payload = (struct bytes){0};
        assert_int_equal(bytes_copy(&twice->payload, bytes_view(&w->queue[index].payload)), ST_OK);
    }
    deliver(w, index, loses);
}

static void restart_server(struct world *w, const struct manifest *m)
{
    exchange_free(w->parties[0]);
    w->parties[0] = party(w, "server");
    offer_file(w, w->parties[0], "a", m);
}

static void restart_device(struct world *w, struct fetch **f, const struct manifest *m)
{
    fetch_release(*f, false);
    exchange_free(w->parties[1]);
    w->parties[1] = party(w, "device");
    *f = fetch_file(w, w->parties[1], w->parties[0], &m->digest, "b");
}

static void arrives_over_losses_and_crashes(void **state)
{
    for (uint64_t seed = 0; seed < 100; seed++) {
        if (seed > 0) {
            (void)teardown(state);
            (void)setup(state);
        }
        struct world *w = *state;
        struct rand rand = {seed};
        struct manifest m;
        size_t crashes = 0;
        join(w, "server");
        join(w, "device");
        make_file(w, "a", 1 + (size_t)rand_below(&rand, 40000), &m);
        offer_file(w, w->parties[0], "a", &m);
        struct fetch *f = fetch_file(w, w->parties[1], w->parties[0], &m.digest, "b");
        for (size_t steps = 0; fetch_state(f) == FETCH_GOING; steps++) {
            assert_true(steps < 100000);
            step_all(w);
            if (w->queue_count > 0)
                shuffle_and_lose(w, &rand);
            else
                w->now_ms += 1000;
            if (crashes < 10 && rand_below(&rand, 20) == 0) {
                crashes++;
                if (rand_below(&rand, 2) == 0)
                    restart_server(w, &m);
                else
                    restart_device(w, &f, &m);
            }
        }
        assert_int_equal(fetch_state(f), FETCH_COMPLETE);
        same_files(w, "a", "b");
        fetch_release(f, false);
        manifest_done(&m);
    }
}

static void after_a_restart_only_what_is_missing_travels(void **state)
{
    struct world *w = *state;
    struct manifest m;
    join(w, "server");
    join(w, "device");
    make_file(w, "a", 30000, &m);
    offer_file(w, w->parties[0], "a", &m);
    struct fetch *f = fetch_file(w, w->parties[1], w->parties[0], &m.digest, "b");
    step_all(w);
    while (fetch_bytes_there(f) < 20000) {
        deliver(w, 0, false);
        step_all(w);
    }
    size_t under_way = parts_waiting(w);
    while (w->queue_count > 0) /* dies with the device */
        deliver(w, 0, true);
    restart_device(w, &f, &m);
    settle(w);
    assert_int_equal(fetch_state(f), FETCH_COMPLETE);
    assert_int_equal(w->parts_said, 30 + under_way);
    same_files(w, "a", "b");
    fetch_release(f, false);
    manifest_done(&m);
}

static void a_reconnect_asks_again_at_once(void **state)
{
    struct world *w = *state;
    struct manifest m;
    struct exchange *server = join(w, "server"), *device = join(w, "device");
    make_file(w, "a", 9000, &m);
    offer_file(w, server, "a", &m);
    struct fetch *f = fetch_file(w, device, server, &m.digest, "b");
    step_all(w);
    while (w->queue_count > 0) /* all of it is lost */
        deliver(w, 0, true);
    settle(w);
    assert_int_equal(fetch_state(f), FETCH_GOING); /* it waits for 5 s ... */
    exchange_reconnected(device);
    settle(w); /* ... but not after a reconnect */
    assert_int_equal(fetch_state(f), FETCH_COMPLETE);
    fetch_release(f, false);
    manifest_done(&m);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_file_travels_in_bounded_parts),
        CASE(what_is_not_offered_is_refused_by_name),
        CASE(parts_fit_into_what_the_broker_takes),
        CASE(parts_beyond_the_broker_are_refused_by_name),
        CASE(a_holder_that_lost_its_file_says_so),
        CASE(a_small_file_does_not_wait_for_a_large_one),
        CASE(a_holder_that_is_away_holds_up_nobody),
        CASE(many_receivers_are_served_a_few_at_a_time),
        CASE(nothing_is_sent_while_the_broker_has_enough),
        CASE(what_nobody_asked_for_changes_nothing),
        CASE(arrives_over_losses_and_crashes),
        CASE(after_a_restart_only_what_is_missing_travels),
        CASE(a_reconnect_asks_again_at_once),
    };
    return cmocka_run_group_tests_name("exchange/exchange", tests, NULL, NULL);
}
