/* Errors made on purpose, which a tool has to find before its silence about others means anything;
   and one thing that is none. The argument is 1, which the compiler does not know. */

#include <limits.h>
#include <stdlib.h>

int out_of_bounds(int one)
{
    volatile char *bytes = malloc(16);
    int found = bytes[15 + one];
    free((void *)bytes);
    return found;
}

int overflow(int one) { return INT_MAX + one; }

int offset_of_null(int one)
{
    char *volatile none = NULL;
    return none + one == NULL;
}

int race(int one)
{
    volatile int sum = 0;
#pragma omp parallel for num_threads(2)
    for (int i = 0; i < 1000; i++)
        sum += one;
    return sum;
}

/* no race: the threads' sums are added, and the total is read, behind what OpenMP waits for */
int reduction(int one)
{
    int sum = 0;
#pragma omp parallel for num_threads(2) reduction(+ : sum)
    for (int i = 0; i < 1000; i++)
        sum += one;
    return sum;
}

int unset(int one)
{
    volatile int *numbers = malloc(4 * sizeof(int)), found = 2;
    if (numbers[one] > 0)
        found = 3;
    free((void *)numbers);
    return found;
}
