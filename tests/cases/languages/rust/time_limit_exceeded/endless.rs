use std::sync::atomic::{AtomicU64, Ordering};

static STEPS: AtomicU64 = AtomicU64::new(0);

fn main() {
    loop {
        STEPS.fetch_add(1, Ordering::SeqCst);
    }
}
