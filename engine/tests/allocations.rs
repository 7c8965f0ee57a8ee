//! What a worker of a search allocates: nothing, once its job is made.

use allocation_counter::measure;
use engine::{Cancel, Job, Kernel, Outcome, Target, search_alone};

const HEADER: [u8; 80] = [7; 80];

#[test]
fn a_worker_allocates_nothing_whether_it_finds_a_solution_or_not() {
    // The first search of a process tries the kernels, and keeps what came of it.
    let cancel = Cancel::new();
    search_alone(Kernel::best(), &Job::new(&HEADER, Target::with_zero_bits(0)), &cancel);
    for kernel in Kernel::available() {
        for bits in [0, 10, 256] {
            let job = Job::rolling(&HEADER, Target::with_zero_bits(bits), 0).unwrap();
            let job = job.with_nonces(0..=9_999);
            let mut outcome = None;
            let used = measure(|| outcome = Some(search_alone(kernel, &job, &cancel)));
            let found = matches!(outcome, Some(Outcome::Found(_)));
            assert_eq!(found, bits < 256, "{} at {bits} bits", kernel.name());
            assert_eq!(used.count_total, 0, "{} at {bits} bits", kernel.name());
        }
    }
}
