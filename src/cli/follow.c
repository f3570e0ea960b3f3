#include "cli/follow.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "cli/refusal.h"
#include "cli/roster.h"
#include "cli/task_event.h"
#include "io/clock.h"

#define SLICE_MS      500u
#define START_WAIT_MS 10000u /* for the coordinator to take or refuse a start */
#define EARS          6

/* What is listened to, so that both ends of it are one list. */
struct ear {
    char filter[TOPIC_SIZE_MAX];
    session_message_fn *fn;
};

struct follow {
    struct session *session;
    struct follow_watch watch;
    struct track track;
    struct ear ears[EARS];
    size_t heard; /* of ears */
    bool news;    /* something came: look at it */
    bool waits;   /* for the coordinator's word on a start */
    bool refused;
    struct refusal refusal;
    bool shows; /* rows and progress are given out: inside follow_wait() */
    bool quiet; /* on_quiet() was called */
    uint64_t connections, word_ms, round_ms;
};

static void note_word(struct follow *f)
{
    f->word_ms = clock_now_ms();
    f->news = true;
    f->quiet = false;
}

/* ---- what comes ---- */

static void show_progress(struct follow *f)
{
    if (f->shows && f->watch.on_progress != NULL && f->track.now.round_id.text[0] != '\0')
        f->watch.on_progress(f->watch.owner, &f->track.now,
                             (double)(clock_now_ms() - f->round_ms) / 1000);
}

static void take_row(void *owner, const struct experiment_row *row)
{
    struct follow *f = owner;
    if (track_row(&f->track, row) && f->watch.on_row != NULL)
        f->watch.on_row(f->watch.owner, row);
}

/* Rows that come while nobody shows them are asked for later. */
static void on_row(void *owner, const struct mqtt_message *m)
{
    struct follow *f = owner;
    struct experiment_row row;
    if (!f->shows || experiment_row_decode(m->payload, &row, NULL) != ST_OK)
        return;
    take_row(f, &row);
    note_word(f);
}

static void on_state(void *owner, const struct mqtt_message *m)
{
    struct follow *f = owner;
    struct experiment_state state;
    if (experiment_state_decode(m->payload, &state, NULL) != ST_OK)
        return;
    track_state(&f->track, &state);
    note_word(f);
}

static void on_refused(void *owner, const struct mqtt_message *m)
{
    struct follow *f = owner;
    if (!f->waits || f->refused ||
        !refusal_read(m->payload, "experiment_id", &f->track.experiment_id, &f->refusal))
        return;
    f->refused = true;
    note_word(f);
}

static void on_round(void *owner, const struct mqtt_message *m)
{
    struct follow *f = owner;
    struct round_start start;
    struct id id = {0};
    if (round_start_decode(m->payload, &start, &id, NULL) != ST_OK)
        return;
    if (track_start(&f->track, &start.round_id, start.participant_count)) {
        f->round_ms = clock_now_ms();
        note_word(f);
        show_progress(f);
    }
    round_start_done(&start);
}

static void on_receipt(void *owner, const struct mqtt_message *m)
{
    struct follow *f = owner;
    struct receipt r;
    if (receipt_decode(m->payload, &r, NULL) == ST_OK && r.verdict == VERDICT_ACCEPTED &&
        track_accepted(&f->track, &r.round_id))
        show_progress(f);
}

static void on_task(void *owner, const struct mqtt_message *m)
{
    struct follow *f = owner;
    struct task_event e;
    if (task_event_decode(m->payload, &e, NULL) == ST_OK && strcmp(e.state, "failed") == 0 &&
        track_failed(&f->track, &e.launch_id))
        show_progress(f);
}

static void make_ears(struct follow *f)
{
    struct topic tasks;
    topic_make(session_space(f->session), &tasks, "control", "manager", "tasks", NULL);
    char rows[FL_TOPIC_SIZE], state[FL_TOPIC_SIZE];
    fl_topic_experiment_rows(&f->track.experiment_id, rows);
    fl_topic_experiment_state(&f->track.experiment_id, state);
    const struct {
        const char *filter;
        session_message_fn *fn;
    } ears[EARS] = {
        {rows, on_row},
        {state, on_state},
        {FL_EXPERIMENT_REFUSED, on_refused},
        {FL_ROUND_START, on_round},
        {"fl/rounds/+/receipts/+", on_receipt},
        {tasks.text, on_task},
    };
    for (size_t i = 0; i < EARS; i++) {
        (void)snprintf(f->ears[i].filter, sizeof f->ears[i].filter, "%s", ears[i].filter);
        f->ears[i].fn = ears[i].fn;
    }
}

