#include "proplet/secure.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "io/clock.h"
#include "protect/configuration.h"
#include "protect/protection.h"
#include "service/log.h"

struct secure_round {
    struct id round;
    struct secagg_client *client;
    struct bytes said; /* the last message; said again until the next one is asked for */
    uint64_t say_ms;
    uint64_t until_ms;
    bool in_use; /* by a task */
    bool left;
};

struct secure {
    struct proplet_out out;
    struct id me;
    struct trust *trust;
    struct secure_round *rounds[SECURE_SESSIONS_MAX]; /* (count,) */
    size_t count;
};

enum status secure_new(const struct proplet_out *out, const struct id *me, struct trust *trust,
                       struct secure **ret)
{
    struct secure *s = calloc(1, sizeof *s);
    if (s == NULL)
        return ST_NOMEM;
    s->out = *out;
    s->me = *me;
    s->trust = trust;
    *ret = s;
    return ST_OK;
}

static uint64_t now_ms(const struct secure *s)
{
    return s->out.now_ms(s->out.owner);
}

/* ---- saying ---- */

static void say(struct secure *s, struct secure_round *r)
{
    char topic[FL_TOPIC_SIZE];
    fl_topic_secagg(&r->round, &s->me, topic);
    enum status status = s->out.publish(s->out.owner, topic, bytes_view(&r->said));
    if (status != ST_OK)
        log_line(LOG_WARN, "publish.failed", "topic=%s reason=%s", log_quote(topic),
                 status_name(status));
    r->say_ms = now_ms(s) + SECURE_RESEND_MS;
}

/* message: empty: what was said before need not be said again */
static void set_said(struct secure *s, struct secure_round *r, struct view message)
{
    bytes_done(&r->said);
    if (message.size > 0 && bytes_copy(&r->said, message) == ST_OK)
        say(s, r);
}

/* ---- joining ---- */

static enum status refuse(struct why *why, const char *reason)
{
    why_set(why, "%s", reason);
    return ST_INVALID;
}

/* What this device needs for it, and what the start has to say. */
static enum status check(const struct secure *s, const struct learning *l, struct why *why)
{
    const struct policy *policy = s->trust == NULL ? NULL : trust_policy(s->trust);
    if (s->trust == NULL || trust_key(s->trust) == NULL)
        return refuse(why, "secure aggregation needs an identity: fml-proplet --identity FILE "
                           "(fml fleet enroll)");
    if (policy == NULL || !policy->has_fleet_key)
        return refuse(why, "secure aggregation needs a policy with fleet_key: fml-proplet "
                           "--policy FILE");
    if (!l->has_digest || l->k_of_n == 0)
        return refuse(why, "a masked round's start says spec.model.digest and spec.round.k_of_n");
    return ST_OK;
}

static enum status configuration_of(const struct learning *l, const char *hyperparams,
                                    const struct digest *image, struct digest *ret, struct why *why)
{
    struct configuration c = {.round_id = l->round,
                              .model_uri = l->model_topic,
                              .model = l->digest,
                              .image = *image,
                              .k_of_n = l->k_of_n,
                              .privacy = l->privacy};
    json_t *object = NULL;
    enum status status = jsn_parse(view_text(hyperparams), CONTROL_SIZE_MAX, &object, why);
    if (status == ST_OK)
        status = configuration_hyperparams(object, &c.hyperparams);
    json_decref(object);
    return status == ST_OK ? configuration_digest(&c, ret) : status;
}

static struct secagg_self self_of(const struct secure *s)
{
    const struct policy *policy = trust_policy(s->trust);
    return (struct secagg_self){.id = s->me,
                                .key = trust_key(s->trust),
                                .certificate = trust_certificate(s->trust),
                                .fleet = policy->fleet_key,
                                .revoked = trust_revocations(s->trust),
                                .cohort_min = policy->cohort_min};
}

static struct secure_round *find(const struct secure *s, const struct id *round)
{
    for (size_t i = 0; i < s->count; i++)
        if (id_equal(&s->rounds[i]->round, round))
            return s->rounds[i];
    return NULL;
}

static struct secure_round *free_round(struct secure_round *r)
{
    if (r == NULL)
        return NULL;
    secagg_client_free(r->client);
    bytes_done(&r->said);
    free(r);
    return NULL;
}

static enum status make_round(const struct secure *s, const struct learning *l,
                              const struct digest *configuration, uint64_t until_ms,
                              struct secure_round **ret)
{
    struct secure_round *r = calloc(1, sizeof *r);
    if (r == NULL)
        return ST_NOMEM;
    const struct secagg_self self = self_of(s);
    const struct secagg_rules rules = protection_rules(&l->privacy, l->k_of_n);
    *r = (struct secure_round){.round = l->round, .until_ms = until_ms, .in_use = true};
    enum status status = secagg_client_new(&self, &rules, configuration, &r->client);
    if (status == ST_OK)
        *ret = r;
    else
        free_round(r);
    return status;
}

