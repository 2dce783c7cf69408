//! The masking of payloads: XOR with a key of four bytes, which is its own inverse.

/// Masks or unmasks `bytes` in place. The first byte meets the first byte of the key.
///
/// Eight bytes at a time; the compiler turns the loop into the machine's widest vectors.
pub(super) fn apply(bytes: &mut [u8], key: [u8; 4]) {
    let wide = u64::from_ne_bytes([key[0], key[1], key[2], key[3], key[0], key[1], key[2], key[3]]);
    let (words, tail) = bytes.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, key) in tail.iter_mut().zip(key.into_iter().cycle()) {
        *byte ^= key;
    }
}

/// Returns the key as it meets the bytes that follow the first `count` of a payload.
pub(super) fn advance(mut key: [u8; 4], count: usize) -> [u8; 4] {
    key.rotate_left(count % 4);
    key
}

#[cfg(test)]
mod tests {
    use super::{advance, apply};

    #[test]
    fn agrees_with_the_rule_of_the_rfc_at_every_length_and_cut() {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        for length in 0..40_usize {
            let plain: Vec<u8> = (0..length).map(|at| u8::try_from(at).unwrap()).collect();
            let expected: Vec<u8> = plain.iter().enumerate().map(|(at, byte)| byte ^ key[at % 4]).collect();
            for cut in 0..=length {
                let mut masked = plain.clone();
                let (left, right) = masked.split_at_mut(cut);
                apply(left, key);
                apply(right, advance(key, cut));
                assert_eq!(masked, expected, "length {length}, cut {cut}");
            }
        }
    }
}
