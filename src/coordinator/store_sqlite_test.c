/* Each claim of store.h, on a real database in a folder of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>

#include "coordinator/store.h"
#include "io/file.h"

static char folder[64], path[96];
static struct store *store;

static void reopen(void)
{
    struct why why = {0};
    store = store_close(store);
    if (store_open(path, &store, &why) != ST_OK)
        fail_msg("%s", why.text);
}

static int setup(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/fml-store-test-XXXXXX");
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/coordinator.db", folder);
    reopen();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    store = store_close(store);
    return file_remove_tree(folder) == ST_OK ? 0 : 1;
}

static struct id id(const char *text)
{
    struct id ret;
    assert_int_equal(id_from(text, &ret), ST_OK);
    return ret;
}

static struct digest digest(const char *text)
{
    return digest_of(view_text(text));
}

static void add_round(const char *name)
{
    struct id round = id(name);
    assert_int_equal(store_add_round(store, &round, view_text("{\"start\":1}"), 1000), ST_OK);
}

static enum status add_update(const char *round_name, const char *participant, const char *bytes)
{
    struct id round = id(round_name);
    const struct store_update update = {
        .participant = id(participant),
        .digest = digest(bytes),
        .num_samples = 7,
        .received_ms = 2000,
        .size = 99,
        .kept = digest(bytes),
        .place = {.segment = 3, .offset = 1234, .size = strlen(bytes)},
    };
    return store_add_update(store, &round, &update);
}

static void end_round(const char *name)
{
    struct id round = id(name);
    assert_int_equal(store_end_round(store, &round, "{\"status\":\"completed\"}"), ST_OK);
}

static void commit(void)
{
    assert_int_equal(store_commit(store), ST_OK);
    assert_false(store_changed(store));
}

/* ---- reading: names in order, joined by spaces ---- */

struct list {
    char text[512];
    struct store_round last;
    struct store_update update;
    char bytes[32]; /* of that */
};

static void append(struct list *list, const char *text)
{
    size_t size = strlen(list->text);
    (void)snprintf(list->text + size, sizeof list->text - size, "%s%s", size > 0 ? " " : "", text);
}

static enum status see_round(void *arg, const struct store_round *round)
{
    struct list *list = arg;
    append(list, round->round.text);
    if (round->complete.size > 0)
        append(list, "ended");
    list->last = *round;
    list->last.start = list->last.complete = view_of(NULL, 0); /* were lent */
    assert_true(view_equal(round->start, view_text("{\"start\":1}")));
    return ST_OK;
}

static enum status see_update(void *arg, const struct store_update *update)
{
    struct list *list = arg;
    append(list, update->participant.text);
    list->update = *update;
    list->update.bytes = view_of(NULL, 0); /* was lent */
    (void)snprintf(list->bytes, sizeof list->bytes, "%.*s", (int)update->bytes.size,
                   (const char *)update->bytes.data);
    return ST_OK;
}

static bool see_said(void *arg, const struct store_said *said)
{
    struct list *list = arg;
    char text[128];
    (void)snprintf(text, sizeof text, "%llu:%s=%.*s%s", (unsigned long long)said->number,
                   said->topic, (int)said->payload.size, (const char *)said->payload.data,
                   said->retain ? ",retained" : "");
    append(list, text);
    return true;
}

static struct list rounds(const char *expected)
{
    struct list list = {.text = ""};
    assert_int_equal(store_each_round(store, see_round, &list), ST_OK);
    assert_string_equal(list.text, expected);
    return list;
}

static struct list updates(const char *round_name, const char *expected)
{
    struct list list = {.text = ""};
    struct id round = id(round_name);
    assert_int_equal(store_each_update(store, &round, see_update, &list), ST_OK);
    assert_string_equal(list.text, expected);
    return list;
}

static void said(uint64_t after, const char *expected)
{
    struct list list = {.text = ""};
    assert_int_equal(store_each_said(store, after, see_said, &list), ST_OK);
    assert_string_equal(list.text, expected);
}

/* ---- durability ---- */

