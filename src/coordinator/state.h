/* What the files of this folder share; nobody else includes it. */
#ifndef COORDINATOR_STATE_H
#define COORDINATOR_STATE_H

#include <jansson.h>

#include "coordinator/coordinator.h"
#include "coordinator/experiments.h"
#include "coordinator/held.h"
#include "coordinator/models.h"
#include "coordinator/rounds.h"
#include "coordinator/store.h"
#include "exchange/exchange.h"

struct coming; /* bytes that are on their way, in large.c */

/* What the manager was asked last: who is alive. */
struct roster_question {
    bool pending;
    uint64_t number; /* its correlation */
    uint64_t asked_ms;
};

struct coordinator {
    uint32_t magic;
    struct coordinator_settings settings;
    struct coordinator_out out;
    struct rounds *rounds;
    struct experiments *experiments;
    struct models *models;
    struct exchange *exchange;
    struct coming *coming;
    struct roster_question roster;
    size_t early_bytes; /* of all updates that wait for a base model */
    struct held_updates held;

    /* durable.c */
    struct store *store;
    enum status broken;   /* why what is under way must not be committed */
    bool closed;          /* nothing is taken until the folder can be written again */
    bool unflushed;       /* a message came since the last flush */
    bool undone;          /* such a message was not kept, and is not answered either */
    bool loaded;          /* rounds and experiments are what the store says */
    uint64_t retry_ms;    /* closed: when to try again */
    bool connected;       /* once, in this life */
    bool states_due;      /* the broker may have none of what was retained */
    uint64_t shift_ms;    /* own clock = machine's clock + shift, modulo 2^64 */
    uint64_t saved_ms;    /* when the clock was stored last */
    uint64_t said;        /* all messages up to this number were sent */
    uint64_t published;   /* by this process */
    uint64_t await_said;  /* these are forgotten once the broker ... */
    uint64_t await_taken; /* ... has taken so many; 0: nothing is awaited */
};

/* All times below are on the own clock, which neither jumps nor begins again. */

/* One for each message that can arrive. */
void on_round_start(struct coordinator *c, const struct mqtt_message *m, uint64_t now_ms);
void on_round_cancel(struct coordinator *c, const struct mqtt_message *m, uint64_t now_ms);
void on_update(struct coordinator *c, const struct mqtt_message *m, uint64_t now_ms);
void on_model(struct coordinator *c, const struct mqtt_message *m, uint64_t now_ms);
void on_verify(struct coordinator *c, const struct mqtt_message *m, uint64_t now_ms);
void on_query(struct coordinator *c, const struct mqtt_message *m, uint64_t now_ms);
void on_experiment_start(struct coordinator *c, const struct mqtt_message *m, uint64_t now_ms);
void on_experiment_cancel(struct coordinator *c, const struct mqtt_message *m, uint64_t now_ms);
void on_experiment_query(struct coordinator *c, const struct mqtt_message *m, uint64_t now_ms);
void on_roster(struct coordinator *c, const struct mqtt_message *m, uint64_t now_ms);

/* ---- on_roster.c ---- */

/* Asks the manager who is alive, unless it was asked just now; on_roster() is the answer. */
void ask_roster(struct coordinator *c, uint64_t now_ms);

/* ---- answer.c: answers to queries ---- */

/* To the Response Topic of m, which must have one. takes: object; NULL: no memory */
void answer(struct coordinator *c, const struct mqtt_message *m, json_t *object);

/* gives: what to answer, NULL: no memory. request: an object */
typedef json_t *query_answer_fn(struct coordinator *c, const json_t *request, uint64_t now_ms);

/* Answers m with what answer_to() says of it, or with what is wrong with it. */
void answer_query(struct coordinator *c, const struct mqtt_message *m, query_answer_fn *answer_to,
                  uint64_t now_ms);

/* {"error","reason"} */
json_t *query_error(enum status status, const struct why *why);

/* ---- drive.c: experiments ---- */

/* Carries out what an experiment wants, in order, and keeps what it remembers. It may
 * have ended then. */
void drive(struct coordinator *c, struct experiment_entry *e, struct experiment_actions *actions,
           uint64_t now_ms);

/* Events for those that are open. alive: (count,), borrowed */
void tell_roster(struct coordinator *c, const struct id *alive, size_t count, uint64_t now_ms);
void tell_round_ended(struct coordinator *c, const struct complete *complete, uint64_t now_ms);
void tell_time(struct coordinator *c, uint64_t now_ms);

/* Ends an open one. reason: a code */
void cancel_experiment(struct coordinator *c, struct experiment_entry *e, const char *reason,
                       uint64_t now_ms);

