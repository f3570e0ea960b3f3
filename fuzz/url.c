/* URLs of manifests against an allow-list: what is allowed goes to the host, port and
 * path of the list, whatever its text looks like. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "fuzz.h"
#include "web/allow.h"

static void check_part(CURLU *url, CURLUPart part, const char *expected)
{
    char *text;
    CURLUcode failed = curl_url_get(url, part, &text, CURLU_DEFAULT_PORT);
    assert(failed == CURLUE_OK);
    assert(strcasecmp(text, expected) == 0);
    curl_free(text);
}

static void check_path(CURLU *url)
{
    char *path;
    CURLUcode failed = curl_url_get(url, CURLUPART_PATH, &path, 0);
    assert(failed == CURLUE_OK);
    assert(strcmp(path, "/models") == 0 || strncmp(path, "/models/", 8) == 0);
    assert(strstr(path, "/../") == NULL && strchr(path, '%') == NULL);
    curl_free(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const prefix = "https://host:8443/models";
    static struct allow *a;
    CURLU *url;
    struct why why = {0};
    char *text = size > 4096 ? NULL : text_of(view_of(data, size));
    if (a == NULL) {
        enum status status = allow_new(&prefix, 1, &a, &why);
        assert(status == ST_OK);
    }
    if (text == NULL)
        return 0;
    if (allow_check(a, text, &url, &why) == ST_OK) {
        check_part(url, CURLUPART_SCHEME, "https");
        check_part(url, CURLUPART_HOST, "host");
        check_part(url, CURLUPART_PORT, "8443");
        check_path(url);
        curl_url_cleanup(url);
    } else {
        assert(why.text[0] != '\0');
    }
    free(text);
    return 0;
}
