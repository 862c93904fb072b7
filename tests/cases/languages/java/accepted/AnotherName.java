import java.io.*;
import java.util.*;
import java.util.stream.*;

record Numbers(List<Long> values) {
    long total() {
        return values.stream().mapToLong(Long::longValue).sum();
    }
}

public class Solution {
    public static void main(String[] args) throws IOException {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        List<Long> values = in.lines().flatMap(line -> Arrays.stream(line.trim().split("\\s+")))
                .filter(word -> !word.isEmpty()).map(Long::valueOf).collect(Collectors.toList());
        System.out.printf("%d%n", new Numbers(values).total());
    }
}
