/* A guest that does what its first argument says, most of it not nice. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <wasi/api.h>

extern char **environ;

static void make_file(const char *path)
{
    FILE *f = fopen(path, "w");
    if (f == NULL)
        exit(90);
    fclose(f);
}

/* ---- ways to end ---- */

static int greet(void)
{
    puts("hello");
    return 0;
}

static int exit_3(void)
{
    return 3;
}

static int proc_exit_0(void)
{
    __wasi_proc_exit(0);
}

static int trap(void)
{
    abort();
}

static int out_of_bounds(void)
{
    volatile unsigned address = 0xfffffff0u;
    return *(volatile int *)address;
}

static int deep(volatile int *level)
{
    volatile int next = *level + 1;
    return next < 0 ? 0 : deep(&next) + next;
}

static int recurse(void)
{
    int level = 0;
    return deep(&level);
}

static int null_call(void)
{
    int (*volatile function)(void) = NULL;
    return function();
}

/* ---- ways not to end ---- */

static int spin(void)
{
    for (volatile unsigned i = 0;; i++) {
    }
}

/* Says in /out that it runs, then blocks in a call of the system. */
static int sleep_long(void)
{
    make_file("/out/started");
    sleep(3600);
    return 0;
}

/* ---- memory ---- */

static void take_all(void)
{
    char *block;
    while ((block = malloc(1 << 20)) != NULL)
        memset(block, 1, 1 << 20);
}

static int allocate(void)
{
    take_all();
    return 1;
}

static int allocate_and_trap(void)
{
    take_all();
    abort();
}

static int allocate_at_once(void)
{
    return malloc(1u << 30) == NULL ? 1 : 0;
}

static int allocate_and_go_on(void)
{
    take_all();
    return 0;
}

static int allocate_little(void)
{
    char *block = malloc(4 << 20);
    if (block == NULL)
        return 1;
    memset(block, 1, 4 << 20);
    return 3;
}

/* ---- output ---- */

static void flood(FILE *f)
{
    for (unsigned i = 0;; i++)
        fprintf(f, "line %u of a flood\n", i);
}

static int flood_out(void)
{
    flood(stdout);
    return 0;
}

static int flood_err(void)
{
    flood(stderr);
    return 0;
}

static int lines_err(void)
{
    for (unsigned i = 0; i < 100000; i++)
        fprintf(stderr, "line %u\n", i);
    return 3;
}

static int print_1_mib(void)
{
    for (unsigned i = 0; i < 1 << 20; i += 16)
        printf("%015u\n", i);
    return 0;
}

/* ---- files ---- */

static void fill(int fd)
{
    static char block[64 << 10];
    if (write(fd, block, sizeof block) != (ssize_t)sizeof block)
        exit(91);
}

static int one_large_file(void)
{
    int fd = open("/out/large", O_WRONLY | O_CREAT, 0600);
    for (;;)
        fill(fd);
}

static int sparse_file(void)
{
    int fd = open("/out/sparse", O_WRONLY | O_CREAT, 0600);
    return ftruncate(fd, (off_t)1 << 40) == 0 ? 0 : 1;
}

static int open_numbered(unsigned number)
{
    char path[32];
    snprintf(path, sizeof path, "/out/%u", number);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    if (fd < 0)
        exit(92);
    return fd;
}

static int many_files(void)
{
    for (unsigned i = 0;; i++) {
        int fd = open_numbered(i);
        fill(fd);
        close(fd);
    }
}

static int many_empty_files(void)
{
    for (unsigned i = 0;; i++)
        close(open_numbered(i));
}

/* Within the watch's period, then ends well. */
static int files_and_end(void)
{
    for (unsigned i = 0; i < 32; i++) {
        int fd = open_numbered(i);
        fill(fd);
        close(fd);
    }
    return 0;
}

static int removed_files(void)
{
    for (unsigned i = 0; i < 16; i++) {
        int fd = open_numbered(i);
        char path[32];
        snprintf(path, sizeof path, "/out/%u", i);
        unlink(path);
        for (int k = 0; k < 16; k++)
            fill(fd);
    }
    for (;;)
        sleep(1);
}

static int write_update(void)
{
    FILE *f = fopen("/out/update", "w");
    return f != NULL && fputs("fine", f) >= 0 && fclose(f) == 0 ? 0 : 1;
}

static int move_within(void)
{
    make_file("/out/part");
    return mkdir("/out/folder", 0700) == 0 && rename("/out/part", "/out/folder/part") == 0 &&
                   rename("/out/folder/part", "/out/whole") == 0 && rmdir("/out/folder") == 0
               ? 0
               : errno;
}

/* ---- what an earlier guest left in memory ---- */

#define WASM_PAGE 65536

static unsigned char untouched[WASM_PAGE];

/* One more page of memory, which nobody in here has had. */
static volatile unsigned char *new_page(void)
{
    size_t before = __builtin_wasm_memory_grow(0, 1);
    return before == SIZE_MAX ? NULL : (volatile unsigned char *)(before * WASM_PAGE);
}

