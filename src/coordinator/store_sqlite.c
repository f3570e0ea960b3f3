/* store.h on SQLite: WAL, synchronous=FULL, so that a commit is on the disk when it
 * returns; one connection, which has the database for itself. */
#include "coordinator/store.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#define STORE_MAGIC    0x73746f72u /* "stor" */
#define APPLICATION_ID 0x666d6c63  /* "fmlc", in the file's header */
#define BUSY_MS        1000

/* ---- the schema ----
 * migrations[n] brings version n to n + 1. What was released is never edited: each
 * version has a folder in testdata that a program of that version wrote, and a test
 * that reads it. */
static const char *const migrations[] = {
    "CREATE TABLE rounds("
    "  number INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  round TEXT NOT NULL UNIQUE,"
    "  start BLOB NOT NULL,"
    "  opened_ms INTEGER NOT NULL,"
    "  base BLOB,"
    "  base_ms INTEGER,"
    "  ended INTEGER UNIQUE," /* the order of the ends; NULL: open */
    "  complete BLOB);"
    "CREATE TABLE updates("
    "  number INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  round INTEGER NOT NULL REFERENCES rounds(number) ON DELETE CASCADE,"
    "  participant TEXT NOT NULL,"
    "  digest BLOB NOT NULL,"
    "  num_samples INTEGER NOT NULL,"
    "  received_ms INTEGER NOT NULL,"
    "  UNIQUE(round, participant));"
    "CREATE TABLE update_bytes("
    "  number INTEGER PRIMARY KEY REFERENCES updates(number) ON DELETE CASCADE,"
    "  bytes BLOB NOT NULL);"
    "CREATE TABLE rejected("
    "  round INTEGER NOT NULL REFERENCES rounds(number) ON DELETE CASCADE,"
    "  code TEXT NOT NULL,"
    "  count INTEGER NOT NULL,"
    "  PRIMARY KEY(round, code)) WITHOUT ROWID;"
    "CREATE TABLE versions("
    "  round INTEGER PRIMARY KEY REFERENCES rounds(number) ON DELETE CASCADE,"
    "  name TEXT NOT NULL,"
    "  version INTEGER NOT NULL,"
    "  digest BLOB NOT NULL);"
    "CREATE TABLE outbox("
    "  number INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  topic TEXT NOT NULL,"
    "  payload BLOB NOT NULL);"
    "CREATE TABLE clock("
    "  one INTEGER PRIMARY KEY CHECK(one = 1),"
    "  boot TEXT NOT NULL,"
    "  shift_ms INTEGER NOT NULL,"
    "  last_ms INTEGER NOT NULL);",
    "ALTER TABLE outbox ADD COLUMN retain INTEGER NOT NULL DEFAULT 0;",
    "CREATE TABLE experiments("
    "  number INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  experiment TEXT NOT NULL UNIQUE,"
    "  start BLOB NOT NULL,"
    "  memory BLOB NOT NULL,"
    "  ended INTEGER UNIQUE," /* as in rounds */
    "  state BLOB);"
    "CREATE TABLE experiment_rows("
    "  number INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  experiment INTEGER NOT NULL REFERENCES experiments(number) ON DELETE CASCADE,"
    "  round INTEGER NOT NULL,"
    "  row BLOB NOT NULL,"
    "  UNIQUE(experiment, round));",
    "CREATE TABLE early("
    "  number INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  round INTEGER NOT NULL REFERENCES rounds(number) ON DELETE CASCADE,"
    "  participant TEXT NOT NULL,"
    "  digest BLOB NOT NULL,"
    "  bytes BLOB," /* NULL: they lie elsewhere */
    "  UNIQUE(round, participant));",
    /* Where an update's bytes lie in the round's spool; update_bytes has those that
     * older programs kept. */
    "ALTER TABLE updates ADD COLUMN size INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE updates ADD COLUMN kept BLOB;"
    "ALTER TABLE updates ADD COLUMN segment INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE updates ADD COLUMN place INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE updates ADD COLUMN kept_size INTEGER NOT NULL DEFAULT 0;",
    "CREATE TABLE secure("
    "  number INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  round INTEGER NOT NULL REFERENCES rounds(number) ON DELETE CASCADE,"
    "  sender TEXT NOT NULL," /* empty: a phase ended */
    "  message BLOB NOT NULL,"
    "  at_s INTEGER NOT NULL);"
    "CREATE INDEX secure_of ON secure(round, number);"
    "CREATE TABLE noise("
    "  round INTEGER PRIMARY KEY REFERENCES rounds(number) ON DELETE CASCADE,"
    "  state BLOB NOT NULL);"
    "CREATE TABLE runs("
    "  model TEXT PRIMARY KEY,"
    "  state BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE spent("
    "  model TEXT PRIMARY KEY,"
    "  releases INTEGER NOT NULL,"
    "  accountant INTEGER NOT NULL,"
    "  spent BLOB NOT NULL) WITHOUT ROWID;",
};
#define SCHEMA_VERSION ((int)(sizeof migrations / sizeof migrations[0]))

/* ---- statements ---- */

