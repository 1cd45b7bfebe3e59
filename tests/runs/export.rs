//! Weights for other programs, read back by hand.

use crate::digits::{digits, write_parts};
use crate::seeding;
use burn_descent_lab::data::DataSource;
use burn_descent_lab::networks::MlpConfig;
use burn_descent_lab::runs::{Backend, ModelConfig, Run, RunConfig, RunOptions, TrainError, WeightLayout};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// A file by the format's definition: the length of a header, the header in JSON, the values.
struct File {
    tensors: BTreeMap<String, (Vec<usize>, Vec<f64>)>,
    metadata: Value,
}

impl File {
    fn read(path: &Path) -> Self {
        let bytes = fs::read(path).expect("the file is there");
        let length = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes")) as usize;
        let mut header: BTreeMap<String, Value> = serde_json::from_slice(&bytes[8..8 + length]).expect("a header");
        let metadata = header.remove("__metadata__").expect("metadata");
        let values = &bytes[8 + length..];
        let number = |value: &Value| value.as_u64().expect("a number") as usize;
        let numbers = |value: &Value| value.as_array().expect("numbers").iter().map(number).collect::<Vec<_>>();
        let tensor = |value: Value| {
            assert_eq!(value["dtype"], "F32");
            let place = numbers(&value["data_offsets"]);
            let of = |bytes: &[u8]| f64::from(f32::from_le_bytes(bytes.try_into().expect("four bytes")));
            (numbers(&value["shape"]), values[place[0]..place[1]].chunks(4).map(of).collect())
        };
        Self { tensors: header.into_iter().map(|(name, value)| (name, tensor(value))).collect(), metadata }
    }

    fn shape(&self, name: &str) -> &[usize] {
        &self.tensors[name].0
    }

    fn values(&self, name: &str) -> &[f64] {
        &self.tensors[name].1
    }

    /// A dense layer as PyTorch has it.
    fn dense(&self, name: &str, input: &[f64]) -> Vec<f64> {
        let weight = self.values(&format!("{name}.weight"));
        let bias = self.tensors.get(&format!("{name}.bias")).map(|(_, bias)| bias);
        let rows = weight.chunks(input.len()).enumerate();
        rows.map(|(unit, row)| {
            let sum: f64 = row.iter().zip(input).map(|(weight, input)| weight * input).sum();
            sum + bias.map_or(0.0, |bias| bias[unit])
        })
        .collect()
    }

    /// Batch normalization as PyTorch has it, by its running statistics.
    fn norm(&self, name: &str, input: &[f64]) -> Vec<f64> {
        let of = |what: &str| self.values(&format!("{name}.{what}"));
        let normalized = |(unit, value): (usize, &f64)| {
            let deviation = (of("running_var")[unit] + 1e-5).sqrt();
            (value - of("running_mean")[unit]) / deviation * of("weight")[unit] + of("bias")[unit]
        };
        input.iter().enumerate().map(normalized).collect()
    }
}

fn train(folder: &Path, ensemble: usize) -> (Run, RunOptions) {
    write_parts(folder, &digits(0, 200), &digits(200, 20));
    let options = RunOptions { source: DataSource::new().folder(folder), ..RunOptions::new(folder.join("runs")) };
    let model = ModelConfig::Mlp(MlpConfig::new().with_widths(vec![12, 8]).with_batch_norm(true));
    let config = RunConfig {
        model,
        epochs: 1,
        validation_images: 50,
        batch_size: 25,
        ensemble,
        backend: Backend::Flex,
        ..RunConfig::default()
    };
    let mut run = Run::create(config, None, &options).expect("a new run");
    run.train(&options).expect("the run trains");
    (run, options)
}

