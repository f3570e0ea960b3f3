/* A planted bug: nothing stops an update that comes again from counting again, not
 * the ledger in memory, and no UNIQUE constraint in the database.
 *
 * Linked with --wrap=ledger_look,ledger_count,ledger_counted,sqlite3_exec. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "round/ledger.h"

#define UNIQUE      "UNIQUE(round, participant)"
#define NOT_UNIQUE  "CHECK (1)                 "
#define LEDGERS_MAX 4096

enum ledger_entry __real_ledger_look(const struct ledger *l, const struct id *sender,
                                     const struct digest *update);
enum ledger_entry __wrap_ledger_look(const struct ledger *l, const struct id *sender,
                                     const struct digest *update);
void __real_ledger_count(struct ledger *l, const struct id *sender, const struct digest *update);
void __wrap_ledger_count(struct ledger *l, const struct id *sender, const struct digest *update);
size_t __real_ledger_counted(const struct ledger *l);
size_t __wrap_ledger_counted(const struct ledger *l);
int __real_sqlite3_exec(sqlite3 *db, const char *sql,
                        int (*callback)(void *, int, char **, char **), void *arg, char **message);
int __wrap_sqlite3_exec(sqlite3 *db, const char *sql,
                        int (*callback)(void *, int, char **, char **), void *arg, char **message);

/* What each ledger counted more than once; one that was freed leaves its own behind,
 * so the real count tells whether a ledger is a new one at the same place. */
static struct {
    const struct ledger *ledger;
    size_t more;
} again[LEDGERS_MAX];

static size_t *more_of(const struct ledger *l)
{
    size_t i = 0;
    while (again[i].ledger != NULL && again[i].ledger != l)
        i++;
    assert(i < LEDGERS_MAX - 1);
    if (again[i].ledger == NULL || __real_ledger_counted(l) == 0)
        again[i].more = 0;
    again[i].ledger = l;
    return &again[i].more;
}

enum ledger_entry __wrap_ledger_look(const struct ledger *l, const struct id *sender,
                                     const struct digest *update)
{
    enum ledger_entry entry = __real_ledger_look(l, sender, update);
    return entry == LEDGER_SAME ? LEDGER_AWAITED : entry;
}

void __wrap_ledger_count(struct ledger *l, const struct id *sender, const struct digest *update)
{
    size_t *more = more_of(l);
    if (__real_ledger_look(l, sender, update) == LEDGER_AWAITED)
        __real_ledger_count(l, sender, update);
    else
        ++*more;
}

size_t __wrap_ledger_counted(const struct ledger *l)
{
    return __real_ledger_counted(l) + *more_of(l);
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