enum query {
    BEGIN,
    COMMIT,
    ROLLBACK,
    ADD_ROUND,
    SET_BASE,
    ADD_UPDATE,
    ADD_EARLY,
    DROP_EARLY,
    COUNT_REJECTED,
    ADD_SECURE,
    EACH_SECURE,
    DROP_SECURE,
    SET_NOISE,
    NOISE,
    RUN,
    SET_RUN,
    SPENT,
    SET_SPENT,
    EACH_SPENT,
    SET_VERSION,
    END_ROUND,
    DROP_BYTES,
    FORGET_ROUNDS,
    EACH_ROUND,
    EACH_REJECTED,
    EACH_UPDATE,
    EACH_EARLY,
    ADD_EXPERIMENT,
    SET_MEMORY,
    ADD_ROW,
    END_EXPERIMENT,
    FORGET_EXPERIMENT,
    EACH_EXPERIMENT,
    EACH_ROW,
    SAY,
    EACH_SAID,
    FORGET_SAID,
    SET_CLOCK,
    CLOCK,
    QUERY_COUNT
};

#define OPEN_ROUND      "(SELECT number FROM rounds WHERE round = ?1 AND ended IS NULL)"
#define OPEN_EXPERIMENT "(SELECT number FROM experiments WHERE experiment = ?1 AND ended IS NULL)"

static const char *const texts[QUERY_COUNT] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [ADD_ROUND] = "INSERT INTO rounds(round, start, opened_ms) VALUES(?1, ?2, ?3)",
    [SET_BASE] = "UPDATE rounds SET base = ?2, base_ms = ?3 WHERE number = " OPEN_ROUND,
    [ADD_UPDATE] = "INSERT INTO updates(round, participant, digest, num_samples, received_ms,"
                   " size, kept, segment, place, kept_size)"
                   " SELECT number, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10"
                   " FROM rounds WHERE number = " OPEN_ROUND,
    [ADD_EARLY] = "INSERT INTO early(round, participant, digest, bytes)"
                  " SELECT number, ?2, ?3, ?4 FROM rounds WHERE number = " OPEN_ROUND,
    [DROP_EARLY] = "DELETE FROM early WHERE round ="
                   " (SELECT number FROM rounds WHERE round = ?1)",
    [COUNT_REJECTED] = "INSERT INTO rejected(round, code, count)"
                       " SELECT number, ?2, 1 FROM rounds WHERE number = " OPEN_ROUND
                       " ON CONFLICT(round, code) DO UPDATE SET count = count + 1",
    [ADD_SECURE] = "INSERT INTO secure(round, sender, message, at_s)"
                   " SELECT number, ?2, ?3, ?4 FROM rounds WHERE number = " OPEN_ROUND,
    [EACH_SECURE] = "SELECT sender, message, at_s FROM secure WHERE round ="
                    " (SELECT number FROM rounds WHERE round = ?1) ORDER BY number",
    [DROP_SECURE] = "DELETE FROM secure WHERE round ="
                    " (SELECT number FROM rounds WHERE round = ?1)",
    [SET_NOISE] = "INSERT INTO noise(round, state)"
                  " SELECT number, ?2 FROM rounds WHERE number = " OPEN_ROUND,
    [NOISE] = "SELECT state FROM noise WHERE round ="
              " (SELECT number FROM rounds WHERE round = ?1)",
    [RUN] = "SELECT state FROM runs WHERE model = ?1",
    [SET_RUN] = "INSERT INTO runs(model, state) VALUES(?1, ?2)"
                " ON CONFLICT(model) DO UPDATE SET state = excluded.state",
    [SPENT] = "SELECT releases, accountant, spent FROM spent WHERE model = ?1",
    [SET_SPENT] = "INSERT INTO spent(model, releases, accountant, spent) VALUES(?1, ?2, ?3, ?4)"
                  " ON CONFLICT(model) DO UPDATE SET releases = excluded.releases,"
                  " accountant = excluded.accountant, spent = excluded.spent",
    [EACH_SPENT] = "SELECT model FROM spent ORDER BY model LIMIT ?1",
    [SET_VERSION] = "INSERT INTO versions(round, name, version, digest)"
                    " SELECT number, ?2, ?3, ?4 FROM rounds WHERE number = " OPEN_ROUND
                    " ON CONFLICT(round) DO UPDATE SET name = excluded.name,"
                    " version = excluded.version, digest = excluded.digest",
    [END_ROUND] = "UPDATE rounds SET complete = ?2,"
                  " ended = (SELECT ifnull(max(ended), 0) + 1 FROM rounds)"
                  " WHERE number = " OPEN_ROUND,
    [DROP_BYTES] = "DELETE FROM update_bytes WHERE number IN (SELECT number FROM updates"
                   " WHERE round = (SELECT number FROM rounds WHERE round = ?1))",
    [FORGET_ROUNDS] = "DELETE FROM rounds WHERE ended <="
                      " (SELECT ended FROM rounds ORDER BY ended DESC LIMIT 1 OFFSET ?1)"
                      " AND instr(?2, ' ' || round || ' ') = 0",
    [EACH_ROUND] = "SELECT r.number, r.round, start, opened_ms, base, base_ms, v.name, v.version,"
                   " v.digest, complete FROM rounds r LEFT JOIN versions v ON v.round = r.number"
                   " ORDER BY ended IS NULL, ended, r.number",
    [EACH_REJECTED] = "SELECT code, count FROM rejected WHERE round = ?1",
    [EACH_UPDATE] = "SELECT participant, digest, num_samples, received_ms, bytes, size, kept,"
                    " segment, place, kept_size"
                    " FROM updates u LEFT JOIN update_bytes b ON b.number = u.number"
                    " WHERE round = (SELECT number FROM rounds WHERE round = ?1)"
                    " ORDER BY u.number",
    [EACH_EARLY] = "SELECT participant, digest, 0, 0, bytes, 0, NULL, 0, 0, 0 FROM early"
                   " WHERE round ="
                   " (SELECT number FROM rounds WHERE round = ?1) ORDER BY number",
    [SAY] = "INSERT INTO outbox(topic, payload, retain) VALUES(?1, ?2, ?3)",
    [EACH_SAID] = "SELECT number, topic, payload, retain FROM outbox"
                  " WHERE number > ?1 ORDER BY number",
    [ADD_EXPERIMENT] = "INSERT INTO experiments(experiment, start, memory) VALUES(?1, ?2, ?3)",
    [SET_MEMORY] = "UPDATE experiments SET memory = ?2 WHERE number = " OPEN_EXPERIMENT,
    [ADD_ROW] = "INSERT INTO experiment_rows(experiment, round, row)"
                " SELECT number, ?2, ?3 FROM experiments WHERE number = " OPEN_EXPERIMENT,
    [END_EXPERIMENT] = "UPDATE experiments SET state = ?2,"
                       " ended = (SELECT ifnull(max(ended), 0) + 1 FROM experiments)"
                       " WHERE number = " OPEN_EXPERIMENT,
    [FORGET_EXPERIMENT] = "DELETE FROM experiments WHERE number = (SELECT number FROM experiments"
                          " WHERE ended IS NOT NULL ORDER BY ended LIMIT 1) AND ?1 <"
                          " (SELECT count(*) FROM experiments WHERE ended IS NOT NULL)"
                          " RETURNING experiment",
    [EACH_EXPERIMENT] = "SELECT experiment, start, memory, state FROM experiments"
                        " ORDER BY ended IS NULL, ended, number",
    [EACH_ROW] = "SELECT row FROM experiment_rows WHERE experiment ="
                 " (SELECT number FROM experiments WHERE experiment = ?1) AND round > ?2"
                 " ORDER BY round LIMIT ?3",
    [FORGET_SAID] = "DELETE FROM outbox WHERE number <= ?1",
    [SET_CLOCK] = "INSERT INTO clock(one, boot, shift_ms, last_ms) VALUES(1, ?1, ?2, ?3)"
                  " ON CONFLICT(one) DO UPDATE SET boot = excluded.boot,"
                  " shift_ms = excluded.shift_ms, last_ms = excluded.last_ms",
    [CLOCK] = "SELECT boot, shift_ms, last_ms FROM clock",
};

