//! What theory says of the methods, and what they do where something is wrong.

use super::problems::golden_problems;
use crate::common::{cpu_devices, deviation, same_bits, tensor, values, vector};
use burn::optim::OptimizerRecord;
use burn::tensor::{DType, Device, FloatDType, Tensor};
use burn_descent::second_order::{
    BfgsConfig, BfgsScaling, ConjugateGradientsConfig, ConjugateGradientsForm, Ending, HessianFreeConfig, LbfgsConfig,
    LineSearchConfig, MinimizerConfig, NewtonConfig, NewtonForm, Objective, Report, StoppingConfig,
    TruncatedNewtonConfig, TrustRegionConfig,
};

/// `½·θ·A·θ − b·θ`.
struct Quadratic {
    a: Tensor<2>,
    b: Tensor<1>,
}

impl Quadratic {
    /// Of `n` numbers, with the eigenvalues 1 to n and none of the axes an eigenvector.
    fn new(n: usize, device: &Device) -> Self {
        // A = Q·Λ·Qᵀ with the reflection Q = I − 2·u·uᵀ.
        let u = (0..n).map(|i| 1.0 + i as f64).collect::<Vec<_>>();
        let length: f64 = u.iter().map(|x| x * x).sum();
        let q = |i: usize, j: usize| f64::from(i == j) - 2.0 * u[i] * u[j] / length;
        let entry = |i: usize, j: usize| (0..n).map(|k| q(i, k) * (1.0 + k as f64) * q(k, j)).sum::<f64>();
        let a: Vec<f64> = (0..n * n).map(|index| entry(index / n, index % n)).collect();
        let b: Vec<f64> = (0..n).map(|i| 1.0 - 0.3 * i as f64).collect();
        Self { a: tensor(&a, [n, n], device, DType::F64), b: vector(&b, device, DType::F64) }
    }

    fn times(&self, v: &Tensor<1>) -> Tensor<1> {
        let [n] = v.dims();
        self.a.clone().matmul(v.clone().reshape([n, 1])).reshape([n])
    }

    fn start(&self) -> Tensor<1> {
        self.b.ones_like()
    }
}

impl Objective for Quadratic {
    fn gradient(&mut self, theta: &Tensor<1>) -> (Tensor<1>, Tensor<1>) {
        let a_theta = self.times(theta);
        let value = (theta.clone() * (a_theta.clone() * 0.5 - self.b.clone())).sum();
        (value, a_theta - self.b.clone())
    }
}

const N: usize = 7;

fn exact() -> LineSearchConfig {
    LineSearchConfig::new().with_c_2(1e-9)
}

/// Steps of an exact line search.
fn steps_of(config: &MinimizerConfig, steps: usize) -> (Vec<Vec<f64>>, Report) {
    let device = Device::flex();
    let mut quadratic = Quadratic::new(N, &device);
    let one = StoppingConfig::new().with_max_iterations(Some(1)).with_gradient(1e-11);
    let mut minimizer = config.init().expect("in range").with_stopping(one).expect("in range");
    let start = quadratic.start();
    let mut report = minimizer.minimize(&mut quadratic, start).expect("it is small");
    let mut path = vec![values(&report.theta)];
    while path.len() < steps {
        report = minimizer.go_on(&mut quadratic).expect("it has begun");
        path.push(values(&report.theta));
    }
    (path, report)
}

fn forms() -> [ConjugateGradientsForm; 5] {
    use ConjugateGradientsForm::{DaiYuan, FletcherReeves, HagerZhang, HestenesStiefel, PolakRibiere};
    [FletcherReeves, PolakRibiere, HestenesStiefel, DaiYuan, HagerZhang]
}

/// With exact line searches n steps are enough, and all that learn from gradients take the same ones.
#[test]
fn a_quadratic_of_n_numbers_takes_n_steps() {
    let cg = |form| ConjugateGradientsConfig::new().with_form(form).with_line_search(exact());
    let (expected, _) = steps_of(&MinimizerConfig::ConjugateGradients(cg(ConjugateGradientsForm::FletcherReeves)), N);
    let bfgs = |scaling| MinimizerConfig::Bfgs(BfgsConfig::new().with_scaling(scaling).with_line_search(exact()));
    let lbfgs = |history| MinimizerConfig::Lbfgs(LbfgsConfig::new().with_history(history).with_line_search(exact()));
    let scalings = [BfgsScaling::None, BfgsScaling::First, BfgsScaling::Fading];
    let configs = scalings.map(bfgs).into_iter().chain([lbfgs(1), lbfgs(N)]);
    for config in configs.chain(forms().map(|form| MinimizerConfig::ConjugateGradients(cg(form)))) {
        let (path, report) = steps_of(&config, N);
        assert!(report.gradient_norm < 1e-6, "{config:?}: {:e} after {N} steps", report.gradient_norm);
        let before = steps_of(&config, N - 2).1.gradient_norm;
        assert!(before > 1e-3, "{config:?}: a test that shows nothing, {before:e} after {} steps", N - 2);
        for (step, (found, expected)) in path.iter().zip(&expected).enumerate() {
            let apart = deviation(found, expected);
            assert!(apart < 1e-6, "{config:?}: {apart:e} from Fletcher and Reeves at step {step}");
        }
    }
}