static int dirty(void)
{
    volatile unsigned char *page = new_page();
    for (size_t i = 0; page != NULL && i < WASM_PAGE; i++)
        page[i] = untouched[i] = 7;
    return page != NULL ? 0 : 1;
}

static int is_clean(void)
{
    const volatile unsigned char *page = new_page();
    unsigned found = 0;
    for (size_t i = 0; page != NULL && i < WASM_PAGE; i++)
        found |= page[i] | untouched[i];
    return page != NULL && found == 0 ? 0 : 1;
}

/* ---- escapes: one line for each try; "got it" must never be printed ---- */

static void say(const char *what, int result)
{
    printf("%s: %s\n", what, result >= 0 ? "got it" : strerror(errno));
    errno = 0;
}

static int escape(void)
{
    say("parent", open("/data/../secret", O_RDONLY));
    say("parent of out", open("/out/../secret", O_RDONLY));
    say("parent, relative", open("../secret", O_RDONLY));
    say("two up", open("/data/inner/../../secret", O_RDONLY));
    say("absolute", open("/etc/passwd", O_RDONLY));
    say("proc", open("/proc/self/environ", O_RDONLY));
    say("link read", open("/data/link", O_RDONLY));
    say("folder link read", open("/data/folder_link/secret", O_RDONLY));
    say("link write", open("/out/link", O_WRONLY | O_TRUNC));
    say("link create", open("/out/folder_link/new", O_WRONLY | O_CREAT, 0600));
    say("parent create", open("/out/../new", O_WRONLY | O_CREAT, 0600));
    say("data write", open("/data/sample", O_WRONLY));
    say("data truncate", open("/data/sample", O_WRONLY | O_TRUNC));
    say("data create", open("/data/new", O_WRONLY | O_CREAT, 0600));
    say("data unlink", unlink("/data/sample"));
    say("data mkdir", mkdir("/data/new_folder", 0700));
    say("data rename", rename("/data/sample", "/data/other"));
    say("data rename out", rename("/data/sample", "/out/stolen"));
    say("data link out", link("/data/sample", "/out/hard"));
    say("symlink", symlink("../secret", "/out/soft"));
    say("rename away", rename("/out/mine", "/out/../moved"));
    say("rename over data", rename("/out/mine", "/data/sample"));
    return 0;
}

static int read_data(void)
{
    char text[16] = "";
    FILE *f = fopen("/data/sample", "r");
    if (f == NULL || fgets(text, sizeof text, f) == NULL)
        return 1;
    fputs(text, stdout);
    return 0;
}

/* ---- what it is told ---- */

static int show(int argc, char **argv)
{
    for (int i = 0; i < argc; i++)
        printf("arg %s\n", argv[i]);
    for (char **e = environ; e != NULL && *e != NULL; e++)
        printf("env %s\n", *e);
    printf("stdin %d\n", getchar());
    return 0;
}

/* Descriptors that only the runner's process has, and a socket. */
static int descriptors(void)
{
    struct stat st;
    for (int fd = 3; fd < 64; fd++)
        if (write(fd, "x", 1) >= 0 || fstat(fd, &st) == 0)
            printf("got it: %d\n", fd);
    __wasi_fd_t accepted;
    for (__wasi_fd_t fd = 0; fd < 8; fd++)
        if (__wasi_sock_accept(fd, 0, &accepted) == 0)
            puts("got it: a socket");
    return 0;
}

struct command {
    const char *name;
    int (*run)(void);
};

static const struct command commands[] = {
    {"greet", greet},
    {"exit_3", exit_3},
    {"proc_exit_0", proc_exit_0},
    {"trap", trap},
    {"out_of_bounds", out_of_bounds},
    {"recurse", recurse},
    {"null_call", null_call},
    {"spin", spin},
    {"sleep_long", sleep_long},
    {"allocate", allocate},
    {"allocate_and_trap", allocate_and_trap},
    {"allocate_at_once", allocate_at_once},
    {"allocate_and_go_on", allocate_and_go_on},
    {"allocate_little", allocate_little},
    {"flood_out", flood_out},
    {"flood_err", flood_err},
    {"lines_err", lines_err},
    {"print_1_mib", print_1_mib},
    {"one_large_file", one_large_file},
    {"sparse_file", sparse_file},
    {"many_files", many_files},
    {"many_empty_files", many_empty_files},
    {"files_and_end", files_and_end},
    {"removed_files", removed_files},
    {"dirty", dirty},
    {"is_clean", is_clean},
    {"write_update", write_update},
    {"move_within", move_within},
    {"escape", escape},
    {"read_data", read_data},
    {"descriptors", descriptors},
};

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "show") == 0)
        return show(argc, argv);
    for (size_t i = 0; argc > 1 && i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run();
    return 99;
}
