/* The folders of rounds, with the bytes of base, updates and version. An open round needs
 * its own. Of the ended ones that made a version the newest `keep_updates` stay, so that
 * the version can be made again (on_verify.c); all others go. */
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

static bool is_needed(struct coordinator *c, const char *name)
{
    struct id round;
    if (id_from(name, &round) != ST_OK)
        return false;
    const struct entry *e = rounds_find(c->rounds, &round);
    return e != NULL && (round_state(e->round) != ROUND_ENDED || has_kept_updates(c, e));
}

void sweep_folders(struct coordinator *c)
{
    char folder[PATH_MAX], path[PATH_MAX];
    (void)snprintf(folder, sizeof folder, "%s/" ROUNDS_FOLDER, c->settings.state_dir);
    DIR *entries = opendir(folder);
    struct dirent *entry;
    while (entries != NULL && (entry = readdir(entries)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            is_needed(c, entry->d_name))
            continue;
        int size = snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (size > 0 && (size_t)size < sizeof path && file_remove_tree(path) != ST_OK)
            log_line(LOG_WARN, "round.unremoved", "path=%s", log_quote(path));
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
        e->blobs = blobs_close(e->blobs);
        e->spool = spool_close(e->spool);
        any = true;
    }
    if (any)
        sweep_folders(c);
}
