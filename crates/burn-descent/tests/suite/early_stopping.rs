//! Early stopping: when it stops, what it takes for the best, and that it goes on where it was.

use burn_descent::early_stopping::{EarlyStopping, EarlyStoppingConfig, Goal};

/// The checks, from 1, at which `values` make it stop first, and the best by then.
fn first_stop(config: EarlyStoppingConfig, values: &[f64]) -> (Option<usize>, Option<usize>) {
    let mut stopping = config.init().expect("a configuration in range");
    let stop = values.iter().position(|value| stopping.observe(*value)).map(|index| index + 1);
    (stop, stopping.best().map(|(check, _)| check))
}

#[test]
fn it_stops_after_so_many_checks_without_an_improvement() {
    let config = EarlyStoppingConfig::new(2);
    assert_eq!(first_stop(config, &[3.0, 2.0, 1.0, 0.5]), (None, Some(4)));
    assert_eq!(first_stop(config, &[3.0, 2.0, 2.5, 1.0, 1.5, 1.2, 0.1]), (Some(6), Some(4)));
    // Equals are no improvement, and the first of them is the best.
    assert_eq!(first_stop(config, &[1.0, 1.0, 1.0]), (Some(3), Some(1)));
    assert_eq!(first_stop(EarlyStoppingConfig::new(1), &[1.0, 2.0]), (Some(2), Some(1)));
    assert_eq!(first_stop(config.with_goal(Goal::Higher), &[0.1, 0.3, 0.2, 0.25]), (Some(4), Some(2)));
}

#[test]
fn small_improvements_do_not_count_but_are_kept() {
    let config = EarlyStoppingConfig::new(3).with_minimum_improvement(0.1);
    // 0.95 and 0.92 are not lower than 1 by more than 0.1; 0.85 is, and starts the count anew.
    assert_eq!(first_stop(config, &[1.0, 0.95, 0.92, 0.85, 0.84, 0.80, 0.78]), (Some(7), Some(7)));
    assert_eq!(first_stop(config, &[1.0, 0.95, 0.92, 0.91]), (Some(4), Some(4)));
}

#[test]
fn what_is_not_a_number_is_no_improvement() {
    let nan = f64::NAN;
    assert_eq!(first_stop(EarlyStoppingConfig::new(2), &[nan, nan]), (Some(2), None));
    assert_eq!(first_stop(EarlyStoppingConfig::new(2), &[nan, 1.0, nan, nan]), (Some(4), Some(2)));
    assert_eq!(first_stop(EarlyStoppingConfig::new(2), &[f64::INFINITY, 1.0, 2.0]), (None, Some(2)));
    assert_eq!(first_stop(EarlyStoppingConfig::new(2), &[f64::INFINITY, f64::INFINITY]), (Some(2), None));
}

#[test]
fn it_goes_on_where_it_was() {
    let values = [0.9, 0.7, 0.71, 0.6, 0.61, 0.62, 0.63];
    let config = EarlyStoppingConfig::new(3);
    let mut unbroken = config.init().expect("a configuration in range");
    let expected: Vec<bool> = values.iter().map(|value| unbroken.observe(*value)).collect();
    for cut in 0..values.len() {
        let mut first = config.init().expect("a configuration in range");
        let mut found: Vec<bool> = values[..cut].iter().map(|value| first.observe(*value)).collect();
        let saved = serde_json::to_string(&first).expect("JSON");
        let mut second: EarlyStopping = serde_json::from_str(&saved).expect("a state");
        found.extend(values[cut..].iter().map(|value| second.observe(*value)));
        assert_eq!((found, second), (expected.clone(), unbroken), "cut after {cut}");
    }
}

#[test]
fn values_out_of_range_are_told() {
    let error = EarlyStoppingConfig::new(0).init().expect_err("no patience").to_string();
    assert_eq!(error, "EarlyStopping: patience should be at least 1, but is 0");
    let error = EarlyStoppingConfig::new(1).with_minimum_improvement(-0.5).init().expect_err("negative").to_string();
    assert_eq!(error, "EarlyStopping: minimum_improvement should be in [0, ∞), but is -0.5");
}
