#include "sandbox/confine_files.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define READ_FILE   LANDLOCK_ACCESS_FS_READ_FILE
#define READ_FOLDER (READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITE_FOLDER                                                                               \
    (READ_FOLDER | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG |                   \
     LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |                                \
     LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REFER)

/* All rights of the first version: what is not named here is not restricted. */
#define FIRST_RIGHTS ((LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1)

/* Moves between folders, which the first version forbids altogether, can be
 * allowed since the second. 0: no Landlock */
static uint64_t known_rights(void)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (version < 1)
        return 0;
    return version < 2 ? FIRST_RIGHTS : FIRST_RIGHTS | LANDLOCK_ACCESS_FS_REFER;
}

struct rules {
    int fd;
    uint64_t rights; /* what they are about */
};

static void allow(struct rules rules, const char *path, uint64_t rights)
{
    struct landlock_path_beneath_attr beneath = {.allowed_access = rights & rules.rights,
                                                 .parent_fd = open(path, O_PATH | O_CLOEXEC)};
    if (beneath.parent_fd < 0)
        return; /* whoever needs it will say that it is not there */
    (void)syscall(SYS_landlock_add_rule, rules.fd, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0);
    close(beneath.parent_fd);
}

/* The folder that a file lies in, to make the file there. */
static void allow_output(struct rules rules, const char *path)
{
    char folder[PATH_MAX] = ".";
    const char *slash = strrchr(path, '/');
    size_t size = slash == NULL ? 0 : (size_t)(slash - path) + 1;
    if (size >= sizeof folder)
        return;
    if (size > 0) {
        memcpy(folder, path, size);
        folder[size] = '\0';
    }
    allow(rules, folder, LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_WRITE_FILE);
}

void confine_files(const struct runner_job *job)
{
    struct rules rules = {.rights = known_rights()};
    if (rules.rights == 0)
        return;
    struct landlock_ruleset_attr all = {.handled_access_fs = rules.rights};
    rules.fd = (int)syscall(SYS_landlock_create_ruleset, &all, sizeof all, 0);
    if (rules.fd < 0)
        return;
    allow(rules, job->input, READ_FILE);
    allow(rules, "/proc/self", READ_FOLDER); /* the runtime asks how many cores it has */
    if (job->output != NULL)
        allow_output(rules, job->output);
    for (size_t i = 0; i < job->folder_count; i++)
        allow(rules, job->folders[i].host_path,
              job->folders[i].writable ? WRITE_FOLDER : READ_FOLDER);
    (void)syscall(SYS_landlock_restrict_self, rules.fd, 0);
    close(rules.fd);
}
