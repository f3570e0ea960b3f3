#include "cli/authority.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "io/file.h"

#define KEY_FILE         "fleet.key"
#define PUBLIC_FILE      "fleet.pub"
#define REVOCATIONS_FILE "revocations"
#define DEVICES_FILE     "devices"

struct authority {
    char folder[AUTHORITY_PATH_MAX + 1];
    int lock; /* the folder, locked; -1: not yet */
    struct key_public key;
    struct identity_file secret; /* secret.key is NULL until it is unlocked */
    struct revocations *revoked;
    struct enrolments devices;
};

/* One of the files above. */
struct path {
    char text[AUTHORITY_PATH_MAX + 32];
};

static struct path path_of(const char *folder, const char *name)
{
    struct path p;
    int size = snprintf(p.text, sizeof p.text, "%s/%s", folder, name);
    assert(size > 0 && (size_t)size < sizeof p.text); /* the folder was checked */
    return p;
}

static enum status check_folder(const char *folder, struct why *why)
{
    if (strlen(folder) <= AUTHORITY_PATH_MAX)
        return ST_OK;
    why_set(why, "the folder's path has more than %zu bytes", AUTHORITY_PATH_MAX);
    return ST_LIMIT;
}

static enum status failed_with(const struct path *p, const char *what, enum status status,
                               struct why *why)
{
    why_set(why, "cannot %s %.150s: %s", what, p->text, status_name(status));
    return status;
}

/* ---- init ---- */

static enum status check_nothing_there(const char *folder, struct why *why)
{
    static const char *const names[] = {KEY_FILE, PUBLIC_FILE, REVOCATIONS_FILE, DEVICES_FILE};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct path p = path_of(folder, names[i]);
        if (access(p.text, F_OK) == 0) {
            why_set(why, "%.150s is there already: choose another folder", p.text);
            return ST_EXISTS;
        }
    }
    return ST_OK;
}

static enum status write_new(const char *folder, const char *name, struct view bytes,
                             struct why *why)
{
    const struct path p = path_of(folder, name);
    enum status status = file_write_new(p.text, bytes);
    return status == ST_OK ? ST_OK : failed_with(&p, "make", status, why);
}

/* The secret key comes last: a folder without it is not yet one. */
static enum status write_all(const char *folder, const struct identity_file *secret,
                             struct view list, struct view key, struct why *why)
{
    char line[KEY_HEX_SIZE + 1];
    key_public_hex(key_public(secret->key), line);
    (void)strcat(line, "\n");
    enum status status = write_new(folder, PUBLIC_FILE, view_text(line), why);
    if (status == ST_OK)
        status = write_new(folder, REVOCATIONS_FILE, list, why);
    if (status == ST_OK)
        status = write_new(folder, DEVICES_FILE, view_text(""), why);
    if (status == ST_OK)
        status = write_new(folder, KEY_FILE, key, why);
    return status;
}

static enum status make_files(const char *folder, const struct identity_file *secret,
                              struct why *why)
{
    struct revocations *nobody = NULL;
    struct bytes list = {0}, key = {0};
    enum status status = revocations_new(&nobody);
    if (status == ST_OK)
        status = revocations_sign(nobody, secret->key, &list);
    if (status == ST_OK)
        status = identity_file_encode(secret, &key);
    if (status == ST_OK)
        status = write_all(folder, secret, bytes_view(&list), bytes_view(&key), why);
    else
        why_set(why, "no memory");
    (void)revocations_free(nobody);
    identity_file_wipe(&key);
    bytes_done(&list);
    return status;
}

enum status authority_init(const char *folder, struct key_public *ret_key, struct why *why)
{
    assert(folder != NULL && ret_key != NULL);
    enum status status = check_folder(folder, why);
    if (status == ST_OK)
        status = check_nothing_there(folder, why);
    if (status != ST_OK)
        return status;
    struct identity_file secret = {.kind = IDENTITY_FLEET};
    why_set(why, "cannot make the folder %.150s, or a key", folder);
    status = file_make_folder(folder);
    if (status == ST_OK)
        status = key_new(&secret.key);
    if (status == ST_OK)
        status = make_files(folder, &secret, why);
    if (status == ST_OK)
        *ret_key = *key_public(secret.key);
    identity_file_done(&secret);
    return status;
}

/* ---- open ---- */

static enum status read_public(struct authority *a, struct why *why)
{
    const struct path p = path_of(a->folder, PUBLIC_FILE);
    struct bytes b = {0};
    enum status status = file_read(p.text, KEY_HEX_SIZE + 1, &b);
    if (status == ST_NOT_FOUND) {
        why_set(why, "%.150s is no fleet's folder: fml fleet init makes one", a->folder);
        return status;
    }
    if (status != ST_OK)
        return failed_with(&p, "read", status, why);
    char *text = text_of(bytes_view(&b));
    status = text == NULL ? ST_INVALID : ST_OK;
    if (status == ST_OK) {
        text[strcspn(text, "\n")] = '\0';
        status = key_public_parse(text, &a->key);
    }
    if (status != ST_OK)
        why_set(why, "%.150s is not a public key of 64 hexadecimal digits", p.text);
    free(text);
    bytes_done(&b);
    return status;
}

