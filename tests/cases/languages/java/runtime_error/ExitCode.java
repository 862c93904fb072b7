public class ExitCode {
    public static void main(String[] args) {
        System.exit(4);
    }
}
