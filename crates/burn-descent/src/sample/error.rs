use crate::error::ConfigError;

/// Fails where examples cannot be drawn or ordered.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SampleError {
    /// Says that there is nothing to draw from.
    #[error("no examples, expected at least 1")]
    Empty,
    /// Says that a class has no example that could be drawn.
    #[error("class {class} has no example, expected at least 1 of each of {classes} classes")]
    NoExample {
        /// Gives the class, from 0.
        class: usize,
        /// Gives the number of classes.
        classes: usize,
    },
    /// Says that a label names a class that does not exist.
    #[error("label {position} is {label}, expected less than {classes}")]
    Label {
        /// Gives the position of the label, from 0.
        position: usize,
        /// Gives the label.
        label: usize,
        /// Gives the number of classes.
        classes: usize,
    },
    /// Says that a part is larger than the whole.
    #[error("a part of {part} examples, expected at most {examples}: as many as there are")]
    Part {
        /// Gives the size of the part.
        part: usize,
        /// Gives the number of examples.
        examples: usize,
    },
    /// Says that a difficulty is no finite number.
    #[error("difficulty {position} is {difficulty}, expected a finite number")]
    Difficulty {
        /// Gives the position of the difficulty, from 0.
        position: usize,
        /// Gives the difficulty.
        difficulty: f64,
    },
    /// Says that there is not one of something for each example.
    #[error("{found} {what}, expected {examples}: one for each example")]
    Count {
        /// Names what is counted, such as `difficulties`.
        what: &'static str,
        /// Gives how many there are.
        found: usize,
        /// Gives the number of examples.
        examples: usize,
    },
    /// Says that a text is no curriculum.
    #[error("expected [anti-|random-]linear|root|step=START,LENGTH, such as linear=0.2,5epochs, but is `{text}`")]
    Text {
        /// Gives the text.
        text: String,
    },
    /// Says that a number is out of range.
    #[error(transparent)]
    Config(#[from] ConfigError),
}