enum status follow_open(struct session *s, const struct id *experiment,
                        const struct follow_watch *watch, struct follow **ret, struct why *why)
{
    assert(s != NULL && experiment != NULL && ret != NULL);
    struct follow *f = calloc(1, sizeof *f);
    if (f == NULL) {
        why_set(why, "no memory");
        return ST_NOMEM;
    }
    f->session = s;
    f->track.experiment_id = *experiment;
    f->track.behind = true;
    f->word_ms = clock_now_ms();
    if (watch != NULL)
        f->watch = *watch;
    make_ears(f);
    enum status status = ST_OK;
    while (status == ST_OK && f->heard < EARS) {
        status = session_listen(s, f->ears[f->heard].filter, f->ears[f->heard].fn, f);
        if (status == ST_OK)
            f->heard++;
        else
            why_set(why, "cannot listen to %.100s: %s", f->ears[f->heard].filter,
                    status_name(status));
    }
    if (status != ST_OK) {
        (void)follow_close(f);
        return status;
    }
    *ret = f;
    return ST_OK;
}

struct follow *follow_close(struct follow *f)
{
    if (f == NULL)
        return NULL;
    while (f->heard > 0) {
        f->heard--;
        session_ignore(f->session, f->ears[f->heard].filter, f);
    }
    free(f);
    return NULL;
}

/* ---- waiting ---- */

/* Until something comes, at most limit_ms. fails: ST_TIMEOUT; ST_CLOSED, with a sentence */
static enum status wait_for_news(struct follow *f, uint64_t limit_ms, struct why *why)
{
    f->news = false;
    enum status status = session_wait(f->session, &f->news, limit_ms);
    if (status == ST_CLOSED)
        why_set(why, "%s", run_stopped(session_run(f->session)));
    return status;
}

static enum status ask_state(struct follow *f, struct why *why)
{
    json_t *answer = NULL;
    struct experiment_state state;
    enum status status = experiments_ask(f->session, &answer, why);
    if (status == ST_OK) {
        note_word(f);
        status = experiments_find(answer, &f->track.experiment_id, &state, why);
    }
    if (status == ST_OK)
        track_state(&f->track, &state);
    json_decref(answer);
    return status;
}

/* The state first: what it says of an end, the rows that are asked for then reach. */
static enum status catch_up(struct follow *f, struct why *why)
{
    uint64_t connections = session_connections(f->session);
    enum status status = ask_state(f, why);
    if (status != ST_OK)
        return status;
    f->track.behind = false;
    status =
        experiments_ask_rows(f->session, &f->track.experiment_id, f->track.shown, take_row, f, why);
    if (status == ST_OK)
        f->connections = connections;
    else
        f->track.behind = true;
    return status;
}

static bool must_catch_up(const struct follow *f)
{
    return session_connected(f->session) &&
           (f->track.behind || session_connections(f->session) != f->connections ||
            clock_now_ms() - f->word_ms > FOLLOW_QUIET_MS);
}

/* No answer is no end: a coordinator that is started again goes on. */
static enum status bear_silence(struct follow *f, struct why *why)
{
    const char *who = session_connected(f->session) ? "fml-coordinator" : "the broker";
    if (clock_now_ms() - f->word_ms > FOLLOW_SILENCE_MS) {
        why_set(why, "nothing was heard of experiment %s for %u s; is %s running?",
                f->track.experiment_id.text, FOLLOW_SILENCE_MS / 1000, who);
        return ST_TIMEOUT;
    }
    if (!f->quiet && f->watch.on_quiet != NULL)
        f->watch.on_quiet(f->watch.owner, who);
    f->quiet = true;
    return ST_OK;
}

