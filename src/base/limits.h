/* Every limit of the system that is not a setting, named, in one place. Over a
 * limit is ST_LIMIT (or a refusal with a code), and a test says so. */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

#include <stddef.h>
#include <stdint.h>

/* Names: round, proplet, task and model identifiers (see base/id.h). */
#define ID_SIZE_MAX ((size_t)64)

/* Messages. */
#define TOPIC_SIZE_MAX     ((size_t)512)
#define TOPIC_LEVELS_MAX   16
#define JSON_SIZE_MAX      ((size_t)16 << 20)
#define JSON_DEPTH_MAX     32
#define JSON_OBJECTS_MAX   ((size_t)1 << 16)  /* in one text; each costs 70 times its bytes */
#define JSON_ARRAYS_MAX    ((size_t)1 << 20)  /* the same; each row of a tensor is one */
#define CONTROL_SIZE_MAX   ((size_t)1 << 20)  /* any control message */
#define MESSAGE_SIZE_MAX   ((size_t)32 << 20) /* models and updates in one message */
#define PROPERTIES_MAX     8                  /* MQTT user properties that we read */
#define INBOX_MESSAGES_MAX ((size_t)4096)
#define INBOX_BYTES_MAX    ((size_t)40 << 20) /* one message of any size, and some behind it */

/* Models. */
#define TENSORS_MAX             4096
#define TENSOR_RANK_MAX         8
#define TENSOR_NAME_MAX         ((size_t)128)
#define MODEL_PARAMS_MAX        ((size_t)1 << 28)                           /* 1 GiB of float32 */
#define MODEL_BYTES_MAX         (((uint64_t)1 << 30) + ((uint64_t)8 << 20)) /* and its header */
#define MODEL_INLINE_MAX        ((size_t)4 << 20)   /* larger ones travel in parts, but for JSON */
#define MODEL_OVERHEAD_MAX      ((uint64_t)8 << 20) /* of an update, beyond its base model */
#define METADATA_MAX            64
#define METADATA_VALUE_MAX      ((size_t)16 << 10)
#define METRICS_MAX             32
#define METRIC_NAME_MAX         ((size_t)64)
#define MODEL_NAMES_MAX         1000
#define MODEL_VERSIONS_MAX      10000              /* in one store */
#define MODEL_INDEX_SIZE_MAX    ((size_t)16 << 20) /* all of them as one message */
#define MODEL_METRICS_SIZE_MAX  ((size_t)512)      /* JSON, in the record of a version */
#define MODEL_CHANNELS_MAX      4096               /* in one store */
#define MODEL_EVENTS_MAX        20000              /* of a store's history */
#define MODEL_EVENTS_SHOWN_MAX  1000               /* in one answer */
#define MODEL_REASON_MAX        ((size_t)200)      /* why a channel was moved */
#define MODELS_CACHED_MAX       32                 /* by the coordinator */
#define MODELS_CACHED_BYTES_MAX ((size_t)128 << 20)

/* Rounds. */
#define ROUND_PARTICIPANTS_MAX       10000
#define ROUND_TIMEOUT_S_MAX          ((uint32_t)7 * 24 * 3600)
#define ROUND_GRACE_S_MAX            ((uint32_t)3600)
#define CANCEL_REASON_MAX            ((size_t)200) /* why a round was cancelled */
#define AGGREGATION_THREADS_MAX      16
#define AGGREGATION_SIZE_MAX         ((size_t)1024) /* JSON, of a start */
#define UPDATE_SAMPLES_MAX           ((uint64_t)1 << 30)
#define UPDATE_STEPS_MAX             ((uint64_t)1 << 30) /* local optimiser steps behind one */
#define ROUNDS_OPEN_MAX              64
#define ROUNDS_KEPT_MAX              1024 /* ended rounds that are still answered for */
#define ROUNDS_SHOWN_MAX             100  /* of them, in answers and as retained states */
#define ROUNDS_KEPT_PARTICIPANTS_MAX ((size_t)1 << 20)   /* of all ended rounds together */
#define EARLY_WITH_ROW_MAX           ((size_t)64 << 10)  /* one such, kept in the database */
#define EARLY_UPDATES_BYTES_MAX      ((size_t)128 << 20) /* before their base model is here */
#define HELD_UPDATES_BYTES_MAX       ((size_t)64 << 20) /* between two rounds that may count them */

