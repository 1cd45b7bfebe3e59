//! A rule of one's own, made outside the library with nothing but its public interface.

use crate::common::{Trainee, cpu_devices, deviation, vector};
use burn::optim::ModuleOptimizer;
use burn::tensor::DType;
use burn_descent::optim::{AdamConfig, Elementwise, evaluation_weights, load_record};
use burn_descent::rule::{BiasCorrection, Epsilon, Real, Rule, WeightDecay};
use burn_descent::{ConfigError, ValueRange};

/// Adam with a second average of `g`, slower than the first, that its step is shared with (as AdEMAMix's, without its warm-up).
#[derive(Clone, Debug)]
struct TwoSpeeds {
    betas: [f64; 3],
    slow: f64,
    epsilon: Epsilon,
    bias_correction: BiasCorrection,
    weight_decay: Option<WeightDecay>,
}

impl Rule<3> for TwoSpeeds {
    type Coefficients = [f64; 3];
    const NAME: &'static str = "TwoSpeeds";
    const STATE: [&'static str; 3] = ["fast", "slow", "moment_2"];

    fn coefficients(&self, lr: f64, time: u64, _scalar_state: &mut [f64]) -> [f64; 3] {
        let factor = |beta| self.bias_correction.factor(beta, time);
        [lr, factor(self.betas[0]), factor(self.betas[2])]
    }

    #[inline(always)]
    fn update<R: Real>(&self, &[eta, of_m, of_v]: &[f64; 3], theta: R, g: R, [m, n, v]: [R; 3]) -> (R, [R; 3]) {
        let m = m * self.betas[0] + g.clone() * (1.0 - self.betas[0]);
        let n = n * self.betas[1] + g.clone() * (1.0 - self.betas[1]);
        let v = v * self.betas[2] + g.square() * (1.0 - self.betas[2]);
        let direction = m.clone() * of_m + n.clone() * self.slow;
        (theta - direction / self.epsilon.root(v.clone() * of_v) * eta, [m, n, v])
    }

    fn weight_decay(&self) -> Option<WeightDecay> {
        self.weight_decay
    }

    fn check(&self) -> Result<(), ConfigError> {
        self.betas.iter().try_for_each(|beta| ValueRange::Decay.check(Self::NAME, "betas", *beta))?;
        ValueRange::NonNegative.check(Self::NAME, "slow", self.slow)?;
        self.epsilon.check(Self::NAME)
    }
}

fn rule(slow: f64) -> TwoSpeeds {
    TwoSpeeds {
        betas: [0.9, 0.999, 0.99],
        slow,
        epsilon: Epsilon::Outside(1e-8),
        bias_correction: BiasCorrection::Corrected,
        weight_decay: Some(WeightDecay::Decoupled(0.1)),
    }
}

fn optimizer(slow: f64) -> ModuleOptimizer {
    ModuleOptimizer::from(Elementwise::new(rule(slow)).expect("in range"))
}

/// The step by plain arithmetic.
fn expected(slow: f64, start: f64, gradients: &[f64]) -> f64 {
    let ([mut m, mut n, mut v], mut theta) = ([0.0; 3], start);
    for (index, g) in gradients.iter().enumerate() {
        let t = index as i32 + 1;
        theta *= 1.0 - 0.01 * 0.1;
        m = 0.9 * m + 0.1 * g;
        n = 0.999 * n + 0.001 * g;
        v = 0.99 * v + 0.01 * g * g;
        let (m_hat, v_hat) = (m / (1.0 - 0.9_f64.powi(t)), v / (1.0 - 0.99_f64.powi(t)));
        theta -= 0.01 * (m_hat + slow * n) / (v_hat.sqrt() + 1e-8);
    }
    theta
}

#[test]
fn a_rule_of_ones_own_steps_as_it_says_fused_and_resumed() {
    let gradients: Vec<f64> = (0..20).map(|step| f64::from(step * 7 % 11) - 4.5).collect();
    for (backend, device) in cpu_devices() {
        for (dtype, tolerance) in [(DType::F64, 1e-12), (DType::F32, 1e-5)] {
            // Enough values for full registers and a rest.
            let start: Vec<f64> = (0..37).map(|index| f64::from(index) / 10.0).collect();
            let mut trainee = Trainee::new(optimizer(3.0), vector(&start, &device, dtype));
            for (step, gradient) in gradients.iter().enumerate() {
                if step == 9 {
                    let record = trainee.optimizer.to_record();
                    trainee.optimizer = load_record(optimizer(3.0), record, &trainee.param).expect("its own record");
                }
                trainee.step(0.01, vector(&[*gradient; 37], &device, dtype));
            }
            let expected: Vec<f64> = start.iter().map(|start| expected(3.0, *start, &gradients)).collect();
            let deviation = deviation(&trainee.values(), &expected);
            assert!(deviation < tolerance, "{backend} in {dtype:?}: {deviation:e}");
            let evaluated = evaluation_weights(&trainee.optimizer, trainee.param.clone());
            assert_eq!(evaluated.val().to_data(), trainee.param.val().inner().to_data());
        }
    }
}

#[test]
fn it_is_checked_and_tells_its_record_from_others() {
    let error = Elementwise::new(rule(-1.0)).expect_err("out of range").to_string();
    assert_eq!(error, "TwoSpeeds: slow should be in [0, ∞), but is -1");
    let decay = TwoSpeeds { weight_decay: Some(WeightDecay::L2(f64::NAN)), ..rule(1.0) };
    assert!(Elementwise::new(decay).expect_err("out of range").to_string().contains("lambda"));
    let (_, device) = cpu_devices().remove(0);
    let mut trainee = Trainee::new(optimizer(1.0), vector(&[1.0, 2.0], &device, DType::F32));
    trainee.step(0.01, vector(&[0.5, -0.5], &device, DType::F32));
    let adam = AdamConfig::new().init().expect("in range");
    let error = load_record(adam, trainee.optimizer.to_record(), &trainee.param).err().expect("another's record");
    assert!(
        error.to_string().contains("the record is that of TwoSpeeds (fast, moment_2, slow), not of Adam"),
        "{error}"
    );
}
