package org.example.sums;

import java.util.Scanner;
import java.util.concurrent.*;

class Sum {
    static int depth(int n) {
        return n == 0 ? 0 : 1 + depth(n - 1);
    }

    public static void main(String... args) throws Exception {
        Scanner in = new Scanner(System.in);
        ExecutorService workers = Executors.newFixedThreadPool(4);
        Future<Long> total = workers.submit(() -> {
            long sum = 0;
            while (in.hasNextLong()) sum += in.nextLong();
            return sum;
        });
        System.out.println(total.get() + depth(100_000) - 100_000);
        workers.shutdown();
    }
}
