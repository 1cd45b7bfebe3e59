//! Every update rule against the paper's formula, number by number.
//!
//! The functions in the first half take one parameter value through a run, one line of mathematics after the other,
//! in plain `f64`. The tests draw hyperparameters, rates that change from step to step, lengths and gradients, and
//! compare. Draws are the same in every run; `PROPTEST_RNG_SEED` and `PROPTEST_CASES` ask for others and for more.

use crate::common::{Trainee, cpu_devices, deviation, scattered, values, vector};
use burn::optim::{ModuleOptimizer, Optimizer};
use burn::tensor::DType;
use burn_descent::ConfigError;
use burn_descent::optim::{
    AdabeliefConfig, AdadeltaConfig, AdadeltaForm, AdagradConfig, AdamConfig, AdamaxConfig, AdanConfig, AdanDecay,
    AdanForm, AmsgradConfig, AmsgradForm, AsgdConfig, BiasCorrection, Epsilon, LearningRatePlacement, LionConfig,
    MomentumConfig, MomentumForm, NadamConfig, NadamForm, NesterovConfig, NesterovForm, NormalizedGradientConfig,
    RadamConfig, RadamForm, RmsPropConfig, RmsPropMomentum, RpropConfig, ScheduleFreeAdamwConfig,
    ScheduleFreeSgdConfig, SgdConfig, WeightDecay, YogiConfig, evaluation_weights,
};
use burn_descent::weights::{EmaConfig, SwaConfig};
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

// ---------------------------------------------------------------------------------------------------------------------
// The formulas

/// What one parameter value is fed at one step.
#[derive(Clone, Copy)]
struct Feed {
    lr: f64,
    gradient: f64,
}

/// θ and g as the rule meets them: after the decay of the weights.
fn decayed(decay: Option<WeightDecay>, theta: f64, feed: &Feed) -> (f64, f64) {
    match decay {
        None => (theta, feed.gradient),
        Some(WeightDecay::L2(lambda)) => (theta, feed.gradient + lambda * theta),
        Some(WeightDecay::Decoupled(lambda)) => (theta - feed.lr * lambda * theta, feed.gradient),
    }
}

fn divisor(epsilon: Epsilon, v: f64) -> f64 {
    match epsilon {
        Epsilon::Inside(epsilon) => f64::sqrt(v + epsilon),
        Epsilon::Outside(epsilon) => f64::sqrt(v) + epsilon,
    }
}

/// Zeiler 2012, Algorithm 1, and Ruder eq. 7 for the preliminary form.
fn adadelta(c: &AdadeltaConfig, mut theta: f64, run: &[Feed]) -> f64 {
    let (mut mean_g2, mut mean_dx2) = (0.0, 0.0);
    for feed in run {
        let (x, g) = decayed(c.weight_decay, theta, feed);
        mean_g2 = c.rho * mean_g2 + (1.0 - c.rho) * g * g;
        let rms_g = f64::sqrt(mean_g2 + c.epsilon);
        let dx = match c.form {
            AdadeltaForm::Units => -f64::sqrt(mean_dx2 + c.epsilon) / rms_g * g,
            AdadeltaForm::Preliminary => -1.0 / rms_g * g,
        };
        mean_dx2 = c.rho * mean_dx2 + (1.0 - c.rho) * dx * dx;
        theta = x + feed.lr * dx;
    }
    theta
}

/// Reddi et al. 2018, Algorithm 2, for `Uncorrected`; with the corrections of PyTorch and of optax for the others.
fn amsgrad(c: &AmsgradConfig, mut theta: f64, run: &[Feed]) -> f64 {
    let (mut m, mut v, mut maximum) = (0.0, 0.0, 0.0);
    let (mut power_1, mut power_2) = (1.0, 1.0);
    for feed in run {
        let (x, g) = decayed(c.weight_decay, theta, feed);
        power_1 *= c.beta_1;
        power_2 *= c.beta_2;
        m = c.beta_1 * m + (1.0 - c.beta_1) * g;
        v = c.beta_2 * v + (1.0 - c.beta_2) * g * g;
        let (m_hat, v_hat) = match c.form {
            AmsgradForm::Uncorrected => {
                maximum = f64::max(maximum, v);
                (m, maximum)
            }
            AmsgradForm::MaximumThenCorrection => {
                maximum = f64::max(maximum, v);
                (m / (1.0 - power_1), maximum / (1.0 - power_2))
            }
            AmsgradForm::CorrectionThenMaximum => {
                maximum = f64::max(maximum, v / (1.0 - power_2));
                (m / (1.0 - power_1), maximum)
            }
        };
        theta = x - feed.lr * m_hat / divisor(c.epsilon, v_hat);
    }
    theta
}

/// Dozat 2016, Algorithm 2; PyTorch's `NAdam`; optax's `adam(nesterov=True)`; Ruder eq. 31.
fn nadam(c: &NadamConfig, mut theta: f64, run: &[Feed]) -> f64 {
    let (mut m, mut n) = (0.0, 0.0);
    let (mut power_1, mut power_2, mut product) = (1.0, 1.0, 1.0);
    for (index, feed) in run.iter().enumerate() {
        let t = (index + 1) as f64;
        let (x, g) = decayed(c.weight_decay, theta, feed);
        power_1 *= c.beta_1;
        power_2 *= c.beta_2;
        let mu = |t: f64, psi: f64| c.beta_1 * (1.0 - 0.5 * f64::powf(0.96, t * psi));
        n = c.beta_2 * n + (1.0 - c.beta_2) * g * g;
        let (m_hat, n_hat) = match c.form {
            NadamForm::Dozat { momentum_decay: psi } => {
                product *= mu(t, psi);
                m = mu(t, psi) * m + (1.0 - mu(t, psi)) * g;
                let ahead = mu(t + 1.0, psi) * m / (1.0 - product * mu(t + 1.0, psi));
                (ahead + (1.0 - mu(t, psi)) * g / (1.0 - product), c.beta_2 * n / (1.0 - power_2))
            }
            NadamForm::Schedule { momentum_decay: psi } => {
                product *= mu(t, psi);
                m = c.beta_1 * m + (1.0 - c.beta_1) * g;
                let ahead = mu(t + 1.0, psi) * m / (1.0 - product * mu(t + 1.0, psi));
                (ahead + (1.0 - mu(t, psi)) * g / (1.0 - product), n / (1.0 - power_2))
            }
            NadamForm::Constant => {
                m = c.beta_1 * m + (1.0 - c.beta_1) * g;
                let ahead = c.beta_1 * m / (1.0 - power_1 * c.beta_1);
                (ahead + (1.0 - c.beta_1) * g / (1.0 - power_1), n / (1.0 - power_2))
            }
            NadamForm::Lecture => {
                m = c.beta_1 * m + (1.0 - c.beta_1) * g;
                let corrected = m / (1.0 - power_1);
                (c.beta_1 * corrected + (1.0 - c.beta_1) * g / (1.0 - power_1), n / (1.0 - power_2))
            }
        };
        theta = x - feed.lr * m_hat / divisor(c.epsilon, n_hat);
    }
    theta
}

/// Hinton 2012, Graves 2013 for the centred form, Kao's slides and PyTorch's manual for the momentum.
fn rms_prop(c: &RmsPropConfig, mut theta: f64, run: &[Feed]) -> f64 {
    let (mut square, mut mean, mut v) = (0.0, 0.0, 0.0);
    for feed in run {
        let (x, g) = decayed(c.weight_decay, theta, feed);
        square = c.decay * square + (1.0 - c.decay) * g * g;
        mean = c.decay * mean + (1.0 - c.decay) * g;
        let variance = match c.centered {
            false => square,
            true => f64::max(square - mean * mean, 0.0),
        };
        let direction = g / divisor(c.epsilon, variance);
        let (alpha, nesterov) = match c.momentum {
            RmsPropMomentum::None => (0.0, false),
            RmsPropMomentum::Classical(alpha) => (alpha, false),
            RmsPropMomentum::Nesterov(alpha) => (alpha, true),
        };
        theta = match c.learning_rate_placement {
            LearningRatePlacement::InsideBuffer => {
                v = alpha * v - feed.lr * direction;
                if nesterov { x + alpha * v - feed.lr * direction } else { x + v }
            }
            LearningRatePlacement::OutsideBuffer => {
                v = alpha * v + direction;
                let step = if nesterov { alpha * v + direction } else { v };
                x - feed.lr * step
            }
        };
    }
    theta
}

