/* Prints without end, whether anyone takes it or not. */
#include <string.h>
#include <unistd.h>

int main(void)
{
    static char line[1 << 16];
    memset(line, 'x', sizeof line);
    for (;;)
        (void)!write(STDOUT_FILENO, line, sizeof line);
}
