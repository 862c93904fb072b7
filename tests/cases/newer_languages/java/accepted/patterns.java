import java.util.ArrayList;
import java.util.List;
import java.util.Scanner;

public class Main {
    sealed interface Item permits Value, Nothing {}
    record Value(long number) implements Item {}
    record Nothing() implements Item {}

    public static void main(String[] args) {
        List<Item> items = new ArrayList<>(List.of(new Nothing()));
        Scanner in = new Scanner(System.in);
        while (in.hasNextLong()) items.add(new Value(in.nextLong()));
        long sum = 0;
        for (Item item : items.reversed()) {
            sum += switch (item) {
                case Value(long number) -> number;
                case Nothing() -> 0;
            };
        }
        System.out.println(sum);
    }
}
