#include "web/get.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REDIRECT_BODY_MAX ((size_t)16 << 10)

static long status_of(const struct web_get *g)
{
    long status = 0;
    (void)curl_easy_getinfo(g->easy, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

/* ---- the answer's range ---- */

/* Decimal digits up to `end`, which is skipped. NULL: it is something else. */
static const char *read_number(const char *text, char end, uint64_t *ret)
{
    char *after;
    if (*text < '0' || *text > '9' || strspn(text, "0123456789") > 19)
        return NULL;
    *ret = strtoull(text, &after, 10);
    return *after == end ? after + 1 : NULL;
}

/* "bytes 5-9/10", or "bytes 5-9/\*" of a server that does not know the size (RFC 9110,
 * section 14.4). */
static bool range_is_ours(const struct web_get *g, const char *text)
{
    uint64_t first, last, total;
    if (strncmp(text, "bytes ", 6) != 0)
        return false;
    text = read_number(text + 6, '-', &first);
    text = text == NULL ? NULL : read_number(text, '/', &last);
    if (text == NULL || first != g->offset || last != g->offset + g->size - 1)
        return false;
    return strcmp(text, "*") == 0 || (read_number(text, '\0', &total) != NULL && total == g->total);
}

static bool has_our_range(const struct web_get *g)
{
    struct curl_header *header;
    return curl_easy_header(g->easy, "Content-Range", 0, CURLH_HEADER, -1, &header) == CURLHE_OK &&
           header->amount == 1 && range_is_ours(g, header->value);
}

/* WEB_OK: what follows are our bytes. */
static enum web_failure judge_head(const struct web_get *g)
{
    switch (status_of(g)) {
    case 206:
        return has_our_range(g) ? WEB_OK : WEB_WRONG_RANGE;
    case 200:
        return WEB_NO_RANGES;
    case 301:
    case 302:
    case 303:
    case 307:
    case 308:
        return WEB_REDIRECTED;
    default:
        return WEB_REFUSED;
    }
}

/* What a redirect says beside its head is of no use, but libcurl tells where it leads
 * only when all of it has come. */
static size_t skip(struct web_get *g, size_t size)
{
    if (size > REDIRECT_BODY_MAX - g->skipped)
        return 0;
    g->skipped += size;
    return size;
}

/* Less than was given makes libcurl end the transfer. */
static size_t on_body(char *data, size_t one, size_t count, void *owner)
{
    struct web_get *g = owner;
    size_t size = one * count;
    if (!g->judged) {
        g->judged = true;
        g->failure = judge_head(g);
    }
    if (g->failure == WEB_REDIRECTED)
        return skip(g, size);
    if (g->failure == WEB_OK && size > g->size - g->there)
        g->failure = WEB_TOO_LONG;
    if (g->failure != WEB_OK)
        return 0;
    memcpy(g->bytes + g->there, data, size);
    g->there += size;
    return size;
}

/* ---- the request ---- */

static bool set_security(CURL *easy, const struct get_limits *l)
{
    int failed = 0;
    failed |= curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") != CURLE_OK;
    failed |= curl_easy_setopt(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L) != CURLE_OK;
    failed |= curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) != CURLE_OK;
    failed |= curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) != CURLE_OK;
    failed |= curl_easy_setopt(easy, CURLOPT_PROXY, "") != CURLE_OK; /* nor the environment's */
    failed |= curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L) != CURLE_OK;
    failed |= curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L) != CURLE_OK;
    failed |= curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) != CURLE_OK;
    if (l->ca_file != NULL) {
        failed |= curl_easy_setopt(easy, CURLOPT_CAINFO, l->ca_file) != CURLE_OK;
        failed |= curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) != CURLE_OK;
    }
    return failed == 0;
}

/* How much may come is for on_body() to say: libcurl's own limit would hold for what a
 * redirect says, too. A name lookup that hangs is left to its thread (QUICK_EXIT), or the end of a
 * get would wait for it on the loop. */
static bool set_limits(CURL *easy, const struct get_limits *l)
{
    int failed = 0;
    failed |= curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)WEB_CONNECT_MS) != CURLE_OK;
    failed |= curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, (long)WEB_SLOW_BYTES) != CURLE_OK;
    failed |= curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)l->slow_s) != CURLE_OK;
    failed |= curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)l->total_ms) != CURLE_OK;
    failed |= curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) != CURLE_OK;
    failed |= curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L) != CURLE_OK;
    return failed == 0;
}

