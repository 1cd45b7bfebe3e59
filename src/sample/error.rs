use crate::error::ConfigError;

/// Why examples could not be drawn or ordered.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SampleError {
    /// There is nothing to draw from.
    #[error("no examples, expected at least 1")]
    Empty,
    /// A class has no example that could be drawn.
    #[error("class {class} has no example, expected at least 1 of each of {classes} classes")]
    NoExample {
        /// The class.
        class: usize,
        /// The number of classes.
        classes: usize,
    },
    /// A label names a class that does not exist.
    #[error("label {position} is {label}, expected less than {classes}")]
    Label {
        /// Which label, from 0.
        position: usize,
        /// The label.
        label: usize,
        /// The number of classes.
        classes: usize,
    },
    /// A part is larger than the whole.
    #[error("a part of {part} examples, expected at most {examples}: as many as there are")]
    Part {
        /// The size of the part.
        part: usize,
        /// The number of examples.
        examples: usize,
    },
    /// A difficulty is no number.
    #[error("difficulty {position} is {difficulty}, expected a finite number")]
    Difficulty {
        /// Which, from 0.
        position: usize,
        /// The difficulty.
        difficulty: f64,
    },
    /// There is not one of something for each example.
    #[error("{found} {what}, expected {examples}: one for each example")]
    Count {
        /// What there is: such as `difficulties`.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// The number of examples.
        examples: usize,
    },
    /// A text is no curriculum.
    #[error("expected [anti-|random-]linear|root|step=START,LENGTH, such as linear=0.2,5epochs, but is `{text}`")]
    Text {
        /// The text.
        text: String,
    },
    /// A number is out of range.
    #[error(transparent)]
    Config(#[from] ConfigError),
}
