#include <bits/stdc++.h>

int main() {
    long long number;
    int total = 0;
    while (std::cin >> number) total += static_cast<int>(number);
    std::cout << total << "\n";
}
