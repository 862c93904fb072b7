import subprocess

with open("/dev/stdin") as numbers, open("/dev/stdout", "w") as out:
    total = sum(map(int, numbers.read().split()))
    subprocess.run(["sh", "-c", "echo noise > /dev/stderr; cat < /dev/null > /proc/self/fd/1"], check=True)
    out.write(f"{total}\n")
