/* Round starts, receipts, completes and topics of models, each fed with every
 * input: what decodes encodes, and decodes to what encodes to the same text. */
#include "fuzz.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "fl/complete.h"
#include "fl/receipt.h"
#include "fl/round_start.h"
#include "fl/topics.h"

/* Two texts that must exist and be equal; both are freed. */
static void assert_same(char *first, char *second)
{
    assert(first != NULL && second != NULL && strcmp(first, second) == 0);
    free(first);
    free(second);
}

static void check_start(struct view input)
{
    struct round_start start = {0}, again = {0};
    struct id id;
    struct why why = {""};
    if (round_start_decode(input, &start, &id, &why) != ST_OK) {
        assert(start.participants == NULL && start.hyperparams == NULL && why.text[0] != '\0');
        return;
    }
    assert(start.k_of_n >= 1 && start.k_of_n <= round_start_count(&start));
    assert(id_equal(&id, &start.round_id));
    char *text = round_start_encode(&start);
    assert(text != NULL);
    assert(round_start_decode(view_text(text), &again, &id, NULL) == ST_OK);
    assert(again.participant_count == start.participant_count);
    assert(round_start_count(&again) == round_start_count(&start));
    assert_same(text, round_start_encode(&again));
    round_start_done(&start);
    round_start_done(&again);
}

static void check_receipt(struct view input)
{
    struct receipt receipt, again;
    struct why why = {""};
    if (receipt_decode(input, &receipt, &why) != ST_OK) {
        assert(why.text[0] != '\0');
        return;
    }
    char *text = receipt_encode(&receipt);
    assert(text != NULL);
    assert(receipt_decode(view_text(text), &again, NULL) == ST_OK);
    assert(again.verdict == receipt.verdict);
    assert_same(text, receipt_encode(&again));
}

static void check_complete(struct view input)
{
    struct complete complete, again;
    struct why why = {""};
    if (complete_decode(input, &complete, &why) != ST_OK) {
        assert(why.text[0] != '\0');
        return;
    }
    char *text = complete_encode(&complete);
    assert(text != NULL);
    assert(complete_decode(view_text(text), &again, NULL) == ST_OK);
    assert(again.outcome == complete.outcome && again.has_version == complete.has_version);
    assert_same(text, complete_encode(&again));
}

static void check_topic(struct view input)
{
    char *topic = text_of(input), written[FL_TOPIC_SIZE];
    struct model_ref ref;
    if (topic != NULL && fl_model_ref_parse(topic, &ref) == ST_OK) {
        fl_topic_model(&ref, written);
        assert(strcmp(topic, written) == 0);
    }
    free(topic);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view input = view_of(data, size);
    check_start(input);
    check_receipt(input);
    check_complete(input);
    check_topic(input);
    return 0;
}
