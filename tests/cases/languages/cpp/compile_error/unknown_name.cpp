#include <bits/stdc++.h>

int main() { std::cout << totl << "\n"; }
