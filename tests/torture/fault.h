/* The page that a torture run shares with each program that runs with fault.c
 * preloaded. faults.py has the same layout. */
#ifndef TORTURE_FAULT_H
#define TORTURE_FAULT_H

#include <stdatomic.h>

/* The kinds of calls after which a crash leaves something else than before. */
enum fault_kind {
    FAULT_WRITE,  /* bytes of a regular file: write, writev, pwrite, ftruncate */
    FAULT_SYNC,   /* fsync, fdatasync */
    FAULT_RENAME, /* rename, renameat */
    FAULT_REMOVE, /* unlink, unlinkat, remove, rmdir */
    FAULT_SEND,   /* bytes to the network: write, writev, send, sendto, sendmsg */
    FAULT_KINDS
};

/* All numbers are 64 bits wide, one array behind the other. */
struct fault_page {
    _Atomic long long left[FAULT_KINDS];   /* n: the process dies at the n-th call from now */
    _Atomic long long called[FAULT_KINDS]; /* how often each was called, over all lives */
    _Atomic long long after;               /* 1: dies right after the call; 0: before it */
};

#endif