/// Ruder eq. 1.
fn sgd(c: &SgdConfig, mut theta: f64, run: &[Feed]) -> f64 {
    for feed in run {
        let (x, g) = decayed(c.weight_decay, theta, feed);
        theta = x - feed.lr * g;
    }
    theta
}

/// Ruder eq. 4, Serra's average, and PyTorch's `SGD` by its manual.
fn momentum(c: &MomentumConfig, mut theta: f64, run: &[Feed]) -> f64 {
    let mu = c.momentum;
    let mut v = 0.0;
    for (index, feed) in run.iter().enumerate() {
        let (x, g) = decayed(c.weight_decay, theta, feed);
        theta = match c.form {
            MomentumForm::LearningRateInside => {
                v = mu * v + feed.lr * g;
                x - v
            }
            MomentumForm::Mean => {
                v = mu * v + (1.0 - mu) * g;
                x - feed.lr * v
            }
            MomentumForm::LearningRateOutside { dampening } => {
                v = if index == 0 { g } else { mu * v + (1.0 - dampening) * g };
                x - feed.lr * v
            }
        };
    }
    theta
}

/// Kao's change of variables, and PyTorch's `SGD(nesterov=True)` by its manual.
fn nesterov(c: &NesterovConfig, mut theta: f64, run: &[Feed]) -> f64 {
    let mu = c.momentum;
    let mut v = 0.0;
    for (index, feed) in run.iter().enumerate() {
        let (x, g) = decayed(c.weight_decay, theta, feed);
        theta = match c.form {
            NesterovForm::ChangeOfVariables => {
                let next = mu * v - feed.lr * g;
                let theta = x + next + mu * (next - v);
                v = next;
                theta
            }
            NesterovForm::LearningRateOutside { dampening } => {
                v = if index == 0 { g } else { mu * v + (1.0 - dampening) * g };
                x - feed.lr * (g + mu * v)
            }
        };
    }
    theta
}

/// Serra.
fn normalized_gradient(c: &NormalizedGradientConfig, mut theta: f64, run: &[Feed]) -> f64 {
    for feed in run {
        let (x, g) = decayed(c.weight_decay, theta, feed);
        theta = x - feed.lr * g / (f64::sqrt(g * g) + c.epsilon);
    }
    theta
}

/// Duchi et al. 2011, with PyTorch's decay of the rate and start of the sum.
fn adagrad(c: &AdagradConfig, mut theta: f64, run: &[Feed]) -> f64 {
    let mut sum = c.initial_sum;
    for (index, feed) in run.iter().enumerate() {
        let (x, g) = decayed(c.weight_decay, theta, feed);
        sum += g * g;
        theta = x - feed.lr / (1.0 + index as f64 * c.lr_decay) * g / divisor(c.epsilon, sum);
    }
    theta
}

/// Kingma & Ba 2015, Algorithm 1, and Kao's without bias correction.
fn adam(c: &AdamConfig, mut theta: f64, run: &[Feed]) -> f64 {
    let (mut m, mut v) = (0.0, 0.0);
    let (mut power_1, mut power_2) = (1.0, 1.0);
    for feed in run {
        let (x, g) = decayed(c.weight_decay, theta, feed);
        power_1 *= c.beta_1;
        power_2 *= c.beta_2;
        m = c.beta_1 * m + (1.0 - c.beta_1) * g;
        v = c.beta_2 * v + (1.0 - c.beta_2) * g * g;
        let (m_hat, v_hat) = match c.bias_correction {
            BiasCorrection::Corrected => (m / (1.0 - power_1), v / (1.0 - power_2)),
            BiasCorrection::Uncorrected => (m, v),
        };
        theta = x - feed.lr * m_hat / divisor(c.epsilon, v_hat);
    }
    theta
}

/// Kingma & Ba 2015, Algorithm 2, with ε beside |g|.
fn adamax(c: &AdamaxConfig, mut theta: f64, run: &[Feed]) -> f64 {
    let (mut m, mut u, mut power) = (0.0, 0.0, 1.0);
    for feed in run {
        let (x, g) = decayed(c.weight_decay, theta, feed);
        power *= c.beta_1;
        m = c.beta_1 * m + (1.0 - c.beta_1) * g;
        u = f64::max(c.beta_2 * u, g.abs() + c.epsilon);
        theta = x - feed.lr / (1.0 - power) * m / u;
    }
    theta
}

/// Liu et al. 2020, Algorithm 2; ε beside the uncorrected root as in PyTorch, or beside the corrected one as in optax.
fn radam(c: &RadamConfig, mut theta: f64, run: &[Feed]) -> f64 {
    let (mut m, mut v, mut power_1, mut power_2) = (0.0, 0.0, 1.0, 1.0);
    let longest = 2.0 / (1.0 - c.beta_2) - 1.0;
    for (index, feed) in run.iter().enumerate() {
        let (x, g) = decayed(c.weight_decay, theta, feed);
        power_1 *= c.beta_1;
        power_2 *= c.beta_2;
        m = c.beta_1 * m + (1.0 - c.beta_1) * g;
        v = c.beta_2 * v + (1.0 - c.beta_2) * g * g;
        let m_hat = m / (1.0 - power_1);
        let rho = longest - 2.0 * (index + 1) as f64 * power_2 / (1.0 - power_2);
        theta = if rho > 5.0 {
            let above = (rho - 4.0) * (rho - 2.0) * longest;
            let r = f64::sqrt(above / ((longest - 4.0) * (longest - 2.0) * rho));
            let divisor = match c.form {
                RadamForm::EpsilonThenCorrection => divisor(c.epsilon, v) / f64::sqrt(1.0 - power_2),
                RadamForm::CorrectionThenEpsilon => divisor(c.epsilon, v / (1.0 - power_2)),
            };
            x - feed.lr * r * m_hat / divisor
        } else {
            x - feed.lr * m_hat
        };
    }
    theta
}

/// Zaheer et al. 2018, Algorithm 2; with Adam's corrections where asked for.
fn yogi(c: &YogiConfig, mut theta: f64, run: &[Feed]) -> f64 {
    let (mut m, mut v, mut power_1, mut power_2) = (c.initial_moment_1, c.initial_moment_2, 1.0, 1.0);
    for feed in run {
        let (x, g) = decayed(c.weight_decay, theta, feed);
        power_1 *= c.beta_1;
        power_2 *= c.beta_2;
        m = c.beta_1 * m + (1.0 - c.beta_1) * g;
        let towards = match v.total_cmp(&(g * g)) {
            std::cmp::Ordering::Greater => -1.0,
            std::cmp::Ordering::Equal => 0.0,
            std::cmp::Ordering::Less => 1.0,
        };
        v += towards * (1.0 - c.beta_2) * g * g;
        let (m_hat, v_hat) = match c.bias_correction {
            BiasCorrection::Corrected => (m / (1.0 - power_1), v / (1.0 - power_2)),
            BiasCorrection::Uncorrected => (m, v),
        };
        theta = x - feed.lr * m_hat / divisor(c.epsilon, v_hat);
    }
    theta
}

/// Zhuang et al. 2020, Algorithm 2.
fn adabelief(c: &AdabeliefConfig, mut theta: f64, run: &[Feed]) -> f64 {
    let (mut m, mut s, mut power_1, mut power_2) = (0.0, 0.0, 1.0, 1.0);
    for feed in run {
        let (x, g) = decayed(c.weight_decay, theta, feed);
        power_1 *= c.beta_1;
        power_2 *= c.beta_2;
        m = c.beta_1 * m + (1.0 - c.beta_1) * g;
        s = c.beta_2 * s + (1.0 - c.beta_2) * (g - m) * (g - m) + c.epsilon;
        theta = x - feed.lr * (m / (1.0 - power_1)) / (f64::sqrt(s / (1.0 - power_2)) + c.epsilon);
    }
    theta
}