/* Says again what is retained of all, to a broker that may have lost it. */
void say_all_experiments(struct coordinator *c, uint64_t now_ms);

/* Restored ones go on; rounds were resumed before. */
void resume_experiments(struct coordinator *c, uint64_t now_ms);

/* ---- carry.c: asynchronous experiments ---- */

/* The newest training round of an open experiment that is known. NULL: none */
struct entry *newest_training(struct coordinator *c, const struct experiment_entry *x);

/* Rounds that must not be forgotten, however many have ended since: what the next round of
 * each open asynchronous experiment goes on with. Only experiments are looked at.
 * gives: how many */
#define SPARED_MAX (2 * EXPERIMENTS_KEPT_MAX)
size_t spared_rounds(const struct coordinator *c, struct id ret[SPARED_MAX]);

/* Whom the next training round of an asynchronous experiment goes on with: whoever was not
 * counted yet, is not too far behind, and can still send, or has sent and waits.
 * gives: *ret, to be ended with asynchronous_done(). fails: ST_NOMEM */
MUST_CHECK enum status carry_on(struct coordinator *c, const struct experiment_entry *x,
                                uint64_t now_ms, struct asynchronous *ret);

/* The round that judges an update of this one that names e: e itself, or a later round that
 * carries it. NULL: it is to be held until there is one */
struct entry *counting_round(struct coordinator *c, struct entry *e, const struct id *participant,
                             uint64_t now_ms);

/* A round has opened, or an experiment ended: they are taken, or held on. */
void release_held(struct coordinator *c, uint64_t now_ms);

/* Reads the bases of what a round is to carry: one that is not what it was would fail the
 * round, with what others had sent, as soon as an update to it counts. carry_on() leaves out
 * whoever trains from such a one from then on.
 * fails: ST_CORRUPT (one is missing or damaged), ST_NOMEM */
MUST_CHECK enum status check_bases(struct coordinator *c, const struct asynchronous *a);

/* Maps the bases of what e carries; one that cannot be read is logged, and the round fails if
 * an update to it counts. fails: ST_NOMEM */
MUST_CHECK enum status carry_bases(const struct coordinator *c, struct entry *e);

/* An asynchronous round is over for those whom it asked when no round goes on with them, and
 * its `complete` is said then: their tasks are stopped. newest: the last training round so
 * far, may be NULL; next: the one that follows, NULL: none, the experiment is over. */
void say_those_over(struct coordinator *c, const struct entry *newest, const struct entry *next);

/* ---- privacy.c: noise, and what it spends ---- */

/* Whether the account of this model has room for one more release like that.
 * fails: ST_LIMIT (spent), ST_INVALID, ST_NOMEM, with a sentence; as the store does */
MUST_CHECK enum status privacy_check(struct coordinator *c, const struct round_start *start,
                                     size_t param_count, struct why *why);

/* The round is OPEN: draws its noise, which is kept, and looks at the account again.
 * gives: NULL, or why the round must fail. fails: as the store does */
MUST_CHECK enum status privacy_begin(struct coordinator *c, struct entry *e,
                                     const char **ret_reason);

/* After a restart: the noise as it was. fails: ST_NOT_FOUND, ST_CORRUPT, ... */
MUST_CHECK enum status privacy_restore(const struct coordinator *c, struct entry *e);

/* Its version is about to be released: takes it from the account, in the same transaction.
 * gives: NULL, or why the round must fail. fails: as the store does */
MUST_CHECK enum status privacy_debit(struct coordinator *c, struct entry *e,
                                     const char **ret_reason);

/* {"accounts":[{"model","epsilon","delta","releases"}...]} of all models that spent anything, at
 * this delta. NULL: they cannot be read, or no memory */
json_t *privacy_accounts(const struct coordinator *c, double delta);

/* ---- secure.c: secure aggregation ---- */

/* Whether a round with this start can begin here. fails: ST_INVALID, with a sentence */
MUST_CHECK enum status secure_check(const struct coordinator *c, const struct round_start *start,
                                    struct why *why);

/* A masked round is OPEN: its devices may advertise. fails: ST_NOMEM */
MUST_CHECK enum status secure_begin(struct coordinator *c, struct entry *e, uint64_t now_ms);

/* What an update says that it is bound to. VERDICT_ACCEPTED: the round may judge it. */
enum verdict secure_judge(const struct entry *e, const struct id *sender, struct view bytes,
                          struct why *why);
/* It was counted. */
void secure_counted(struct entry *e, const struct id *sender);

