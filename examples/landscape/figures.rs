//! The pictures by name.

use crate::race::{Race, Rates};
use crate::{Picture, Result, curves, valleys};
use burn_descent::landscape::Surface;

/// A figure: one picture or several that belong together.
pub struct Figure {
    pub name: &'static str,
    /// The row of the lectures' contents.
    pub row: &'static str,
    pub shows: &'static str,
    pub draw: fn() -> Draw,
}

/// What makes the pictures.
pub enum Draw {
    Race(Race),
    Pictures(fn() -> Result<Vec<Picture>>),
}

impl Draw {
    /// Draws the pictures.
    pub fn pictures(&self) -> Result<Vec<Picture>> {
        match self {
            Self::Race(race) => race.draw(),
            Self::Pictures(draw) => draw(),
        }
    }
}

macro_rules! figures {
    ($($name:literal $row:literal $draw:expr, $shows:literal;)*) => {
        /// All of them.
        pub const FIGURES: &[Figure] = &[$(Figure { name: $name, row: $row, shows: $shows, draw: || $draw }),*];
    };
}

figures! {
    "beale" "H2" Draw::Race(beale()), "Beale's function from (2, -2), by every optimizer";
    "beale-far" "H2" Draw::Race(beale_far()), "Beale's function from (-3, 3), where there is no minimum to reach";
    "two-minima" "H3" Draw::Race(two_minima()), "momentum finds a local minimum, Adagrad the global one";
    "saddle" "H4" Draw::Race(saddle()), "who leaves a saddle, and how soon";
    "ravine" "G3" Draw::Race(ravine()), "a ravine with and without momentum";
    "plateau" "G3" Draw::Race(plateau()), "where there is hardly a slope, who scales it moves";
    "gabor" "H1" Draw::Pictures(valleys::gabor), "a Gabor model: descents to a global minimum, local ones and a saddle, and their fits";
    "cliff" "G1" Draw::Pictures(valleys::cliff), "a step from a cliff goes far away, unless it is clipped";
    "depth" "G2" Draw::Pictures(curves::depth), "gradients through fifty steps or layers vanish or explode";
    "depth-cures" "G2" Draw::Pictures(curves::depth_cures), "what is done about it";
    "rates" "H5" Draw::Pictures(curves::rates), "a rate too small, a good one, and one too large";
    "batches" "H5" Draw::Pictures(curves::batches), "all examples, some, or one at a time";
    "schedules" "H5" Draw::Pictures(curves::schedules), "every schedule of the learning rate";
    "averages" "C1" Draw::Pictures(curves::averages), "a year of temperatures and their averages";
    "correction" "C2" Draw::Pictures(curves::correction), "the first days, with and without bias correction";
    "counterexample" "D12" Draw::Pictures(curves::counterexample), "Adam goes to the worst end, AMSGrad to the best";
    "second-order" "E1-E4" Draw::Pictures(valleys::second_order), "Newton, quasi-Newton and conjugate gradients in a bent valley";
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn beale() -> Race {
    Race {
        title: "Beale's function",
        lesson: "The same minimum by very different ways: plain descent follows the slope, momentum overshoots and comes back, \
                 adaptive rates cut across.",
        every: true,
        ..Race::new("beale", Surface::Beale, 10_000)
    }
}

fn beale_far() -> Race {
    Race {
        title: "Beale's function",
        lesson: "From here the slope leads to no minimum: along y = 1 the value falls for ever, towards 0.4520 at x = −∞. Only who \
                 overshoots gets over the ridge, to the minimum on the other side.",
        start: Surface::Beale.starts()[1],
        view: Some([[-8.0, 4.5], [-3.5, 4.5]]),
        every: true,
        ..Race::new("beale-far", Surface::Beale, 10_000)
    }
}

fn two_minima() -> Race {
    Race {
        title: "Two minima",
        lesson: "Momentum follows the slope into the nearer, local minimum; Adagrad, which scales both axes alike, goes straight \
                 on to the global one.",
        racers: names(&["sgd", "momentum", "nesterov", "adagrad", "adam"]),
        rates: Rates::Each(|name| match name {
            "adagrad" => 0.3,
            "sgd" => 0.05,
            "adam" => 0.03,
            _ => 0.02,
        }),
        ..Race::new("two-minima", Surface::TwoMinima, 2000)
    }
}

fn saddle() -> Race {
    Race {
        title: "A saddle",
        lesson: "Beside the ridge the slope is tiny at first. Who scales the slope turns at once; momentum runs past \
                 the saddle and gathers speed; plain descent lingers there; Adagrad and Adadelta are still on their way.",
        rates: Rates::Same(0.02),
        ..Race::new("saddle", Surface::Saddle, 300)
    }
}

fn ravine() -> Race {
    Race {
        title: "A ravine",
        lesson: "The steep walls limit the rate, so that plain descent creeps along the floor; momentum adds up what always \
                 points the same way.",
        racers: names(&["sgd", "momentum", "nesterov", "rmsprop", "adam"]),
        ..Race::new("ravine", Surface::Ravine, 100)
    }
}

fn plateau() -> Race {
    Race {
        title: "A plateau",
        lesson: "On the plain the slope is next to nothing, and so are the steps of plain descent; who divides by the size of the \
                 slope walks on.",
        rates: Rates::Same(0.05),
        racers: names(&["sgd", "momentum", "adagrad", "rmsprop", "adam"]),
        view: Some([[-3.8, 1.6], [-1.1, 1.7]]),
        ..Race::new("plateau", Surface::Plateau, 400)
    }
}
