/* JSON with limits: what parses has one text that parses to itself; a field is
 * read or refused, and what is refused leaves no trace; any bytes make a text. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/jsn.h"
#include "fuzz.h"

static void check_stable(const json_t *object)
{
    char *first = jsn_text(object);
    assert(first != NULL);
    json_t *again = NULL;
    assert(jsn_parse(view_text(first), JSON_SIZE_MAX, &again, NULL) == ST_OK);
    char *second = jsn_text(again);
    assert(strcmp(first, second) == 0);
    json_decref(again);
    free(first);
    free(second);
}

static void check_fields(const json_t *object, const char *key)
{
    struct id id = {"kept"};
    const char *text = "kept";
    uint64_t number = 77;
    bool yes = true;
    json_t *inner = NULL, *array = NULL;
    struct why why = {""};

    if (jsn_id(object, key, JSN_OPTIONAL, &id, &why) != ST_OK)
        assert(strcmp(id.text, "kept") == 0 && why.text[0] != '\0');
    if (jsn_str(object, key, JSN_OPTIONAL, 8, &text, &why) != ST_OK)
        assert(strcmp(text, "kept") == 0);
    assert(strlen(text) <= 8);
    if (jsn_uint(object, key, JSN_OPTIONAL, 5, 100, &number, &why) != ST_OK)
        assert(number == 77);
    assert(number >= 5 && number <= 100);
    if (jsn_bool(object, key, JSN_OPTIONAL, &yes, &why) != ST_OK)
        assert(yes);
    if (jsn_object(object, key, JSN_OPTIONAL, &inner, &why) != ST_OK)
        assert(inner == NULL);
    if (jsn_array(object, key, JSN_OPTIONAL, 4, &array, &why) != ST_OK)
        assert(array == NULL);
    assert(json_array_size(array) <= 4);
}

static void check_string(struct view any)
{
    json_t *object = json_pack("{s:o}", "any", jsn_string(any));
    assert(object != NULL);
    json_t *string = json_object_get(object, "any");
    assert(json_string_length(string) == any.size);
    char *text = jsn_text(object);
    json_t *again = NULL;
    assert(jsn_parse(view_text(text), SIZE_MAX, &again, NULL) == ST_OK);
    assert(json_equal(object, again));
    json_decref(again);
    json_decref(object);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view input = view_of(data, size);
    json_t *object = NULL;
    struct why why = {""};
    if (jsn_parse(input, (size_t)64 << 10, &object, &why) == ST_OK) {
        check_stable(object);
        const char *key;
        json_t *value;
        json_object_foreach(object, key, value) check_fields(object, key);
        json_decref(object);
    } else {
        assert(object == NULL && why.text[0] != '\0');
        check_string(view_text(why.text));
    }
    check_string(input);
    return 0;
}
