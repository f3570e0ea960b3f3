/* The two clocks. Deadlines use the one that never jumps. */
#ifndef IO_CLOCK_H
#define IO_CLOCK_H

#include <stdint.h>

/* Milliseconds since some start; CLOCK_BOOTTIME: goes on in suspend, never steps. */
uint64_t clock_now_ms(void);

#define CLOCK_BOOT_SIZE 40
/* Which start of the machine clock_now_ms() counts from; empty: it cannot be told.
 * Times of one boot can be compared, those of two cannot. */
void clock_boot(char ret_boot[CLOCK_BOOT_SIZE]);

#define CLOCK_TEXT_SIZE 32
/* The time of day, for people: RFC 3339 in UTC, "2026-11-24T21:57:12.345Z". */
void clock_text(char ret_text[CLOCK_TEXT_SIZE]);
/* What it will be in so many milliseconds, at most 100 years. */
void clock_text_in(uint64_t ms, char ret_text[CLOCK_TEXT_SIZE]);
/* The same as seconds of Unix time, for what is valid until a day: it may step. */
uint64_t clock_unix_s(void);

#endif
