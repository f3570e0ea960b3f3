#include "fl/receipt.h"

#include <assert.h>
#include <string.h>

#include "base/jsn.h"

/* The codes are stable: PROTOCOL 2.3 lists them, senders act on them. */
static const struct {
    const char *code;
    const char *sentence;
} verdicts[VERDICT_COUNT] = {
    [VERDICT_ACCEPTED] = {"accepted", "The update was counted"},
    [VERDICT_MALFORMED] = {"malformed", "Send JSON or safetensors as PROTOCOL 2.2 describes them"},
    [VERDICT_TOO_LARGE] = {"too_large", "Send fewer or smaller tensors: a limit was exceeded"},
    [VERDICT_UNKNOWN_ROUND] = {"unknown_round", "Wait for a round start: there is no such round"},
    [VERDICT_WRONG_ROUND] = {"wrong_round", "Name the round of the topic in round_id"},
    [VERDICT_NOT_PARTICIPANT] = {"not_participant", "Take part in rounds that name you only"},
    [VERDICT_WRONG_SENDER] = {"wrong_sender", "Send under your own proplet id, or leave it out"},
    [VERDICT_WRONG_BASE_MODEL] = {"wrong_base_model", "Train from the model of the round start"},
    [VERDICT_WRONG_SHAPE] = {"wrong_shape", "Send the base model's tensors with their shapes"},
    [VERDICT_WRONG_DTYPE] = {"wrong_dtype", "Send tensors as numbers, in safetensors as F32"},
    [VERDICT_NON_FINITE] = {"non_finite", "Lower the learning rate: a value is not finite"},
    [VERDICT_BAD_NUM_SAMPLES] = {"bad_num_samples",
                                 "Send the number of examples trained on, a whole number above 0"},
    [VERDICT_BAD_LOCAL_STEPS] = {"bad_local_steps",
                                 "Send the number of local optimiser steps, a whole number above "
                                 "0: this round needs it"},
    [VERDICT_CONFLICT] = {"conflict", "Send one update: another one of yours was counted"},
    [VERDICT_LATE] = {"late", "Send sooner: the round has ended"},
    [VERDICT_STALE] = {"stale", "Train from a newer version: too many were made since this one"},
    [VERDICT_UNPROTECTED] = {"unprotected", "Protect the update as the round's privacy asks"},
    [VERDICT_NORM_EXCEEDED] = {"norm_exceeded", "Clip the update to the norm of the round"},
    [VERDICT_BAD_SIGNATURE] = {"bad_signature",
                               "Sign with the key that was advertised in this round"},
    [VERDICT_NOT_STORED] = {"not_stored",
                            "Send the same bytes again later: they cannot be kept now"},
};

const char *verdict_code(enum verdict verdict)
{
    assert(verdict < VERDICT_COUNT);
    return verdicts[verdict].code;
}

const char *verdict_sentence(enum verdict verdict)
{
    assert(verdict < VERDICT_COUNT);
    return verdicts[verdict].sentence;
}

static const char *verdict_status(enum verdict verdict)
{
    if (verdict == VERDICT_NOT_STORED)
        return "postponed";
    return verdict == VERDICT_ACCEPTED ? "accepted" : "rejected";
}

char *receipt_encode(const struct receipt *receipt)
{
    assert(receipt != NULL);
    enum verdict verdict = receipt->verdict;
    const char *reason = receipt->reason[0] != '\0' ? receipt->reason : verdict_sentence(verdict);
    char digest[DIGEST_TEXT_SIZE];
    digest_text(&receipt->update_digest, digest);

    json_t *object = json_object();
    int failed = json_object_set_new(object, "round_id", json_string(receipt->round_id.text));
    failed |= json_object_set_new(object, "proplet_id", json_string(receipt->proplet_id.text));
    failed |= json_object_set_new(object, "status", json_string(verdict_status(verdict)));
    failed |= json_object_set_new(object, "code", json_string(verdict_code(verdict)));
    failed |= json_object_set_new(object, "reason", jsn_string(view_text(reason)));
    failed |= json_object_set_new(object, "update_digest", json_string(digest));
    char *text = failed ? NULL : jsn_text(object);
    json_decref(object);
    return text;
}

static enum status read_verdict(const json_t *object, enum verdict *ret, struct why *why)
{
    const char *code = NULL, *answer = NULL;
    enum status status = jsn_str(object, "code", JSN_REQUIRED, 64, &code, why);
    if (status == ST_OK)
        status = jsn_str(object, "status", JSN_REQUIRED, 64, &answer, why);
    if (status != ST_OK)
        return status;
    for (int v = 0; v < VERDICT_COUNT; v++) {
        if (strcmp(code, verdicts[v].code) != 0)
            continue;
        *ret = (enum verdict)v;
        if (strcmp(answer, verdict_status(*ret)) == 0)
            return ST_OK;
        why_set(why, "status does not fit the code %s", code);
        return ST_INVALID;
    }
    why_set(why, "code %s is not known", code);
    return ST_INVALID;
}

static enum status read_fields(const json_t *object, struct receipt *r, struct why *why)
{
    const char *reason = "";
    enum status status = jsn_id(object, "round_id", JSN_REQUIRED, &r->round_id, why);
    if (status == ST_OK)
        status = jsn_id(object, "proplet_id", JSN_REQUIRED, &r->proplet_id, why);
    if (status == ST_OK)
        status = read_verdict(object, &r->verdict, why);
    if (status == ST_OK)
        status = jsn_str(object, "reason", JSN_OPTIONAL, sizeof r->reason - 1, &reason, why);
    if (status == ST_OK)
        status = jsn_digest(object, "update_digest", JSN_REQUIRED, &r->update_digest, why);
    if (status == ST_OK)
        memcpy(r->reason, reason, strlen(reason) + 1);
    return status;
}

enum status receipt_decode(struct view payload, struct receipt *ret, struct why *why)
{
    assert(ret != NULL);
    json_t *object = NULL;
    struct receipt receipt = {0};
    enum status status = jsn_parse(payload, CONTROL_SIZE_MAX, &object, why);
    if (status != ST_OK)
        return status;
    status = read_fields(object, &receipt, why);
    json_decref(object);
    if (status == ST_OK)
        *ret = receipt;
    return status;
}
