//! Drawn digits, and the four files that MNIST comes in.
#![allow(dead_code)]

use burn_descent_lab::data::{EmbeddedDigits, LabelledImages};
use std::fs;
use std::path::Path;

/// `count` digits from number `first` on.
pub fn digits(first: u64, count: u64) -> LabelledImages {
    let digits = EmbeddedDigits::new(1);
    let drawn: Vec<_> = (first..first + count).map(|index| digits.digit(index)).collect();
    let pixels = drawn.iter().flat_map(|(pixels, _)| *pixels).collect();
    LabelledImages::new(28, 28, pixels, drawn.iter().map(|(_, label)| *label).collect()).expect("28x28 images")
}

/// Writes the four files.
pub fn write_parts(folder: &Path, train: &LabelledImages, test: &LabelledImages) {
    for (part, images) in [("train", train), ("t10k", test)] {
        let count = images.len() as u32;
        let header = |words: &[u32]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
        let write = |name: String, bytes: Vec<u8>| fs::write(folder.join(name), bytes).expect("the file is written");
        write(format!("{part}-images-idx3-ubyte"), [&header(&[0x803, count, 28, 28]), images.pixels()].concat());
        let labels: Vec<u8> = images.labels().iter().map(|label| *label as u8).collect();
        write(format!("{part}-labels-idx1-ubyte"), [header(&[0x801, count]), labels].concat());
    }
}
