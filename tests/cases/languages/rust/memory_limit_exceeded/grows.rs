fn main() {
    let mut kept: Vec<Vec<u8>> = Vec::new();
    loop {
        kept.push(vec![1; 1 << 20]);
        if kept.len() == 1 << 20 {
            println!("{}", kept[7][7]);
        }
    }
}
