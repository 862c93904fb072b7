use std::collections::BTreeMap;
use std::io::{self, BufRead};
use std::sync::mpsc;
use std::thread;

#[derive(Debug, Default)]
struct Counts(BTreeMap<i64, usize>);

fn main() {
    let (sender, receiver) = mpsc::channel();
    let reader = thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            for word in line.unwrap().split_whitespace() {
                sender.send(word.parse::<i64>().unwrap()).unwrap();
            }
        }
    });
    let mut counts = Counts::default();
    for number in receiver {
        *counts.0.entry(number).or_default() += 1;
    }
    reader.join().unwrap();
    println!("{}", counts.0.iter().map(|(number, times)| number * *times as i64).sum::<i64>());
}
