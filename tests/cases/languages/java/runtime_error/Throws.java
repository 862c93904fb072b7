public class Throws {
    public static void main(String[] args) {
        System.out.println(new int[2][3][args.length].length / args.length);
    }
}
