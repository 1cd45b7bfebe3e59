//! Slices through the loss of a network.

use crate::group::on_values;
use crate::optim::AdamConfig;
use crate::second_order::{ModuleObjective, Objective, normal, scalar};
use crate::{ConfigError, ValueRange};
use burn::module::{Module, ModuleMapper, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

/// Computes the loss on the straight way from `from` to `to`, at the given shares of it; 0 is `from`, 1 is `to`, and what lies
/// beyond is allowed.
///
/// It is a slice of one dimension through a space of many: what is a hill on it can be gone around.
pub fn line(objective: &mut dyn Objective, from: &Tensor<1>, to: &Tensor<1>, shares: &[f64]) -> Vec<f64> {
    let way = to.clone() - from.clone();
    shares.iter().map(|share| value(objective, &(from.clone() + way.clone() * *share))).collect()
}

/// Computes the loss around `center`, where `ticks` say how far along the first direction (in a row) and the second (from row
/// to row).
///
/// It is a slice of two dimensions through a space of many. Along [`random_direction`]s, whose filters are as long as the
/// network's, slices of different networks can be compared (Li et al. 2018).
pub fn plane(
    objective: &mut dyn Objective,
    center: &Tensor<1>,
    directions: [&Tensor<1>; 2],
    ticks: &[f64],
) -> Vec<Vec<f64>> {
    let [first, second] = directions;
    let mut row = |down: f64| -> Vec<f64> {
        let from = center.clone() + second.clone() * down;
        ticks.iter().map(|along| value(objective, &(from.clone() + first.clone() * *along))).collect()
    };
    ticks.iter().map(|down| row(*down)).collect()
}

fn value(objective: &mut dyn Objective, theta: &Tensor<1>) -> f64 {
    scalar(objective.value(theta))
}

/// Draws a direction from θ by a seed, each of whose filters is as long as that of the module with the parameters θ (Li, Xu,
/// Taylor, Studer & Goldstein 2018).
///
/// A filter is what leads to one output: a column of a matrix of Burn's `Linear`, a slice of the first dimension of parameters
/// of more dimensions. Vectors, biases and normalizations among them, stay where they are.
///
/// ```
/// use burn::nn::{Linear, LinearConfig};
/// use burn::tensor::{Device, Tensor};
/// use burn_descent::landscape::{plane, random_direction};
/// use burn_descent::second_order::ModuleObjective;
///
/// let device = Device::default().autodiff();
/// let inputs = Tensor::<2>::ones([4, 3], &device);
/// let model = LinearConfig::new(3, 2).init(&device);
/// let mut objective = ModuleObjective::new(model, |model: &Linear| model.forward(inputs.clone()).square().mean());
/// let center = objective.start();
/// let [x, y] = [1, 2].map(|seed| random_direction(&objective, &center, seed));
/// let heights = plane(&mut objective, &center, [&x, &y], &[-1.0, 0.0, 1.0]);
/// assert_eq!((heights.len(), heights[0].len()), (3, 3));
/// ```
pub fn random_direction<M: Module, F, G>(
    objective: &ModuleObjective<M, F, G>,
    theta: &Tensor<1>,
    seed: u64,
) -> Tensor<1> {
    let mut draw = Draw { rng: ChaCha8Rng::seed_from_u64(seed) };
    objective.vector_of(&objective.module_at(theta).map(&mut draw))
}

/// Puts random filters in the place of a module's own.
struct Draw {
    rng: ChaCha8Rng,
}

impl ModuleMapper for Draw {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        on_values(param, |theta| {
            let shape = theta.shape();
            let dims = theta.dims();
            if D < 2 {
                return theta.zeros_like();
            }
            let drawn = normal(&mut self.rng, &theta);
            // The numbers of a filter are along this dimension.
            let (flat, along) =
                if D == 2 { ([dims[0], dims[1]], 0) } else { ([dims[0], shape.num_elements() / dims[0]], 1) };
            let length = |tensor: &Tensor<2>| tensor.clone().square().sum_dim(along).sqrt();
            let (theta, drawn) = (theta.reshape(flat), drawn.reshape(flat));
            let scale = length(&theta) / length(&drawn).clamp_min(f64::from(f32::MIN_POSITIVE));
            (drawn * scale).reshape(dims)
        })
    }
}

/// Holds a way between two solutions that is bent around what stands between them: a quadratic Bézier curve (Garipov et al.
/// 2018), `θ(t) = (1 − t)²·from + 2·t·(1 − t)·control + t²·to`.
#[derive(Clone, Debug)]
pub struct Bezier {
    /// Holds where it begins, at t = 0.
    pub from: Tensor<1>,
    /// Holds what it is drawn towards.
    pub control: Tensor<1>,
    /// Holds where it ends, at t = 1.
    pub to: Tensor<1>,
}

impl Bezier {
    /// Creates the straight way.
    pub fn straight(from: Tensor<1>, to: Tensor<1>) -> Self {
        let control = (from.clone() + to.clone()) * 0.5;
        Self { from, control, to }
    }

    /// Returns the point at t, from 0 to 1.
    pub fn at(&self, t: f64) -> Tensor<1> {
        let s = 1.0 - t;
        self.from.clone() * (s * s) + self.control.clone() * (2.0 * s * t) + self.to.clone() * (t * t)
    }

    /// Computes the loss at each t.
    pub fn values(&self, objective: &mut dyn Objective, at: &[f64]) -> Vec<f64> {
        at.iter().map(|t| value(objective, &self.at(*t))).collect()
    }

    /// Bends it to where the mean loss on it is lower, by so many steps of Adam at a learning rate in `(0, ∞)`, each by the
    /// gradient at a t that is drawn by the seed.
    ///
    /// # Errors
    ///
    /// Returns an error if the rate is out of range.
    pub fn bend(
        mut self,
        objective: &mut dyn Objective,
        steps: usize,
        rate: f64,
        seed: u64,
    ) -> Result<Self, ConfigError> {
        ValueRange::Positive.check("Bezier", "rate", rate)?;
        let mut optimizer = AdamConfig::new().init()?;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut control = Param::from_tensor(Tensor::from_inner(self.control.clone()));
        for _ in 0..steps {
            let t = rng.random_range(0.0..1.0);
            let (_, gradient) = objective.gradient(&self.at(t));
            let mut gradients = GradientsParams::new();
            gradients.register(control.id, gradient * (2.0 * t * (1.0 - t)));
            control = optimizer.step(rate, control, gradients);
            self.control = control.val().inner();
        }
        Ok(self)
    }
}
