/* The coordinator's answer to an update: it need not be sent again, whatever the
 * answer is, unless that is to send it again (PROTOCOL 2.3). */
#include "proplet/inside.h"

#include "fl/receipt.h"
#include "service/log.h"

void on_receipt(struct proplet *p, struct view round, struct view payload)
{
    struct receipt receipt;
    struct id id;
    struct why why = {0};
    if (receipt_decode(payload, &receipt, &why) != ST_OK) {
        log_line(LOG_WARN, "receipt.unreadable", "reason=%s", log_quote(why.text));
        return;
    }
    if (id_of(round, &id) != ST_OK || !id_equal(&id, &receipt.round_id) ||
        !id_equal(&receipt.proplet_id, &p->settings.id)) {
        log_line(LOG_WARN, "receipt.foreign", "round=%s", receipt.round_id.text);
        return;
    }
    if (receipt.verdict == VERDICT_NOT_STORED) {
        log_line(LOG_WARN, "update.postponed", "round=%s reason=%s", id.text,
                 log_quote(receipt.reason));
        return;
    }
    bool accepted = receipt.verdict == VERDICT_ACCEPTED;
    if (outbox_receipt(p->outbox, &id, &receipt.update_digest, accepted) == 0)
        return; /* one that came twice */
    log_line(accepted ? LOG_INFO : LOG_WARN, accepted ? "update.accepted" : "update.rejected",
             "round=%s code=%s reason=%s", id.text, verdict_code(receipt.verdict),
             log_quote(receipt.reason));
}
