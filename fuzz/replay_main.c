/* Runs a fuzz target without a fuzzer: first each file of its corpus, then
 * mutations of them that are the same on every machine. So every build and
 * every CI run exercises the parsers, and a corpus file that once crashed one
 * stays a test for good.
 *
 *     fuzz_topics CORPUS [MUTATIONS]
 *
 * The input under way lies in <program>.last in the working folder; it stays
 * there when the target crashes, ready to become a corpus file. */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/rand.h"
#include "fuzz.h"

#define MUTATIONS_DEFAULT 2000ul
#define ENTRIES_MAX       1000
#define INPUT_SIZE_MAX    ((size_t)1 << 20)
#define STEPS_MAX         4 /* changes made to one entry */
#define PIECE_SIZE_MAX    32

struct corpus {
    struct bytes entries[ENTRIES_MAX];
    size_t count;
};

/* Pieces on which parsers of JSON, topics and lengths tend to fall over. */
static const char *const pieces[] = {
    "null",
    "true",
    "-1",
    "0",
    "1e999",
    "-0.0",
    "18446744073709551616",
    "9007199254740993",
    "{}",
    "[]",
    "[[[[",
    "\"\"",
    "\\u0000",
    "\\ud800",
    "\xff\xfe",
    "\xc0\x80",
    "/",
    "//",
    "+",
    "#",
    "$",
    ".",
    "..",
    ":",
    "sha256:",
    ",",
    "\"",
    "\n",
    "\x7f",
    "\x80",
    "NaN",
};

static enum status read_file(const char *path, struct bytes *ret)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return ST_IO;
    uint8_t buffer[4096];
    size_t got;
    enum status status = ST_OK;
    while (status == ST_OK && (got = fread(buffer, 1, sizeof buffer, file)) > 0)
        status = bytes_append(ret, view_of(buffer, got), INPUT_SIZE_MAX);
    if (ferror(file))
        status = ST_IO;
    (void)fclose(file);
    return status;
}

static enum status corpus_add(struct corpus *corpus, const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return ST_IO;
    if (!S_ISREG(info.st_mode))
        return ST_OK;
    if (corpus->count == ENTRIES_MAX)
        return ST_LIMIT;
    return read_file(path, &corpus->entries[corpus->count++]);
}

/* In the order of the names, or mutations would differ between file systems. */
static enum status corpus_read(struct corpus *corpus, const char *folder)
{
    struct dirent **names;
    int count = scandir(folder, &names, NULL, alphasort);
    if (count < 0)
        return ST_IO;
    enum status status = ST_OK;
    for (int i = 0; i < count; i++) {
        char path[4096];
        int size = snprintf(path, sizeof path, "%s/%s", folder, names[i]->d_name);
        if (status == ST_OK)
            status = size < (int)sizeof path ? corpus_add(corpus, path) : ST_LIMIT;
        free(names[i]);
    }
    free(names);
    return status;
}

static void corpus_done(struct corpus *corpus)
{
    for (size_t i = 0; i < corpus->count; i++)
        bytes_done(&corpus->entries[i]);
    corpus->count = 0;
}

static void out_of_memory(void)
{
    (void)fprintf(stderr, "out of memory\n");
    exit(2);
}

static void set(struct bytes *b, struct view v)
{
    if (bytes_copy(b, v) != ST_OK)
        out_of_memory();
}

/* Replaces `removed` bytes at `at` by v. */
static void replace(struct bytes *b, size_t at, size_t removed, struct view v)
{
    struct bytes made = {0};
    if (bytes_append(&made, view_of(b->data, at), SIZE_MAX) != ST_OK ||
        bytes_append(&made, v, SIZE_MAX) != ST_OK ||
        bytes_append(&made, view_of(b->data + at + removed, b->size - at - removed), SIZE_MAX) !=
            ST_OK)
        out_of_memory();
    bytes_done(b);
    *b = made;
}

static size_t at_most(struct rand *r, size_t bound)
{
    return (size_t)rand_below(r, (uint64_t)bound + 1);
}

/* A range of b that is not longer than PIECE_SIZE_MAX. */
static struct view some_range(struct rand *r, const struct bytes *b)
{
    size_t at = at_most(r, b->size);
    size_t left = b->size - at < PIECE_SIZE_MAX ? b->size - at : PIECE_SIZE_MAX;
    return b->size == 0 ? view_of("", 0) : view_of(b->data + at, at_most(r, left));
}

