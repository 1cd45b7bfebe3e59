//! The lecture's year of temperatures (Serra), against pandas and an oracle of this file: `golden/temperature.json`, made by
//! `golden/temperature.py`.

use burn_descent::average::ExponentialAverage;
use burn_descent::optim::BiasCorrection;
use serde_json::Value;

fn numbers(values: &Value) -> Vec<f64> {
    values.as_array().expect("numbers").iter().map(|x| x.as_f64().expect("a number")).collect()
}

/// The sum over all days of what is left of each, which the recursion never forms.
fn oracle(days: &[f64], beta: f64, corrected: bool) -> f64 {
    let weights = (0..days.len()).rev().map(|age| (1.0 - beta) * beta.powi(age as i32));
    let sum: f64 = weights.clone().zip(days).map(|(weight, day)| weight * day).sum();
    if corrected { sum / weights.sum::<f64>() } else { sum }
}

#[test]
fn a_year_of_temperatures_is_averaged_as_by_pandas() {
    let golden: Value = serde_json::from_str(include_str!("golden/temperature.json")).expect("the golden file is JSON");
    let year = numbers(&golden["temperatures"]);
    assert_eq!((year.len(), year[0], year[1], year[199]), (365, 4.0, 9.0, 20.0), "the days that the lecture names");
    let mut averages = 0;
    for (beta, golden) in golden["averages"].as_object().expect("averages") {
        let beta: f64 = beta.parse().expect("a share");
        for (correction, name) in
            [(BiasCorrection::Corrected, "corrected"), (BiasCorrection::Uncorrected, "uncorrected")]
        {
            let mut average = ExponentialAverage::new(beta).expect("in range").with_bias_correction(correction);
            for (day, expected) in numbers(&golden[name]).into_iter().enumerate() {
                let found = average.add(year[day]);
                let oracle = oracle(&year[..=day], beta, name == "corrected");
                let case = format!("β {beta}, {name}, day {}", day + 1);
                assert!((found - expected).abs() < 1e-12 * expected.abs(), "{case}: {found} for {expected}");
                assert!((found - oracle).abs() < 1e-12 * oracle.abs(), "{case}: {found} for {oracle}");
            }
            averages += 1;
        }
    }
    assert_eq!(averages, 6);
}

/// The lecture's two days at β 0.98: `V₂ = 0.0196·θ₁ + 0.02·θ₂`, and `/0.0396` with correction.
#[test]
fn the_first_days_are_as_the_lecture_says() {
    let mut purple = ExponentialAverage::new(0.98).expect("in range").with_bias_correction(BiasCorrection::Uncorrected);
    let mut green = ExponentialAverage::new(0.98).expect("in range");
    let close = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-12, "{found} for {expected}");
    close(purple.add(4.0), 0.02 * 4.0);
    close(green.add(4.0), 4.0);
    close(purple.add(9.0), 0.0196 * 4.0 + 0.02 * 9.0);
    close(green.add(9.0), (0.0196 * 4.0 + 0.02 * 9.0) / 0.0396);
}