static void what_was_committed_comes_back(void **state)
{
    (void)state;
    struct id round = id("a");
    struct digest base = digest("base"), version = digest("version");
    struct model_ref ref = {id("m"), 42};
    add_round("a");
    assert_int_equal(store_set_base(store, &round, &base, 1500), ST_OK);
    assert_int_equal(add_update("a", "p", "1"), ST_OK);
    assert_int_equal(store_count_rejected(store, &round, VERDICT_LATE), ST_OK);
    assert_int_equal(store_count_rejected(store, &round, VERDICT_LATE), ST_OK);
    assert_int_equal(store_set_version(store, &round, &ref, &version), ST_OK);
    assert_true(store_changed(store));
    commit();
    reopen();

    struct list list = rounds("a");
    const struct store_round *r = &list.last;
    assert_int_equal(r->opened_ms, 1000);
    assert_true(r->has_base && digest_equal(&r->base, &base));
    assert_int_equal(r->base_ms, 1500);
    assert_true(r->has_version && digest_equal(&r->version_digest, &version));
    assert_string_equal(r->version.name.text, "m");
    assert_int_equal(r->version.version, 42);
    uint64_t rejected[VERDICT_COUNT] = {[VERDICT_LATE] = 2};
    assert_memory_equal(r->rejected, rejected, sizeof rejected);

    list = updates("a", "p");
    struct digest one = digest("1");
    assert_true(digest_equal(&list.update.digest, &one));
    assert_true(digest_equal(&list.update.kept, &one));
    assert_int_equal(list.update.size, 99);
    assert_int_equal(list.update.place.segment, 3);
    assert_int_equal(list.update.place.offset, 1234);
    assert_int_equal(list.update.place.size, 1);
    assert_string_equal(list.bytes, ""); /* only older programs kept them here */
    assert_int_equal(list.update.num_samples, 7);
    assert_int_equal(list.update.received_ms, 2000);
}

static void a_new_round_has_neither_base_nor_version(void **state)
{
    (void)state;
    add_round("a");
    struct list list = rounds("a");
    assert_false(list.last.has_base || list.last.has_version);
    updates("a", "");
}

static void what_was_not_committed_is_not_there(void **state)
{
    (void)state;
    add_round("a");
    commit();
    add_round("b");
    assert_int_equal(add_update("a", "p", "1"), ST_OK);
    reopen(); /* as after a kill */
    (void)rounds("a");
    (void)updates("a", "");
}

static void a_rollback_undoes_and_leaves_a_working_store(void **state)
{
    (void)state;
    add_round("a");
    store_rollback(store);
    assert_false(store_changed(store));
    (void)rounds("");
    add_round("b");
    commit();
    (void)rounds("b");
    commit(); /* nothing to do */
    store_rollback(store);
    (void)rounds("b");
}

static void the_largest_times_survive(void **state)
{
    (void)state;
    const struct store_clock clock = {
        .boot = "b-1", .shift_ms = UINT64_MAX - 3, .last_ms = (uint64_t)1 << 62};
    struct store_clock found;
    assert_int_equal(store_clock(store, &found), ST_NOT_FOUND);
    assert_int_equal(store_set_clock(store, &clock), ST_OK);
    assert_int_equal(store_set_clock(store, &clock), ST_OK);
    commit();
    reopen();
    assert_int_equal(store_clock(store, &found), ST_OK);
    assert_string_equal(found.boot, "b-1");
    assert_true(found.shift_ms == clock.shift_ms && found.last_ms == clock.last_ms);
}

/* ---- exactly once ---- */

static void one_update_of_a_participant_counts(void **state)
{
    (void)state;
    add_round("a");
    add_round("b");
    assert_int_equal(add_update("a", "q", "1"), ST_OK);
    assert_int_equal(add_update("a", "q", "1"), ST_EXISTS);
    assert_int_equal(add_update("a", "q", "2"), ST_EXISTS);
    assert_int_equal(add_update("a", "p", "2"), ST_OK); /* the transaction goes on */
    assert_int_equal(add_update("b", "q", "1"), ST_OK);
    commit();
    assert_int_equal(add_update("a", "q", "3"), ST_EXISTS); /* nor in a later one */
    commit();
    reopen();
    (void)updates("a", "q p"); /* in the order of adding */
    (void)updates("b", "q");
    (void)updates("c", "");
}