static void mutate_once(struct rand *r, const struct corpus *corpus, struct bytes *b)
{
    if (b->size == 0)
        set(b, view_text(pieces[rand_below(r, sizeof pieces / sizeof pieces[0])]));
    size_t at = (size_t)rand_below(r, b->size);
    struct view range = some_range(r, b);
    size_t range_at = range.size == 0 ? at : (size_t)(range.data - b->data);
    switch (rand_below(r, 7)) {
    case 0:
        b->data[at] ^= (uint8_t)(1u << rand_below(r, 8));
        break;
    case 1:
        b->data[at] = (uint8_t)rand_below(r, 256);
        break;
    case 2:
        replace(b, range_at, range.size, view_of("", 0));
        break;
    case 3: { /* a range twice; copied first, since replace() frees b */
        struct bytes copy = {0};
        set(&copy, range);
        replace(b, at, 0, bytes_view(&copy));
        bytes_done(&copy);
        break;
    }
    case 4:
        replace(b, at, 0, view_text(pieces[rand_below(r, sizeof pieces / sizeof pieces[0])]));
        break;
    case 5:
        replace(b, at, b->size - at, view_of("", 0));
        break;
    default: /* the tail of another entry */
        range = bytes_view(&corpus->entries[rand_below(r, corpus->count)]);
        if (range.size > 0) {
            size_t cut = (size_t)rand_below(r, range.size);
            replace(b, at, b->size - at, view_of(range.data + cut, range.size - cut));
        }
        break;
    }
}

/* The target gets a heap copy of exactly the size, so that AddressSanitizer
 * sees a read of one byte too many. */
static void run(struct view input, const char *last_path)
{
    FILE *last = fopen(last_path, "wb");
    if (last != NULL) {
        (void)fwrite(input.size == 0 ? (const void *)"" : input.data, 1, input.size, last);
        (void)fclose(last);
    }
    uint8_t *copy = malloc(input.size == 0 ? 1 : input.size);
    if (copy == NULL)
        out_of_memory();
    if (input.size > 0)
        memcpy(copy, input.data, input.size);
    (void)LLVMFuzzerTestOneInput(copy, input.size);
    free(copy);
}

static void run_mutations(const struct corpus *corpus, unsigned long count, const char *last_path)
{
    struct rand r = {.state = 1};
    struct bytes input = {0};
    for (unsigned long i = 0; i < count; i++) {
        set(&input, bytes_view(&corpus->entries[rand_below(&r, corpus->count)]));
        for (uint64_t steps = 1 + rand_below(&r, STEPS_MAX); steps > 0; steps--)
            mutate_once(&r, corpus, &input);
        run(bytes_view(&input), last_path);
    }
    bytes_done(&input);
}

static int replay(const struct corpus *corpus, unsigned long mutations, const char *program)
{
    const char *slash = strrchr(program, '/');
    char last_path[512];
    (void)snprintf(last_path, sizeof last_path, "%s.last", slash == NULL ? program : slash + 1);

    for (size_t i = 0; i < corpus->count; i++)
        run(bytes_view(&corpus->entries[i]), last_path);
    run_mutations(corpus, mutations, last_path);
    (void)remove(last_path);
    (void)printf("%zu corpus files and %lu mutations of them: no complaint\n", corpus->count,
                 mutations);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 3) {
        (void)fprintf(stderr, "usage: %s CORPUS [MUTATIONS]\n", argv[0]);
        return 2;
    }
    unsigned long mutations = argc == 3 ? strtoul(argv[2], NULL, 10) : MUTATIONS_DEFAULT;
    static struct corpus corpus;
    int result = 1;
    if (corpus_read(&corpus, argv[1]) != ST_OK)
        (void)fprintf(stderr, "%s: cannot be read: %s\n", argv[1], strerror(errno));
    else if (corpus.count == 0)
        (void)fprintf(stderr, "%s: no file in it, so nothing would be tested\n", argv[1]);
    else
        result = replay(&corpus, mutations, argv[0]);
    corpus_done(&corpus);
    return result;
}
