/* One whole round: what each step costs a device and the coordinator, how large each
 * message is, and whether the sum is exact. A tenth of the devices share their secrets and
 * are not heard of again.
 *
 * Every message and every mask is real. Where devices are many, only the first of them mask
 * their whole vectors, and the others the part in which the sum is checked: what one
 * device's vector costs is the same for all. The coordinator's work is done in full. */
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/rand.h"
#include "bench.h"
#include "secagg/server.h"

#define WHOLE_LEAST 9 /* so many mask whole vectors in any case */

enum cost {
    /* of each device */
    KEYS,
    ROSTER,
    BOXES,
    MASK,
    SIGN,
    SURVIVORS,
    CONFIRMED,
    /* of the coordinator */
    TAKE,
    TELL,
    CLOSE,
    DIGEST,
    SUM,
    REBUILD,
    REMOVE_1,
    REMOVE_2,
    COSTS
};

static const char *const cost_names[COSTS] = {
    [KEYS] = "client_keys",           [ROSTER] = "client_roster",
    [BOXES] = "client_boxes",         [MASK] = "client_mask",
    [SIGN] = "client_sign",           [SURVIVORS] = "client_survivors",
    [CONFIRMED] = "client_confirmed", [TAKE] = "server_take",
    [TELL] = "server_tell",           [CLOSE] = "server_close",
    [DIGEST] = "server_digest",       [SUM] = "server_sum",
    [REBUILD] = "server_rebuild",     [REMOVE_1] = "server_remove_1",
    [REMOVE_2] = "server_remove_2",
};

struct round {
    struct fleet fleet;
    struct secagg_rules rules;
    struct digest config;
    struct secagg_server *server;
    size_t params, whole, survivors;
    size_t first, checked;    /* the part of the vector that all mask */
    uint32_t *update;         /* (params,), as are the next ones: of one device at a time */
    uint32_t *sum, *unmasked; /* of the masked updates, with masks and without */
    uint32_t *expected;       /* of the updates */
    struct times costs[COSTS];
    size_t largest[SECAGG_KIND_COUNT]; /* bytes of a message of each kind */
};

static void note_size(struct round *r, struct view message)
{
    enum secagg_kind kind;
    if (message.size == 0)
        return;
    must(secagg_kind_of(message, &kind) == ST_OK, "a message is one");
    if (r->largest[kind] < message.size)
        r->largest[kind] = message.size;
}

/* ---- one device's step ---- */

static void make_client(struct round *r, struct fleet_device *d)
{
    double began = now_s();
    must(secagg_client_new(&d->self, &r->rules, &r->config, &d->client) == ST_OK,
         "a device can begin");
    times_note(&r->costs[KEYS], began);
}

static void take(struct round *r, const struct fleet_device *d, struct view message)
{
    note_size(r, message);
    double began = now_s();
    enum secagg_verdict verdict = secagg_server_take(r->server, &d->id, message, FLEET_NOW, NULL);
    times_note(&r->costs[TAKE], began);
    must(verdict == SECAGG_ACCEPTED, secagg_verdict_name(verdict));
}

/* What the coordinator has to say to it now, and its answer. */
static struct view hear(struct round *r, struct fleet_device *d, enum cost cost)
{
    struct bytes told = {0};
    struct view answer;
    double began = now_s();
    must(secagg_server_message(r->server, &d->id, &told) == ST_OK, "a device is told something");
    times_note(&r->costs[TELL], began);
    note_size(r, bytes_view(&told));
    began = now_s();
    enum secagg_refusal refusal =
        secagg_client_take(d->client, bytes_view(&told), FLEET_NOW, &answer);
    times_note(&r->costs[cost], began);
    must(refusal == SECAGG_FINE, secagg_refusal_name(refusal));
    bytes_done(&told);
    return answer;
}

static void draw_update(struct round *r, const struct fleet_device *d, size_t first, size_t count)
{
    struct rand rand = {(uint64_t)(d - r->fleet.devices)};
    for (size_t i = first; i < first + count; i++) {
        r->update[i] = (uint32_t)rand_u64(&rand);
        r->expected[i] += r->update[i];
    }
}

