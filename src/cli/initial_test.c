/* Initial weights against values that a Python program of the same definition gives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/digest.h"
#include "cli/initial.h"

static struct model *make(const char *text, uint64_t seed)
{
    struct layers layers;
    struct model *m = NULL;
    assert_int_equal(layers_parse(text, &layers, NULL), ST_OK);
    assert_int_equal(initial_model(&layers, seed, &m), ST_OK);
    return m;
}

/* Python: splitmix64 with seed 7, float32((2 u - 1) sqrt(6 / (in + out))). */
static void small_network_has_the_reference_values(void **state)
{
    (void)state;
    static const float w1[12] = {-0x1.a1c87ap-3f, -0x1.ca1a9ap-1f, 0x1.7befe4p-1f,  0x1.3a7c20p-3f,
                                 -0x1.68b220p-4f, -0x1.db1908p-2f, -0x1.e61bf6p-5f, -0x1.45faeep-2f,
                                 -0x1.5abcd8p-1f, -0x1.4961b4p-3f, -0x1.77d748p-1f, 0x1.b3fa9ap-1f};
    static const float w2[6] = {0x1.d4e854p-1f, 0x1.a08940p-1f, 0x1.985208p-1f,
                                0x1.b15366p-4f, 0x1.a9d386p-1f, -0x1.858db2p-2f};
    struct model *m = make("4,3,2", 7);
    assert_memory_equal(model_find(m, "dense1.weight")->data, w1, sizeof w1);
    assert_memory_equal(model_find(m, "dense2.weight")->data, w2, sizeof w2);
    for (size_t i = 0; i < 3; i++)
        assert_true(model_find(m, "dense1.bias")->data[i] == 0);
    (void)model_free(m);
}

/* The SHA-256 of all 50,890 float32 of the reference's network with seed 1. */
static void mnist_network_is_the_reference_to_the_last_bit(void **state)
{
    (void)state;
    struct model *m = make("784,64,10", 1);
    assert_int_equal(model_param_count(m), 50890);
    struct digest d = digest_of(view_of(model_params(m), 50890 * sizeof(float)));
    char hex[DIGEST_HEX_SIZE];
    digest_hex(&d, hex);
    assert_string_equal(hex, "8fc9fb0b76666d7f44af4c4b841bbab54e16bce4a761df249b3a2087c29c44f7");
    (void)model_free(m);
}

static void softmax_regression_is_all_zeros(void **state)
{
    (void)state;
    struct model *m = make("64,10", 1);
    assert_int_equal(model_tensor_count(m), 2);
    assert_int_equal(model_param_count(m), 650);
    for (size_t i = 0; i < 650; i++)
        assert_true(model_params(m)[i] == 0);
    (void)model_free(m);
}

static void tensors_have_names_and_shapes(void **state)
{
    (void)state;
    struct model *m = make("5,4,3,2", 1);
    assert_int_equal(model_tensor_count(m), 6);
    assert_string_equal(model_tensor(m, 4)->name, "dense3.weight");
    assert_int_equal(model_tensor(m, 4)->rank, 2);
    assert_int_equal(model_tensor(m, 4)->shape[0], 3);
    assert_int_equal(model_tensor(m, 4)->shape[1], 2);
    assert_string_equal(model_tensor(m, 5)->name, "dense3.bias");
    assert_int_equal(model_tensor(m, 5)->rank, 1);
    assert_string_equal(model_meta(m, "version"), "0");
    (void)model_free(m);
}

static void wrong_layers_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",     "5",    "5,",    ",5",         "5,0",
        "5,-1", "5;4",  "5, 4",  "5,x",        "5,4,",
        "+5,4", "5,4 ", "5,1e3", "5,16777217", "99999999999999999999,2"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct layers layers = {.count = 99};
        struct why why = {""};
        assert_int_equal(layers_parse(wrong[i], &layers, &why), ST_INVALID);
        assert_int_equal(layers.count, 99);
        assert_true(strlen(why.text) > 0);
    }
}

static void too_many_layers_are_refused(void **state)
{
    (void)state;
    char text[2 * (INITIAL_LAYERS_MAX + 1)];
    for (size_t i = 0; i <= INITIAL_LAYERS_MAX; i++)
        memcpy(text + 2 * i, "1,", 2);
    text[sizeof text - 1] = '\0';
    struct layers layers;
    assert_int_equal(layers_parse(text, &layers, NULL), ST_INVALID);
    text[sizeof text - 3] = '\0'; /* one less is the most */
    assert_int_equal(layers_parse(text, &layers, NULL), ST_OK);
}

static void too_large_a_model_is_refused(void **state)
{
    (void)state;
    struct layers layers;
    struct model *m = NULL;
    assert_int_equal(layers_parse("16777216,16777216", &layers, NULL), ST_OK);
    assert_int_equal(initial_model(&layers, 1, &m), ST_LIMIT);
    assert_null(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_network_has_the_reference_values),
        cmocka_unit_test(mnist_network_is_the_reference_to_the_last_bit),
        cmocka_unit_test(softmax_regression_is_all_zeros),
        cmocka_unit_test(tensors_have_names_and_shapes),
        cmocka_unit_test(wrong_layers_are_refused),
        cmocka_unit_test(too_many_layers_are_refused),
        cmocka_unit_test(too_large_a_model_is_refused),
    };
    return cmocka_run_group_tests_name("cli/initial", tests, NULL, NULL);
}
