import java.util.*;

public class Grows {
    public static void main(String[] args) {
        List<byte[]> kept = new ArrayList<>();
        while (true) kept.add(new byte[1 << 20]);
    }
}