static void a_round_is_there_once(void **state)
{
    (void)state;
    struct id round = id("a");
    add_round("a");
    assert_int_equal(store_add_round(store, &round, view_text("other"), 1), ST_EXISTS);
    commit();
    (void)rounds("a");
}

static void an_ended_round_takes_nothing(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "unknown"};
    struct digest d = digest("d");
    struct model_ref ref = {id("m"), 1};
    add_round("a");
    assert_int_equal(add_update("a", "p", "1"), ST_OK);
    end_round("a");
    for (size_t i = 0; i < 2; i++) {
        struct id round = id(names[i]);
        assert_int_equal(store_set_base(store, &round, &d, 1), ST_NOT_FOUND);
        assert_int_equal(add_update(names[i], "q", "1"), ST_NOT_FOUND);
        assert_int_equal(store_count_rejected(store, &round, VERDICT_LATE), ST_NOT_FOUND);
        assert_int_equal(store_set_version(store, &round, &ref, &d), ST_NOT_FOUND);
        assert_int_equal(store_end_round(store, &round, "{}"), ST_NOT_FOUND);
    }
    commit();
    struct list list = rounds("a ended");
    assert_false(list.last.has_base || list.last.has_version);
    list = updates("a", "p");
    assert_string_equal(list.bytes, ""); /* nobody needs them any more */
}

static void a_round_has_one_version(void **state)
{
    (void)state;
    struct id round = id("a");
    struct digest one = digest("1"), two = digest("2");
    struct model_ref first = {id("m"), 1}, second = {id("m"), 2};
    add_round("a");
    assert_int_equal(store_set_version(store, &round, &first, &one), ST_OK);
    assert_int_equal(store_set_version(store, &round, &second, &two), ST_OK);
    commit();
    struct list list = rounds("a");
    assert_int_equal(list.last.version.version, 2);
    assert_true(digest_equal(&list.last.version_digest, &two));
}

/* ---- order and forgetting ---- */

static void rounds_come_in_the_order_of_their_ends_and_starts(void **state)
{
    (void)state;
    add_round("a");
    add_round("b");
    add_round("c");
    add_round("d");
    end_round("d");
    end_round("b");
    commit();
    (void)rounds("d ended b ended a c");
}

static void only_the_oldest_ended_are_forgotten(void **state)
{
    (void)state;
    add_round("a");
    add_round("b");
    add_round("c");
    assert_int_equal(add_update("a", "p", "1"), ST_OK);
    assert_int_equal(add_update("b", "p", "1"), ST_OK);
    end_round("a");
    assert_int_equal(store_forget_rounds(store, 1, NULL, 0), ST_OK);
    (void)rounds("a ended b c");
    end_round("b");
    assert_int_equal(store_forget_rounds(store, 1, NULL, 0), ST_OK);
    commit();
    (void)rounds("b ended c");
    (void)updates("a", "");
    (void)updates("b", "p");
    add_round("a"); /* its name is free */
    (void)updates("a", "");
}

static void spared_ones_are_not_forgotten(void **state)
{
    (void)state;
    const struct id spared[] = {{"a"}, {"c-1"}, {"unknown"}};
    static const char *const names[] = {"a", "a-1", "c", "c-1", "d"};
    for (size_t i = 0; i < 5; i++) {
        add_round(names[i]);
        end_round(names[i]);
    }
    assert_int_equal(store_forget_rounds(store, 1, spared, 3), ST_OK);
    commit();
    (void)rounds("a ended c-1 ended d ended");
    assert_int_equal(store_forget_rounds(store, 1, spared, 1), ST_OK);
    commit();
    (void)rounds("a ended d ended");
}

static enum status stop(void *arg, const struct store_round *round)
{
    (void)round;
    (*(int *)arg)++;
    return ST_LIMIT;
}

static void a_visit_can_stop(void **state)
{
    (void)state;
    int count = 0;
    add_round("a");
    add_round("b");
    assert_int_equal(store_each_round(store, stop, &count), ST_LIMIT);
    assert_int_equal(count, 1);
}

