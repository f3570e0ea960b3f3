/* New versions: their number, their name in the metadata, their bytes.
 *
 * A number is one above all that are known of the name: on topics, in the index,
 * and those that other open rounds are about to use. Should it be taken all the
 * same, the topic (or a refusal) shows it and the next one is tried. */
#include "coordinator/state.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/jsn.h"
#include "io/file.h"
#include "service/log.h"

static uint64_t next_number(struct coordinator *c, const struct entry *e)
{
    const struct model_ref *base = &round_start_of(e->round)->model;
    uint64_t highest = base->version;
    uint64_t known;
    if (models_highest(c->models, &base->name, &known) && known > highest)
        highest = known;
    for (size_t i = 0; i < rounds_open_count(c->rounds); i++) {
        const struct entry *other = rounds_open_at(c->rounds, i);
        if (other != e && other->has_version && id_equal(&other->version.name, &base->name) &&
            other->version.version > highest)
            highest = other->version.version;
    }
    return highest + 1;
}

/* ---- where it comes from ---- */

struct lineage {
    char contributors[24], samples[24];
    char *metrics; /* JSON; from malloc */
};

/* fails: ST_NOMEM. gives: *ret, whose metrics are to be freed */
static enum status read_lineage(const struct entry *e, struct lineage *ret)
{
    struct complete facts;
    round_facts(e->round, UINT64_MAX, &facts); /* nothing here depends on the time */
    (void)snprintf(ret->contributors, sizeof ret->contributors, "%llu",
                   (unsigned long long)facts.num_updates);
    (void)snprintf(ret->samples, sizeof ret->samples, "%llu",
                   (unsigned long long)facts.total_samples);
    json_t *metrics = metrics_encode(&facts.metrics);
    ret->metrics = metrics == NULL ? NULL : jsn_text(metrics);
    json_decref(metrics);
    return ret->metrics == NULL ? ST_NOMEM : ST_OK;
}

/* ---- what it says about itself ---- */

/* JSON models stay as the FML demo has them: tensors and "version". Whatever else
 * the base says about itself is said anew, or it would be about the base. */
static enum status say(struct entry *e, const char *key, const char *value)
{
    if (e->form == MODEL_JSON && model_meta(e->model, key) == NULL)
        return ST_OK;
    return model_set_meta(e->model, key, value);
}

static enum status describe(struct entry *e, const struct model_ref *ref)
{
    const struct round_start *start = round_start_of(e->round);
    char number[24];
    (void)snprintf(number, sizeof number, "%llu", (unsigned long long)ref->version);
    enum status status = model_set_meta(e->model, "version", number);
    if (status == ST_OK)
        status = say(e, "name", ref->name.text);
    if (status == ST_OK)
        status = say(e, "round_id", start->round_id.text);
    if (status == ST_OK)
        status = say(e, "parent", start->model_uri);
    struct lineage lineage;
    if (status == ST_OK)
        status = read_lineage(e, &lineage);
    if (status != ST_OK)
        return status;
    status = say(e, "contributors", lineage.contributors);
    if (status == ST_OK)
        status = say(e, "num_samples", lineage.samples);
    if (status == ST_OK)
        status = say(e, "metrics", lineage.metrics);
    if (status == ST_LIMIT) /* a base that says a lot; it is in the properties as well */
        status = ST_OK;
    free(lineage.metrics);
    return status;
}

enum status encode_version(struct entry *e, const struct model_ref *ref, struct bytes *ret)
{
    struct bytes bytes = {0};
    enum status status = describe(e, ref);
    if (status == ST_OK)
        status = model_encode(e->model, e->form, &bytes);
    if (status == ST_OK)
        *ret = bytes;
    else
        bytes_done(&bytes);
    return status;
}

/* What its release spends of privacy is spent with the version, or there is none.
 * fails: ST_IO (it could not be kept: all is undone) */
static enum status pay(struct coordinator *c, struct entry *e, const char **ret_reason)
{
    return is_kept(c, "account", privacy_debit(c, e, ret_reason)) ? ST_OK : ST_IO;
}

/* gives: *ret_reason: NULL, or why there must not be one */
static enum status make_version(struct coordinator *c, struct entry *e, const char **ret_reason)
{
    struct model_ref ref = {round_start_of(e->round)->model.name, next_number(c, e)};
    if (ref.version > FL_VERSION_MAX)
        return ST_LIMIT;
    struct bytes bytes = {0};
    enum status status = encode_version(e, &ref, &bytes);
    if (status != ST_OK)
        return status;
    status = pay(c, e, ret_reason);
    if (status != ST_OK || *ret_reason != NULL) {
        bytes_done(&bytes);
        return status;
    }
    bytes_done(&e->bytes);
    e->bytes = bytes;
    e->digest = digest_of(bytes_view(&bytes));
    e->version = ref;
    e->has_version = true;
    const struct id *round_id = &round_start_of(e->round)->round_id;
    if (keep_bytes(c, e, bytes_view(&bytes)))
        (void)is_kept(c, "version", store_set_version(c->store, round_id, &ref, &e->digest));
    return ST_OK;
}