/// Newton's methods take one step, or those of the trust region until it is wide enough.
#[test]
fn newton_takes_a_quadratic_in_one_step() {
    let region = TrustRegionConfig::new().with_radius(1e3);
    for form in [NewtonForm::Pure, NewtonForm::Damped, NewtonForm::TrustRegion] {
        let config = NewtonConfig::new().with_form(form).with_trust_region(region);
        let (_, report) = steps_of(&MinimizerConfig::Newton(config), 1);
        assert!(report.gradient_norm < 1e-8, "{form:?}: {:e}", report.gradient_norm);
    }
    let truncated = TruncatedNewtonConfig::new().with_trust_region(region).with_forcing(1e-12);
    let (_, report) = steps_of(&MinimizerConfig::TruncatedNewton(truncated), 1);
    assert!(report.gradient_norm < 1e-6, "truncated: {:e}", report.gradient_norm);
    // As many products as there are eigenvalues.
    assert_eq!(report.counts.products, N as u64);
}

#[test]
fn bfgs_learns_the_inverse_of_the_hessian() {
    let device = Device::flex();
    for scaling in [BfgsScaling::None, BfgsScaling::First] {
        let mut quadratic = Quadratic::new(N, &device);
        let stopping =
            StoppingConfig::new().with_max_iterations(Some(N)).with_relative_gradient(0.0).with_gradient(1e-30);
        let config = BfgsConfig::new().with_scaling(scaling).with_line_search(exact());
        let mut minimizer = config.init().expect("in range").with_stopping(stopping).expect("in range");
        let start = quadratic.start();
        minimizer.minimize(&mut quadratic, start).expect("it is small");
        let h = minimizer.method().inverse().expect("it has learned").clone();
        let found = values(&h.matmul(quadratic.a.clone()));
        let unit: Vec<f64> = (0..N * N).map(|index| f64::from(index % (N + 1) == 0)).collect();
        let apart = found.iter().zip(&unit).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max);
        assert!(apart < 1e-5, "{scaling:?}: H·A is {apart:e} from the unit matrix");
    }
}

#[test]
fn directions_of_conjugate_gradients_are_conjugate() {
    let device = Device::flex();
    for form in forms() {
        let mut quadratic = Quadratic::new(N, &device);
        let one = StoppingConfig::new().with_max_iterations(Some(1));
        let config = ConjugateGradientsConfig::new().with_form(form).with_line_search(exact());
        let mut minimizer = config.init().expect("in range").with_stopping(one).expect("in range");
        let start = quadratic.start();
        let mut directions = vec![quadratic.gradient(&start).1];
        minimizer.minimize(&mut quadratic, start).expect("it is small");
        while directions.len() < N - 1 {
            directions.push(minimizer.method().direction().expect("it has begun").clone());
            minimizer.go_on(&mut quadratic).expect("it has begun");
        }
        let product = |one: &Tensor<1>, other: &Tensor<1>| values(&(quadratic.times(one) * other.clone()).sum())[0];
        for (i, one) in directions.iter().enumerate() {
            for (j, other) in directions.iter().enumerate().take(i) {
                let share = product(one, other) / (product(one, one) * product(other, other)).sqrt();
                assert!(share.abs() < 1e-7, "{form:?}: d{i}·A·d{j} is {share:e} of their lengths");
            }
        }
    }
}

/// BFGS' update of a matrix, written out.
fn updated(h: &[Vec<f64>], s: &[f64], y: &[f64]) -> Vec<Vec<f64>> {
    let n = s.len();
    let rho = 1.0 / s.iter().zip(y).map(|(s, y)| s * y).sum::<f64>();
    let v = |i: usize, j: usize| f64::from(i == j) - rho * s[i] * y[j];
    let entry = |i: usize, j: usize| {
        let inner = (0..n).flat_map(|k| (0..n).map(move |l| (k, l)));
        inner.map(|(k, l)| v(i, k) * h[k][l] * v(j, l)).sum::<f64>() + rho * s[i] * s[j]
    };
    (0..n).map(|i| (0..n).map(|j| entry(i, j)).collect()).collect()
}

