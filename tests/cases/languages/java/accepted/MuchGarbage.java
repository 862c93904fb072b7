import java.util.*;

/** Allocates gigabytes and keeps little: what is limited is what is in memory, not what was ever asked for. */
public class MuchGarbage {
    public static void main(String[] args) {
        Scanner in = new Scanner(System.in);
        long total = 0;
        while (in.hasNextLong()) total += in.nextLong();
        Map<Integer, int[]> kept = new HashMap<>();
        for (int i = 0; i < 30_000; i++) kept.put(i % 500, new int[10_000]);
        System.out.println(total + kept.get(7)[5]);
    }
}