/* Experiments. */
#define EXPERIMENT_ID_MAX          ((size_t)48) /* "-r1000000" behind it is still an id */
#define EXPERIMENT_ROUNDS_MAX      1000000
#define EXPERIMENT_HYPERPARAMS_MAX ((size_t)120 << 10) /* with the round, TASK_ENV_VALUE_MAX */
#define EXPERIMENT_WAIT_S_MAX      ((uint32_t)7 * 24 * 3600)
#define EXPERIMENTS_OPEN_MAX       64
#define EXPERIMENTS_KEPT_MAX       256 /* ended ones that are still shown */
#define EXPERIMENT_ROWS_SHOWN      100 /* in one answer */

/* Tasks. */
#define TASK_ENV_MAX       64
#define TASK_ENV_VALUE_MAX ((size_t)128 << 10)
#define TASKS_KEPT_MAX     10000 /* by the manager, ended ones first to go */
#define PROPLETS_MAX       10000
#define PROPLET_QUEUE_MAX  64 /* tasks that wait on one device */
#define RESULTS_SIZE_MAX   ((size_t)64 << 10)
#define GUEST_STDOUT_MAX   ((size_t)16 << 20) /* an update in JSON */
#define GUEST_STDERR_MAX   ((size_t)64 << 10) /* the tail is kept */
#define MODEL_DATA_ENV_MAX ((size_t)64 << 10) /* JSON models also in MODEL_DATA */

/* What the manager keeps. */
#define RULES_SIZE_MAX          ((size_t)64 << 10)
#define RULES_MAX               16 /* of each kind */
#define LAUNCH_PARTICIPANTS_MAX 10000
#define LAUNCHES_SEEN_MAX       16384               /* launch ids that are not launched again */
#define LAUNCH_INLINE_MAX       ((size_t)128 << 20) /* modules sent inside starts, in all */
#define TASK_TIMEOUT_S_MAX      ((uint32_t)7 * 24 * 3600)
#define PINS_MAX                4096
#define OUTGOING_MAX            65536 /* messages that the broker has not taken */
#define OUTGOING_BYTES_MAX      ((size_t)256 << 20)
#define PROPLET_METADATA_MAX    ((size_t)16 << 10)
#define PUSHES_MAX              4   /* images that are being received at once */
#define IMAGES_OLD_MAX          16  /* images that lost their name and are still served */
#define IMAGES_CACHED_MAX       2   /* images held in memory to be served */
#define ANSWERS_PENDING_MAX     512 /* messages under way, beyond which parts and queries wait */
#define QUERY_TASKS_MAX         100
#define QUERY_PROPLETS_MAX      3000 /* so that an answer stays below CONTROL_SIZE_MAX */

/* Images and their transfer in parts. */
#define IMAGE_SIZE_MAX      ((size_t)64 << 20)
#define IMAGE_NAME_MAX      ((size_t)200)
#define IMAGES_MAX          1000
#define PART_SIZE           ((size_t)256 << 10)
#define PARTS_MAX           4096
#define PARTS_IN_FLIGHT     4 /* of an image */
#define PARTS_IN_FLIGHT_MAX 64
#define URL_SIZE_MAX        ((size_t)2048) /* of a manifest */

/* Who is who, and what the owner of a device allows. */
#define REVOCATIONS_MAX       65536
#define POLICY_SIZE_MAX       ((size_t)64 << 10)
#define POLICY_PUBLISHERS_MAX 256
#define POLICY_IMAGES_MAX     1000

#endif
