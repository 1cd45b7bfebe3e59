//! Colours, dashes and heads: one for each optimizer, the same in every picture, told apart by the colour-blind.

/// How a line is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// The place in [`COLORS`].
    pub color: usize,
    pub dash: &'static str,
    /// The outline of the head, around 0.
    pub head: &'static str,
}

/// Okabe and Ito's colours, and some of Tol's, on white and on black.
pub const COLORS: [[&str; 2]; 10] = [
    ["#6b6b6b", "#b5b5b5"],
    ["#d98f00", "#f0b13c"],
    ["#d55e00", "#ff8a3d"],
    ["#009e73", "#2fc79b"],
    ["#3fa3db", "#9adbff"],
    ["#cc79a7", "#f2b5d4"],
    ["#0072b2", "#3d9be0"],
    ["#882255", "#d0508f"],
    ["#117733", "#7fb85a"],
    ["#6a4c9c", "#a98bdb"],
];

const CIRCLE: &str = "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0z";
const SQUARE: &str = "M-4-4h8v8h-8z";
const DIAMOND: &str = "M0-5.5L5.5 0L0 5.5L-5.5 0z";
const UP: &str = "M0-5.5L5 4H-5z";
const DOWN: &str = "M0 5.5L5-4H-5z";
const PLUS: &str = "M-1.8-5h3.6v3.2h3.2v3.6h-3.2v3.2h-3.6v-3.2h-3.2v-3.6h3.2z";
const HEXAGON: &str = "M5 0L2.5 4.3H-2.5L-5 0L-2.5-4.3H2.5z";
const STAR: &str = "M0-6L1.7-2L6-1.8L2.6 1L3.7 5.2L0 2.8L-3.7 5.2L-2.6 1L-6-1.8L-1.7-2z";

/// Where a trail leaves the picture.
pub const CROSS: &str = "M-5-5L5 5M-5 5L5-5";

/// Returns the style of an optimizer or a method by name, with or without a preset such as `nadam:dozat`.
pub fn of(name: &str) -> Style {
    let family = name.split(':').next().unwrap_or(name);
    let (color, head) = match family {
        "momentum" => (1, SQUARE),
        "nesterov" => (2, DIAMOND),
        "adagrad" => (3, UP),
        "adadelta" => (4, DOWN),
        "rmsprop" => (5, PLUS),
        "adam" => (6, HEXAGON),
        "nadam" => (7, STAR),
        "amsgrad" => (8, SQUARE),
        "lion" => (9, UP),
        "adamw" => (6, SQUARE),
        "adamax" => (6, DIAMOND),
        "radam" => (6, UP),
        "schedule-free-adamw" => (6, DOWN),
        "rmsprop-momentum" => (5, SQUARE),
        "yogi" => (8, DIAMOND),
        "adabelief" => (8, UP),
        "adan" => (7, SQUARE),
        "rprop" => (9, DOWN),
        "normalized-gradient" => (0, SQUARE),
        "asgd" => (0, DIAMOND),
        "schedule-free-sgd" => (0, UP),
        "sgd-noise" => (0, PLUS),
        "newton" => (2, UP),
        "bfgs" => (3, SQUARE),
        "lbfgs" => (8, DIAMOND),
        "conjugate-gradients" => (7, PLUS),
        "truncated-newton" => (9, DOWN),
        "hessian-free" => (5, STAR),
        _ => (0, CIRCLE),
    };
    Style { color, dash: "", head }
}

/// Returns the style of a line that is no optimizer's, by its place in the picture.
pub fn nth(place: usize) -> Style {
    const ORDER: [usize; 9] = [6, 2, 3, 7, 1, 4, 5, 8, 9];
    const HEADS: [&str; 5] = [CIRCLE, SQUARE, UP, DIAMOND, STAR];
    Style { color: ORDER[place % ORDER.len()], dash: "", head: HEADS[place % HEADS.len()] }
}

impl Style {
    /// Returns the same, with dashes.
    pub fn dashed(self, dash: &'static str) -> Self {
        Self { dash, ..self }
    }

    /// Returns the same, for a line without a head.
    pub fn headless(self) -> Self {
        Self { head: "", ..self }
    }

    /// Returns the attributes of a line.
    pub fn line(self) -> String {
        let dash = match self.dash {
            "" => String::new(),
            dash => format!(" stroke-dasharray=\"{dash}\""),
        };
        format!("class=\"l k{}\"{dash}", self.color)
    }
}

/// Returns the style sheet: of everything on a bright page, and on a dark one.
pub fn sheet() -> String {
    let colors = |theme: usize| -> String {
        COLORS.iter().enumerate().map(|(place, color)| format!(".k{place}{{color:{}}}", color[theme])).collect()
    };
    format!(
        "<style>text{{fill:#1f2328}}.m{{fill:#59636e}}.b{{fill:#fff}}.g{{stroke:#e4e7ea;fill:none}}\
         .a{{stroke:#7d8590;fill:none}}.c{{stroke:#aab4bf;fill:none;stroke-width:.8}}\
         .p{{fill:#1f2328;stroke:#fff}}.d{{fill:#8c959f;fill-opacity:.6}}.o{{fill:none;stroke:#1f2328;stroke-width:1.6}}.l{{stroke:currentColor;fill:none;stroke-width:2;stroke-linejoin:round}}\
         .h{{fill:currentColor;stroke:#fff;stroke-width:.8}}.x{{stroke:currentColor;stroke-width:2.5;fill:none}}{}\
         @media (prefers-color-scheme:dark){{text{{fill:#e6edf3}}.m{{fill:#9aa4af}}.b{{fill:#0d1117}}\
         .g{{stroke:#252c35}}.a{{stroke:#7d8590}}.c{{stroke:#4a545f}}.p{{fill:#fff;stroke:#0d1117}}.o{{stroke:#fff}}\
         .h{{stroke:#0d1117}}{}}}</style>",
        colors(0),
        colors(1)
    )
}
