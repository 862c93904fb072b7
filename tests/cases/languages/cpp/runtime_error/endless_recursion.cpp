#include <iostream>
int f(int n) {
    volatile char room[200];
    room[0] = static_cast<char>(n);
    return f(n + 1) + room[0];
}
int main() { std::cout << f(0) << "\n"; }
