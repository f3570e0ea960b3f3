#include "coordinator/kill_points.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <unistd.h>

#include "io/file.h"

#define FOLDER_LENGTH 40 /* of the first one; those after it have a number more */

static struct {
    char folder[64];
    bool armed, dead;
    size_t passed, kill_at, second_after, kills, copies;
} k;

const char *kill_points_begin(size_t kill_at, size_t second_after)
{
    memset(&k, 0, sizeof k);
    const char *root = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    (void)snprintf(k.folder, sizeof k.folder, "%s/fml-crash-%0*d", root,
                   (int)(FOLDER_LENGTH - strlen(root) - strlen("/fml-crash-")), (int)getpid());
    assert_int_equal(strlen(k.folder), FOLDER_LENGTH);
    k.kill_at = kill_at;
    k.second_after = second_after;
    k.armed = true;
    return k.folder;
}

static void copy_folder(void)
{
    char command[256];
    (void)snprintf(command, sizeof command, "cp -a %s %.*s-%zu", k.folder, FOLDER_LENGTH, k.folder,
                   ++k.copies);
    assert_int_equal(system(command), 0);
}

void kill_point(void)
{
    if (!k.armed || k.dead || ++k.passed != k.kill_at)
        return;
    k.armed = false;
    copy_folder();
    k.dead = true;
    k.kills++;
}

bool kill_points_dead(void)
{
    return k.dead;
}

const char *kill_points_revive(void)
{
    assert_int_equal(file_remove_tree(k.folder), ST_OK);
    (void)snprintf(k.folder + FOLDER_LENGTH, sizeof k.folder - FOLDER_LENGTH, "-%zu", k.copies);
    k.kill_at = k.kills == 1 && k.second_after > 0 ? k.passed + k.second_after : 0;
    k.dead = false;
    k.armed = true;
    return k.folder;
}

void kill_points_disarm(void)
{
    k.armed = false;
}

void kill_points_end(void)
{
    char next[64];
    k.armed = false;
    (void)snprintf(next, sizeof next, "%.*s-%zu", FOLDER_LENGTH, k.folder, k.copies);
    assert_int_equal(file_remove_tree(k.folder), ST_OK);
    assert_int_equal(file_remove_tree(next), ST_OK); /* of a life that did not begin */
}

size_t kill_points_passed(void)
{
    return k.passed;
}

size_t kill_points_kills(void)
{
    return k.kills;
}

/* ---- every way to change a file passes through here: these stand before libc's ---- */

static void *next_of(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

ssize_t write(int fd, const void *data, size_t size)
{
    static ssize_t (*next)(int, const void *, size_t);
    if (next == NULL)
        *(void **)&next = next_of("write");
    if (fd > 2)
        kill_point();
    return next(fd, data, size);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at)
{
    static ssize_t (*next)(int, const void *, size_t, off_t);
    if (next == NULL)
        *(void **)&next = next_of("pwrite");
    kill_point();
    return next(fd, data, size, at);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at)
{
    static ssize_t (*next)(int, const void *, size_t, off64_t);
    if (next == NULL)
        *(void **)&next = next_of("pwrite64");
    kill_point();
    return next(fd, data, size, at);
}

int fsync(int fd)
{
    (void)fd;
    kill_point();
    return 0;
}

int fdatasync(int fd)
{
    (void)fd;
    kill_point();
    return 0;
}

int rename(const char *from, const char *to)
{
    static int (*next)(const char *, const char *);
    if (next == NULL)
        *(void **)&next = next_of("rename");
    kill_point();
    return next(from, to);
}

int unlinkat(int fd, const char *name, int flag)
{
    static int (*next)(int, const char *, int);
    if (next == NULL)
        *(void **)&next = next_of("unlinkat");
    kill_point();
    return next(fd, name, flag);
}
