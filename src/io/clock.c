#include "io/clock.h"

#include <assert.h>
#include <stdio.h>
#include <time.h>

uint64_t clock_now_ms(void)
{
    struct timespec now;
    int failed = clock_gettime(CLOCK_BOOTTIME, &now);
    assert(failed == 0); /* Linux has it since 2.6.39 */
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void clock_text(char ret_text[CLOCK_TEXT_SIZE])
{
    struct timespec now;
    struct tm utc;
    int failed = clock_gettime(CLOCK_REALTIME, &now);
    assert(failed == 0);
    (void)gmtime_r(&now.tv_sec, &utc);
    char seconds[24];
    (void)strftime(seconds, sizeof seconds, "%Y-%m-%dT%H:%M:%S", &utc);
    (void)snprintf(ret_text, CLOCK_TEXT_SIZE, "%s.%03dZ", seconds, (int)(now.tv_nsec / 1000000));
}
