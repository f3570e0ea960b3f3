/* Checks which URLs may be fetched: what lies below a prefix, and what only looks so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "web/allow.h"
#include "web/web.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static struct allow *list(const char *text)
{
    struct allow *a;
    struct why why = {0};
    assert_int_equal(allow_new(&text, 1, &a, &why), ST_OK);
    assert_non_null(a);
    return a;
}

static void what_lies_below_a_prefix_is_allowed(void **state)
{
    (void)state;
    static const struct {
        const char *prefix, *url, *fetched;
    } cases[] = {
        {"https://host", "https://host/a", "https://host/a"},
        {"https://host/", "https://host", "https://host/"},
        {"https://host/a", "https://host/a", "https://host/a"},
        {"https://host/a", "https://host/a/", "https://host/a/"},
        {"https://host/a", "https://host/a/b-c_d.e~f/0", "https://host/a/b-c_d.e~f/0"},
        {"https://host/a/", "https://host/a/b", "https://host/a/b"},
        {"https://host/a/", "https://host/x/../a/b", "https://host/a/b"},
        {"https://host", "https://HOST/a", "https://HOST/a"},
        {"https://host", "HTTPS://host/a", "https://host/a"},
        {"https://host", "https://host:443/a", "https://host:443/a"},
        {"https://host:443", "https://host/a", "https://host/a"},
        {"http://host:80", "http://host/a", "http://host/a"},
        {"http://10.0.0.1:8080/m", "http://10.0.0.1:8080/m/1", "http://10.0.0.1:8080/m/1"},
        {"http://[::1]:8080/m", "http://[::1]:8080/m/1", "http://[::1]:8080/m/1"},
        {"https://other https://host/a", "https://host/a/b", "https://host/a/b"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct allow *a = list(cases[i].prefix);
        struct why why = {0};
        CURLU *url;
        char *fetched;
        if (allow_check(a, cases[i].url, &url, &why) != ST_OK)
            fail_msg("%s below %s: %s", cases[i].url, cases[i].prefix, why.text);
        assert_int_equal(curl_url_get(url, CURLUPART_URL, &fetched, 0), CURLUE_OK);
        assert_string_equal(fetched, cases[i].fetched);
        curl_free(fetched);
        curl_url_cleanup(url);
        allow_free(a);
    }
}

static void what_only_looks_like_it_is_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *prefix, *url, *word;
    } cases[] = {
        /* another host */
        {"https://host", "https://host.evil/a", "not below"},
        {"https://host", "https://hos/a", "not below"},
        {"https://host", "https://evil/https://host/a", "not below"},
        {"https://host", "https://host./a", "not below"},
        {"https://host", "https://169.254.169.254/latest/meta-data", "not below"},
        {"https://host", "https://localhost/a", "not below"},
        {"http://[::1]", "http://127.0.0.1/a", "not below"},
        /* another port or scheme */
        {"https://host", "https://host:8443/a", "not below"},
        {"https://host:8443", "https://host/a", "not below"},
        {"https://host", "http://host/a", "not below"},
        {"https://host", "http://host:443/a", "not below"},
        {"https://host", "file://host/a", "not a URL"},
        {"https://host", "file:///etc/passwd", "scheme"},
        {"https://host", "ftp://host/a", "scheme"},
        {"https://host", "gopher://host/a", "scheme"},
        {"https://host", "dict://host/a", "scheme"},
        /* another path */
        {"https://host/a", "https://host/ab", "not below"},
        {"https://host/a", "https://host/A", "not below"},
        {"https://host/a/", "https://host/a", "not below"},
        {"https://host/a", "https://host/", "not below"},
        {"https://host/a", "https://host/a/../b", "not below"},
        {"https://host/a", "https://host/a/./../b", "not below"},
        {"https://host/a", "https://host/a/..", "not below"},
        {"https://host/a", "https://host/b//a", "not below"},
        {"https://host/a", "https://host/a/%2e%2e/b", "%"},
        {"https://host/a", "https://host/a/..%2fb", "%"},
        {"https://host/a", "https://host/a/..;/b", "path"},
        {"https://host/a", "https://host/a\\..\\b", "\\"},
        {"https://host/a", "https://host/a/<b>", "path"},
        /* credentials, and what hides a host */
        {"https://host", "https://user@host/a", "user name"},
        {"https://host", "https://user:word@host/a", "user name"},
        {"https://host", "https://host@evil/a", "user name"},
        {"https://host", "https://host:443@evil/a", "user name"},
        {"https://host", "https://@host/a", "user name"},
        {"https://host", "https://evil\\@host/a", "\\"},
        {"https://host", "https://evil#@host/a", "#"},
        {"https://host", "https://evil?@host/a", "?"},
        {"https://host", "https://host%2eevil/a", "%"},
        {"http://[fe80::1]", "http://[fe80::1%25lo]/a", "%"},
        /* what a plain file does not need */
        {"https://host", "https://host/a?b=c", "?"},
        {"https://host", "https://host/a#b", "#"},
        /* no URL at all */
        {"https://host", "", "not a URL"},
        {"https://host", "host/a", "not a URL"},
        {"https://host", "//host/a", "not a URL"},
        {"https://host", "https://", "not a URL"},
        {"https://host", "https:///a", "not"},
        {"https://host", "https://host:0x1bb/a", "not a URL"},
        {"https://host", "https://host:99999/a", "not a URL"},
        {"https://host", "https://ho st/a", "not a URL"},
        {"https://host", "https://host\r\nevil/a", "not a URL"},
        {"https://host", "javascript:https://host/a", "not"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct allow *a = list(cases[i].prefix);
        struct why why = {0};
        CURLU *url = NULL; /* fail_msg() leaks it all, and says so first */
        if (allow_check(a, cases[i].url, &url, &why) != ST_INVALID)
            fail_msg("%s is allowed below %s", cases[i].url, cases[i].prefix);
        if (strstr(why.text, cases[i].word) == NULL)
            fail_msg("%s: '%s' and not '%s'", cases[i].url, why.text, cases[i].word);
        assert_null(url);
        allow_free(a);
    }
}

