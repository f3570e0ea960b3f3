/* What the coordinator says of experiments (PROTOCOL 2.8): their states and rows. */
#ifndef CLI_EXPERIMENTS_H
#define CLI_EXPERIMENTS_H

#include "cli/session.h"
#include "fl/experiment_report.h"
#include "fl/experiment_start.h"

/* A state, an experiment's own row. Borrowed for the call. */
typedef void experiment_state_fn(void *owner, const struct experiment_state *state);
typedef void experiment_row_fn(void *owner, const struct experiment_row *row);

/* ---- answers, pure ---- */

/* Calls fn for each state under key ("open", "ended"), in the order of the answer.
 * fails: ST_INVALID and as experiment_state_from_json(), with a sentence */
MUST_CHECK enum status experiments_each(const json_t *answer, const char *key,
                                        experiment_state_fn *fn, void *owner, struct why *why);

/* The state of this one, open or ended.
 * fails: ST_NOT_FOUND (the coordinator does not know it), as experiments_each() */
MUST_CHECK enum status experiments_find(const json_t *answer, const struct id *id,
                                        struct experiment_state *ret, struct why *why);

/* Calls fn for each row of an answer to a question for rows.
 * gives: *ret_last, the round of the last row; untouched if there was none
 * fails: ST_NOT_FOUND (the coordinator does not know the experiment), ST_INVALID and as
 *        experiment_row_from_json(), with a sentence */
MUST_CHECK enum status experiments_each_row(const json_t *answer, experiment_row_fn *fn,
                                            void *owner, uint32_t *ret_last, struct why *why);

/* ---- questions ---- */

/* The answer with all states. gives: *ret: json_decref(). fails: as session_ask() */
MUST_CHECK enum status experiments_ask(struct session *s, json_t **ret, struct why *why);

/* All rows after that round, however many questions it takes. fails: as session_ask()
 * and experiments_each_row(); what was given to fn by then stays */
MUST_CHECK enum status experiments_ask_rows(struct session *s, const struct id *id, uint32_t after,
                                            experiment_row_fn *fn, void *owner, struct why *why);

/* Names the base model of a start: what wanted means now (index_choose()).
 * fails: as index_fetch_choice() */
MUST_CHECK enum status experiments_find_base(struct session *s, const char *wanted,
                                             struct experiment_start *start, struct why *why);

/* The same with a topic that is known. digest: may be NULL. fails: ST_INVALID (topic) */
MUST_CHECK enum status experiments_set_base(struct experiment_start *start, const char *topic,
                                            const struct digest *digest);

/* Asks for an experiment's end, without waiting for it.
 * fails: ST_INVALID (refused: unknown, or ended before), as session_ask() */
MUST_CHECK enum status experiments_cancel(struct session *s, const struct id *id, struct why *why);

/* ---- words ---- */

/* "running", or how it ended: "completed". */
const char *experiment_state_word(const struct experiment_state *state);
/* A sentence for a code of a state or a row; the code itself if it is a new one. */
const char *experiment_reason_text(const char *code);

#endif
