import sys

print(sum(int(word) for word in sys.stdin.read().split()))
raise SystemExit("the sum was right, and yet it ended with a failure")
