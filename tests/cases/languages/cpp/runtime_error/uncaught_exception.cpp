#include <bits/stdc++.h>

int main() {
    std::vector<int> numbers;
    std::cout << numbers.at(3) << "\n";
}
