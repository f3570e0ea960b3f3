/* The mean of updates that lie in files, read window by window, and what that
 * takes of memory.
 *
 * Mapping them would save the copy and is as fast here, but not bounded: for one
 * page the kernel maps in the whole large page of its cache that holds it, and
 * takes away only what was asked for. 100 files of 40 MB with 32 MiB of windows
 * were measured at 370 to 860 MB, with 2 MiB of windows at 3 GB. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"
#include "model/safetensors.h"

/* So much of all files together is in memory at a time. */
#define WINDOWS_SIZE ((size_t)8 << 20)
/* A window is a multiple of so many coordinates. */
#define WINDOW_STEP ((size_t)1024)

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void path_of(char path[512], const char *folder, size_t k)
{
    (void)snprintf(path, 512, "%s/%05zu.safetensors", folder, k);
}

static void write_file(const char *path, struct view bytes)
{
    FILE *f = fopen(path, "wb");
    if (f == NULL || fwrite(bytes.data, 1, bytes.size, f) != bytes.size || fclose(f) != 0)
        fail(path);
}

void bench_make_files(const char *folder, size_t participants, size_t params)
{
    for (size_t k = 0; k < participants; k++) {
        char path[512];
        struct bytes bytes = {0};
        struct model *m = layers(params, k);
        if (safetensors_encode(m, &bytes) != ST_OK)
            abort();
        path_of(path, folder, k);
        write_file(path, bytes_view(&bytes));
        bytes_done(&bytes);
        model_free(m);
    }
}

/* A file and the part of it that is in memory. */
struct file {
    int fd;
    size_t begin;        /* of the tensors' values */
    struct piece window; /* as if the layers were one: they follow each other */
};

/* Reads the header alone, to know where the values begin. */
static void open_file(struct file *f, const char *path, size_t params)
{
    uint64_t length;
    f->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (f->fd < 0 || pread(f->fd, &length, sizeof length, 0) != sizeof length)
        fail(path);
    struct stat info;
    f->begin = sizeof length + (size_t)length;
    if (fstat(f->fd, &info) != 0 || (size_t)info.st_size != f->begin + params * sizeof(float))
        fail(path);
}

static void read_window(struct file *f, uint8_t *window, size_t from, size_t to)
{
    size_t size = (to - from) * sizeof(float), done = 0;
    while (done < size) {
        ssize_t n = pread(f->fd, window + done, size - done,
                          (off_t)(f->begin + from * sizeof(float) + done));
        if (n <= 0)
            fail("read");
        done += (size_t)n;
    }
    f->window =
        (struct piece){.from = from, .count = to - from, .bytes = window, .dtype = DTYPE_F32};
}

/* A line of /proc/self/status that is in kB. */
static double status_mb(const char *key)
{
    char line[256];
    double mb = -1;
    FILE *f = fopen("/proc/self/status", "r");
    if (f == NULL)
        fail("/proc/self/status");
    while (fgets(line, sizeof line, f) != NULL)
        if (strncmp(line, key, strlen(key)) == 0)
            mb = strtod(line + strlen(key), NULL) / 1024;
    (void)fclose(f);
    return mb;
}

void bench_files(const char *folder, size_t participants, size_t params)
{
    struct file *files = room(participants * sizeof files[0]);
    struct source *sources = room(participants * sizeof sources[0]);
    size_t window = WINDOWS_SIZE / sizeof(float) / participants / WINDOW_STEP * WINDOW_STEP;
    window = window < WINDOW_STEP ? WINDOW_STEP : window;
    uint8_t *windows = room(participants * window * sizeof(float));
    double begin = now_s();
    float *mean = room(params * sizeof mean[0]);
    for (size_t k = 0; k < participants; k++) {
        char path[512];
        path_of(path, folder, k);
        open_file(&files[k], path, params);
        sources[k] = (struct source){
            .weight = (double)(k + 1), .pieces = &files[k].window, .piece_count = 1};
        (void)snprintf(sources[k].participant.text, ID_SIZE_MAX, "p%05zu", k);
    }
    for (size_t from = 0; from < params; from += window) {
        size_t to = from + window < params ? from + window : params;
        for (size_t k = 0; k < participants; k++)
            read_window(&files[k], windows + k * window * sizeof(float), from, to);
        if (sources_check(sources, participants, from, to, NULL) != ST_OK ||
            fold_mean(sources, participants, from, to, mean + from) != ST_OK)
            abort();
    }
    printf("fold %.6f\npeak_rss_mb %.1f\n", now_s() - begin, status_mb("VmHWM:"));
}