static void what_is_no_prefix_is_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *text, *word;
    } bad[] = {
        {"host", "host cannot be"},
        {"*", "* cannot be"},

        {"file:///", "scheme"},
        {"ftp://host/", "scheme"},
        {"https://user:word@host", "user name"},
        {"https://host/a?b", "?"},
        {"https://host/%61", "%"},
        {"https://good /relative", "/relative cannot be"},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct allow *a = NULL;
        struct why why = {0};
        enum status status = allow_new(&bad[i].text, 1, &a, &why);
        assert_int_equal(status, ST_INVALID);
        assert_non_null(strstr(why.text, bad[i].word));
        assert_null(a);
    }
}

/* What it may hold is in no log. */
static void a_prefix_with_credentials_is_named_by_its_number(void **state)
{
    (void)state;
    static const char *const texts[] = {"https://one", " https://two  https://user:word@three"};
    struct allow *a = NULL;
    struct why why = {0};
    assert_int_equal(allow_new(texts, COUNT(texts), &a, &why), ST_INVALID);
    assert_null(a);
    assert_non_null(strstr(why.text, "prefix 3 cannot be"));
    assert_null(strstr(why.text, "user:"));
    assert_null(strstr(why.text, "word"));
}

static void nothing_is_allowed_by_nothing(void **state)
{
    (void)state;
    struct why why = {0};
    const char *const empty[] = {"", "  "};
    struct allow *a;
    assert_int_equal(allow_new(NULL, 0, &a, &why), ST_OK);
    assert_null(a);
    assert_int_equal(allow_new(empty, 2, &a, &why), ST_OK);
    assert_null(a);
    assert_false(web_allows(NULL, "https://host/a", &why));
    assert_non_null(strstr(why.text, "nothing is fetched"));
}

static void too_many_prefixes_are_refused(void **state)
{
    (void)state;
    const char *texts[WEB_PREFIXES_MAX + 1];
    struct why why = {0};
    struct allow *a = NULL;
    for (size_t i = 0; i < COUNT(texts); i++)
        texts[i] = "https://host";
    assert_int_equal(allow_new(texts, COUNT(texts), &a, &why), ST_LIMIT);
    assert_null(a);
    assert_non_null(strstr(why.text, "64"));
    assert_int_equal(allow_new(texts, COUNT(texts) - 1, &a, &why), ST_OK);
    allow_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_lies_below_a_prefix_is_allowed),
        cmocka_unit_test(what_only_looks_like_it_is_refused_by_name),
        cmocka_unit_test(what_is_no_prefix_is_refused_by_name),
        cmocka_unit_test(a_prefix_with_credentials_is_named_by_its_number),
        cmocka_unit_test(nothing_is_allowed_by_nothing),
        cmocka_unit_test(too_many_prefixes_are_refused),
    };
    return cmocka_run_group_tests_name("web/allow", tests, NULL, NULL);
}