/// Chen et al. 2023, Algorithm 2.
fn lion(c: &LionConfig, mut theta: f64, run: &[Feed]) -> f64 {
    let mut m = 0.0;
    for feed in run {
        let (x, g) = decayed(c.weight_decay, theta, feed);
        let interpolated = c.beta_1 * m + (1.0 - c.beta_1) * g;
        let sign = if interpolated == 0.0 { 0.0 } else { interpolated.signum() };
        theta = x - feed.lr * sign;
        m = c.beta_2 * m + (1.0 - c.beta_2) * g;
    }
    theta
}

/// Xie et al. 2022, Algorithm 1, whose β are the present's shares, with the corrections of its authors' code; and optax's
/// reading of it.
fn adan(c: &AdanConfig, mut theta: f64, run: &[Feed]) -> f64 {
    let (mut m, mut v, mut n) = (0.0, 0.0, 0.0);
    let (mut power_1, mut power_2, mut power_3) = (1.0, 1.0, 1.0);
    let mut before = None;
    let [now_1, now_2, now_3] = [c.beta_1, c.beta_2, c.beta_3].map(|past| 1.0 - past);
    let ahead = match c.form {
        AdanForm::Paper => 1.0 - now_2,
        AdanForm::Optax => now_2,
    };
    for feed in run {
        let proximal = match (c.weight_decay, c.decay) {
            (Some(WeightDecay::Decoupled(lambda)), AdanDecay::Proximal) => Some(lambda),
            _ => None,
        };
        let (x, g) = decayed(if proximal.is_some() { None } else { c.weight_decay }, theta, feed);
        power_1 *= c.beta_1;
        power_2 *= c.beta_2;
        power_3 *= c.beta_3;
        let difference = g - before.unwrap_or(g);
        before = Some(g);
        m = (1.0 - now_1) * m + now_1 * g;
        v = (1.0 - now_2) * v + now_2 * difference;
        n = (1.0 - now_3) * n + now_3 * f64::powi(g + ahead * difference, 2);
        let eta = feed.lr / (f64::sqrt(n / (1.0 - power_3) + c.epsilon_root) + c.epsilon);
        theta = x - eta * (m / (1.0 - power_1) + ahead * v / (1.0 - power_2));
        theta /= 1.0 + feed.lr * proximal.unwrap_or(0.0);
    }
    theta
}

/// Riedmiller & Braun 1993, without backtracking: after a change of sign the gradient counts as 0.
fn rprop(c: &RpropConfig, mut theta: f64, run: &[Feed]) -> f64 {
    let mut before = 0.0;
    let mut size = run.first().map_or(0.0, |feed| feed.lr);
    for feed in run {
        let (x, mut g) = decayed(c.weight_decay, theta, feed);
        if g * before > 0.0 {
            size *= c.eta_plus;
        } else if g * before < 0.0 {
            size *= c.eta_minus;
            g = 0.0;
        }
        size = f64::min(f64::max(size, c.min_step), c.max_step);
        theta = x;
        if g > 0.0 {
            theta -= size;
        } else if g < 0.0 {
            theta += size;
        }
        before = g;
    }
    theta
}

/// PyTorch's `ASGD`; gives the last iterate and the average.
fn asgd(c: &AsgdConfig, mut theta: f64, run: &[Feed]) -> (f64, f64) {
    let mut past = Vec::new();
    for (index, feed) in run.iter().enumerate() {
        let (x, g) = decayed(c.weight_decay, theta, feed);
        let eta = feed.lr * f64::powf(1.0 + c.lambda * feed.lr * index as f64, -c.alpha);
        theta = x - c.lambda * eta * x - eta * g;
        past.push(theta);
    }
    // Iterates up to step t₀ + 2 each take the place of the average; from there on they share it equally.
    let first = (c.t0 as usize + 1).min(past.len().saturating_sub(1));
    let averaged = &past[first.min(past.len())..];
    (theta, averaged.iter().sum::<f64>() / averaged.len().max(1) as f64)
}

/// Defazio et al. 2024, by the definition of its three sequences; gives y and x. The direction is `u(y, g)`.
fn schedule_free(beta: f64, power: f64, start: f64, run: &[Feed], mut u: impl FnMut(f64, &Feed) -> f64) -> (f64, f64) {
    let (mut y, mut z, mut x) = (start, start, start);
    let (mut highest, mut total) = (0.0_f64, 0.0);
    for feed in run {
        z -= feed.lr * u(y, feed);
        highest = highest.max(feed.lr);
        total += highest.powf(power);
        let c = highest.powf(power) / total;
        x = (1.0 - c) * x + c * z;
        y = (1.0 - beta) * z + beta * x;
    }
    (y, x)
}

fn schedule_free_sgd(c: &ScheduleFreeSgdConfig, start: f64, run: &[Feed]) -> (f64, f64) {
    let lambda = match c.weight_decay {
        Some(WeightDecay::L2(lambda) | WeightDecay::Decoupled(lambda)) => lambda,
        None => 0.0,
    };
    schedule_free(c.beta, c.weight_power, start, run, |y, feed| feed.gradient + lambda * y)
}

fn schedule_free_adamw(c: &ScheduleFreeAdamwConfig, start: f64, run: &[Feed]) -> (f64, f64) {
    let (mut v, mut power) = (0.0, 1.0);
    schedule_free(c.beta_1, c.weight_power, start, run, |y, feed| {
        let (penalty, decay) = match c.weight_decay {
            Some(WeightDecay::L2(lambda)) => (lambda, 0.0),
            Some(WeightDecay::Decoupled(lambda)) => (0.0, lambda),
            None => (0.0, 0.0),
        };
        let g = feed.gradient + penalty * y;
        power *= c.beta_2;
        v = c.beta_2 * v + (1.0 - c.beta_2) * g * g;
        g / divisor(c.epsilon, v / (1.0 - power)) + decay * y
    })
}

// ---------------------------------------------------------------------------------------------------------------------
// The draws

const STEPS: usize = 20;
const CASES: u32 = 24;
const TOLERANCE: f64 = 1e-10;

/// One run: hyperparameters, of which each optimizer takes those that it has, and the seed of its data.
#[derive(Clone, Debug)]
struct Draw {
    decay_1: f64,
    decay_2: f64,
    epsilon: f64,
    momentum: f64,
    dampening: f64,
    momentum_decay: f64,
    lambda: f64,
    len: usize,
    seed: u64,
}

prop_compose! {
    fn draws()(
        decay_1 in share(),
        decay_2 in share(),
        epsilon in (-8.0..-2.0).prop_map(|exponent| 10_f64.powf(exponent)),
        momentum in share(),
        dampening in 0.0..=1.0,
        momentum_decay in 0.0..20.0,
        lambda in 0.0..0.1,
        len in 0_usize..200,
        seed in any::<u64>(),
    ) -> Draw {
        Draw { decay_1, decay_2, epsilon, momentum, dampening, momentum_decay, lambda, len, seed }
    }
}

/// A share of the past: anywhere in its range, and often at one of its ends.
fn share() -> impl Strategy<Value = f64> {
    prop_oneof![1 => Just(0.0), 6 => 0.0..0.999, 1 => Just(0.999)]
}

impl Draw {
    /// The start, and what each step feeds each value.
    fn data(&self) -> (Vec<f64>, Vec<Vec<Feed>>) {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let theta = (0..self.len).map(|_| rng.random_range(-3.0..3.0)).collect();
        // Some values never get a gradient, the others do without one now and then.
        let idle: Vec<bool> = (0..self.len).map(|_| rng.random_bool(0.1)).collect();
        let feeds = (0..STEPS).map(|_| {
            let lr = 10_f64.powf(rng.random_range(-4.0..0.0));
            let mut gradient = || {
                let magnitude = 10_f64.powf(rng.random_range(-6.0..3.0));
                let sign = if rng.random() { 1.0 } else { -1.0 };
                if rng.random_bool(0.1) { 0.0 } else { sign * magnitude }
            };
            idle.iter().map(|idle| Feed { lr, gradient: if *idle { 0.0 } else { gradient() } }).collect()
        });
        (theta, feeds.collect())
    }
}

