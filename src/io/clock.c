#include "io/clock.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define AHEAD_MS_MAX (UINT64_C(100) * 366 * 24 * 3600 * 1000)

uint64_t clock_now_ms(void)
{
    struct timespec now;
    int failed = clock_gettime(CLOCK_BOOTTIME, &now);
    assert(failed == 0); /* Linux has it since 2.6.39 */
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void clock_boot(char ret_boot[CLOCK_BOOT_SIZE])
{
    ret_boot[0] = '\0';
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (file == NULL)
        return;
    if (fgets(ret_boot, CLOCK_BOOT_SIZE, file) == NULL)
        ret_boot[0] = '\0';
    ret_boot[strcspn(ret_boot, "\n")] = '\0';
    (void)fclose(file);
}

void clock_text(char ret_text[CLOCK_TEXT_SIZE])
{
    clock_text_in(0, ret_text);
}

void clock_text_in(uint64_t ms, char ret_text[CLOCK_TEXT_SIZE])
{
    struct timespec now;
    struct tm utc;
    int failed = clock_gettime(CLOCK_REALTIME, &now);
    assert(failed == 0 && ms <= AHEAD_MS_MAX);
    ms += (uint64_t)now.tv_nsec / 1000000;
    time_t then = now.tv_sec + (time_t)(ms / 1000);
    (void)gmtime_r(&then, &utc);
    char seconds[24];
    (void)strftime(seconds, sizeof seconds, "%Y-%m-%dT%H:%M:%S", &utc);
    (void)snprintf(ret_text, CLOCK_TEXT_SIZE, "%s.%03dZ", seconds, (int)(ms % 1000));
}

uint64_t clock_unix_s(void)
{
    struct timespec now;
    int failed = clock_gettime(CLOCK_REALTIME, &now);
    assert(failed == 0 && now.tv_sec >= 0);
    return (uint64_t)now.tv_sec;
}
