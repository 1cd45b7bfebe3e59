//! Starts from which it is hard to learn (coverage G4): gradient noise (Neelakantan et al. 2015), and batch normalization
//! (Ioffe & Szegedy 2015).

use crate::table::{Group, Row};
use crate::{SOME, Study, flags};
use burn_descent::nn::{Activation, Initialization};
use burn_descent::optim::NamedOptimizer;
use burn_descent::schedule::Schedule;
use burn_descent_lab::networks::MlpConfig;
use burn_descent_lab::runs::{ModelConfig, RunConfig, TrainError};

/// Good (He's deviation for 50 units), poor, and none.
const STARTS: [Initialization; 3] = [Initialization::Normal(0.2), Initialization::Normal(0.1), Initialization::Zeros];
/// η of the noise.
const NOISES: [f64; 3] = [0.01, 0.3, 1.0];
const CLIP: f64 = 10.0;
/// The training images of MNIST, as a multiple of the few.
const ALL: usize = 55;
/// Looks at the test images along a curve.
const LOOKS: usize = 40;

pub fn groups(study: &Study) -> Result<Vec<Group>, TrainError> {
    Ok(vec![noise(study)?, deep(study)?, sigmoid(study)?])
}

/// Twenty hidden layers of 50 units.
fn layers() -> MlpConfig {
    MlpConfig::new().with_widths(vec![50; 20]).with_dropout(0.0).with_batch_norm(false)
}

fn layers_flag() -> String {
    format!("--model mlp --widths {} --dropout 0", vec!["50"; 20].join(","))
}

/// Plain descent at a constant rate.
fn descent(study: &Study, model: MlpConfig, images: usize, epochs: usize) -> Result<RunConfig, TrainError> {
    let base = study.config(ModelConfig::Mlp(model), images, epochs);
    Ok(RunConfig { optimizer: NamedOptimizer::named("sgd")?, schedule: Schedule::Constant, ..base })
}

fn noise(study: &Study) -> Result<Group, TrainError> {
    let base = descent(study, layers(), 10 * study.few(), 1)?;
    let base = RunConfig { batch_size: 1, lr: 0.03, gradients: base.gradients.clone().clip_norm(CLIP), ..base };
    let mut rows = Vec::new();
    for start in STARTS {
        let from = RunConfig { model: ModelConfig::Mlp(layers().with_initialization(start)), ..base.clone() };
        let flag = format!("--initialization {start}");
        let plain = format!("{start}, no noise");
        rows.push(Row::new(&from, plain.clone(), format!("{flag} --optimizer sgd"), |_| {}));
        for eta in NOISES {
            let sets = ["sgd.momentum=0".to_owned(), format!("noise.eta={eta}")];
            let noisy = NamedOptimizer::named("sgd-noise")?.with(&sets[0])?.with(&sets[1])?;
            let flags = format!("{flag} --optimizer sgd-noise --set {} --set {}", sets[0], sets[1]);
            let row = Row::new(&from, format!("{start}, noise η {eta}"), flags, |config| config.optimizer = noisy);
            rows.push(row.against(plain.clone()));
        }
    }
    let about = format!(
        "20 hidden layers of 50 ReLU units, {} images of {} one at a time, epochs: {}, rate 0.03, gradients clipped to a norm of \
         {CLIP}, then noise with σ² = η/(1 + t)^0.55.",
        study.images(&base),
        base.dataset,
        base.epochs
    );
    let network = format!("{} --batch-norm false --clip-norm {CLIP} --lr 0.03 --schedule constant", layers_flag());
    Ok(group("gradient noise", study, &network, about, base, rows))
}

fn deep(study: &Study) -> Result<Group, TrainError> {
    let base = descent(study, layers(), 10 * study.few(), 5)?;
    let base = RunConfig { lr: 0.1, gradients: base.gradients.clone().clip_norm(CLIP), ..base };
    let mut rows = Vec::new();
    for start in STARTS.into_iter().chain([Initialization::Kaiming]) {
        let row = |name: &str, batch_norm: bool| {
            let mlp = layers().with_initialization(start).with_batch_norm(batch_norm);
            let flags = format!("--initialization {start} --batch-norm {batch_norm}");
            Row::new(&base, format!("{start}, {name}"), flags, |config| config.model = ModelConfig::Mlp(mlp))
        };
        let plain = row("no normalization", false);
        let name = plain.name.clone();
        rows.extend([plain, row("batch normalization", true).against(name)]);
    }
    let about = format!(
        "The same network, {} images of {}, {} epochs in batches of {}, rate 0.1, gradients clipped to a norm of {CLIP}.",
        study.images(&base),
        base.dataset,
        base.epochs,
        base.batch_size
    );
    let network = format!("{} --clip-norm {CLIP} --optimizer sgd --lr 0.1 --schedule constant", layers_flag());
    Ok(group("deep networks", study, &network, about, base, rows))
}

fn sigmoid(study: &Study) -> Result<Group, TrainError> {
    let mlp = MlpConfig::new().with_widths(vec![100; 3]).with_dropout(0.0).with_batch_norm(false);
    let mlp = mlp.with_activation(Activation::Sigmoid).with_initialization(Initialization::Normal(0.1));
    let base = descent(study, mlp.clone(), ALL * study.few(), 15)?;
    let base = RunConfig { batch_size: 60, lr: 0.1, ..base };
    let plain = "no normalization";
    let rows = vec![
        Row::new(&base, plain, "--batch-norm false", |_| {}),
        Row::new(&base, "batch normalization", "--batch-norm true", |config| {
            config.model = ModelConfig::Mlp(mlp.with_batch_norm(true));
        })
        .against(plain),
    ];
    let images = study.images(&base);
    let steps = base.epochs * images.div_ceil(base.batch_size);
    let about = format!(
        "3 hidden layers of 100 sigmoid units, weights drawn with a deviation of 0.1, {images} images of {}, {steps} steps in \
         batches of {}, rate 0.1.",
        base.dataset, base.batch_size
    );
    let network = "--model mlp --widths 100,100,100 --dropout 0 --activation sigmoid --initialization normal=0.1 \
                   --optimizer sgd --lr 0.1 --schedule constant";
    let group = group("sigmoid", study, network, about, base, rows);
    Ok(Group { every: Some((steps / LOOKS).max(1)), ..group })
}

fn group(name: &str, study: &Study, network: &str, about: String, base: RunConfig, rows: Vec<Row>) -> Group {
    Group {
        name: name.to_owned(),
        about,
        flags: flags(network, &base),
        wrong_labels: 0.0,
        seeds: study.seeds(SOME),
        every: None,
        base,
        rows,
    }
}