static void add_to_sum(struct round *r, size_t first, size_t count)
{
    uint32_t *sum = r->sum + first;
    const uint32_t *update = r->update + first;
    for (size_t i = 0; i < count; i++)
        sum[i] += update[i];
}

/* Notes a time only of what was done to a whole vector. */
static void note_whole(struct round *r, enum cost cost, double began, size_t count)
{
    if (count == r->params)
        times_note(&r->costs[cost], began);
}

static struct key_signature mask_update(struct round *r, const struct fleet_device *d, size_t first,
                                        size_t count)
{
    struct key_signature signature;
    double began = now_s();
    must(secagg_client_mask(d->client, MASK_WORD_32, first, r->update + first, count) == ST_OK,
         "an update can be masked");
    note_whole(r, MASK, began, count);
    began = now_s();
    struct digest digest = digest_of(view_of(r->update + first, count * sizeof r->update[0]));
    must(secagg_client_sign(d->client, &digest, &signature) == ST_OK, "and signed");
    note_whole(r, SIGN, began, count);
    return signature;
}

static void take_update(struct round *r, const struct fleet_device *d,
                        const struct key_signature *signature, size_t first, size_t count)
{
    double began = now_s();
    struct digest digest = digest_of(view_of(r->update + first, count * sizeof r->update[0]));
    note_whole(r, DIGEST, began, count);
    began = now_s();
    enum secagg_verdict verdict = secagg_server_judge(
        r->server, &d->id, secagg_client_context(d->client), &digest, signature);
    times_note(&r->costs[TAKE], began);
    must(verdict == SECAGG_ACCEPTED, secagg_verdict_name(verdict));
    began = now_s();
    add_to_sum(r, first, count);
    note_whole(r, SUM, began, count);
    secagg_server_count(r->server, &d->id);
}

static void send_update(struct round *r, const struct fleet_device *d)
{
    bool whole = r->whole++ < WHOLE_LEAST;
    size_t first = whole ? 0 : r->first, count = whole ? r->params : r->checked;
    draw_update(r, d, first, count);
    struct key_signature signature = mask_update(r, d, first, count);
    take_update(r, d, &signature, first, count);
    r->survivors++;
}

/* ---- the round ---- */

static bool drops_out(size_t device)
{
    return device % 10 == 9;
}

static void step(struct round *r, struct fleet_device *d)
{
    switch (secagg_server_phase(r->server)) {
    case SECAGG_ADVERTISING:
        make_client(r, d);
        take(r, d, secagg_client_advertise(d->client));
        break;
    case SECAGG_SHARING:
        take(r, d, hear(r, d, ROSTER));
        break;
    case SECAGG_MASKING:
        (void)hear(r, d, BOXES);
        send_update(r, d);
        break;
    case SECAGG_CONFIRMING:
        take(r, d, hear(r, d, SURVIVORS));
        break;
    default:
        take(r, d, hear(r, d, CONFIRMED));
    }
}

static void run(struct round *r)
{
    while (secagg_server_phase(r->server) < SECAGG_DONE) {
        bool some_are_gone = secagg_server_phase(r->server) >= SECAGG_MASKING;
        for (size_t i = 0; i < r->fleet.count; i++)
            if (!some_are_gone || !drops_out(i))
                step(r, &r->fleet.devices[i]);
        double began = now_s();
        secagg_server_close(r->server);
        times_note(&r->costs[CLOSE], began);
    }
    must(secagg_server_phase(r->server) == SECAGG_DONE, "the round was done");
}

/* ---- unmasking ---- */

struct part {
    const struct mask *masks;
    size_t mask_count;
    uint32_t *words;
    size_t first, count;
};

static void *remove_masks(void *argument)
{
    const struct part *p = argument;
    must(masks_apply(p->masks, p->mask_count, MASK_WORD_32, p->first, p->words + p->first,
                     p->count) == ST_OK,
         "masks can be taken off");
    return NULL;
}