/* ---- experiments ---- */

static void add_experiment(const char *name)
{
    struct id x = id(name);
    assert_int_equal(store_add_experiment(store, &x, "{\"start\":1}", "{\"memory\":1}"), ST_OK);
}

static enum status see_experiment(void *arg, const struct store_experiment *x)
{
    char text[128];
    (void)snprintf(text, sizeof text, "%s:%.*s%.*s", x->experiment.text, (int)x->memory.size,
                   (const char *)x->memory.data, (int)x->state.size, (const char *)x->state.data);
    append(arg, text);
    assert_true(view_equal(x->start, view_text("{\"start\":1}")));
    return ST_OK;
}

static void experiments(const char *expected)
{
    struct list list = {.text = ""};
    assert_int_equal(store_each_experiment(store, see_experiment, &list), ST_OK);
    assert_string_equal(list.text, expected);
}

static enum status see_row(void *arg, struct view row)
{
    char text[64];
    (void)snprintf(text, sizeof text, "%.*s", (int)row.size, (const char *)row.data);
    append(arg, text);
    return ST_OK;
}

static void rows(const char *experiment, uint32_t after, size_t count, const char *expected)
{
    struct list list = {.text = ""};
    struct id x = id(experiment);
    assert_int_equal(store_each_row(store, &x, after, count, see_row, &list), ST_OK);
    assert_string_equal(list.text, expected);
}

static void an_experiment_remembers_the_last_it_was_given(void **state)
{
    (void)state;
    struct id x = id("x");
    add_experiment("x");
    commit();
    assert_int_equal(store_set_memory(store, &x, "{\"memory\":2}"), ST_OK);
    experiments("x:{\"memory\":2}");
    reopen(); /* as after a kill */
    experiments("x:{\"memory\":1}");
    assert_int_equal(store_set_memory(store, &x, "{\"memory\":3}"), ST_OK);
    commit();
    reopen();
    experiments("x:{\"memory\":3}");
}

static void one_experiment_and_one_row_of_a_round(void **state)
{
    (void)state;
    struct id x = id("x"), y = id("y");
    add_experiment("x");
    add_experiment("y");
    assert_int_equal(store_add_experiment(store, &x, "{}", "{}"), ST_EXISTS);
    assert_int_equal(store_add_row(store, &x, 2, "two"), ST_OK);
    assert_int_equal(store_add_row(store, &x, 2, "other"), ST_EXISTS);
    assert_int_equal(store_add_row(store, &x, 1, "one"), ST_OK);
    assert_int_equal(store_add_row(store, &x, 3, "three"), ST_OK);
    assert_int_equal(store_add_row(store, &y, 2, "y's"), ST_OK);
    commit();
    reopen();
    experiments("x:{\"memory\":1} y:{\"memory\":1}");
    rows("x", 0, 100, "one two three");
    rows("x", 1, 100, "two three");
    rows("x", 0, 2, "one two");
    rows("x", 3, 100, "");
    rows("y", 0, 100, "y's");
    rows("z", 0, 100, "");
}

static void an_experiment_that_ended_changes_no_more(void **state)
{
    (void)state;
    struct id x = id("x"), z = id("z");
    add_experiment("x");
    add_experiment("y");
    assert_int_equal(store_add_row(store, &x, 1, "one"), ST_OK);
    assert_int_equal(store_end_experiment(store, &x, "{\"state\":1}"), ST_OK);
    assert_int_equal(store_end_experiment(store, &x, "{\"state\":2}"), ST_NOT_FOUND);
    assert_int_equal(store_set_memory(store, &x, "{}"), ST_NOT_FOUND);
    assert_int_equal(store_add_row(store, &x, 2, "two"), ST_NOT_FOUND);
    assert_int_equal(store_set_memory(store, &z, "{}"), ST_NOT_FOUND);
    commit();
    reopen();
    experiments("x:{\"memory\":1}{\"state\":1} y:{\"memory\":1}"); /* ended ones first */
    rows("x", 0, 100, "one");
}

