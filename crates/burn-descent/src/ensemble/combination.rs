use super::EnsembleError;
use burn::tensor::Tensor;
use burn::tensor::activation::softmax;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Says how the answers of k networks become one (coverage F12).
///
/// zᵢ are the logits of network i, pᵢ = softmax(zᵢ) its probabilities.
///
/// | text | combined probabilities |
/// | --- | --- |
/// | `probabilities` | p̄ = (p₁ + … + p_k)/k |
/// | `logits` | softmax((z₁ + … + z_k)/k) |
/// | `vote` | (n + p̄)/(k + 1), n the number of networks for which the class is the likeliest; of one network p₁ |
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_descent::ensemble::Combination;
///
/// let device = Device::default();
/// // Two networks weakly for the first class, one strongly for the second.
/// let logits = [[1.0, 0.0], [1.0, 0.0], [0.0, 9.0]].map(|row| Tensor::<2>::from_floats([row], &device)).to_vec();
/// let answer = |combination: Combination| {
///     let probabilities = combination.combine(logits.clone()).expect("logits of one shape");
///     probabilities.argmax(1).into_scalar::<i64>()
/// };
/// assert_eq!((answer(Combination::Probabilities), answer(Combination::Vote)), (1, 0));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Combination {
    /// Averages the probabilities: "average their results together" (Kao).
    #[default]
    Probabilities,
    /// Averages the logits, which gives the geometric mean of the probabilities, normalized. A network that finds a
    /// class very unlikely weighs more than in the mean of the probabilities.
    Logits,
    /// Takes the majority. The averaged probabilities are one more vote that is shared out: it decides between classes
    /// with equally many votes, and never over a majority.
    Vote,
}

impl Combination {
    const ALL: [Self; 3] = [Self::Probabilities, Self::Logits, Self::Vote];

    /// Returns the combined probabilities `[batch, classes]` of the members' `logits`, `[batch, classes]` each;
    /// logarithms of probabilities do as well. The result is on the device of the first.
    ///
    /// # Errors
    ///
    /// Returns an error if there are none, or their shapes differ.
    pub fn combine(self, logits: Vec<Tensor<2>>) -> Result<Tensor<2>, EnsembleError> {
        let Some(first) = logits.first() else { return Err(EnsembleError::Members { value: 0, most: None }) };
        let (expected, device) = (first.dims(), first.device());
        if let Some(index) = logits.iter().position(|logits| logits.dims() != expected) {
            let whose = format!("member {}", index + 1);
            return Err(EnsembleError::Shape { whose, found: logits[index].dims(), expected });
        }
        let k = logits.len() as f64;
        let zero = first.zeros_like();
        let sum = |terms: Vec<Tensor<2>>| terms.into_iter().fold(zero.clone(), |sum, term| sum + term);
        let logits = logits.into_iter().map(|z| z.to_device(&device));
        let probabilities = |z| softmax(z, 1);
        Ok(match self {
            Self::Logits => probabilities(sum(logits.collect()) / k),
            Self::Vote if k > 1.0 => {
                let p: Vec<_> = logits.map(probabilities).collect();
                let classes = Tensor::arange(0..expected[1] as i64, &device).unsqueeze::<2>();
                let vote = |p: &Tensor<2>| zero.clone().mask_fill(p.clone().argmax(1).equal(classes.clone()), 1.0);
                let n = sum(p.iter().map(vote).collect());
                (n + sum(p) / k) / (k + 1.0)
            }
            // One network alone has nobody to vote with: it keeps its probabilities, and with them its loss.
            Self::Probabilities | Self::Vote => sum(logits.map(probabilities).collect()) / k,
        })
    }
}

impl fmt::Display for Combination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Probabilities => "probabilities",
            Self::Logits => "logits",
            Self::Vote => "vote",
        })
    }
}

impl FromStr for Combination {
    type Err = EnsembleError;

    fn from_str(name: &str) -> Result<Self, EnsembleError> {
        let known = Self::ALL.into_iter().find(|combination| combination.to_string() == name);
        known.ok_or_else(|| EnsembleError::Combination(name.to_owned()))
    }
}