static void told_topic(const struct secure *s, const struct id *round, char ret[FL_TOPIC_SIZE])
{
    fl_topic_secagg_told(round, &s->me, ret);
}

enum status secure_join(struct secure *s, const struct learning *l, const char *hyperparams,
                        const struct digest *image, uint64_t until_ms, struct secure_round **ret,
                        struct why *why)
{
    struct digest configuration;
    struct secure_round *r = NULL;
    char topic[FL_TOPIC_SIZE];
    enum status status = check(s, l, why);
    if (status == ST_OK && find(s, &l->round) != NULL) {
        why_set(why, "this device takes part in the round already");
        status = ST_EXISTS;
    }
    if (status == ST_OK && s->count == SECURE_SESSIONS_MAX) {
        why_set(why, "this device takes part in %d rounds already", SECURE_SESSIONS_MAX);
        status = ST_LIMIT;
    }
    if (status == ST_OK)
        status = configuration_of(l, hyperparams, image, &configuration, why);
    if (status == ST_OK)
        status = make_round(s, l, &configuration, until_ms, &r);
    if (status != ST_OK)
        return status;
    told_topic(s, &l->round, topic);
    status = s->out.subscribe(s->out.owner, topic);
    if (status != ST_OK) {
        free_round(r);
        return status;
    }
    s->rounds[s->count++] = r;
    set_said(s, r, secagg_client_advertise(r->client));
    *ret = r;
    return ST_OK;
}

/* ---- what the task asks ---- */

const struct secagg_client *secure_client(const struct secure_round *r)
{
    return secagg_client_can_mask(r->client) ? r->client : NULL;
}

bool secure_has_left(const struct secure_round *r, struct why *why)
{
    struct id culprit;
    if (!r->left)
        return false;
    enum secagg_refusal refusal = secagg_client_refusal(r->client, &culprit);
    why_set(why, "this device left the secure aggregation: %s%s%s", secagg_refusal_name(refusal),
            culprit.text[0] == '\0' ? "" : ", because of ", culprit.text);
    return true;
}

static void forget(struct secure *s, size_t index)
{
    char topic[FL_TOPIC_SIZE];
    told_topic(s, &s->rounds[index]->round, topic);
    s->out.unsubscribe(s->out.owner, topic);
    free_round(s->rounds[index]);
    s->rounds[index] = s->rounds[--s->count];
}

void secure_leave(struct secure *s, struct secure_round *r)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->rounds[i] != r)
            continue;
        forget(s, i);
        return;
    }
}

void secure_masked(struct secure *s, struct secure_round *r)
{
    (void)s;
    r->in_use = false;
}

/* ---- what it is told ---- */

static void log_refused(const struct secure_round *r, enum secagg_refusal refusal)
{
    struct id culprit;
    (void)secagg_client_refusal(r->client, &culprit);
    log_line(LOG_WARN, "secagg.refused", "round=%s code=%s because_of=%s", r->round.text,
             secagg_refusal_name(refusal), log_quote(culprit.text));
}

void secure_told(struct secure *s, const struct id *round, struct view payload)
{
    struct secure_round *r = find(s, round);
    struct view answer;
    struct id culprit;
    if (r == NULL || r->left)
        return;
    enum secagg_refusal refusal = secagg_client_take(r->client, payload, clock_unix_s(), &answer);
    if (refusal == SECAGG_FINE) {
        set_said(s, r, answer);
        return;
    }
    log_refused(r, refusal);
    r->left = secagg_client_refusal(r->client, &culprit) != SECAGG_FINE;
    if (r->left)
        bytes_done(&r->said);
}

/* ---- time ---- */

static bool is_over(const struct secure *s, const struct secure_round *r)
{
    return !r->in_use && (r->left || now_ms(s) >= r->until_ms);
}

void secure_tick(struct secure *s)
{
    for (size_t i = s->count; i > 0; i--) {
        struct secure_round *r = s->rounds[i - 1];
        if (is_over(s, r))
            forget(s, i - 1);
        else if (r->said.size > 0 && now_ms(s) >= r->say_ms && s->out.connected(s->out.owner))
            say(s, r);
    }
}

struct secure *secure_free(struct secure *s)
{
    if (s == NULL)
        return NULL;
    while (s->count > 0)
        free_round(s->rounds[--s->count]);
    free(s);
    return NULL;
}
