#include "proplet/device.h"

#include <ctype.h>
#include <unistd.h>

#include <uv.h>

#include "service/options.h"

static void put(json_t *object, const char *key, json_t *value)
{
    /* What is not UTF-8 (a host's name may be anything) makes no value. */
    if (value != NULL)
        (void)json_object_set_new(object, key, value);
}

json_t *device_describe(void)
{
    json_t *object = json_object();
    if (object == NULL)
        return NULL;
    uv_utsname_t system;
    if (uv_os_uname(&system) == 0) {
        for (char *c = system.sysname; *c != '\0'; c++)
            *c = (char)tolower((unsigned char)*c);
        put(object, "os", json_string(system.sysname));
        put(object, "cpu_arch", json_string(system.machine));
    }
    char hostname[UV_MAXHOSTNAMESIZE];
    size_t size = sizeof hostname;
    if (uv_os_gethostname(hostname, &size) == 0)
        put(object, "hostname", json_string(hostname));
    put(object, "total_memory_bytes", json_integer((json_int_t)uv_get_total_memory()));
    put(object, "environment", json_string(access("/.dockerenv", F_OK) == 0 ? "docker" : "binary"));
    put(object, "proplet_version", json_string(OPTIONS_VERSION));
    put(object, "wasm_runtime", json_string("wasmtime-48"));
    return object;
}
