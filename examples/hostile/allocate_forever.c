/* Takes memory, and touches it, until there is no more; then gives up loudly. */
#include <stdlib.h>
#include <string.h>

#define BLOCK ((size_t)1 << 20)

/* Volatile, or the compiler sees that no one looks and takes no memory. */
static char *volatile taken;

int main(void)
{
    for (;;) {
        taken = malloc(BLOCK);
        if (taken == NULL)
            abort();
        memset(taken, 1, BLOCK);
    }
}