/// L-BFGS with room for all pairs goes along −H·g, where H is what BFGS makes of the pairs from γ·I on.
#[test]
fn a_full_memory_is_the_matrix_of_bfgs() {
    let device = Device::flex();
    for problem in golden_problems().iter().filter(|problem| problem.start.len() <= 4) {
        let mut objective = problem.objective(&device, DType::F64);
        let one = StoppingConfig::new().with_max_iterations(Some(1));
        let mut minimizer =
            LbfgsConfig::new().with_history(50).init().expect("in range").with_stopping(one).expect("in range");
        let start = problem.start(&device, DType::F64);
        let mut path = vec![values(&start)];
        path.push(values(&minimizer.minimize(&mut objective, start).expect("it is small").theta));
        while path.len() < 8 {
            let report = minimizer.go_on(&mut objective).expect("it has begun");
            if report.ending == Ending::Converged {
                break;
            }
            path.push(values(&report.theta));
        }
        let gradients: Vec<Vec<f64>> =
            path.iter().map(|theta| values(&objective.gradient(&vector(theta, &device, DType::F64)).1)).collect();
        let difference = |one: &[f64], other: &[f64]| one.iter().zip(other).map(|(x, y)| x - y).collect::<Vec<f64>>();
        let dot = |one: &[f64], other: &[f64]| one.iter().zip(other).map(|(x, y)| x * y).sum::<f64>();
        let pairs: Vec<_> = (1..path.len())
            .map(|i| (difference(&path[i], &path[i - 1]), difference(&gradients[i], &gradients[i - 1])))
            .collect();
        for step in 1..path.len() - 1 {
            let (s, y) = &pairs[step - 1];
            let gamma = dot(s, y) / dot(y, y);
            let n = s.len();
            let first: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| gamma * f64::from(i == j)).collect()).collect();
            let h = pairs[..step].iter().fold(first, |h, (s, y)| updated(&h, s, y));
            let direction: Vec<f64> = h.iter().map(|row| -dot(row, &gradients[step])).collect();
            let taken = &pairs[step].0;
            let cosine = dot(&direction, taken) / (dot(&direction, &direction) * dot(taken, taken)).sqrt();
            assert!(1.0 - cosine < 1e-9, "{}, step {step}: {cosine} to −H·g", problem.name);
        }
    }
}

/// What is gone on with in another minimizer, from a record, equals the unbroken minimization bit by bit.
#[test]
fn every_method_goes_on_to_the_bit() {
    for (backend, device) in cpu_devices() {
        for dtype in [DType::F32, DType::F64] {
            for name in MinimizerConfig::NAMES {
                let problem = &golden_problems()[7];
                let config = MinimizerConfig::named(name).expect("a known name");
                let run = |breaks: &[usize]| {
                    let mut last: Option<(OptimizerRecord, Report)> = None;
                    for steps in breaks {
                        let stopping = StoppingConfig::new().with_max_iterations(Some(*steps));
                        let mut minimizer = config.init().expect("in range").with_stopping(stopping).expect("in range");
                        let mut objective = problem.objective(&device, dtype);
                        let report = match last {
                            None => {
                                minimizer.minimize(&mut objective, problem.start(&device, dtype)).expect("it is small")
                            }
                            Some((record, _)) => {
                                let bytes = record.into_bytes().expect("bytes");
                                let record = OptimizerRecord::from_bytes(bytes).expect("a record");
                                minimizer.load_record(record, &device).expect("it fits");
                                minimizer.go_on(&mut objective).expect("it has begun")
                            }
                        };
                        last = Some((minimizer.to_record(), report));
                    }
                    last.expect("it ran").1
                };
                let (whole, broken) = (run(&[9]), run(&[1, 3, 5]));
                let case = format!("{name} in {dtype:?} on {backend}");
                assert!(same_bits(&values(&whole.theta), &values(&broken.theta)), "{case}");
                assert_eq!(whole.value.to_bits(), broken.value.to_bits(), "{case}");
                assert_eq!((whole.counts, whole.iterations), (broken.counts, broken.iterations), "{case}");
            }
        }
    }
}

#[test]
fn a_record_of_another_method_is_refused() {
    let device = Device::flex();
    let record = MinimizerConfig::named("lbfgs").expect("known").init().expect("in range").to_record();
    let mut bfgs = BfgsConfig::new().init().expect("in range");
    let error = bfgs.load_record(record, &device).expect_err("another method").to_string();
    assert!(error.contains("Lbfgs") && error.contains("Bfgs"), "{error}");
}

