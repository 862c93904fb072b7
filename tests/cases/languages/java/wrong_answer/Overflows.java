import java.util.Scanner;

public class Overflows {
    public static void main(String[] args) {
        Scanner in = new Scanner(System.in);
        int total = 0;
        while (in.hasNextLong()) total += (int) in.nextLong();
        System.out.println(total);
    }
}
