//! Networks that answer together: how, what that gains, and what is kept of them.

use crate::common::{cpu_devices, deviation};
use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::store::ModuleRecord;
use burn::tensor::{Bytes, Device, Tensor, TensorData};
use burn_descent::ensemble::{Combination, Ensemble, EnsembleError, EnsembleReport};

const ALL: [Combination; 3] = [Combination::Probabilities, Combination::Logits, Combination::Vote];

// ---------------------------------------------------------------------------------------------------------------------
// Combinations

fn tensor(rows: &[&[f64]], device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(rows.concat(), [rows.len(), rows[0].len()]), device)
}

fn combined(combination: Combination, logits: &[&[f64]]) -> Vec<f64> {
    let logits = logits.iter().map(|row| tensor(&[row], &Device::flex())).collect();
    let combined = combination.combine(logits).expect("logits of one shape").into_data();
    combined.convert::<f64>().try_into_vec().expect("f64")
}

/// Whose softmax is these probabilities.
fn logits<const K: usize>(probabilities: [f64; K]) -> [f64; K] {
    probabilities.map(|p| p.ln() + 0.7)
}

#[test]
fn combinations_agree_with_calculation_by_hand() {
    let members = [logits([0.5, 0.25, 0.25]), logits([0.125, 0.5, 0.375])];
    let members: Vec<&[f64]> = members.iter().map(|row| row.as_slice()).collect();
    // The votes are one for each of the first two classes; the averages decide.
    let averages = [0.3125, 0.375, 0.3125];
    let geometric = [0.0625_f64.sqrt(), 0.125_f64.sqrt(), 0.09375_f64.sqrt()];
    let normalized = geometric.map(|value| value / geometric.iter().sum::<f64>());
    let shared_out = [(1.0 + averages[0]) / 3.0, (1.0 + averages[1]) / 3.0, averages[2] / 3.0];
    for (combination, expected) in ALL.into_iter().zip([averages, normalized, shared_out]) {
        assert!(deviation(&combined(combination, &members), &expected) < 1e-6, "{combination}");
    }
}

#[test]
fn averages_of_logits_and_of_probabilities_may_disagree() {
    // One network is sure that it is not the first class, the others would rather have it.
    let members = [logits([0.8, 0.15, 0.05]), logits([0.7, 0.2, 0.1]), logits([1e-6, 0.6, 0.4 - 1e-6])];
    let members: Vec<&[f64]> = members.iter().map(|row| row.as_slice()).collect();
    let answer = |combination| {
        let row = combined(combination, &members);
        (0..3).max_by(|one, other| row[*one].total_cmp(&row[*other])).expect("three classes")
    };
    assert_eq!(ALL.map(answer), [0, 1, 0], "probabilities, logits, vote");
    let row = combined(Combination::Logits, &members);
    assert!(row[0] < 0.05, "the geometric mean should follow the one that is sure: {row:?}");
}

#[test]
fn a_majority_stands_and_averages_break_ties() {
    let answer = |members: &[[f64; 3]]| {
        let members: Vec<[f64; 3]> = members.iter().map(|row| logits(*row)).collect();
        let members: Vec<&[f64]> = members.iter().map(|row| row.as_slice()).collect();
        let row = combined(Combination::Vote, &members);
        assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-6, "{row:?}");
        (0..3).max_by(|one, other| row[*one].total_cmp(&row[*other])).expect("three classes")
    };
    let [weak, strong] = [[0.34, 0.33, 0.33], [0.0005, 0.999, 0.0005]];
    assert_eq!(answer(&[weak, strong, weak]), 0, "two weak votes are more than a strong one");
    assert_eq!(answer(&[weak, strong, weak, strong]), 1, "of two and two, the higher average wins");
    assert_eq!(answer(&[strong, weak]), 1, "in whatever order");
    assert_eq!(answer(&[[0.52, 0.08, 0.4], [0.1, 0.5, 0.4]]), 0, "a class without a vote does not win by its average");
}

