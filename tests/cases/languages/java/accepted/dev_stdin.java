import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;

public class Main {
    public static void main(String[] args) throws Exception {
        String text = Files.readString(Path.of("/dev/stdin")).trim();
        long sum = text.isEmpty() ? 0 : Arrays.stream(text.split("\\s+")).mapToLong(Long::parseLong).sum();
        System.out.println(sum);
    }
}
