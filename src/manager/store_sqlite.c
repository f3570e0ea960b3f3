/* store.h on SQLite 3: a write-ahead log that is synced at each commit, the file
 * locked for this process, STRICT tables. Every row ends with a checksum of its
 * values, because SQLite itself does not see a byte that changed inside a value. */
#include "manager/store.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#define APPLICATION_ID 0x666d6c6d /* "fmlm" */

/* From version i to i+1. A file that was written stays readable for ever: a new
 * version is a new entry. */
static const char *const migrations[] = {
    "CREATE TABLE clock(one INTEGER PRIMARY KEY CHECK(one=1), boot_id TEXT NOT NULL,"
    " now_ms INTEGER NOT NULL, sum INTEGER NOT NULL) STRICT;"
    "CREATE TABLE proplets(slot INTEGER PRIMARY KEY, proplet_id TEXT NOT NULL UNIQUE,"
    " start_topic TEXT NOT NULL, state TEXT NOT NULL, metadata TEXT, sum INTEGER NOT NULL) STRICT;"
    "CREATE TABLE tasks(slot INTEGER PRIMARY KEY, task_id TEXT NOT NULL UNIQUE,"
    " launch_id TEXT NOT NULL, proplet_id TEXT NOT NULL, state TEXT NOT NULL,"
    " limit_ms INTEGER NOT NULL, deadline_ms INTEGER NOT NULL, closing INTEGER NOT NULL,"
    " reason TEXT NOT NULL, detail TEXT NOT NULL, added INTEGER NOT NULL, ended INTEGER NOT NULL,"
    " sum INTEGER NOT NULL) STRICT;"
    "CREATE TABLE launches(age INTEGER PRIMARY KEY AUTOINCREMENT, launch_id TEXT NOT NULL UNIQUE,"
    " sum INTEGER NOT NULL) STRICT;"
    "CREATE TABLE images(place INTEGER PRIMARY KEY, name TEXT NOT NULL, digest TEXT NOT NULL,"
    " size INTEGER NOT NULL, sum INTEGER NOT NULL) STRICT;"
    "CREATE TABLE outbox(number INTEGER PRIMARY KEY, kind TEXT NOT NULL, task_id TEXT NOT NULL,"
    " topic TEXT NOT NULL, text TEXT NOT NULL, sum INTEGER NOT NULL) STRICT;",
};
#define VERSION ((int)(sizeof migrations / sizeof migrations[0]))

#define TEXT_(x) #x
#define TEXT(x)  TEXT_(x)

enum query {
    Q_BEGIN,
    Q_COMMIT,
    Q_ROLLBACK,
    Q_CLOCK,
    Q_PROPLET,
    Q_TASK,
    Q_LAUNCH,
    Q_LAUNCHES_TRIM,
    Q_IMAGES_CLEAR,
    Q_IMAGE,
    Q_MESSAGE,
    Q_MESSAGE_DROP,
    QUERY_COUNT
};

static const char *const queries[QUERY_COUNT] = {
    [Q_BEGIN] = "BEGIN IMMEDIATE",
    [Q_COMMIT] = "COMMIT",
    [Q_ROLLBACK] = "ROLLBACK",
    [Q_CLOCK] = "INSERT OR REPLACE INTO clock VALUES(1,?,?,?)",
    [Q_PROPLET] = "INSERT OR REPLACE INTO proplets VALUES(?,?,?,?,?,?)",
    [Q_TASK] = "INSERT OR REPLACE INTO tasks VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?)",
    [Q_LAUNCH] = "INSERT INTO launches VALUES(NULL,?,?)",
    [Q_LAUNCHES_TRIM] =
        "DELETE FROM launches WHERE age <= last_insert_rowid() - " TEXT(LAUNCHES_SEEN_MAX),
    [Q_IMAGES_CLEAR] = "DELETE FROM images",
    [Q_IMAGE] = "INSERT INTO images VALUES(?,?,?,?,?)",
    [Q_MESSAGE] = "INSERT INTO outbox VALUES(?,?,?,?,?,?)",
    [Q_MESSAGE_DROP] = "DELETE FROM outbox WHERE number=?",
};

struct store {
    sqlite3 *db;
    sqlite3_stmt *queries[QUERY_COUNT];
    int failed; /* the first failure of this transaction, as SQLite says it */
};

static enum status status_of(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return ST_OK;
    case SQLITE_NOMEM:
        return ST_NOMEM;
    case SQLITE_FULL:
        return ST_FULL;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ST_CORRUPT;
    case SQLITE_CONSTRAINT:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ST_EXISTS;
    default:
        return ST_IO;
    }
}