struct store {
    uint32_t magic;
    sqlite3 *db;
    sqlite3_stmt *statements[QUERY_COUNT]; /* prepared at the first use */
    bool changed;                          /* a transaction is open */
    enum status failed;                    /* of this transaction */
};

static enum status status_of(const struct store *s, int rc)
{
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return ST_OK;
    case SQLITE_FULL:
        return ST_FULL;
    case SQLITE_NOMEM:
        return ST_NOMEM;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ST_CORRUPT;
    case SQLITE_CONSTRAINT:
    case SQLITE_BUSY:
        return ST_EXISTS;
    default:
        break;
    }
    int system = s->db == NULL ? 0 : sqlite3_system_errno(s->db);
    return system == ENOSPC || system == EDQUOT ? ST_FULL : ST_IO;
}

/* NULL: the first step fails with what sqlite3_errcode() says. */
static sqlite3_stmt *prepared(struct store *s, enum query query)
{
    if (s->statements[query] == NULL)
        (void)sqlite3_prepare_v3(s->db, texts[query], -1, SQLITE_PREPARE_PERSISTENT,
                                 &s->statements[query], NULL);
    return s->statements[query];
}

/* ---- parameters and columns ----
 * A parameter that cannot be bound (no memory) is NULL, which NOT NULL refuses. */

static void bind_text(sqlite3_stmt *q, int at, const char *text)
{
    (void)sqlite3_bind_text(q, at, text, -1, SQLITE_STATIC);
}

static void bind_view(sqlite3_stmt *q, int at, struct view v)
{
    (void)sqlite3_bind_blob64(q, at, v.data == NULL ? (const uint8_t *)"" : v.data, v.size,
                              SQLITE_STATIC);
}

static void bind_digest(sqlite3_stmt *q, int at, const struct digest *d)
{
    bind_view(q, at, view_of(d->bytes, sizeof d->bytes));
}

/* All 64 bits, as the same bits of a signed number. */
static void bind_number(sqlite3_stmt *q, int at, uint64_t number)
{
    (void)sqlite3_bind_int64(q, at, (sqlite3_int64)number);
}

static uint64_t number_at(sqlite3_stmt *q, int column)
{
    return (uint64_t)sqlite3_column_int64(q, column);
}

static struct view view_at(sqlite3_stmt *q, int column)
{
    const void *data = sqlite3_column_blob(q, column);
    return view_of(data, (size_t)sqlite3_column_bytes(q, column));
}

static bool is_null(sqlite3_stmt *q, int column)
{
    return sqlite3_column_type(q, column) == SQLITE_NULL;
}

static enum status digest_at(sqlite3_stmt *q, int column, struct digest *ret)
{
    struct view v = view_at(q, column);
    if (v.size != sizeof ret->bytes)
        return ST_CORRUPT;
    memcpy(ret->bytes, v.data, sizeof ret->bytes);
    return ST_OK;
}

static enum status id_at(sqlite3_stmt *q, int column, struct id *ret)
{
    return id_of(view_at(q, column), ret) == ST_OK ? ST_OK : ST_CORRUPT;
}

