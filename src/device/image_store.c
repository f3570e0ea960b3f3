#include "device/image_store.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/limits.h"
#include "io/file.h"

#define HEX_SIZE (DIGEST_HEX_SIZE - 1)
#define TAG_SIZE 16 /* digits of the runtime's digest: it only has to differ */

struct image_store {
    char folder[PROPLET_PATH_SIZE];
    char compiled_suffix[TAG_SIZE + sizeof "..cwasm"];
};

static void path_of(const struct image_store *s, const struct digest *d, const char *suffix,
                    char ret_path[PROPLET_PATH_SIZE])
{
    char hex[DIGEST_HEX_SIZE];
    digest_hex(d, hex);
    int size = snprintf(ret_path, PROPLET_PATH_SIZE, "%s/%s%s", s->folder, hex, suffix);
    assert(size > 0 && size < PROPLET_PATH_SIZE); /* the folder's length was checked */
}

/* A use is the file's time of change, so the order outlives a restart. The
 * clock is read here because the kernel's own stamp is too coarse. */
static void mark_used(const char *path)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    struct timespec times[2] = {now, now};
    (void)utimensat(AT_FDCWD, path, times, 0);
}

/* Reads "{hex}.wasm" or "{hex}.{runtime}.cwasm" of this runtime. */
static bool name_parse(const struct image_store *s, const char *name, struct digest *ret_digest)
{
    if (strlen(name) <= HEX_SIZE)
        return false;
    const char *suffix = name + HEX_SIZE;
    if (strcmp(suffix, ".wasm") != 0 && strcmp(suffix, s->compiled_suffix) != 0)
        return false;
    char hex[DIGEST_HEX_SIZE];
    memcpy(hex, name, HEX_SIZE);
    hex[HEX_SIZE] = '\0';
    return digest_parse(hex, ret_digest) == ST_OK;
}

