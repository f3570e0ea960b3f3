/* Limits of the device agent that are not settings; those that others must
 * know too are in base/limits.h. */
#ifndef DEVICE_LIMITS_H
#define DEVICE_LIMITS_H

#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"

#define PROPLET_PATH_SIZE   1024 /* of any path that is made here, with its zero */
#define PROPLET_FOLDER_MAX  700  /* of --state-dir and --data-dir */
#define PROPLET_RUNNING_MAX 16   /* of --max-tasks */

/* Results of ended tasks, in memory and on disk. */
#define HISTORY_TASKS_MAX ((size_t)256)
#define HISTORY_BYTES_MAX ((size_t)16 << 20)

#define IMAGES_KEPT_MAX       ((size_t)16)
#define IMAGES_KEPT_BYTES_MAX ((uint64_t)1 << 30)
#define IMAGES_LISTED_MAX     ((size_t)4096) /* files that are looked at in the cache's folder */
#define IMAGE_FETCHES_MAX     2              /* under way at once; each may hold IMAGE_SIZE_MAX */

#define COMPILE_MEMORY_BYTES ((uint64_t)2 << 30)
#define COMPILE_CPU_S        600u
#define COMPILE_WALL_MS      600000u

#define MODELS_KEPT_MAX       ((size_t)4)
#define MODELS_KEPT_FILES_MAX ((size_t)1) /* that came in parts and nobody uses */
#define MODELS_KEPT_BYTES_MAX ((size_t)64 << 20)

/* Updates without an answer, on disk. */
#define OUTBOX_UPDATES_MAX ((size_t)64)
#define OUTBOX_BYTES_MAX   ((uint64_t)2 << 30)

/* How long an update is kept beyond its task's limit: the round's end may come
 * a little after. */
#define OUTBOX_MARGIN_MS 60000u

/* From the arrival of a task to the end of what it left: TASK_TIMEOUT_S_MAX and
 * the margin. */
#define UPDATE_KEPT_MS_MAX ((uint64_t)TASK_TIMEOUT_S_MAX * 1000 + OUTBOX_MARGIN_MS)

/* How much of a deadline two reboots may give back: the time is saved this often
 * while updates are kept. */
#define UPDATE_CHECKPOINT_MS 60000u

/* With less than this a guest that failed is said to have found no room. */
#define DISK_FULL_BYTES ((uint64_t)64 << 10)

/* Of an update that goes in parts, in one turn of the loop: a fifth of a second, so that
 * no heartbeat waits for it. */
#define HASHED_IN_A_TURN ((int64_t)128 << 20)

/* Values, in bytes, that are compressed in one turn of the loop: a tenth of a second. */
#define COMPRESSED_IN_A_TURN ((int64_t)32 << 20)

/* Models of which something that top-k left out is kept. */
#define LEFT_OUT_MODELS_MAX ((size_t)8)

#define DETAIL_SIZE 401 /* of a failure's detail, with its zero */

#endif
