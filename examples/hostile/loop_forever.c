/* Uses a processor until someone ends it. */
int main(void)
{
    for (volatile unsigned spins = 0;; spins++)
        ;
}
