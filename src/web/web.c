#include "web/web.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <curl/curl.h>

#include "web/allow.h"
#include "web/get.h"

#define WEB_MAGIC 0x77656221u /* "web!" */
#define AGAIN_MS  1000

struct web {
    uint32_t magic;
    uv_loop_t *loop;
    CURLM *multi;
    uv_timer_t timer; /* when libcurl wants to be called although nothing happened */
    struct allow *allow;
    struct get_limits limits;
    char *ca_file;
    struct web_get *gets; /* in the order of their asking */
    size_t count, begun;
};

/* One of libcurl's sockets. It lives until its handle is closed. */
struct watched {
    uv_poll_t poll;
    struct web *web;
    curl_socket_t socket;
};

static void on_timer(uv_timer_t *timer);

/* ---- the beginning of gets ---- */

/* The oldest of those that wait, while they may. Without memory it is tried again: when
 * another one ends, or in its time. */
static void begin_next(struct web *w)
{
    for (struct web_get *g = w->gets; g != NULL && w->begun < WEB_GETS_MAX; g = g->next) {
        if (g->begun)
            continue;
        if (curl_multi_add_handle(w->multi, g->easy) != CURLM_OK) {
            if (w->begun == 0)
                (void)uv_timer_start(&w->timer, on_timer, AGAIN_MS, 0);
            return;
        }
        g->begun = true;
        w->begun++;
    }
}

static void append(struct web *w, struct web_get *g)
{
    struct web_get **at = &w->gets;
    while (*at != NULL)
        at = &(*at)->next;
    *at = g;
    w->count++;
}

/* ---- the end of gets ---- */

static void unlink_get(struct web *w, struct web_get *g)
{
    struct web_get **at = &w->gets;
    while (*at != g)
        at = &(*at)->next;
    *at = g->next;
    w->count--;
    if (!g->begun)
        return;
    w->begun--;
    (void)curl_multi_remove_handle(w->multi, g->easy);
}

static void finish(struct web *w, struct web_get *g, CURLcode code)
{
    struct web_result result;
    struct why why = {0};
    get_judge(g, code, &result, &why);
    unlink_get(w, g);
    g->done(g->owner, g, &result);
    get_free(g);
}

/* A redirect to an allowed URL is asked for at once. False: it is none. */
static bool follow(struct web *w, struct web_get *g)
{
    CURLU *url;
    const char *to = get_redirect(g);
    if (to == NULL || g->redirects == WEB_REDIRECTS_MAX ||
        allow_check(w->allow, to, &url, NULL) != ST_OK)
        return false;
    (void)curl_multi_remove_handle(w->multi, g->easy);
    if (get_follow(g, url) != ST_OK) {
        curl_url_cleanup(url);
        return false;
    }
    return curl_multi_add_handle(w->multi, g->easy) == CURLM_OK;
}

/* Outside of libcurl's own calls, so that others may be begun and cancelled. */
static void take_what_ended(struct web *w)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(w->multi, &left)) != NULL) {
        struct web_get *g = NULL;
        CURLcode code = message->data.result; /* message does not outlive the handle */
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &g);
        if (!follow(w, g))
            finish(w, g, code);
    }
    begin_next(w);
}

/* ---- the loop ---- */

