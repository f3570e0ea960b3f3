#include "sandbox/compiled_file.h"

#include <assert.h>
#include <string.h>

#include <sodium.h>

#define DIGEST_SIZE 32

void compiled_file_head(struct view code, char ret_head[COMPILED_HEAD_SIZE])
{
    uint8_t digest[DIGEST_SIZE];
    char hex[2 * DIGEST_SIZE + 1];
    (void)crypto_generichash(digest, sizeof digest, code.data, code.size, NULL, 0);
    (void)sodium_bin2hex(hex, sizeof hex, digest, sizeof digest);

    size_t word = sizeof COMPILED_HEAD - 1;
    memcpy(ret_head, COMPILED_HEAD, word);
    memcpy(ret_head + word, hex, sizeof hex - 1);
    ret_head[COMPILED_HEAD_SIZE - 1] = '\n';
    static_assert(sizeof COMPILED_HEAD - 1 + sizeof hex == COMPILED_HEAD_SIZE, "the line's size");
}

bool compiled_file_code(struct view file, struct view *ret_code)
{
    char head[COMPILED_HEAD_SIZE];
    if (file.size <= sizeof head)
        return false;
    struct view code = view_of(file.data + sizeof head, file.size - sizeof head);
    compiled_file_head(code, head);
    if (memcmp(file.data, head, sizeof head) != 0)
        return false;
    *ret_code = code;
    return true;
}
