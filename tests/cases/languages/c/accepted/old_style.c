/* As C was before its standards: no headers, no types of functions. */
main() {
    long long number, sum = 0;
    while (scanf("%lld", &number) == 1) sum += number;
    printf("%lld\n", sum);
    return 0;
}