static void the_first_to_end_is_forgotten_first_with_its_rows(void **state)
{
    (void)state;
    static const char *const order[] = {"b", "c", "a"};
    struct id forgotten = id("nobody");
    add_experiment("a");
    add_experiment("b");
    add_experiment("c");
    add_experiment("open");
    for (size_t i = 0; i < 3; i++) {
        struct id x = id(order[i]);
        assert_int_equal(store_add_row(store, &x, 1, order[i]), ST_OK);
        assert_int_equal(store_end_experiment(store, &x, "{}"), ST_OK);
    }
    assert_int_equal(store_forget_experiment(store, 3, &forgotten), ST_NOT_FOUND);
    assert_string_equal(forgotten.text, "nobody");
    assert_int_equal(store_forget_experiment(store, 1, &forgotten), ST_OK);
    assert_string_equal(forgotten.text, "b");
    assert_int_equal(store_forget_experiment(store, 1, &forgotten), ST_OK);
    assert_string_equal(forgotten.text, "c");
    assert_int_equal(store_forget_experiment(store, 1, &forgotten), ST_NOT_FOUND);
    commit();
    reopen();
    experiments("a:{\"memory\":1}{} open:{\"memory\":1}");
    rows("a", 0, 100, "a");
    rows("b", 0, 100, "");
}

/* ---- what is to be said ---- */

static void early(const char *round_name, const char *expected)
{
    struct list list = {.text = ""};
    struct id round = id(round_name);
    assert_int_equal(store_each_early(store, &round, see_update, &list), ST_OK);
    assert_string_equal(list.text, expected);
}

static void updates_wait_for_their_base_once(void **state)
{
    (void)state;
    struct id a = id("a"), none = id("none");
    struct store_update update = {
        .participant = id("p1"), .digest = digest("x"), .bytes = view_text("x")};
    add_round("a");
    add_round("b");
    assert_int_equal(store_add_early(store, &a, &update), ST_OK);
    assert_int_equal(store_add_early(store, &a, &update), ST_EXISTS);
    assert_int_equal(store_add_early(store, &none, &update), ST_NOT_FOUND);
    update.participant = id("p2");
    update.bytes = view_of(NULL, 0);
    assert_int_equal(store_add_early(store, &a, &update), ST_OK);
    commit();
    reopen();
    early("a", "p1 p2");
    early("b", "");
    (void)updates("a", ""); /* they do not count */
    assert_int_equal(store_drop_early(store, &a), ST_OK);
    store_rollback(store);
    early("a", "p1 p2");
    assert_int_equal(store_drop_early(store, &a), ST_OK);
    commit();
    reopen();
    early("a", "");
}

static void what_is_said_has_numbers_that_only_grow(void **state)
{
    (void)state;
    assert_int_equal(store_say(store, "t/1", view_text("one"), false), ST_OK);
    assert_int_equal(store_say(store, "t/2", view_text(""), true), ST_OK);
    commit();
    said(0, "1:t/1=one 2:t/2=,retained");
    said(1, "2:t/2=,retained");
    assert_int_equal(store_forget_said(store, 1), ST_OK);
    commit();
    reopen();
    said(0, "2:t/2=,retained");
    assert_int_equal(store_forget_said(store, 9), ST_OK);
    assert_int_equal(store_say(store, "t/3", view_text("three"), false), ST_OK);
    commit();
    reopen();
    said(0, "3:t/3=three");
    said(3, "");
}

/* ---- what is wrong with it ---- */

