//! The learning-rate schedules: against PyTorch, the lectures' numbers, their records, their text, and the range test.

use burn::lr_scheduler::{LrScheduler, LrSchedulerRecord};
use burn_descent::schedule::{
    CosineRestartsConfig, Decay, LinearLrConfig, LrCurve, LrPoint, OneCycleConfig, Plateau, PlateauConfig,
    RangeTestConfig, RunLength, Schedule, ScheduleError, Span, Threshold, Unit, WarmUpConfig, WarmUpForm,
};
use serde::Deserialize;

/// One of each kind and form, as it is printed.
const ALL: [&str; 26] = [
    "constant",
    "linear",
    "polynomial=power=2",
    "time-based=k=1,per=epoch",
    "exponential=beta=0.95,per=epoch",
    "exponential=k=0.01,per=step",
    "step=every=2epochs,factor=0.5",
    "step=every=3steps,k=0.7",
    "inverse-sqrt=k=1.5,per=step",
    "cosine=minimum=0",
    "cosine=minimum=0.1,over=7steps",
    "cosine-restarts=first=3steps,growth=2,minimum=0.1",
    "one-cycle=peak=0.3,start=25,end=10000",
    "multi-step=at=2epochs/11steps/3epochs,factor=0.5",
    "multi-step=at=7steps,k=0.5",
    "triangular=rise=3steps,fall=1epochs,minimum=0.25,shrink=0.5,decay=1",
    "triangular=rise=4steps,minimum=0,shrink=1,decay=0.99",
    "wsd=warm-up=3steps,decay=1epochs,from=0.01,minimum=0.1,form=sqrt",
    "cosine=minimum=0@7steps+constant@3steps+linear",
    "constant@1epochs+warm-up=over=2steps,from=0.5,form=before+cosine=minimum=0@5steps+step=every=1epochs,factor=3",
    "plateau=factor=0.5,patience=1,threshold=0.0001,cooldown=2,minimum=0.01",
    "plateau=factor=0.1,patience=0,absolute-threshold=0.001,cooldown=0,minimum=0",
    "plateau=factor=0.5,patience=1,threshold=0.01,cooldown=1,minimum=0,goal=higher",
    "warm-up=over=4steps,from=0.01,form=before+cosine=minimum=0.1",
    "warm-up=over=1epochs,from=0,form=times+plateau=factor=0.5,patience=0,threshold=0.0001,cooldown=1,minimum=0",
    "warm-up=over=2steps,from=1,form=before+warm-up=over=2steps,from=0.5,form=times+step=every=1epochs,factor=3",
];

