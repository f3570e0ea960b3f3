/* The guest of proplet_test.c: does what the variable DO says. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int copy_to_stdout(const char *path)
{
    char bytes[256];
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return 9;
    size_t size = fread(bytes, 1, sizeof bytes, file);
    (void)fclose(file);
    return fwrite(bytes, 1, size, stdout) == size ? 0 : 9;
}

static int write_update(const char *text)
{
    const char *path = getenv("UPDATE_PATH");
    FILE *file = path == NULL ? NULL : fopen(path, "wb");
    if (file == NULL)
        return 9;
    int failed = fputs(text, file) < 0;
    return fclose(file) != 0 || failed ? 9 : 0;
}

/* What a guest may know, one line each. */
static int tell(void)
{
    static const char *const names[] = {"PROPLET_ID", "ROUND_ID", "MODEL_URI",   "MODEL_DATA",
                                        "MODEL_PATH", "DATA_DIR", "UPDATE_PATH", "HYPERPARAMS"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *value = getenv(names[i]);
        if (value != NULL)
            printf("%s=%s\n", names[i], value);
    }
    return 0;
}

/* An update that proves that model and data were read: its metrics are their sizes. */
static int train(void)
{
    char model[256], data[256];
    FILE *m = fopen(getenv("MODEL_PATH"), "rb"), *d = fopen("/data/samples", "rb");
    if (m == NULL || d == NULL)
        return 9;
    size_t model_size = fread(model, 1, sizeof model, m),
           data_size = fread(data, 1, sizeof data, d);
    char update[512];
    (void)snprintf(update, sizeof update,
                   "{\"round_id\":\"%s\",\"base_model_uri\":\"%s\",\"num_samples\":3,"
                   "\"metrics\":{\"model\":%zu,\"data\":%zu},\"update\":{\"w\":[1,2]}}",
                   getenv("ROUND_ID"), getenv("MODEL_URI"), model_size, data_size);
    return write_update(update);
}

static int flood(void)
{
    static char block[1 << 16];
    memset(block, 'x', sizeof block);
    for (int i = 0; i < 1024; i++)
        if (fwrite(block, 1, sizeof block, stdout) != sizeof block)
            return 9;
    return 0;
}

/* Each block holds the one before, so that none can be left out. */
static int grow(void)
{
    static void *volatile last;
    for (;;) {
        void **block = malloc(1 << 20);
        if (block == NULL)
            abort();
        *block = last;
        last = block;
    }
}

int main(void)
{
    const char *what = getenv("DO");
    const char *text = getenv("TEXT");
    if (what == NULL)
        return 8;
    (void)fprintf(stderr, "doing\n%s\n", what);
    if (strcmp(what, "print") == 0)
        return fputs(text, stdout) < 0 ? 9 : 0;
    if (strcmp(what, "update_file") == 0)
        return write_update(text);
    if (strcmp(what, "update_both") == 0)
        return fputs("not this", stdout) < 0 ? 9 : write_update(text);
    if (strcmp(what, "update_folder") == 0)
        return mkdir("/out/update", 0700) == 0 ? 0 : 9;
    if (strcmp(what, "model") == 0)
        return copy_to_stdout("/model/model");
    if (strcmp(what, "tell") == 0)
        return tell();
    if (strcmp(what, "train") == 0)
        return train();
    if (strcmp(what, "nothing") == 0)
        return 0;
    if (strcmp(what, "exit") == 0)
        return 3;
    if (strcmp(what, "trap") == 0)
        __builtin_trap();
    if (strcmp(what, "spin") == 0)
        for (volatile unsigned i = 0;; i++)
            ;
    if (strcmp(what, "flood") == 0)
        return flood();
    if (strcmp(what, "grow") == 0)
        return grow();
    return 8;
}
