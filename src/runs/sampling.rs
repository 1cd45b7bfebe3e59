use super::Examples;
use burn_descent::sample::{Curriculum, SampleError, Sampler, bootstrap, stratified};
use serde::{Deserialize, Serialize};

/// Selects how validation images are chosen, and training images where not all are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// Chooses the images at random.
    #[default]
    Random,
    /// Chooses the images at random, but with the same share of each class as all images have: [`stratified`].
    Stratified,
}

impl Split {
    /// Divides `indices`, which are in random order, into the first `part` of them and the rest.
    pub(super) fn divide(
        self,
        images: &Examples,
        mut indices: Vec<usize>,
        part: usize,
        seed: u64,
    ) -> Result<[Vec<usize>; 2], SampleError> {
        match self {
            Self::Random => {
                let rest = indices.split_off(part);
                Ok([indices, rest])
            }
            Self::Stratified => {
                let labels: Vec<usize> = indices.iter().map(|&index| images.label(index) as usize).collect();
                let parts = stratified(&labels, part, seed)?;
                Ok(parts.map(|positions| positions.into_iter().map(|position| indices[position]).collect()))
            }
        }
    }
}

/// Selects which training images make up the epochs of a network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sampling {
    /// Takes all images, each once an epoch.
    #[default]
    Shuffled,
    /// Draws as many images as there are, with replacement and once for each network: [`bootstrap`]. With an ensemble,
    /// this is bagging.
    Bootstrap,
    /// Draws as many images from one class as from every other, afresh for each epoch: [`Sampler::balanced`]. It is not
    /// allowed with a curriculum.
    Balanced,
}

impl Sampling {
    /// The `indices` that the network with `seed` trains on, and what orders them; the images are of so many `classes`, and
    /// `difficulty` is that of each of `indices`, where the curriculum needs one.
    pub(super) fn draw(
        self,
        curriculum: Option<Curriculum>,
        (images, classes): (&Examples, usize),
        indices: &[usize],
        difficulty: &[f64],
        batch_size: usize,
        seed: u64,
    ) -> Result<(Vec<usize>, Sampler), SampleError> {
        let positions = match self {
            Self::Bootstrap => bootstrap(indices.len(), seed)?,
            Self::Shuffled | Self::Balanced => (0..indices.len()).collect(),
        };
        let drawn: Vec<usize> = positions.iter().map(|&position| indices[position]).collect();
        let sampler = match (curriculum, self) {
            (Some(curriculum), _) => {
                let (found, examples) = (difficulty.len(), indices.len());
                if found != examples {
                    return Err(SampleError::Count { what: "difficulties", found, examples });
                }
                let difficulty: Vec<f64> = positions.iter().map(|&position| difficulty[position]).collect();
                curriculum.sampler(&difficulty, batch_size, seed)?
            }
            (None, Self::Balanced) => {
                let labels: Vec<usize> = drawn.iter().map(|&index| images.label(index) as usize).collect();
                Sampler::balanced(&labels, classes)?
            }
            (None, _) => Sampler::shuffled(drawn.len()),
        };
        Ok((drawn, sampler))
    }
}
