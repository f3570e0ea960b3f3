/* Limits of a simulation that are not settings. */
#ifndef SIMULATE_LIMITS_H
#define SIMULATE_LIMITS_H

#include "base/limits.h"
#include "device/limits.h"

#define SIMULATE_DEVICES_MAX PROPLETS_MAX
#define SIMULATE_WORKERS_MAX 64
#define SIMULATE_TASKS_MAX   ((size_t)PROPLETS_MAX * 2) /* that have not ended; more are busy */

/* Updates without a receipt, beyond which no guest begins: what is slower than the guests
 * is waited for, and not buried. */
#define SIMULATE_UNANSWERED_MAX       ((size_t)128)
#define SIMULATE_UNANSWERED_BYTES_MAX ((size_t)128 << 20)

#define SIMULATE_CALM_MS 50u /* without a start, before an image is asked for */

#endif
