#include <fstream>

int main() {
    std::ifstream in("/dev/stdin");
    std::ofstream out("/dev/stdout");
    long long number, sum = 0;
    while (in >> number) sum += number;
    out << sum << "\n";
}