static void expect_refused(enum status expected, const char *sentence)
{
    struct why why = {0};
    struct store *other = NULL;
    enum status status = store_open(path, &other, &why);
    assert_null(other);
    assert_int_equal(status, expected);
    if (strstr(why.text, sentence) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", why.text, sentence);
}

static void one_process_has_it(void **state)
{
    (void)state;
    expect_refused(ST_EXISTS, "another process");
    add_round("a"); /* and goes on */
    commit();
    (void)rounds("a");
}

static void a_folder_that_is_not_there_is_said(void **state)
{
    (void)state;
    (void)snprintf(path, sizeof path, "%s/none/coordinator.db", folder);
    expect_refused(ST_IO, "unable to open");
}

static void something_else_is_not_touched(void **state)
{
    (void)state;
    struct bytes before = {0};
    store = store_close(store);
    char text[8192];
    memset(text, 'x', sizeof text);
    assert_int_equal(file_write(path, view_of(text, sizeof text)), ST_OK);
    expect_refused(ST_CORRUPT, "not a database");
    assert_int_equal(file_read(path, sizeof text, &before), ST_OK);
    assert_true(view_equal(bytes_view(&before), view_of(text, sizeof text)));
    bytes_done(&before);
}

static void sql(const char *text)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* The schema's version, as the file has it. */
static int version(void)
{
    sqlite3 *db;
    sqlite3_stmt *q;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &q, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(q), SQLITE_ROW);
    int found = sqlite3_column_int(q, 0);
    assert_int_equal(sqlite3_finalize(q), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return found;
}

static void a_newer_database_is_left_alone(void **state)
{
    (void)state;
    char back[64];
    add_round("a");
    commit();
    store = store_close(store);
    (void)snprintf(back, sizeof back, "PRAGMA user_version=%d", version());
    sql("PRAGMA user_version=1000");
    expect_refused(ST_INVALID, "newer program");
    sql(back);
    reopen();
    (void)rounds("a");
}

/* ---- older versions: folders that programs of theirs left ---- */

#define OLDEST "src/coordinator/testdata/version-1/coordinator.db"

static void put_oldest(void)
{
    struct bytes bytes = {0};
    store = store_close(store);
    assert_int_equal(file_read(OLDEST, (size_t)1 << 20, &bytes), ST_OK);
    assert_int_equal(file_write(path, bytes_view(&bytes)), ST_OK);
    bytes_done(&bytes);
    assert_int_equal(version(), 1);
}

static enum status see_any_round(void *arg, const struct store_round *round)
{
    append(arg, round->round.text);
    if (round->complete.size > 0)
        append(arg, "ended");
    return ST_OK;
}

static void the_first_version_is_brought_up_to_date(void **state)
{
    (void)state;
    store = store_close(store);
    int newest = version();
    put_oldest();
    reopen();
    store = store_close(store);
    assert_int_equal(version(), newest);
    reopen();
    struct list list = {.text = ""};
    assert_int_equal(store_each_round(store, see_any_round, &list), ST_OK);
    assert_string_equal(list.text, "r-done ended r-short ended r-open");
    assert_int_equal(updates("r-done", "proplet-1 proplet-2 proplet-3").update.num_samples, 4);
    assert_int_equal(updates("r-open", "proplet-1 proplet-2").update.num_samples, 3);
    list = (struct list){.text = ""};
    assert_int_equal(store_each_said(store, 0, see_said, &list), ST_OK);
    assert_non_null(strstr(list.text, "8:fl/rounds/r-short/complete={"));
    assert_null(strstr(list.text, "retained"));
    struct store_clock clock;
    assert_int_equal(store_clock(store, &clock), ST_OK);
    assert_int_equal(clock.last_ms, 12455318);
    /* What is new has its place. */
    assert_int_equal(store_say(store, "t", view_text("x"), true), ST_OK);
    commit();
    reopen();
    said(8, "9:t=x,retained");
}

/* The step to the next version is one transaction: it fails as a whole. */
static void a_step_that_fails_leaves_the_older_version(void **state)
{
    (void)state;
    put_oldest();
    sql("ALTER TABLE outbox ADD COLUMN retain INTEGER"); /* not by us: the step hits on it */
    struct bytes before = {0}, after = {0};
    assert_int_equal(file_read(path, (size_t)1 << 20, &before), ST_OK);
    expect_refused(ST_IO, "duplicate column");
    assert_int_equal(version(), 1);
    assert_int_equal(file_read(path, (size_t)1 << 20, &after), ST_OK);
    assert_true(view_equal(bytes_view(&before), bytes_view(&after)));
    bytes_done(&before);
    bytes_done(&after);
}

static void another_programs_database_is_refused(void **state)
{
    (void)state;
    store = store_close(store);
    sql("PRAGMA application_id=77");
    expect_refused(ST_CORRUPT, "another program");
}

static void a_damaged_page_is_found(void **state)
{
    (void)state;
    struct bytes bytes = {0};
    for (int i = 0; i < 200; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "round-%d", i);
        add_round(name);
    }
    commit();
    store = store_close(store);
    assert_int_equal(file_read(path, (size_t)1 << 24, &bytes), ST_OK);
    assert_true(bytes.size > 3 * 4096);
    bytes.data[2 * 4096 - 1] ^= 0xff;
    memset(bytes.data + 4096, 0xee, 16); /* the head of a page */
    assert_int_equal(file_write(path, bytes_view(&bytes)), ST_OK);
    bytes_done(&bytes);
    expect_refused(ST_CORRUPT, "damaged");
}

