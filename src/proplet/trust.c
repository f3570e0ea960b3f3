#include "proplet/trust.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "identity/identity_file.h"
#include "io/file.h"
#include "proplet/revocation_file.h"
#include "proplet/rounds_taken.h"

struct trust {
    struct trust_files files;
    struct identity_file identity; /* without a key if none was given */
    struct policy policy;          /* if one was given */
    struct revocation_file *revocations;
    struct rounds_taken rounds; /* if a policy was given */
};

/* ---- the identity ---- */

/* Whoever reads the key is this device. */
static enum status check_private(const char *path, struct why *why)
{
    struct stat info;
    if (stat(path, &info) != 0 || (info.st_mode & (S_IRWXG | S_IRWXO)) == 0)
        return ST_OK; /* one that is not there is for file_read() to name */
    why_set(why, "others can read the secret key in %.80s: chmod 600 %.80s", path, path);
    return ST_INVALID;
}

static enum status check_owner(const struct trust *t, const struct id *me, struct why *why)
{
    const struct id *named = &t->identity.certificate.id;
    if (id_equal(named, me))
        return ST_OK;
    why_set(why, "%.80s is the identity of %s, not of %s: --id says who this device is",
            t->files.identity, named->text, me->text);
    return ST_INVALID;
}

static enum status read_identity(struct trust *t, const struct id *me, struct why *why)
{
    struct bytes text = {0};
    struct why detail = {""};
    enum status status = check_private(t->files.identity, why);
    if (status != ST_OK)
        return status;
    status = file_read(t->files.identity, IDENTITY_FILE_SIZE_MAX, &text);
    if (status != ST_OK) {
        why_set(why, "%.150s, of --identity, cannot be read: %s", t->files.identity,
                status_name(status));
        return status;
    }
    status = identity_file_decode(bytes_view(&text), IDENTITY_DEVICE, &t->identity, &detail);
    identity_file_wipe(&text);
    if (status == ST_OK)
        return check_owner(t, me, why);
    why_set(why, "%.100s: %s; fml fleet enroll makes one", t->files.identity,
            detail.text[0] != '\0' ? detail.text : status_name(status));
    return status;
}

/* ---- the policy ---- */

static enum status read_policy(struct trust *t, struct why *why)
{
    struct bytes text = {0};
    struct why detail = {""};
    enum status status = file_read(t->files.policy, POLICY_SIZE_MAX, &text);
    if (status != ST_OK) {
        why_set(why, "%.150s, of --policy, cannot be read: %s", t->files.policy,
                status_name(status));
        return status;
    }
    status = policy_decode(bytes_view(&text), &t->policy, &detail);
    bytes_done(&text);
    if (status != ST_OK)
        why_set(why, "%.100s: %s", t->files.policy,
                detail.text[0] != '\0' ? detail.text : status_name(status));
    return status;
}

/* ---- all of it ---- */

static const struct key_public *fleet_key(const struct trust *t)
{
    return t->files.policy != NULL && t->policy.has_fleet_key ? &t->policy.fleet_key : NULL;
}

enum certificate_verdict trust_own_verdict(const struct trust *t, uint64_t now_s)
{
    struct certificate ignored;
    const struct key_public *fleet = fleet_key(t);
    if (t->identity.key == NULL || fleet == NULL)
        return CERTIFICATE_FINE;
    return certificate_check(trust_certificate(t), fleet, now_s, trust_revocations(t), &ignored);
}

/* What no single file says. */
static enum status check_together(const struct trust *t, struct why *why)
{
    if (t->files.revocations != NULL && fleet_key(t) == NULL) {
        why_set(why, "--revocations needs a --policy with the fleet_key that signs them");
        return ST_INVALID;
    }
    /* One that has expired may be renewed while the device is up; a stranger's never counts. */
    if (trust_own_verdict(t, 0) == CERTIFICATE_FORGED) {
        why_set(why, "the fleet_key of %.80s has not signed the certificate in %.80s",
                t->files.policy, t->files.identity);
        return ST_INVALID;
    }
    return ST_OK;
}

enum status trust_open(const struct trust_files *files, const struct id *me, struct trust **ret,
                       struct why *why)
{
    assert(files->identity != NULL || files->policy != NULL || files->revocations != NULL);
    struct trust *t = calloc(1, sizeof *t);
    if (t == NULL)
        return ST_NOMEM;
    t->files = *files;
    enum status status = ST_OK;
    if (files->identity != NULL)
        status = read_identity(t, me, why);
    if (status == ST_OK && files->policy != NULL)
        status = read_policy(t, why);
    if (status == ST_OK)
        status = check_together(t, why);
    if (status != ST_OK) {
        (void)trust_close(t);
        return status;
    }
    *ret = t;
    return ST_OK;
}

enum status trust_enter(struct trust *t, const char *state_dir, struct why *why)
{
    char path[PROPLET_PATH_SIZE];
    enum status status = ST_OK;
    (void)snprintf(path, sizeof path, "%.*s/rounds_taken", PROPLET_FOLDER_MAX, state_dir);
    if (t->files.policy != NULL)
        status = rounds_taken_open(&t->rounds, path, why);
    if (status != ST_OK || t->files.revocations == NULL)
        return status;
    t->revocations = revocation_file_close(t->revocations);
    (void)snprintf(path, sizeof path, "%.*s/revocations", PROPLET_FOLDER_MAX, state_dir);
    return revocation_file_open(t->files.revocations, path, fleet_key(t), &t->revocations, why);
}

enum status trust_read_revocations(struct trust *t, struct why *why)
{
    return t->revocations == NULL ? ST_OK : revocation_file_read(t->revocations, why);
}

const struct policy *trust_policy(const struct trust *t)
{
    return t->files.policy == NULL ? NULL : &t->policy;
}

const struct key *trust_key(const struct trust *t)
{
    return t->identity.key;
}

struct view trust_certificate(const struct trust *t)
{
    return certificate_view(&t->identity.certificate_bytes);
}

const struct revocations *trust_revocations(const struct trust *t)
{
    return t->revocations == NULL ? NULL : revocation_file_list(t->revocations);
}

uint64_t trust_rounds_taken(const struct trust *t)
{
    return t->rounds.count;
}

enum status trust_take_round(struct trust *t)
{
    return t->files.policy == NULL ? ST_OK : rounds_taken_add(&t->rounds);
}

struct trust *trust_close(struct trust *t)
{
    if (t == NULL)
        return NULL;
    t->revocations = revocation_file_close(t->revocations);
    identity_file_done(&t->identity);
    if (t->files.policy != NULL)
        policy_done(&t->policy);
    free(t);
    return NULL;
}