static void remove_strangers(const struct image_store *s)
{
    DIR *folder = opendir(s->folder);
    if (folder == NULL)
        return;
    struct dirent *entry;
    struct digest d;
    while ((entry = readdir(folder)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            !name_parse(s, entry->d_name, &d))
            (void)unlinkat(dirfd(folder), entry->d_name, 0);
    (void)closedir(folder);
}

enum status image_store_open(const char *folder, const char *runtime, struct image_store **ret)
{
    if (strlen(folder) > PROPLET_PATH_SIZE - HEX_SIZE - 64)
        return ST_LIMIT;
    enum status status = file_make_folder(folder);
    if (status != ST_OK)
        return status;
    struct image_store *s = calloc(1, sizeof *s);
    if (s == NULL)
        return ST_NOMEM;
    struct digest tag = digest_of(view_text(runtime));
    char hex[DIGEST_HEX_SIZE];
    digest_hex(&tag, hex);
    (void)snprintf(s->folder, sizeof s->folder, "%s", folder);
    (void)snprintf(s->compiled_suffix, sizeof s->compiled_suffix, ".%.*s.cwasm", TAG_SIZE, hex);
    remove_strangers(s);
    *ret = s;
    return ST_OK;
}

bool image_store_compiled(struct image_store *s, const struct digest *d,
                          char ret_path[PROPLET_PATH_SIZE])
{
    struct stat info;
    path_of(s, d, s->compiled_suffix, ret_path);
    if (lstat(ret_path, &info) != 0)
        return false;
    bool ours = S_ISREG(info.st_mode) && info.st_uid == geteuid() && (info.st_mode & 077) == 0;
    if (ours)
        mark_used(ret_path);
    else
        (void)unlink(ret_path);
    return ours;
}

static enum status read_module(const char *path, const struct digest *d, struct bytes *ret)
{
    struct bytes module = {0};
    enum status status = file_read(path, IMAGE_SIZE_MAX, &module);
    if (status == ST_OK) {
        struct digest found = digest_of(bytes_view(&module));
        status = digest_equal(&found, d) ? ST_OK : ST_CORRUPT;
    } else if (status == ST_LIMIT) {
        status = ST_CORRUPT;
    }
    if (status == ST_CORRUPT)
        (void)unlink(path);
    if (status == ST_OK) {
        mark_used(path);
        *ret = module;
    } else {
        bytes_done(&module);
    }
    return status;
}

enum status image_store_read(struct image_store *s, const struct digest *d, struct bytes *ret)
{
    char path[PROPLET_PATH_SIZE];
    path_of(s, d, ".wasm", path);
    return read_module(path, d, ret);
}

enum status image_store_module(struct image_store *s, const struct digest *d,
                               char ret_path[PROPLET_PATH_SIZE])
{
    struct bytes module = {0};
    path_of(s, d, ".wasm", ret_path);
    enum status status = read_module(ret_path, d, &module);
    bytes_done(&module);
    return status;
}

enum status image_store_put(struct image_store *s, struct view bytes, struct digest *ret_digest)
{
    if (bytes.size == 0 || bytes.size > IMAGE_SIZE_MAX)
        return ST_LIMIT;
    char path[PROPLET_PATH_SIZE];
    struct digest d = digest_of(bytes);
    path_of(s, &d, ".wasm", path);
    enum status status = file_write(path, bytes);
    if (status != ST_OK)
        return status;
    mark_used(path);
    if (ret_digest != NULL)
        *ret_digest = d;
    return ST_OK;
}

/* One image: its module and what was compiled from it. */
struct kept {
    struct digest digest;
    struct timespec used;
    uint64_t bytes;
};

static bool used_before(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec : a->tv_nsec < b->tv_nsec;
}

static int oldest_first(const void *a, const void *b)
{
    const struct kept *x = a, *y = b;
    return used_before(&x->used, &y->used) ? -1 : used_before(&y->used, &x->used);
}

static void note(struct kept *images, size_t *count, const struct digest *d,
                 const struct stat *info)
{
    size_t i = 0;
    while (i < *count && !digest_equal(&images[i].digest, d))
        i++;
    if (i == *count)
        images[(*count)++] = (struct kept){.digest = *d};
    images[i].bytes += (uint64_t)info->st_size;
    if (used_before(&images[i].used, &info->st_mtim))
        images[i].used = info->st_mtim;
}

static size_t list(const struct image_store *s, struct kept *ret_images)
{
    size_t count = 0;
    DIR *folder = opendir(s->folder);
    if (folder == NULL)
        return 0;
    struct dirent *entry;
    while (count < IMAGES_LISTED_MAX && (entry = readdir(folder)) != NULL) {
        struct digest d;
        struct stat info;
        if (name_parse(s, entry->d_name, &d) &&
            fstatat(dirfd(folder), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0)
            note(ret_images, &count, &d, &info);
    }
    (void)closedir(folder);
    qsort(ret_images, count, sizeof ret_images[0], oldest_first);
    return count;
}

void image_store_forget_compiled(struct image_store *s, const struct digest *d)
{
    char path[PROPLET_PATH_SIZE];
    path_of(s, d, s->compiled_suffix, path);
    (void)unlink(path);
}

static void remove_image(struct image_store *s, const struct digest *d)
{
    char path[PROPLET_PATH_SIZE];
    image_store_forget_compiled(s, d);
    path_of(s, d, ".wasm", path);
    (void)unlink(path);
}

void image_store_trim(struct image_store *s, size_t count_max, uint64_t bytes_max,
                      bool (*in_use)(void *owner, const struct digest *d), void *owner)
{
    struct kept *images = calloc(IMAGES_LISTED_MAX, sizeof images[0]);
    if (images == NULL)
        return; /* next time */
    size_t count = list(s, images), left = count;
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += images[i].bytes;
    for (size_t i = 0; i < count && (left > count_max || bytes > bytes_max); i++) {
        if (in_use(owner, &images[i].digest))
            continue;
        remove_image(s, &images[i].digest);
        bytes -= images[i].bytes;
        left--;
    }
    free(images);
}

struct image_store *image_store_close(struct image_store *s)
{
    free(s);
    return NULL;
}