/* ---- transactions ---- */

static int step_once(struct store *s, enum query query)
{
    sqlite3_stmt *q = prepared(s, query);
    if (q == NULL)
        return sqlite3_extended_errcode(s->db);
    int rc = sqlite3_step(q);
    (void)sqlite3_reset(q);
    return rc;
}

/* Begins a transaction if none is open. NULL: it failed, as s->failed says. */
static sqlite3_stmt *writing(struct store *s, enum query query)
{
    assert(s != NULL && s->magic == STORE_MAGIC);
    if (s->failed != ST_OK)
        return NULL;
    if (!s->changed) {
        s->failed = status_of(s, step_once(s, BEGIN));
        if (s->failed != ST_OK)
            return NULL;
        s->changed = true;
    }
    sqlite3_stmt *q = prepared(s, query);
    if (q == NULL)
        s->failed = status_of(s, sqlite3_extended_errcode(s->db));
    return q;
}

/* Runs what writing() gave and was filled. fails: ST_EXISTS (a constraint), which
 * leaves the transaction as it was; the rest spoils it */
static enum status run(struct store *s, sqlite3_stmt *q)
{
    if (q == NULL)
        return s->failed;
    int rc = sqlite3_step(q);
    enum status status = status_of(s, rc);
    (void)sqlite3_reset(q);
    (void)sqlite3_clear_bindings(q);
    if (status != ST_OK && status != ST_EXISTS)
        s->failed = status;
    return status;
}

/* The same; a statement that found no row to change is ST_NOT_FOUND. */
static enum status run_on_one(struct store *s, sqlite3_stmt *q)
{
    enum status status = run(s, q);
    return status == ST_OK && sqlite3_changes(s->db) == 0 ? ST_NOT_FOUND : status;
}

bool store_changed(const struct store *s)
{
    assert(s != NULL && s->magic == STORE_MAGIC);
    return s->changed || s->failed != ST_OK;
}

enum status store_commit(struct store *s)
{
    assert(s != NULL && s->magic == STORE_MAGIC);
    if (s->failed != ST_OK)
        return s->failed;
    if (!s->changed)
        return ST_OK;
    s->failed = status_of(s, step_once(s, COMMIT));
    if (s->failed == ST_OK)
        s->changed = false;
    return s->failed;
}

void store_rollback(struct store *s)
{
    assert(s != NULL && s->magic == STORE_MAGIC);
    if (sqlite3_get_autocommit(s->db) == 0) /* SQLite rolls back by itself after some errors */
        (void)step_once(s, ROLLBACK);
    s->changed = false;
    s->failed = ST_OK;
}

/* ---- opening ---- */

static enum status exec(struct store *s, const char *sql)
{
    return status_of(s, sqlite3_exec(s->db, sql, NULL, NULL, NULL));
}

