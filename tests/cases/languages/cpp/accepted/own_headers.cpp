#include <concepts>
#include <cstdint>
#include <iostream>
#include <thread>

template <std::integral Number>
Number total(std::istream& in) {
    Number sum{}, number{};
    while (in >> number) sum += number;
    return sum;
}

int main() {
    std::int64_t sum = 0;
    std::thread worker([&sum] { sum = total<std::int64_t>(std::cin); });
    worker.join();
    std::cout << sum << std::endl;
}
