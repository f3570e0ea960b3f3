/* What the manager does with messages that are not its own (PROTOCOL 1.7), read
 * from a JSON file. All knowledge of any workload is in that file.
 *
 *     {"launch": [{
 *        "topic":        the filter of the messages that launch tasks,
 *        "id":           the field with the launch's id,
 *        "participants": the field with the array of proplet ids,
 *        "image":        the field with the image reference,
 *        "timeout_s":    VALUE,
 *        "name":         the tasks' name; "{id}" and "{proplet}" are filled in,
 *        "env":          {variable: VALUE, ...},
 *        "spec":         a TEMPLATE (template.h), an object; may be left out}],
 *      "forward": [{"from": filter, "to": topic, "properties": {key: n, ...}}],
 *      "close":   [{"topic": filter, "id": n}],
 *      "pin":     [{"topic": filter, "property": key}]}
 *
 * VALUE is the name of a field, which must be there, or {"field": name,
 * "default": value}. n is a '+' of the filter, counted from 1: what it matched.
 * Nothing else is allowed, so that a misspelt key is found at the start. */
#ifndef MANAGER_RULES_H
#define MANAGER_RULES_H

#include "base/jsn.h"

#define FORWARD_PROPERTIES_MAX (PROPERTIES_MAX - 1) /* one is the original topic */

/* All texts and values below are borrowed from struct rules. */
struct value_rule {
    const char *field;
    json_t *fallback; /* NULL: the field must be there */
};

struct env_rule {
    const char *variable;
    struct value_rule value;
};

struct launch_rule {
    const char *topic;
    const char *id, *participants, *image;
    struct value_rule timeout_s;
    const char *name;
    struct env_rule env[TASK_ENV_MAX];
    size_t env_count;
    json_t *spec; /* a template; NULL: none */
};

struct forward_property {
    const char *key;
    unsigned level; /* of the topic, counted from 0 */
};

struct forward_rule {
    const char *from;
    const char *to;
    struct forward_property properties[FORWARD_PROPERTIES_MAX];
    size_t property_count;
};

struct close_rule {
    const char *topic;
    unsigned level; /* with the launch's id, counted from 0 */
};

struct pin_rule {
    const char *topic;
    const char *property;
};

struct rules {
    struct launch_rule launches[RULES_MAX];
    size_t launch_count;
    struct forward_rule forwards[RULES_MAX];
    size_t forward_count;
    struct close_rule closes[RULES_MAX];
    size_t close_count;
    struct pin_rule pins[RULES_MAX];
    size_t pin_count;
    json_t *document;
};

/* gives: *ret, to be ended with rules_free()
 * fails: ST_LIMIT (larger than RULES_SIZE_MAX; more than RULES_MAX of a kind),
 *        ST_MALFORMED, ST_INVALID (an unknown key, a wrong type, not a filter, a
 *        wildcard that is not there, a forward whose messages would be forwarded
 *        again), ST_NOMEM; why names the place */
MUST_CHECK enum status rules_parse(struct view text, struct rules **ret, struct why *why);

/* The built-in file: default_rules.json, put into the program at build time. */
extern const unsigned char rules_default_text[];
extern const size_t rules_default_size;

struct rules *rules_free(struct rules *r);

#endif
