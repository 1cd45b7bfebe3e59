//! Surfaces, their derivatives against automatic differentiation and differences, and descents on them.

use crate::common::{deviation, values, vector};
use burn::tensor::activation::sigmoid;
use burn::tensor::{DType, Device, Tensor};
use burn_descent::gradient::ChainConfig;
use burn_descent::landscape::{
    Counterexample, Depth, DepthCure, DepthForm, Descent, DescentEnd, Gabor, Landscape, Path, Surface,
};
use burn_descent::optim::{
    AdagradConfig, AdamConfig, AmsgradConfig, MomentumConfig, NamedOptimizer, NesterovConfig, SgdConfig,
};
use burn_descent::schedule::Schedule;
use std::f64::consts::TAU;

/// The surface by Burn's tensors, in a text of its own.
fn by_tensors(surface: Surface, x: Tensor<1>, y: Tensor<1>) -> Tensor<1> {
    let xy = |power: i32| x.clone() * y.clone().powi_scalar(power);
    let bell = |a: f64, b: f64, width: f64| {
        let distance = (x.clone() - a).powi_scalar(2) + (y.clone() - b).powi_scalar(2);
        (distance / (-2.0 * width * width)).exp()
    };
    let square = |x: Tensor<1>| x.powi_scalar(2);
    match surface {
        Surface::Beale => {
            let base = -x.clone();
            square(base.clone() + xy(1) + 1.5) + square(base.clone() + xy(2) + 2.25) + square(base + xy(3) + 2.625)
        }
        Surface::Rosenbrock => square(1.0 - x.clone()) + square(y - square(x)) * 100.0,
        Surface::Himmelblau => square(square(x.clone()) + y.clone() - 11.0) + square(x + square(y) - 7.0),
        Surface::Booth => square(x.clone() + y.clone() * 2.0 - 7.0) + square(x * 2.0 + y - 5.0),
        Surface::Rastrigin => {
            let term = |u: Tensor<1>| square(u.clone()) - (u * TAU).cos() * 10.0;
            term(x) + term(y) + 20.0
        }
        Surface::Ackley => {
            let radius = ((square(x.clone()) + square(y.clone())) / 2.0).sqrt();
            let waves = ((x * TAU).cos() + (y * TAU).cos()) / 2.0;
            (radius / -5.0).exp() * -20.0 - waves.exp() + 20.0 + std::f64::consts::E
        }
        Surface::Saddle => square(x) - square(y),
        Surface::Ravine => square(x) / 2.0 + square(y) * 20.0,
        Surface::Plateau => 1.0 - ((square(x) + square(y) * 4.0) / -2.0).exp(),
        Surface::Cliff => {
            let mut h = x.zeros_like() + 0.5;
            for _ in 0..50 {
                h = x.clone() * sigmoid(h) + y.clone();
            }
            square(sigmoid(h) - 0.7)
        }
        Surface::TwoMinima => {
            let bowl = (square(x.clone()) + square(y.clone())) / 20.0;
            bowl - bell(1.2, -1.0, 0.7) - bell(1.0, 1.3, 0.8) * 1.8 + 2.8
        }
        Surface::Gabor => {
            let term = |(input, output): &(f64, f64)| {
                let u = x.clone() + y.clone() * (0.06 * input);
                square(u.clone().sin() * (square(u) / -8.0).exp() - *output)
            };
            let mut terms = Gabor::examples().iter().map(term);
            let first = terms.next().expect("an example");
            terms.fold(first, |sum, term| sum + term)
        }
    }
}

/// Points all over the domain.
fn points(surface: Surface) -> Vec<[f64; 2]> {
    let [[left, right], [bottom, top]] = surface.domain();
    let point = |index: u32| {
        let (x, y) = (f64::from(index * 37 % 101) / 101.0, f64::from(index * 59 % 103) / 103.0);
        [left + x * (right - left), bottom + y * (top - bottom)]
    };
    (1..40).map(point).chain(surface.starts().iter().copied()).collect()
}