static bool set_request(CURL *easy, struct web_get *g)
{
    char range[64];
    int failed = 0;
    (void)snprintf(range, sizeof range, "%" PRIu64 "-%" PRIu64, g->offset, g->offset + g->size - 1);
    failed |= curl_easy_setopt(easy, CURLOPT_CURLU, g->url) != CURLE_OK;
    failed |= curl_easy_setopt(easy, CURLOPT_RANGE, range) != CURLE_OK;
    failed |= curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) != CURLE_OK;
    failed |= curl_easy_setopt(easy, CURLOPT_USERAGENT, "fml") != CURLE_OK;
    failed |= curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) != CURLE_OK;
    failed |= curl_easy_setopt(easy, CURLOPT_WRITEDATA, g) != CURLE_OK;
    failed |= curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, g->error) != CURLE_OK;
    failed |= curl_easy_setopt(easy, CURLOPT_PRIVATE, g) != CURLE_OK;
    return failed == 0;
}

enum status get_new(CURLU *url, const struct web_range *r, const struct get_limits *l,
                    struct web_get **ret)
{
    assert(r->size >= 1 && r->size <= WEB_RANGE_MAX);
    struct web_get *g = calloc(1, sizeof *g);
    if (g == NULL)
        return ST_NOMEM;
    g->url = url;
    g->offset = r->offset;
    g->size = r->size;
    g->total = r->total;
    g->bytes = malloc(r->size);
    g->easy = curl_easy_init();
    if (g->bytes == NULL || g->easy == NULL || !set_security(g->easy, l) ||
        !set_limits(g->easy, l) || !set_request(g->easy, g)) {
        g->url = NULL;
        get_free(g);
        return ST_NOMEM;
    }
    *ret = g;
    return ST_OK;
}

const char *get_redirect(const struct web_get *g)
{
    char *url = NULL;
    (void)curl_easy_getinfo(g->easy, CURLINFO_REDIRECT_URL, &url);
    return url;
}

enum status get_follow(struct web_get *g, CURLU *url)
{
    if (curl_easy_setopt(g->easy, CURLOPT_CURLU, url) != CURLE_OK)
        return ST_NOMEM;
    curl_url_cleanup(g->url);
    g->url = url;
    g->there = g->skipped = 0;
    g->judged = false;
    g->failure = WEB_OK;
    g->redirects++;
    return ST_OK;
}

void get_free(struct web_get *g)
{
    if (g == NULL)
        return;
    curl_easy_cleanup(g->easy);
    curl_url_cleanup(g->url);
    free(g->bytes);
    free(g);
}

/* ---- the judgement ---- */

static enum web_failure failure_of(CURLcode code)
{
    switch (code) {
    case CURLE_OK:
        return WEB_OK;
    case CURLE_OPERATION_TIMEDOUT:
        return WEB_STALLED;
    case CURLE_PARTIAL_FILE:
        return WEB_TOO_SHORT;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_ISSUER_ERROR:
        return WEB_UNTRUSTED;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
        return WEB_UNREACHABLE;
    default:
        return WEB_BROKEN;
    }
}

/* What the answer's head says comes before what became of its body, which we may have
 * ended ourselves. */
static enum web_failure judge(const struct web_get *g, CURLcode code)
{
    bool answered = status_of(g) != 0;
    enum web_failure failure = answered ? judge_head(g) : WEB_OK;
    if (failure == WEB_OK)
        failure = g->failure;
    if (failure == WEB_OK)
        failure = failure_of(code);
    if (failure == WEB_OK && g->there < g->size)
        failure = WEB_TOO_SHORT;
    return failure;
}

static bool is_passing(enum web_failure failure, long status)
{
    switch (failure) {
    case WEB_UNREACHABLE:
    case WEB_STALLED:
    case WEB_TOO_SHORT:
        return true;
    case WEB_REFUSED: /* Request Timeout, Too Many Requests, the server's own errors */
        return status == 408 || status == 429 || status >= 500;
    default:
        return false;
    }
}

static void explain(const struct web_get *g, enum web_failure failure, CURLcode code,
                    struct why *why)
{
    switch (failure) {
    case WEB_REFUSED:
        why_set(why, "the server answers with status %ld", status_of(g));
        break;
    case WEB_REDIRECTED:
        why_set(why, "the server sends elsewhere, where we may not follow");
        break;
    case WEB_NO_RANGES:
        why_set(why, "the server does not give ranges");
        break;
    case WEB_WRONG_RANGE:
        why_set(why, "the server gives another range, or one of another file");
        break;
    case WEB_TOO_LONG:
        why_set(why, "more than the %zu bytes of the range came", g->size);
        break;
    case WEB_TOO_SHORT:
        why_set(why, "%zu of %zu bytes came", g->there, g->size);
        break;
    default:
        why_set(why, "%.200s", g->error[0] != '\0' ? g->error : curl_easy_strerror(code));
    }
}

void get_judge(const struct web_get *g, CURLcode code, struct web_result *ret, struct why *why)
{
    enum web_failure failure = judge(g, code);
    *ret = (struct web_result){.failure = failure, .passing = is_passing(failure, status_of(g))};
    if (failure == WEB_OK)
        ret->bytes = view_of(g->bytes, g->size);
    else
        explain(g, failure, code, why);
    ret->detail = why->text;
}
