/* Tries every way out of the folders it was given. Exits with 7, naming the way,
 * if one is open, and with 9 if all are shut: so the task fails either way, and
 * the status says which. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXIT_OPEN 7
#define EXIT_SHUT 9

static const char *const files_to_read[] = {
    "/etc/passwd",
    "../etc/passwd",
    "../../../../../../etc/passwd",
    "/data/../etc/passwd",
    "/data/../../../../../../etc/passwd",
    "/model/../../../../../../etc/passwd",
    "/out/../../../../../../etc/passwd",
    "/proc/self/environ",
    "/dev/zero",
};

static const char *const folders_to_list[] = {"..",      "../..", "/data/..",
                                              "/out/..", "/etc",  "/proc"};

static const char *const files_to_make[] = {
    "/data/planted",   "/model/planted", "/tmp/planted", "/data/../planted",
    "/out/../planted", "../planted",     "/planted",
};

static const char *const files_to_change[] = {
    "/model/model",       "/data/private.txt", "/data/images.idx3-ubyte", "/data/labels.idx1-ubyte",
    "/data/dataset.json",
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static int found_open(const char *what, const char *path)
{
    fprintf(stderr, "escape_folder: could %s %s\n", what, path);
    return 1;
}

static int try_to_read(const char *path)
{
    int file = open(path, O_RDONLY);
    if (file < 0)
        return 0;
    close(file);
    return found_open("read", path);
}

static int try_to_list(const char *path)
{
    DIR *folder = opendir(path);
    if (folder == NULL)
        return 0;
    closedir(folder);
    return found_open("list", path);
}

static int try_to_make(const char *path)
{
    int file = open(path, O_WRONLY | O_CREAT, 0600);
    if (file >= 0) {
        close(file);
        unlink(path);
        return found_open("make", path);
    }
    if (mkdir(path, 0700) == 0) {
        rmdir(path);
        return found_open("make the folder", path);
    }
    return 0;
}

/* Without O_TRUNC: a sandbox that fails this test must not lose data by it. */
static int try_to_change(const char *path)
{
    int file = open(path, O_RDWR);
    if (file >= 0) {
        close(file);
        return found_open("open for writing", path);
    }
    char elsewhere[128];
    snprintf(elsewhere, sizeof elsewhere, "%s.moved", path);
    if (rename(path, elsewhere) == 0) {
        (void)!rename(elsewhere, path);
        return found_open("rename", path);
    }
    return 0;
}

/* A link in the one folder that may be written, to a place that may not be read. */
static int try_link(const char *target, const char *through)
{
    const char *link_path = "/out/link";
    if (symlink(target, link_path) != 0)
        return 0;
    int open_way = try_to_read(through);
    unlink(link_path);
    return open_way;
}

int main(void)
{
    int ways = 0;
    for (size_t i = 0; i < COUNT(files_to_read); i++)
        ways += try_to_read(files_to_read[i]);
    for (size_t i = 0; i < COUNT(folders_to_list); i++)
        ways += try_to_list(folders_to_list[i]);
    for (size_t i = 0; i < COUNT(files_to_make); i++)
        ways += try_to_make(files_to_make[i]);
    for (size_t i = 0; i < COUNT(files_to_change); i++)
        ways += try_to_change(files_to_change[i]);
    ways += try_link("/etc/passwd", "/out/link");
    ways += try_link("../../../../../../etc", "/out/link/passwd");
    if (ways > 0)
        return EXIT_OPEN;
    fprintf(stderr, "escape_folder: every way out is shut\n");
    return EXIT_SHUT;
}
