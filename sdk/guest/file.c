/* Whole files in and out, through C's own streams: under WASI only what lies in
 * the folders that the sandbox opened can be reached. */
#include "fml_guest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The size of what f holds, which is then at its beginning; -1: not a file. */
static long file_size(FILE *f)
{
    if (fseek(f, 0, SEEK_END) != 0)
        return -1;
    long size = ftell(f);
    return fseek(f, 0, SEEK_SET) == 0 ? size : -1;
}

/* In pieces: runtimes bound what one call may move. */
#define PIECE ((size_t)1 << 20)

static bool read_pieces(FILE *f, uint8_t *data, size_t size)
{
    for (size_t at = 0; at < size; at += PIECE) {
        size_t piece = size - at < PIECE ? size - at : PIECE;
        if (fread(data + at, 1, piece, f) != piece)
            return false;
    }
    return fgetc(f) == EOF && !ferror(f);
}

static bool write_pieces(FILE *f, const uint8_t *data, size_t size)
{
    for (size_t at = 0; at < size; at += PIECE) {
        size_t piece = size - at < PIECE ? size - at : PIECE;
        if (fwrite(data + at, 1, piece, f) != piece)
            return false;
    }
    return true;
}

static enum fml_status read_all(FILE *f, const char *path, uint64_t size_max, uint8_t **ret_data,
                                size_t *ret_size)
{
    long size = file_size(f);
    if (size < 0)
        return fml_fail(FML_IO, "%s cannot be read: %s", path, strerror(errno));
    if ((uint64_t)size > size_max)
        return fml_fail(FML_LIMIT, "%s has %ld bytes, and at most %llu are read", path, size,
                        (unsigned long long)size_max);

    uint8_t *data = malloc((size_t)size + 1);
    if (data == NULL)
        return fml_fail(FML_NO_MEMORY, "no memory for the %ld bytes of %s", size, path);
    if (!read_pieces(f, data, (size_t)size)) {
        free(data);
        return fml_fail(FML_IO, "%s could not be read to its end", path);
    }
    data[size] = 0;
    *ret_data = data;
    *ret_size = (size_t)size;
    return FML_OK;
}

enum fml_status fml_file_read(const char *path, uint64_t size_max, uint8_t **ret_data,
                              size_t *ret_size)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        return fml_fail(errno == ENOENT ? FML_MISSING : FML_IO, "%s cannot be opened: %s", path,
                        strerror(errno));
    enum fml_status status = read_all(f, path, size_max, ret_data, ret_size);
    fclose(f);
    return status;
}

enum fml_status fml_file_write(const char *path, const void *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    if (f == NULL)
        return fml_fail(FML_IO, "%s cannot be made: %s", path, strerror(errno));
    bool written = write_pieces(f, data, size);
    if (fclose(f) != 0 || !written) {
        remove(path);
        return fml_fail(FML_IO, "%s could not be written", path);
    }
    return FML_OK;
}
