//! The driver: takes the steps of a method until one of the reasons to stop.

use super::method::{Method, Point, Problem};
use super::record::{read_record, write_record};
use super::report::{Counts, Ending, MatrixTooLarge, Report};
use super::{Objective, StoppingConfig};
use crate::error::ConfigError;
use crate::optim::RecordMismatch;
use burn::optim::OptimizerRecord;
use burn::tensor::{DType, Device, Tensor};

/// Minimizes an [`Objective`] by a [`Method`]. The configurations of the methods make it.
///
/// After a limit of steps or evaluations it can [go on](Self::go_on), also in another process from its
/// [record](Self::to_record), to the bit as if it had never stopped. A step that fails is tried once more after the method
/// has forgotten what it had learned: from the steepest descent.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_descent::second_order::{Ending, LbfgsConfig, Objective, StoppingConfig};
///
/// struct Rosenbrock;
///
/// impl Objective for Rosenbrock {
///     fn gradient(&mut self, theta: &Tensor<1>) -> (Tensor<1>, Tensor<1>) {
///         let (x, y) = (theta.clone().narrow(0, 0, 1), theta.clone().narrow(0, 1, 1));
///         let valley = y - x.clone().square();
///         let value = valley.clone().square() * 100.0 + (x.clone() - 1.0).square();
///         let d_x = x.clone() * valley.clone() * -400.0 + (x - 1.0) * 2.0;
///         (value, Tensor::cat(vec![d_x, valley * 200.0], 0))
///     }
/// }
///
/// let start = Tensor::<1>::from_data([-1.2, 1.0], &Device::default());
/// let few = StoppingConfig::new().with_max_iterations(Some(5));
/// let mut minimizer = LbfgsConfig::new().init()?.with_stopping(few)?;
/// let report = minimizer.minimize(&mut Rosenbrock, start)?;
/// assert_eq!((report.ending, report.iterations), (Ending::Budget, 5));
///
/// let mut another = LbfgsConfig::new().init()?.with_stopping(StoppingConfig::new().with_relative_gradient(1e-4))?;
/// another.load_record(minimizer.to_record(), &Device::default())?;
/// let report = another.go_on(&mut Rosenbrock).expect("it has begun");
/// assert_eq!(report.ending, Ending::Converged);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Minimizer<T = Box<dyn Method>> {
    method: T,
    stopping: StoppingConfig,
    pub(super) progress: Option<Progress>,
}

/// How far a minimization has come.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    pub(super) point: Point,
    /// The norm of the gradient at the start.
    pub(super) first_norm: f64,
    pub(super) lowest: Lowest,
    pub(super) iterations: u64,
    pub(super) counts: Counts,
}

/// The lowest loss and gradient so far, each on its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lowest {
    pub(super) value: f64,
    /// `g·g`.
    pub(super) square: f64,
    /// Steps since either of them was reached.
    pub(super) age: u64,
}

impl Lowest {
    fn observe(&mut self, point: &Point) {
        // The loss may creep; a gradient that does is noise.
        let is_lower = point.value < self.value || point.square < 0.98 * self.square;
        if is_lower {
            *self = Self { value: self.value.min(point.value), square: self.square.min(point.square), age: 0 };
        } else {
            self.age += 1;
        }
    }
}

impl<T: Method> Minimizer<T> {
    /// Creates the minimizer of a method, with the default limits.
    pub fn new(method: T) -> Self {
        Self { method, stopping: StoppingConfig::new(), progress: None }
    }

    /// Sets when it ends.
    ///
    /// # Errors
    ///
    /// Returns the first field of `stopping` that is out of range.
    pub fn with_stopping(self, stopping: StoppingConfig) -> Result<Self, ConfigError> {
        stopping.check()?;
        Ok(Self { stopping, ..self })
    }

    /// Returns the same minimizer, whose type does not tell the method.
    pub fn boxed(self) -> Minimizer
    where
        T: 'static,
    {
        Minimizer { method: Box::new(self.method), stopping: self.stopping, progress: self.progress }
    }

    /// Returns the method, with what it has learned.
    pub fn method(&self) -> &T {
        &self.method
    }

