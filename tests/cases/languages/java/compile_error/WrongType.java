public class Main {
    public static void main(String[] args) {
        int total = "0";
    }
}
