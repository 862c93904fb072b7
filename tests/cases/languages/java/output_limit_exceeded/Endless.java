public class Endless {
    public static void main(String[] args) {
        while (true) System.out.println("0".repeat(1000));
    }
}
