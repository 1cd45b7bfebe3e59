//! Groups of parameters: AdamW with decay everywhere, without on biases and normalization, and with a slower last layer.
//!
//! ```text
//! cargo run --example groups          # 60 epochs; `-- 100` for more
//! ```
//!
//! A perceptron with layer normalization learns a wavy surface from few and noisy rows. Printed is its loss on others.

use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::prelude::*;
use burn::tensor::{Distribution, activation::gelu};
use burn::train::{InferenceStep, RegressionOutput, TrainOutput, TrainStep, metric::LossMetric};
use burn_descent::group::ensure_parameters;
use burn_descent::optim::{NamedOptimizer, ParameterGroupConfig};
use burn_descent::schedule::Schedule;
use burn_descent::train::{Engine, GradientUpdate, Loader, PlainProgress};
use std::error::Error;
use std::time::Duration;

#[derive(Module, Debug)]
struct Perceptron {
    hidden: Linear,
    norm: LayerNorm,
    output: Linear,
}

impl InferenceStep for Perceptron {
    type Input = (Tensor<2>, Tensor<2>);
    type Output = RegressionOutput;

    fn step(&self, (columns, targets): Self::Input) -> RegressionOutput {
        let output = self.output.forward(gelu(self.norm.forward(self.hidden.forward(columns))));
        RegressionOutput::new((output.clone() - targets.clone()).square().mean(), output, targets)
    }
}

impl TrainStep for Perceptron {
    type Input = (Tensor<2>, Tensor<2>);
    type Output = RegressionOutput;

    fn step(&self, rows: Self::Input) -> TrainOutput<RegressionOutput> {
        let output = InferenceStep::step(self, rows);
        TrainOutput::new(self, output.loss.backward(), output)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let epochs = std::env::args().nth(1).map_or(Ok(60), |epochs| epochs.parse())?;
    let device = Device::default();
    let adamw = NamedOptimizer::named("adamw")?.with_weight_decay(0.5)?;
    for groups in ["", "bias,norm:decay=0", "bias,norm:decay=0 output:rate=0.5"] {
        let groups = groups.split_whitespace().map(str::parse).collect::<Result<Vec<ParameterGroupConfig>, _>>()?;
        device.seed(1);
        let columns = Tensor::<2>::random([800, 2], Distribution::Uniform(-2.0, 2.0), &device);
        let surface = (columns.clone() * 3.0).sin().sum_dim(1) + 2.0;
        let noisy = surface.random_like(Distribution::Normal(0.0, 0.3)) + surface.clone();
        let training = Loader::new((columns.clone().narrow(0, 0, 400), noisy.narrow(0, 0, 400)), 32, &device);
        let training = training.shuffled(1);
        let validation = Loader::new((columns.narrow(0, 400, 400), surface.narrow(0, 400, 400)), 400, &device);
        let model = Perceptron {
            hidden: LinearConfig::new(2, 128).init(&device),
            norm: LayerNormConfig::new(128).init(&device),
            output: LinearConfig::new(128, 1).init(&device),
        };
        let mut optimizer = adamw.init()?;
        for group in &groups {
            // A word that is in no path would change nothing: this says so, with paths.
            ensure_parameters(&model, &group.parameters())?;
            let own = group.optimizer(&adamw)?.build(&Default::default())?;
            optimizer = optimizer.with_group(group.parameters(), own, None);
        }
        let rates = groups.iter().map(|group| (group.parameters(), group.rate)).collect();
        let schedule = Schedule::Constant.scheduler(1e-2, training.run_length(epochs))?;
        let outcome = Engine::new(GradientUpdate::new(optimizer).with_rates(rates), schedule)
            .with_epochs(epochs)
            .train(model, training, validation, |training| {
                let silent = PlainProgress::new(std::io::sink(), Duration::MAX, 1);
                training.metrics((LossMetric::new(),)).renderer(Box::new(silent))
            });
        outcome.end?;
        let loss = outcome.history.epochs.last().map_or(f64::NAN, |epoch| epoch.validation["Loss"]);
        let groups: Vec<String> = groups.iter().map(ToString::to_string).collect();
        println!("loss {loss:.4}  {}", if groups.is_empty() { "all alike".to_owned() } else { groups.join("  ") });
    }
    Ok(())
}