#[test]
fn derivatives_are_those_of_automatic_differentiation_and_of_differences() {
    let device = Device::flex().autodiff();
    for surface in Surface::ALL {
        for point in points(surface) {
            let case = format!("{surface} at {point:?}");
            let [x, y] = point.map(|x| vector(&[x], &device, DType::F64).require_grad());
            let value = by_tensors(surface, x.clone(), y.clone());
            let gradients = value.backward();
            let by_burn = [&x, &y].map(|x| values(&x.grad(&gradients).expect("a gradient"))[0]);
            let (found, gradient) = (surface.value(point), surface.gradient(point));
            // Burn's exponential has some digits less.
            let tolerance = match surface {
                Surface::Cliff => 1e-6,
                Surface::Ackley | Surface::Plateau | Surface::TwoMinima | Surface::Gabor => 1e-7,
                _ => 1e-10,
            };
            let scale = 1.0 + found.abs() + gradient[0].abs() + gradient[1].abs();
            assert!((found - values(&value)[0]).abs() < tolerance * scale, "{case}");
            for (one, other) in gradient.iter().zip(by_burn) {
                assert!((one - other).abs() < tolerance * scale, "{case}: {gradient:?} for {by_burn:?}");
            }

            let hessian = surface.hessian(point);
            assert_eq!(hessian[0][1], hessian[1][0], "{case}");
            let size = 1.0 + hessian.iter().flatten().fold(0.0, |sum: f64, h| sum + h.abs());
            for index in 0..2 {
                let h = 1e-5 * (1.0 + point[index].abs());
                let moved = |by: f64| std::array::from_fn(|i| if i == index { point[i] + by } else { point[i] });
                let slope = (surface.value(moved(h)) - surface.value(moved(-h))) / (2.0 * h);
                // The third derivatives of the recurrent unit are huge at its cliffs.
                let far = if surface == Surface::Cliff { 1e-2 } else { 1e-5 };
                assert!((slope - gradient[index]).abs() < far * (scale + size), "{case}: {slope} for {gradient:?}");
                let (ahead, behind) = (surface.gradient(moved(h)), surface.gradient(moved(-h)));
                for (row, (ahead, behind)) in ahead.iter().zip(behind).enumerate() {
                    let curvature = (ahead - behind) / (2.0 * h);
                    let gap = (curvature - hessian[row][index]).abs();
                    assert!(gap < far * size, "{case}: {curvature} for {hessian:?}");
                }
            }
        }
    }
}

#[test]
fn minima_are_minima_and_starts_in_the_domain() {
    let mut number = 0;
    for surface in Surface::ALL {
        for point in surface.minima() {
            let case = format!("{surface} at {point:?}");
            assert!(surface.contains(point), "{case}");
            let [a, b] = surface.gradient(point);
            assert!(a.hypot(b) < 1e-10, "{case}: {a}, {b}");
            if surface != Surface::Ackley {
                let [[xx, xy], [_, yy]] = surface.hessian(point);
                assert!(xx > 0.0 && xx * yy > xy * xy, "{case}");
            }
            let around = (0..12)
                .map(|k| TAU * f64::from(k) / 12.0)
                .map(|a| [point[0] + 0.01 * a.cos(), point[1] + 0.01 * a.sin()]);
            for near in around {
                assert!(surface.value(near) > surface.value(point), "{case}: {near:?}");
            }
            number += 1;
        }
        let best = surface.minima().first().map(|best| surface.value(*best));
        for other in points(surface).into_iter().chain(surface.minima()) {
            assert!(best.is_none_or(|best| surface.value(other) >= best - 1e-12), "{surface}: lower at {other:?}");
        }
        assert!(
            !surface.starts().is_empty() && surface.starts().iter().all(|start| surface.contains(*start)),
            "{surface}"
        );
        assert_eq!(surface.name().parse(), Ok(surface));
    }
    assert_eq!(number, 14);
    let error = "bale".parse::<Surface>().expect_err("no such surface").to_string();
    assert!(error.starts_with("unknown surface `bale`; known: beale, rosenbrock"), "{error}");
}

fn run(surface: Surface, start: [f64; 2], optimizer: burn::optim::ModuleOptimizer, lr: f64, steps: usize) -> Path {
    Descent::new(start, steps).run(&surface, optimizer, lr, &Device::flex()).expect("in range")
}