static void send_version(struct coordinator *c, const struct entry *e)
{
    const struct round_start *start = round_start_of(e->round);
    struct lineage lineage;
    char number[24];
    (void)snprintf(number, sizeof number, "%llu", (unsigned long long)e->version.version);
    if (read_lineage(e, &lineage) != ST_OK) { /* the round asks again */
        log_line(LOG_ERROR, "model.unpublished", "round=%s reason=%s", start->round_id.text,
                 status_name(ST_NOMEM));
        return;
    }
    struct view payload = bytes_view(&e->bytes);
    char *reference = NULL;
    if (!model_is_inline(payload)) {
        enum status status = offer_version(c, e, &reference);
        if (status != ST_OK) {
            log_line(LOG_ERROR, "model.unpublished", "round=%s reason=%s", start->round_id.text,
                     status_name(status));
            free(lineage.metrics);
            return;
        }
        payload = view_text(reference);
    }
    send_message(c, &(struct mqtt_message){
                        .topic = FL_MODEL_PUBLISH,
                        .payload = payload,
                        .properties = {{"name", e->version.name.text},
                                       {"version", number},
                                       {"round", start->round_id.text},
                                       {"parent", start->model_uri},
                                       {"contributors", lineage.contributors},
                                       {"samples", lineage.samples},
                                       {"metrics", lineage.metrics}},
                        .property_count = 7,
                    });
    free(lineage.metrics);
    free(reference);
    log_line(LOG_INFO, "model.published", "round=%s model=%s version=%s bytes=%zu",
             start->round_id.text, e->version.name.text, number, e->bytes.size);
}

void send_versions(struct coordinator *c)
{
    for (size_t i = 0; i < rounds_open_count(c->rounds); i++) {
        struct entry *e = rounds_open_at(c->rounds, i);
        if (e->due)
            send_version(c, e);
        e->due = false;
    }
}

static void fail(struct coordinator *c, struct entry *e, const char *reason, uint64_t now_ms)
{
    struct round_actions actions;
    round_cancel(e->round, ROUND_FAILED, reason, now_ms, &actions);
    carry_out(c, e, &actions, now_ms);
}

static void set_due(struct entry *e, enum status status)
{
    e->due = status == ST_OK;
    if (status != ST_OK)
        log_line(LOG_ERROR, "model.unmade", "round=%s reason=%s",
                 round_start_of(e->round)->round_id.text, status_name(status));
}

static void make_due(struct coordinator *c, struct entry *e, uint64_t now_ms)
{
    const char *reason = NULL;
    enum status status = e->has_version ? ST_OK : make_version(c, e, &reason);
    if (reason != NULL)
        fail(c, e, reason, now_ms);
    else
        set_due(e, status);
}

void publish_version(struct coordinator *c, struct entry *e, struct model *model, uint64_t now_ms)
{
    if (e->model == NULL) /* the first time: before that it was OPEN */
        say_state(c, e, now_ms);
    e->model = model;
    make_due(c, e, now_ms);
}

void take_next_number(struct coordinator *c, struct entry *e)
{
    log_line(LOG_WARN, "model.number_taken", "round=%s model=%s version=%llu",
             round_start_of(e->round)->round_id.text, e->version.name.text,
             (unsigned long long)e->version.version);
    exchange_withdraw(c->exchange, &e->digest);
    e->has_version = false;
    const char *reason = NULL; /* it was paid for with its first number */
    set_due(e, make_version(c, e, &reason));
    assert(reason == NULL);
}

void write_version(struct coordinator *c, const struct entry *e)
{
    if (c->settings.models_dir == NULL)
        return;
    char path[PATH_MAX];
    int size =
        snprintf(path, sizeof path, "%s/%s_v%llu.%s", c->settings.models_dir, e->version.name.text,
                 (unsigned long long)e->version.version, model_form_name(e->form));
    enum status status = ST_LIMIT;
    if (size > 0 && (size_t)size < sizeof path)
        status = file_write(path, bytes_view(&e->bytes));
    if (status != ST_OK)
        log_line(LOG_ERROR, "model.unwritten", "path=%s reason=%s", log_quote(path),
                 status_name(status));
}
