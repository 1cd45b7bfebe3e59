use super::parts::each_part;
use crate::sample::generator;
use rand::RngExt;
use rand::rngs::ChaCha8Rng;

/// Identifies the random numbers by which a batch is distorted. The same three fields give the same distortions, on any
/// backend and whatever else is in the batch; only the partners of [`Mixup`](super::Transform::Mixup) and
/// [`Cutmix`](super::Transform::Cutmix) depend on the batch.
#[derive(Clone, Copy, Debug)]
pub struct AugmentKey<'a> {
    /// Sets the seed of the run.
    pub seed: u64,
    /// Sets the epoch, so that an image is distorted in another way each time.
    pub epoch: u64,
    /// Gives the number of each image of the batch in its data set. One that comes again in an epoch needs another
    /// number to be distorted in another way: add the size of the data set each time.
    pub images: &'a [usize],
}

impl AugmentKey<'_> {
    /// What `draw` makes of each image's numbers for one step of a pipeline. It gets none where chance, at
    /// `probability`, leaves an image as it is.
    pub(super) fn each<T>(
        &self,
        step: usize,
        probability: f64,
        mut draw: impl FnMut(Option<&mut ChaCha8Rng>) -> T,
    ) -> Vec<T> {
        let one = |image: &usize| {
            let mut rng = self.stream(*image, step as u64);
            let chosen = rng.random_bool(probability);
            draw(chosen.then_some(&mut rng))
        };
        self.images.iter().map(one).collect()
    }

    /// `len` values for each image, one by one from its numbers for one step; zeros where chance spares the image.
    pub(super) fn values(
        &self,
        step: usize,
        probability: f64,
        len: usize,
        draw: impl Fn(&mut ChaCha8Rng) -> f32 + Sync,
    ) -> Vec<f32> {
        let mut values = vec![0.0; self.images.len() * len];
        each_part(&mut values, len, self.images, |values, image| {
            let mut rng = self.stream(*image, step as u64);
            if rng.random_bool(probability) {
                values.fill_with(|| draw(&mut rng));
            }
        });
        values
    }

    /// The numbers of a step for the batch as a whole.
    pub(super) fn batch(&self, step: usize) -> ChaCha8Rng {
        self.stream(self.images.first().copied().unwrap_or_default(), u64::MAX - step as u64)
    }

    fn stream(&self, image: usize, stream: u64) -> ChaCha8Rng {
        let mut rng = generator(self.seed, self.epoch, image as u64);
        rng.set_stream(stream);
        rng
    }
}

/// Up to `bound` to either side, uniform; 0 without numbers.
pub(super) fn within(bound: f64, rng: &mut Option<&mut ChaCha8Rng>) -> f64 {
    rng.as_mut().map_or(0.0, |rng| bound * (2.0 * rng.random::<f64>() - 1.0))
}
