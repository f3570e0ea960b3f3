/* A planted bug: nothing stops an update that comes again from counting again, not
 * the ledger in memory, and no UNIQUE constraint in the database.
 *
 * Linked with --wrap=ledger_look,ledger_count,ledger_list,sqlite3_exec. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "round/ledger.h"

#define UNIQUE     "UNIQUE(round, participant)"
#define NOT_UNIQUE "CHECK (1)                 "

enum ledger_entry __real_ledger_look(const struct ledger *l, const struct id *sender,
                                     const struct digest *update);
enum ledger_entry __wrap_ledger_look(const struct ledger *l, const struct id *sender,
                                     const struct digest *update);
enum status __real_ledger_count(struct ledger *l, const struct id *sender,
                                const struct digest *update, uint64_t samples,
                                const struct metrics *metrics);
enum status __wrap_ledger_count(struct ledger *l, const struct id *sender,
                                const struct digest *update, uint64_t samples,
                                const struct metrics *metrics);
void __real_ledger_list(const struct ledger *l, struct counted *ret);
void __wrap_ledger_list(const struct ledger *l, struct counted *ret);
int __real_sqlite3_exec(sqlite3 *db, const char *sql,
                        int (*callback)(void *, int, char **, char **), void *arg, char **message);
int __wrap_sqlite3_exec(sqlite3 *db, const char *sql,
                        int (*callback)(void *, int, char **, char **), void *arg, char **message);

/* Updates that were counted once more. A ledger that was freed may leave some behind: the
 * first count of a new one at the same place takes them away. */
static struct {
    const struct ledger *ledger;
    struct id participant;
    uint64_t samples;
} again[1024];
static size_t again_count;

static void forget(const struct ledger *l)
{
    for (size_t i = again_count; i > 0; i--)
        if (again[i - 1].ledger == l)
            again[i - 1] = again[--again_count];
}

enum ledger_entry __wrap_ledger_look(const struct ledger *l, const struct id *sender,
                                     const struct digest *update)
{
    enum ledger_entry entry = __real_ledger_look(l, sender, update);
    return entry == LEDGER_SAME ? LEDGER_AWAITED : entry;
}

enum status __wrap_ledger_count(struct ledger *l, const struct id *sender,
                                const struct digest *update, uint64_t samples,
                                const struct metrics *metrics)
{
    if (ledger_counted(l) == 0)
        forget(l);
    if (__real_ledger_look(l, sender, update) == LEDGER_AWAITED)
        return __real_ledger_count(l, sender, update, samples, metrics);
    assert(again_count < sizeof again / sizeof again[0]);
    again[again_count].ledger = l;
    again[again_count].participant = *sender;
    again[again_count++].samples = samples;
    return ST_OK;
}

/* Twice the weight is twice in the sum. */
void __wrap_ledger_list(const struct ledger *l, struct counted *ret)
{
    __real_ledger_list(l, ret);
    for (size_t i = 0; i < again_count; i++)
        for (size_t k = 0; again[i].ledger == l && k < ledger_counted(l); k++)
            if (id_equal(ret[k].participant, &again[i].participant))
                ret[k].samples += again[i].samples;
}

int __wrap_sqlite3_exec(sqlite3 *db, const char *sql,
                        int (*callback)(void *, int, char **, char **), void *arg, char **message)
{
    char *text = strdup(sql);
    assert(text != NULL);
    char *at = strstr(text, UNIQUE);
    if (at != NULL)
        memcpy(at, NOT_UNIQUE, sizeof NOT_UNIQUE - 1);
    int rc = __real_sqlite3_exec(db, text, callback, arg, message);
    free(text);
    return rc;
}