/// A descent is the rule itself: plain descent by hand.
#[test]
fn a_descent_takes_the_steps_of_the_optimizer() {
    let surface = Surface::Beale;
    let path = run(surface, [2.0, -2.0], SgdConfig::new().init().expect("in range"), 1e-4, 50);
    let mut point = [2.0, -2.0];
    for step in 0..50 {
        let gradient = surface.gradient(point);
        assert_eq!(path.gradient_norms[step], gradient[0].hypot(gradient[1]));
        let next = [0, 1].map(|i| point[i] - 1e-4 * gradient[i]);
        let gap = deviation(&path.points[step + 1], &next);
        assert!(gap < 1e-13, "step {step}: {gap:e}");
        assert!((path.step_sizes[step] - 1e-4 * path.gradient_norms[step]).abs() < 1e-13);
        point = path.points[step + 1];
        assert_eq!(path.losses[step + 1], surface.value(point));
    }
    assert_eq!((path.steps(), path.end), (50, DescentEnd::Budget));
}

#[test]
fn a_descent_says_why_it_ends() {
    let sgd = || SgdConfig::new().init().expect("in range");
    let descent = Descent::new([-10.0, 1.0], 5000).with_tolerance(1e-6);
    let path = descent.run(&Surface::Ravine, sgd(), 0.02, &Device::flex()).expect("in range");
    assert_eq!(path.end, DescentEnd::Converged);
    assert!(path.steps() < 5000 && path.last_loss() < 1e-12);
    // Beyond 2/40 it swings further each time.
    let path = descent.run(&Surface::Ravine, sgd(), 0.06, &Device::flex()).expect("in range");
    assert_eq!(path.end, DescentEnd::Diverged);
    assert!(path.steps() < 5000);
    let wrong = |descent: Descent, lr: f64| {
        descent.run(&Surface::Ravine, sgd(), lr, &Device::flex()).expect_err("out of range").to_string()
    };
    assert_eq!(wrong(Descent::new([0.0, 0.0], 0), 0.1), "Descent: steps should be at least 1, but is 0");
    assert!(wrong(Descent::new([f64::NAN, 0.0], 1), 0.1).starts_with("Descent: start should be in"));
    assert!(wrong(Descent::new([0.0, 0.0], 1), f64::NAN).contains("lr should be in (0, ∞), but is NaN"));
    assert!(wrong(Descent::new([0.0, 0.0], 1).with_tolerance(-1.0), 0.1).contains("tolerance"));
    assert!(
        wrong(Descent::new([0.0, 0.0], 1).with_chain(ChainConfig::new().clip_norm(-1.0)), 0.1).contains("clip_norm")
    );
}

#[test]
fn schedules_and_transforms_are_those_of_training() {
    let sgd = || SgdConfig::new().init().expect("in range");
    let halved =
        Descent::new([-10.0, 0.0], 4).with_schedule("step=2steps:0.5".parse::<Schedule>().expect("a schedule"));
    let path = halved.run(&Surface::Ravine, sgd(), 0.1, &Device::flex()).expect("in range");
    let expected = [-10.0, -9.0, -8.1, -8.1 * 0.95, -8.1 * 0.95 * 0.95];
    for (point, expected) in path.points.iter().zip(expected) {
        assert!((point[0] - expected).abs() < 1e-12, "{:?}", path.points);
    }
    let clipped = Descent::new([-10.0, 1.0], 1).with_chain(ChainConfig::new().clip_norm(0.5));
    let path = clipped.run(&Surface::Ravine, sgd(), 1.0, &Device::flex()).expect("in range");
    assert!((path.step_sizes[0] - 0.5).abs() < 1e-12);
}

