#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static void *add(void *argument) {
    long long *numbers = argument, *total = malloc(sizeof *total);
    *total = 0;
    for (long long i = 1; i <= numbers[0]; i++) *total += numbers[i];
    return total;
}

int main(void) {
    long long *numbers = calloc(100000, sizeof *numbers), number;
    while (scanf("%lld", &number) == 1) numbers[++numbers[0]] = number;
    pthread_t thread;
    void *total;
    if (pthread_create(&thread, NULL, add, numbers)) return 1;
    pthread_join(thread, &total);
    printf("%.0f\n", floor(*(long long *)total + sqrt(0.25)));
}
