#include "web/allow.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "web/web.h"

/* A URL in the pieces that count. Texts are libcurl's: curl_free(). */
struct place {
    char *scheme, *host, *port, *path;
};

struct allow {
    size_t count;
    struct place places[WEB_PREFIXES_MAX];
};

static void place_done(struct place *p)
{
    curl_free(p->scheme);
    curl_free(p->host);
    curl_free(p->port);
    curl_free(p->path);
    *p = (struct place){0};
}

/* A piece that there is not stays NULL: file: has neither host nor port.
 * fails: ST_NOMEM */
static enum status split(CURLU *url, struct place *ret)
{
    struct place p = {0};
    bool full = curl_url_get(url, CURLUPART_SCHEME, &p.scheme, 0) == CURLUE_OUT_OF_MEMORY;
    full |= curl_url_get(url, CURLUPART_HOST, &p.host, 0) == CURLUE_OUT_OF_MEMORY;
    full |= curl_url_get(url, CURLUPART_PORT, &p.port, CURLU_DEFAULT_PORT) == CURLUE_OUT_OF_MEMORY;
    full |= curl_url_get(url, CURLUPART_PATH, &p.path, 0) == CURLUE_OUT_OF_MEMORY;
    if (full || p.scheme == NULL) {
        place_done(&p);
        return ST_NOMEM;
    }
    *ret = p;
    return ST_OK;
}

static bool is_plain_path(const char *path)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "/-._~:@=+,";
    return path[0] == '/' && path[strspn(path, plain)] == '\0';
}

static enum status parse_failed(CURLUcode failed, struct why *why)
{
    if (failed == CURLUE_USER_NOT_ALLOWED)
        why_set(why, "it holds a user name");
    else
        why_set(why, "it is not a URL: %s", curl_url_strerror(failed));
    return failed == CURLUE_OUT_OF_MEMORY ? ST_NOMEM : ST_INVALID;
}

static enum status check_place(const struct place *p, struct why *why)
{
    if (strcmp(p->scheme, "https") != 0 && strcmp(p->scheme, "http") != 0)
        why_set(why, "its scheme is neither https nor http");
    else if (p->host == NULL || p->port == NULL || p->path == NULL)
        why_set(why, "it is not a URL: no host");
    else if (!is_plain_path(p->path))
        why_set(why, "its path holds more than letters, digits and -._~:@=+,/");
    else
        return ST_OK;
    return ST_INVALID;
}

/* gives: *ret_url and *ret_place, to be ended each. fails: ST_INVALID, ST_NOMEM */
static enum status parse(const char *text, CURLU **ret_url, struct place *ret_place,
                         struct why *why)
{
    if (text[strcspn(text, "?#%\\")] != '\0') {
        why_set(why, "it holds one of ? # %% and \\");
        return ST_INVALID;
    }
    CURLU *url = curl_url();
    if (url == NULL)
        return ST_NOMEM;
    struct place place = {0};
    CURLUcode failed = curl_url_set(url, CURLUPART_URL, text, CURLU_DISALLOW_USER);
    enum status status = failed == CURLUE_OK ? ST_OK : parse_failed(failed, why);
    if (status == ST_OK)
        status = split(url, &place);
    if (status == ST_OK)
        status = check_place(&place, why);
    if (status != ST_OK) {
        place_done(&place);
        curl_url_cleanup(url);
        return status;
    }
    *ret_url = url;
    *ret_place = place;
    return ST_OK;
}

/* ---- the list ---- */

/* Credentials are not for a log, so what may hold some is named by its number. */
static void name_refused(const struct allow *a, const char *text, const char *detail,
                         struct why *why)
{
    if (strchr(text, '@') != NULL)
        why_set(why, "prefix %zu cannot be an allowed prefix: %s", a->count + 1, detail);
    else
        why_set(why, "%.100s cannot be an allowed prefix: %s", text, detail);
}

static enum status add(struct allow *a, const char *text, struct why *why)
{
    CURLU *url;
    struct why detail = {0};
    if (a->count == WEB_PREFIXES_MAX) {
        why_set(why, "there are more than %d allowed prefixes", WEB_PREFIXES_MAX);
        return ST_LIMIT;
    }
    enum status status = parse(text, &url, &a->places[a->count], &detail);
    if (status != ST_OK) {
        name_refused(a, text, detail.text, why);
        return status;
    }
    curl_url_cleanup(url);
    a->count++;
    return ST_OK;
}

/* Each of the words of a text. */
static enum status add_all(struct allow *a, const char *text, struct why *why)
{
    char *copy = strdup(text), *rest = copy;
    enum status status = copy == NULL ? ST_NOMEM : ST_OK;
    for (char *word; status == ST_OK && (word = strsep(&rest, " ")) != NULL;)
        if (word[0] != '\0')
            status = add(a, word, why);
    free(copy);
    return status;
}

enum status allow_new(const char *const *texts, size_t count, struct allow **ret, struct why *why)
{
    assert((texts != NULL || count == 0) && ret != NULL);
    struct allow *a = calloc(1, sizeof *a);
    enum status status = a == NULL ? ST_NOMEM : ST_OK;
    for (size_t i = 0; i < count && status == ST_OK; i++)
        status = add_all(a, texts[i], why);
    if (status == ST_NOMEM)
        why_set(why, "no memory");
    if (status != ST_OK || a->count == 0)
        a = allow_free(a);
    if (status == ST_OK)
        *ret = a;
    return status;
}

/* ---- a URL ---- */

/* Below it, at a slash: "/a" and "/a/" have "/a/b" below them, and not "/ab". */
static bool is_below(const char *path, const char *prefix)
{
    size_t size = strlen(prefix);
    if (strncmp(path, prefix, size) != 0)
        return false;
    return prefix[size - 1] == '/' || path[size] == '/' || path[size] == '\0';
}

static bool is_allowed(const struct allow *a, const struct place *p)
{
    for (size_t i = 0; i < a->count; i++) {
        const struct place *prefix = &a->places[i];
        if (strcmp(p->scheme, prefix->scheme) == 0 && strcasecmp(p->host, prefix->host) == 0 &&
            strcmp(p->port, prefix->port) == 0 && is_below(p->path, prefix->path))
            return true;
    }
    return false;
}

enum status allow_check(const struct allow *a, const char *url, CURLU **ret, struct why *why)
{
    assert(a != NULL && url != NULL && ret != NULL);
    CURLU *parsed;
    struct place place;
    enum status status = parse(url, &parsed, &place, why);
    if (status != ST_OK)
        return status;
    bool allowed = is_allowed(a, &place);
    place_done(&place);
    if (!allowed) {
        why_set(why, "it is not below an allowed prefix");
        curl_url_cleanup(parsed);
        return ST_INVALID;
    }
    *ret = parsed;
    return ST_OK;
}

struct allow *allow_free(struct allow *a)
{
    if (a == NULL)
        return NULL;
    for (size_t i = 0; i < WEB_PREFIXES_MAX; i++)
        place_done(&a->places[i]);
    free(a);
    return NULL;
}
