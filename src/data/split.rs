//! What comes in one piece, split for training, validation and testing.

use super::error::DataError;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Configures how images or rows that come in one piece are split for training, validation and testing.
///
/// | field | default | range | meaning |
/// | --- | --- | --- | --- |
/// | `validation` | 0.1 | `[0, 1)` | share of all that is held out for validation; 0 holds out none |
/// | `test` | 0.1 | `[0, 1)` | share of all that is held out for testing; with `validation` less than 1 |
/// | `seed` | 0 | any | what is held out depends on it, and on nothing else |
///
/// Each class is shared out alike, as far as whole numbers allow, and keeps at least one member for training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SplitConfig {
    /// Sets the share of all that is held out for validation.
    pub validation: f64,
    /// Sets the share of all that is held out for testing.
    pub test: f64,
    /// Selects what is held out.
    pub seed: u64,
}

impl Default for SplitConfig {
    fn default() -> Self {
        Self { validation: 0.1, test: 0.1, seed: 0 }
    }
}

impl SplitConfig {
    pub(super) fn check(&self) -> Result<(), DataError> {
        let Self { validation, test, .. } = *self;
        for (field, share, whole) in [
            ("split.validation", validation, validation),
            ("split.test", test, test),
            ("split.validation + split.test", validation + test, validation + test),
        ] {
            if !(0.0..1.0).contains(&whole) {
                return Err(DataError::Value {
                    field,
                    value: share.to_string(),
                    expected: "0 or more and less than 1",
                });
            }
        }
        Ok(())
    }

    /// Deals the members of each group out to training, validation and testing; each part is in rising order.
    ///
    /// An error names `path` as where the members are from.
    pub(super) fn divide(&self, groups: Vec<Vec<usize>>, path: &Path) -> Result<[Vec<usize>; 3], DataError> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let shares = [self.validation, self.test];
        let (mut training, mut held_out, mut count) = (Vec::new(), [Vec::new(), Vec::new()], 0);
        for mut group in groups {
            group.shuffle(&mut rng);
            count += group.len();
            for (part, share) in held_out.iter_mut().zip(shares) {
                // What rounding takes from one group, the next ones get.
                let wanted = (count as f64 * share).round() as usize;
                let taken = wanted.saturating_sub(part.len()).min(group.len().saturating_sub(1));
                part.extend(group.drain(..taken));
            }
            training.extend(group);
        }
        for (part, (share, name)) in held_out.iter().zip(shares.into_iter().zip(["validation", "test"])) {
            if share > 0.0 && part.is_empty() {
                return Err(DataError::EmptyPart { path: path.into(), part: name, share, count });
            }
        }
        let [validation, test] = held_out;
        let mut parts = [training, validation, test];
        parts.iter_mut().for_each(|part| part.sort_unstable());
        Ok(parts)
    }
}