/* Counting is over: the devices are asked what is left on the sum. */
void secure_unmask(struct coordinator *c, struct entry *e, uint64_t now_ms);

/* Time passed. */
void secure_tick(struct coordinator *c, struct entry *e, uint64_t now_ms);

/* Tells devices what is due; it is durable. */
void secure_tell(struct coordinator *c);

void on_secagg(struct coordinator *c, const struct mqtt_message *m, uint64_t now_ms);

/* After a restart: what was kept happens again. feed: gives the round its updates, at most
 * once, when they are due */
MUST_CHECK enum status secure_restore(struct coordinator *c, struct entry *e,
                                      enum status (*feed)(void *arg), void *arg,
                                      struct model **ret_model);

/* ---- actions.c: what rounds want done ---- */

/* Carries out all actions, in order. */
void carry_out(struct coordinator *c, struct entry *e, const struct round_actions *actions,
               uint64_t now_ms);

/* durable: it is what the store will say; else it is sent at once */
void send_receipt(struct coordinator *c, const struct receipt *receipt, bool durable);

/* Of a start that never became a round. Sets completed_at. */
void send_complete(struct coordinator *c, struct complete *complete);

/* What was stored as a round's end is said. */
void say_complete(struct coordinator *c, const struct complete *complete);

/* Once what is under way is durable; at once while nothing can be.
 * takes: text, from malloc; NULL: no memory */
void send_text(struct coordinator *c, const char *topic, char *text);

/* The same, retained: until another text takes its place, and "" clears it. Nothing
 * while nothing can be durable. */
void retain_text(struct coordinator *c, const char *topic, char *text);

/* At once, and counted among what the broker is to take. fails: as mqtt_publish() */
MUST_CHECK enum status publish_now(struct coordinator *c, const struct mqtt_message *m);

/* At once. Failures are logged; whoever waits for the message asks again. */
void send_message(struct coordinator *c, const struct mqtt_message *m);

/* ---- durable.c ---- */

/* Opens the store, sets the clock. now_ms: the machine's. Logs its failures. */
MUST_CHECK enum status open_store(struct coordinator *c, uint64_t now_ms);

/* Everything since the last flush is durable and said, or nothing of it happened. */
void flush(struct coordinator *c, uint64_t now_ms);

/* Whether nothing may change now: what comes is refused. */
bool is_closed(const struct coordinator *c);

/* Must be called with the status of each step that has to be durable. True: it is ST_OK. */
bool is_kept(struct coordinator *c, const char *what, enum status status);

/* Tries to open it again, when it is time. */
void try_again(struct coordinator *c, uint64_t now_ms);

/* Bytes of models and updates: durable before what refers to them. */
bool keep_bytes(struct coordinator *c, struct entry *e, struct view bytes);

/* ---- restore.c ---- */

/* Makes c->rounds and c->experiments what the store says; what was there is freed.
 * fails: ST_NOMEM, ST_CORRUPT, ST_IO, ST_FULL; both are then empty */
MUST_CHECK enum status restore(struct coordinator *c);

/* Feeds a new round, whose start is r's, all that was kept of it. If its updates end its
 * counting, e->model is the version that follows; if something cannot be read any more,
 * e->lost says so.
 * fails: ST_NOMEM, ST_CORRUPT, ST_LIMIT, ST_IO, ST_FULL */
MUST_CHECK enum status feed_round(struct coordinator *c, struct entry *e,
                                  const struct store_round *r);

/* Restored rounds and experiments go on; time passes for them when they are told so, as for all. */
void resume(struct coordinator *c, uint64_t now_ms);

/* ---- hands.c ---- */

/* Threads and memory for e's aggregation. e must stay where it is until it has ended. */
void lend_hands(const struct coordinator *c, struct entry *e);

/* ---- folders.c ---- */

/* The folder of a round's bytes. fails: ST_LIMIT (path too long) */
MUST_CHECK enum status round_folder(const struct coordinator *c, const struct id *round, char *ret,
                                    size_t size);

/* Whether the bytes that this ended round made its version from are still there. */
bool has_kept_updates(struct coordinator *c, const struct entry *e);

/* Removes the folders that nobody needs, and the updates in those of which only the base is. */
void sweep_folders(struct coordinator *c);

/* Lets go of the bytes of rounds that have ended since the last call. */
void close_ended_folders(struct coordinator *c);

/* ---- round_states.c: where rounds stand, retained ---- */

/* To be called whenever its round_state() has changed. */
void say_state(struct coordinator *c, const struct entry *e, uint64_t now_ms);

/* The same once e is among the ended rounds. */
void say_ended_state(struct coordinator *c, const struct entry *e, uint64_t now_ms);