#[test]
fn one_network_keeps_its_probabilities() {
    let row = logits([0.2, 0.5, 0.3]);
    for combination in ALL {
        let found = combined(combination, &[row.as_slice()]);
        assert!(deviation(&found, &[0.2, 0.5, 0.3]) < 1e-6, "{combination}: {found:?}");
    }
}

#[test]
fn a_combination_goes_by_its_name() {
    for combination in ALL {
        assert_eq!(combination.to_string().parse::<Combination>().expect("a known name"), combination);
    }
    let error = "mean".parse::<Combination>().unwrap_err().to_string();
    assert_eq!(error, "unknown combination `mean`; known: probabilities, logits, vote");
}

// ---------------------------------------------------------------------------------------------------------------------
// The module

fn linear(device: &Device, classes: usize) -> Linear {
    LinearConfig::new(4, classes).init(device)
}

fn ensemble(members: usize) -> Ensemble<Linear> {
    Ensemble::new((0..members).map(|_| linear(&Device::flex(), 3)).collect()).expect("members")
}

fn forward(member: &Linear, input: Tensor<2>) -> Tensor<2> {
    let device = member.devices().remove(0);
    member.forward(input.to_device(&device))
}

fn bytes(record: ModuleRecord) -> Vec<u8> {
    record.into_bytes().expect("a record").to_vec()
}

#[test]
fn an_ensemble_is_one_record() {
    let ensemble = ensemble(3);
    let kept = bytes(ensemble.clone().into_record());
    let record = || ModuleRecord::from_bytes(Bytes::from_bytes_vec(kept.clone())).expect("a record");
    let member = linear(&Device::flex(), 3);
    let loaded = Ensemble::from_record(record(), &member).expect("the ensemble");
    assert_eq!(loaded.members().len(), 3);
    assert!(bytes(loaded.clone().into_record()) == kept, "what is loaded should be what was saved");
    let input = Tensor::<2>::from_floats([[0.3, -1.0, 2.0, 0.5]], &Device::flex());
    let answers = [ensemble, loaded].map(|ensemble| {
        ensemble.forward(input.clone(), forward).expect("an answer").into_data().try_into_vec::<f32>().expect("f32")
    });
    assert_eq!(answers[0], answers[1]);

    let error = Ensemble::from_record(record(), &linear(&Device::flex(), 2)).unwrap_err().to_string();
    assert!(error.contains("does not fit") && error.contains("members.0.weight"), "{error}");
    let error = Ensemble::from_record(member.clone().into_record(), &member).unwrap_err().to_string();
    assert!(error.contains("does not fit") && error.contains("members.0.weight"), "{error}");
    let without_bias = LinearConfig::new(4, 3).with_bias(false).init(&Device::flex());
    let error = Ensemble::from_record(without_bias.into_record(), &member).unwrap_err().to_string();
    assert_eq!(error, "the record should hold 2 tensors for each member of the ensemble, but holds 1 in all");
    let empty = ModuleRecord::from_bytes(Bytes::from_bytes_vec(kept[..kept.len() / 2].to_vec()));
    assert!(empty.is_err(), "half a record is none");
}