/// `Σ −ln(1 − θ²) + 3·(θ − 0.9)²`, which is not a number where any |θ| is above 1, and infinite where it is 1.
struct Walled;

impl Objective for Walled {
    fn gradient(&mut self, theta: &Tensor<1>) -> (Tensor<1>, Tensor<1>) {
        let room = -theta.clone().square() + 1.0;
        let value = (-room.clone().log() + (theta.clone() - 0.9).square() * 3.0).sum();
        (value, theta.clone() * 2.0 / room + (theta.clone() - 0.9) * 6.0)
    }
}

/// A step to where the loss is not finite is taken back; a start there is an ending.
#[test]
fn values_that_are_not_finite_are_survived() {
    let device = Device::flex();
    let start = |place: &[f64]| vector(place, &device, DType::F64);
    for name in MinimizerConfig::NAMES {
        let mut minimizer = MinimizerConfig::named(name).expect("known").init().expect("in range");
        let report = minimizer.minimize(&mut Walled, start(&[-0.999, 0.5, -0.2])).expect("it is small");
        // Where 2θ/(1 − θ²) = 6·(0.9 − θ), by bisection.
        let slope = |x: f64| 2.0 * x / (1.0 - x * x) + 6.0 * (x - 0.9);
        let (mut low, mut high) = (0.0, 0.9);
        for _ in 0..100 {
            let middle = 0.5 * (low + high);
            if slope(middle) < 0.0 { low = middle } else { high = middle }
        }
        assert!(matches!(report.ending, Ending::Converged | Ending::LineSearchFailed), "{name}: {}", report.ending);
        let apart = deviation(&values(&report.theta), &[low; 3]);
        assert!(apart < 1e-6, "{name}: {apart:e} from the minimum, {}", report.ending);
        for outside in [[1.5, 0.0, 0.0], [1.0, 0.0, 0.0]] {
            let report = minimizer.minimize(&mut Walled, start(&outside)).expect("it is small");
            assert_eq!((report.ending, report.iterations), (Ending::NotFinite, 0), "{name}");
        }
    }
}

/// In single precision on each backend they come as close as it allows.
#[test]
fn single_precision_is_enough_to_get_close() {
    for (backend, device) in cpu_devices() {
        for name in MinimizerConfig::NAMES {
            for index in [0, 1, 3, 4] {
                let problem = &golden_problems()[index];
                let stopping = StoppingConfig::new().with_relative_gradient(1e-4).with_max_evaluations(20_000);
                let config = MinimizerConfig::named(name).expect("known");
                let mut minimizer = config.init().expect("in range").with_stopping(stopping).expect("in range");
                let mut objective = problem.objective(&device, DType::F32);
                let report =
                    minimizer.minimize(&mut objective, problem.start(&device, DType::F32)).expect("it is small");
                let case = format!("{name} on {}, {backend}: {}, {:e}", problem.name, report.ending, report.value);
                assert_eq!(FloatDType::from(report.theta.dtype()), FloatDType::F32, "{case}");
                assert!(report.value < 1e-4, "{case}");
                assert!(report.ending != Ending::Budget, "{case}");
            }
        }
    }
}

/// Falls and flattens like a parabola, but for a gradient that never gets below a thousandth: what rounding may do.
struct Rough;

impl Objective for Rough {
    fn gradient(&mut self, theta: &Tensor<1>) -> (Tensor<1>, Tensor<1>) {
        let value = theta.clone().square().sum();
        let rough = theta.clone() * 1e6;
        (value.clone().clamp_min(1e-6), theta.clone() * 2.0 + rough.sin() * 1e-3)
    }
}

/// Where rounding hides the way, a minimization ends, long before its budget does.
#[test]
fn a_minimization_that_gets_nowhere_ends() {
    let device = Device::flex();
    for name in MinimizerConfig::NAMES {
        let config = MinimizerConfig::named(name).expect("known");
        let rough = config.with("line_search.noise=1").unwrap_or(config);
        let mut minimizer = rough.init().expect("in range");
        let report = minimizer.minimize(&mut Rough, vector(&[1.0, -2.0], &device, DType::F64)).expect("it is small");
        assert!(report.ending != Ending::Budget && report.counts.gradients < 5000, "{name}: {report:?}");
    }
}

