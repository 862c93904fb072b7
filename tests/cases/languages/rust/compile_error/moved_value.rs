fn main() {
    let numbers = vec![1, 2];
    let moved = numbers;
    println!("{} {}", moved.len(), numbers.len());
}
