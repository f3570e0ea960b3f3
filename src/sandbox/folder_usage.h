/* How much a guest has written: the files below a folder, and files that it
 * removed but still holds open, which no listing shows. */
#ifndef SANDBOX_FOLDER_USAGE_H
#define SANDBOX_FOLDER_USAGE_H

#include <stdint.h>

#include <sys/types.h>

#define FOLDER_ENTRIES_MAX 4096 /* more of them are over any limit */
#define FOLDER_DEPTH_MAX   16   /* and so are deeper ones */
#define FOLDER_ENTRY_BYTES 4096 /* the least that one entry costs the disk */

/* Bytes of all files below path, not counting path itself; links are counted,
 * never followed. UINT64_MAX: more entries or levels than above. A folder that
 * cannot be read counts as empty. */
uint64_t folder_usage(const char *path);

/* Bytes of removed files that process still has open; 0 if that is not known. */
uint64_t removed_files_usage(pid_t process);

#endif
