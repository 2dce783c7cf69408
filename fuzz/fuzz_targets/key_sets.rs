#![no_main]
use libfuzzer_sys::fuzz_target;
fuzz_target!(|data: &[u8]| {
    herenow_fuzz::targets::outside::key_sets(data);
});
