import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintWriter;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.Random;
import java.util.Scanner;
import java.util.StringTokenizer;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** Touches the classes that ordinary submissions load, so that the class data archive of the image holds them. */
final class Training {
    public static void main(String[] arguments) throws Exception {
        Scanner scanner = new Scanner(System.in);
        int first = scanner.nextInt();
        BufferedReader reader = new BufferedReader(new InputStreamReader(System.in));
        StringTokenizer words = new StringTokenizer(String.valueOf(reader.readLine()));
        List<Integer> numbers = new ArrayList<>(Arrays.asList(3, 1, 2, first, words.countTokens()));
        Collections.sort(numbers, Comparator.reverseOrder());
        Map<String, Integer> counts = new HashMap<>();
        numbers.forEach(number -> counts.merge("n" + number, 1, Integer::sum));
        TreeMap<String, Integer> sorted = new TreeMap<>(counts);
        ArrayDeque<Integer> queue = new ArrayDeque<>(numbers);
        PriorityQueue<Integer> heap = new PriorityQueue<>(queue);
        String joined = IntStream.range(0, 5).mapToObj(Integer::toString).collect(Collectors.joining(","));
        System.out.println(String.format("%d %.3f %s %s", heap.poll(), Math.sqrt(2), joined, sorted));
        System.out.println(BigInteger.TEN.pow(30).add(new BigDecimal("1.5").toBigInteger()));
        System.out.println(new StringBuilder("abc").reverse() + " " + new TreeSet<>(new HashSet<>(numbers)));
        System.out.println(new Random(1).nextInt(10) + " ".repeat(2) + "a,b".split(",").length);
        PrintWriter writer = new PrintWriter(System.out);
        writer.printf("%s%n", "done");
        writer.flush();
    }
}
