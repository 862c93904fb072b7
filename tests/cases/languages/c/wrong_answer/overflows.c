#include <stdio.h>

int main(void) {
    long long number;
    int total = 0;
    while (scanf("%lld", &number) == 1) total += (int)number;
    printf("%d\n", total);
}