/* ---- rows: values, then the sum over them ---- */

/* FNV-1a: two rows that differ in one byte never have the same sum. */
#define SUM_START 0xcbf29ce484222325u

static uint64_t sum_of(uint64_t sum, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    for (size_t i = 0; i < size; i++)
        sum = (sum ^ bytes[i]) * 0x100000001b3u;
    return sum;
}

static uint64_t sum_int(uint64_t sum, int64_t value)
{
    return sum_of(sum, &value, sizeof value);
}

/* NULL differs from every text. */
static uint64_t sum_text(uint64_t sum, const char *text)
{
    return text == NULL ? sum_of(sum, "\1", 1) : sum_of(sum, text, strlen(text) + 1);
}

struct row {
    sqlite3_stmt *query;
    int at; /* the next parameter (from 1) or column (from 0) */
    uint64_t sum;
    bool bad; /* read: a value is not what was written */
};

static struct row row_to_put(struct store *s, enum query query)
{
    return (struct row){.query = s->queries[query], .at = 1, .sum = SUM_START};
}

/* A bind fails for memory only; then the step says so. */
static void put_int(struct row *r, uint64_t value)
{
    r->sum = sum_int(r->sum, (int64_t)value);
    (void)sqlite3_bind_int64(r->query, r->at++, (sqlite3_int64)value);
}

static void put_text(struct row *r, const char *text)
{
    r->sum = sum_text(r->sum, text);
    (void)sqlite3_bind_text(r->query, r->at++, text, -1, SQLITE_TRANSIENT);
}

static void step(struct store *s, sqlite3_stmt *query)
{
    if (s->failed == SQLITE_OK) {
        int rc = sqlite3_step(query);
        if (rc != SQLITE_DONE && rc != SQLITE_ROW)
            s->failed = rc;
    }
    (void)sqlite3_reset(query);
    (void)sqlite3_clear_bindings(query);
}

static void put_row(struct store *s, struct row *r)
{
    (void)sqlite3_bind_int64(r->query, r->at, (sqlite3_int64)r->sum);
    step(s, r->query);
}

static uint64_t get_int(struct row *r)
{
    sqlite3_int64 value = sqlite3_column_int64(r->query, r->at++);
    r->sum = sum_int(r->sum, value);
    return (uint64_t)value;
}

/* size: the buffer's. A longer text is not what was written. */
static void get_text(struct row *r, char *ret, size_t size)
{
    const char *text = (const char *)sqlite3_column_text(r->query, r->at++);
    r->sum = sum_text(r->sum, text);
    ret[0] = '\0';
    if (text == NULL || strlen(text) >= size)
        r->bad = true;
    else
        strcpy(ret, text);
}

/* Borrowed until the next step. May be NULL. */
static char *get_borrowed(struct row *r)
{
    char *text = (char *)(uintptr_t)sqlite3_column_text(r->query, r->at++);
    r->sum = sum_text(r->sum, text);
    return text;
}

static void get_id(struct row *r, struct id *ret)
{
    char text[ID_SIZE_MAX + 1];
    get_text(r, text, sizeof text);
    r->bad |= id_from(text, ret) != ST_OK;
}

static bool row_is_whole(struct row *r)
{
    return (uint64_t)sqlite3_column_int64(r->query, r->at) == r->sum && !r->bad;
}

/* The index of text in names; count (and a bad row) if it is none of them. */
static size_t get_name(struct row *r, const char *const *names, size_t count)
{
    char text[32];
    size_t i = 0;
    get_text(r, text, sizeof text);
    while (i < count && strcmp(names[i], text) != 0)
        i++;
    r->bad |= i == count;
    return i;
}

/* ---- names of what is a number in memory ---- */

static const char *const start_topics[] = {"own", "shared"};
static const char *const presences[] = {"present", "offline", "lost"};
static const char *const task_states[] = {"pending", "running", "completed", "failed"};
static const char *const kinds[] = {"event", "start", "start_inline", "stop"};

static const char *presence_of(enum proplet_state state)
{
    return presences[state == PROPLET_LOST ? 2 : state == PROPLET_OFFLINE ? 1 : 0];
}

/* ---- opening ---- */