static void on_timer(uv_timer_t *timer)
{
    struct web *w = timer->data;
    int running;
    (void)curl_multi_socket_action(w->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    take_what_ended(w);
}

static void on_socket(uv_poll_t *poll, int status, int events)
{
    const struct watched *s = poll->data;
    struct web *w = s->web;
    int running, flags = 0;
    if (status < 0)
        flags |= CURL_CSELECT_ERR;
    if ((events & UV_READABLE) != 0)
        flags |= CURL_CSELECT_IN;
    if ((events & UV_WRITABLE) != 0)
        flags |= CURL_CSELECT_OUT;
    (void)curl_multi_socket_action(w->multi, s->socket, flags, &running);
    take_what_ended(w);
}

static void on_watched_closed(uv_handle_t *handle)
{
    free(handle->data);
}

/* NULL: it cannot be watched, and its get ends with its time. */
static struct watched *watch(struct web *w, curl_socket_t socket)
{
    struct watched *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    if (uv_poll_init_socket(w->loop, &s->poll, socket) != 0) {
        free(s);
        return NULL;
    }
    s->poll.data = s;
    s->web = w;
    s->socket = socket;
    uv_unref((uv_handle_t *)&s->poll); /* a program ends although something is under way */
    (void)curl_multi_assign(w->multi, socket, s);
    return s;
}

/* libcurl says what it waits for. */
static int want_socket(CURL *easy, curl_socket_t socket, int what, void *owner, void *known)
{
    struct web *w = owner;
    struct watched *s = known;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (s == NULL)
            return 0;
        (void)uv_poll_stop(&s->poll);
        uv_close((uv_handle_t *)&s->poll, on_watched_closed);
        (void)curl_multi_assign(w->multi, socket, NULL);
        return 0;
    }
    if (s == NULL)
        s = watch(w, socket);
    int events = ((what & CURL_POLL_IN) != 0 ? UV_READABLE : 0) |
                 ((what & CURL_POLL_OUT) != 0 ? UV_WRITABLE : 0);
    if (s != NULL)
        (void)uv_poll_start(&s->poll, events, on_socket);
    return 0;
}

static int want_timer(CURLM *multi, long timeout_ms, void *owner)
{
    struct web *w = owner;
    (void)multi;
    if (timeout_ms < 0)
        (void)uv_timer_stop(&w->timer);
    else
        (void)uv_timer_start(&w->timer, on_timer, (uint64_t)timeout_ms, 0);
    return 0;
}

/* ---- beginning and end ---- */

static bool set_up_multi(struct web *w)
{
    int failed = 0;
    failed |= curl_multi_setopt(w->multi, CURLMOPT_SOCKETFUNCTION, want_socket) != CURLM_OK;
    failed |= curl_multi_setopt(w->multi, CURLMOPT_SOCKETDATA, w) != CURLM_OK;
    failed |= curl_multi_setopt(w->multi, CURLMOPT_TIMERFUNCTION, want_timer) != CURLM_OK;
    failed |= curl_multi_setopt(w->multi, CURLMOPT_TIMERDATA, w) != CURLM_OK;
    failed |= curl_multi_setopt(w->multi, CURLMOPT_MAXCONNECTS, (long)WEB_GETS_MAX) != CURLM_OK;
    return failed == 0;
}

static enum status read_settings(struct web *w, const struct web_settings *settings,
                                 struct why *why)
{
    w->limits.slow_s = settings->slow_s != 0 ? settings->slow_s : WEB_SLOW_S;
    w->limits.total_ms = settings->total_ms != 0 ? settings->total_ms : WEB_TOTAL_MS;
    if (settings->ca_file == NULL)
        return ST_OK;
    if (access(settings->ca_file, R_OK) != 0) {
        why_set(why, "%.150s: the file of certificate authorities cannot be read",
                settings->ca_file);
        return ST_NOT_FOUND;
    }
    w->ca_file = strdup(settings->ca_file);
    w->limits.ca_file = w->ca_file;
    return w->ca_file == NULL ? ST_NOMEM : ST_OK;
}

static void on_closed(uv_handle_t *handle)
{
    struct web *w = handle->data;
    free(w->ca_file);
    free(w);
}

