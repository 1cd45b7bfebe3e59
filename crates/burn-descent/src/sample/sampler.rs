//! Draws the examples of each epoch.

use super::{ORDER, Pacing, SampleError, generator};
#[cfg(feature = "dataset")]
use burn::data::dataset::{Dataset, transform::SelectionDataset};
use rand::RngExt;
use rand::seq::SliceRandom;
use std::collections::BTreeSet;
#[cfg(feature = "dataset")]
use std::sync::Arc;

/// Decides which examples come in each epoch, in which order. An epoch has as many places as there are examples.
///
/// See the [module](super) for an example.
#[derive(Clone, Debug)]
pub struct Sampler {
    examples: usize,
    rule: Rule,
}

#[derive(Clone, Debug)]
enum Rule {
    Shuffled,
    /// The positions of each class.
    Balanced(Vec<Vec<usize>>),
    Paced {
        /// From the first to be seen to the last.
        ranked: Vec<usize>,
        pacing: Pacing,
        batch_size: usize,
    },
}

impl Sampler {
    /// Makes a sampler that takes each example once in each epoch: sampling without replacement.
    pub fn shuffled(examples: usize) -> Self {
        Self { examples, rule: Rule::Shuffled }
    }

    /// Makes a sampler that takes each class equally often in each epoch, to within one; which classes come once more
    /// is drawn in each. Within a class each example comes equally often, to within one: those of small classes come
    /// again, of large ones some are left out, in each epoch others.
    ///
    /// `labels` gives the class of each example, from 0 to below `classes`.
    ///
    /// # Errors
    ///
    /// Returns [`SampleError::Empty`] without labels, [`SampleError::Label`] for the first label that is too high, and
    /// [`SampleError::NoExample`] for the first class without any.
    pub fn balanced<L: Copy + Into<usize>>(labels: &[L], classes: usize) -> Result<Self, SampleError> {
        if labels.is_empty() {
            return Err(SampleError::Empty);
        }
        let mut members = vec![Vec::new(); classes];
        for (position, label) in labels.iter().map(|&label| label.into()).enumerate() {
            members.get_mut(label).ok_or(SampleError::Label { position, label, classes })?.push(position);
        }
        match members.iter().position(Vec::is_empty) {
            Some(class) => Err(SampleError::NoExample { class, classes }),
            None => Ok(Self { examples: labels.len(), rule: Rule::Balanced(members) }),
        }
    }

    /// Makes a sampler that draws, at each step, only from the first examples of `ranked`: the share that `pacing` has
    /// reached. Every available example comes once before any comes again, at random, and those that become available
    /// join them at once. An epoch that has them all from its first step on is a shuffled one.
    ///
    /// `ranked` holds all positions, as of [`Ranking::rank`](super::Ranking::rank), each once; `batch_size` is the
    /// number of examples in a step.
    ///
    /// # Errors
    ///
    /// Returns [`SampleError::Empty`] without examples, [`SampleError::Config`] where `pacing` or `batch_size` is out
    /// of range, and [`SampleError::Count`] where `ranked` leaves a position out.
    pub fn paced(ranked: Vec<usize>, pacing: Pacing, batch_size: usize) -> Result<Self, SampleError> {
        pacing.check()?;
        crate::ValueRange::AtLeast(1.0).check("Sampler", "batch_size", batch_size as f64)?;
        let examples = ranked.len();
        if examples == 0 {
            return Err(SampleError::Empty);
        }
        let found = ranked.iter().filter(|&&position| position < examples).collect::<BTreeSet<_>>().len();
        if found < examples {
            return Err(SampleError::Count { what: "different positions in a ranking", found, examples });
        }
        Ok(Self { examples, rule: Rule::Paced { ranked, pacing, batch_size } })
    }

    /// Returns the number of examples, and of places in an epoch.
    pub fn examples(&self) -> usize {
        self.examples
    }

    /// Returns the positions of the examples of epoch `epoch`, which counts from 1, in their order.
    pub fn epoch(&self, seed: u64, epoch: u64) -> Vec<usize> {
        let mut rng = generator(seed, epoch, ORDER);
        match &self.rule {
            Rule::Shuffled => {
                let mut order: Vec<usize> = (0..self.examples).collect();
                order.shuffle(&mut rng);
                order
            }
            Rule::Balanced(classes) => {
                let mut classes = classes.clone();
                classes.shuffle(&mut rng);
                let (least, over) = (self.examples / classes.len(), self.examples % classes.len());
                let mut order = Vec::with_capacity(self.examples);
                for (place, mut class) in classes.into_iter().enumerate() {
                    let end = order.len() + least + usize::from(place < over);
                    while order.len() < end {
                        class.shuffle(&mut rng);
                        order.extend(class.iter().take(end - order.len()));
                    }
                }
                order.shuffle(&mut rng);
                order
            }
            Rule::Paced { ranked, pacing, batch_size } => {
                let steps = self.examples.div_ceil(*batch_size);
                let before = epoch.saturating_sub(1).saturating_mul(steps as u64);
                let (mut pool, mut known) = (Vec::new(), 0);
                let draw = |place: usize| {
                    let step = before.saturating_add((place / batch_size) as u64);
                    let at_hand = pacing.at_hand(self.examples, step, steps);
                    pool.extend(&ranked[known..at_hand]);
                    known = at_hand;
                    if pool.is_empty() {
                        pool.extend(&ranked[..at_hand]);
                    }
                    pool.swap_remove(rng.random_range(0..pool.len()))
                };
                (0..self.examples).map(draw).collect()
            }
        }
    }

    /// Returns the examples of epoch `epoch` of any Burn data set, in their order.
    ///
    /// ```
    /// use burn::data::dataset::{Dataset, InMemDataset};
    /// use burn_descent::sample::Sampler;
    ///
    /// let dataset = InMemDataset::new(vec![1_usize, 2, 3, 4, 5]);
    /// let epoch = Sampler::shuffled(5).select(dataset, 7, 1)?;
    /// let sum: usize = epoch.iter().flatten().sum();
    /// assert_eq!(sum, 15);
    /// # Ok::<(), burn_descent::sample::SampleError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`SampleError::Count`] where the data set has another number of examples.
    #[cfg(feature = "dataset")]
    pub fn select<D, I>(
        &self,
        dataset: impl Into<Arc<D>>,
        seed: u64,
        epoch: u64,
    ) -> Result<SelectionDataset<D, I>, SampleError>
    where
        D: Dataset<I>,
        I: Clone + Send + Sync,
    {
        let dataset = dataset.into();
        self.ensure_examples(dataset.len())?;
        Ok(SelectionDataset::from_indices_unchecked(dataset, self.epoch(seed, epoch)))
    }

    /// Checks that the sampler is for so many examples.
    ///
    /// # Errors
    ///
    /// Returns [`SampleError::Count`] if it is for another number.
    pub fn ensure_examples(&self, examples: usize) -> Result<(), SampleError> {
        if self.examples == examples {
            return Ok(());
        }
        Err(SampleError::Count { what: "places in an order", found: self.examples, examples })
    }
}