static void remove_in_two(const struct part *all)
{
    struct part first = *all, second = *all;
    pthread_t thread;
    first.count = all->count / 2 / MASK_ALIGN * MASK_ALIGN;
    second.first = first.count;
    second.count = all->count - first.count;
    must(pthread_create(&thread, NULL, remove_masks, &first) == 0, "there is a second thread");
    (void)remove_masks(&second);
    (void)pthread_join(thread, NULL);
}

static void expect_exact(const struct round *r)
{
    must(memcmp(r->unmasked + r->first, r->expected + r->first,
                r->checked * sizeof r->expected[0]) == 0,
         "the sum is exact");
}

static void unmask(struct round *r, const struct mask *masks, size_t mask_count)
{
    struct part all = {masks, mask_count, r->unmasked, 0, r->params};
    memcpy(r->unmasked, r->sum, r->params * sizeof r->sum[0]);
    double began = now_s();
    (void)remove_masks(&all);
    times_note(&r->costs[REMOVE_1], began);
    expect_exact(r);
    memcpy(r->unmasked, r->sum, r->params * sizeof r->sum[0]);
    began = now_s();
    remove_in_two(&all);
    times_note(&r->costs[REMOVE_2], began);
    expect_exact(r);
}

/* gives: how many masks were on the sum */
static size_t rebuild_and_unmask(struct round *r)
{
    struct mask *masks = NULL;
    size_t count = 0;
    struct id culprit;
    double began = now_s();
    must(secagg_server_masks(r->server, &masks, &count, &culprit) == ST_OK,
         "the masks can be rebuilt");
    times_note(&r->costs[REBUILD], began);
    unmask(r, masks, count);
    sodium_free(masks);
    return count;
}

/* ---- what is printed ---- */

/* Steps of the coordinator that each message causes are summed over all messages. */
static double cost_s(struct round *r, enum cost cost)
{
    struct times *t = &r->costs[cost];
    if (cost == TAKE || cost == TELL || cost == CLOSE)
        return t->sum;
    if (cost == DIGEST || cost == SUM)
        return times_median(t) * (double)r->survivors;
    return cost < TAKE ? times_median(t) : times_least(t);
}

static void print(struct round *r, size_t mask_count)
{
    printf("masks %zu\n", mask_count);
    for (int cost = 0; cost < COSTS; cost++)
        printf("%s %.9f\n", cost_names[cost], cost_s(r, (enum cost)cost));
    printf("keystream %.9f\n", keystream_s(mask_count * r->params * sizeof r->sum[0]));
    /* What a masked update consists of, wherever its parts travel. */
    printf("bytes_masked %zu\n", r->params * sizeof r->sum[0] + sizeof(struct secagg_context) +
                                     sizeof(struct key_signature));
    for (int kind = SECAGG_ADVERTISE; kind < SECAGG_KIND_COUNT; kind++)
        printf("bytes_%s %zu\n", secagg_kind_name((enum secagg_kind)kind), r->largest[kind]);
}

void bench_round(size_t devices, size_t params, size_t checked, size_t repeats)
{
    struct round r = {.fleet = fleet_of(devices), .params = params, .checked = checked};
    r.rules = (struct secagg_rules){.server = SECAGG_SERVER_MALICIOUS, .word = MASK_WORD_32};
    r.rules.k_of_n = secagg_threshold(&r.rules, (uint32_t)devices);
    must(secagg_rules_check(&r.rules, devices, NULL) == ST_OK, "so many can aggregate");
    r.config = digest_of(view_text("a round"));
    r.first = (params - checked) / 2 / MASK_ALIGN * MASK_ALIGN;
    r.update = room(params, sizeof r.update[0]);
    r.sum = room(params, sizeof r.sum[0]);
    r.unmasked = room(params, sizeof r.unmasked[0]);
    r.expected = room(params, sizeof r.expected[0]);
    must(secagg_server_new(&r.rules, &r.config, key_public(r.fleet.owner), r.fleet.ids, devices,
                           &r.server) == ST_OK,
         "the coordinator can begin");
    run(&r);
    size_t mask_count = 0;
    for (size_t i = 0; i < repeats; i++)
        mask_count = rebuild_and_unmask(&r);
    print(&r, mask_count);
}
