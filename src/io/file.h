/* Files: bounded reads; writes that are whole or not there. */
#ifndef IO_FILE_H
#define IO_FILE_H

#include "base/bytes.h"

/* Reads a regular file whole into ret (whatever it held is freed).
 * fails: ST_NOT_FOUND, ST_LIMIT (more than size_max bytes), ST_NOMEM, ST_IO
 *        (also: not a regular file) */
MUST_CHECK enum status file_read(const char *path, size_t size_max, struct bytes *ret);

/* Writes through a temporary file beside it, fsync, rename, fsync of the
 * folder: after a crash the old or the new content is there, never a mixture.
 * fails: ST_FULL, ST_IO; path is then as it was */
MUST_CHECK enum status file_write(const char *path, struct view bytes);

/* The same for a file that must not be there yet, and that only its owner may read (mode 0600).
 * fails: ST_EXISTS, ST_FULL, ST_IO; what is there is then as it was */
MUST_CHECK enum status file_write_new(const char *path, struct view bytes);

/* What a failed write, sync or making of a file means. error: errno. ST_FULL or ST_IO */
enum status file_write_status(int error);

/* What was made, renamed or removed in a folder is durable when it returns.
 * fails: ST_FULL, ST_IO */
MUST_CHECK enum status file_sync_folder(const char *folder);

/* Renames, over a file that may be there; durable when it returns.
 * fails: ST_NOT_FOUND, ST_FULL, ST_IO */
MUST_CHECK enum status file_rename(const char *from, const char *to);

/* Reads exactly size bytes at offset. fails: ST_IO (also: the file ends before) */
MUST_CHECK enum status file_read_at(int fd, uint64_t offset, void *ret, size_t size);

/* Writes all bytes at offset; not durable yet. fails: ST_FULL, ST_IO */
MUST_CHECK enum status file_write_at(int fd, uint64_t offset, struct view bytes);

/* Removes what a crash in file_write() left behind in a folder: its temporary
 * files, and nothing else. Only for who alone writes there. fails: ST_IO */
MUST_CHECK enum status file_sweep(const char *folder);

/* mkdir -p with mode 0700 for what is new; durable when it returns.
 * fails: ST_FULL, ST_IO */
MUST_CHECK enum status file_make_folder(const char *path);

/* The absolute path of what is there, so that a child process finds it whatever it takes for
 * its folder.
 * ret: room for size_max bytes and a zero
 * fails: ST_NOT_FOUND, ST_LIMIT (it has more than size_max bytes), with a sentence */
MUST_CHECK enum status file_resolve(const char *path, size_t size_max, char *ret, struct why *why);

/* Removes a folder and all in it; does not follow links, nothing there is fine.
 * fails: ST_IO */
MUST_CHECK enum status file_remove_tree(const char *path);

#endif
