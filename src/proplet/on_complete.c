/* The end of a round: nobody waits for its updates any more (PROTOCOL 2.4). */
#include "proplet/inside.h"

#include "fl/complete.h"
#include "service/log.h"

void on_complete(struct proplet *p, struct view round, struct view payload)
{
    struct complete complete;
    struct id id;
    struct why why = {0};
    if (complete_decode(payload, &complete, &why) != ST_OK) {
        log_line(LOG_WARN, "complete.unreadable", "reason=%s", log_quote(why.text));
        return;
    }
    if (id_of(round, &id) != ST_OK || !id_equal(&id, &complete.round_id))
        return;
    size_t unanswered = outbox_round_over(p->outbox, &id);
    if (unanswered > 0)
        log_line(LOG_WARN, "update.round_over", "round=%s outcome=%s unanswered=%zu", id.text,
                 round_outcome_name(complete.outcome), unanswered);
}
