/* What comes of protected rounds as bytes: a masked update, the state of a run of noise, a
 * guarantee, `privacy` of a start. What decodes is within its ranges, and encodes to itself. */
#include "fuzz.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "dp/ftrl.h"
#include "dp/guarantee.h"
#include "protect/masked.h"
#include "protect/protection.h"

static void check_masked(struct view input, bool is_masked, enum mask_word word)
{
    struct update u;
    struct masked m;
    struct why why = {""};
    if (update_read(input, &u, NULL) != UPDATE_FINE)
        return;
    for (size_t count = 1; count <= 8; count++) {
        if (masked_of(&u, is_masked, count, word, &m, &why) != ST_OK) {
            assert(why.text[0] != '\0');
            continue;
        }
        assert(m.words.size == count * word);
        assert(m.words.data >= input.data &&
               m.words.data + m.words.size <= input.data + input.size);
    }
    update_done(&u);
}

static void check_run(struct view input)
{
    struct ftrl f;
    uint8_t again[FTRL_STATE_SIZE];
    if (ftrl_decode(input, &f) != ST_OK)
        return;
    assert(f.done <= f.rounds && f.count >= 1);
    ftrl_encode(&f, again);
    assert(memcmp(again, input.data, sizeof again) == 0);
    ftrl_done(&f);
}

static void check_guarantee(const json_t *object)
{
    struct guarantee g, again;
    char text[GUARANTEE_TEXT_SIZE];
    if (guarantee_decode(object, &g, NULL) != ST_OK)
        return;
    assert(guarantee_check(&g, NULL) == ST_OK);
    guarantee_text(&g, text);
    json_t *encoded = guarantee_encode(&g);
    assert(encoded != NULL && guarantee_decode(encoded, &again, NULL) == ST_OK);
    assert(memcmp(&g.epsilon, &again.epsilon, sizeof g.epsilon) == 0);
    json_decref(encoded);
}

/* Whatever is read gives numbers that have room, or a sentence. */
static void check_privacy(const json_t *object)
{
    struct privacy p, again;
    struct protection protection;
    struct why why = {""};
    if (privacy_read(object, &p, NULL) != ST_OK || !p.is_on)
        return;
    json_t *written = json_object();
    assert(privacy_set(written, &p) == 0);
    assert(privacy_read(written, &again, NULL) == ST_OK);
    assert(memcmp(&p, &again, sizeof p) == 0);
    json_decref(written);
    if (protection_of(&p, 7, 1000, &protection, &why) != ST_OK)
        assert(why.text[0] != '\0');
    else
        assert(protection.word_count >= 1000 && protection.sensitivity > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view input = view_of(data, size);
    json_t *object = NULL;
    check_masked(input, true, MASK_WORD_32);
    check_masked(input, true, MASK_WORD_64);
    check_masked(input, false, MASK_WORD_32);
    check_run(input);
    if (jsn_parse(input, 4096, &object, NULL) != ST_OK)
        return 0;
    check_guarantee(object);
    check_privacy(object);
    json_decref(object);
    return 0;
}