/// What a few lines of arithmetic make of the file, with what it says of itself, is what the run answers.
#[test]
fn exported_weights_classify_as_the_run_does() {
    let _seeding = seeding();
    let folder = tempfile::tempdir().expect("a folder");
    let (run, _) = train(folder.path(), 1);
    let written = run.export(None, WeightLayout::PyTorch).expect("the file is written");
    assert_eq!(written, [run.folder().join("model.safetensors")]);
    let file = File::read(&written[0]);
    assert_eq!(file.shape("network.hidden.0.weight"), [12, 784]);
    assert_eq!(file.shape("network.output.weight"), [10, 8]);
    let told = |key: &str| -> Value {
        serde_json::from_str(file.metadata[key].as_str().expect("text")).expect("metadata in JSON")
    };
    let (network, data) = (told("network"), told("data"));
    assert_eq!(network["mlp"]["widths"], serde_json::json!([12, 8]), "{network}");
    let number = |value: &Value| value.as_f64().expect("a number");
    let [mean, deviation] = ["mean", "std"].map(|of| number(&data["normalization"][of][0]));

    let images = digits(300, 5);
    let expected = run.classify(images.clone()).expect("the images are classified");
    for (index, expected) in expected.iter().enumerate() {
        let pixel = |pixel: &u8| (f64::from(*pixel) / 255.0 - mean) / deviation;
        let mut x: Vec<f64> = images.image(index).iter().map(pixel).collect();
        for layer in 0..2 {
            x = file.norm(&format!("network.norms.{layer}"), &file.dense(&format!("network.hidden.{layer}"), &x));
            x.iter_mut().for_each(|value| *value = value.max(0.0));
        }
        let exponentials: Vec<f64> = file.dense("network.output", &x).iter().map(|logit| logit.exp()).collect();
        let sum: f64 = exponentials.iter().sum();
        for (class, expected) in expected.iter().enumerate() {
            let found = exponentials[class] / sum;
            assert!((found - f64::from(*expected)).abs() < 1e-5, "image {index}, class {class}: {found}, {expected}");
        }
    }
}

/// The two layouts have the same numbers under other names and in another order; networks of an ensemble have a file each.
#[test]
fn layouts_differ_in_names_and_order() {
    let _seeding = seeding();
    let folder = tempfile::tempdir().expect("a folder");
    let (run, _) = train(folder.path(), 2);
    let beside = run.export(None, WeightLayout::PyTorch).expect("the files are written");
    let of_member = |number| run.folder().join(format!("member-{number}/model.safetensors"));
    assert_eq!(beside, [of_member(1), of_member(2)]);
    let path = folder.path().join("weights.st");
    let given = run.export(Some(&path), WeightLayout::Burn).expect("the files are written");
    assert_eq!(given, [1, 2].map(|number| folder.path().join(format!("weights-{number}.st"))));
    for (pytorch, burn) in beside.iter().zip(&given) {
        let (pytorch, burn) = (File::read(pytorch), File::read(burn));
        assert_eq!(pytorch.tensors.len(), burn.tensors.len());
        assert_eq!(burn.shape("network.hidden.0.weight"), [784, 12]);
        let (one, other) = (pytorch.values("network.hidden.0.weight"), burn.values("network.hidden.0.weight"));
        assert_eq!(one[3 * 784 + 400], other[400 * 12 + 3]);
        assert_eq!(pytorch.values("network.norms.1.weight"), burn.values("network.norms.1.gamma"));
    }
    let last = Run::open(&folder.path().join("runs"), run.name()).expect("a run").of_last(1);
    assert_eq!(last.export(Some(&path), WeightLayout::Burn).expect("the file is written"), [path]);
}

#[test]
fn what_cannot_be_exported_is_told() {
    let _seeding = seeding();
    let folder = tempfile::tempdir().expect("a folder");
    let (run, _) = train(folder.path(), 1);
    let nowhere = run.folder().join("config.json/weights.safetensors");
    let error = run.export(Some(&nowhere), WeightLayout::Burn).expect_err("that is no folder");
    assert!(error.to_string().contains("config.json/weights.safetensors"), "{error}");
    fs::remove_file(run.folder().join("model.bpk")).expect("the weights are there");
    let error = run.export(None, WeightLayout::Burn).expect_err("there are no weights");
    assert!(matches!(error, TrainError::Unfinished { .. }), "{error}");
    assert!("onnx".parse::<WeightLayout>().is_err_and(|error| error.to_string().contains("pytorch, burn")));
}
