/* fml images sign: a publisher's signature into a Wasm module. */
#include "cli/commands.h"

#include <stdio.h>

#include "base/digest.h"
#include "cli/text.h"
#include "identity/identity_file.h"
#include "identity/signed_image.h"
#include "io/file.h"

enum options_result sign_args_read(int argc, char **argv, struct sign_args *ret)
{
    struct sign_args a = {0};
    const struct option_spec specs[] = {
        {.flag = "key",
         .value = "FILE",
         .kind = OPTION_TEXT,
         .target = &a.key,
         .required = true,
         .help = "the publisher's key (fml fleet publisher makes one)"},
        {.flag = "out",
         .value = "FILE",
         .kind = OPTION_TEXT,
         .target = &a.out,
         .help = "the file to write; default: the module itself"},
    };
    const struct options options = {
        .program = "fml images sign",
        .summary = "signs a Wasm module, in place of a signature that it may have",
        .usage = "MODULE.wasm --key FILE [options]",
        .notes =
            "The signature is the module's last section, so it goes wherever the module goes,\n"
            "and the module has another digest than before. Sign, then push.",
        OPTIONS_OF(specs),
    };
    int words = 0;
    enum options_result result = arguments_read(&options, argc, argv, 1, 1, &words);
    if (result != OPTIONS_RUN)
        return result;
    a.file = argv[1];
    if (a.out == NULL)
        a.out = a.file;
    *ret = a;
    return OPTIONS_RUN;
}

static enum status read_key(const char *path, struct identity_file *ret, struct why *why)
{
    struct bytes text = {0};
    struct why detail = {""};
    enum status status = file_read(path, IDENTITY_FILE_SIZE_MAX, &text);
    if (status != ST_OK) {
        why_set(why, "cannot read %.200s: %s", path, status_name(status));
        return status;
    }
    status = identity_file_decode(bytes_view(&text), IDENTITY_PUBLISHER, ret, &detail);
    if (status != ST_OK)
        why_set(why, "%.100s: %.140s", path, detail.text);
    identity_file_wipe(&text);
    return status;
}

static enum status sign(const struct sign_args *args, const struct key *publisher,
                        struct digest *ret_digest, struct why *why)
{
    struct bytes module = {0}, result = {0};
    enum status status = file_read(args->file, IMAGE_SIZE_MAX, &module);
    if (status != ST_OK) {
        why_set(why, "cannot read %.200s: %s", args->file, status_name(status));
        return status;
    }
    status = signed_image_sign(bytes_view(&module), publisher, &result);
    if (status == ST_MALFORMED)
        why_set(why, "%.150s is no Wasm module, or is signed in a form that is not ours",
                args->file);
    else if (status == ST_LIMIT)
        why_set(why, "%.150s is too large: with its signature it has more than %zu bytes",
                args->file, IMAGE_SIZE_MAX);
    else if (status != ST_OK)
        why_set(why, "no memory");
    if (status == ST_OK) {
        *ret_digest = digest_of(bytes_view(&result));
        status = file_write(args->out, bytes_view(&result));
        why_set(why, "cannot write %.200s: %s", args->out, status_name(status));
    }
    bytes_done(&module);
    bytes_done(&result);
    return status;
}

int images_sign(int argc, char **argv)
{
    struct sign_args args;
    enum options_result result = sign_args_read(argc, argv, &args);
    if (result != OPTIONS_RUN)
        return arguments_exit(result);
    struct identity_file key = {0};
    struct digest digest;
    struct why why = {0};
    char hex[KEY_HEX_SIZE], text[DIGEST_TEXT_SIZE];
    enum status status = read_key(args.key, &key, &why);
    if (status == ST_OK)
        status = sign(&args, key.key, &digest, &why);
    int exit_status = status == ST_OK ? 0 : failed("%s", why.text);
    if (status == ST_OK) {
        key_public_hex(key_public(key.key), hex);
        digest_text(&digest, text);
        (void)printf("%s is signed by %s: %s\n", args.out, hex, text);
    }
    identity_file_done(&key);
    return exit_status;
}
