#include <bits/stdc++.h>
#include <expected>
#include <print>

static std::expected<long long, std::string> number(const std::string& word) {
    try {
        return std::stoll(word);
    } catch (const std::exception& error) {
        return std::unexpected(error.what());
    }
}

int main() {
    std::string word;
    std::vector<long long> numbers;
    while (std::cin >> word) numbers.push_back(number(word).value_or(0));
    std::println("{}", std::ranges::fold_left(numbers, 0LL, std::plus{}));
}