    /// Minimizes `objective` from `theta`, with all that was learned elsewhere forgotten.
    ///
    /// # Errors
    ///
    /// Returns an error if the method's matrix of all pairs of parameters would take too much memory.
    pub fn minimize(&mut self, objective: &mut dyn Objective, theta: Tensor<1>) -> Result<Report, MatrixTooLarge> {
        self.method.restart();
        self.continue_from(objective, theta)
    }

    /// Minimizes `objective` from `theta` with what was learned from another that is much like it, such as the loss of
    /// another batch.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`minimize`](Self::minimize).
    pub fn continue_from(&mut self, objective: &mut dyn Objective, theta: Tensor<1>) -> Result<Report, MatrixTooLarge> {
        let size = if theta.dtype() == DType::F64 { 8 } else { 4 };
        self.method.check(theta.dims()[0], size)?;
        let mut problem = Problem::new(objective, self.stopping.max_evaluations as u64);
        let point = match problem.evaluate(theta.clone(), |_| Vec::new()) {
            Ok((point, _)) => point,
            // A budget is at least 1.
            Err(_) => Point { gradient: theta.zeros_like(), theta, value: f64::NAN, square: f64::NAN },
        };
        let lowest = Lowest { value: point.value, square: point.square, age: 0 };
        let progress = Progress { first_norm: point.norm(), point, lowest, iterations: 0, counts: Counts::default() };
        Ok(self.run(problem, progress))
    }

    /// Goes on from where it is; none if it has not begun.
    pub fn go_on(&mut self, objective: &mut dyn Objective) -> Option<Report> {
        let progress = self.progress.take()?;
        Some(self.run(Problem::new(objective, self.stopping.max_evaluations as u64), progress))
    }

    fn run(&mut self, mut problem: Problem, mut progress: Progress) -> Report {
        let counts = progress.counts;
        let most = self.stopping.max_iterations.map_or(u64::MAX, |most| progress.iterations + most as u64);
        let limit = self.stopping.gradient.max(self.stopping.relative_gradient * progress.first_norm);
        let ending = loop {
            if !progress.point.is_finite() {
                break Ending::NotFinite;
            }
            if progress.point.norm() <= limit {
                break Ending::Converged;
            }
            if progress.iterations >= most {
                break Ending::Budget;
            }
            if progress.lowest.age >= self.stopping.patience {
                break Ending::Stalled;
            }
            match self.step(&mut problem, &progress.point) {
                Ok(point) => {
                    progress.lowest.observe(&point);
                    progress.point = point;
                }
                Err(ending) => break ending,
            }
            progress.iterations += 1;
        };
        progress.counts = counts.and(problem.counts());
        let Progress { point, iterations, counts, .. } = progress.clone();
        self.progress = Some(progress);
        let gradient_norm = point.norm();
        Report { theta: point.theta, value: point.value, gradient_norm, ending, iterations, counts }
    }

    fn step(&mut self, problem: &mut Problem, at: &Point) -> Result<Point, Ending> {
        match self.method.step(problem, at) {
            Err(ending) if ending != Ending::Budget && self.method.restart() => self.method.step(problem, at),
            outcome => outcome,
        }
    }

    /// Returns the number of parameters that are minimized over; none if it has not begun.
    pub fn parameters(&self) -> Option<usize> {
        self.progress.as_ref().map(|progress| progress.point.theta.dims()[0])
    }

    /// Checks that so many parameters, in single precision, can be minimized over.
    ///
    /// # Errors
    ///
    /// Returns an error if the method's matrix of all pairs of parameters would take too much memory.
    pub fn check(&self, parameters: usize) -> Result<(), MatrixTooLarge> {
        self.method.check(parameters, size_of::<f32>())
    }

    /// Returns the record of how far it has come and what the method has learned.
    pub fn to_record(&self) -> OptimizerRecord {
        write_record(&self.method, self.progress.as_ref())
    }

    /// Takes up what [`to_record`](Self::to_record) had, with tensors on `device`.
    ///
    /// # Errors
    ///
    /// Returns an error if the record is that of another method, or cannot be read. Of one that lacks something the method
    /// keeps nothing, not even what it had learned before.
    pub fn load_record(&mut self, record: OptimizerRecord, device: &Device) -> Result<(), RecordMismatch> {
        self.progress = read_record(&mut self.method, record, device)?;
        Ok(())
    }
}