#[test]
fn members_are_trained_on_all_devices() {
    let devices: Vec<_> = cpu_devices().into_iter().map(|(_, device)| device).collect();
    let built = |number: usize, device: &Device| {
        let mut member = linear(device, 2);
        // Answers with its own number.
        let weight = TensorData::new(vec![0.0_f32; 8], [4, 2]);
        member.weight = Param::from_data(weight, device);
        member.bias = Some(Param::from_data([number as f32, 0.0], device));
        Ok::<_, EnsembleError>(member)
    };
    let ensemble = Ensemble::train(5, &devices, built).expect("five members");
    let found: Vec<_> = ensemble.members().iter().map(|member| member.devices().remove(0)).collect();
    let expected: Vec<_> = (0..5).map(|number| devices[number % devices.len()].clone()).collect();
    assert_eq!(found, expected);
    let input = Tensor::<2>::ones([1, 4], &devices[0]);
    let outputs = ensemble.outputs(input.clone(), forward);
    let first = |output: &Tensor<2>| output.clone().into_data().try_into_vec::<f32>().expect("f32")[0];
    assert_eq!(outputs.iter().map(first).collect::<Vec<_>>(), [0.0, 1.0, 2.0, 3.0, 4.0], "they should be in order");
    let together = ensemble.forward(input, forward).expect("an answer").into_data().try_into_vec::<f32>().expect("f32");
    let expected: f64 = (0..5).map(|number| 1.0 / (1.0 + f64::from(-number).exp())).sum::<f64>() / 5.0;
    assert!((f64::from(together[0]) - expected).abs() < 1e-6, "{together:?}, expected {expected}");

    let failing =
        |number: usize, device: &Device| if number < 3 { built(number, device) } else { Err(EnsembleError::NoDevices) };
    assert!(Ensemble::train(5, &devices, failing).is_err());
    assert!(Ensemble::train(0, &devices, built).is_err());
    assert_eq!(
        Ensemble::train(5, &[], built).unwrap_err().to_string(),
        "the devices of the ensemble should be at least 1 in number, but are 0"
    );
}