fn schedule(text: &str) -> Schedule {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

fn length(epochs: usize, steps_per_epoch: usize) -> RunLength {
    RunLength { epochs, steps_per_epoch }
}

// ---------------------------------------------------------------------------------------------------------------------
// Numbers

#[derive(Deserialize)]
struct Golden {
    tolerance: f64,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    schedule: Schedule,
    source: String,
    lr: f64,
    epochs: usize,
    steps_per_epoch: usize,
    rates: Vec<f64>,
    #[serde(default)]
    losses: Vec<f64>,
    #[serde(default)]
    momenta: Vec<f64>,
}

impl Case {
    fn length(&self) -> RunLength {
        length(self.epochs, self.steps_per_epoch)
    }

    /// The rate of each step, with validation after each epoch.
    fn found(&self) -> Vec<f64> {
        let mut scheduler = self.schedule.scheduler(self.lr, self.length()).expect("a scheduler");
        let plateau = scheduler.plateau();
        assert_eq!(plateau.is_some(), !self.losses.is_empty(), "{}", self.schedule);
        let mut found = Vec::new();
        for epoch in 0..self.epochs {
            found.extend((0..self.steps_per_epoch).map(|_| scheduler.step()));
            if let Some(plateau) = &plateau {
                plateau.observe(self.losses[epoch]);
            }
        }
        found
    }

    fn agrees(&self, found: &[f64], expected: &[f64], tolerance: f64) {
        assert_eq!(found.len(), expected.len(), "{}", self.schedule);
        for (step, (found, expected)) in found.iter().zip(expected).enumerate() {
            let relative = (found - expected).abs() / expected.abs().max(f64::MIN_POSITIVE);
            let Self { schedule, source, .. } = self;
            assert!(relative <= tolerance, "{schedule}, step {step}: {found}, {source} has {expected}");
        }
    }
}

#[test]
fn schedules_agree_with_pytorch() {
    let golden: Golden = serde_json::from_str(include_str!("golden/schedules.json")).expect("golden sequences");
    assert!(golden.cases.len() > 30);
    for case in &golden.cases {
        case.agrees(&case.found(), &case.rates, golden.tolerance);
        if let Schedule::OneCycle(one_cycle) = case.schedule {
            let momentum = |step| one_cycle.momentum(0.85, 0.95, step, case.length());
            let found: Vec<f64> = (0..case.length().steps()).map(momentum).collect();
            case.agrees(&found, &case.momenta, golden.tolerance);
        }
    }
}

/// Serra: α₀ 0.2 and a decay rate of 1 give 0.1, 0.067, 0.05, 0.04 in epochs 1 to 4.
#[test]
fn time_based_decay_has_the_lectures_numbers() {
    let decay = Schedule::TimeBased { k: 1.0, per: Unit::Epoch };
    let rate = |epoch: u64| (0.2 * decay.factor(epoch * 10, length(5, 10)) * 1e3).round() / 1e3;
    assert_eq!([1, 2, 3, 4].map(rate), [0.1, 0.067, 0.05, 0.04]);
}

/// Ruder: from 0.01, down by half every 10 epochs.
#[test]
fn step_decay_halves_as_in_the_lecture() {
    let halve = Schedule::Step { every: Span::Epochs(10), decay: Decay::Factor(0.5) };
    let rate = |epoch: u64| 0.01 * halve.factor(epoch * 7 + 6, length(40, 7));
    assert_eq!([0, 9, 10, 19, 20, 39].map(rate), [0.01, 0.01, 0.005, 0.005, 0.0025, 0.00125]);
    let same = Schedule::Step { every: Span::Epochs(10), decay: Decay::Rate(2_f64.ln()) };
    assert!(
        (0..280).all(|step| (same.factor(step, length(40, 7)) / halve.factor(step, length(40, 7)) - 1.0).abs() < 1e-12)
    );
}

/// Huang & Li 2017, eq. 2: α(t) = α₀/2·(cos(π·mod(t − 1, ⌈T/M⌉)/⌈T/M⌉) + 1), t from 1.
#[test]
fn restarts_are_the_cycles_of_snapshot_ensembles() {
    let restarts = CosineRestartsConfig::new(Span::Steps(10));
    let length = length(3, 10);
    for t in 1..=30_u64 {
        let expected = ((std::f64::consts::PI * ((t - 1) % 10) as f64 / 10.0).cos() + 1.0) / 2.0;
        assert!((Schedule::CosineRestarts(restarts).factor(t - 1, length) - expected).abs() < 1e-15);
        assert_eq!(restarts.cycle(t - 1, length).is_last_step(), t % 10 == 0);
    }
    let cycles = [0, 2, 3, 8, 9, 20, 21]
        .map(|step| CosineRestartsConfig::new(Span::Steps(3)).with_growth(2).cycle(step, length));
    assert_eq!(
        cycles.map(|cycle| (cycle.number, cycle.step, cycle.steps)),
        [(0, 0, 3), (0, 2, 3), (1, 0, 6), (1, 5, 6), (2, 0, 12), (2, 11, 12), (3, 0, 24)]
    );
}

#[test]
fn schedules_of_very_short_runs_are_finite() {
    let most_peaked = ["one-cycle=peak=0", "one-cycle=peak=0.5", "one-cycle=peak=1", "warm-up=100+linear"];
    for text in ALL.into_iter().chain(most_peaked) {
        let schedule = schedule(text);
        for (epochs, steps) in [(1, 1), (1, 2), (2, 1), (1, 3), (3, 2), (1, 7)] {
            let mut run = schedule.scheduler(0.1, length(epochs, steps)).expect("a scheduler");
            // Beyond the end as well.
            for step in 0..40 {
                let rate = run.step();
                assert!(rate.is_finite() && rate >= 0.0, "{text}, {epochs}x{steps}, step {step}: {rate}");
            }
        }
        // A run that is all warm-up stays at its last rate.
        for (text, epochs) in [("warm-up=6steps+cosine", 3), ("warm-up=100+linear", 3)] {
            let rates: Vec<f64> = (0..12).map(|step| self::schedule(text).factor(step, length(epochs, 2))).collect();
            assert!(rates[5..].iter().all(|rate| *rate == rates[5]) && rates[5] > rates[4], "{text}: {rates:?}");
        }
        for peak in [0.0, 0.3, 0.5, 0.9, 1.0] {
            let highest = Schedule::OneCycle(OneCycleConfig::new().with_peak(peak));
            assert_eq!(highest.factor(0, length(1, 1)), 1.0, "peak {peak}");
        }
        // No panic, whatever the numbers.
        for step in [0, 1, u64::MAX] {
            schedule.factor(step, length(0, 0));
            schedule.factor(step, length(usize::MAX, usize::MAX));
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Records and plateaus

fn through_bytes(record: LrSchedulerRecord) -> LrSchedulerRecord {
    LrSchedulerRecord::from_bytes(record.into_bytes().expect("bytes")).expect("a record")
}

#[test]
fn a_schedule_goes_on_from_its_record() {
    // Worse and better, so that a plateau's every part is in use at some break.
    let losses = [1.0, 1.1, 0.9, 0.9, 0.95, 0.8, 0.81, 0.82, 0.83, 0.84];
    for text in ALL {
        for broken_at in 0..losses.len() {
            let mut unbroken = schedule(text).scheduler(0.1, length(10, 5)).expect("a scheduler");
            let mut resumed = schedule(text).scheduler(0.1, length(10, 5)).expect("a scheduler");
            let epoch = |run: &mut dyn LrScheduler, plateau: Option<Plateau>, loss: f64| {
                let rates: Vec<f64> = (0..5).map(|_| run.step()).collect();
                plateau.inspect(|plateau| plateau.observe(loss));
                rates
            };
            for loss in &losses[..broken_at] {
                let plateau = unbroken.plateau();
                epoch(&mut unbroken, plateau, *loss);
            }
            resumed.load_record(through_bytes(unbroken.to_record()));
            for loss in &losses[broken_at..] {
                let plateaus = [unbroken.plateau(), resumed.plateau()];
                let [one, other] = plateaus;
                assert_eq!(epoch(&mut resumed, other, *loss), epoch(&mut unbroken, one, *loss), "{text}, {broken_at}");
            }
        }
    }
}

#[test]
fn a_plateau_is_one_in_all_its_clones() {
    let config = PlateauConfig::new().with_factor(0.5).with_patience(0).with_minimum(0.3);
    let run = Schedule::Plateau(config).scheduler(0.1, length(9, 1)).expect("a scheduler");
    let plateau = run.plateau().expect("a plateau");
    let boxed: Box<dyn LrScheduler> = Box::new(run);
    let mut boxed = boxed.clone();
    let mut rates = Vec::new();
    for loss in [1.0, f64::NAN, 0.5, 0.4, f64::INFINITY, 0.5] {
        rates.push(boxed.step());
        plateau.clone().observe(loss);
    }
    rates.push(boxed.step());
    assert_eq!(rates, [0.1, 0.1, 0.05, 0.05, 0.05, 0.03, 0.03]);
    assert_eq!(plateau.factor(), 0.3);
    // What a plateau took off is not undone by a record that is not its own.
    boxed.load_record(LrSchedulerRecord::new().with_scalar("step", 3_u64));
    assert_eq!(boxed.step(), 0.03);
    assert!(schedule("cosine").scheduler(0.1, length(1, 1)).expect("a scheduler").plateau().is_none());
}

// ---------------------------------------------------------------------------------------------------------------------
// Text and configuration

#[test]
fn schedules_are_read_as_they_are_printed() {
    for text in ALL {
        assert_eq!(schedule(text).to_string(), text);
        let json = serde_json::to_string(&schedule(text)).expect("JSON");
        assert_eq!(json, format!("\"{text}\""));
        assert_eq!(serde_json::from_str::<Schedule>(&json).expect("a schedule"), schedule(text));
    }
    for k in [1e-300, 0.1 + 0.2, 1e22, f64::MIN_POSITIVE, 5e-324, f64::MAX] {
        let odd = Schedule::TimeBased { k, per: Unit::Step };
        assert_eq!(schedule(&odd.to_string()), odd);
    }
}

#[test]
fn short_spellings_stand_for_the_whole() {
    let beta = |beta, per| Schedule::Exponential { decay: Decay::Factor(beta), per };
    let step = |every, decay| Schedule::Step { every, decay };
    let plateau = PlateauConfig::new().with_factor(0.5).with_patience(3);
    let warm_up = WarmUpConfig::new(Span::Epochs(2), Box::new(Schedule::Linear(LinearLrConfig::new())));
    let cases = [
        ("constant", Schedule::Constant),
        ("linear", Schedule::Linear(LinearLrConfig::new())),
        ("linear=0.1", Schedule::Linear(LinearLrConfig::new().with_end(0.1))),
        ("linear=0.1,2", Schedule::Linear(LinearLrConfig::new().with_end(0.1).with_over(Some(Span::Epochs(2))))),
        ("linear=start=0.2,end=0.2", Schedule::Linear(LinearLrConfig::new().with_start(0.2).with_end(0.2))),
        ("cosine", Schedule::Cosine { minimum: 0.0, over: None }),
        ("cosine=0.1,2", Schedule::Cosine { minimum: 0.1, over: Some(Span::Epochs(2)) }),
        ("cosine=over=500steps", Schedule::Cosine { minimum: 0.0, over: Some(Span::Steps(500)) }),
        ("one-cycle", Schedule::OneCycle(OneCycleConfig::new())),
        ("one_cycle", Schedule::OneCycle(OneCycleConfig::new())),
        ("one-cycle=0.4", Schedule::OneCycle(OneCycleConfig::new().with_peak(0.4))),
        ("exponential=0.5", beta(0.5, Unit::Epoch)),
        ("exponential=0.5,per=step", beta(0.5, Unit::Step)),
        ("step=2:0.5", step(Span::Epochs(2), Decay::Factor(0.5))),
        ("step=1epoch,factor=0.5", step(Span::Epochs(1), Decay::Factor(0.5))),
        ("step=1step,k=1e-1", step(Span::Steps(1), Decay::Rate(0.1))),
        ("step=factor=0.5,every=70steps", step(Span::Steps(70), Decay::Factor(0.5))),
        ("polynomial", Schedule::Polynomial { power: 1.0 }),
        ("time-based", Schedule::TimeBased { k: 1.0, per: Unit::Epoch }),
        ("inverse-sqrt=2", Schedule::InverseSqrt { k: 2.0, per: Unit::Epoch }),
        ("cosine-restarts=5", Schedule::CosineRestarts(CosineRestartsConfig::new(Span::Epochs(5)))),
        ("plateau", Schedule::Plateau(PlateauConfig::new())),
        ("plateau=0.5:3", Schedule::Plateau(plateau)),
        ("plateau=0.5,3,absolute-threshold=0.1", Schedule::Plateau(plateau.with_threshold(Threshold::Absolute(0.1)))),
        ("warm-up=2+linear", Schedule::WarmUp(warm_up.clone())),
        ("warm-up=2+linear", Schedule::Linear(LinearLrConfig::new()).after_warm_up(Span::Epochs(2))),
        ("warm-up=2,form=times,from=0+linear", {
            Schedule::WarmUp(warm_up.with_form(WarmUpForm::Times).with_from(0.0))
        }),
    ];
    for (text, expected) in cases {
        assert_eq!(schedule(text), expected, "{text}");
    }
}

#[test]
fn misspelt_schedules_are_told() {
    let message = |text: &str| text.parse::<Schedule>().expect_err("no schedule").to_string();
    let known = "constant, linear, cosine, one-cycle, exponential=BETA, step=EPOCHS:FACTOR, \
                 multi-step=EPOCHS/EPOCHS:FACTOR, polynomial=POWER, time-based=K, inverse-sqrt=K, \
                 cosine-restarts=EPOCHS, triangular=EPOCHS, wsd=EPOCHS:EPOCHS, plateau, warm-up=EPOCHS+SCHEDULE, \
                 SCHEDULE@EPOCHS+SCHEDULE";
    for (text, name, hint) in [
        ("", "", ""),
        ("xyz", "xyz", ""),
        ("=", "=", ""),
        ("warm", "warm", "; did you mean `warm-up`?"),
        ("steps=1:2", "steps=1:2", "; did you mean `step`?"),
        ("warm-up=2+cos", "cos", "; did you mean `cosine`?"),
    ] {
        assert_eq!(message(text), format!("unknown schedule `{name}`{hint}; known: {known}"));
    }
    let misspelt = message("constant@soon+linear");
    assert!(misspelt.contains("the time after @ should be a length") && misspelt.contains("`soon`"), "{misspelt}");
    let late = schedule("plateau@2+linear").scheduler(0.1, length(4, 5)).map(drop).expect_err("a plateau first");
    assert_eq!(late.to_string(), "Schedule: plateaus before the last part should be 0 in number, but is 1");
    let step = "expected step=EPOCHS:FACTOR, parameters every, factor, k";
    let cases = [
        ("constant=1", "`constant` has no parameters; expected constant".to_owned()),
        ("step", format!("every is missing; {step}")),
        ("step=1", format!("factor is missing; {step}")),
        ("step=0.5:1", format!("every should be a length such as 10epochs or 500steps, but is `0.5`; {step}")),
        ("step=-1:1", format!("every should be a length such as 10epochs or 500steps, but is `-1`; {step}")),
        ("step=9999999999999999999999:1", {
            format!("every should be a length such as 10epochs or 500steps, but is `9999999999999999999999`; {step}")
        }),
        ("step=1:x", format!("factor should be a number, but is `x`; {step}")),
        ("step=1:2:3", format!("no parameter has the value `3`; {step}")),
        ("step=1:2,k=3", format!("factor and k exclude each other; {step}")),
        ("step=1:2,every=3", format!("every is given twice; {step}")),
        ("step=1:2,often=3", format!("no parameter `often`; {step}")),
        ("exponential", "beta is missing; expected exponential=BETA, parameters beta, k, per".to_owned()),
        ("time-based=1,per=year", {
            "per should be step or epoch, but is `year`; expected time-based=K, parameters k, per".to_owned()
        }),
        ("cosine-restarts=5,growth=1.5", {
            "growth should be a whole number, but is `1.5`; expected cosine-restarts=EPOCHS, parameters first, growth, \
             minimum"
                .to_owned()
        }),
        ("warm-up=5", {
            "the schedule after it is missing; expected warm-up=EPOCHS+SCHEDULE, parameters over, from, form".to_owned()
        }),
        ("warm-up=5,form=after+linear", {
            "form should be before or times, but is `after`; expected warm-up=EPOCHS+SCHEDULE, parameters over, from, \
             form"
                .to_owned()
        }),
    ];
    for (text, expected) in cases {
        assert_eq!(message(text), format!("schedule `{text}`: {expected}"));
    }
    assert!(matches!("x".parse::<Schedule>(), Err(ScheduleError::Unknown { name }) if name == "x"));
}

#[test]
fn values_out_of_range_are_told() {
    let cases = [
        ("polynomial=-1", "power should be in [0, ∞), but is -1"),
        ("polynomial=nan", "power should be in [0, ∞), but is NaN"),
        ("time-based=-0.1", "k should be in [0, ∞), but is -0.1"),
        ("linear=-1", "end should be in [0, ∞), but is -1"),
        ("linear=start=nan", "start should be in [0, ∞), but is NaN"),
        ("linear=0,0", "over should be at least 1, but is 0"),
        ("exponential=-1", "beta should be in (0, ∞), but is -1"),
        ("exponential=inf", "beta should be in (0, ∞), but is inf"),
        ("exponential=k=-1", "k should be in [0, ∞), but is -1"),
        ("step=0:0.5", "every should be at least 1, but is 0"),
        ("step=0steps:0.5", "every should be at least 1, but is 0"),
        ("step=1:0", "factor should be in (0, ∞), but is 0"),
        ("step=1,k=nan", "k should be in [0, ∞), but is NaN"),
        ("inverse-sqrt=0", "k should be in (0, ∞), but is 0"),
        ("cosine=1.1", "minimum should be in [0, 1], but is 1.1"),
        ("cosine=over=0", "over should be at least 1, but is 0"),
        ("cosine-restarts=0", "first should be at least 1, but is 0"),
        ("cosine-restarts=1,growth=0", "growth should be at least 1, but is 0"),
        ("cosine-restarts=1,minimum=-1", "minimum should be in [0, 1], but is -1"),
        ("one-cycle=peak=1.5", "peak should be in [0, 1], but is 1.5"),
        ("one-cycle=start=0", "start should be in (0, ∞), but is 0"),
        ("one-cycle=end=nan", "end should be in (0, ∞), but is NaN"),
        ("plateau=1", "factor should be in (0, 1), but is 1"),
        ("plateau=0", "factor should be in (0, 1), but is 0"),
        ("plateau=threshold=1", "threshold should be in [0, 1), but is 1"),
        ("plateau=absolute-threshold=-1", "threshold should be in [0, ∞), but is -1"),
        ("plateau=minimum=2", "minimum should be in [0, 1], but is 2"),
        ("multi-step=0:0.5", "at should be at least 1, but is 0"),
        ("multi-step=1/0steps:0.5", "at should be at least 1, but is 0"),
        ("multi-step=1:0", "factor should be in (0, ∞), but is 0"),
        ("triangular=0", "rise should be at least 1, but is 0"),
        ("triangular=1,fall=0", "fall should be at least 1, but is 0"),
        ("triangular=1,minimum=2", "minimum should be in [0, 1], but is 2"),
        ("triangular=1,shrink=-1", "shrink should be in [0, 1], but is -1"),
        ("triangular=1,decay=0", "decay should be in (0, 1], but is 0"),
        ("wsd=0:1", "warm_up should be at least 1, but is 0"),
        ("wsd=1:0", "decay should be at least 1, but is 0"),
        ("wsd=1:1,from=nan", "from should be in [0, 1], but is NaN"),
        ("wsd=1:1,minimum=-1", "minimum should be in [0, 1], but is -1"),
        ("linear@0+constant", "over should be at least 1, but is 0"),
        ("step=1:0@1+constant", "factor should be in (0, ∞), but is 0"),
        ("constant@1+step=1:0", "factor should be in (0, ∞), but is 0"),
        ("warm-up=0+linear", "over should be at least 1, but is 0"),
        ("warm-up=1,from=2+linear", "from should be in [0, 1], but is 2"),
        ("warm-up=1+step=1:-2", "factor should be in (0, ∞), but is -2"),
    ];
    for (text, expected) in cases {
        let expected = format!("Schedule: {expected}");
        assert_eq!(schedule(text).check().expect_err("out of range").to_string(), expected, "{text}");
        let error = schedule(text).scheduler(0.1, length(1, 1)).expect_err("out of range");
        assert_eq!(error.to_string(), expected, "{text}");
    }
    let message = |lr, length| Schedule::Constant.scheduler(lr, length).expect_err("out of range").to_string();
    assert_eq!(message(0.0, length(1, 1)), "Schedule: lr should be in (0, ∞), but is 0");
    assert_eq!(message(0.1, length(0, 1)), "RunLength: epochs should be at least 1, but is 0");
    assert_eq!(message(0.1, length(1, 0)), "RunLength: steps_per_epoch should be at least 1, but is 0");
}

// ---------------------------------------------------------------------------------------------------------------------
// The range test

fn curve(smoothed: &[f64]) -> LrCurve {
    let point = |(step, loss): (usize, &f64)| LrPoint { lr: 10_f64.powi(step as i32), loss: *loss, smoothed: *loss };
    LrCurve { points: smoothed.iter().enumerate().map(point).collect(), diverged: false }
}

#[test]
fn the_suggestion_is_where_the_loss_falls_fastest() {
    let suggestion = |losses: &[f64]| curve(losses).suggestion();
    assert_eq!(suggestion(&[5.0, 4.9, 4.8, 3.0, 1.5, 1.0, 9.0]), Some(1e3));
    // After a rise of a tenth the loss only recovers; a smaller one belongs to the descent.
    assert_eq!(suggestion(&[5.0, 4.9, 4.0, 3.0, 2.5, 6.0, 1.0, 0.5]), Some(1e2));
    assert_eq!(suggestion(&[5.0, 4.9, 4.0, 3.0, 2.5, 2.7, 1.0, 0.5]), Some(1e6));
    assert_eq!(suggestion(&[3.0, 2.0, 1.0]), Some(1e1));
    for nothing in [&[] as &[f64], &[1.0], &[1.0, 0.5], &[1.0, 1.0, 1.0, 1.0], &[1.0, 2.0, 3.0]] {
        assert_eq!(suggestion(nothing), None, "{nothing:?}");
        assert!(curve(nothing).to_string().ends_with("no rate to suggest: the loss never fell"));
    }
    assert!(curve(&[3.0, 2.0, 1.0]).to_string().ends_with("ended after 3 steps\nsteepest descent at 1.00e1"));
    let json = serde_json::to_string(&curve(&[3.0, 2.0])).expect("JSON");
    assert_eq!(serde_json::from_str::<LrCurve>(&json).expect("a curve"), curve(&[3.0, 2.0]));
}

#[test]
fn range_tests_out_of_range_are_told() {
    let usual = RangeTestConfig::new();
    let message = |config: RangeTestConfig| config.check().expect_err("out of range").to_string();
    assert_eq!(message(usual.with_lowest(0.0)), "RangeTest: lowest should be in (0, ∞), but is 0");
    assert_eq!(message(usual.with_highest(1e-6)), "RangeTest: highest should be above 0.000001, but is 0.000001");
    assert_eq!(message(usual.with_highest(f64::NAN)), "RangeTest: highest should be above 0.000001, but is NaN");
    assert_eq!(message(usual.with_steps(2)), "RangeTest: steps should be at least 3, but is 2");
    assert_eq!(message(usual.with_smoothing(1.0)), "RangeTest: smoothing should be in [0, 1), but is 1");
    assert_eq!(message(usual.with_diverged(1.0)), "RangeTest: diverged should be above 1, but is 1");
    assert!((usual.rate(0) - 1e-6).abs() < 1e-18 && (usual.rate(299) - 10.0).abs() < 1e-12);
    assert!((usual.with_lowest(0.1).with_steps(3).rate(1) - 1.0).abs() < 1e-12);
}

#[cfg(feature = "flex")]
mod training {
    use super::*;
    use burn::module::Module;
    use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
    use burn::optim::{GradientsParams, ModuleOptimizer};
    use burn::tensor::{Device, Tensor, TensorData};
    use burn_descent::optim::{MomentumConfig, evaluation_weights};

    #[derive(Module, Debug)]
    struct Model {
        linear: Linear,
        norm: BatchNorm,
    }

    impl Model {
        fn loss(&self, batch: Tensor<2>) -> Tensor<1> {
            (self.norm.forward(self.linear.forward(batch)) - 2.0).square().mean()
        }

        /// All weights and running statistics.
        fn values(&self) -> Vec<TensorData> {
            let norm = &self.norm;
            let running = [norm.running_mean.value_sync(), norm.running_var.value_sync()];
            let weights =
                [norm.gamma.val(), norm.beta.val()].into_iter().chain(running).map(|tensor| tensor.into_data());
            weights.chain([self.linear.weight.val().into_data()]).collect()
        }
    }

    fn forward_backward(model: &Model, batch: Tensor<2>) -> (f64, GradientsParams) {
        let loss = model.loss(batch);
        let gradients = GradientsParams::from_grads(loss.backward(), model);
        (f64::from(loss.into_scalar::<f32>()), gradients)
    }

    fn model(device: &Device) -> Model {
        device.seed(1);
        Model { linear: LinearConfig::new(4, 3).init(device), norm: BatchNormConfig::new(3).init(device) }
    }

    fn batches(device: &Device) -> impl Iterator<Item = Tensor<2>> {
        let device = device.clone();
        (0..).map(move |seed: i32| {
            let values: Vec<f32> = (0..32).map(|index| ((index * 37 + seed * 11) % 17) as f32 / 17.0).collect();
            Tensor::from_data(TensorData::new(values, [8, 4]), &device)
        })
    }

    fn momentum() -> ModuleOptimizer {
        MomentumConfig::new().init().expect("the defaults are in range")
    }

    #[test]
    fn a_range_test_finds_the_descent_and_leaves_the_model_alone() {
        let device = Device::flex().autodiff();
        let mut model = model(&device);
        let mut optimizer = momentum();
        // The optimizer has a past too.
        let (_, gradients) = forward_backward(&model, Tensor::ones([8, 4], &device));
        model = optimizer.step(1e-3, model, gradients);
        let before = (model.values(), optimizer.to_record().into_bytes().expect("bytes"));

        let config = RangeTestConfig::new().with_steps(120).with_smoothing(0.8);
        let curve = config.run(&model, &optimizer, batches(&device), forward_backward).expect("a curve");
        assert_eq!(model.values(), before.0, "the model should be as before");
        assert!(optimizer.to_record().into_bytes().expect("bytes")[..] == before.1[..], "so should the optimizer");
        assert_eq!(evaluation_weights(&optimizer, model.clone()).linear.weight.val().into_data(), before.0[4]);

        let first = curve.points[0];
        assert_eq!((first.lr, first.loss), (1e-6, first.smoothed), "the first average is the first loss");
        assert!(curve.points.iter().enumerate().all(|(step, point)| point.lr == config.rate(step as u64)));
        let rate = curve.suggestion().expect("the loss falls");
        assert!((1e-3..1.0).contains(&rate), "{rate}: {curve}");
        let again = config.run(&model, &optimizer, batches(&device), forward_backward).expect("a curve");
        assert_eq!(again, curve, "nothing is left of the first test");
    }

    #[test]
    fn a_range_test_ends_with_its_batches_or_its_model() {
        let device = Device::flex().autodiff();
        let model = model(&device);
        let config = RangeTestConfig::new().with_steps(50);
        let short = config.run(&model, &momentum(), batches(&device).take(7), forward_backward).expect("a curve");
        assert_eq!((short.points.len(), short.diverged), (7, false));
        let checkpointing = Device::flex().autodiff().gradient_checkpointing();
        let same =
            config.run(&self::model(&checkpointing), &momentum(), batches(&checkpointing).take(7), forward_backward);
        assert_eq!(same.expect("a curve").points.len(), 7);
        let none = config.run(&model, &momentum(), batches(&device).take(0), forward_backward).expect("a curve");
        assert_eq!((none.suggestion(), none), (None, LrCurve::default()));

        for last in [f64::NAN, f64::INFINITY, 1e4] {
            let mut losses = [1.0, 0.9, last].into_iter();
            let told = |model: &Model, batch| {
                (losses.next().expect("no batch after the end"), forward_backward(model, batch).1)
            };
            let ended = config.run(&model, &momentum(), batches(&device), told).expect("a curve");
            assert_eq!((ended.points.len(), ended.diverged), (2, true), "{last}");
        }
    }
}

#[test]
fn texts_that_are_nearly_right_help() {
    for (text, hint) in [
        ("cosin", "did you mean `cosine`?"),
        ("onecycle", "did you mean `one-cycle`?"),
        ("cosine+linear", "the time before + is missing"),
        ("step=1:0.5+linear", "the time before + is missing"),
        ("constant@20", "what follows are missing after `@`"),
        ("cosine,over=3", "parameters come after `=`"),
        ("constant=1", "`constant` has no parameters"),
    ] {
        let error = text.parse::<Schedule>().expect_err(text).to_string();
        assert!(error.contains(hint), "{text}: {error}");
    }
    for (text, same) in [
        (" Cosine ", "cosine"),
        ("multi_step=1:0.5", "multi-step=1:0.5"),
        ("exponential=0.9,per=epochs", "exponential=0.9,per=epoch"),
        ("plateau=goal=max", "plateau=goal=higher"),
        ("time-based=1e+3", "time-based=1000"),
        ("Warm-Up=1+linear", "warm-up=1+linear"),
    ] {
        assert_eq!(text.parse::<Schedule>(), same.parse(), "{text}");
    }
}

/// What is never come to is told, by the steps of the run, at any depth.
#[test]
fn parts_beyond_the_end_are_told() {
    let length = RunLength { epochs: 10, steps_per_epoch: 4 };
    for (text, unreached) in [
        ("warm-up=39steps+cosine", None),
        ("warm-up=40steps+cosine", Some("the warm-up takes 40 steps, and there are 40")),
        ("constant@9+linear", None),
        ("constant@10+linear", Some("`constant` takes 40 steps, and there are 40")),
        ("constant@5+linear@5+cosine", Some("`linear` takes 20 steps, and there are 20")),
        ("warm-up=5+constant@6+linear", Some("`constant` takes 24 steps, and there are 20")),
        ("wsd=5:5", None),
        ("wsd=9:9", Some("warm-up and decay take 36 and 36 steps, and there are 40")),
        ("one-cycle", None),
    ] {
        let found = text.parse::<Schedule>().expect(text).unreached(length);
        match unreached {
            Some(part) => assert!(found.as_ref().is_some_and(|found| found.starts_with(part)), "{text}: {found:?}"),
            None => assert_eq!(found, None, "{text}"),
        }
    }
}