/* The one number that a PRAGMA answers. */
static enum status pragma(struct store *s, const char *sql, int *ret)
{
    sqlite3_stmt *q = NULL;
    int rc = sqlite3_prepare_v2(s->db, sql, -1, &q, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(q);
    if (rc == SQLITE_ROW)
        *ret = sqlite3_column_int(q, 0);
    enum status status = status_of(s, rc);
    (void)sqlite3_finalize(q);
    return status;
}

static enum status check(struct store *s, struct why *why)
{
    sqlite3_stmt *q = NULL;
    int rc = sqlite3_prepare_v2(s->db, "PRAGMA quick_check(1)", -1, &q, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(q);
    enum status status = status_of(s, rc);
    if (rc == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(q, 0);
        if (text == NULL || strcmp(text, "ok") != 0) {
            why_set(why, "the database is damaged: %s", text == NULL ? "" : text);
            status = ST_CORRUPT;
        }
    }
    (void)sqlite3_finalize(q);
    return status;
}

/* One transaction, so that a crash leaves the old version or the new one. */
static enum status migrate(struct store *s, struct why *why)
{
    int application = 0, version = 0;
    enum status status = pragma(s, "PRAGMA application_id", &application);
    if (status == ST_OK)
        status = pragma(s, "PRAGMA user_version", &version);
    if (status != ST_OK)
        return status;
    if (application != APPLICATION_ID && (application != 0 || version != 0)) {
        why_set(why, "it is a database of another program");
        return ST_CORRUPT;
    }
    if (version > SCHEMA_VERSION) {
        why_set(why, "it was made by a newer program: schema %d, and this one knows %d", version,
                SCHEMA_VERSION);
        return ST_INVALID;
    }
    /* Also without anything to do: it takes the lock. */
    status = exec(s, "BEGIN EXCLUSIVE");
    for (int v = version; status == ST_OK && v < SCHEMA_VERSION; v++)
        status = exec(s, migrations[v]);
    char *sql = sqlite3_mprintf("PRAGMA application_id=%d; PRAGMA user_version=%d;", APPLICATION_ID,
                                SCHEMA_VERSION);
    if (status == ST_OK && version < SCHEMA_VERSION)
        status = sql == NULL ? ST_NOMEM : exec(s, sql);
    sqlite3_free(sql);
    if (status == ST_OK)
        status = exec(s, "COMMIT");
    return status;
}

static enum status open_all(struct store *s, const char *path, struct why *why)
{
    int rc = sqlite3_open_v2(
        path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_EXRESCODE, NULL);
    enum status status = status_of(s, rc);
    if (status != ST_OK)
        return status;
    (void)sqlite3_busy_timeout(s->db, BUSY_MS);
    status = exec(s, "PRAGMA locking_mode=EXCLUSIVE;"
                     "PRAGMA journal_mode=WAL;"
                     "PRAGMA synchronous=FULL;"
                     "PRAGMA foreign_keys=ON;"
                     "PRAGMA journal_size_limit=16777216;");
    if (status == ST_OK)
        status = check(s, why);
    if (status == ST_OK)
        status = migrate(s, why);
    return status;
}

enum status store_open(const char *path, struct store **ret, struct why *why)
{
    assert(path != NULL && ret != NULL);
    struct why own = {0};
    struct store *s = calloc(1, sizeof *s);
    if (s == NULL)
        return ST_NOMEM;
    s->magic = STORE_MAGIC;
    enum status status = open_all(s, path, &own);
    if (status == ST_OK) {
        *ret = s;
        return ST_OK;
    }
    if (own.text[0] == '\0')
        why_set(&own, "%s",
                status == ST_EXISTS ? "another process has it open"
                : s->db == NULL     ? sqlite3_errstr(SQLITE_NOMEM)
                                    : sqlite3_errmsg(s->db));
    why_set(why, "%s", own.text);
    store_close(s);
    return status;
}

struct store *store_close(struct store *s)
{
    if (s == NULL)
        return NULL;
    for (size_t i = 0; i < QUERY_COUNT; i++)
        (void)sqlite3_finalize(s->statements[i]);
    (void)sqlite3_close(s->db);
    *(volatile uint32_t *)&s->magic = 0;
    free(s);
    return NULL;
}

/* ---- rounds ---- */

enum status store_add_round(struct store *s, const struct id *round, struct view start,
                            uint64_t opened_ms)
{
    sqlite3_stmt *q = writing(s, ADD_ROUND);
    bind_text(q, 1, round->text);
    bind_view(q, 2, start);
    bind_number(q, 3, opened_ms);
    return run(s, q);
}

enum status store_set_base(struct store *s, const struct id *round, const struct digest *base,
                           uint64_t base_ms)
{
    sqlite3_stmt *q = writing(s, SET_BASE);
    bind_text(q, 1, round->text);
    bind_digest(q, 2, base);
    bind_number(q, 3, base_ms);
    return run_on_one(s, q);
}

enum status store_add_update(struct store *s, const struct id *round,
                             const struct store_update *update)
{
    sqlite3_stmt *q = writing(s, ADD_UPDATE);
    bind_text(q, 1, round->text);
    bind_text(q, 2, update->participant.text);
    bind_digest(q, 3, &update->digest);
    bind_number(q, 4, update->num_samples);
    bind_number(q, 5, update->received_ms);
    bind_number(q, 6, update->size);
    bind_digest(q, 7, &update->kept);
    bind_number(q, 8, update->place.segment);
    bind_number(q, 9, update->place.offset);
    bind_number(q, 10, update->place.size);
    return run_on_one(s, q);
}

enum status store_add_early(struct store *s, const struct id *round,
                            const struct store_update *update)
{
    sqlite3_stmt *q = writing(s, ADD_EARLY);
    bind_text(q, 1, round->text);
    bind_text(q, 2, update->participant.text);
    bind_digest(q, 3, &update->digest);
    if (update->bytes.size > 0)
        bind_view(q, 4, update->bytes);
    return run_on_one(s, q);
}

enum status store_drop_early(struct store *s, const struct id *round)
{
    sqlite3_stmt *q = writing(s, DROP_EARLY);
    bind_text(q, 1, round->text);
    return run(s, q);
}

enum status store_count_rejected(struct store *s, const struct id *round, enum verdict verdict)
{
    sqlite3_stmt *q = writing(s, COUNT_REJECTED);
    bind_text(q, 1, round->text);
    bind_text(q, 2, verdict_code(verdict));
    return run_on_one(s, q);
}

enum status store_set_version(struct store *s, const struct id *round, const struct model_ref *ref,
                              const struct digest *digest)
{
    sqlite3_stmt *q = writing(s, SET_VERSION);
    bind_text(q, 1, round->text);
    bind_text(q, 2, ref->name.text);
    bind_number(q, 3, ref->version);
    bind_digest(q, 4, digest);
    return run_on_one(s, q);
}

enum status store_end_round(struct store *s, const struct id *round, const char *complete)
{
    sqlite3_stmt *q = writing(s, END_ROUND);
    bind_text(q, 1, round->text);
    bind_view(q, 2, view_text(complete));
    enum status status = run_on_one(s, q);
    if (status != ST_OK)
        return status;
    q = writing(s, DROP_BYTES);
    bind_text(q, 1, round->text);
    return run(s, q);
}

/* Each with a space on both sides, which no id has. NULL: no memory */
static char *list_of(const struct id *ids, size_t count)
{
    char *list = malloc(count * (ID_SIZE_MAX + 1) + 2), *at = list;
    if (list == NULL)
        return NULL;
    *at++ = ' ';
    for (size_t i = 0; i < count; i++) {
        size_t size = strlen(ids[i].text);
        memcpy(at, ids[i].text, size);
        at += size;
        *at++ = ' ';
    }
    *at = '\0';
    return list;
}

enum status store_forget_rounds(struct store *s, size_t keep, const struct id *spared, size_t count)
{
    char *list = list_of(spared, count);
    if (list == NULL)
        return ST_NOMEM;
    sqlite3_stmt *q = writing(s, FORGET_ROUNDS);
    bind_number(q, 1, keep);
    bind_text(q, 2, list);
    enum status status = run(s, q);
    free(list);
    return status;
}

/* Codes that this program does not know are of a verdict that it cannot give. */
static enum status read_rejected(struct store *s, sqlite3_int64 number, struct store_round *r)
{
    sqlite3_stmt *q = prepared(s, EACH_REJECTED);
    if (q == NULL)
        return status_of(s, sqlite3_extended_errcode(s->db));
    (void)sqlite3_bind_int64(q, 1, number);
    int rc;
    while ((rc = sqlite3_step(q)) == SQLITE_ROW)
        for (int v = 0; v < VERDICT_COUNT; v++)
            if (view_equal(view_at(q, 0), view_text(verdict_code((enum verdict)v))))
                r->rejected[v] = number_at(q, 1);
    enum status status = status_of(s, rc);
    (void)sqlite3_reset(q);
    return status;
}

static enum status read_round(struct store *s, sqlite3_stmt *q, struct store_round *r)
{
    *r = (struct store_round){
        .start = view_at(q, 2),
        .opened_ms = number_at(q, 3),
        .has_base = !is_null(q, 4),
        .base_ms = number_at(q, 5),
        .has_version = !is_null(q, 6),
        .complete = view_at(q, 9),
    };
    enum status status = id_at(q, 1, &r->round);
    if (status == ST_OK && r->has_base)
        status = digest_at(q, 4, &r->base);
    if (status == ST_OK && r->has_version) {
        r->version.version = number_at(q, 7);
        status = id_at(q, 6, &r->version.name);
        if (status == ST_OK)
            status = digest_at(q, 8, &r->version_digest);
    }
    return status == ST_OK ? read_rejected(s, sqlite3_column_int64(q, 0), r) : status;
}

enum status store_each_round(struct store *s,
                             enum status (*visit)(void *arg, const struct store_round *round),
                             void *arg)
{
    assert(s != NULL && s->magic == STORE_MAGIC && visit != NULL);
    sqlite3_stmt *q = prepared(s, EACH_ROUND);
    if (q == NULL)
        return status_of(s, sqlite3_extended_errcode(s->db));
    enum status status = ST_OK;
    int rc = SQLITE_DONE;
    while (status == ST_OK && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        struct store_round round;
        status = read_round(s, q, &round);
        if (status == ST_OK)
            status = visit(arg, &round);
    }
    if (status == ST_OK)
        status = status_of(s, rc);
    (void)sqlite3_reset(q);
    return status;
}

static enum status read_update(sqlite3_stmt *q, struct store_update *u)
{
    *u = (struct store_update){0};
    enum status status = id_at(q, 0, &u->participant);
    if (status == ST_OK)
        status = digest_at(q, 1, &u->digest);
    u->num_samples = number_at(q, 2);
    u->received_ms = number_at(q, 3);
    u->bytes = view_at(q, 4);
    u->size = number_at(q, 5);
    u->place.size = number_at(q, 9);
    if (status != ST_OK || u->place.size == 0)
        return status;
    uint64_t segment = number_at(q, 7);
    u->place.segment = segment < SPOOL_SEGMENTS_MAX ? (uint32_t)segment : SPOOL_SEGMENTS_MAX;
    u->place.offset = number_at(q, 8);
    return digest_at(q, 6, &u->kept);
}

static enum status each_update(struct store *s, enum query query, const struct id *round,
                               enum status (*visit)(void *arg, const struct store_update *update),
                               void *arg)
{
    assert(s != NULL && s->magic == STORE_MAGIC && visit != NULL);
    sqlite3_stmt *q = prepared(s, query);
    if (q == NULL)
        return status_of(s, sqlite3_extended_errcode(s->db));
    bind_text(q, 1, round->text);
    enum status status = ST_OK;
    int rc = SQLITE_DONE;
    while (status == ST_OK && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        struct store_update update;
        status = read_update(q, &update);
        if (status == ST_OK)
            status = visit(arg, &update);
    }
    if (status == ST_OK)
        status = status_of(s, rc);
    (void)sqlite3_reset(q);
    return status;
}

enum status store_each_update(struct store *s, const struct id *round,
                              enum status (*visit)(void *arg, const struct store_update *update),
                              void *arg)
{
    return each_update(s, EACH_UPDATE, round, visit, arg);
}

enum status store_each_early(struct store *s, const struct id *round,
                             enum status (*visit)(void *arg, const struct store_update *update),
                             void *arg)
{
    return each_update(s, EACH_EARLY, round, visit, arg);
}

/* ---- protected rounds ---- */

enum status store_add_secure(struct store *s, const struct id *round,
                             const struct store_secure *event)
{
    sqlite3_stmt *q = writing(s, ADD_SECURE);
    bind_text(q, 1, round->text);
    bind_text(q, 2, event->sender.text);
    bind_view(q, 3, event->message);
    bind_number(q, 4, event->at_s);
    return run_on_one(s, q);
}

static enum status read_secure(sqlite3_stmt *q, struct store_secure *ret)
{
    *ret = (struct store_secure){.message = view_at(q, 1), .at_s = number_at(q, 2)};
    return view_at(q, 0).size == 0 ? ST_OK : id_at(q, 0, &ret->sender);
}

enum status store_each_secure(struct store *s, const struct id *round,
                              enum status (*visit)(void *arg, const struct store_secure *event),
                              void *arg)
{
    assert(s != NULL && s->magic == STORE_MAGIC && visit != NULL);
    sqlite3_stmt *q = prepared(s, EACH_SECURE);
    if (q == NULL)
        return status_of(s, sqlite3_extended_errcode(s->db));
    bind_text(q, 1, round->text);
    enum status status = ST_OK;
    int rc = SQLITE_DONE;
    while (status == ST_OK && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        struct store_secure event;
        status = read_secure(q, &event);
        if (status == ST_OK)
            status = visit(arg, &event);
    }
    if (status == ST_OK)
        status = status_of(s, rc);
    (void)sqlite3_reset(q);
    return status;
}

enum status store_drop_secure(struct store *s, const struct id *round)
{
    sqlite3_stmt *q = writing(s, DROP_SECURE);
    bind_text(q, 1, round->text);
    return run(s, q);
}

enum status store_set_noise(struct store *s, const struct id *round, struct view noise)
{
    sqlite3_stmt *q = writing(s, SET_NOISE);
    bind_text(q, 1, round->text);
    bind_view(q, 2, noise);
    return run_on_one(s, q);
}

/* One row about this name; its column `column` is copied to ret. */
static enum status read_row(struct store *s, enum query query, const struct id *name, int column,
                            sqlite3_stmt **ret_q, struct bytes *ret)
{
    sqlite3_stmt *q = prepared(s, query);
    if (q == NULL)
        return status_of(s, sqlite3_extended_errcode(s->db));
    bind_text(q, 1, name->text);
    int rc = sqlite3_step(q);
    *ret_q = q;
    if (rc == SQLITE_ROW)
        return bytes_copy(ret, view_at(q, column));
    return rc == SQLITE_DONE ? ST_NOT_FOUND : status_of(s, rc);
}

enum status store_noise(struct store *s, const struct id *round, struct bytes *ret)
{
    sqlite3_stmt *q = NULL;
    enum status status = read_row(s, NOISE, round, 0, &q, ret);
    (void)sqlite3_reset(q);
    return status;
}

enum status store_run(struct store *s, const struct id *model, struct bytes *ret)
{
    sqlite3_stmt *q = NULL;
    enum status status = read_row(s, RUN, model, 0, &q, ret);
    (void)sqlite3_reset(q);
    return status;
}

enum status store_set_run(struct store *s, const struct id *model, struct view state)
{
    sqlite3_stmt *q = writing(s, SET_RUN);
    bind_text(q, 1, model->text);
    bind_view(q, 2, state);
    return run(s, q);
}

enum status store_spent(struct store *s, const struct id *model, struct store_spent *ret,
                        struct bytes *ret_bytes)
{
    sqlite3_stmt *q = NULL;
    enum status status = read_row(s, SPENT, model, 2, &q, ret_bytes);
    if (status == ST_OK)
        *ret = (struct store_spent){.releases = number_at(q, 0),
                                    .accountant = (uint32_t)number_at(q, 1),
                                    .spent = bytes_view(ret_bytes)};
    (void)sqlite3_reset(q);
    return status;
}

enum status store_set_spent(struct store *s, const struct id *model,
                            const struct store_spent *spent)
{
    sqlite3_stmt *q = writing(s, SET_SPENT);
    bind_text(q, 1, model->text);
    bind_number(q, 2, spent->releases);
    bind_number(q, 3, spent->accountant);
    bind_view(q, 4, spent->spent);
    return run(s, q);
}

enum status store_each_spent(struct store *s, size_t count,
                             enum status (*visit)(void *arg, const struct id *model), void *arg)
{
    sqlite3_stmt *q = prepared(s, EACH_SPENT);
    if (q == NULL)
        return status_of(s, sqlite3_extended_errcode(s->db));
    bind_number(q, 1, count);
    enum status status = ST_OK;
    int rc = SQLITE_DONE;
    while (status == ST_OK && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        struct id model;
        status = id_at(q, 0, &model);
        if (status == ST_OK)
            status = visit(arg, &model);
    }
    if (status == ST_OK)
        status = status_of(s, rc);
    (void)sqlite3_reset(q);
    return status;
}

/* ---- experiments ---- */

enum status store_add_experiment(struct store *s, const struct id *experiment, const char *start,
                                 const char *memory)
{
    sqlite3_stmt *q = writing(s, ADD_EXPERIMENT);
    bind_text(q, 1, experiment->text);
    bind_view(q, 2, view_text(start));
    bind_view(q, 3, view_text(memory));
    return run(s, q);
}

enum status store_set_memory(struct store *s, const struct id *experiment, const char *memory)
{
    sqlite3_stmt *q = writing(s, SET_MEMORY);
    bind_text(q, 1, experiment->text);
    bind_view(q, 2, view_text(memory));
    return run_on_one(s, q);
}

enum status store_add_row(struct store *s, const struct id *experiment, uint32_t round,
                          const char *row)
{
    sqlite3_stmt *q = writing(s, ADD_ROW);
    bind_text(q, 1, experiment->text);
    bind_number(q, 2, round);
    bind_view(q, 3, view_text(row));
    return run_on_one(s, q);
}

enum status store_end_experiment(struct store *s, const struct id *experiment, const char *state)
{
    sqlite3_stmt *q = writing(s, END_EXPERIMENT);
    bind_text(q, 1, experiment->text);
    bind_view(q, 2, view_text(state));
    return run_on_one(s, q);
}

/* The first step has deleted all that is to be deleted; the second one ends it. */
enum status store_forget_experiment(struct store *s, size_t keep, struct id *ret_forgotten)
{
    sqlite3_stmt *q = writing(s, FORGET_EXPERIMENT);
    if (q == NULL)
        return s->failed;
    bind_number(q, 1, keep);
    int rc = sqlite3_step(q);
    enum status status = status_of(s, rc);
    if (rc == SQLITE_ROW) {
        status = id_at(q, 0, ret_forgotten);
        if (status == ST_OK)
            status = status_of(s, sqlite3_step(q));
    } else if (status == ST_OK)
        status = ST_NOT_FOUND;
    (void)sqlite3_reset(q);
    if (status != ST_OK && status != ST_NOT_FOUND)
        s->failed = status;
    return status;
}

static enum status read_experiment(sqlite3_stmt *q, struct store_experiment *ret)
{
    *ret = (struct store_experiment){
        .start = view_at(q, 1), .memory = view_at(q, 2), .state = view_at(q, 3)};
    return id_at(q, 0, &ret->experiment);
}

enum status store_each_experiment(struct store *s,
                                  enum status (*visit)(void *arg,
                                                       const struct store_experiment *experiment),
                                  void *arg)
{
    assert(s != NULL && s->magic == STORE_MAGIC && visit != NULL);
    sqlite3_stmt *q = prepared(s, EACH_EXPERIMENT);
    if (q == NULL)
        return status_of(s, sqlite3_extended_errcode(s->db));
    enum status status = ST_OK;
    int rc = SQLITE_DONE;
    while (status == ST_OK && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        struct store_experiment experiment;
        status = read_experiment(q, &experiment);
        if (status == ST_OK)
            status = visit(arg, &experiment);
    }
    if (status == ST_OK)
        status = status_of(s, rc);
    (void)sqlite3_reset(q);
    return status;
}

enum status store_each_row(struct store *s, const struct id *experiment, uint32_t after,
                           size_t count, enum status (*visit)(void *arg, struct view row),
                           void *arg)
{
    assert(s != NULL && s->magic == STORE_MAGIC && visit != NULL);
    sqlite3_stmt *q = prepared(s, EACH_ROW);
    if (q == NULL)
        return status_of(s, sqlite3_extended_errcode(s->db));
    bind_text(q, 1, experiment->text);
    bind_number(q, 2, after);
    bind_number(q, 3, count);
    enum status status = ST_OK;
    int rc = SQLITE_DONE;
    while (status == ST_OK && (rc = sqlite3_step(q)) == SQLITE_ROW)
        status = visit(arg, view_at(q, 0));
    if (status == ST_OK)
        status = status_of(s, rc);
    (void)sqlite3_reset(q);
    return status;
}

/* ---- what is to be said ---- */

enum status store_say(struct store *s, const char *topic, struct view payload, bool retain)
{
    sqlite3_stmt *q = writing(s, SAY);
    bind_text(q, 1, topic);
    bind_view(q, 2, payload);
    bind_number(q, 3, retain);
    return run(s, q);
}

enum status store_each_said(struct store *s, uint64_t after,
                            bool (*visit)(void *arg, const struct store_said *said), void *arg)
{
    assert(s != NULL && s->magic == STORE_MAGIC && visit != NULL);
    sqlite3_stmt *q = prepared(s, EACH_SAID);
    if (q == NULL)
        return status_of(s, sqlite3_extended_errcode(s->db));
    bind_number(q, 1, after);
    bool more = true;
    int rc = SQLITE_DONE;
    while (more && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        const char *topic = (const char *)sqlite3_column_text(q, 1);
        const struct store_said said = {.number = number_at(q, 0),
                                        .topic = topic == NULL ? "" : topic,
                                        .payload = view_at(q, 2),
                                        .retain = number_at(q, 3) != 0};
        more = visit(arg, &said);
    }
    enum status status = status_of(s, rc);
    (void)sqlite3_reset(q);
    return status;
}

enum status store_forget_said(struct store *s, uint64_t number)
{
    sqlite3_stmt *q = writing(s, FORGET_SAID);
    bind_number(q, 1, number);
    return run(s, q);
}

/* ---- the clock ---- */

enum status store_set_clock(struct store *s, const struct store_clock *clock)
{
    sqlite3_stmt *q = writing(s, SET_CLOCK);
    bind_text(q, 1, clock->boot);
    bind_number(q, 2, clock->shift_ms);
    bind_number(q, 3, clock->last_ms);
    return run(s, q);
}

enum status store_clock(struct store *s, struct store_clock *ret)
{
    assert(s != NULL && s->magic == STORE_MAGIC && ret != NULL);
    sqlite3_stmt *q = prepared(s, CLOCK);
    if (q == NULL)
        return status_of(s, sqlite3_extended_errcode(s->db));
    int rc = sqlite3_step(q);
    enum status status = rc == SQLITE_DONE ? ST_NOT_FOUND : status_of(s, rc);
    if (status == ST_OK) {
        struct view boot = view_at(q, 0);
        if (boot.size >= sizeof ret->boot)
            status = ST_CORRUPT;
        else {
            *ret = (struct store_clock){.shift_ms = number_at(q, 1), .last_ms = number_at(q, 2)};
            if (boot.size > 0)
                memcpy(ret->boot, boot.data, boot.size);
        }
    }
    (void)sqlite3_reset(q);
    return status;
}