#[test]
fn what_is_no_ensemble_is_told() {
    let none = Ensemble::<Linear>::new(Vec::new()).unwrap_err().to_string();
    assert_eq!(none, "the members of the ensemble should be at least 1 in number, but are 0");
    assert_eq!(Combination::Vote.combine(Vec::new()).unwrap_err().to_string(), none);
    for (last, expected) in [(0, "but are 0"), (4, "at least 1 in number and at most 3, but are 4")] {
        let error = ensemble(3).last(last).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let all = ensemble(3);
    let last = all.clone().last(2).expect("two of three");
    assert!(bytes(last.members()[0].clone().into_record()) == bytes(all.members()[1].clone().into_record()));

    let mixed = Ensemble::new(vec![linear(&Device::flex(), 3), linear(&Device::flex(), 2)]).expect("two members");
    let input = Tensor::<2>::ones([5, 4], &Device::flex());
    for combination in ALL {
        let error = mixed.clone().with_combination(combination).forward(input.clone(), forward).unwrap_err();
        let expected = "the answers of member 2 should be [5, 3] (images, classes), but are [5, 2]";
        assert_eq!(error.to_string(), expected, "{combination}");
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// The report

/// Probabilities that look random, the same each time.
fn probabilities(member: u64, images: usize) -> Vec<[f32; 4]> {
    let mut state = member.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        0.01 + (state >> 40) as f64 / f64::from(1 << 24)
    };
    let mut row = || {
        let row: [f64; 4] = std::array::from_fn(|_| next());
        row.map(|value| (value / row.iter().sum::<f64>()) as f32)
    };
    (0..images).map(|_| row()).collect()
}

fn mean(members: &[Vec<[f32; 4]>]) -> Vec<[f32; 4]> {
    let mean = |image: usize, class: usize| {
        (members.iter().map(|member| f64::from(member[image][class])).sum::<f64>() / members.len() as f64) as f32
    };
    (0..members[0].len()).map(|image| std::array::from_fn(|class| mean(image, class))).collect()
}

/// E/k + (k − 1)/k·P is the squared error of the averaged probabilities, whatever the members are.
#[test]
fn the_predicted_error_of_averaged_probabilities_is_the_actual_one() {
    let labels: Vec<u32> = (0..50).map(|image| (image * 7 % 4) as u32).collect();
    for k in 1..=7 {
        let members: Vec<_> = (0..k).map(|member| probabilities(member + 1, 50)).collect();
        let combined = mean(&members);
        let report = EnsembleReport::new(Combination::Probabilities, &members, &combined, &labels).expect("a report");
        assert!((report.predicted - report.actual).abs() < 1e-6, "{k} members: {report}");
        assert!(report.actual <= report.mean_squared_error + 1e-9, "the squared error is convex");
        let power: Vec<[f32; 4]> = combined.iter().map(|row| row.map(|p| p * p)).collect();
        let other = EnsembleReport::new(Combination::Logits, &members, &power, &labels).expect("a report");
        assert!((other.predicted - other.actual).abs() > 1e-3, "of another combination it is no identity");
        assert_eq!(other.predicted, report.predicted);
    }
}

#[test]
fn the_report_agrees_with_calculation_by_hand() {
    let members = [vec![[1.0_f32, 0.0], [0.5, 0.5]], vec![[0.5, 0.5], [0.25, 0.75]]];
    let combined = [[0.75, 0.25], [0.375, 0.625]];
    let report = EnsembleReport::new(Combination::Probabilities, &members, &combined, &[0, 0]).expect("a report");
    // ε₁ = (0, 0), (−½, ½); ε₂ = (−½, ½), (−¾, ¾); means over two images.
    let (first, second, product) = (0.25, 0.8125, 0.375);
    let found: Vec<f64> = report.members.iter().map(|member| member.squared_error).collect();
    assert_eq!(found, [first, second]);
    assert_eq!(report.members.iter().map(|member| member.accuracy).collect::<Vec<_>>(), [1.0, 0.5]);
    assert_eq!((report.mean_squared_error, report.mean_product), ((first + second) / 2.0, product));
    let expected = (first + second) / 4.0 + product / 2.0;
    assert_eq!((report.predicted, report.actual), (expected, expected));
    assert_eq!((report.mean_accuracy, report.accuracy, report.gain()), (0.75, 0.5, -0.25));
    let correlation = product / (first * second).sqrt();
    assert!((report.correlations[0][1] - correlation).abs() < 1e-12, "{:?}", report.correlations);
    assert_eq!(report.correlations[0][1], report.correlations[1][0]);
    assert_eq!([report.correlations[0][0], report.correlations[1][1]], [1.0, 1.0]);
    let printed = report.to_string();
    for part in ["0.53125/2 + 1/2·0.37500 = 0.45312 predicted", "0.45312, and -25.00 points", "0.83"] {
        assert!(printed.contains(part), "{part} is not in:\n{printed}");
    }
}

#[test]
fn correlation_is_one_of_equals_and_none_of_opposites() {
    let same = probabilities(3, 20);
    let labels = [0; 20];
    let report =
        EnsembleReport::new(Combination::Vote, &[same.clone(), same.clone()], &same, &labels).expect("a report");
    assert!((report.correlations[0][1] - 1.0).abs() < 1e-12 && report.gain() == 0.0, "{report}");
    assert!((report.predicted - report.mean_squared_error).abs() < 1e-12, "equals gain nothing");
    let right = vec![[1.0_f32, 0.0]; 2];
    let wrong = vec![[0.0_f32, 1.0]; 2];
    let report = EnsembleReport::new(Combination::Vote, &[right.clone(), wrong], &right, &[0, 0]).expect("a report");
    assert_eq!(report.correlations, [[0.0, 0.0], [0.0, 1.0]], "who makes no error has no correlation");
}

#[test]
fn what_cannot_be_compared_is_told() {
    let rows = vec![[0.5_f32, 0.5]; 3];
    let report = |members: &[Vec<[f32; 2]>], labels: &[u32]| {
        EnsembleReport::new(Combination::Vote, members, &rows, labels).unwrap_err().to_string()
    };
    assert!(report(&[], &[0, 0, 0]).contains("at least 1 in number, but are 0"));
    let expected = "the answers of member 2 should be [3, 2] (images, classes), but are [2, 2]";
    assert_eq!(report(&[rows.clone(), rows[..2].to_vec()], &[0, 0, 0]), expected);
    assert_eq!(
        report(std::slice::from_ref(&rows), &[0, 1, 2]),
        "the label of image 2 should be below the number of classes, 2, but is 2"
    );
    let ragged = [vec![vec![0.5_f32, 0.5], vec![1.0]]];
    let error = EnsembleReport::new(Combination::Vote, &ragged, &ragged[0], &[0, 0]).unwrap_err().to_string();
    assert_eq!(error, "the answers of member 1 should be [2, 2] (images, classes), but are [2, 1]");
}
