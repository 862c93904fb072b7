from dataclasses import dataclass
import sys


@dataclass(slots=True)
class Total:
    value: int = 0


total = Total()
for line in sys.stdin:
    match line.split():
        case []:
            continue
        case [*words]:
            total.value += sum(map(int, words))
print(f"{total.value}")