static enum status follow_once(struct follow *f, struct why *why)
{
    if (must_catch_up(f)) {
        enum status status = catch_up(f, why);
        return status == ST_TIMEOUT ? bear_silence(f, why) : status;
    }
    enum status status = wait_for_news(f, SLICE_MS, why);
    if (status == ST_TIMEOUT)
        status = session_connected(f->session) ? ST_OK : bear_silence(f, why);
    show_progress(f);
    return status;
}

enum status follow_wait(struct follow *f, struct experiment_state *ret, struct why *why)
{
    enum status status = ST_OK;
    f->shows = true;
    while (status == ST_OK && (!track_ended(&f->track) || f->track.behind))
        status = follow_once(f, why);
    f->shows = false;
    f->track.behind = f->track.behind || status != ST_OK;
    if (status == ST_OK)
        *ret = f->track.state;
    return status;
}

/* ---- start and cancel ---- */

static enum status refused(const struct follow *f, struct why *why)
{
    why_set(why, "the coordinator refused %s: %.150s (%s)", f->track.experiment_id.text,
            f->refusal.reason, f->refusal.code);
    return strcmp(f->refusal.code, "experiment_exists") == 0 ? ST_EXISTS : ST_INVALID;
}

/* The very same start again is ignored, so that there would be no word of it. */
static enum status id_is_new(struct follow *f, struct why *why)
{
    enum status status = ask_state(f, why);
    if (status == ST_NOT_FOUND && !f->track.known)
        return ST_OK;
    if (status != ST_OK && status != ST_NOT_FOUND)
        return status;
    why_set(why, "experiment %s exists already", f->track.experiment_id.text);
    return ST_EXISTS;
}

static enum status publish(struct follow *f, const struct experiment_start *start, struct why *why)
{
    char *text = experiment_start_encode(start);
    enum status status =
        text == NULL ? ST_NOMEM : session_publish_text(f->session, FL_EXPERIMENT_START, text);
    free(text);
    if (status != ST_OK)
        why_set(why, "cannot publish the start: %s", status_name(status));
    return status;
}

/* It is taken when its state is known, by itself or by an answer. */
static enum status wait_until_taken(struct follow *f, struct why *why)
{
    uint64_t start_ms = clock_now_ms();
    while (clock_now_ms() - start_ms < START_WAIT_MS) {
        enum status status = wait_for_news(f, SLICE_MS, why);
        if (status == ST_TIMEOUT && !f->refused)
            status = ask_state(f, why);
        if (f->refused)
            return refused(f, why);
        if (f->track.known)
            return ST_OK;
        if (status != ST_OK && status != ST_NOT_FOUND && status != ST_TIMEOUT)
            return status;
    }
    why_set(why, "the coordinator neither took nor refused %s", f->track.experiment_id.text);
    return ST_TIMEOUT;
}

enum status follow_start(struct follow *f, const struct experiment_start *start, struct why *why)
{
    assert(id_equal(&start->experiment_id, &f->track.experiment_id));
    enum status status = id_is_new(f, why);
    if (status == ST_OK)
        status = roster_find_image(f->session, start->image, why);
    if (status != ST_OK)
        return status;
    f->waits = true;
    f->refused = false;
    status = publish(f, start, why);
    if (status == ST_OK)
        status = wait_until_taken(f, why);
    f->waits = false;
    return status;
}

static enum status wait_until_ended(struct follow *f, struct why *why)
{
    uint64_t start_ms = clock_now_ms();
    while (!track_ended(&f->track)) {
        uint64_t waited_ms = clock_now_ms() - start_ms;
        if (waited_ms >= FOLLOW_CANCEL_MS) {
            why_set(why, "experiment %s has not ended yet", f->track.experiment_id.text);
            return ST_TIMEOUT;
        }
        if (wait_for_news(f, FOLLOW_CANCEL_MS - waited_ms, why) == ST_CLOSED)
            return ST_CLOSED;
    }
    return ST_OK;
}

enum status follow_cancel(struct follow *f, struct experiment_state *ret, struct why *why)
{
    enum status status = experiments_cancel(f->session, &f->track.experiment_id, why);
    if (status == ST_OK)
        status = wait_until_ended(f, why);
    if (status == ST_OK)
        *ret = f->track.state;
    return status;
}