static void a_row_that_cannot_be_ours_is_corrupt(void **state)
{
    (void)state;
    struct list list = {.text = ""};
    struct id round = id("a");
    add_round("a");
    assert_int_equal(add_update("a", "p", "1"), ST_OK);
    commit();
    store = store_close(store);
    sql("UPDATE updates SET digest = x'00'");
    reopen();
    assert_int_equal(store_each_update(store, &round, see_update, &list), ST_CORRUPT);
    store = store_close(store);
    sql("UPDATE rounds SET round = '../etc'");
    reopen();
    assert_int_equal(store_each_round(store, see_round, &list), ST_CORRUPT);
    assert_string_equal(list.text, "");
}

/* A disk that takes nothing more: no file may grow beyond `size`. */
static void limit_files(rlim_t size)
{
    struct rlimit limit;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = size;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_disk_that_refuses_loses_nothing_and_counts_nothing(void **state)
{
    (void)state;
    add_round("a");
    assert_int_equal(add_update("a", "p", "1"), ST_OK);
    commit();
    limit_files(1);
    assert_int_equal(add_update("a", "q", "1"), ST_OK);
    assert_int_equal(store_commit(store), ST_IO);
    assert_true(store_changed(store));
    assert_int_equal(add_update("a", "r", "1"), ST_IO); /* no half of a transaction */
    assert_int_equal(store_commit(store), ST_IO);
    store_rollback(store);
    (void)updates("a", "p");
    assert_int_equal(add_update("a", "r", "1"), ST_OK);
    assert_int_equal(store_commit(store), ST_IO);
    store_rollback(store);
    limit_files(RLIM_INFINITY);

    assert_int_equal(add_update("a", "s", "1"), ST_OK);
    commit();
    (void)updates("a", "p s");
    reopen();
    (void)updates("a", "p s");
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(what_was_committed_comes_back),
        CASE(a_new_round_has_neither_base_nor_version),
        CASE(what_was_not_committed_is_not_there),
        CASE(a_rollback_undoes_and_leaves_a_working_store),
        CASE(the_largest_times_survive),
        CASE(one_update_of_a_participant_counts),
        CASE(a_round_is_there_once),
        CASE(an_ended_round_takes_nothing),
        CASE(a_round_has_one_version),
        CASE(rounds_come_in_the_order_of_their_ends_and_starts),
        CASE(only_the_oldest_ended_are_forgotten),
        CASE(spared_ones_are_not_forgotten),
        CASE(a_visit_can_stop),
        CASE(an_experiment_remembers_the_last_it_was_given),
        CASE(one_experiment_and_one_row_of_a_round),
        CASE(an_experiment_that_ended_changes_no_more),
        CASE(the_first_to_end_is_forgotten_first_with_its_rows),
        CASE(updates_wait_for_their_base_once),
        CASE(what_is_said_has_numbers_that_only_grow),
        CASE(one_process_has_it),
        CASE(a_folder_that_is_not_there_is_said),
        CASE(something_else_is_not_touched),
        CASE(a_newer_database_is_left_alone),
        CASE(the_first_version_is_brought_up_to_date),
        CASE(a_step_that_fails_leaves_the_older_version),
        CASE(another_programs_database_is_refused),
        CASE(a_damaged_page_is_found),
        CASE(a_row_that_cannot_be_ours_is_corrupt),
        CASE(a_disk_that_refuses_loses_nothing_and_counts_nothing),
    };
    return cmocka_run_group_tests_name("coordinator/store_sqlite", tests, NULL, NULL);
}
