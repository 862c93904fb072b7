fn main() {
    let numbers: Vec<i32> = std::env::args().skip(1).map(|word| word.parse().unwrap()).collect();
    println!("{}", numbers[0]);
}
