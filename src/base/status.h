/* The outcome of every function that can fail because of the world: input from
 * outside, the disk, memory. Our own mistakes are asserts, which stay on in
 * release builds. Whoever gets a status must look at it. */
#ifndef BASE_STATUS_H
#define BASE_STATUS_H

#define MUST_CHECK        __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))

enum status {
    ST_OK = 0,
    ST_INVALID,    /* a value outside its documented range or form */
    ST_NOMEM,      /* memory could not be had */
    ST_LIMIT,      /* larger or more than a limit of base/limits.h */
    ST_MALFORMED,  /* bytes that are not what they claim to be */
    ST_SHAPE,      /* tensors of other names or shapes than expected */
    ST_TYPE,       /* a data type that is not supported here */
    ST_NOT_FINITE, /* a NaN or an infinity among numbers */
    ST_EXISTS,     /* already there, and different */
    ST_NOT_FOUND,  /* not there */
    ST_CORRUPT,    /* bytes whose digest is not the expected one */
    ST_FULL,       /* no space left on the device */
    ST_IO,         /* the operating system refused */
    ST_CLOSED,     /* the other side is gone, or this one is closing */
    ST_TIMEOUT,    /* it did not happen in time */
    ST_TOO_LARGE,  /* more than the other side takes: it will not be taken later either */
};

/* A sentence for the person who has to act, without a full stop at the end.
 * Functions that read what a person or a peer wrote fill one in on failure. */
struct why {
    char text[256];
};

/* The name of a status in lower case, for logs: "not_found". Never NULL. */
const char *status_name(enum status status);

/* Writes a sentence into why, which may be NULL; cuts at its size. */
void why_set(struct why *why, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
