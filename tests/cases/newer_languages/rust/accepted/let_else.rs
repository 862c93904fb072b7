use std::io::Read;

fn main() {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).unwrap();
    let mut sum = 0i64;
    for word in text.split_whitespace() {
        let Ok(number) = word.parse::<i64>() else { continue };
        sum += number;
    }
    println!("{sum}");
}