/* Those of all open rounds and of the newest ended ones, as to a broker that has none. */
void say_all_states(struct coordinator *c, uint64_t now_ms);

/* ---- on_model.c ---- */

/* The round's base model, from the cache or from the broker. */
void want_base(struct coordinator *c, struct entry *e, uint64_t now_ms);

/* e is OPENING, and these are its base model's bytes. in_file: they are in the round's
 * folder already, under their digest. Without memory it goes on waiting, until its own
 * deadline. */
void use_base(struct coordinator *c, struct entry *e, struct view bytes, bool in_file,
              const struct digest *digest, uint64_t now_ms);

/* fails: as model_decode() and model_check_finite() */
MUST_CHECK enum status decode_base(struct view bytes, struct model **ret, enum model_form *ret_form,
                                   struct why *why);

/* ---- on_round_start.c ---- */

/* Known by its content, however that is spelled. fails: ST_NOMEM */
MUST_CHECK enum status digest_of_start(const struct round_start *start, struct digest *ret);

/* A new round, kept in the same transaction as all else that is under way. It does
 * nothing yet.
 * payload: the start as text. digest: digest_of_start()
 * gives: *ret
 * fails: ST_LIMIT (as many are open as may be), ST_EXISTS (kept, though not in memory
 *        any more), ST_NOMEM, ST_INVALID: nothing changed; ST_IO: is_closed() now, and
 *        flush() will undo all that is under way */
MUST_CHECK enum status open_round(struct coordinator *c, const struct round_start *start,
                                  struct view payload, const struct digest *digest, uint64_t now_ms,
                                  struct entry **ret);

/* It goes on with its base model. */
void begin_round(struct coordinator *c, struct entry *e, uint64_t now_ms);

/* Says that a start or a wish about a round is refused, on the topic of refusals. */
void send_refused(struct coordinator *c, const struct id *round_id, const char *code,
                  const char *reason);

/* ---- on_update.c ---- */

/* It goes to the round that counts it. e: the one that it was asked in; payload: bytes, or a
 * reference to them */
void take_update(struct coordinator *c, struct entry *e, const struct id *sender,
                 struct view payload, uint64_t now_ms);

/* The round judges it, and what follows is carried out. bytes: borrowed for the call */
void judge_update(struct coordinator *c, struct entry *e, const struct id *sender,
                  struct view bytes, uint64_t now_ms);

/* Judges the updates that came early; the round is not OPENING any more. */
void feed_early(struct coordinator *c, struct entry *e, uint64_t now_ms);

/* Keeps a copy in memory until then; of this sender none must be there.
 * False: there is no room */
MUST_CHECK bool hold_early(struct coordinator *c, struct entry *e, const struct id *sender,
                           struct view bytes);

/* ---- large.c: bytes beyond one message ---- */

/* A reference came where the bytes of a base model, or of an update, would be. */
void fetch_base(struct coordinator *c, struct entry *e, struct view payload);
void fetch_update(struct coordinator *c, struct entry *e, const struct id *sender,
                  struct view payload, uint64_t now_ms);

/* Whether all parts are here of the update of this one, which was asked in this round. */
bool has_come(const struct coordinator *c, const struct id *round, const struct id *sender);

/* Offers a round's new version until its end. gives: a reference to it, to be freed.
 * fails: ST_NOMEM, ST_LIMIT, ST_IO, ST_NOT_FOUND */
MUST_CHECK enum status offer_version(struct coordinator *c, const struct entry *e,
                                     char **ret_reference);

/* True if m was one of the exchange's. */
bool large_message(struct coordinator *c, const struct mqtt_message *m, uint64_t now_ms);
/* Parts are asked for and given, what is whole is used. */
void large_step(struct coordinator *c, uint64_t now_ms);
void large_forget(struct coordinator *c);

/* ---- version.c: numbers and bytes of new versions ---- */

/* The round's new version is to be published, under the same number each time. */
void publish_version(struct coordinator *c, struct entry *e, struct model *model, uint64_t now_ms);

/* The bytes of e->model as a version of this name. fails: ST_LIMIT, ST_NOMEM */
MUST_CHECK enum status encode_version(struct entry *e, const struct model_ref *ref,
                                      struct bytes *ret);

/* Publishes those that are due; they are durable. */
void send_versions(struct coordinator *c);

/* Somebody else's bytes have its number: takes the next one and publishes again. */
void take_next_number(struct coordinator *c, struct entry *e);

/* Writes it to models_dir, if there is one. */
void write_version(struct coordinator *c, const struct entry *e);

#endif