#[test]
fn a_matrix_that_is_too_large_is_refused() {
    let device = Device::flex();
    let theta = Tensor::<1>::zeros([2000], &device);
    let error =
        NewtonConfig::new().init().expect("in range").minimize(&mut Walled, theta.clone()).expect_err("too large");
    let expected = "Newton: a matrix for 2000 parameters takes 32000000 bytes, but at most 8388608 are allowed";
    assert_eq!(error.to_string(), expected);
    let mut bfgs = BfgsConfig::new().with_max_bytes(1000).init().expect("in range");
    let error = bfgs.minimize(&mut Walled, theta).expect_err("too large").to_string();
    assert!(error.starts_with("Bfgs: a matrix for 2000 parameters takes 16000000 bytes"), "{error}");
}

/// Each field of each method has a range, and the error names the method, the field and the value.
#[test]
fn fields_out_of_range_are_refused() {
    for (name, assignment, part) in [
        ("newton", "flatness=0", "flatness should be in (0, 1), but is 0"),
        ("newton", "trust_region.radius=0", "radius should be in (0, ∞), but is 0"),
        ("newton", "trust_region.max_radius=-1", "max_radius should be in (0, ∞), but is -1"),
        ("newton", "trust_region.least=0.3", "least should be in [0, 0.25], but is 0.3"),
        ("newton", "line_search.c_1=1", "c_1 should be in (0, 1), but is 1"),
        ("bfgs", "curvature=1", "curvature should be in [0, 1), but is 1"),
        ("bfgs", "line_search.max_evaluations=0", "max_evaluations should be at least 1, but is 0"),
        ("lbfgs", "history=0", "history should be at least 1, but is 0"),
        ("lbfgs", "curvature=-1", "curvature should be in [0, 1), but is -1"),
        ("conjugate-gradients", "line_search.c_2=1.5", "c_2 should be in (0, 1), but is 1.5"),
        ("conjugate-gradients", "line_search.noise=-1", "noise should be in [0, ∞), but is -1"),
        ("truncated-newton", "forcing=1", "forcing should be in (0, 1), but is 1"),
        ("truncated-newton", "max_products=0", "max_products should be at least 1, but is 0"),
        ("hessian-free", "damping=0", "damping should be in (0, ∞), but is 0"),
        ("hessian-free", "decay=1.1", "decay should be in [0, 1], but is 1.1"),
        ("hessian-free", "progress=0", "progress should be in (0, 1), but is 0"),
        ("hessian-free", "max_products=0", "max_products should be at least 1, but is 0"),
        ("hessian-free", "exponent=2", "exponent should be in [0, 1], but is 2"),
    ] {
        let config = MinimizerConfig::named(name).expect("known").with(assignment).expect("it can be read");
        let error = config.init().err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.ends_with(part), "{name}, {assignment}: {error}");
    }
    let stopping = StoppingConfig::new();
    for (stopping, part) in [
        (stopping.with_gradient(-1.0), "gradient should be in [0, ∞), but is -1"),
        (stopping.with_relative_gradient(1.0), "relative_gradient should be in [0, 1), but is 1"),
        (stopping.with_patience(0), "patience should be at least 1, but is 0"),
        (stopping.with_max_iterations(Some(0)), "max_iterations should be at least 1, but is 0"),
        (stopping.with_max_evaluations(0), "max_evaluations should be at least 1, but is 0"),
    ] {
        let error = HessianFreeConfig::new().init().expect("in range").with_stopping(stopping).err();
        let error = error.map(|error| error.to_string()).unwrap_or_default();
        assert!(error.ends_with(part), "{error}");
    }
}

#[test]
fn methods_go_by_names() {
    for name in MinimizerConfig::NAMES {
        let config = MinimizerConfig::named(name).expect("known");
        assert_eq!(config.name(), name);
        let text = serde_json::to_string(&config).expect("JSON");
        assert!(text.starts_with(&format!("{{\"{name}\"")), "{text}");
        assert_eq!(serde_json::from_str::<MinimizerConfig>(&text).expect("JSON"), config);
    }
    let error = |text: Result<MinimizerConfig, _>| {
        text.map_err(|error: burn_descent::optim::NamedOptimizerError| error.to_string())
    };
    let unknown = error(MinimizerConfig::named("hesian-free")).expect_err("unknown");
    assert!(unknown.ends_with("truncated-newton, hessian-free; did you mean `hessian-free`?"), "{unknown}");
    let lbfgs = MinimizerConfig::named("L-BFGS").expect("known");
    let unknown = error(lbfgs.with("m=5")).expect_err("unknown");
    assert_eq!(unknown, "lbfgs: `m=5` does not fit: no hyperparameter `m`; known: curvature, history, line_search");
    let misfit = error(lbfgs.with("history=many")).expect_err("a misfit");
    assert!(misfit.starts_with("lbfgs: `history=many` does not fit: invalid type: string \"many\""), "{misfit}");
}
