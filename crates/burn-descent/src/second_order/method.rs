//! What a method is, and what it may ask for.

use super::product::hessian_product;
use super::report::{Counts, Ending, MatrixTooLarge};
use super::{Objective, scalar, scalars};
use burn::optim::{StateSink, StateSource};
use burn::tensor::{DType, Device, Tensor};

/// Takes steps towards a minimum, asking for losses, gradients and products at points of its own choosing.
///
/// [`Minimizer`](super::Minimizer) runs it. What it carries from step to step goes into its state, so that a minimization
/// which is gone on with equals the unbroken one to the bit.
///
/// ```
/// use burn::optim::{StateSink, StateSource};
/// use burn::tensor::{Device, Tensor};
/// use burn_descent::second_order::{Ending, LineSearchConfig, Method, Minimizer, Objective, Point, Problem};
///
/// /// Goes along −g, which is not a good idea.
/// struct SteepestDescent;
///
/// impl Method for SteepestDescent {
///     fn name(&self) -> &'static str {
///         "SteepestDescent"
///     }
///
///     fn step(&mut self, problem: &mut Problem, at: &Point) -> Result<Point, Ending> {
///         let direction = -at.gradient.clone();
///         Ok(problem.search(&LineSearchConfig::new(), at, &direction, Some(-at.square), 1.0)?.point)
///     }
///
///     fn restart(&mut self) -> bool {
///         false
///     }
///
///     fn write(&self, _state: &mut StateSink) {}
///
///     fn read(&mut self, _state: &mut StateSource, _device: &Device) -> Option<()> {
///         Some(())
///     }
/// }
///
/// # struct Parabola;
/// # impl Objective for Parabola {
/// #     fn gradient(&mut self, theta: &Tensor<1>) -> (Tensor<1>, Tensor<1>) {
/// #         (theta.clone().square().sum() * 0.5, theta.clone())
/// #     }
/// # }
/// let mut minimizer = Minimizer::new(SteepestDescent);
/// let report = minimizer.minimize(&mut Parabola, Tensor::<1>::ones([3], &Device::default()))?;
/// assert_eq!(report.value, 0.0);
/// # Ok::<(), burn_descent::second_order::MatrixTooLarge>(())
/// ```
pub trait Method: Send {
    /// Returns the name, by which its record is known.
    fn name(&self) -> &'static str;

    /// Takes one step from `at`, to a point with a lower value.
    ///
    /// # Errors
    ///
    /// Returns why there is none.
    fn step(&mut self, problem: &mut Problem, at: &Point) -> Result<Point, Ending>;

    /// Forgets what it has learned, and tells whether there was any of it: after a step that failed, it is then tried again.
    fn restart(&mut self) -> bool;

    /// Checks that so many numbers of `size` bytes can be minimized over.
    ///
    /// # Errors
    ///
    /// Returns an error if a matrix of them takes too much memory.
    fn check(&self, parameters: usize, size: usize) -> Result<(), MatrixTooLarge> {
        let _ = (parameters, size);
        Ok(())
    }

    /// Writes what it carries from step to step, under the prefix [`PREFIX`].
    fn write(&self, state: &mut StateSink);

    /// Reads what [`write`](Self::write) wrote; none if something is missing.
    fn read(&mut self, state: &mut StateSource, device: &Device) -> Option<()>;
}

impl Method for Box<dyn Method> {
    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn step(&mut self, problem: &mut Problem, at: &Point) -> Result<Point, Ending> {
        (**self).step(problem, at)
    }

    fn restart(&mut self) -> bool {
        (**self).restart()
    }

    fn check(&self, parameters: usize, size: usize) -> Result<(), MatrixTooLarge> {
        (**self).check(parameters, size)
    }

    fn write(&self, state: &mut StateSink) {
        (**self).write(state);
    }

    fn read(&mut self, state: &mut StateSource, device: &Device) -> Option<()> {
        (**self).read(state, device)
    }
}

/// Names what the state of a method is under in a record.
pub const PREFIX: &str = "method";

/// Holds a point with the loss and the gradient there.
#[derive(Clone, Debug)]
pub struct Point {
    /// Holds the parameters θ.
    pub theta: Tensor<1>,
    /// Gives the loss.
    pub value: f64,
    /// Holds the gradient g.
    pub gradient: Tensor<1>,
    /// Gives `g·g`.
    pub square: f64,
}

impl Point {
    /// Returns the norm of the gradient.
    pub fn norm(&self) -> f64 {
        self.square.sqrt()
    }

    pub(super) fn is_finite(&self) -> bool {
        self.value.is_finite() && self.square.is_finite()
    }
}

/// Is what a method asks: an objective, within a budget, with a count of what was asked.
///
/// Sums stay on the device. What a step needs to know on the host comes over in one transfer with each evaluation.
pub struct Problem<'a> {
    objective: &'a mut dyn Objective,
    counts: Counts,
    most: u64,
}

