/* The folders of rounds, with the bytes of base, updates and version. An open round needs
 * its own. Of the ended ones that made a version the newest `keep_updates` stay, so that
 * the version can be made again (on_verify.c), as does what they carry; all others go. What
 * stays only because others carry it keeps its base, and lets its updates go. */
#include "coordinator/state.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "io/file.h"
#include "service/log.h"

#define ROUNDS_FOLDER "rounds"

enum status round_folder(const struct coordinator *c, const struct id *round, char *ret,
                         size_t size)
{
    int length = snprintf(ret, size, "%s/" ROUNDS_FOLDER "/%s", c->settings.state_dir, round->text);
    return length > 0 && (size_t)length < size ? ST_OK : ST_LIMIT;
}

bool has_kept_updates(struct coordinator *c, const struct entry *wanted)
{
    size_t newer = 0;
    for (size_t i = 0; i < rounds_ended_count(c->rounds) && newer < c->settings.keep_updates; i++) {
        const struct entry *e = rounds_ended_at(c->rounds, i);
        if (!e->complete.has_version)
            continue;
        if (e == wanted)
            return true;
        newer++;
    }
    return false;
}

/* The next round of an asynchronous experiment goes on with this one. */
static bool is_gone_on_with(struct coordinator *c, const struct entry *e)
{
    for (size_t i = 0; i < experiments_open_count(c->experiments); i++) {
        const struct experiment_entry *x = experiments_open_at(c->experiments, i);
        if (experiment_start_of(x->experiment)->asynchronous.is_on && newest_training(c, x) == e)
            return true;
    }
    return false;
}

static bool is_of_use(struct coordinator *c, const struct entry *e)
{
    return round_state(e->round) != ROUND_ENDED || has_kept_updates(c, e) || is_gone_on_with(c, e);
}

/* A round needs the bases of those that it carries. */
static bool needs(struct coordinator *c, const struct entry *e, const struct id *round)
{
    const struct asynchronous *a = &round_start_of(e->round)->asynchronous;
    for (size_t i = 0; i < a->carried_count; i++)
        if (id_equal(&a->carried[i].round_id, round))
            return is_of_use(c, e);
    return false;
}

static bool is_carried(struct coordinator *c, const struct id *round)
{
    for (size_t i = 0; i < rounds_open_count(c->rounds); i++)
        if (needs(c, rounds_open_at(c->rounds, i), round))
            return true;
    for (size_t i = 0; i < rounds_ended_count(c->rounds); i++)
        if (needs(c, rounds_ended_at(c->rounds, i), round))
            return true;
    return false;
}

static bool is_needed(struct coordinator *c, const char *name)
{
    struct id round;
    if (id_from(name, &round) != ST_OK)
        return false;
    const struct entry *e = rounds_find(c->rounds, &round);
    return (e != NULL && is_of_use(c, e)) || is_carried(c, &round);
}

/* Of a folder that is needed. */
static bool needs_updates(struct coordinator *c, const char *name)
{
    struct id round;
    if (id_from(name, &round) != ST_OK)
        return false;
    const struct entry *e = rounds_find(c->rounds, &round);
    return e != NULL && (round_state(e->round) != ROUND_ENDED || has_kept_updates(c, e));
}

static void sweep(struct coordinator *c, const char *name, const char *path)
{
    enum status status = ST_OK;
    if (!is_needed(c, name))
        status = file_remove_tree(path);
    else if (!needs_updates(c, name))
        status = spool_remove(path);
    if (status != ST_OK)
        log_line(LOG_WARN, "round.unremoved", "path=%s", log_quote(path));
}

void sweep_folders(struct coordinator *c)
{
    char folder[PATH_MAX], path[PATH_MAX];
    (void)snprintf(folder, sizeof folder, "%s/" ROUNDS_FOLDER, c->settings.state_dir);
    DIR *entries = opendir(folder);
    struct dirent *entry;
    while (entries != NULL && (entry = readdir(entries)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        int size = snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (size > 0 && (size_t)size < sizeof path)
            sweep(c, entry->d_name, path);
    }
    if (entries != NULL)
        (void)closedir(entries);
}

void close_ended_folders(struct coordinator *c)
{
    bool any = false;
    for (size_t i = 0; i < rounds_ended_count(c->rounds); i++) {
        struct entry *e = rounds_ended_at(c->rounds, i);
        if (e->blobs == NULL) /* nor has any that ended before it */
            break;
        entry_close_bytes(e);
        any = true;
    }
    if (any)
        sweep_folders(c);
}
