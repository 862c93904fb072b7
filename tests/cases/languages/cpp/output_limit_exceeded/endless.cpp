#include <iostream>

int main() {
    for (;;) std::cout << "0000000000000000000000000000000000000000\n";
}
