/* Options of the programs that may fetch by HTTP, and what comes of them. */
#ifndef WEB_WEB_OPTIONS_H
#define WEB_WEB_OPTIONS_H

#include <uv.h>

#include "service/options.h"
#include "web/web.h"

struct web_words {
    const char *allow, *ca; /* NULL: not given */
};

#define WEB_OPTION_SPECS(w)                                                                        \
    {.flag = "url-allow",                                                                          \
     .env = "URL_ALLOW",                                                                           \
     .value = "PREFIXES",                                                                          \
     .kind = OPTION_TEXT,                                                                          \
     .target = &(w)->allow,                                                                        \
     .help = "what may be fetched by HTTP, such as \"https://host/models/\"; spaces between "      \
             "several; default: nothing, it comes through the broker"},                            \
    {                                                                                              \
        .flag = "url-ca", .env = "URL_CA", .value = "FILE", .kind = OPTION_TEXT,                   \
        .target = &(w)->ca,                                                                        \
        .help = "certificate authorities of https (PEM), instead of the system's"                  \
    }

/* keeps: loop. Logs its failures.
 * gives: *ret, to be ended with web_close(); NULL: nothing may be fetched
 * fails: as web_new() */
MUST_CHECK enum status web_from_words(const struct web_words *w, uv_loop_t *loop, struct web **ret);

#endif
