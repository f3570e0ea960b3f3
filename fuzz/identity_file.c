/* Files of secret keys: what is read is written, and read, as the same again; what is refused is
 * refused with a sentence. */
#include <assert.h>

#include "fuzz.h"
#include "identity/identity_file.h"

static void check_again(const struct identity_file *file)
{
    struct bytes text = {0};
    struct identity_file again;
    assert(identity_file_encode(file, &text) == ST_OK);
    assert(identity_file_decode(bytes_view(&text), file->kind, &again, NULL) == ST_OK);
    assert(key_public_equal(key_public(file->key), key_public(again.key)));
    assert(view_equal(certificate_view(&file->certificate_bytes),
                      certificate_view(&again.certificate_bytes)));
    assert(id_equal(&file->certificate.id, &again.certificate.id));
    identity_file_done(&again);
    identity_file_wipe(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (int kind = IDENTITY_DEVICE; kind <= IDENTITY_PUBLISHER; kind++) {
        struct identity_file file;
        struct why why = {""};
        enum status status =
            identity_file_decode(view_of(data, size), (enum identity_kind)kind, &file, &why);
        assert((status == ST_OK) == (why.text[0] == '\0'));
        if (status != ST_OK)
            continue;
        check_again(&file);
        identity_file_done(&file);
    }
    return 0;
}