enum status web_new(uv_loop_t *loop, const struct web_settings *settings, struct web **ret,
                    struct why *why)
{
    assert(loop != NULL && settings != NULL && ret != NULL);
    struct allow *allow;
    enum status status = allow_new(settings->allow, settings->allow_count, &allow, why);
    if (status != ST_OK)
        return status;
    if (allow == NULL) {
        *ret = NULL;
        return ST_OK;
    }
    struct web *w = calloc(1, sizeof *w);
    if (w == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        allow_free(allow);
        free(w);
        why_set(why, "no memory");
        return ST_NOMEM;
    }
    w->magic = WEB_MAGIC;
    w->loop = loop;
    w->allow = allow;
    (void)uv_timer_init(loop, &w->timer); /* cannot fail, says libuv */
    w->timer.data = w;
    uv_unref((uv_handle_t *)&w->timer);
    why_set(why, "no memory");
    status = read_settings(w, settings, why);
    w->multi = curl_multi_init();
    if (status == ST_OK && (w->multi == NULL || !set_up_multi(w)))
        status = ST_NOMEM;
    if (status != ST_OK) {
        web_close(w);
        return status;
    }
    *ret = w;
    return ST_OK;
}

struct web *web_close(struct web *w)
{
    if (w == NULL)
        return NULL;
    assert(w->magic == WEB_MAGIC);
    const struct web_result closed = {.failure = WEB_CLOSED, .detail = "the program is ending"};
    while (w->gets != NULL) {
        struct web_get *g = w->gets;
        unlink_get(w, g);
        g->done(g->owner, g, &closed);
        get_free(g);
    }
    if (w->multi != NULL)
        (void)curl_multi_cleanup(w->multi);
    allow_free(w->allow);
    curl_global_cleanup();
    *(volatile uint32_t *)&w->magic = 0;
    uv_close((uv_handle_t *)&w->timer, on_closed);
    return NULL;
}

/* ---- one range ---- */

bool web_allows(const struct web *w, const char *url, struct why *why)
{
    CURLU *parsed;
    if (w == NULL) {
        why_set(why, "nothing is fetched by HTTP here");
        return false;
    }
    if (allow_check(w->allow, url, &parsed, why) != ST_OK)
        return false;
    curl_url_cleanup(parsed);
    return true;
}

enum status web_get(struct web *w, const struct web_range *r, web_done_fn *done, void *owner,
                    struct web_get **ret)
{
    assert(w != NULL && w->magic == WEB_MAGIC && r != NULL && done != NULL && ret != NULL);
    CURLU *url;
    struct web_get *g;
    if (web_is_full(w))
        return ST_LIMIT;
    enum status status = allow_check(w->allow, r->url, &url, NULL);
    if (status != ST_OK)
        return status;
    status = get_new(url, r, &w->limits, &g);
    if (status != ST_OK) {
        curl_url_cleanup(url);
        return status;
    }
    g->web = w;
    g->done = done;
    g->owner = owner;
    append(w, g);
    begin_next(w);
    *ret = g;
    return ST_OK;
}

size_t web_count(const struct web *w)
{
    assert(w != NULL && w->magic == WEB_MAGIC);
    return w->count;
}

bool web_is_full(const struct web *w)
{
    return web_count(w) == WEB_GETS_MAX + WEB_WAITING_MAX;
}

void web_cancel(struct web_get *get)
{
    if (get == NULL)
        return;
    struct web *w = get->web;
    unlink_get(w, get);
    get_free(get);
    begin_next(w);
}

const char *web_failure_name(enum web_failure failure)
{
    switch (failure) {
    case WEB_OK:
        return "ok";
    case WEB_UNREACHABLE:
        return "unreachable";
    case WEB_UNTRUSTED:
        return "untrusted";
    case WEB_STALLED:
        return "stalled";
    case WEB_REFUSED:
        return "refused";
    case WEB_REDIRECTED:
        return "redirected";
    case WEB_NO_RANGES:
        return "no_ranges";
    case WEB_WRONG_RANGE:
        return "wrong_range";
    case WEB_TOO_LONG:
        return "too_long";
    case WEB_TOO_SHORT:
        return "too_short";
    case WEB_BROKEN:
        return "broken";
    case WEB_CLOSED:
        return "closed";
    }
    return "unknown";
}
