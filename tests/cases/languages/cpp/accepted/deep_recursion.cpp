#include <bits/stdc++.h>

static long long total(int depth) {
    volatile char frame[64];
    frame[0] = 0;
    long long number;
    if (depth > 0) return total(depth - 1) + frame[0];
    long long sum = 0;
    while (std::cin >> number) sum += number;
    return sum;
}

int main() { std::cout << total(200'000) << "\n"; }