/// Holds `config`'s optimizer to `formula` on every CPU backend.
fn agree<C>(
    name: &str,
    config: impl Fn(&Draw) -> C,
    init: impl Fn(&C) -> Result<ModuleOptimizer, ConfigError>,
    formula: impl Fn(&C, f64, &[Feed]) -> f64,
) {
    agree_and_answer(name, config, init, |config, theta, run| {
        let theta = formula(config, theta, run);
        (theta, theta)
    });
}

/// The same for a formula that also tells what the optimizer answers with outside training.
fn agree_and_answer<C>(
    name: &str,
    config: impl Fn(&Draw) -> C,
    init: impl Fn(&C) -> Result<ModuleOptimizer, ConfigError>,
    formula: impl Fn(&C, f64, &[Feed]) -> (f64, f64),
) {
    let mut settings = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        settings.cases = CASES;
    }
    if matches!(settings.rng_seed, RngSeed::Random) {
        settings.rng_seed = RngSeed::Fixed(1);
    }
    let outcome = TestRunner::new(settings).run(&draws(), |draw| {
        let config = config(&draw);
        let (theta, feeds) = draw.data();
        let (expected, answer): (Vec<f64>, Vec<f64>) = (0..draw.len)
            .map(|index| formula(&config, theta[index], &feeds.iter().map(|step| step[index]).collect::<Vec<_>>()))
            .unzip();
        for (backend, device) in cpu_devices() {
            let optimizer = init(&config).expect("the draw is in range");
            let mut trainee = Trainee::new(optimizer, vector(&theta, &device, DType::F64));
            for step in &feeds {
                let gradient: Vec<f64> = step.iter().map(|feed| feed.gradient).collect();
                let lr = step.first().map_or(0.1, |feed| feed.lr);
                trainee.step(lr, vector(&gradient, &device, DType::F64));
            }
            let deviation = deviation(&trainee.values(), &expected);
            prop_assert!(deviation <= TOLERANCE, "deviation {deviation:e} on {backend}");
            let evaluated = evaluation_weights(&trainee.optimizer, trainee.param.clone());
            let deviation = crate::common::deviation(&values(&evaluated.val()), &answer);
            prop_assert!(deviation <= TOLERANCE, "deviation {deviation:e} of the evaluation weights on {backend}");
        }
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{name}: {error}");
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Every optimizer with every variant

/// A setting made from a drawn number.
type Setting<T> = fn(f64) -> T;
/// Variants of a setting, by name.
type Variants<T, const N: usize> = [(&'static str, Setting<T>); N];

const DECAYS: Variants<Option<WeightDecay>, 3> = [
    ("no decay", |_| None),
    ("L2", |lambda| Some(WeightDecay::L2(lambda))),
    ("decoupled decay", |lambda| Some(WeightDecay::Decoupled(lambda))),
];

/// Each place for ε with each decay.
fn places() -> impl Iterator<Item = (String, Setting<Epsilon>, Setting<Option<WeightDecay>>)> {
    let epsilons: Variants<Epsilon, 2> = [("ε inside", Epsilon::Inside), ("ε outside", Epsilon::Outside)];
    epsilons.into_iter().flat_map(|(place, epsilon)| {
        DECAYS.iter().map(move |(name, decay)| (format!("{place}, {name}"), epsilon, *decay))
    })
}

#[test]
fn adadelta_follows_the_formula() {
    for form in [AdadeltaForm::Units, AdadeltaForm::Preliminary] {
        for (decay_name, decay) in DECAYS {
            let config = |draw: &Draw| {
                AdadeltaConfig::new()
                    .with_rho(draw.decay_2)
                    .with_epsilon(draw.epsilon)
                    .with_form(form)
                    .with_weight_decay(decay(draw.lambda))
            };
            agree(&format!("Adadelta, {form:?}, {decay_name}"), config, AdadeltaConfig::init, adadelta);
        }
    }
}

#[test]
fn amsgrad_follows_the_formula() {
    let forms = [AmsgradForm::MaximumThenCorrection, AmsgradForm::CorrectionThenMaximum, AmsgradForm::Uncorrected];
    for form in forms {
        for (place, epsilon, decay) in places() {
            let config = |draw: &Draw| {
                AmsgradConfig::new()
                    .with_beta_1(draw.decay_1)
                    .with_beta_2(draw.decay_2)
                    .with_epsilon(epsilon(draw.epsilon))
                    .with_form(form)
                    .with_weight_decay(decay(draw.lambda))
            };
            agree(&format!("Amsgrad, {form:?}, {place}"), config, AmsgradConfig::init, amsgrad);
        }
    }
}

#[test]
fn nadam_follows_the_formula() {
    let forms: Variants<NadamForm, 4> = [
        ("schedule", |momentum_decay| NadamForm::Schedule { momentum_decay }),
        ("Dozat", |momentum_decay| NadamForm::Dozat { momentum_decay }),
        ("constant", |_| NadamForm::Constant),
        ("lecture", |_| NadamForm::Lecture),
    ];
    for (form_name, form) in forms {
        for (place, epsilon, decay) in places() {
            let config = |draw: &Draw| {
                // With β₂ = 0, Dozat's factor β₂ leaves ε alone in the divisor: a run that explodes.
                let least = if form_name == "Dozat" { 0.1 } else { 0.0 };
                NadamConfig::new()
                    .with_beta_1(draw.decay_1)
                    .with_beta_2(draw.decay_2.max(least))
                    .with_epsilon(epsilon(draw.epsilon))
                    .with_form(form(draw.momentum_decay))
                    .with_weight_decay(decay(draw.lambda))
            };
            agree(&format!("Nadam, {form_name}, {place}"), config, NadamConfig::init, nadam);
        }
    }
}

/// RMSprop with one momentum: each placement of the rate, of ε, and each decay.
fn check_rms_prop(centered: bool, momentum_name: &str, momentum: fn(f64) -> RmsPropMomentum) {
    for velocity in [LearningRatePlacement::InsideBuffer, LearningRatePlacement::OutsideBuffer] {
        for (place, epsilon, decay) in places() {
            let config = |draw: &Draw| {
                // The variance is a difference: ill-conditioned once the averages have forgotten their start of zero.
                // At 0.8 and more, 20 steps leave it 1% of the mean square at least.
                let share = if centered { 0.8 + 0.199 * draw.decay_2 } else { draw.decay_2 };
                RmsPropConfig::new()
                    .with_decay(share)
                    .with_epsilon(epsilon(draw.epsilon))
                    .with_momentum(momentum(draw.momentum))
                    .with_learning_rate_placement(velocity)
                    .with_centered(centered)
                    .with_weight_decay(decay(draw.lambda))
            };
            let name = format!("RmsProp, centered {centered}, {velocity:?}, {momentum_name}, {place}");
            agree(&name, config, RmsPropConfig::init, rms_prop);
        }
    }
}

#[test]
fn rms_prop_follows_the_formula() {
    for centered in [false, true] {
        check_rms_prop(centered, "no momentum", |_| RmsPropMomentum::None);
        check_rms_prop(centered, "classical", RmsPropMomentum::Classical);
        check_rms_prop(centered, "Nesterov", RmsPropMomentum::Nesterov);
    }
}

#[test]
fn sgd_follows_the_formula() {
    for (decay_name, decay) in DECAYS {
        let config = |draw: &Draw| SgdConfig::new().with_weight_decay(decay(draw.lambda));
        agree(&format!("Sgd, {decay_name}"), config, SgdConfig::init, sgd);
    }
}

#[test]
fn momentum_follows_the_formula() {
    let forms: Variants<MomentumForm, 3> = [
        ("rate inside", |_| MomentumForm::LearningRateInside),
        ("mean", |_| MomentumForm::Mean),
        ("rate outside", |dampening| MomentumForm::LearningRateOutside { dampening }),
    ];
    for (form_name, form) in forms {
        for (decay_name, decay) in DECAYS {
            let config = |draw: &Draw| {
                let config = MomentumConfig::new().with_momentum(draw.momentum).with_form(form(draw.dampening));
                config.with_weight_decay(decay(draw.lambda))
            };
            agree(&format!("Momentum, {form_name}, {decay_name}"), config, MomentumConfig::init, momentum);
        }
    }
}

#[test]
fn nesterov_follows_the_formula() {
    let forms: Variants<NesterovForm, 2> = [
        ("change of variables", |_| NesterovForm::ChangeOfVariables),
        ("rate outside", |dampening| NesterovForm::LearningRateOutside { dampening }),
    ];
    for (form_name, form) in forms {
        for (decay_name, decay) in DECAYS {
            let config = |draw: &Draw| {
                let config = NesterovConfig::new().with_momentum(draw.momentum).with_form(form(draw.dampening));
                config.with_weight_decay(decay(draw.lambda))
            };
            agree(&format!("Nesterov, {form_name}, {decay_name}"), config, NesterovConfig::init, nesterov);
        }
    }
}

#[test]
fn the_normalized_gradient_follows_the_formula() {
    for (decay_name, decay) in DECAYS {
        let config = |draw: &Draw| {
            NormalizedGradientConfig::new().with_epsilon(draw.epsilon).with_weight_decay(decay(draw.lambda))
        };
        let name = format!("NormalizedGradient, {decay_name}");
        agree(&name, config, NormalizedGradientConfig::init, normalized_gradient);
    }
}

#[test]
fn adagrad_follows_the_formula() {
    for (place, epsilon, decay) in places() {
        let config = |draw: &Draw| {
            AdagradConfig::new()
                .with_epsilon(epsilon(draw.epsilon))
                .with_initial_sum(draw.dampening)
                .with_lr_decay(draw.lambda)
                .with_weight_decay(decay(draw.lambda))
        };
        agree(&format!("Adagrad, {place}"), config, AdagradConfig::init, adagrad);
    }
}

#[test]
fn adam_follows_the_formula() {
    for correction in [BiasCorrection::Corrected, BiasCorrection::Uncorrected] {
        for (place, epsilon, decay) in places() {
            let config = |draw: &Draw| {
                AdamConfig::new()
                    .with_beta_1(draw.decay_1)
                    .with_beta_2(draw.decay_2)
                    .with_epsilon(epsilon(draw.epsilon))
                    .with_bias_correction(correction)
                    .with_weight_decay(decay(draw.lambda))
            };
            agree(&format!("Adam, {correction:?}, {place}"), config, AdamConfig::init, adam);
        }
    }
}

#[test]
fn adamax_follows_the_formula() {
    for (decay_name, decay) in DECAYS {
        let config = |draw: &Draw| {
            AdamaxConfig::new()
                .with_beta_1(draw.decay_1)
                .with_beta_2(draw.decay_2)
                .with_epsilon(draw.epsilon)
                .with_weight_decay(decay(draw.lambda))
        };
        agree(&format!("Adamax, {decay_name}"), config, AdamaxConfig::init, adamax);
    }
}

#[test]
fn radam_follows_the_formula() {
    for form in [RadamForm::EpsilonThenCorrection, RadamForm::CorrectionThenEpsilon] {
        for (place, epsilon, decay) in places() {
            let config = |draw: &Draw| {
                RadamConfig::new()
                    .with_beta_1(draw.decay_1)
                    .with_beta_2(draw.decay_2)
                    .with_epsilon(epsilon(draw.epsilon))
                    .with_form(form)
                    .with_weight_decay(decay(draw.lambda))
            };
            agree(&format!("Radam, {form:?}, {place}"), config, RadamConfig::init, radam);
        }
    }
}

#[test]
fn yogi_follows_the_formula() {
    for correction in [BiasCorrection::Corrected, BiasCorrection::Uncorrected] {
        for (place, epsilon, decay) in places() {
            let config = |draw: &Draw| {
                YogiConfig::new()
                    .with_beta_1(draw.decay_1)
                    .with_beta_2(draw.decay_2)
                    .with_epsilon(epsilon(draw.epsilon))
                    .with_initial_moment_1(draw.lambda)
                    .with_initial_moment_2(draw.dampening)
                    .with_bias_correction(correction)
                    .with_weight_decay(decay(draw.lambda))
            };
            agree(&format!("Yogi, {correction:?}, {place}"), config, YogiConfig::init, yogi);
        }
    }
}

#[test]
fn adabelief_follows_the_formula() {
    for (decay_name, decay) in DECAYS {
        let config = |draw: &Draw| {
            AdabeliefConfig::new()
                .with_beta_1(draw.decay_1)
                .with_beta_2(draw.decay_2)
                .with_epsilon(draw.epsilon)
                .with_weight_decay(decay(draw.lambda))
        };
        agree(&format!("Adabelief, {decay_name}"), config, AdabeliefConfig::init, adabelief);
    }
}

#[test]
fn lion_follows_the_formula() {
    for (decay_name, decay) in DECAYS {
        let config = |draw: &Draw| {
            LionConfig::new().with_beta_1(draw.decay_1).with_beta_2(draw.decay_2).with_weight_decay(decay(draw.lambda))
        };
        agree(&format!("Lion, {decay_name}"), config, LionConfig::init, lion);
    }
}

#[test]
fn adan_follows_the_formula() {
    for form in [AdanForm::Paper, AdanForm::Optax] {
        for when in [AdanDecay::Proximal, AdanDecay::BeforeStep] {
            for (decay_name, decay) in DECAYS {
                let config = |draw: &Draw| {
                    AdanConfig::new()
                        .with_beta_1(draw.decay_1)
                        .with_beta_2(draw.momentum)
                        .with_beta_3(draw.decay_2)
                        .with_epsilon(draw.epsilon)
                        .with_epsilon_root(draw.dampening * draw.epsilon)
                        .with_form(form)
                        .with_decay(when)
                        .with_weight_decay(decay(draw.lambda))
                };
                agree(&format!("Adan, {form:?}, {when:?}, {decay_name}"), config, AdanConfig::init, adan);
            }
        }
    }
}

/// Burn's own Lion and Adan take the same steps, at their coefficients in `f32`.
#[test]
fn lion_and_adan_step_as_burns() {
    let single = |number: f32| f64::from(number);
    let decoupled = |lambda: f32| Some(WeightDecay::Decoupled(single(lambda)));
    let lion = LionConfig::burn().with_beta_1(single(0.9)).with_beta_2(single(0.99));
    let adan = AdanConfig::burn().with_beta_1(single(0.98)).with_beta_2(single(0.92)).with_beta_3(single(0.99));
    let adan = adan.with_epsilon(single(1e-8)).with_weight_decay(decoupled(0.3));
    let pairs = [
        (lion.with_weight_decay(decoupled(0.1)).init(), burn::optim::LionConfig::new().with_weight_decay(0.1).init()),
        (adan.clone().init(), burn::optim::AdanConfig::new().with_weight_decay(0.3).init()),
        (
            adan.with_decay(AdanDecay::BeforeStep).init(),
            burn::optim::AdanConfig::new().with_weight_decay(0.3).with_no_prox(true).init(),
        ),
    ];
    let (_, device) = cpu_devices().remove(0);
    for (ours, burns) in pairs {
        let trainee = |optimizer| Trainee::new(optimizer, vector(&[1.0, -2.0, 0.3], &device, DType::F64));
        let (mut ours, mut burns) = (trainee(ours.expect("in range")), trainee(burns));
        for step in 0..30 {
            let gradient = [0.3 * f64::from(step).cos(), 2.0 - 0.1 * f64::from(step), 1e-3 * f64::from(step % 5 - 2)];
            ours.step(0.05, vector(&gradient, &device, DType::F64));
            burns.step(0.05, vector(&gradient, &device, DType::F64));
            // Burn's corrections are in `f32`.
            let deviation = deviation(&ours.values(), &burns.values());
            assert!(deviation < 2e-5, "step {step}: {:?} and {:?}", ours.values(), burns.values());
        }
    }
}

/// A decay is not lost in `f32`, however small its share is: a factor of 1 − 1e-8 would be 1 there.
#[test]
fn adan_keeps_a_small_decay() {
    const STEPS: u32 = 4000;
    let (rate, lambda) = (1e-4, 1e-4);
    for (backend, device) in cpu_devices() {
        for form in [AdanDecay::Proximal, AdanDecay::BeforeStep] {
            let end = |lambda| {
                let config = AdanConfig::new().with_decay(form).with_weight_decay(Some(WeightDecay::Decoupled(lambda)));
                let theta = vector(&[0.9; 64], &device, DType::F32);
                let mut trainee = Trainee::new(config.init().expect("in range"), theta);
                for step in 0..STEPS {
                    // Steps of many sizes, to and fro, so that what is rounded off them comes to nothing in the mean.
                    let gradient = |index: u32| (f64::from(step) * (1.0 + 0.01 * f64::from(index))).sin();
                    let gradients: Vec<f64> = (0..64).map(gradient).collect();
                    trainee.step(rate, vector(&gradients, &device, DType::F32));
                }
                trainee.values().iter().sum::<f64>() / 64.0
            };
            let (found, expected) = (end(0.0) - end(lambda), 0.9 * rate * lambda * f64::from(STEPS));
            assert!((found / expected - 1.0).abs() < 0.2, "{form:?} on {backend}: {found:e}, not {expected:e}");
        }
    }
}

#[test]
fn rprop_follows_the_formula() {
    for (decay_name, decay) in DECAYS {
        let config = |draw: &Draw| {
            RpropConfig::new()
                .with_eta_minus(0.1 + 0.8 * draw.decay_1)
                .with_eta_plus(1.1 + draw.decay_2)
                .with_min_step(draw.epsilon)
                .with_max_step(draw.epsilon + draw.momentum)
                .with_weight_decay(decay(draw.lambda))
        };
        agree(&format!("Rprop, {decay_name}"), config, RpropConfig::init, rprop);
    }
}

#[test]
fn asgd_follows_the_formula_and_answers_with_its_average() {
    for (decay_name, decay) in DECAYS {
        let config = |draw: &Draw| {
            AsgdConfig::new()
                .with_lambda(draw.lambda)
                .with_alpha(draw.momentum)
                .with_t0(draw.seed % 25)
                .with_weight_decay(decay(draw.lambda))
        };
        agree_and_answer(&format!("Asgd, {decay_name}"), config, AsgdConfig::init, asgd);
    }
}

#[test]
fn schedule_free_methods_follow_their_definition_and_answer_with_their_average() {
    for (decay_name, decay) in DECAYS {
        let config = |draw: &Draw| {
            ScheduleFreeSgdConfig::new()
                .with_beta(0.1 + 0.89 * draw.decay_1)
                .with_weight_power(2.0 * draw.momentum)
                .with_weight_decay(decay(draw.lambda))
        };
        let name = format!("ScheduleFreeSgd, {decay_name}");
        agree_and_answer(&name, config, ScheduleFreeSgdConfig::init, schedule_free_sgd);
    }
    for (place, epsilon, decay) in places() {
        let config = |draw: &Draw| {
            ScheduleFreeAdamwConfig::new()
                .with_beta_1(0.1 + 0.89 * draw.decay_1)
                .with_beta_2(draw.decay_2)
                .with_epsilon(epsilon(draw.epsilon))
                .with_weight_power(2.0 * draw.momentum)
                .with_weight_decay(decay(draw.lambda))
        };
        let name = format!("ScheduleFreeAdamw, {place}");
        agree_and_answer(&name, config, ScheduleFreeAdamwConfig::init, schedule_free_adamw);
    }
}

/// Serra's example.
#[test]
fn the_normalized_gradient_steps_by_the_signs() {
    for (backend, device) in cpu_devices() {
        let optimizer = NormalizedGradientConfig::new().init().expect("a valid configuration");
        let mut trainee = Trainee::new(optimizer, vector(&[0.0; 3], &device, DType::F64));
        trainee.step(1.0, vector(&[3.0, -2.0, 5.0], &device, DType::F64));
        assert!(deviation(&trainee.values(), &[-1.0, 1.0, -1.0]) < 1e-8, "{backend}: {:?}", trainee.values());
    }
}

/// The lecture's own procedure, which takes the gradient at the look-ahead point, against both forms, on a parabola with
/// a slope.
#[test]
fn both_forms_of_nesterov_walk_as_the_look_ahead_does() {
    let gradient = |x: f64| 3.0 * x - 1.0;
    let (mu, eta, steps) = (0.9, 0.05, 60);
    let (mut phi, mut v) = (2.0, 0.0);
    for _ in 0..steps {
        v = mu * v + eta * gradient(phi - mu * v);
        phi -= v;
    }
    let (_, device) = cpu_devices().remove(0);
    for config in [NesterovConfig::kao(), NesterovConfig::pytorch()] {
        let optimizer = config.with_momentum(mu).init().expect("a valid configuration");
        let mut trainee = Trainee::new(optimizer, vector(&[2.0], &device, DType::F64));
        for _ in 0..steps {
            let slope = gradient(trainee.values()[0]);
            trainee.step(eta, vector(&[slope], &device, DType::F64));
        }
        // The parameters are the look-ahead point.
        assert!((trainee.values()[0] - (phi - mu * v)).abs() < 1e-12);
    }
}

/// The last value of a run with the given rates, for one value with one unchanging gradient rule.
fn last(optimizer: Result<ModuleOptimizer, ConfigError>, rates: &[f64]) -> f64 {
    let (_, device) = cpu_devices().remove(0);
    let mut trainee = Trainee::new(optimizer.expect("a valid configuration"), vector(&[1.5], &device, DType::F64));
    for (step, rate) in rates.iter().enumerate() {
        let slope = trainee.values()[0] - 0.2 * step as f64;
        trainee.step(*rate, vector(&[slope], &device, DType::F64));
    }
    trainee.values()[0]
}

#[test]
fn optimizers_meet_where_they_should() {
    let constant = [0.05; 12];
    let changing: Vec<f64> = (1..=12).map(|step| 0.1 / f64::from(step)).collect();
    let same = |x: f64, y: f64| (x - y).abs() < 1e-12;
    let l2 = Some(WeightDecay::L2(0.1));
    let decoupled = Some(WeightDecay::Decoupled(0.1));
    for rates in [&constant[..], &changing] {
        let sgd = last(SgdConfig::new().init(), rates);
        for form in
            [MomentumForm::LearningRateInside, MomentumForm::Mean, MomentumForm::LearningRateOutside { dampening: 0.0 }]
        {
            let config = MomentumConfig::new().with_form(form);
            assert!(same(last(config.with_momentum(0.0).init(), rates), sgd), "momentum 0 is plain descent");
        }
        assert!(same(last(NesterovConfig::kao().with_momentum(0.0).init(), rates), sgd));
        let (penalized, shrunk) =
            (SgdConfig::new().with_weight_decay(l2), SgdConfig::new().with_weight_decay(decoupled));
        assert!(same(last(penalized.init(), rates), last(shrunk.init(), rates)), "a penalty is decay for SGD");
        let adam = |decay| last(AdamConfig::new().with_weight_decay(decay).init(), rates);
        assert!((adam(l2) - adam(decoupled)).abs() > 1e-3, "but not for Adam");
    }
    let momentum = |config: MomentumConfig, rates: &[f64]| last(config.init(), rates);
    let (inside, outside) = (MomentumConfig::lecture(), MomentumConfig::pytorch());
    assert!(same(momentum(inside.clone(), &constant), momentum(outside.clone(), &constant)));
    assert!(!same(momentum(inside, &changing), momentum(outside.clone(), &changing)));
    let tenfold: Vec<f64> = constant.iter().map(|rate| 10.0 * rate).collect();
    assert!(same(momentum(MomentumConfig::serra(), &tenfold), momentum(outside, &constant)));
}

/// RMSprop that forgets nothing sums squares as Adagrad does; one share of each is the only difference.
#[test]
fn rms_prop_that_forgets_little_steps_as_adagrad() {
    let rates = [0.05; 12];
    let share = 1e-9;
    let rms_prop = RmsPropConfig::pytorch().with_decay(1.0 - share).with_epsilon(Epsilon::Inside(1e-30));
    let adagrad = AdagradConfig::ruder().with_epsilon(Epsilon::Inside(1e-30 / share));
    let scaled = rates.map(|rate| rate * f64::sqrt(share));
    let (x, y) = (last(rms_prop.init(), &scaled), last(adagrad.init(), &rates));
    assert!((x - y).abs() < 1e-6, "{x} and {y}");
}

/// Adadelta's steps have the units of its parameter: whoever measures the loss in other units gets the same run.
#[test]
fn adadelta_does_not_see_the_units_of_the_loss() {
    let run = |units: f64| {
        let (_, device) = cpu_devices().remove(0);
        let optimizer = AdadeltaConfig::zeiler().with_epsilon(1e-30).init().expect("a valid configuration");
        let mut trainee = Trainee::new(optimizer, vector(&[0.0], &device, DType::F64));
        for step in 0..50 {
            // The steps are so small that only from zero they are told apart to all digits.
            let slope = units * (trainee.values()[0] + 1.5 - 0.2 * f64::from(step));
            trainee.step(1.0, vector(&[slope], &device, DType::F64));
        }
        trainee.values()[0]
    };
    assert!((run(1.0) / run(1e6) - 1.0).abs() < 1e-9);
    let adagrad = last(AdagradConfig::new().init(), &[0.05; 12]);
    assert!((last(AdamConfig::new().init(), &[0.05; 12]) - adagrad).abs() > 1e-3);
}

/// Kingma & Ba, §7.1: `u` is the limit of `(Σ (1 − β₂ᵖ)·β₂^{p(t−i)}·|gᵢ|ᵖ)^{1/p}`, the p-norm of the past.
#[test]
fn adamax_is_the_limit_of_the_p_norm() {
    let (beta_1, beta_2, lr) = (0.9, 0.9, 0.01);
    let gradients: Vec<f64> = (0..12).map(|step| [0.5, -2.0, 0.3, 0.0][step % 4] + 0.01 * step as f64).collect();
    let (_, device) = cpu_devices().remove(0);
    let config = AdamaxConfig::new().with_beta_1(beta_1).with_beta_2(beta_2).with_epsilon(1e-12);
    let mut trainee = Trainee::new(config.init().expect("a valid configuration"), vector(&[0.0], &device, DType::F64));
    let apart = |p: f64, found: &[f64]| {
        let (mut m, mut theta, mut worst) = (0.0, 0.0, 0.0_f64);
        for (index, g) in gradients.iter().enumerate() {
            let t = index as f64 + 1.0;
            m = beta_1 * m + (1.0 - beta_1) * g;
            let terms = gradients[..=index].iter().enumerate();
            let sum: f64 = terms.map(|(i, g)| (beta_2.powf(t - 1.0 - i as f64) * g.abs()).powf(p)).sum();
            let norm = ((1.0 - beta_2.powf(p)) * sum).powf(1.0 / p);
            theta -= lr / (1.0 - f64::powf(beta_1, t)) * m / norm;
            worst = worst.max((theta - found[index]).abs());
        }
        worst
    };
    let found: Vec<f64> = gradients
        .iter()
        .map(|g| {
            trainee.step(lr, vector(&[*g], &device, DType::F64));
            trainee.values()[0]
        })
        .collect();
    let (second, tenth, hundredth) = (apart(2.0, &found), apart(10.0, &found), apart(100.0, &found));
    assert!(second > tenth && tenth > hundredth && hundredth < 1e-4, "{second}, {tenth}, {hundredth}");
}

/// Reddi et al. 2018, the online counterexample: most gradients push to +1, rare large ones say that −1 is better.
#[test]
fn adam_goes_the_wrong_way_where_amsgrad_does_not() {
    let end = |optimizer: Result<ModuleOptimizer, ConfigError>| {
        let (_, device) = cpu_devices().remove(0);
        let mut trainee = Trainee::new(optimizer.expect("a valid configuration"), vector(&[0.0], &device, DType::F64));
        for t in 1..=100_000_u32 {
            let slope = if t % 101 == 1 { 1010.0 } else { -10.0 };
            trainee.step(0.5 / f64::from(t).sqrt(), vector(&[slope], &device, DType::F64));
            let x = trainee.param.val().inner().clamp(-1.0, 1.0);
            trainee.param = burn::module::Param::initialized(trainee.param.id, burn::tensor::Tensor::from_inner(x));
        }
        trainee.values()[0]
    };
    let adam = end(AdamConfig::new().with_beta_2(0.99).init());
    let amsgrad = end(AmsgradConfig::new().with_beta_2(0.99).init());
    assert!(adam > 0.99, "Adam ends at {adam}");
    assert!(amsgrad < -0.99, "AMSGrad ends at {amsgrad}");
}

/// Momentum and ε that change from step to step, against the formula; the record of such a run goes on where it was.
#[test]
fn hyperparameters_follow_what_they_are_told() {
    let (rising, steps) = (|step: u64| 0.5 + 0.1 * step as f64, 4);
    let start = || {
        let momentum = MomentumConfig::lecture().build().expect("a valid configuration");
        momentum.varying(steps, move |config, step| config.momentum = rising(step)).expect("within range")
    };
    let (_, device) = cpu_devices().remove(0);
    let mut trainee = Trainee::new(start().into(), vector(&[1.0], &device, DType::F64));
    let (mut v, mut x) = (0.0, 1.0);
    for step in 1..=8 {
        if step == 6 {
            let bytes = trainee.optimizer.into_bytes().expect("the state becomes bytes");
            trainee.optimizer = ModuleOptimizer::from(start()).from_bytes(bytes).expect("the bytes become a state");
        }
        let g = x + step as f64;
        v = rising(step.min(steps)) * v + 0.1 * g;
        x -= v;
        trainee.step(0.1, vector(&[g], &device, DType::F64));
        assert!((trainee.values()[0] - x).abs() < 1e-12, "step {step}");
    }
    let error = MomentumConfig::new().build().expect("a valid configuration");
    let error = error.varying(10, move |config, step| config.momentum = rising(step)).expect_err("too much");
    assert_eq!(error.to_string(), "Momentum: momentum should be in [0, 1), but is 1");
}

/// The two placements of the rate are the same algorithm until the rate changes, and not after.
#[test]
fn the_rate_inside_the_velocity_differs_from_outside_once_it_changes() {
    let run = |velocity, rates: [f64; 3]| {
        let config = RmsPropConfig::kao().with_learning_rate_placement(velocity);
        let (_, device) = cpu_devices().remove(0);
        let mut trainee = Trainee::new(config.init().unwrap(), vector(&[1.0], &device, DType::F64));
        for lr in rates {
            trainee.step(lr, vector(&[2.0], &device, DType::F64));
        }
        trainee.values()[0]
    };
    let both =
        |rates| (run(LearningRatePlacement::InsideBuffer, rates), run(LearningRatePlacement::OutsideBuffer, rates));
    let (inside, outside) = both([0.1, 0.1, 0.1]);
    assert!((inside - outside).abs() < 1e-12, "{inside} and {outside}");
    let (inside, outside) = both([0.1, 0.1, 0.01]);
    assert!((inside - outside).abs() > 0.1, "{inside} and {outside}");
}

/// A factor of `1 − ηλ` is 1 in `f32` here. Taken off together with the step, the decay acts by how that rounds.
#[test]
fn decoupled_decay_acts_however_small_it_is() {
    let (steps, lr, share) = (50_000, 0.1, 1e-8);
    let decay = Some(WeightDecay::Decoupled(share / lr));
    type Build = fn(Option<WeightDecay>) -> Result<ModuleOptimizer, ConfigError>;
    let rules: [(&str, Build); 3] = [
        ("sgd", |decay| SgdConfig::new().with_weight_decay(decay).init()),
        ("momentum", |decay| MomentumConfig::new().with_weight_decay(decay).init()),
        ("asgd", |decay| AsgdConfig::new().with_lambda(0.0).with_weight_decay(decay).init()),
    ];
    for (backend, device) in cpu_devices() {
        for (name, build) in rules {
            let mean = |dtype, decay| {
                let start = vector(&[1.0; 64], &device, dtype);
                let mut trainee = Trainee::new(build(decay).expect("in range"), start);
                for step in 0..steps {
                    let gradient: Vec<f64> =
                        scattered(64, step).into_iter().map(|g| f64::from(g as f32 * 1e-3)).collect();
                    trainee.step(lr, vector(&gradient, &device, dtype));
                }
                trainee.values().iter().sum::<f64>() / 64.0
            };
            let decayed = |dtype| mean(dtype, None) - mean(dtype, decay);
            let (single, double) = (decayed(DType::F32), decayed(DType::F64));
            assert!((double / (steps as f64 * share) - 1.0).abs() < 0.2, "{name}: {double:e}");
            assert!((single / double - 1.0).abs() < 0.1, "{name} on {backend}: {single:e}, not {double:e}");
        }
    }
}

/// Of a gradient that does not change the variance fades with the mean's start from zero; `E[g²] − E[g]²` is lost in `f32`
/// long before.
#[test]
fn the_variance_of_a_constant_gradient_is_that_of_double_precision() {
    for (backend, device) in cpu_devices() {
        for config in [RmsPropConfig::pytorch().with_centered(true), RmsPropConfig::graves()] {
            let steps = |dtype| {
                let optimizer = config.build().expect("in range");
                let (zeros, g) = (vector(&[0.0; 3], &device, dtype), vector(&[1e-3, 0.7, -3.0], &device, dtype));
                let mut state = None;
                let mut taken = Vec::new();
                for _ in 0..1200 {
                    let (theta, next) = optimizer.step(1.0, zeros.clone(), g.clone(), state);
                    taken.extend(values(&theta));
                    state = next;
                }
                taken
            };
            let (single, double) = (steps(DType::F32), steps(DType::F64));
            for (index, (single, double)) in single.iter().zip(&double).enumerate() {
                let apart = (single / double - 1.0).abs();
                assert!(apart < 2e-3, "{config:?} on {backend}, step {}: {single:e}, not {double:e}", index / 3);
            }
        }
    }
}

/// A million steps in `f32` beside `f64`. `cargo test --test suite -- --ignored --nocapture a_million` prints the figures.
#[test]
#[ignore = "takes a minute or more"]
fn a_million_steps_in_single_precision_stay_beside_double() {
    const STEPS: usize = 1_000_000;
    let (_, device) = cpu_devices().remove(0);
    let apart = |single: f64, double: f64| (single / double - 1.0).abs();
    // The average of weights that swing about 1, by steps that both precisions have exactly.
    let swing = |step: usize| [0.25, -0.75, 1.0, 0.125, -0.25, -0.75, 0.375][step % 7];
    type Build = fn() -> ModuleOptimizer;
    let averages: [(&str, Build, f64); 4] = [
        ("ASGD", || AsgdConfig::new().with_lambda(0.0).with_t0(0).init().unwrap(), 1e-3),
        ("EMA 0.999", || EmaConfig::new().wrap(SgdConfig::new().build().unwrap()).unwrap().into(), 1e-5),
        ("EMA 0.99999", || ema(0.999_99), 1e-3),
        ("SWA", || SwaConfig::new().wrap(SgdConfig::new().build().unwrap()).unwrap().into(), 1e-3),
    ];
    fn ema(decay: f64) -> ModuleOptimizer {
        EmaConfig::new().with_decay(decay).wrap(SgdConfig::new().build().unwrap()).unwrap().into()
    }
    for (name, build, bound) in averages {
        let [single, double] = [DType::F32, DType::F64].map(|dtype| {
            let mut trainee = Trainee::new(build(), vector(&[1.0], &device, dtype));
            let gradients: Vec<_> = (0..7).map(|step| vector(&[swing(step)], &device, dtype)).collect();
            (0..STEPS).for_each(|step| trainee.step(0.5, gradients[step % 7].clone()));
            values(&evaluation_weights(&trainee.optimizer, trainee.param.clone()).val())[0]
        });
        println!("{name:12} average {single:.9}, {double:.9}: {:.1e} apart", apart(single, double));
        assert!(apart(single, double) < bound, "{name}");
    }
    // The length of a step by a gradient that does not change: 1 times the rate, whatever β₂.
    for (beta_2, bound) in [(0.999, 1e-4), (0.9999, 1e-3), (0.999_99, 1e-2), (0.999_999, 5e-2)] {
        let [single, double] = [DType::F32, DType::F64].map(|dtype| {
            let adam = AdamConfig::new().with_beta_2(beta_2).build().expect("in range");
            let (zeros, g) = (vector(&[0.0], &device, dtype), vector(&[0.3], &device, dtype));
            let mut state = None;
            let mut step = 0.0;
            for _ in 0..STEPS {
                let (theta, next) = adam.step(1.0, zeros.clone(), g.clone(), state);
                (step, state) = (values(&theta)[0], next);
            }
            step
        });
        println!("Adam β₂ {beta_2:8} step {single:.9}, {double:.9}: {:.1e} apart", apart(single, double));
        assert!(apart(single, double) < bound, "β₂ {beta_2}");
    }
}

/// Presets named after Burn take the steps of Burn's own.
#[test]
fn presets_of_burn_walk_as_burns_own() {
    use burn::optim::momentum::MomentumConfig as BurnsMomentum;
    type Build = fn() -> ModuleOptimizer;
    let pairs: [(&str, Build, Build); 6] = [
        ("adam", || AdamConfig::burn().init().unwrap(), || burn::optim::AdamConfig::new().init()),
        ("adamw", || AdamConfig::burn_adamw().init().unwrap(), || burn::optim::AdamWConfig::new().init()),
        ("adagrad", || AdagradConfig::burn().init().unwrap(), || burn::optim::AdaGradConfig::new().init()),
        ("sgd", || SgdConfig::burn().init().unwrap(), || burn::optim::SgdConfig::new().init()),
        (
            "momentum",
            || MomentumConfig::burn().init().unwrap(),
            || burn::optim::SgdConfig::new().with_momentum(Some(BurnsMomentum::new())).init(),
        ),
        (
            "nesterov",
            || NesterovConfig::burn().init().unwrap(),
            || burn::optim::SgdConfig::new().with_momentum(Some(BurnsMomentum::new().with_nesterov(true))).init(),
        ),
    ];
    for (backend, device) in cpu_devices() {
        for (name, ours, burns) in pairs {
            let [ours, burns] = [ours(), burns()].map(|optimizer| {
                let mut trainee = Trainee::new(optimizer, vector(&scattered(40, 1), &device, DType::F32));
                for step in 0..50 {
                    // Small enough that an ε of 1e-5 tells.
                    let gradient: Vec<f64> = scattered(40, 2 + step).iter().map(|g| g * 1e-4).collect();
                    trainee.step(0.01, vector(&gradient, &device, DType::F32));
                }
                trainee.values()
            });
            // Burn's β are f32: 1 − β₂ is 1.3e-5 off.
            assert!(deviation(&ours, &burns) < 2e-5, "{name} on {backend}: {:e}", deviation(&ours, &burns));
        }
    }
}

/// Gradients that do not change have no variance: rounding makes the difference negative now and then, which must not
/// reach the root.
#[test]
fn a_variance_that_rounds_below_zero_counts_as_zero() {
    let (decay, gradients) = (0.5, [0.1, 0.3, 0.7, 1.1, 1.7, 2.3]);
    let dips_below_zero = |g: f64| {
        let (mut square, mut mean) = (0.0, 0.0);
        (0..200).any(|_| {
            square = decay * square + (1.0 - decay) * g * g;
            mean = decay * mean + (1.0 - decay) * g;
            square - mean * mean < 0.0
        })
    };
    assert!(gradients.iter().any(|g| dips_below_zero(*g)), "the case should be one that needs the clamp");
    for (backend, device) in cpu_devices() {
        let config = RmsPropConfig::new().with_decay(decay).with_epsilon(Epsilon::Outside(0.5)).with_centered(true);
        let mut trainee = Trainee::new(config.init().unwrap(), vector(&[0.0; 6], &device, DType::F64));
        for _ in 0..200 {
            trainee.step(0.01, vector(&gradients, &device, DType::F64));
        }
        for (theta, g) in trainee.values().into_iter().zip(gradients) {
            // Each step is at most η·g/ε, and that once the variance has vanished.
            let farthest = 200.0 * 0.01 * g / 0.5;
            assert!(theta < -0.8 * farthest && theta >= -farthest * (1.0 + 1e-12), "{backend}, g = {g}: {theta}");
        }
    }
}