static int get_pragma(struct store *s, const char *pragma, int *ret)
{
    sqlite3_stmt *query = NULL;
    int rc = sqlite3_prepare_v2(s->db, pragma, -1, &query, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(query);
    if (rc == SQLITE_ROW)
        *ret = sqlite3_column_int(query, 0);
    (void)sqlite3_finalize(query);
    return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static int execute(struct store *s, const char *sql)
{
    return sqlite3_exec(s->db, sql, NULL, NULL, NULL);
}

static int migrate(struct store *s, int version)
{
    char pragma[80];
    int rc = execute(s, "BEGIN IMMEDIATE");
    for (int i = version; rc == SQLITE_OK && i < VERSION; i++)
        rc = execute(s, migrations[i]);
    (void)sqlite3_snprintf(sizeof pragma, pragma, "PRAGMA application_id=%d;PRAGMA user_version=%d",
                           APPLICATION_ID, VERSION);
    if (rc == SQLITE_OK)
        rc = execute(s, pragma);
    if (rc == SQLITE_OK)
        rc = execute(s, "COMMIT");
    if (rc != SQLITE_OK)
        (void)execute(s, "ROLLBACK");
    return rc;
}

/* Whose file is it, and of which version. An empty one is a first start. */
static enum status check_owner(struct store *s, const char *path, int *ret_version, struct why *why)
{
    int application = 0, version = 0, tables = 0;
    int rc = get_pragma(s, "PRAGMA application_id", &application);
    if (rc == SQLITE_OK)
        rc = get_pragma(s, "PRAGMA user_version", &version);
    if (rc == SQLITE_OK)
        rc = get_pragma(s, "SELECT count(*) FROM sqlite_schema", &tables);
    if (rc != SQLITE_OK)
        return status_of(rc);
    bool fresh = application == 0 && version == 0 && tables == 0;
    if (!fresh && application != APPLICATION_ID) {
        why_set(why, "%s is not a manager's database", path);
        return ST_MALFORMED;
    }
    if (version < 0 || version > VERSION || (!fresh && version == 0)) {
        why_set(why, "%s has version %d, and this program knows 1 to %d", path, version, VERSION);
        return ST_MALFORMED;
    }
    *ret_version = version;
    return ST_OK;
}

static enum status check_whole(struct store *s, const char *path, struct why *why)
{
    sqlite3_stmt *query = NULL;
    int rc = sqlite3_prepare_v2(s->db, "PRAGMA integrity_check(1)", -1, &query, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(query);
    enum status status = status_of(rc);
    const char *text = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(query, 0) : "ok";
    if (status == ST_OK && (text == NULL || strcmp(text, "ok") != 0)) {
        status = ST_CORRUPT;
        why_set(why, "%s is damaged: %s", path, text == NULL ? "" : text);
    }
    (void)sqlite3_finalize(query);
    return status;
}

static enum status prepare(struct store *s)
{
    int rc = SQLITE_OK;
    for (int i = 0; rc == SQLITE_OK && i < QUERY_COUNT; i++)
        rc = sqlite3_prepare_v3(s->db, queries[i], -1, SQLITE_PREPARE_PERSISTENT, &s->queries[i],
                                NULL);
    return status_of(rc);
}

static enum status open_checked(struct store *s, const char *path, struct why *why)
{
    int version = 0;
    int rc = sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
    if (rc == SQLITE_OK)
        rc = execute(s, "PRAGMA locking_mode=EXCLUSIVE;PRAGMA trusted_schema=OFF;"
                        "PRAGMA cell_size_check=ON");
    if (rc != SQLITE_OK)
        return status_of(rc);
    enum status status = check_owner(s, path, &version, why);
    if (status == ST_OK)
        status = status_of(execute(s, "PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL"));
    if (status == ST_OK)
        status = check_whole(s, path, why);
    if (status == ST_OK && version < VERSION)
        status = status_of(migrate(s, version));
    if (status == ST_OK)
        status = prepare(s);
    return status;
}

enum status store_open(const char *path, struct store **ret, struct why *why)
{
    struct why inner = {""};
    struct store *s = calloc(1, sizeof *s);
    if (s == NULL)
        return ST_NOMEM;
    enum status status = open_checked(s, path, &inner);
    if (status == ST_OK) {
        *ret = s;
        return ST_OK;
    }
    if (inner.text[0] != '\0')
        why_set(why, "%s", inner.text);
    else if (status == ST_EXISTS)
        why_set(why, "%s is in use by another process", path);
    else if (status == ST_CORRUPT)
        why_set(why, "%s is damaged: %s", path, sqlite3_errmsg(s->db));
    else
        why_set(why, "%s cannot be used: %s", path, sqlite3_errmsg(s->db));
    store_close(s);
    return status;
}

/* ---- reading ---- */

/* Reads one row and hands it on. */
typedef enum status (*read_row_fn)(struct row *r, const struct store_visitor *v);

static enum status read_clock(struct row *r, const struct store_visitor *v)
{
    char boot_id[STORE_BOOT_ID_SIZE];
    get_text(r, boot_id, sizeof boot_id);
    uint64_t now_ms = get_int(r);
    return row_is_whole(r) ? v->clock(v->owner, boot_id, now_ms) : ST_CORRUPT;
}

static enum status read_proplet(struct row *r, const struct store_visitor *v)
{
    static const enum proplet_state states[] = {PROPLET_EXPECTED, PROPLET_OFFLINE, PROPLET_LOST};
    struct proplet p = {0};
    uint64_t slot = get_int(r);
    get_id(r, &p.id);
    p.start_topic = get_name(r, start_topics, 2) == 0 ? START_OWN : START_SHARED;
    size_t presence = get_name(r, presences, 3);
    p.metadata = get_borrowed(r);
    if (!row_is_whole(r))
        return ST_CORRUPT;
    p.state = states[presence];
    return v->proplet(v->owner, slot, &p);
}

static enum status read_task(struct row *r, const struct store_visitor *v)
{
    struct task task = {0};
    uint64_t slot = get_int(r);
    get_id(r, &task.id);
    get_id(r, &task.launch_id);
    get_id(r, &task.proplet_id);
    task.state = (enum task_state)get_name(r, task_states, 4);
    task.limit_ms = get_int(r);
    task.deadline_ms = get_int(r);
    task.closing = get_int(r) != 0;
    get_text(r, task.reason, sizeof task.reason);
    get_text(r, task.detail, sizeof task.detail);
    task.added = get_int(r);
    task.ended = get_int(r);
    return row_is_whole(r) ? v->task(v->owner, slot, &task) : ST_CORRUPT;
}

static enum status read_launch(struct row *r, const struct store_visitor *v)
{
    struct id id;
    get_id(r, &id);
    return row_is_whole(r) ? v->launch(v->owner, id.text) : ST_CORRUPT;
}

static enum status read_image(struct row *r, const struct store_visitor *v)
{
    struct image image = {0};
    char digest[DIGEST_TEXT_SIZE];
    (void)get_int(r);
    get_text(r, image.name, sizeof image.name);
    get_text(r, digest, sizeof digest);
    image.size = get_int(r);
    r->bad |= digest_parse(digest, &image.digest) != ST_OK;
    return row_is_whole(r) ? v->image(v->owner, &image) : ST_CORRUPT;
}

static enum status read_message(struct row *r, const struct store_visitor *v)
{
    struct outgoing out = {.recorded = true};
    out.number = get_int(r);
    out.kind = (enum outgoing_kind)get_name(r, kinds, 4);
    get_id(r, &out.task_id);
    out.topic = get_borrowed(r);
    out.text = get_borrowed(r);
    if (!row_is_whole(r) || out.topic == NULL || out.text == NULL)
        return ST_CORRUPT;
    return v->message(v->owner, &out);
}

static enum status read_all(struct store *s, const char *sql, read_row_fn read_row,
                            const struct store_visitor *v)
{
    sqlite3_stmt *query = NULL;
    enum status status = status_of(sqlite3_prepare_v2(s->db, sql, -1, &query, NULL));
    while (status == ST_OK) {
        int rc = sqlite3_step(query);
        if (rc == SQLITE_DONE)
            break;
        struct row row = {.query = query, .sum = SUM_START};
        status = rc == SQLITE_ROW ? read_row(&row, v) : status_of(rc);
    }
    (void)sqlite3_finalize(query);
    return status;
}

enum status store_read(struct store *s, const struct store_visitor *v, struct why *why)
{
    const struct {
        bool wanted;
        const char *name, *sql;
        read_row_fn read_row;
    } tables[] = {
        {v->clock != NULL, "clock", "SELECT boot_id,now_ms,sum FROM clock", read_clock},
        {v->proplet != NULL, "proplets", "SELECT * FROM proplets ORDER BY slot", read_proplet},
        {v->task != NULL, "tasks", "SELECT * FROM tasks ORDER BY slot", read_task},
        {v->launch != NULL, "launches", "SELECT launch_id,sum FROM launches ORDER BY age",
         read_launch},
        {v->image != NULL, "images", "SELECT * FROM images ORDER BY place", read_image},
        {v->message != NULL, "outbox", "SELECT * FROM outbox ORDER BY number", read_message},
    };
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        if (!tables[i].wanted)
            continue;
        enum status status = read_all(s, tables[i].sql, tables[i].read_row, v);
        if (status != ST_OK) {
            why_set(why, "%s cannot be used: its table %s is %s", sqlite3_db_filename(s->db, NULL),
                    tables[i].name, status == ST_CORRUPT ? "damaged" : status_name(status));
            return status;
        }
    }
    return ST_OK;
}

enum status store_empty(struct store *s, bool *ret)
{
    int some = 0;
    int rc = get_pragma(s,
                        "SELECT EXISTS(SELECT 1 FROM proplets) OR EXISTS(SELECT 1 FROM launches)"
                        " OR EXISTS(SELECT 1 FROM images) OR EXISTS(SELECT 1 FROM tasks)",
                        &some);
    if (rc == SQLITE_OK)
        *ret = some == 0;
    return status_of(rc);
}

/* ---- writing ---- */

void store_begin(struct store *s)
{
    s->failed = SQLITE_OK;
    step(s, s->queries[Q_BEGIN]);
}

void store_put_clock(struct store *s, const char *boot_id, uint64_t now_ms)
{
    assert(strlen(boot_id) < STORE_BOOT_ID_SIZE);
    struct row r = row_to_put(s, Q_CLOCK);
    put_text(&r, boot_id);
    put_int(&r, now_ms);
    put_row(s, &r);
}

void store_put_proplet(struct store *s, size_t slot, const struct proplet *p)
{
    struct row r = row_to_put(s, Q_PROPLET);
    put_int(&r, slot);
    put_text(&r, p->id.text);
    put_text(&r, start_topics[p->start_topic == START_OWN ? 0 : 1]);
    put_text(&r, presence_of(p->state));
    put_text(&r, p->metadata);
    put_row(s, &r);
}

void store_put_task(struct store *s, size_t slot, const struct task *task)
{
    struct row r = row_to_put(s, Q_TASK);
    put_int(&r, slot);
    put_text(&r, task->id.text);
    put_text(&r, task->launch_id.text);
    put_text(&r, task->proplet_id.text);
    put_text(&r, task_states[task->state]);
    put_int(&r, task->limit_ms);
    put_int(&r, task->deadline_ms);
    put_int(&r, task->closing);
    put_text(&r, task->reason);
    put_text(&r, task->detail);
    put_int(&r, task->added);
    put_int(&r, task->ended);
    put_row(s, &r);
}

void store_put_launch(struct store *s, const char *launch_id)
{
    struct row r = row_to_put(s, Q_LAUNCH);
    put_text(&r, launch_id);
    put_row(s, &r);
    step(s, s->queries[Q_LAUNCHES_TRIM]);
}

void store_put_images(struct store *s, const struct image *images, size_t count)
{
    step(s, s->queries[Q_IMAGES_CLEAR]);
    for (size_t i = 0; i < count; i++) {
        char digest[DIGEST_TEXT_SIZE];
        digest_text(&images[i].digest, digest);
        struct row r = row_to_put(s, Q_IMAGE);
        put_int(&r, i);
        put_text(&r, images[i].name);
        put_text(&r, digest);
        put_int(&r, images[i].size);
        put_row(s, &r);
    }
}

void store_put_message(struct store *s, const struct outgoing *out)
{
    struct row r = row_to_put(s, Q_MESSAGE);
    put_int(&r, out->number);
    put_text(&r, kinds[out->kind]);
    put_text(&r, out->task_id.text);
    put_text(&r, out->topic);
    put_text(&r, out->text);
    put_row(s, &r);
}

void store_drop_message(struct store *s, uint64_t number)
{
    (void)sqlite3_bind_int64(s->queries[Q_MESSAGE_DROP], 1, (sqlite3_int64)number);
    step(s, s->queries[Q_MESSAGE_DROP]);
}

enum status store_commit(struct store *s)
{
    step(s, s->queries[Q_COMMIT]);
    int failed = s->failed;
    s->failed = SQLITE_OK;
    /* Some failures end the transaction by themselves, some leave it open. */
    if (failed != SQLITE_OK && sqlite3_get_autocommit(s->db) == 0)
        step(s, s->queries[Q_ROLLBACK]);
    return status_of(failed);
}

struct store *store_close(struct store *s)
{
    if (s == NULL)
        return NULL;
    for (int i = 0; i < QUERY_COUNT; i++)
        (void)sqlite3_finalize(s->queries[i]);
    (void)sqlite3_close(s->db);
    free(s);
    return NULL;
}
