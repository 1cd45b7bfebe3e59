//! Chooses which examples are trained on, and in which order: for Burn's data sets and for this crate's loader.
//!
//! Everything here answers with positions, 0 to the number of examples, and depends on a seed and an epoch alone: not
//! on threads, nor on what came before, so that a resumed run goes on as the unbroken one.
//!
//! | what | where | lecture |
//! | --- | --- | --- |
//! | each example once, in a fresh order each epoch | [`Sampler::shuffled`] | Ruder |
//! | as many from each class in each epoch | [`Sampler::balanced`] | |
//! | the easiest first | [`Curriculum`], [`Pacing`] | Ruder, Kitov |
//! | N of N drawn with replacement, for bagging | [`bootstrap`] | Kao |
//! | a part with the same share of each class | [`stratified`] | |
//!
//! Burn's own `SamplerDataset` draws in whatever order its threads come, and its `ShuffledDataset` has one order for
//! all epochs; an epoch of a [`Sampler`] is Burn's own `SelectionDataset`, by `Sampler::select`, with the feature
//! `dataset`.
//!
//! ```
//! use burn_descent::sample::{Sampler, bootstrap, stratified};
//!
//! let labels = [0_usize, 0, 0, 0, 0, 0, 1, 1, 1];
//! let [held_out, rest] = stratified(&labels, 3, 1)?;
//! assert_eq!(held_out.iter().filter(|&&position| labels[position] == 1).count(), 1);
//! assert_eq!((rest.len(), bootstrap(9, 1)?.len()), (6, 9));
//!
//! let sampler = Sampler::balanced(&labels, 2)?;
//! for epoch in 1..=3 {
//!     let positions = sampler.epoch(1, epoch);
//!     let ones = positions.iter().filter(|&&position| labels[position] == 1).count();
//!     assert!(positions.len() == 9 && (4..=5).contains(&ones));
//! }
//! # Ok::<(), burn_descent::sample::SampleError>(())
//! ```

mod curriculum;
mod error;
mod sampler;
mod subset;

pub use curriculum::{Curriculum, Pace, Pacing, Ranking};
pub use error::SampleError;
pub use sampler::Sampler;
pub use subset::{bootstrap, stratified};

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

/// The purpose of a [`generator`] that draws the order of an epoch.
const ORDER: u64 = u64::MAX;
/// The purposes of what is drawn before the first epoch, in epoch 0.
const BOOTSTRAP: u64 = 0;
const PART: u64 = 1;
const RANKING: u64 = 2;

/// Returns a seed for one purpose of one epoch, such as the dropout of one batch. It has nothing to do with that of any
/// other epoch or purpose. The order of an epoch has the purpose `u64::MAX`.
pub fn derived_seed(seed: u64, epoch: u64, purpose: u64) -> u64 {
    generator(seed, epoch, purpose).next_u64()
}

/// A generator for one purpose of one epoch.
pub(crate) fn generator(seed: u64, epoch: u64, purpose: u64) -> ChaCha8Rng {
    let mut bytes = [0; 32];
    for (bytes, word) in bytes.chunks_exact_mut(8).zip([seed, epoch, purpose]) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    ChaCha8Rng::from_seed(bytes)
}