static enum status read_revocations(struct authority *a, struct why *why)
{
    const struct path p = path_of(a->folder, REVOCATIONS_FILE);
    struct bytes b = {0};
    struct why detail = {""};
    enum status status = file_read(p.text, REVOCATIONS_SIZE_MAX, &b);
    if (status != ST_OK)
        return failed_with(&p, "read", status, why);
    status = revocations_check(bytes_view(&b), &a->key, NULL, &a->revoked, &detail);
    if (status != ST_OK)
        why_set(why, "%.100s: %.140s", p.text, detail.text);
    bytes_done(&b);
    return status;
}

static enum status read_devices(struct authority *a, struct why *why)
{
    const struct path p = path_of(a->folder, DEVICES_FILE);
    struct bytes b = {0};
    struct why detail = {""};
    enum status status = file_read(p.text, ENROLMENTS_SIZE_MAX, &b);
    if (status != ST_OK)
        return failed_with(&p, "read", status, why);
    status = enrolments_decode(bytes_view(&b), &a->devices, &detail);
    if (status != ST_OK)
        why_set(why, "%.100s, %.140s", p.text, detail.text);
    bytes_done(&b);
    return status;
}

/* Waits for whoever works in the folder. */
static enum status lock(struct authority *a, struct why *why)
{
    a->lock = open(a->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (a->lock < 0) {
        why_set(why, "there is no folder %.150s: fml fleet init makes one", a->folder);
        return ST_NOT_FOUND;
    }
    if (flock(a->lock, LOCK_EX) == 0)
        return ST_OK;
    why_set(why, "cannot lock the folder %.150s", a->folder);
    return ST_IO;
}

enum status authority_open(const char *folder, struct authority **ret, struct why *why)
{
    assert(folder != NULL && ret != NULL);
    enum status status = check_folder(folder, why);
    if (status != ST_OK)
        return status;
    struct authority *a = calloc(1, sizeof *a);
    if (a == NULL) {
        why_set(why, "no memory");
        return ST_NOMEM;
    }
    a->lock = -1;
    (void)strcpy(a->folder, folder);
    status = lock(a, why);
    if (status == ST_OK)
        status = read_public(a, why);
    if (status == ST_OK)
        status = read_revocations(a, why);
    if (status == ST_OK)
        status = read_devices(a, why);
    if (status == ST_OK)
        *ret = a;
    else
        (void)authority_close(a);
    return status;
}

enum status authority_unlock(struct authority *a, struct why *why)
{
    assert(a != NULL && a->secret.key == NULL);
    const struct path p = path_of(a->folder, KEY_FILE);
    struct bytes b = {0};
    struct why detail = {""};
    enum status status = file_read(p.text, IDENTITY_FILE_SIZE_MAX, &b);
    if (status != ST_OK)
        return failed_with(&p, "read", status, why);
    status = identity_file_decode(bytes_view(&b), IDENTITY_FLEET, &a->secret, &detail);
    identity_file_wipe(&b);
    if (status != ST_OK) {
        why_set(why, "%.100s: %.140s", p.text, detail.text);
        return status;
    }
    if (!key_public_equal(key_public(a->secret.key), &a->key)) {
        why_set(why, "%.150s is not the key of " PUBLIC_FILE, p.text);
        identity_file_done(&a->secret);
        return ST_INVALID;
    }
    return ST_OK;
}

/* ---- enroll ---- */

static enum status write_devices(const struct authority *a, const struct enrolments *devices,
                                 struct why *why)
{
    const struct path p = path_of(a->folder, DEVICES_FILE);
    struct bytes b = {0};
    enum status status = enrolments_encode(devices, &b);
    if (status == ST_OK)
        status = file_write(p.text, bytes_view(&b));
    bytes_done(&b);
    return status == ST_OK ? ST_OK : failed_with(&p, "write", status, why);
}

static enum status check_free(const struct authority *a, const struct id *ids, size_t count,
                              struct why *why)
{
    uint64_t now_s = clock_unix_s();
    for (size_t i = 0; i < count; i++) {
        const struct enrolment *e = enrolments_in_force(&a->devices, &ids[i], now_s);
        if (e != NULL) {
            why_set(why, "%s is enrolled already (serial %llu): revoke it first", e->id.text,
                    (unsigned long long)e->serial);
            return ST_EXISTS;
        }
    }
    return ST_OK;
}

/* A certificate, with a key of its own unless one is given, and its line in the list. */
static enum status enroll_one(const struct authority *a, struct enrolments *devices,
                              const struct id *id, const struct key_public *key, uint64_t not_after,
                              struct identity_file *ret)
{
    struct identity_file file = {.kind = IDENTITY_DEVICE};
    enum status status = key == NULL ? key_new(&file.key) : ST_OK;
    if (status != ST_OK)
        return status;
    struct enrolment e = {.id = *id,
                          .serial = enrolments_next_serial(devices),
                          .key = key == NULL ? *key_public(file.key) : *key,
                          .not_after = not_after};
    clock_text(e.enrolled_at);
    file.certificate = (struct certificate){
        .id = e.id, .key = e.key, .serial = e.serial, .not_after = e.not_after};
    status = certificate_sign(&file.certificate, a->secret.key, &file.certificate_bytes);
    if (status == ST_OK)
        status = enrolments_add(devices, &e);
    if (status == ST_OK)
        *ret = file;
    else
        identity_file_done(&file);
    return status;
}

static enum status copy_devices(const struct enrolments *from, struct enrolments *ret)
{
    struct enrolments copy = {0};
    enum status status = ST_OK;
    for (size_t i = 0; i < from->count && status == ST_OK; i++)
        status = enrolments_add(&copy, &from->items[i]);
    if (status == ST_OK)
        *ret = copy;
    else
        enrolments_done(&copy);
    return status;
}

enum status authority_enroll(struct authority *a, const struct id *ids, size_t count,
                             const struct key_public *key, uint64_t not_after,
                             struct identity_file *ret, struct why *why)
{
    assert(a != NULL && a->secret.key != NULL && (key == NULL || count == 1));
    assert(count >= 1 && count <= AUTHORITY_ENROLL_MAX);
    struct enrolments devices = {0};
    enum status status = check_free(a, ids, count, why);
    if (status != ST_OK)
        return status;
    status = copy_devices(&a->devices, &devices);
    size_t made = 0;
    while (status == ST_OK && made < count) {
        status = enroll_one(a, &devices, &ids[made], key, not_after, &ret[made]);
        made += status == ST_OK;
    }
    if (status != ST_OK)
        why_set(why, status == ST_LIMIT ? "the list of devices is full" : "no memory");
    else
        status = write_devices(a, &devices, why);
    if (status != ST_OK) {
        while (made > 0)
            identity_file_done(&ret[--made]);
        enrolments_done(&devices);
        return status;
    }
    enrolments_done(&a->devices);
    a->devices = devices;
    return ST_OK;
}

/* ---- revoke ---- */

/* Adds the serials of a device to the list. One that is there is of a call that did not come to
 * its end. ret_count: how many certificates are concerned */
static enum status add_serials(struct authority *a, const struct id *id, size_t *ret_count)
{
    size_t count = 0;
    for (size_t i = 0; i < a->devices.count; i++) {
        const struct enrolment *e = &a->devices.items[i];
        if (!id_equal(&e->id, id) || e->revoked_at[0] != '\0')
            continue;
        enum status status = revocations_add(a->revoked, e->serial);
        if (status != ST_OK && status != ST_EXISTS)
            return status;
        count++;
    }
    *ret_count = count;
    return ST_OK;
}

static enum status write_revocations(const struct authority *a, struct why *why)
{
    const struct path p = path_of(a->folder, REVOCATIONS_FILE);
    struct bytes b = {0};
    enum status status = revocations_sign(a->revoked, a->secret.key, &b);
    if (status == ST_OK)
        status = file_write(p.text, bytes_view(&b));
    bytes_done(&b);
    return status == ST_OK ? ST_OK : failed_with(&p, "write", status, why);
}

static void mark_revoked(struct enrolments *devices, const struct id *id)
{
    for (size_t i = 0; i < devices->count; i++) {
        struct enrolment *e = &devices->items[i];
        if (id_equal(&e->id, id) && e->revoked_at[0] == '\0')
            clock_text(e->revoked_at);
    }
}

enum status authority_revoke(struct authority *a, const struct id *id, struct why *why)
{
    assert(a != NULL && a->secret.key != NULL);
    size_t count = 0;
    enum status status = add_serials(a, id, &count);
    if (status != ST_OK) {
        why_set(why, status == ST_LIMIT ? "the list of revocations is full" : "no memory");
        return status;
    }
    if (count == 0) {
        why_set(why, "%s has no certificate that could be revoked: fml fleet list shows all",
                id->text);
        return ST_NOT_FOUND;
    }
    /* What devices look at comes first. */
    status = write_revocations(a, why);
    if (status != ST_OK)
        return status;
    mark_revoked(&a->devices, id);
    return write_devices(a, &a->devices, why);
}

/* ---- the rest ---- */

const struct key_public *authority_key(const struct authority *a)
{
    return &a->key;
}

const struct enrolments *authority_devices(const struct authority *a)
{
    return &a->devices;
}

const struct revocations *authority_revoked(const struct authority *a)
{
    return a->revoked;
}

struct authority *authority_close(struct authority *a)
{
    if (a == NULL)
        return NULL;
    identity_file_done(&a->secret);
    a->revoked = revocations_free(a->revoked);
    enrolments_done(&a->devices);
    if (a->lock >= 0)
        (void)close(a->lock);
    free(a);
    return NULL;
}
