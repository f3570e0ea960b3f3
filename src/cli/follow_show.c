#include "cli/follow_show.h"

#include "cli/experiment_view.h"
#include "cli/text.h"

static void show_row(void *owner, const struct experiment_row *row)
{
    experiment_view_row(owner, row);
}

static void show_progress(void *owner, const struct track_round *round, double seconds)
{
    experiment_view_progress(owner, round, seconds);
}

static void show_quiet(void *owner, const char *who)
{
    experiment_view_clear(owner);
    (void)fprintf(stderr, "%s does not answer; waiting for it\n", who);
}

/* Says how an experiment ended that was not completed; gives the exit status. */
static int outcome(const struct experiment_state *state)
{
    if (state->outcome != ROUND_COMPLETED)
        return failed("experiment %s %s: %s", state->experiment_id.text,
                      experiment_state_word(state), experiment_reason_text(state->reason));
    return 0;
}

/* After Ctrl-C: a second one leaves the wait at once. */
static enum status cancel(struct session *s, struct follow *f, struct experiment_view *view,
                          const struct id *experiment, struct experiment_state *ret,
                          struct why *why)
{
    experiment_view_clear(view);
    (void)fprintf(stderr, "cancelling experiment %s; Ctrl-C again does not wait for its end\n",
                  experiment->text);
    run_go_on(session_run(s));
    enum status status = follow_cancel(f, ret, why);
    if (status == ST_INVALID) /* it has ended meanwhile, and that is what will be said */
        status = ST_OK;
    return status == ST_OK ? follow_wait(f, ret, why) : status;
}

static int show_to_the_end(struct session *s, struct follow *f, const struct follow_plan *plan,
                           struct experiment_view *view)
{
    struct experiment_state state;
    struct why why = {0}, csv = {0};
    experiment_view_head(view);
    enum status status = follow_wait(f, &state, &why);
    bool asked_to_end = status == ST_CLOSED && plan->cancels && run_interrupted(session_run(s));
    if (asked_to_end)
        status = cancel(s, f, view, plan->experiment, &state, &why);
    bool whole = experiment_view_close(view, &csv) == ST_OK;
    if (status == ST_OK)
        experiment_view_summary(view, &state, stdout);
    if (!whole)
        (void)failed("%s", csv.text);
    if (status != ST_OK)
        return failed("%s; %s: fml experiments follow %s", why.text,
                      asked_to_end ? "it was asked to end" : "it goes on", plan->experiment->text);
    int exit_status = outcome(&state);
    return whole ? exit_status : 1;
}

static int start(struct follow *f, const struct follow_plan *plan)
{
    struct why why = {0};
    enum status status = follow_start(f, plan->start, &why);
    if (status == ST_EXISTS)
        return failed("%s; choose another --id", why.text);
    if (status != ST_OK)
        return failed("%s", why.text);
    (void)printf("experiment %s runs\n", plan->experiment->text);
    if (plan->detach)
        (void)printf("fml experiments follow %s shows it\n", plan->experiment->text);
    (void)fflush(stdout);
    return 0;
}

int follow_show(struct session *s, const struct follow_plan *plan)
{
    struct experiment_view view = {.csv_path = plan->csv};
    const struct follow_watch watch = {
        .on_row = show_row, .on_progress = show_progress, .on_quiet = show_quiet, .owner = &view};
    struct follow *f = NULL;
    struct why why = {0};
    if (experiment_view_open(&view, &why) != ST_OK)
        return failed("%s", why.text);
    int exit_status = 0;
    if (follow_open(s, plan->experiment, &watch, &f, &why) != ST_OK)
        exit_status = failed("%s", why.text);
    if (exit_status == 0 && plan->start != NULL)
        exit_status = start(f, plan);
    if (exit_status == 0 && !plan->detach)
        exit_status = show_to_the_end(s, f, plan, &view);
    f = follow_close(f);
    if (experiment_view_close(&view, &why) != ST_OK && exit_status == 0)
        exit_status = failed("%s", why.text);
    return exit_status;
}
