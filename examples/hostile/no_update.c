/* Ends well and leaves nothing. */
int main(void)
{
    return 0;
}
