import sys

sys.setrecursionlimit(200_000)


def total(numbers, depth):
    return total(numbers, depth - 1) if depth else sum(numbers)


print(total([int(word) for word in sys.stdin.read().split()], 20_000))
