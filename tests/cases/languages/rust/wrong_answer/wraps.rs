use std::io::{self, Read};

fn main() {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text).unwrap();
    let total = text.split_whitespace().map(|word| word.parse::<i64>().unwrap() as i32).fold(0i32, i32::wrapping_add);
    println!("{}", total);
}
