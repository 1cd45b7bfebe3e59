//! The tables of Moré & Thuente (1994), "Line search algorithms with guaranteed sufficient decrease".

use burn_descent::second_order::{LineSearchConfig, Verdict};
use std::f64::consts::PI;

type Line = fn(f64) -> (f64, f64);

/// The function of table 1, of which no step is long enough.
fn one(a: f64) -> (f64, f64) {
    let b = 2.0;
    (-a / (a * a + b), (a * a - b) / (a * a + b).powi(2))
}

fn two(a: f64) -> (f64, f64) {
    let t = a + 0.004;
    (t.powi(5) - 2.0 * t.powi(4), 5.0 * t.powi(4) - 8.0 * t.powi(3))
}

/// That of table 3, which oscillates.
fn three(a: f64) -> (f64, f64) {
    let (b, l) = (0.01, 39.0);
    let (value, slope) = match a {
        a if a <= 1.0 - b => (1.0 - a, -1.0),
        a if a >= 1.0 + b => (a - 1.0, 1.0),
        a => ((a - 1.0).powi(2) / (2.0 * b) + b / 2.0, (a - 1.0) / b),
    };
    let wave = l * PI / 2.0 * a;
    (value + 2.0 * (1.0 - b) / (l * PI) * wave.sin(), slope + (1.0 - b) * wave.cos())
}

/// Those of tables 4 to 6 (Yanai, Ozawa & Kaneko 1981).
fn yanai(a: f64, b_1: f64, b_2: f64) -> (f64, f64) {
    let gamma = |b: f64| (1.0 + b * b).sqrt() - b;
    let (left, right) = (((1.0 - a).powi(2) + b_2 * b_2).sqrt(), (a * a + b_1 * b_1).sqrt());
    (gamma(b_1) * left + gamma(b_2) * right, gamma(b_1) * (a - 1.0) / left + gamma(b_2) * a / right)
}

fn four(a: f64) -> (f64, f64) {
    yanai(a, 0.001, 0.001)
}

fn five(a: f64) -> (f64, f64) {
    yanai(a, 0.01, 0.001)
}

fn six(a: f64) -> (f64, f64) {
    yanai(a, 0.001, 0.01)
}

/// How many evaluations a search takes, and where it ends.
fn search(line: Line, config: &LineSearchConfig, first: f64) -> (usize, f64, Verdict) {
    let (value, slope) = line(0.0);
    let mut search = config.begin(value, slope, first, f64::EPSILON);
    loop {
        let step = search.step();
        let (value, slope) = line(step);
        match search.observe(value, slope) {
            Verdict::Continue { .. } => {}
            verdict => return (search.evaluations(), step, verdict),
        }
    }
}

/// The function, c₁ and c₂, and of four first steps the evaluations, what they end at, and how closely.
type Table = (Line, f64, f64, [usize; 4], [f64; 4], f64);

#[test]
fn the_tables_of_more_and_thuente() {
    let tables: [Table; 6] = [
        (one, 0.001, 0.1, [6, 3, 1, 4], [1.3650, 1.4414, 10.0, 36.888], 5e-4),
        (two, 0.1, 0.1, [12, 8, 8, 11], [1.5960; 4], 5e-3),
        (three, 0.1, 0.1, [12, 12, 10, 13], [1.0; 4], 5e-3),
        (four, 0.001, 0.001, [4, 1, 3, 4], [0.085, 0.1, 0.3491, 0.8294], 5e-4),
        (five, 0.001, 0.001, [6, 3, 7, 8], [0.07501, 0.07751, 0.07314, 0.07616], 5e-5),
        (six, 0.001, 0.001, [13, 11, 8, 11], [0.9279, 0.92615, 0.92478, 0.9244], 5e-5),
    ];
    for (table, (line, c_1, c_2, evaluations, steps, tolerance)) in tables.into_iter().enumerate() {
        let config = LineSearchConfig::new().with_c_1(c_1).with_c_2(c_2).with_noise(Some(0.0));
        for (index, first) in [1e-3, 1e-1, 1e1, 1e3].into_iter().enumerate() {
            let (made, step, verdict) = search(line, &config, first);
            let case = format!("table {}, first step {first}: {made} evaluations, {step}", table + 1);
            println!("{case}");
            assert_eq!(verdict, Verdict::Accept, "{case}");
            assert_eq!(made, evaluations[index], "{case}");
            assert!((step - steps[index]).abs() <= tolerance * steps[index].max(1.0), "{case}");
        }
    }
}