/// Every optimizer goes down on a ravine, at its own rate or a hundredth of it.
#[test]
fn every_optimizer_descends() {
    for name in NamedOptimizer::names() {
        let named = NamedOptimizer::named(name).expect("a known name");
        let rates = [1.0, 0.1, 0.01].map(|share| share * named.learning_rate());
        let lowest = rates.map(|rate| {
            let path = run(Surface::Ravine, [-1.0, 0.5], named.init().expect("in range"), rate, 300);
            path.losses.iter().fold(f64::INFINITY, |lowest: f64, loss| lowest.min(*loss))
        });
        let lowest = lowest.into_iter().fold(f64::INFINITY, f64::min);
        let first = Surface::Ravine.value([-1.0, 0.5]);
        assert!(lowest < 0.999 * first, "{name}: {lowest} of {first}");
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// What the lectures say of them

/// Momentum comes to a local minimum, Adagrad to the global one (Kao).
#[test]
fn momentum_finds_a_local_and_adagrad_the_global_minimum() {
    let surface = Surface::TwoMinima;
    let [global, local] = surface.minima()[..] else { panic!("two minima") };
    assert!(surface.value(global) < surface.value(local) - 0.5);
    let start = surface.starts()[0];
    let momentum = run(surface, start, MomentumConfig::new().init().expect("in range"), 0.02, 3000).last();
    let adagrad = run(surface, start, AdagradConfig::new().init().expect("in range"), 0.3, 3000).last();
    assert!(deviation(&momentum, &local) < 1e-3, "{momentum:?}");
    assert!(deviation(&adagrad, &global) < 1e-3, "{adagrad:?}");
}

/// In a ravine plain descent is as slow as its steepest direction allows, and momentum is not.
#[test]
fn momentum_is_faster_along_a_ravine() {
    let steps = |optimizer, lr| {
        let descent = Descent::new([-10.0, 1.0], 20_000).with_tolerance(1e-6);
        let path = descent.run(&Surface::Ravine, optimizer, lr, &Device::flex()).expect("in range");
        assert_eq!(path.end, DescentEnd::Converged);
        path.steps()
    };
    // The best of each for curvatures 1 and 40.
    let plain = steps(SgdConfig::new().init().expect("in range"), 2.0 / 41.0);
    let root = 40_f64.sqrt();
    let (momentum, rate) = (((root - 1.0) / (root + 1.0)).powi(2), (2.0 / (root + 1.0)).powi(2));
    let heavy = MomentumConfig::pytorch().with_momentum(momentum).init().expect("in range");
    let heavy = steps(heavy, rate);
    let nesterov = NesterovConfig::pytorch().with_momentum((root - 1.0) / (root + 1.0)).init().expect("in range");
    let nesterov = steps(nesterov, 1.0 / 40.0);
    assert!(heavy * 3 < plain && nesterov * 2 < plain, "{heavy} and {nesterov} of {plain}");
}

/// From a cliff one step goes far away, unless it is clipped.
#[test]
fn clipping_keeps_a_descent_on_its_cliff() {
    let surface = Surface::Cliff;
    let start = surface.starts()[0];
    let descend = |chain: ChainConfig| {
        let descent = Descent::new(start, 2000).with_chain(chain);
        descent.run(&surface, SgdConfig::new().init().expect("in range"), 0.02, &Device::flex()).expect("in range")
    };
    let (free, clipped) = (descend(ChainConfig::new()), descend(ChainConfig::new().clip_norm(1.0)));
    let longest = |path: &Path| path.step_sizes.iter().copied().fold(0.0, f64::max);
    assert!(longest(&free) > 1.0, "{}", longest(&free));
    assert!(longest(&clipped) < 0.021, "{}", longest(&clipped));
    assert!(clipped.last_loss() < 1e-3 && clipped.last_loss() < free.last_loss(), "{}", clipped.last_loss());
}

/// The lecture's three fates: the global minimum, a local one, and next to a saddle.
#[test]
fn a_gabor_model_has_valleys() {
    let surface = Surface::Gabor;
    let best = surface.value(surface.minima()[0]);
    let ends: Vec<Path> = surface
        .starts()
        .iter()
        .map(|start| run(surface, *start, SgdConfig::new().init().expect("in range"), 0.05, 5000))
        .collect();
    assert!((ends[0].last_loss() - best).abs() < 1e-4, "{} for {best}", ends[0].last_loss());
    assert!(ends[1..].iter().any(|path| path.last_loss() > best + 0.1), "all ends are the global minimum");
    // By batches it moves about the same.
    let batches = Gabor::new(5, 3).expect("in range");
    let descent = Descent::new(surface.starts()[0], 5000);
    let path =
        descent.run(&batches, SgdConfig::new().init().expect("in range"), 0.01, &Device::flex()).expect("in range");
    assert!(path.last_loss() < best + 0.5, "{}", path.last_loss());
    let again =
        descent.run(&batches, SgdConfig::new().init().expect("in range"), 0.01, &Device::flex()).expect("in range");
    assert!(path == again, "the batches go by the seed");
    for wrong in [0, 31] {
        assert!(Gabor::new(wrong, 0).is_err());
    }
}

/// Adam goes to the worst end, AMSGrad to the best (Reddi et al.), on the problems without chance.
#[test]
fn the_counterexamples_part_adam_and_amsgrad() {
    for (problem, beta_1, beta_2, steps) in
        [(Counterexample::Cyclic { slope: 3.0 }, 0.0, 0.1, 20_000), (Counterexample::Online, 0.9, 0.99, 100_000)]
    {
        let adam = AdamConfig::new().with_beta_1(beta_1).with_beta_2(beta_2).init().expect("in range");
        let amsgrad = AmsgradConfig::new().with_beta_1(beta_1).with_beta_2(beta_2).init().expect("in range");
        let end = |optimizer| {
            let path = problem.descend(optimizer, 0.5, steps, &Device::flex()).expect("in range");
            assert!(path.len() == steps && path.iter().all(|x| (-1.0..=1.0).contains(x)));
            // The mean of the last tenth: it never stands still.
            path[steps / 10 * 9..].iter().sum::<f64>() / (steps / 10) as f64
        };
        let (adam, amsgrad) = (end(adam), end(amsgrad));
        assert!(amsgrad < -0.9, "{problem:?}: AMSGrad at {amsgrad}");
        assert!(adam > 0.5, "{problem:?}: Adam at {adam}");
        assert!(problem.mean_slope() > 0.0, "{problem:?}");
    }
    let error = Counterexample::Cyclic { slope: 2.0 }.check().expect_err("too small").to_string();
    assert_eq!(error, "Counterexample: slope should be above 2, but is 2");
}

/// By chance Adam goes to the worst end each time. AMSGrad does not, though it wanders: of one descent the mean has a
/// deviation of 0.6 about −0.1, by another program, so that the mean of four is below 0.6 in all but one of a hundred.
#[test]
fn a_rare_large_slope_by_chance_parts_adam_and_amsgrad() {
    const STEPS: usize = 30_000;
    let rare = (1..=100_000).filter(|t| Counterexample::Stochastic { seed: 1 }.slope(*t) > 0.0).count();
    assert!((850..1150).contains(&rare), "{rare}");
    let end = |optimizer, seed| {
        let problem = Counterexample::Stochastic { seed };
        let path = problem.descend(optimizer, 3.0, STEPS, &Device::flex()).expect("in range");
        path[STEPS / 5 * 4..].iter().sum::<f64>() / (STEPS / 5) as f64
    };
    let adam = |seed| end(AdamConfig::new().with_beta_2(0.9).init().expect("in range"), seed);
    let amsgrad = |seed| end(AmsgradConfig::new().with_beta_2(0.9).init().expect("in range"), seed);
    let (adam, amsgrad) = ([0, 1, 2, 3].map(adam), [0, 1, 2, 3].map(amsgrad));
    assert!(adam.iter().all(|x| *x > 0.9), "Adam at {adam:?}");
    assert!(amsgrad.iter().sum::<f64>() / 4.0 < 0.6, "AMSGrad at {amsgrad:?}");
}

fn norms(depth: Depth) -> Vec<f64> {
    depth.gradient_norms(&Device::flex()).expect("in range")
}

/// Along an eigenvector the gradient is multiplied by λ at each step (Kao).
#[test]
fn a_gradient_through_a_recurrent_network_goes_by_the_power_of_the_eigenvalue() {
    for (eigenvalue, depth) in [(0.5, 20), (0.9, 50), (1.0, 50), (1.1, 50), (2.0, 30)] {
        let found = norms(Depth::new(DepthForm::Recurrent, eigenvalue).with_depth(depth));
        assert_eq!(found.len(), depth + 1);
        for (step, norm) in found.iter().enumerate() {
            let law = f64::powi(eigenvalue, (depth - step) as i32);
            assert!((norm / law - 1.0).abs() < 1e-10, "λ {eigenvalue}, step {step}: {norm} for {law}");
        }
    }
}

/// The square of the gradient through a normal matrix is multiplied by the square of its scale, in the mean.
#[test]
fn a_gradient_through_layers_goes_by_their_scale() {
    for scale in [0.7, 1.0, 1.4] {
        let through = |seed| norms(Depth { width: 64, seed, ..Depth::new(DepthForm::Layers, scale).with_depth(10) });
        let mean = (0..40).map(|seed| through(seed)[0].powi(2)).sum::<f64>() / 40.0;
        let law = f64::powi(scale, 20);
        // The standard error of the mean of 40 is 0.1 of it: four of them.
        assert!((mean / law - 1.0).abs() < 0.4, "scale {scale}: {mean} for {law}");
    }
    let depth = Depth::new(DepthForm::Layers, 1.0);
    assert_eq!(norms(depth), norms(depth), "drawn by the seed");
    assert_ne!(norms(depth), norms(Depth { seed: 1, ..depth }));
}

#[test]
fn gradients_are_cured() {
    for form in [DepthForm::Recurrent, DepthForm::Layers] {
        let (small, large) = (Depth::new(form, 0.6), Depth::new(form, 1.6));
        assert!(norms(small)[0] < 1e-8 && norms(large)[0] > 1e4, "{form:?}");
        for depth in [small, large] {
            let orthogonal = norms(depth.with_cure(DepthCure::Orthogonal));
            assert!(orthogonal.iter().all(|norm| (norm - 1.0).abs() < 1e-10), "{form:?}: {orthogonal:?}");
        }
        let clipped = norms(large.with_cure(DepthCure::Clipped));
        assert!(clipped.iter().all(|norm| *norm <= 1.0 && *norm > 0.3), "{form:?}: {clipped:?}");
        let of_the_small = norms(small.with_cure(DepthCure::Clipped))[0];
        assert!(of_the_small < 1e-8, "clipping does nothing against vanishing");
    }
    // The scale of the matrices is gone, and so is what the gradient made of it.
    let normalized = |scale| norms(Depth::new(DepthForm::Layers, scale).with_cure(DepthCure::Normalized));
    let (small, large) = (normalized(0.6), normalized(1.6));
    let same = small[1..].iter().zip(&large[1..]).all(|(one, other)| (one / other - 1.0).abs() < 1e-6);
    assert!(same && small[1] > 1e-3 && small[1] < 1e3, "{small:?}, {large:?}");
    // By a gate 0.9 + 0.1·λ takes the place of λ.
    let gated = norms(Depth::new(DepthForm::Recurrent, 0.6).with_cure(DepthCure::Gated))[0];
    assert!((gated / 0.96_f64.powi(50) - 1.0).abs() < 1e-10, "{gated}");
}

#[test]
fn a_depth_out_of_range_is_named() {
    let depth = Depth::new(DepthForm::Layers, 1.0);
    let wrong = |depth: Depth| depth.gradient_norms(&Device::flex()).expect_err("out of range").to_string();
    assert_eq!(wrong(Depth { spectrum: 0.0, ..depth }), "Depth: spectrum should be in (0, ∞), but is 0");
    assert_eq!(wrong(depth.with_depth(0)), "Depth: depth should be at least 1, but is 0");
    assert_eq!(wrong(Depth { width: 0, ..depth }), "Depth: width should be at least 1, but is 0");
}

/// What a landscape is may be one's own.
#[test]
fn a_landscape_of_ones_own() {
    struct Bowl;
    impl Landscape for Bowl {
        fn value(&self, [x, y]: [f64; 2]) -> f64 {
            x * x + y * y
        }

        fn gradient(&self, [x, y]: [f64; 2], _step: u64) -> [f64; 2] {
            [2.0 * x, 2.0 * y]
        }
    }
    let path = Descent::new([1.0, 1.0], 1).run(&Bowl, SgdConfig::new().init().expect("in range"), 0.5, &Device::flex());
    assert_eq!(path.expect("in range").last(), [0.0, 0.0]);
}