impl<'a> Problem<'a> {
    /// An objective of which at most so much is asked.
    pub(super) fn new(objective: &'a mut dyn Objective, most: u64) -> Self {
        Self { objective, counts: Counts::default(), most }
    }

    /// Counts what was asked.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    fn spend(&self) -> Result<(), Ending> {
        if self.counts.total() < self.most { Ok(()) } else { Err(Ending::Budget) }
    }

    /// Returns the loss and the gradient at `theta`, and the numbers that `more` makes of the gradient on the device, each
    /// a tensor of one value, in the same transfer.
    ///
    /// # Errors
    ///
    /// Returns [`Ending::Budget`] where nothing more may be asked.
    pub fn evaluate(
        &mut self,
        theta: Tensor<1>,
        more: impl FnOnce(&Tensor<1>) -> Vec<Tensor<1>>,
    ) -> Result<(Point, Vec<f64>), Ending> {
        self.spend()?;
        self.counts.gradients += 1;
        let (value, gradient) = self.objective.gradient(&theta);
        let mut numbers = vec![value, dot(&gradient, &gradient)];
        numbers.extend(more(&gradient));
        let mut numbers = scalars(numbers);
        let more = numbers.split_off(2);
        Ok((Point { theta, value: numbers[0], gradient, square: numbers[1] }, more))
    }

    /// Returns the loss at `theta` alone.
    ///
    /// # Errors
    ///
    /// Returns [`Ending::Budget`] where nothing more may be asked.
    pub fn value(&mut self, theta: &Tensor<1>) -> Result<f64, Ending> {
        self.spend()?;
        self.counts.values += 1;
        Ok(scalar(self.objective.value(theta)))
    }

    /// Returns the product of the Hessian at `theta` with `v`: the objective's own, or by central differences of gradients.
    ///
    /// # Errors
    ///
    /// Returns [`Ending::Budget`] where nothing more may be asked.
    pub fn hessian_product(&mut self, theta: &Tensor<1>, v: &Tensor<1>) -> Result<Tensor<1>, Ending> {
        self.spend()?;
        self.counts.products += 1;
        Ok(hessian_product(self.objective, theta, v))
    }

    /// Returns the product of the Gauss–Newton matrix at `theta` with `v`, or of the Hessian, where there is none.
    ///
    /// # Errors
    ///
    /// Returns [`Ending::Budget`] where nothing more may be asked.
    pub fn gauss_newton_product(&mut self, theta: &Tensor<1>, v: &Tensor<1>) -> Result<Tensor<1>, Ending> {
        self.spend()?;
        if let Some(product) = self.objective.gauss_newton_product(theta, v) {
            self.counts.products += 1;
            return Ok(product);
        }
        self.hessian_product(theta, v)
    }

    /// Returns a vector whose squares have the diagonal of the Gauss–Newton matrix as their mean, if the objective knows
    /// one. It takes a gradient's pass, and counts as a product.
    ///
    /// # Errors
    ///
    /// Returns [`Ending::Budget`] where nothing more may be asked.
    pub fn gauss_newton_root(&mut self, theta: &Tensor<1>, seed: u64) -> Result<Option<Tensor<1>>, Ending> {
        self.spend()?;
        let root = self.objective.gauss_newton_root(theta, seed);
        self.counts.products += u64::from(root.is_some());
        Ok(root)
    }

    /// Returns the Hessian at `theta`, `[n, n]`: the objective's own, or by n products; symmetric in either case.
    ///
    /// # Errors
    ///
    /// Returns [`Ending::Budget`] where nothing more may be asked.
    pub fn hessian(&mut self, theta: &Tensor<1>) -> Result<Tensor<2>, Ending> {
        self.spend()?;
        let hessian = match self.objective.hessian(theta) {
            Some(hessian) => {
                self.counts.hessians += 1;
                hessian
            }
            None => {
                let [n] = theta.dims();
                let unit = Tensor::<2>::eye(n, &theta.device()).cast(theta.dtype());
                let column = |index| self.hessian_product(theta, &unit.clone().narrow(0, index, 1).reshape([n]));
                Tensor::stack((0..n).map(column).collect::<Result<Vec<_>, _>>()?, 1)
            }
        };
        Ok((hessian.clone() + hessian.transpose()) * 0.5)
    }
}

/// `a·b`, on the device.
pub(super) fn dot(a: &Tensor<1>, b: &Tensor<1>) -> Tensor<1> {
    (a.clone() * b.clone()).sum()
}

/// How far 1 is from the next number in the precision of a vector.
pub(crate) fn precision(vector: &Tensor<1>) -> f64 {
    if vector.dtype() == DType::F64 { f64::EPSILON } else { f64::from(f32::EPSILON) }
}
